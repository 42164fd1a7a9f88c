//! An image as text.

use super::Image;
use crate::dump::Lines;

impl Image {
    /// The header, the sizes of the tables, and a line a run of clusters.
    pub fn dump(&self) -> String {
        let header = &self.header;
        let mut lines = Lines::default();
        lines.push(format_args!(
            "qcow2 image: disk {}, cluster {}, features {:#x} {:#x} {:#x}",
            header.size,
            1_u64 << header.cluster_bits.get(),
            header.incompatible,
            header.compatible,
            header.autoclear
        ));
        lines.push(format_args!(
            "{:#010x} refcount table: {} clusters, {} counted",
            header.refcount_table_offset, header.refcount_table_clusters, self.counted
        ));
        lines.push(format_args!(
            "{:#010x} L1 table: {} entries, {} tables",
            header.l1_offset, header.l1_entries, self.tables
        ));
        for piece in &self.pieces {
            lines.push(format_args!(
                "{:#010x} data: {:#x} bytes of the disk at {:#x}",
                piece.offset, piece.len, piece.at
            ));
        }
        lines.push(format_args!("{:#010x} end", self.len));
        lines.finish()
    }
}
