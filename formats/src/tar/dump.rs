//! An archive as text.

use super::Entry;
use crate::dump::Lines;

/// A line a member of an archive, and for sparse ones a line a run.
pub fn dump(entries: &[Entry]) -> String {
    let mut lines = Lines::default();
    for entry in entries {
        lines.push(format_args!(
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
                lines.push(format_args!("  {offset:#012x} {len:#x}"));
            }
        }
    }
    lines.finish()
}
