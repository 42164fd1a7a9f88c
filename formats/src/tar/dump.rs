//! An archive as text.

use std::fmt::Write as _;

use super::Entry;

/// A line a member of an archive, and for sparse ones a line a run.
pub fn dump(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    for entry in entries {
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
    text
}
