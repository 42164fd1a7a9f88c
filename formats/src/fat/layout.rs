//! A volume as a layout: clusters are numbered first, then everything is pushed in the order of the disk.

use std::{iter, str::FromStr};

use zerocopy::{
    FromZeros, IntoBytes,
    little_endian::{U16, U32},
};

use super::{
    Attributes, Directory, Error, Geometry, Kind, names,
    plan::{Clusters, Planned, PlannedDirectory},
    raw::{
        BootSector, BootSector12, DirectoryEntry, END_OF_CHAIN, END_OF_CHAIN_MIN, ENTRY_LEN,
        FIRST_CLUSTER, FIRST_ENTRIES, FsInfo, LAST_LONG_ENTRY, LONG_ENTRY_UNITS, LongNameEntry,
        SIGNATURE, Stamp,
    },
};
use crate::{Extent, Layout, civil::Civil};

/// The volume id that `mkfs.fat --invariant` gives.
pub const INVARIANT_ID: u32 = 0x1234_abcd;
/// The date of the label that `mkfs.fat --invariant` gives: 2015-03-14 09:26:52.
pub const INVARIANT_EPOCH: i64 = 1_426_325_212;

/// Some readers believe only volumes whose maker they know; this is the one we look like.
const OEM_NAME: [u8; 8] = *b"mkfs.fat";
/// To the boot code, which follows the parameters.
const JUMP: [u8; 3] = [0xeb, 0x58, 0x90];
/// The same on FAT12, which has fewer parameters.
const JUMP_12: [u8; 3] = [0xeb, 0x3c, 0x90];
/// `int 18h; jmp $`: nothing to boot here, the BIOS may try its next device.
const BOOT_CODE: [u8; 4] = [0xcd, 0x18, 0xeb, 0xfe];
const FS_INFO_SECTOR: u16 = 1;
const BACKUP_BOOT_SECTOR: u16 = 6;
/// Chains of fewer words are cheaper inline than as extents of their own.
const INLINE_CHAIN: u32 = 16;

/// A volume label: 11 characters, padded with spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label([u8; 11]);

impl Label {
    /// No label: a boot sector that says so, and no entry in the root directory.
    pub const NONE: Self = Self(*b"NO NAME    ");
}

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let valid = |byte: u8| {
            byte.is_ascii_uppercase()
                || byte.is_ascii_digit()
                || b" $%'-_@~`!(){}^#&".contains(&byte)
        };
        let mut label = [b' '; 11];
        match label.get_mut(..text.len()) {
            Some(start) if text.bytes().all(valid) && !text.trim().is_empty() => {
                start.copy_from_slice(text.as_bytes());
            }
            _ => return Err(Error::Label(text.to_owned())),
        }
        Ok(Self(label))
    }
}

/// A volume to be made.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Where its parts lie.
    pub geometry: Geometry,
    /// Serial number.
    pub id: u32,
    /// In the boot sector and as the first entry of the root directory.
    pub label: Label,
    /// Date of the label's entry, seconds after 1970, UTC.
    pub label_epoch: i64,
    /// Date of all other entries, seconds after 1970, UTC.
    pub epoch: i64,
    /// What the volume holds.
    pub root: Directory,
}

