//! An archive as text.

use std::{fmt::Write as _, io::Read};

use super::{Error, Limits, read_archive};

/// A line a member, and for sparse ones a line a run.
pub fn dump(input: impl Read, limits: Limits) -> Result<String, Error> {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    for entry in read_archive(input, limits)? {
        line(format_args!(
            "{:#010x} {}: {} bytes, {} stored at {:#x}, modified {}",
            entry.header,
            String::from_utf8_lossy(&entry.name),
            entry.len,
            entry.stored,
            entry.offset,
            entry.modified
        ));
        if entry.stored < entry.len {
            for (offset, len) in &entry.runs {
                line(format_args!("  {offset:#012x} {len:#x}"));
            }
        }
    }
    Ok(text)
}
