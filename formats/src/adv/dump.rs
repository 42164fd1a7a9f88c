//! An ADV as text, a value a line: for snapshots and `inspect`.

use std::fmt::Write as _;

use super::{Contents, Copy};

impl Contents {
    /// All that the reader found.
    pub fn dump(&self) -> String {
        let copy = match self.copy {
            Copy::First => "first copy",
            Copy::Second => "second copy, the first is damaged",
        };
        let mut text = format!("ADV, {copy}\n");
        for (tag, value) in &self.values {
            let shown = value.escape_ascii();
            writeln!(text, "  {tag:#x} {} bytes \"{shown}\"", value.len())
                .expect("writing to a String cannot fail");
        }
        text
    }
}
