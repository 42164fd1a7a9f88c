//! The reader: total, bounded, over any source of bytes.

use std::{io, ops::Range};

use zerocopy::FromBytes;

use super::{
    Attributes, Kind,
    chains::{Chains, Numbers, fetch},
    names::{self, LOWER_BASE, LOWER_EXTENSION},
    raw::{
        BootSector, DirectoryEntry, END_OF_DIRECTORY, ENTRY_LEN, ERASED, ESCAPED_ERASED, FsInfo,
        LAST_LONG_ENTRY, LONG_ENTRY_UNITS, LongNameEntry, Stamp,
    },
};
use crate::{civil::Civil, read_at::ReadAt};

/// How much of a volume is looked at before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files and directories.
    pub entries: usize,
    /// Names of a path.
    pub depth: usize,
    /// Bytes of one directory.
    pub directory_len: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 65_536,
            depth: 32,
            directory_len: 2 << 20,
        }
    }
}

/// What a volume holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Width of the FAT's entries.
    pub kind: Kind,
    /// Sector 0; on FAT12, what lies behind the total sectors is to be had from [`BootSector::as_fat12`].
    pub boot_sector: BootSector,
    /// The sector that the boot sector names, where it is one.
    pub fs_info: Option<FsInfo>,
    /// Clusters of data.
    pub clusters: u32,
    /// The label in the root directory, and its date.
    pub label: Option<(String, Civil)>,
    /// Everything else, directories before what they hold, in the order of the disk.
    pub entries: Vec<Entry>,
}

/// A file or a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names from the root on, separated by `/`.
    pub path: String,
    /// The 8.3 name as it is stored: upper case, without padding.
    pub short_name: String,
    /// Attribute bits.
    pub attributes: Attributes,
    /// Date of the last change.
    pub written: Civil,
    /// Its first cluster, 0 for none.
    pub cluster: u32,
    /// Bytes of a file; 0 for directories.
    pub len: u32,
    /// Where its bytes lie in the source; whole clusters for directories.
    pub runs: Vec<Range<u64>>,
}

/// What is not a FAT12 or FAT32 volume, or too much of one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source did not give its bytes.
    #[error("FAT: reading {len} bytes at {offset:#x}")]
    Source {
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
        /// Why.
        source: io::Error,
    },
    /// A field of the boot sector that no volume has.
    #[error("FAT boot sector: {field} is {found:#x}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// The volume ends after its source.
    #[error("FAT: volume of {expected} bytes in a source of {found}")]
    Truncated {
        /// By the boot sector.
        expected: u64,
        /// Of the source.
        found: u64,
    },
    /// A chain leads out of the volume or to a free cluster.
    #[error("FAT: {path:?}: cluster {cluster:#x} of a chain is not one of the volume's")]
    Cluster {
        /// Whose chain.
        path: String,
        /// The number.
        cluster: u32,
    },
    /// A chain is shorter or longer than the file, or runs in a circle.
    #[error("FAT: {path:?}: chain does not have the {expected} clusters of its length")]
    ChainLength {
        /// Whose chain.
        path: String,
        /// Clusters by the length in its entry.
        expected: u64,
    },
    /// Chains have more clusters together than the volume: they share some, or run in circles.
    #[error("FAT: {path:?}: chains share clusters")]
    Shared {
        /// The chain at which it showed.
        path: String,
    },
    /// More than [`Limits`] allow.
    #[error("FAT: more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
}

