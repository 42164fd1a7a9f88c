//! A member as text.

use super::read::Member;
use crate::dump::Lines;

impl Member {
    /// The header, runs of equal blocks a line, and the end of the member.
    pub fn dump(&self) -> String {
        let mut lines = Lines::default();
        let name = self.name.as_deref().map(String::from_utf8_lossy);
        lines.push(format_args!(
            "gzip member: name {name:?}, modified {}",
            self.modified
        ));
        lines.runs(&self.blocks, |block| {
            (block.offset, block.kind, block.content)
        });
        lines.push(format_args!(
            "{:#010x} end, CRC-32 {:#010x}",
            self.len, self.crc32
        ));
        lines.finish()
    }
}
