//! A disk as a layout: tables first, partitions in order, the tables' copies at the end.

use std::iter;

use zerocopy::{
    FromZeros, IntoBytes,
    little_endian::{U16, U32, U64},
};

use super::{
    Error, Geometry, Guid, Run,
    raw::{
        ENTRIES_LEN, ENTRY_COUNT, ENTRY_LEN, Entry, HEADER_LEN, Header, NAME_UNITS, REVISION,
        SIGNATURE,
    },
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
        let entries = self.entries()?;
        let header =
            |lba, alternate, first_entry| self.header(lba, alternate, first_entry, &entries);

        let mut layout = Layout::new();
        layout.section("protective MBR");
        layout.bytes(self.mbr());
        layout.pad_to(geometry.offset(HEADER_LBA));
        layout.section("GPT header");
        layout.bytes(header(HEADER_LBA, geometry.last, geometry.entries));
        layout.pad_to(geometry.offset(geometry.entries));
        layout.section("GPT entries");
        layout.bytes(entries.clone());
        for partition in &self.partitions {
            layout.pad_to(geometry.offset(partition.run.first));
            layout.section(format!("partition {}", partition.name));
            layout.append(&partition.content);
            layout.pad_to(geometry.offset(partition.run.last + 1));
        }
        layout.section("free space");
        layout.pad_to(geometry.offset(geometry.backup_entries));
        layout.section("GPT entries, copy");
        layout.bytes(entries.clone());
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

    /// A header's bytes, for the sector `lba`.
    fn header(&self, lba: u64, alternate: u64, first_entry: u64, entries: &[u8]) -> Vec<u8> {
        let geometry = &self.geometry;
        let mut crc = crc32fast::Hasher::new();
        crc.update(entries);
        let unused = usize::try_from(ENTRIES_LEN).expect("16 KiB") - entries.len();
        crc.update(&vec![0; unused]);
        let mut header = Header {
            signature: SIGNATURE,
            revision: U32::new(REVISION),
            header_len: U32::new(HEADER_LEN),
            crc: U32::ZERO,
            reserved: U32::ZERO,
            lba: U64::new(lba),
            alternate_lba: U64::new(alternate),
            first_usable: U64::new(geometry.first_usable),
            last_usable: U64::new(geometry.last_usable),
            disk_guid: self.guid.to_disk(),
            entries_lba: U64::new(first_entry),
            entry_count: U32::new(ENTRY_COUNT),
            entry_len: U32::new(ENTRY_LEN),
            entries_crc: U32::new(crc.finalize()),
        };
        header.crc = U32::new(header.checksum());
        header.as_bytes().to_vec()
    }
}

impl Partition {
    fn entry(&self) -> Result<Entry, Error> {
        if self.name.encode_utf16().count() > NAME_UNITS {
            return Err(Error::Name(self.name.clone()));
        }
        let mut entry = Entry::new_zeroed();
        let units = self.name.encode_utf16().chain(iter::repeat(0));
        for (unit, value) in entry.name.iter_mut().zip(units) {
            *unit = U16::new(value);
        }
        Ok(Entry {
            kind: self.kind.to_disk(),
            guid: self.guid.to_disk(),
            first: U64::new(self.run.first),
            last: U64::new(self.run.last),
            attributes: U64::new(self.attributes),
            ..entry
        })
    }
}
