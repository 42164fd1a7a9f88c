//! A stream as text.

use std::fmt::Write as _;

use super::Stream;

impl Stream {
    /// The check, a line a block, index and length of the stream.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("writing to a String cannot fail");
        };
        line(format_args!("xz stream: check {}", self.check));
        for block in &self.blocks {
            line(format_args!(
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
        line(format_args!("{:#010x} index", self.index));
        line(format_args!("{:#010x} end", self.len));
        text
    }
}
