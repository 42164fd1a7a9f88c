//! Tries and modules as text.

use std::fmt::Write as _;

use super::Module;
use super::index::{Index, Limits, ReadError};

/// A line for each value of the trie `bytes`: key, priority, value.
pub fn dump(bytes: &[u8], limits: Limits) -> Result<String, ReadError> {
    let mut text = String::new();
    for found in Index::parse(bytes, limits)?.entries()? {
        writeln!(
            text,
            "{} {} {}",
            found.key.escape_ascii(),
            found.priority,
            found.value.escape_ascii()
        )
        .expect("writing to a String cannot fail");
    }
    Ok(text)
}

impl Module {
    /// What the module says of itself, a line for each text.
    pub fn dump(&self) -> String {
        let parts = [
            ("alias", &self.aliases),
            ("softdep", &self.softdeps),
            ("weakdep", &self.weakdeps),
            ("exports", &self.exports),
            ("needs", &self.needs),
        ];
        let mut text = String::new();
        for (name, texts) in parts {
            for value in texts {
                writeln!(text, "{name} {value}").expect("writing to a String cannot fail");
            }
        }
        text
    }
}
