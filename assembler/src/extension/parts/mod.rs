//! The parts an extension falls into, because the kernel wants them in different places (spec/initramfs.md 1.7).
//!
//! ```text
//! rootfs/
//! ├─ usr/lib/firmware/          before Talos 1.10: lib/firmware
//! │  ├─ intel-ucode/*           microcode: in front of everything, uncompressed
//! │  ├─ amd-ucode/microcode_amd*.bin
//! │  └─ …                       firmware: into the initramfs itself, found before extensions are mounted
//! ├─ usr/lib/modules/           stays, and is also indexed together with the modules of others
//! └─ …                          mounted: a squashfs
//! ```
//!
//! Links among firmware are followed inside the extension, and what they lead to is there twice; the reference follows them
//! on the machine it runs on. What leads nowhere, or in a circle, is refused.

#[cfg(test)]
mod tests;

use crate::{
    quirks::Quirks,
    store::{Content, Entry, Node, Tree},
};

use super::{
    Error,
    links::{Directories, Found, join},
};

/// Most entries that the firmware of one extension may come to once its links are followed; all of linux-firmware has 5,000.
pub const MAX_FIRMWARE: usize = 1 << 16;

/// Most files of microcode of one extension; Intel's are some 130.
pub const MAX_MICROCODE: usize = 1024;

/// Most bytes of all their paths.
pub const MAX_FIRMWARE_PATHS: usize = 16 << 20;

/// Deepest directory of firmware, counted from the root.
pub const MAX_FIRMWARE_DEPTH: usize = 64;

const DIRECTORY_MODE: u32 = 0o755;

/// An extension's root file system, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// What is mounted.
    pub mounted: Tree,
    /// Directories and files for the initramfs, from its root on, every parent listed; `None` without a firmware directory.
    pub firmware: Option<Tree>,
    /// Updates for processors.
    pub microcode: Microcode,
    /// Everything below the directory of kernel modules, with paths relative to it; it stays mounted too. `None` when
    /// there is no such directory, which is what counts.
    pub modules: Option<Tree>,
}

/// Microcode in the order in which it is put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Microcode {
    /// Becomes part of `GenuineIntel.bin`.
    pub intel: Vec<Content>,
    /// Becomes part of `AuthenticAMD.bin`.
    pub amd: Vec<Content>,
}

/// Whose processors a file of microcode is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vendor {
    Intel,
    Amd,
}

impl Vendor {
    /// The file that the kernel looks for in `kernel/x86/microcode`.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Intel => Microcode::INTEL,
            Self::Amd => Microcode::AMD,
        }
    }

    /// Of the file at `path` below the firmware directory; `None` for what is not microcode.
    pub(super) fn of(path: &str) -> Option<Self> {
        let (directory, name) = path.split_once('/')?;
        let is_direct = !name.contains('/');
        match directory {
            "intel-ucode" if is_direct => Some(Self::Intel),
            "amd-ucode" if is_direct && is_amd(name) => Some(Self::Amd),
            _ => None,
        }
    }
}

fn is_amd(name: &str) -> bool {
    let middle = name.strip_prefix("microcode_amd");
    middle.is_some_and(|rest| rest.strip_suffix(".bin").is_some())
}

impl Microcode {
    /// The file of [`intel`](Self::intel) in `kernel/x86/microcode`.
    pub const INTEL: &'static str = "GenuineIntel.bin";
    /// The file of [`amd`](Self::amd).
    pub const AMD: &'static str = "AuthenticAMD.bin";

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.intel.is_empty() && self.amd.is_empty()
    }

    /// All of it.
    pub fn files(&self) -> impl Iterator<Item = &Content> {
        self.intel.iter().chain(&self.amd)
    }
}

