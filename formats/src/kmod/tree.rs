//! A tree of modules, and the order in which they count (spec/initramfs.md 3.2 and 3.3).

use std::{
    collections::{HashMap, hash_map},
    fmt,
};

use super::Module;
use super::hash::{MODULE_BUCKETS, place};
use super::names::{is_module, is_word, module_name, unpacked};

/// Longest path of a module, in bytes: Linux's `PATH_MAX`.
pub const MAX_PATH: usize = 4096;

/// Directories that hold no modules: links to what a kernel was built from.
const SKIPPED: [&str; 2] = ["build", "source"];

/// Directories whose modules replace others of the same name, the strongest first.
const PREFERRED: [&str; 2] = ["updates/", "extras/"];

/// What lies below `lib/modules/<version>/`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tree<'a> {
    /// The modules, in any order.
    pub modules: &'a [Installed<'a>],
    /// `modules.order`: paths of modules in the order in which they are tried for a device.
    pub order: Option<&'a [u8]>,
    /// `modules.builtin`: paths of modules that are part of the kernel.
    pub builtin: Option<&'a [u8]>,
    /// `modules.builtin.modinfo`: what those say of themselves.
    pub builtin_modinfo: Option<&'a [u8]>,
}

/// A module in its place.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// From the directory of the kernel version: `kernel/fs/btrfs/btrfs.ko.zst`.
    pub path: &'a str,
    /// What it says of itself.
    pub module: &'a Module,
}

/// Something that was left out of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The module, or the file of the kernel.
    pub place: String,
    /// What, and why.
    pub why: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place.escape_debug(), self.why)
    }
}

/// A module that made it into the index; its place in the list of those is its priority.
#[derive(Debug)]
pub(super) struct Ranked<'a> {
    pub(super) name: String,
    pub(super) path: &'a str,
    pub(super) module: &'a Module,
}

/// The modules that count, one a name, in the order of `modules.order` and then of the hash of their names.
pub(super) fn ranked<'a>(tree: &Tree<'a>, warnings: &mut Vec<Warning>) -> Vec<Ranked<'a>> {
    let listed = listed(tree.order.unwrap_or_default(), warnings);
    let position = |module: &Ranked<'_>| {
        let plain = unpacked(module.path);
        listed.get(plain.as_bytes()).copied().unwrap_or(usize::MAX)
    };
    let mut modules = chosen(tree.modules, warnings);
    modules.sort_by(|one, other| {
        let hashed = |module| place(module, MODULE_BUCKETS);
        position(one)
            .cmp(&position(other))
            .then_with(|| hashed(&one.name).cmp(&hashed(&other.name)))
    });
    modules
}

/// Where each path stands first in `modules.order`. Like depmod, believes nothing of a file that breaks off within a line.
fn listed<'a>(order: &'a [u8], warnings: &mut Vec<Warning>) -> HashMap<&'a [u8], usize> {
    let mut listed = HashMap::new();
    if order.last().is_some_and(|byte| *byte != b'\n') {
        warnings.push(Warning {
            place: "modules.order".to_owned(),
            why: "left out: its last line has no end".to_owned(),
        });
        return listed;
    }
    for (position, line) in order.split(|byte| *byte == b'\n').enumerate() {
        listed.entry(line).or_insert(position);
    }
    listed
}

/// One module a name.
fn chosen<'a>(modules: &[Installed<'a>], warnings: &mut Vec<Warning>) -> Vec<Ranked<'a>> {
    let mut chosen: HashMap<String, Installed<'a>> = HashMap::new();
    for module in modules {
        if !is_module(module.path) || is_skipped(module.path) {
            continue;
        }
        let name = module_name(module.path);
        if module.path.len() > MAX_PATH || !is_word(module.path) || name.is_empty() {
            warnings.push(Warning {
                place: module.path.to_owned(),
                why: "left out: its path is not printable ASCII, has blanks or is too long"
                    .to_owned(),
            });
            continue;
        }
        match chosen.entry(name) {
            hash_map::Entry::Vacant(place) => {
                place.insert(*module);
            }
            hash_map::Entry::Occupied(mut place) => {
                if preference(module.path) < preference(place.get().path) {
                    place.insert(*module);
                }
            }
        }
    }
    chosen
        .into_iter()
        .map(|(name, Installed { path, module })| Ranked { name, path, module })
        .collect()
}

fn is_skipped(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    folder.split('/').any(|name| SKIPPED.contains(&name))
}

/// Sorts paths of modules with one name: the first is taken.
fn preference(path: &str) -> (usize, &str) {
    let folder = PREFERRED.iter().position(|folder| path.starts_with(folder));
    (folder.unwrap_or(PREFERRED.len()), path)
}
