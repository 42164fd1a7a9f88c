//! Who needs whom, and all the files that say so (spec/initramfs.md 3.2).

use std::collections::HashMap;

use super::hash::{SYMBOL_BUCKETS, place};
use super::index::{self, Entry};
use super::names::{is_text, module_name, normalized};
use super::tree::{Ranked, Tree, Warning, ranked};
use super::{modinfo, text};

/// Dependencies of all modules together, indirect ones too; the largest kernels have some ten thousand.
pub const MAX_DEPENDENCIES: usize = 1 << 22;

/// What of a cycle is named.
const SHOWN: usize = 8;

/// Why there is no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepmodError {
    /// Modules that need each other, or are needed by such.
    #[error("modules need each other: {}", modules.join(", "))]
    Cycle {
        /// The first of them, by path.
        modules: Vec<String>,
    },
    /// More dependencies than any kernel has.
    #[error("modules have more than {MAX_DEPENDENCIES} dependencies")]
    TooMany,
    /// A file that its format cannot hold.
    #[error("{file}: {source}")]
    Index {
        /// The file.
        file: &'static str,
        /// Why.
        source: index::WriteError,
    },
}

/// One file of an index, for the directory of the kernel version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The index of a tree of modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// What depmod writes, by name.
    pub files: Vec<File>,
    /// What had to be left out.
    pub warnings: Vec<Warning>,
}

/// What [`depmod`] makes.
pub const GENERATED: [&str; 11] = [
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.weakdep",
];

/// Makes the index of `tree`: everything that `depmod --all` writes.
pub fn depmod(tree: &Tree<'_>) -> Result<Files, DepmodError> {
    let mut warnings = Vec::new();
    let modules = ranked(tree, &mut warnings);
    let owners = owners(&modules);
    let direct = direct(&modules, &owners);
    let numbers = numbers(&modules, &direct)?;
    let lines = lines(&modules, &closures(&direct, &numbers)?);
    let mut symbols: Vec<(&str, usize)> = owners.into_iter().collect();
    symbols.sort_by_key(|(symbol, _)| place(symbol, SYMBOL_BUCKETS));

    let trie = |file, entries| match index::write(entries) {
        Ok(content) => Ok(content),
        Err(source) => Err(DepmodError::Index { file, source }),
    };
    let mut files = vec![
        ("modules.dep", text::dep(&lines)),
        (
            "modules.dep.bin",
            trie("modules.dep.bin", dep(&modules, &lines))?,
        ),
        ("modules.alias", text::alias(&modules)),
        (
            "modules.alias.bin",
            trie("modules.alias.bin", alias(&modules, &mut warnings))?,
        ),
        ("modules.softdep", text::softdep(&modules)),
        ("modules.weakdep", text::weakdep(&modules)),
        ("modules.symbols", text::symbols(&modules, &symbols)),
        (
            "modules.symbols.bin",
            trie("modules.symbols.bin", symbol(&modules, &symbols))?,
        ),
        ("modules.devname", text::devname(&modules, &mut warnings)),
    ];
    for (file, entries) in [
        (
            "modules.builtin.bin",
            tree.builtin.map(|lines| builtin(lines, &mut warnings)),
        ),
        (
            "modules.builtin.alias.bin",
            tree.builtin_modinfo
                .map(|texts| builtin_alias(texts, &mut warnings)),
        ),
    ] {
        // Without its input, a file is empty: not even a header.
        let content = entries.map(|entries| trie(file, entries)).transpose()?;
        files.push((file, content.unwrap_or_default()));
    }
    files.sort_unstable_by_key(|(name, _)| *name);
    debug_assert!(files.iter().map(|(name, _)| *name).eq(GENERATED));
    let files = files
        .into_iter()
        .map(|(name, content)| File { name, content })
        .collect();
    Ok(Files { files, warnings })
}

/// The module that each symbol comes from: the last that exports it.
fn owners<'a>(modules: &[Ranked<'a>]) -> HashMap<&'a str, usize> {
    modules
        .iter()
        .enumerate()
        .flat_map(|(index, module)| {
            let exports = module.module.exports.iter();
            exports.map(move |symbol| (symbol.as_str(), index))
        })
        .collect()
}