impl Volume {
    /// The volume as extents, of exactly the length that the geometry was made for.
    pub fn layout(&self) -> Result<Layout, Error> {
        let geometry = &self.geometry;
        let mut clusters = Clusters {
            cluster_len: geometry.cluster_len(),
            next: u64::from(FIRST_CLUSTER),
        };
        let fixed_slots = match geometry.kind {
            Kind::Fat12 => Some(geometry.root_entries),
            Kind::Fat32 => None,
        };
        let own_slots = usize::from(self.label != Label::NONE);
        let root = PlannedDirectory::root(&self.root, own_slots, fixed_slots, &mut clusters)?;
        let used = clusters.next - u64::from(FIRST_CLUSTER);
        let free = u64::from(geometry.clusters)
            .checked_sub(used)
            .ok_or(Error::DoesNotFit {
                needed: used,
                available: geometry.clusters,
            })?;
        let free = u32::try_from(free).expect("at most all clusters");
        let stamps = Stamps {
            label: Stamp::new(self.label_epoch)?,
            entries: Stamp::new(self.epoch)?,
        };
        let table = match geometry.kind {
            Kind::Fat12 => table_12(&root, geometry),
            Kind::Fat32 => table(&root, geometry.fat_len()),
        };

        let mut layout = Layout::new();
        match geometry.kind {
            Kind::Fat12 => {
                layout.section("FAT boot sector");
                layout.bytes(self.boot_sector_12().as_bytes().to_vec());
            }
            Kind::Fat32 => self.push_reserved(&mut layout, free),
        }
        for name in ["FAT 1", "FAT 2"] {
            layout.pad_to(layout.len().max(geometry.fat_offset()));
            layout.section(name);
            layout.append(&table);
        }
        layout.pad_to(geometry.root_offset());
        self.push_directory(&mut layout, &root, None, stamps);
        layout.pad_to(layout.len().max(geometry.data_offset()));
        layout.section("FAT free space");
        layout.pad_to(geometry.len);
        Ok(layout)
    }

    /// Sectors before the first FAT of FAT32.
    fn push_reserved(&self, layout: &mut Layout, free: u32) {
        let geometry = &self.geometry;
        let sector = u64::from(geometry.bytes_per_sector);
        layout.section("FAT boot sector");
        layout.bytes(self.boot_sector().as_bytes().to_vec());
        layout.pad_to(u64::from(FS_INFO_SECTOR) * sector);
        layout.section("FAT FSInfo");
        // As mtools leaves it: the last cluster taken is the hint.
        layout.bytes(fs_info(free, geometry.clusters - free + 1));
        layout.pad_to(u64::from(BACKUP_BOOT_SECTOR) * sector);
        layout.section("FAT boot sector, copy");
        layout.bytes(self.boot_sector().as_bytes().to_vec());
        layout.pad_to(u64::from(BACKUP_BOOT_SECTOR + FS_INFO_SECTOR) * sector);
        layout.bytes(fs_info(geometry.clusters - 1, FIRST_CLUSTER));
    }

    fn boot_sector(&self) -> BootSector {
        let geometry = &self.geometry;
        // 4 KiB sectors may leave few enough for the 16-bit field, which is then the one that counts.
        let few = u16::try_from(geometry.total_sectors).ok();
        let mut boot_code = [0; 420];
        boot_code[..BOOT_CODE.len()].copy_from_slice(&BOOT_CODE);
        BootSector {
            jump: JUMP,
            oem_name: OEM_NAME,
            bytes_per_sector: U16::new(geometry.bytes_per_sector),
            sectors_per_cluster: geometry.sectors_per_cluster,
            reserved_sectors: U16::new(geometry.reserved_sectors),
            fats: 2,
            root_entries: U16::new(geometry.root_entries),
            total_sectors_16: U16::new(few.unwrap_or(0)),
            media: geometry.media,
            fat_sectors_16: U16::ZERO,
            sectors_per_track: U16::new(geometry.sectors_per_track),
            heads: U16::new(geometry.heads),
            hidden_sectors: U32::new(geometry.hidden_sectors),
            total_sectors_32: U32::new(if few.is_some() {
                0
            } else {
                geometry.total_sectors
            }),
            fat_sectors_32: U32::new(geometry.fat_sectors),
            extended_flags: U16::ZERO,
            version: U16::ZERO,
            root_cluster: U32::new(FIRST_CLUSTER),
            fs_info_sector: U16::new(FS_INFO_SECTOR),
            backup_boot_sector: U16::new(BACKUP_BOOT_SECTOR),
            reserved: [0; 12],
            drive: 0x80,
            reserved_1: 0,
            boot_signature: 0x29,
            volume_id: U32::new(self.id),
            volume_label: self.label.0,
            file_system: *b"FAT32   ",
            boot_code,
            signature: SIGNATURE,
        }
    }

