//! A frame as text.

use super::read::Frame;
use crate::dump::Lines;

impl Frame {
    /// The header, runs of equal blocks a line, and the length of the frame.
    pub fn dump(&self) -> String {
        let header = &self.header;
        let mut lines = Lines::default();
        let content = header
            .content_size
            .map_or("unknown".to_owned(), |size| size.to_string());
        lines.push(format_args!(
            "zstd frame: content {content}, window {}, single segment {}, checksum {}, dictionary {}",
            header.window, header.single_segment, header.checksum, header.dictionary
        ));
        lines.runs(&self.blocks, |block| (block.offset, block.kind, block.size));
        lines.push(format_args!("{:#010x} end", self.len));
        lines.finish()
    }
}