/// What each module needs itself, in the order in which it comes to need it.
fn direct(modules: &[Ranked<'_>], owners: &HashMap<&str, usize>) -> Vec<Vec<usize>> {
    let mut needed_by = vec![usize::MAX; modules.len()];
    modules
        .iter()
        .enumerate()
        .map(|(index, module)| {
            let mut needs = Vec::new();
            for symbol in &module.module.needs {
                let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
                if let Some(owner) = owners.get(symbol)
                    && needed_by[*owner] != index
                {
                    needed_by[*owner] = index;
                    needs.push(*owner);
                }
            }
            needs
        })
        .collect()
}

/// Numbers modules so that each has a smaller number than what it needs.
fn numbers(modules: &[Ranked<'_>], direct: &[Vec<usize>]) -> Result<Vec<usize>, DepmodError> {
    let mut users = vec![0_usize; modules.len()];
    for needed in direct.iter().flatten() {
        users[*needed] += 1;
    }
    let mut free: Vec<usize> = (0..modules.len())
        .filter(|index| users[*index] == 0)
        .collect();
    let mut numbers = vec![usize::MAX; modules.len()];
    let mut count = 0;
    while let Some(index) = free.pop() {
        numbers[index] = count;
        count += 1;
        for needed in &direct[index] {
            users[*needed] -= 1;
            if users[*needed] == 0 {
                free.push(*needed);
            }
        }
    }
    if count == modules.len() {
        return Ok(numbers);
    }
    let mut left: Vec<String> = modules
        .iter()
        .zip(&numbers)
        .filter(|(_, number)| **number == usize::MAX)
        .map(|(module, _)| module.path.to_owned())
        .collect();
    left.sort_unstable();
    left.truncate(SHOWN);
    Err(DepmodError::Cycle { modules: left })
}

/// Everything that each module needs, users before what they need.
fn closures(direct: &[Vec<usize>], numbers: &[usize]) -> Result<Vec<Vec<usize>>, DepmodError> {
    let mut seen_by = vec![usize::MAX; direct.len()];
    let mut total = 0;
    let closure = |index: usize| {
        let mut found: Vec<usize> = Vec::new();
        let mut todo = direct[index].clone();
        while let Some(next) = todo.pop() {
            if seen_by[next] != index {
                seen_by[next] = index;
                found.push(next);
                todo.extend(&direct[next]);
            }
        }
        total += found.len();
        if total > MAX_DEPENDENCIES {
            return Err(DepmodError::TooMany);
        }
        found.sort_unstable_by_key(|needed| numbers[*needed]);
        Ok(found)
    };
    (0..direct.len()).map(closure).collect()
}

/// The lines of `modules.dep`, without their ends.
fn lines(modules: &[Ranked<'_>], closures: &[Vec<usize>]) -> Vec<String> {
    modules
        .iter()
        .zip(closures)
        .map(|(module, closure)| {
            let mut line = format!("{}:", module.path);
            for needed in closure {
                line.push(' ');
                line.push_str(modules[*needed].path);
            }
            line
        })
        .collect()
}

fn dep<'a>(modules: &'a [Ranked<'_>], lines: &'a [String]) -> Vec<Entry<'a>> {
    let entries = modules.iter().zip(lines).zip(0..);
    entries
        .map(|((module, line), priority)| Entry {
            key: module.name.as_str().into(),
            priority,
            value: line.as_str().into(),
        })
        .collect()
}

fn alias<'a>(modules: &'a [Ranked<'_>], warnings: &mut Vec<Warning>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    for (module, priority) in modules.iter().zip(0..) {
        for alias in &module.module.aliases {
            match normalized(alias) {
                Some(key) => entries.push(Entry {
                    key: key.into(),
                    priority,
                    value: module.name.as_str().into(),
                }),
                None => warnings.push(unmatched(module.path, alias)),
            }
        }
    }
    entries
}

fn symbol<'a>(modules: &'a [Ranked<'_>], symbols: &[(&str, usize)]) -> Vec<Entry<'a>> {
    let entry = |&(symbol, owner): &(&str, usize)| Entry {
        key: format!("symbol:{symbol}").into(),
        priority: u32::try_from(owner).expect("fewer modules than that"),
        value: modules[owner].name.as_str().into(),
    };
    symbols.iter().map(entry).collect()
}

/// Entries of the modules that are part of the kernel: no path, only that they are there.
fn builtin(lines: &[u8], warnings: &mut Vec<Warning>) -> Vec<Entry<'static>> {
    let mut entries = Vec::new();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        match str::from_utf8(line) {
            Ok(path) if is_text(path) && line[0].is_ascii_alphabetic() => entries.push(Entry {
                key: module_name(path).into(),
                priority: 0,
                value: "".into(),
            }),
            _ => warnings.push(Warning {
                place: "modules.builtin".to_owned(),
                why: format!("line {:?} is not a path", String::from_utf8_lossy(line)),
            }),
        }
    }
    entries
}

/// Entries of the aliases of those modules, each text `module.key=value`.
fn builtin_alias<'a>(texts: &'a [u8], warnings: &mut Vec<Warning>) -> Vec<Entry<'a>> {
    const FILE: &str = "modules.builtin.modinfo";
    let mut entries = Vec::new();
    for (key, value) in modinfo(texts) {
        let (Ok(key), Ok(alias)) = (str::from_utf8(key), str::from_utf8(value)) else {
            continue;
        };
        let Some((name, "alias")) = key.split_once('.') else {
            continue;
        };
        if !is_text(name) || !is_text(alias) {
            continue;
        }
        match normalized(alias) {
            Some(key) => entries.push(Entry {
                key: key.into(),
                priority: 0,
                value: name.into(),
            }),
            None => warnings.push(unmatched(FILE, alias)),
        }
    }
    entries
}

fn unmatched(place: &str, alias: &str) -> Warning {
    Warning {
        place: place.to_owned(),
        why: format!("alias {alias:?} left out of the index: a bracket stands alone"),
    }
}