    /// What FAT12 has too comes from the sector of FAT32, where it is the same.
    fn boot_sector_12(&self) -> BootSector12 {
        let mut common = self.boot_sector();
        common.jump = JUMP_12;
        common.fat_sectors_16 = U16::new(
            u16::try_from(self.geometry.fat_sectors).expect("FATs of 12 bits have few sectors"),
        );
        let mut sector = common.as_fat12();
        sector.drive = 0;
        sector.reserved = 0;
        sector.boot_signature = 0x29;
        sector.volume_id = U32::new(self.id);
        sector.volume_label = self.label.0;
        sector.file_system = *b"FAT12   ";
        sector.boot_code = [0; 448];
        sector.boot_code[..BOOT_CODE.len()].copy_from_slice(&BOOT_CODE);
        sector
    }

    fn push_directory(
        &self,
        layout: &mut Layout,
        directory: &PlannedDirectory,
        parent: Option<u32>,
        stamps: Stamps,
    ) {
        if directory.clusters > 0 {
            layout.pad_to(self.cluster_offset(directory.first));
        }
        layout.section(format!("FAT directory /{}", directory.path));
        layout.bytes(self.slots(directory, parent, stamps));
        // ".." of the first level names the root directory as 0.
        let parent = if parent.is_none() { 0 } else { directory.first };
        for (_, child) in &directory.children {
            match child {
                Planned::Directory(inner) => {
                    self.push_directory(layout, inner, Some(parent), stamps);
                }
                Planned::File {
                    first, file, path, ..
                } if *first != 0 => {
                    layout.pad_to(self.cluster_offset(*first));
                    layout.section(format!("FAT file /{path}"));
                    layout.append(&file.content);
                }
                Planned::File { .. } => {}
            }
        }
    }

    fn cluster_offset(&self, cluster: u32) -> u64 {
        self.geometry.data_offset()
            + u64::from(cluster - FIRST_CLUSTER) * self.geometry.cluster_len()
    }

    /// The bytes of a directory without what fills its last cluster.
    fn slots(&self, directory: &PlannedDirectory, parent: Option<u32>, stamps: Stamps) -> Vec<u8> {
        let mut slots = Vec::with_capacity(directory.slots * ENTRY_LEN);
        let mut dots = |name: &[u8; 11], cluster| {
            let entry = entry(name, 0, Attributes::DIRECTORY, cluster, 0, stamps.entries);
            slots.extend_from_slice(entry.as_bytes());
        };
        if let Some(parent) = parent {
            dots(b".          ", directory.first);
            dots(b"..         ", parent);
        } else if self.label != Label::NONE {
            let label = entry(
                &self.label.0,
                0,
                Attributes::VOLUME_LABEL,
                0,
                0,
                stamps.label,
            );
            slots.extend_from_slice(label.as_bytes());
        }
        for (name, child) in &directory.children {
            if let Some(long) = &name.long {
                slots.extend(
                    long_slots(long, names::checksum(&name.short))
                        .flat_map(|slot| slot.as_bytes().to_vec()),
                );
            }
            let (attributes, cluster, len) = match child {
                Planned::Directory(inner) => (Attributes::DIRECTORY, inner.first, 0),
                Planned::File {
                    first, len, file, ..
                } => (file.attributes, *first, *len),
            };
            let entry = entry(
                &name.short,
                name.case,
                attributes,
                cluster,
                len,
                stamps.entries,
            );
            slots.extend_from_slice(entry.as_bytes());
        }
        slots
    }
}

/// One FAT, of `len` bytes.
fn table(root: &PlannedDirectory, len: u64) -> Layout {
    let mut chains = Vec::new();
    root.chains(&mut chains);
    let mut table = Layout::new();
    let mut words = FIRST_ENTRIES.to_vec();
    for (first, count) in chains {
        let links = count - 1;
        if links <= INLINE_CHAIN {
            words.extend(first + 1..=first + links);
        } else {
            table.bytes(
                words
                    .drain(..)
                    .flat_map(u32::to_le_bytes)
                    .collect::<Vec<u8>>(),
            );
            table.push(Extent::Sequence {
                start: first + 1,
                step: 1,
                count: u64::from(links),
            });
        }
        words.push(if first == FIRST_CLUSTER {
            END_OF_CHAIN_MIN
        } else {
            END_OF_CHAIN
        });
    }
    table.bytes(
        words
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<u8>>(),
    );
    table.pad_to(len);
    table
}

