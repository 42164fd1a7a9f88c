//! A frame as text.

use std::fmt::Write as _;

use super::read::{Block, Frame};

impl Frame {
    /// The header, runs of equal blocks a line, and the length of the frame.
    pub fn dump(&self) -> String {
        let header = &self.header;
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("writing to a String cannot fail");
        };
        let content = header
            .content_size
            .map_or("unknown".to_owned(), |size| size.to_string());
        line(format_args!(
            "zstd frame: content {content}, window {}, single segment {}, checksum {}, dictionary {}",
            header.window, header.single_segment, header.checksum, header.dictionary
        ));
        let same = |a: &Block, b: &Block| (a.kind, a.size) == (b.kind, b.size);
        for run in self.blocks.chunk_by(same) {
            let first = run[0];
            line(format_args!(
                "{:#010x} {} x {:?} {}",
                first.offset,
                run.len(),
                first.kind,
                first.size
            ));
        }
        line(format_args!("{:#010x} end", self.len));
        text
    }
}
