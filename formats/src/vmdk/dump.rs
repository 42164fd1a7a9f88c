//! An image as text.

use super::{Image, raw::GRAIN};
use crate::dump::Lines;

impl Image {
    /// The header, the descriptor, and a line a run of grains.
    pub fn dump(&self) -> String {
        let header = &self.header;
        let mut lines = Lines::default();
        lines.push(format_args!(
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
            lines.push(format_args!("| {text}"));
        }
        for grains in &self.grains {
            lines.push(format_args!(
                "sector {}: {} grains of the disk's sectors {}..{}, {} bytes compressed",
                grains.sector,
                grains.count,
                grains.lba,
                grains.lba + grains.count * GRAIN,
                grains.compressed
            ));
        }
        lines.push(format_args!("{:#010x} end", self.len));
        lines.finish()
    }
}
