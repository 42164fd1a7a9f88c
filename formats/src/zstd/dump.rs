//! A frame as text.

use std::{fmt::Write as _, io::Read};

use super::{Error, Limits, read::Block, read_frame};

/// The header, runs of equal blocks a line, and the length of the frame that `input` starts with.
pub fn dump(input: impl Read, limits: Limits) -> Result<String, Error> {
    let frame = read_frame(input, limits)?;
    let header = &frame.header;
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
    for run in frame.blocks.chunk_by(same) {
        let first = run[0];
        line(format_args!(
            "{:#010x} {} x {:?} {}",
            first.offset,
            run.len(),
            first.kind,
            first.size
        ));
    }
    line(format_args!("{:#010x} end", frame.len));
    Ok(text)
}