impl Parts {
    /// Takes the root file system of the extension `name` apart.
    pub fn of(name: &str, rootfs: Tree, quirks: &Quirks) -> Result<Self, Error> {
        let lib = if quirks.usr_merge { "usr/lib" } else { "lib" };
        let directories = Directories::new(&rootfs);
        let modules = format!("{lib}/modules");
        let modules = directories
            .contains(&modules)
            .then(|| files_below(&rootfs, &directories, &modules));
        let firmware = format!("{lib}/firmware");
        if !directories.contains(&firmware) {
            return Ok(Self {
                modules,
                mounted: rootfs,
                ..Self::default()
            });
        }
        let mut split = Split {
            extension: name,
            directories: &directories,
            root: &firmware,
            within: Vec::new(),
            paths: 0,
            firmware: Tree::default(),
            microcode: Microcode::default(),
        };
        let mut above = String::new();
        for part in lib.split('/') {
            above = join(&above, part);
            split.add(&above, DIRECTORY_MODE, Node::Directory)?;
        }
        split.take(&firmware, &firmware)?;
        let Split {
            firmware: moved,
            microcode,
            ..
        } = split;
        Ok(Self {
            mounted: without(rootfs, lib, &firmware),
            firmware: Some(moved),
            microcode,
            modules,
        })
    }
}

/// What is below `path`, links to files being those files. Other links stay: kernels come with some that lead nowhere.
fn files_below(rootfs: &Tree, directories: &Directories<'_>, path: &str) -> Tree {
    let mut tree = rootfs.below(path);
    for (inside, entry) in &mut tree.entries {
        if matches!(entry.node, Node::Symlink(_))
            && let Ok(Found::File { mode, content }) = directories.find(&join(path, inside))
        {
            entry.mode = mode;
            entry.node = Node::File(content.clone());
        }
    }
    tree
}

/// A walk through the firmware directory, through links too.
struct Split<'a> {
    extension: &'a str,
    directories: &'a Directories<'a>,
    root: &'a str,
    /// The directories it is in, as they are called without links.
    within: Vec<String>,
    /// Bytes of all paths so far.
    paths: usize,
    firmware: Tree,
    microcode: Microcode,
}

impl Split<'_> {
    /// Takes what is at `path`, and calls it `name`.
    fn take(&mut self, path: &str, name: &str) -> Result<(), Error> {
        let found = self
            .directories
            .find(path)
            .map_err(|why| self.refused(name, why))?;
        match found {
            Found::File { mode, content } => {
                let below = name
                    .strip_prefix(self.root)
                    .and_then(|rest| rest.strip_prefix('/'));
                let vendor = below.and_then(Vendor::of);
                if vendor.is_some() && self.microcode.files().count() == MAX_MICROCODE {
                    return Err(self.refused(name, "too many files of microcode"));
                }
                match vendor {
                    Some(Vendor::Intel) => self.microcode.intel.push(content.clone()),
                    Some(Vendor::Amd) => self.microcode.amd.push(content.clone()),
                    None => self.add(name, mode & 0o777, Node::File(content.clone()))?,
                }
            }
            Found::Directory { path, mode } => {
                if self.within.contains(&path) {
                    return Err(self.refused(name, "a link to a directory that it is in"));
                }
                if self.within.len() == MAX_FIRMWARE_DEPTH {
                    return Err(self.refused(name, "too many directories inside each other"));
                }
                // The owner can always enter (spec/initramfs.md 1.6).
                let mode = mode.map_or(DIRECTORY_MODE, |mode| mode & 0o777 | 0o700);
                self.add(name, mode, Node::Directory)?;
                self.within.push(path.clone());
                for inside in self.directories.names(&path) {
                    self.take(&join(&path, inside), &join(name, inside))?;
                }
                self.within.pop();
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &str, mode: u32, node: Node) -> Result<(), Error> {
        self.paths += path.len();
        if self.firmware.entries.len() == MAX_FIRMWARE || self.paths > MAX_FIRMWARE_PATHS {
            return Err(self.refused(path, "too many files"));
        }
        let entry = Entry {
            mode,
            node,
            xattrs: std::collections::BTreeMap::new(),
        };
        self.firmware.entries.insert(path.to_owned(), entry);
        Ok(())
    }

    fn refused(&self, path: &str, why: &'static str) -> Error {
        Error::Firmware {
            name: self.extension.to_owned(),
            path: path.to_owned(),
            why,
        }
    }
}

/// What stays when the firmware directory is taken away: the directory it was in stays, empty or not.
fn without(mut rootfs: Tree, lib: &str, firmware: &str) -> Tree {
    let below = format!("{firmware}/");
    rootfs
        .entries
        .retain(|path, _| path != firmware && !path.starts_with(&below));
    rootfs.entries.entry(lib.to_owned()).or_insert(Entry {
        mode: DIRECTORY_MODE,
        node: Node::Directory,
        xattrs: std::collections::BTreeMap::new(),
    });
    rootfs
}