/// One FAT of entries of 12 bits, two in three bytes.
fn table_12(root: &PlannedDirectory, geometry: &Geometry) -> Layout {
    let mut chains = Vec::new();
    root.chains(&mut chains);
    let mut entries = vec![0x0f00 | u32::from(geometry.media), END_OF_CHAIN & 0xfff];
    for (first, count) in chains {
        entries.extend(first + 1..first + count);
        entries.push(END_OF_CHAIN & 0xfff);
    }
    let mut bytes = Vec::with_capacity(entries.len() * 3 / 2 + 2);
    for pair in entries.chunks(2) {
        let both = pair[0] | pair.get(1).copied().unwrap_or(0) << 12;
        bytes.extend(&both.to_le_bytes()[..3]);
    }
    let mut table = Layout::new();
    table.bytes(bytes);
    table.pad_to(geometry.fat_len());
    table
}

fn fs_info(free: u32, next_free: u32) -> Vec<u8> {
    let info = FsInfo {
        lead_signature: *b"RRaA",
        reserved: [0; 480],
        structure_signature: *b"rrAa",
        free: U32::new(free),
        next_free: U32::new(next_free),
        reserved_2: [0; 14],
        signature: SIGNATURE,
    };
    info.as_bytes().to_vec()
}

#[derive(Clone, Copy)]
struct Stamps {
    label: Stamp,
    entries: Stamp,
}

impl Stamp {
    fn new(epoch: i64) -> Result<Self, Error> {
        let civil = Civil::from_epoch(epoch);
        let year = u16::try_from(civil.year - 1980)
            .ok()
            .filter(|year| *year < 128)
            .ok_or(Error::Date(epoch))?;
        let wide = u16::from;
        Ok(Self {
            time: U16::new(
                wide(civil.hour) << 11 | wide(civil.minute) << 5 | (wide(civil.second) / 2),
            ),
            date: U16::new(year << 9 | wide(civil.month) << 5 | wide(civil.day)),
        })
    }
}

fn entry(
    name: &[u8; 11],
    case: u8,
    attributes: Attributes,
    cluster: u32,
    len: u32,
    stamp: Stamp,
) -> DirectoryEntry {
    let [a, b, c, d] = cluster.to_le_bytes();
    DirectoryEntry {
        name: *name,
        attributes: attributes.bits(),
        case,
        created_hundredths: 0,
        created: stamp,
        accessed_date: stamp.date,
        cluster_high: U16::from_bytes([c, d]),
        written: stamp,
        cluster_low: U16::from_bytes([a, b]),
        len: U32::new(len),
    }
}

/// The slots of a long name, its end first. A name that does not fill the last slot ends with a zero and is filled with ones.
fn long_slots(long: &[u16], checksum: u8) -> impl Iterator<Item = LongNameEntry> {
    let count = u8::try_from(long.len().div_ceil(LONG_ENTRY_UNITS)).expect("at most 20 slots");
    let slot = move |(chunk, order): (&[u16], u8)| {
        let mut units = chunk
            .iter()
            .copied()
            .chain(iter::once(0))
            .chain(iter::repeat(0xffff))
            .map(U16::new);
        let mut slot = LongNameEntry::new_zeroed();
        slot.order = if order == count {
            order | LAST_LONG_ENTRY
        } else {
            order
        };
        slot.attributes = Attributes::LONG_NAME.bits();
        slot.checksum = checksum;
        slot.units_0.fill_with(|| units.next().expect("endless"));
        slot.units_5.fill_with(|| units.next().expect("endless"));
        slot.units_11.fill_with(|| units.next().expect("endless"));
        slot
    };
    long.chunks(LONG_ENTRY_UNITS)
        .zip(1..)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .map(slot)
}
