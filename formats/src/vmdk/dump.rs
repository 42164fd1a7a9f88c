//! An image as text.

use std::fmt::Write as _;

use super::{Image, raw::GRAIN};

impl Image {
    /// The header, the descriptor, and a line a run of grains.
    pub fn dump(&self) -> String {
        let header = &self.header;
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
        for text in String::from_utf8_lossy(&self.descriptor).lines() {
            line(format_args!("| {text}"));
        }
        for grains in &self.grains {
            line(format_args!(
                "sector {}: {} grains of the disk's sectors {}..{}, {} bytes compressed",
                grains.sector,
                grains.count,
                grains.lba,
                grains.lba + grains.count * GRAIN,
                grains.compressed
            ));
        }
        line(format_args!("{:#010x} end", self.len));
        text
    }
}