/// Reads a volume from its start.
pub fn read(source: &(impl ReadAt + ?Sized), limits: &Limits) -> Result<Contents, ReadError> {
    let volume = Numbers::new(source)?;
    let info_offset = u64::from(volume.boot_sector.fs_info_sector.get()) * volume.sector;
    let fs_info = Some(info_offset)
        .filter(|_| volume.kind == Kind::Fat32)
        .and_then(|offset| fetch(source, offset, size_of::<FsInfo>()).ok())
        .and_then(|bytes| FsInfo::read_from_bytes(&bytes).ok())
        .filter(|info| info.lead_signature == *b"RRaA" && info.structure_signature == *b"rrAa");
    let mut walk = Walk {
        chains: Chains::new(source, &volume),
        limits,
        label: None,
        entries: Vec::new(),
    };
    let root = match volume.kind {
        Kind::Fat12 => vec![volume.fixed_root.clone()],
        Kind::Fat32 => walk.directory_runs("", volume.boot_sector.root_cluster.get())?,
    };
    walk.directory("", &root)?;
    // Entries are appended while they are walked, so this visits each level after the one above.
    let mut next = 0;
    while let Some(entry) = walk.entries.get(next) {
        next += 1;
        if entry.attributes.contains(Attributes::DIRECTORY) {
            let (path, cluster) = (entry.path.clone(), entry.cluster);
            let runs = walk.directory_runs(&path, cluster)?;
            walk.directory(&path, &runs)?;
            walk.entries[next - 1].runs = runs;
        }
    }
    let Walk {
        label, mut entries, ..
    } = walk;
    entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(Contents {
        kind: volume.kind,
        boot_sector: volume.boot_sector,
        fs_info,
        clusters: volume.clusters,
        label,
        entries,
    })
}

struct Walk<'a, R: ?Sized> {
    chains: Chains<'a, R>,
    limits: &'a Limits,
    label: Option<(String, Civil)>,
    entries: Vec<Entry>,
}

