//! A member as text.

use std::fmt::Write as _;

use super::read::{Block, Member};

impl Member {
    /// The header, runs of equal blocks a line, and the end of the member.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("writing to a String cannot fail");
        };
        let name = self.name.as_deref().map(String::from_utf8_lossy);
        line(format_args!(
            "gzip member: name {name:?}, modified {}",
            self.modified
        ));
        let same = |a: &Block, b: &Block| (a.kind, a.content) == (b.kind, b.content);
        for run in self.blocks.chunk_by(same) {
            let first = run[0];
            line(format_args!(
                "{:#010x} {} x {:?} {}",
                first.offset,
                run.len(),
                first.kind,
                first.content
            ));
        }
        line(format_args!(
            "{:#010x} end, CRC-32 {:#010x}",
            self.len, self.crc32
        ));
        text
    }
}
