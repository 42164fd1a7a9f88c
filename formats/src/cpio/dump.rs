//! Archives as text: a line a member.

use std::{fmt::Write as _, io::Read};

use super::{Error, Limits, Reader};

/// A line for each member of the archives `input` starts with, and one that says where they end.
pub fn dump(input: impl Read, limits: Limits) -> Result<String, Error> {
    let mut reader = Reader::new(input, limits);
    let mut text = String::new();
    while let Some(member) = reader.next_member()? {
        let header = &member.header;
        writeln!(
            text,
            "archive {} {:#010x} ino {} mode {:06o} {}:{} nlink {} mtime {} size {} {}",
            member.archive,
            member.offset,
            header.ino,
            header.mode,
            header.uid,
            header.gid,
            header.nlink,
            header.mtime,
            header.file_size,
            member.name.escape_ascii(),
        )
        .expect("writing to a String cannot fail");
    }
    writeln!(text, "end {:#010x}", reader.position()).expect("writing to a String cannot fail");
    Ok(text)
}