impl<R: ReadAt + ?Sized> Walk<'_, R> {
    /// Where the directory lies that starts at `cluster`.
    fn directory_runs(&mut self, path: &str, cluster: u32) -> Result<Vec<Range<u64>>, ReadError> {
        if !path.is_empty() && path.split('/').count() >= self.limits.depth {
            return Err(ReadError::Limit {
                what: "names in a path",
                limit: self.limits.depth as u64,
            });
        }
        self.chains
            .open_ended(path, cluster, self.limits.directory_len)
    }

    /// Adds the entries of the directory that lies at `runs`.
    fn directory(&mut self, path: &str, runs: &[Range<u64>]) -> Result<(), ReadError> {
        let mut long = LongName::default();
        for run in runs {
            let len =
                usize::try_from(run.end - run.start).expect("within the limit for directories");
            let bytes = fetch(self.chains.source, run.start, len)?;
            for slot in bytes.chunks_exact(ENTRY_LEN) {
                let entry = DirectoryEntry::read_from_bytes(slot).expect("a slot's length");
                match entry.name[0] {
                    END_OF_DIRECTORY => return Ok(()),
                    ERASED => long = LongName::default(),
                    _ if entry.attributes & 0x3f == Attributes::LONG_NAME.bits() => {
                        long.add(&LongNameEntry::read_from_bytes(slot).expect("a slot's length"));
                    }
                    _ => self.entry(path, &entry, std::mem::take(&mut long))?,
                }
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        directory: &str,
        entry: &DirectoryEntry,
        long: LongName,
    ) -> Result<(), ReadError> {
        let attributes = Attributes::from_bits(entry.attributes);
        let written = civil(entry.written);
        if attributes.contains(Attributes::VOLUME_LABEL) {
            if directory.is_empty() && self.label.is_none() {
                self.label = Some((latin(&entry.name).trim_end().to_owned(), written));
            }
            return Ok(());
        }
        if entry.name.starts_with(b". ") || entry.name.starts_with(b".. ") {
            return Ok(());
        }
        if self.entries.len() == self.limits.entries {
            return Err(ReadError::Limit {
                what: "entries",
                limit: self.limits.entries as u64,
            });
        }
        let name = long
            .of(&entry.name)
            .unwrap_or_else(|| short_name(entry, entry.case));
        let path = if directory.is_empty() {
            name
        } else {
            format!("{directory}/{name}")
        };
        let (cluster, len) = (entry.cluster(), entry.len.get());
        let runs = if attributes.contains(Attributes::DIRECTORY) || len == 0 {
            Vec::new()
        } else {
            self.chains.exactly(&path, cluster, u64::from(len))?
        };
        let short_name = short_name(entry, 0);
        self.entries.push(Entry {
            path,
            short_name,
            attributes,
            written,
            cluster,
            len,
            runs,
        });
        Ok(())
    }
}

/// A long name while its slots come in, last part first.
#[derive(Default)]
struct LongName {
    /// Parts in the order they came.
    parts: Vec<[u16; LONG_ENTRY_UNITS]>,
    /// Slots that are still to come.
    missing: u8,
    checksum: u8,
}

impl LongName {
    fn add(&mut self, slot: &LongNameEntry) {
        let order = slot.order & !LAST_LONG_ENTRY;
        if slot.order & LAST_LONG_ENTRY != 0 {
            *self = Self {
                parts: Vec::new(),
                missing: order,
                checksum: slot.checksum,
            };
        }
        // A slot out of order belongs to nothing; what it interrupts is no name either.
        if order == 0 || order != self.missing || slot.checksum != self.checksum {
            *self = Self::default();
            return;
        }
        self.missing -= 1;
        let mut units = [0; LONG_ENTRY_UNITS];
        let stored = slot
            .units_0
            .iter()
            .chain(&slot.units_5)
            .chain(&slot.units_11);
        units
            .iter_mut()
            .zip(stored)
            .for_each(|(unit, stored)| *unit = stored.get());
        self.parts.push(units);
    }

    /// The name, if it is complete and belongs to the entry with this short name.
    fn of(self, short: &[u8; 11]) -> Option<String> {
        if self.missing > 0 || self.parts.is_empty() || self.checksum != names::checksum(short) {
            return None;
        }
        let units: Vec<u16> = self
            .parts
            .iter()
            .rev()
            .flatten()
            .copied()
            .take_while(|unit| *unit != 0)
            .collect();
        Some(String::from_utf16_lossy(&units))
    }
}

fn short_name(entry: &DirectoryEntry, case: u8) -> String {
    let mut name = entry.name;
    if name[0] == ESCAPED_ERASED {
        name[0] = ERASED;
    }
    let half = |bytes: &[u8], lower| {
        let text = latin(bytes);
        let text = text.trim_end();
        if case & lower == 0 {
            text.to_owned()
        } else {
            text.to_ascii_lowercase()
        }
    };
    let (base, extension) = (
        half(&name[..8], LOWER_BASE),
        half(&name[8..], LOWER_EXTENSION),
    );
    if extension.is_empty() {
        base
    } else {
        format!("{base}.{extension}")
    }
}

/// One character a byte: which code page a short name is in, no volume says.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The fields as they are; a month of 0 or 15 stays one.
fn civil(stamp: Stamp) -> Civil {
    let (time, date) = (stamp.time.get(), stamp.date.get());
    let field = |value: u16, shift: u16, mask: u16| {
        u8::try_from(value >> shift & mask).expect("at most six bits")
    };
    Civil {
        year: 1980 + i64::from(date >> 9),
        month: field(date, 5, 0xf),
        day: field(date, 0, 0x1f),
        hour: field(time, 11, 0x1f),
        minute: field(time, 5, 0x3f),
        second: 2 * field(time, 0, 0x1f),
    }
}

/// What the fuzz target checks: any bytes are read or refused, and what is read lies within them.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(contents) = read(data, &Limits::default()) else {
        return;
    };
    for entry in &contents.entries {
        let len: u64 = entry.runs.iter().map(|run| run.end - run.start).sum();
        assert!(entry.attributes.contains(Attributes::DIRECTORY) || len == u64::from(entry.len));
        assert!(
            entry
                .runs
                .iter()
                .all(|run| run.start < run.end && run.end <= data.len() as u64)
        );
    }
    assert!(!contents.dump().is_empty());
}
