//! An image laid out.

use std::{fmt::Write as _, ops::Range, sync::Arc};

use zerocopy::{FromZeros as _, IntoBytes as _};

use super::raw::{
    DEFLATE, DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS, DIRECTORY_SECTOR, FLAGS, GRAIN, GRAIN_LEN,
    Header, LINE_ENDS, MAGIC, MARKER_LEN, SECTOR, STORED_GRAIN, TABLE_ENTRIES, TABLE_SECTORS,
    VERSION,
};
use crate::{
    Extent, Layout,
    deflate::{self, KnownPieces, LAST_BLOCK},
    extent::{Deferred, Framed, Framing, Run, ZLIB_HEADER},
};

/// What an image says that does not follow from the disk's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Name of the content: another for other content. Its last four bytes are the `CID`.
    pub content_id: [u8; 16],
}

/// `disk` as an image, filled up with zeros to whole grains. A grain is there when it is not all in runs of zeros of the disk.
/// Grains that touch a blob with `pieces` hold those, stored blocks beside them; all others stored blocks only.
pub fn image(disk: &Layout, options: Options, pieces: KnownPieces<'_>) -> Layout {
    let capacity = disk.len().div_ceil(GRAIN_LEN) * GRAIN;
    let tables = capacity.div_ceil(GRAIN * TABLE_ENTRIES);
    let directory_sectors = (tables * 4).div_ceil(SECTOR);
    let first_table = DIRECTORY_SECTOR + directory_sectors;
    let overhead = first_table + tables * TABLE_SECTORS;

    let mut layout = Layout::new();
    layout.section("VMDK header");
    layout.bytes(header(capacity, overhead).as_bytes().to_vec());
    layout.section("VMDK descriptor");
    let text = descriptor(capacity, options.content_id);
    layout.bytes(text.into_bytes());
    layout.pad_to(DIRECTORY_SECTOR * SECTOR);
    layout.section("VMDK grain directory");
    layout.push(Extent::Sequence {
        start: sector(first_table),
        step: sector(TABLE_SECTORS),
        count: tables,
    });
    layout.pad_to(first_table * SECTOR);

    layout.section("VMDK grain tables");
    let mut grains = Grains {
        layout: Layout::new(),
        place: overhead,
    };
    let mut grain = 0;
    for run in disk.runs(GRAIN_LEN, GRAIN_LEN) {
        let count = run.len().div_ceil(GRAIN_LEN);
        if let Run::Payload(mut payload) = run {
            payload.align(GRAIN_LEN);
            layout.pad_to(first_table * SECTOR + grain * 4);
            grains.payload(&mut layout, &payload, grain, pieces);
        }
        grain += count;
    }
    layout.pad_to(overhead * SECTOR);
    layout.append(&grains.layout);
    layout.section("VMDK end of stream");
    layout.zeros(SECTOR);
    layout
}

/// Grains one behind the other.
struct Grains {
    layout: Layout,
    /// Where the next one begins, in sectors of the image.
    place: u64,
}

impl Grains {
    /// Adds the grains of `payload`, whose first is number `first` of the disk, and to `table` where they are.
    fn payload(
        &mut self,
        table: &mut Layout,
        payload: &Layout,
        first: u64,
        pieces: KnownPieces<'_>,
    ) {
        let mut stored = 0;
        for number in compressible(payload, pieces) {
            let content = payload.slice(number * GRAIN_LEN..(number + 1) * GRAIN_LEN);
            let Some(grain) = packed(content, first + number, pieces) else {
                continue;
            };
            self.stored(table, payload, first, stored..number);
            table.bytes(sector(self.place).to_le_bytes().to_vec());
            self.place += grain.len() / SECTOR;
            self.layout.append(&grain);
            stored = number + 1;
        }
        self.stored(table, payload, first, stored..payload.len() / GRAIN_LEN);
    }

