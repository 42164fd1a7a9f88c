//! Which inodes and blocks the directories and files of a tree take.
//!
//! Inodes come first, because their chunks lie before the data: each directory after the root is in the next allocation group,
//! as mkfs.xfs places them, with its files; files before directories, each sorted. Then data, from the group of its inode on; what
//! does not fit there goes on in the next.

use super::{
    Directory, Error, File,
    directory::{self, Entry, Form},
    geometry::{AG_COUNT, BLOCK_INODES, BLOCK_LEN, CHUNK_BLOCKS, Geometry},
    raw::CHUNK_INODES,
};

/// The first inode that is neither the root directory's nor of the (empty) realtime part.
const RESERVED_INODES: u32 = 3;
/// Records of 16 bytes in a tree of one block.
const MAX_CHUNKS: u32 = 252;
/// Blocks that stay free in every group, so that its trees can grow before something is deleted; mkfs.xfs leaves as many.
const AG_RESERVE: u32 = 8;

/// An inode: its allocation group and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ag: u32,
    pub(super) inode: u32,
}

/// A run of blocks in one allocation group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) ag: u32,
    pub(super) block: u32,
    pub(super) count: u32,
}

/// What an inode is for.
pub(super) enum Content<'a> {
    Directory {
        parent: Place,
        mode: u16,
        form: Form,
        entries: Vec<Entry>,
    },
    File(&'a File),
}

/// An inode with its data.
pub(super) struct Planned<'a> {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) content: Content<'a>,
    pub(super) runs: Vec<Run>,
}

/// What is taken of an allocation group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Inodes in use, from the first of the first chunk on.
    pub(super) inodes: u32,
    /// The first block behind all inodes and data.
    pub(super) end: u32,
}

impl Taken {
    /// Chunks of 64 inodes.
    pub(super) fn chunks(self) -> u32 {
        self.inodes.div_ceil(CHUNK_INODES)
    }
}

/// A tree with its inodes and blocks.
pub(super) struct Plan<'a> {
    /// In the order of their numbers within each group; the root directory first.
    pub(super) inodes: Vec<Planned<'a>>,
    pub(super) taken: [Taken; AG_COUNT as usize],
}

impl<'a> Plan<'a> {
    pub(super) fn new(geometry: &Geometry, root: &'a Directory) -> Result<Self, Error> {
        let first = Taken { inodes: 0, end: 0 };
        let mut plan = Self {
            inodes: Vec::new(),
            taken: [first; AG_COUNT as usize],
        };
        let mut inodes = Inodes {
            geometry,
            next: [RESERVED_INODES, 0, 0, 0],
            directories: 0,
        };
        let place = Place {
            ag: 0,
            inode: geometry.first_chunk_block(0) * BLOCK_INODES,
        };
        plan.number(&mut inodes, root, place, place, "")?;
        for (ag, taken) in (0..).zip(&mut plan.taken) {
            taken.inodes = inodes.next[ag as usize];
            taken.end = if taken.inodes > 0 {
                geometry.first_chunk_block(ag) + taken.chunks() * CHUNK_BLOCKS
            } else {
                geometry.first_free_block(ag)
            };
        }
        plan.place_data(geometry)?;
        Ok(plan)
    }

