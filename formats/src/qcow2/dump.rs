//! An image as text.

use std::fmt::Write as _;

use super::{Error, Limits, read};
use crate::read_at::ReadAt;

/// The header, the sizes of the tables, and a line a run of clusters.
pub fn dump<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<String, Error> {
    let image = read(source, limits)?;
    let header = &image.header;
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    line(format_args!(
        "qcow2 image: disk {}, cluster {}, features {:#x} {:#x} {:#x}",
        header.size,
        1_u64 << header.cluster_bits.get(),
        header.incompatible,
        header.compatible,
        header.autoclear
    ));
    line(format_args!(
        "{:#010x} refcount table: {} clusters, {} counted",
        header.refcount_table_offset, header.refcount_table_clusters, image.counted
    ));
    line(format_args!(
        "{:#010x} L1 table: {} entries, {} tables",
        header.l1_offset, header.l1_entries, image.tables
    ));
    for extent in &image.extents {
        line(format_args!(
            "{:#010x} data: {:#x} bytes of the disk at {:#x}",
            extent.offset, extent.len, extent.disk
        ));
    }
    line(format_args!("{:#010x} end", source.len()));
    Ok(text)
}
