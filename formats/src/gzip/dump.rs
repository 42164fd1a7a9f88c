//! A member as text.

use std::{fmt::Write as _, io::Read};

use super::{Error, Limits, read::Block, read_member};

/// The header, runs of equal blocks a line, and the end of the member that `input` starts with.
pub fn dump(input: impl Read, limits: Limits) -> Result<String, Error> {
    let member = read_member(input, limits)?;
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    let name = member.name.as_deref().map(String::from_utf8_lossy);
    line(format_args!(
        "gzip member: name {name:?}, modified {}",
        member.modified
    ));
    let same = |a: &Block, b: &Block| (a.kind, a.content) == (b.kind, b.content);
    for run in member.blocks.chunk_by(same) {
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
        member.len, member.crc32
    ));
    Ok(text)
}