    /// Adds `directory` and all below.
    fn number(
        &mut self,
        inodes: &mut Inodes,
        directory: &'a Directory,
        place: Place,
        parent: Place,
        path: &str,
    ) -> Result<(), Error> {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            }
        };
        let index = self.inodes.len();
        let mut entries = Vec::with_capacity(directory.entries.len());
        self.inodes.push(Planned {
            path: path.to_owned(),
            place,
            content: Content::Directory {
                parent,
                mode: directory.mode,
                form: Form::Short,
                entries: Vec::new(),
            },
            runs: Vec::new(),
        });
        for (name, file) in directory.files() {
            let place = inodes.take(place.ag)?;
            entries.push(Entry::file(name, place));
            self.inodes.push(Planned {
                path: below(name),
                place,
                content: Content::File(file),
                runs: Vec::new(),
            });
        }
        for (name, inner) in directory.directories() {
            let inner_place = inodes.take_directory()?;
            entries.push(Entry::directory(name, inner_place));
            self.number(inodes, inner, inner_place, place, &below(name))?;
        }
        self.inodes[index].content = Content::Directory {
            parent,
            mode: directory.mode,
            form: directory::form(&entries),
            entries,
        };
        Ok(())
    }

    fn place_data(&mut self, geometry: &Geometry) -> Result<(), Error> {
        let limit = |ag| geometry.blocks_of(ag).saturating_sub(AG_RESERVE);
        let room = |ag: u32, taken: &[Taken; AG_COUNT as usize]| {
            limit(ag).saturating_sub(taken[ag as usize].end)
        };
        let needed: u64 = self.inodes.iter().map(Planned::blocks).sum();
        let available = (0..AG_COUNT)
            .map(|ag| u64::from(room(ag, &self.taken)))
            .sum();
        let inodes_fit = (0..AG_COUNT).all(|ag| self.taken[ag as usize].end <= limit(ag));
        if needed > available || !inodes_fit {
            return Err(Error::DoesNotFit { needed, available });
        }
        for planned in &mut self.inodes {
            let mut left = planned.blocks();
            for ag in (planned.place.ag..)
                .map(|ag| ag % AG_COUNT)
                .take(AG_COUNT as usize)
            {
                let count = u64::from(room(ag, &self.taken)).min(left);
                let count = u32::try_from(count).expect("at most a group");
                if count > 0 {
                    let taken = &mut self.taken[ag as usize];
                    planned.runs.push(Run {
                        ag,
                        block: taken.end,
                        count,
                    });
                    taken.end += count;
                    left -= u64::from(count);
                }
            }
            debug_assert_eq!(left, 0, "what is needed was found to be available");
        }
        Ok(())
    }
}

impl Planned<'_> {
    /// Bytes of the content.
    pub(super) fn len(&self) -> u64 {
        match &self.content {
            Content::Directory { form, entries, .. } => directory::len(*form, entries),
            Content::File(file) => file.content.len(),
        }
    }

    /// Blocks outside the inode, as the content counts them: the first and how many.
    fn numbered(&self) -> Vec<(u64, u64)> {
        match &self.content {
            Content::Directory { form, .. } => {
                let blocks = form.blocks().into_iter();
                blocks.map(|(first, count)| (first, count.into())).collect()
            }
            Content::File(file) => vec![(0, file.content.len().div_ceil(BLOCK_LEN))],
        }
    }

    /// Blocks outside the inode.
    pub(super) fn blocks(&self) -> u64 {
        self.numbered().into_iter().map(|(_, count)| count).sum()
    }

    /// The runs, cut where the content leaves numbers out: its first block, and the run.
    pub(super) fn extents(&self) -> Vec<(u64, Run)> {
        let mut extents = Vec::new();
        let mut numbered = self.numbered().into_iter();
        let (mut next, mut left) = (0, 0);
        for run in &self.runs {
            let mut run = *run;
            while run.count > 0 {
                if left == 0 {
                    (next, left) = numbered.next().expect("runs have as many blocks");
                }
                let count = u32::try_from(left.min(run.count.into())).expect("at most a run");
                extents.push((next, Run { count, ..run }));
                next += u64::from(count);
                left -= u64::from(count);
                run.block += count;
                run.count -= count;
            }
        }
        extents
    }
}

/// Numbers inodes, each group on its own.
struct Inodes<'a> {
    geometry: &'a Geometry,
    next: [u32; AG_COUNT as usize],
    directories: u32,
}

impl Inodes<'_> {
    fn take(&mut self, ag: u32) -> Result<Place, Error> {
        let next = &mut self.next[ag as usize];
        let max = MAX_CHUNKS * CHUNK_INODES;
        if *next == max {
            return Err(Error::TooManyFiles { max });
        }
        let inode = self.geometry.first_chunk_block(ag) * BLOCK_INODES + *next;
        *next += 1;
        Ok(Place { ag, inode })
    }

    fn take_directory(&mut self) -> Result<Place, Error> {
        let ag = self.directories % AG_COUNT;
        self.directories += 1;
        self.take(ag)
    }
}
