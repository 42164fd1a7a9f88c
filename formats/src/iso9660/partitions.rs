//! The image as a disk: the tables of partitions before the ISO, and their copy behind everything.

use zerocopy::{IntoBytes, little_endian::U64};

use super::{
    Image, Plan, SystemArea,
    plan::CYLINDER,
    raw::{BLOCK, LongDate},
};
use crate::{
    Layout,
    civil::Civil,
    gpt::{self, Entry, Table},
    mbr::{self, Geometry, Mbr, Partition},
};

/// Bytes of a sector.
const SECTOR: u64 = 512;
/// Sectors of a block.
const SECTORS: u32 = 4;
/// The geometry whose cylinders are [`CYLINDER`] bytes.
const GEOMETRY: Geometry = Geometry {
    heads: 64,
    sectors: 32,
};
const _: () = assert!(GEOMETRY.heads as u64 * GEOMETRY.sectors as u64 * SECTOR == CYLINDER);

/// Entries of a GUID partition table: as many as there is room for before the ISO.
const ENTRY_COUNT: u32 = 248;
/// First sector of its entries.
const ENTRIES: u64 = 2;
/// Sectors of its entries.
const ENTRIES_SECTORS: u64 = ENTRY_COUNT as u64 * gpt::ENTRY_LEN as u64 / SECTOR;
/// First sector behind them: that of the ISO.
const FIRST_USABLE: u64 = ENTRIES + ENTRIES_SECTORS;
const _: () = assert!(FIRST_USABLE * SECTOR == 16 * BLOCK);
/// Blocks of the copy: entries and header fill them but for one sector.
pub(super) const COPY_BLOCKS: u64 = (ENTRIES_SECTORS + 2) * SECTOR / BLOCK;

/// Read only, and not mounted by itself: partitions that lie upon the ISO's own files.
const ISO_ATTRIBUTES: u64 = 1 << 60 | 1;

/// The system area.
pub(super) fn push(image: &Image, plan: &Plan, layout: &mut Layout) {
    match &image.system_area {
        SystemArea::Empty => {}
        SystemArea::Mbr { iso_kind } => {
            // The ISO starts where its second set has block 0.
            let start = image.partition_offset;
            let mut partitions = vec![partition(*iso_kind, start, plan.iso_end - start)];
            for (appended, (block, blocks)) in image.appended.iter().zip(&plan.appended) {
                partitions.push(partition(appended.kind, *block, *blocks));
            }
            layout.bytes(Mbr::new(&partitions).as_bytes().to_vec());
        }
        SystemArea::Gpt { boot_code } => {
            let last = last_sector(plan);
            let sectors = u32::try_from(last).expect("the plan counts sectors in 32 bits");
            let whole = Partition::new(mbr::PROTECTIVE, 1, sectors, GEOMETRY);
            let mut record = Mbr::new(&[whole]).as_bytes().to_vec();
            record[..boot_code.len()].copy_from_slice(&**boot_code);
            layout.bytes(record);
            let table = table(image, plan);
            layout.section("GPT");
            layout.bytes(padded(table.header(1, last, ENTRIES).as_bytes()));
            layout.bytes(table.entries);
        }
    }
}

/// What stands behind the padding.
pub(super) fn push_copy(image: &Image, plan: &Plan, layout: &mut Layout) {
    if !matches!(image.system_area, SystemArea::Gpt { .. }) {
        return;
    }
    let (last, table) = (last_sector(plan), table(image, plan));
    let entries = last - ENTRIES_SECTORS;
    layout.pad_to(entries * SECTOR);
    layout.section("GPT, copy");
    let header = table.header(last, 1, entries);
    layout.bytes(table.entries);
    layout.pad_to(last * SECTOR);
    layout.bytes(padded(header.as_bytes()));
}

fn padded(header: &[u8]) -> Vec<u8> {
    let mut sector = header.to_vec();
    sector.resize(usize::try_from(SECTOR).expect("512"), 0);
    sector
}

fn last_sector(plan: &Plan) -> u64 {
    u64::from(plan.end) * u64::from(SECTORS) - 1
}

/// The ISO, appended partitions, and what is left behind them.
fn table(image: &Image, plan: &Plan) -> Table {
    let date = LongDate::new(Civil::from_epoch(image.epoch));
    let digits = date.expect("the date is checked").digits;
    let sector = |block: u32| u64::from(block) * u64::from(SECTORS);
    let mut start = plan.iso_end;
    let mut parts = vec![(
        gpt::BASIC_DATA,
        "ISO9660".to_owned(),
        (image.partition_offset.max(16), plan.iso_end),
        ISO_ATTRIBUTES,
    )];
    for (index, (block, blocks)) in plan.appended.iter().enumerate() {
        start = block + blocks;
        let name = format!("Appended{}", index + 2);
        parts.push((gpt::EFI_SYSTEM, name, (*block, start), 0));
    }
    let gap = (start, plan.padding_end);
    parts.push((gpt::BASIC_DATA, "Gap1".to_owned(), gap, ISO_ATTRIBUTES));
    let entries =
        parts
            .into_iter()
            .zip(1..)
            .map(|((kind, name, (start, end), attributes), number)| Entry {
                kind: kind.to_disk(),
                guid: guid(&digits, number),
                first: U64::new(sector(start)),
                last: U64::new(sector(end) - 1),
                attributes: U64::new(attributes),
                name: gpt::label(&name),
            });
    Table {
        guid: guid(&digits, 0),
        first_usable: FIRST_USABLE,
        last_usable: last_sector(plan) - ENTRIES_SECTORS - 1,
        entry_count: ENTRY_COUNT,
        entries: entries
            .flat_map(|entry| entry.as_bytes().to_vec())
            .collect(),
    }
}

/// What xorriso makes of the volume's date, that of a partition with its number (boot.md 4.4).
fn guid(digits: &[u8; 16], partition: u8) -> [u8; 16] {
    let mut guid = [0; 16];
    guid[..9].copy_from_slice(&digits[..9]);
    guid[9..11].copy_from_slice(&digits[14..]);
    guid[11..].copy_from_slice(&digits[9..14]);
    guid[7] = guid[7] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    if partition > 0 {
        guid[9] = b'0' + partition;
    }
    guid
}

fn partition(kind: u8, block: u32, blocks: u32) -> Partition {
    Partition::new(kind, block * SECTORS, blocks * SECTORS, GEOMETRY)
}