    fn stored(&mut self, table: &mut Layout, payload: &Layout, first: u64, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let count = range.end - range.start;
        table.push(Extent::Sequence {
            start: sector(self.place),
            step: sector(STORED_GRAIN),
            count,
        });
        let content = payload.slice(range.start * GRAIN_LEN..range.end * GRAIN_LEN);
        self.layout
            .section(content.section_at(0).unwrap_or("grains").to_owned());
        let framing = Framing::VmdkGrain {
            lba: (first + range.start) * GRAIN,
        };
        self.layout
            .push(Extent::Framed(Framed::new(content, framing)));
        self.place += count * STORED_GRAIN;
    }
}

/// The grains of `payload` that hold a part of a blob with pieces, ascending.
fn compressible(payload: &Layout, pieces: KnownPieces<'_>) -> Vec<u64> {
    let mut numbers = Vec::new();
    for (place, extent) in payload.extents() {
        if let Extent::Blob { digest, len, .. } = extent
            && pieces(digest).is_some()
        {
            numbers.extend(place / GRAIN_LEN..(place + len).div_ceil(GRAIN_LEN));
        }
    }
    numbers.dedup();
    numbers
}

/// Grain `number` of the disk with what was compressed beforehand, if that is shorter than stored.
fn packed(content: Layout, number: u64, pieces: KnownPieces<'_>) -> Option<Layout> {
    let mut blocks = Layout::new();
    deflate::push(&mut blocks, &content, pieces);
    blocks.bytes(LAST_BLOCK.as_slice());
    let sum = Deferred::adler32(Arc::new(content), 0..GRAIN_LEN);
    let zlib_len = ZLIB_HEADER.len() as u64 + blocks.len() + sum.len();
    if (MARKER_LEN + zlib_len).div_ceil(SECTOR) >= STORED_GRAIN {
        return None;
    }
    let mut marker = (number * GRAIN).to_le_bytes().to_vec();
    let stated = u32::try_from(zlib_len).expect("less than a stored grain");
    marker.extend(stated.to_le_bytes());
    marker.extend(ZLIB_HEADER);
    let mut grain = Layout::new();
    grain.section(blocks.section_at(0).unwrap_or("grains").to_owned());
    grain.bytes(marker);
    grain.append(&blocks);
    grain.push(Extent::Deferred(sum));
    grain.align(SECTOR);
    Some(grain)
}

/// A sector in a table.
///
/// # Panics
/// From 2 TiB on, which the format cannot say.
fn sector(number: u64) -> u32 {
    u32::try_from(number).expect("an image is below 2 TiB")
}

fn header(capacity: u64, overhead: u64) -> Header {
    let mut header = Header::new_zeroed();
    header.magic = MAGIC;
    header.version = VERSION.into();
    header.flags = FLAGS.into();
    header.capacity = capacity.into();
    header.grain = GRAIN.into();
    header.descriptor = DESCRIPTOR_SECTOR.into();
    header.descriptor_sectors = DESCRIPTOR_SECTORS.into();
    header.table_entries = u32::try_from(TABLE_ENTRIES).expect("512").into();
    header.directory = DIRECTORY_SECTOR.into();
    header.overhead = overhead.into();
    header.line_ends = LINE_ENDS;
    header.compression = DEFLATE.into();
    header
}

/// spec/disk.md 5.3.
fn descriptor(capacity: u64, content_id: [u8; 16]) -> String {
    const HEADS: u64 = 255;
    const SECTORS: u64 = 63;
    const CYLINDERS_MAX: u64 = 65_535;
    let cylinders = capacity.div_ceil(HEADS * SECTORS).min(CYLINDERS_MAX);
    let mut id = String::new();
    for byte in content_id {
        write!(id, "{byte:02x}").expect("writing to a String cannot fail");
    }
    let short_id = &id[24..];
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         encoding=\"UTF-8\"\n\
         CID={short_id}\n\
         parentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\
         \n\
         # Extent description\n\
         RW {capacity} SPARSE \"disk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.longContentID = \"{id}\"\n\
         ddb.virtualHWVersion = \"4\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"{HEADS}\"\n\
         ddb.geometry.sectors = \"{SECTORS}\"\n\
         ddb.adapterType = \"lsilogic\"\n\
         ddb.toolsInstallType = \"4\"\n\
         ddb.toolsVersion = \"2147483647\"\n"
    )
}
