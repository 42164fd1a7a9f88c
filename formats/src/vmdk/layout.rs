//! An image laid out.

use std::fmt::Write as _;

use zerocopy::{FromZeros as _, IntoBytes as _};

use super::raw::{
    DEFLATE, DESCRIPTOR_SECTOR, DESCRIPTOR_SECTORS, DIRECTORY_SECTOR, FLAGS, GRAIN, Header,
    LINE_ENDS, MAGIC, SECTOR, STORED_GRAIN, TABLE_ENTRIES, TABLE_SECTORS, VERSION,
};
use crate::{
    Extent, Layout,
    extent::{Framed, Framing, Run},
};

/// What an image says that does not follow from the disk's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Name of the content: another for other content. Its last four bytes are the `CID`.
    pub content_id: [u8; 16],
}

/// `disk` as an image, filled up with zeros to whole grains. A grain is there when it is not all in runs of zeros of the disk.
pub fn image(disk: &Layout, options: Options) -> Layout {
    const UNIT: u64 = GRAIN * SECTOR;
    let capacity = disk.len().div_ceil(UNIT) * GRAIN;
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
    let mut grains = Layout::new();
    let (mut grain, mut place) = (0, overhead);
    for run in disk.runs(UNIT, UNIT) {
        let count = run.len().div_ceil(UNIT);
        if let Run::Payload(payload) = run {
            layout.pad_to(first_table * SECTOR + grain * 4);
            layout.push(Extent::Sequence {
                start: sector(place),
                step: sector(STORED_GRAIN),
                count,
            });
            grains.section(payload.section_at(0).unwrap_or("grains"));
            let framing = Framing::VmdkGrain { lba: grain * GRAIN };
            grains.push(Extent::Framed(Framed::new(payload, framing)));
            place += count * STORED_GRAIN;
        }
        grain += count;
    }
    layout.pad_to(overhead * SECTOR);
    layout.append(&grains);
    layout.section("VMDK end of stream");
    layout.zeros(SECTOR);
    layout
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
