//! Which clusters the directories and files of a tree take.

use super::{
    Directory, Error, File, Node,
    names::{self, Name},
    raw::{ENTRY_LEN, LONG_ENTRY_UNITS},
};

/// Slots of the largest directory.
const MAX_SLOTS: usize = 65_536;

/// Numbers clusters in order.
pub(super) struct Clusters {
    pub(super) cluster_len: u64,
    /// May run past 32 bits: then nothing fits, which is found out at the end.
    pub(super) next: u64,
}

impl Clusters {
    /// The first of the clusters for `len` bytes (0 for none), and how many.
    fn take(&mut self, len: u64) -> (u32, u32) {
        let (first, count) = (self.next, len.div_ceil(self.cluster_len));
        self.next += count;
        let narrow = |value| u32::try_from(value).unwrap_or(u32::MAX);
        if count == 0 {
            (0, 0)
        } else {
            (narrow(first), narrow(count))
        }
    }
}

/// Where the slots of a directory are.
#[derive(Clone, Copy)]
enum Room {
    /// In a place of its own, with so many.
    Fixed(usize),
    /// In clusters.
    Chain,
}

/// A directory whose clusters are known.
pub(super) struct PlannedDirectory<'a> {
    pub(super) path: String,
    pub(super) first: u32,
    pub(super) clusters: u32,
    pub(super) slots: usize,
    pub(super) children: Vec<(Name, Planned<'a>)>,
}

pub(super) enum Planned<'a> {
    Directory(PlannedDirectory<'a>),
    File {
        path: String,
        first: u32,
        clusters: u32,
        len: u32,
        file: &'a File,
    },
}

impl<'a> PlannedDirectory<'a> {
    /// The root directory, with `own_slots` for the label. On FAT12 it has `fixed_slots` and no clusters.
    pub(super) fn root(
        directory: &'a Directory,
        own_slots: usize,
        fixed_slots: Option<u16>,
        clusters: &mut Clusters,
    ) -> Result<Self, Error> {
        let place = match fixed_slots {
            Some(slots) => Room::Fixed(usize::from(slots)),
            None => Room::Chain,
        };
        Self::new(directory, String::new(), own_slots, place, clusters)
    }

    /// `own_slots`: the label of the root directory, or `.` and `..` of the others.
    fn new(
        directory: &'a Directory,
        path: String,
        own_slots: usize,
        room: Room,
        clusters: &mut Clusters,
    ) -> Result<Self, Error> {
        let names = names::of_directory(directory.entries().map(|(name, _)| name));
        let long_slots = |name: &Name| {
            name.long
                .as_ref()
                .map_or(0, |long| long.len().div_ceil(LONG_ENTRY_UNITS))
        };
        let slots = own_slots + names.iter().map(|name| 1 + long_slots(name)).sum::<usize>();
        let max = match room {
            Room::Fixed(slots) => slots,
            Room::Chain => MAX_SLOTS,
        };
        if slots > max {
            return Err(Error::DirectoryTooLarge { path, slots, max });
        }
        let (first, count) = match room {
            Room::Fixed(_) => (0, 0),
            Room::Chain => clusters.take((slots * ENTRY_LEN) as u64),
        };
        let mut children = Vec::with_capacity(names.len());
        for (short, (name, node)) in names.into_iter().zip(directory.entries()) {
            let path = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            let child = match node {
                Node::Directory(inner) => {
                    Planned::Directory(Self::new(inner, path, 2, Room::Chain, clusters)?)
                }
                Node::File(file) => {
                    let (first, count) = clusters.take(file.content.len());
                    let Ok(len) = u32::try_from(file.content.len()) else {
                        return Err(Error::FileTooLarge {
                            path,
                            len: file.content.len(),
                        });
                    };
                    Planned::File {
                        path,
                        first,
                        clusters: count,
                        len,
                        file,
                    }
                }
            };
            children.push((short, child));
        }
        Ok(Self {
            path,
            first,
            clusters: count,
            slots,
            children,
        })
    }

    /// First cluster and count of everything below, in the order of their numbers.
    pub(super) fn chains(&self, chains: &mut Vec<(u32, u32)>) {
        if self.clusters > 0 {
            chains.push((self.first, self.clusters));
        }
        for (_, child) in &self.children {
            match child {
                Planned::Directory(inner) => inner.chains(chains),
                Planned::File { clusters: 0, .. } => {}
                Planned::File {
                    first, clusters, ..
                } => chains.push((*first, *clusters)),
            }
        }
    }
}
