//! The index files that are text (spec/initramfs.md 3.4).

use std::fmt::Write as _;

use super::tree::{Ranked, Warning};

const ALIAS: &str = "# Aliases extracted from modules themselves.\n";
const SOFTDEP: &str = "# Soft dependencies extracted from modules themselves.\n";
const WEAKDEP: &str = "# Weak dependencies extracted from modules themselves.\n";
const SYMBOLS: &str = "# Aliases for symbols, used by symbol_request().\n";
const DEVNAME: &str = "# Device nodes to trigger on-demand module loading.\n";

/// `modules.dep`.
pub(super) fn dep(lines: &[String]) -> Vec<u8> {
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    text.into_bytes()
}

/// `modules.alias`.
pub(super) fn alias(modules: &[Ranked<'_>]) -> Vec<u8> {
    let lines = modules.iter().flat_map(|module| {
        let aliases = module.module.aliases.iter();
        aliases.map(|alias| ["alias ", alias, " ", &module.name])
    });
    file(ALIAS, lines)
}

/// `modules.softdep`.
pub(super) fn softdep(modules: &[Ranked<'_>]) -> Vec<u8> {
    let lines = modules.iter().flat_map(|module| {
        let wishes = module.module.softdeps.iter();
        wishes.map(|wish| ["softdep ", &module.name, " ", wish])
    });
    file(SOFTDEP, lines)
}

/// `modules.weakdep`.
pub(super) fn weakdep(modules: &[Ranked<'_>]) -> Vec<u8> {
    let lines = modules.iter().flat_map(|module| {
        let wishes = module.module.weakdeps.iter();
        wishes.map(|wish| ["weakdep ", &module.name, " ", wish])
    });
    file(WEAKDEP, lines)
}

/// `modules.symbols`.
pub(super) fn symbols(modules: &[Ranked<'_>], symbols: &[(&str, usize)]) -> Vec<u8> {
    let lines = symbols
        .iter()
        .map(|(symbol, owner)| ["alias symbol:", symbol, " ", &modules[*owner].name]);
    file(SYMBOLS, lines)
}

fn file<'a>(head: &str, lines: impl Iterator<Item = [&'a str; 4]>) -> Vec<u8> {
    let mut text = head.to_owned();
    for words in lines {
        text.extend(words);
        text.push('\n');
    }
    text.into_bytes()
}

/// `modules.devname`: nodes in `/dev` that load a module when they are opened. Empty without any.
pub(super) fn devname(modules: &[Ranked<'_>], warnings: &mut Vec<Warning>) -> Vec<u8> {
    let mut text = String::new();
    for module in modules {
        let Some((node, device)) = device_node(&module.module.aliases) else {
            continue;
        };
        let Some((kind, major, minor)) = device else {
            warnings.push(Warning {
                place: module.path.to_owned(),
                why: format!("device node {node:?} left out: it has no numbers"),
            });
            continue;
        };
        if text.is_empty() {
            text.push_str(DEVNAME);
        }
        writeln!(text, "{} {node} {kind}{major}:{minor}", module.name)
            .expect("writing to a String cannot fail");
    }
    text.into_bytes()
}

/// Kind, major and minor number.
type Device = (char, u32, u32);

/// The node that the aliases name, with the numbers that stand last before both are known.
fn device_node(aliases: &[String]) -> Option<(&str, Option<Device>)> {
    let (mut node, mut device) = (None, None);
    for alias in aliases {
        if let Some(name) = alias.strip_prefix("devname:") {
            node = Some(name);
        } else if let Some(numbers) = numbers(alias) {
            device = Some(numbers);
        }
        if node.is_some() && device.is_some() {
            break;
        }
    }
    Some((node?, device))
}

/// `char-major-10-229` → c, 10, 229. What follows the last digit does not count.
fn numbers(alias: &str) -> Option<Device> {
    let (kind, rest) = alias
        .strip_prefix("char-major-")
        .map(|rest| ('c', rest))
        .or_else(|| Some(('b', alias.strip_prefix("block-major-")?)))?;
    let (major, rest) = number(rest)?;
    let (minor, _) = number(rest.strip_prefix('-')?)?;
    Some((kind, major, minor))
}

/// The number that `text` starts with, and what follows.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
