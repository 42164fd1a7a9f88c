//! A disk as a layout: tables first, partitions in order, the tables' copies at the end.

use zerocopy::{
    IntoBytes,
    little_endian::{U16, U32, U64},
};

use super::{
    Error, Geometry, Guid, Run,
    raw::{ENTRY_COUNT, ENTRY_LEN, Entry, HEADER_LEN, Header, NAME_UNITS, REVISION, SIGNATURE},
};
use crate::{
    Layout,
    mbr::{self, Mbr},
};

/// The attribute of partitions that a BIOS may boot.
pub const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;

/// Bytes of sector 0 before its partition entries: boot code, disk signature, two bytes more.
pub const BOOT_CODE_LEN: usize = 446;

/// The sector of the first header.
const HEADER_LBA: u64 = 1;

/// A disk to be made.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Where its parts lie.
    pub geometry: Geometry,
    /// Its GUID.
    pub guid: Guid,
    /// What a BIOS starts, up to the partition entries of the MBR; zeros for nothing.
    pub boot_code: [u8; BOOT_CODE_LEN],
    /// In the order of the disk.
    pub partitions: Vec<Partition>,
}

/// A partition to be made.
#[derive(Debug, Clone)]
pub struct Partition {
    /// What it holds.
    pub kind: Guid,
    /// Its own GUID.
    pub guid: Guid,
    /// Attribute bits.
    pub attributes: u64,
    /// Its label, up to 36 UTF-16 units.
    pub name: String,
    /// Its sectors.
    pub run: Run,
    /// Its bytes; zeros behind them.
    pub content: Layout,
}

impl Disk {
    /// The disk as extents, of exactly the length of its geometry.
    pub fn layout(&self) -> Result<Layout, Error> {
        let geometry = &self.geometry;
        let table = Table {
            guid: self.guid.to_disk(),
            first_usable: geometry.first_usable,
            last_usable: geometry.last_usable,
            entry_count: ENTRY_COUNT,
            entries: self.entries()?,
        };
        let header = |lba, alternate, first_entry| {
            table
                .header(lba, alternate, first_entry)
                .as_bytes()
                .to_vec()
        };

        let mut layout = Layout::new();
        layout.section("protective MBR");
        layout.bytes(self.mbr());
        layout.pad_to(geometry.offset(HEADER_LBA));
        layout.section("GPT header");
        layout.bytes(header(HEADER_LBA, geometry.last, geometry.entries));
        layout.pad_to(geometry.offset(geometry.entries));
        layout.section("GPT entries");
        layout.bytes(table.entries.clone());
        for partition in &self.partitions {
            layout.pad_to(geometry.offset(partition.run.first));
            layout.section(format!("partition {}", partition.name));
            layout.append(&partition.content);
            layout.pad_to(geometry.offset(partition.run.last + 1));
        }
        layout.section("free space");
        layout.pad_to(geometry.offset(geometry.backup_entries));
        layout.section("GPT entries, copy");
        layout.bytes(table.entries.clone());
        layout.pad_to(geometry.offset(geometry.last));
        layout.section("GPT header, copy");
        layout.bytes(header(geometry.last, HEADER_LBA, geometry.backup_entries));
        layout.pad_to(geometry.len);
        Ok(layout)
    }

    fn mbr(&self) -> Vec<u8> {
        let mbr = Mbr::new(&[mbr::Partition::protective(self.geometry.last)]);
        let mut bytes = mbr.as_bytes().to_vec();
        bytes[..BOOT_CODE_LEN].copy_from_slice(&self.boot_code);
        bytes
    }

    /// The used entries; unused ones are zeros.
    fn entries(&self) -> Result<Vec<u8>, Error> {
        if self.partitions.len() > ENTRY_COUNT as usize {
            return Err(Error::TooManyPartitions(self.partitions.len()));
        }
        let mut next = self.geometry.first_usable;
        let mut entries = Vec::with_capacity(self.partitions.len() * ENTRY_LEN as usize);
        for partition in &self.partitions {
            let Run { first, last } = partition.run;
            if first < next || last < first || last > self.geometry.last_usable {
                return Err(Error::Misplaced {
                    name: partition.name.clone(),
                    first,
                    last,
                });
            }
            next = last + 1;
            let available = self.geometry.run_len(partition.run);
            if partition.content.len() > available {
                return Err(Error::ContentTooLarge {
                    name: partition.name.clone(),
                    len: partition.content.len(),
                    available,
                });
            }
            entries.extend_from_slice(partition.entry()?.as_bytes());
        }
        Ok(entries)
    }
}

/// A table that may have another shape than those of disks.
pub(crate) struct Table {
    /// The disk's GUID, as it is stored.
    pub(crate) guid: [u8; 16],
    /// First sector that a partition may use.
    pub(crate) first_usable: u64,
    /// Last sector that a partition may use.
    pub(crate) last_usable: u64,
    /// Entries, used or not.
    pub(crate) entry_count: u32,
    /// The used entries; unused ones are zeros.
    pub(crate) entries: Vec<u8>,
}

impl Table {
    /// The header in the sector `lba`.
    pub(crate) fn header(&self, lba: u64, alternate: u64, first_entry: u64) -> Header {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.entries);
        let all = usize::try_from(self.entry_count * ENTRY_LEN).expect("some kilobytes");
        crc.update(&vec![0; all - self.entries.len()]);
        let header = Header {
            signature: SIGNATURE,
            revision: U32::new(REVISION),
            header_len: U32::new(HEADER_LEN),
            crc: U32::ZERO,
            reserved: U32::ZERO,
            lba: U64::new(lba),
            alternate_lba: U64::new(alternate),
            first_usable: U64::new(self.first_usable),
            last_usable: U64::new(self.last_usable),
            disk_guid: self.guid,
            entries_lba: U64::new(first_entry),
            entry_count: U32::new(self.entry_count),
            entry_len: U32::new(ENTRY_LEN),
            entries_crc: U32::new(crc.finalize()),
        };
        Header {
            crc: U32::new(header.checksum()),
            ..header
        }
    }
}

impl Partition {
    fn entry(&self) -> Result<Entry, Error> {
        if self.name.encode_utf16().count() > NAME_UNITS {
            return Err(Error::Name(self.name.clone()));
        }
        Ok(Entry {
            kind: self.kind.to_disk(),
            guid: self.guid.to_disk(),
            first: U64::new(self.run.first),
            last: U64::new(self.run.last),
            attributes: U64::new(self.attributes),
            name: label(&self.name),
        })
    }
}

/// A name, cut where the field ends.
pub(crate) fn label(name: &str) -> [U16; NAME_UNITS] {
    let mut field = [U16::ZERO; NAME_UNITS];
    for (unit, value) in field.iter_mut().zip(name.encode_utf16()) {
        *unit = U16::new(value);
    }
    field
}
