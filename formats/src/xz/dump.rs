//! A stream as text.

use super::Stream;
use crate::dump::Lines;

impl Stream {
    /// The check, a line a block, index and length of the stream.
    pub fn dump(&self) -> String {
        let mut lines = Lines::default();
        lines.push(format_args!("xz stream: check {}", self.check));
        for block in &self.blocks {
            lines.push(format_args!(
                "{:#010x} block: header {}, sized {}, dictionary {}, compressed {}, uncompressed {}, chunks {} stored {} packed",
                block.offset,
                block.header_len,
                block.sized,
                block.dictionary,
                block.compressed,
                block.uncompressed,
                block.stored,
                block.packed
            ));
        }
        lines.push(format_args!("{:#010x} index", self.index));
        lines.push(format_args!("{:#010x} end", self.len));
        lines.finish()
    }
}
