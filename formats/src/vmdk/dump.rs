//! An image as text.

use std::fmt::Write as _;

use super::{Error, Limits, raw::GRAIN, read};
use crate::read_at::ReadAt;

/// The header, the descriptor, and a line a run of grains.
pub fn dump<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<String, Error> {
    let image = read(source, limits)?;
    let header = &image.header;
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    line(format_args!(
        "VMDK: version {}, flags {:#x}, capacity {}, descriptor {} + {}, directory {}, grains from {}",
        header.version,
        header.flags,
        header.capacity,
        header.descriptor,
        header.descriptor_sectors,
        header.directory,
        header.overhead
    ));
    for text in String::from_utf8_lossy(&image.descriptor).lines() {
        line(format_args!("| {text}"));
    }
    for grains in &image.grains {
        line(format_args!(
            "sector {}: {} grains of the disk's sectors {}..{}, {} bytes compressed",
            grains.sector,
            grains.count,
            grains.lba,
            grains.lba + grains.count * GRAIN,
            grains.compressed
        ));
    }
    line(format_args!("{:#010x} end", source.len()));
    Ok(text)
}
