//! Dumps: formats as texts, line by line.

use std::fmt::{self, Debug, Write as _};

/// Lines put together.
#[derive(Default)]
pub(crate) struct Lines(String);

impl Lines {
    pub(crate) fn push(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a String cannot fail");
    }

    /// A line for each run of `blocks` that are alike: offset of the first, how many, their kind, their length each.
    pub(crate) fn runs<B, K: Debug + PartialEq>(
        &mut self,
        blocks: &[B],
        describe: impl Fn(&B) -> (u64, K, u64),
    ) {
        let alike = |one: &B, other: &B| {
            let ((_, kind, len), (_, other_kind, other_len)) = (describe(one), describe(other));
            kind == other_kind && len == other_len
        };
        for run in blocks.chunk_by(alike) {
            let (offset, kind, len) = describe(&run[0]);
            let count = run.len();
            self.push(format_args!("{offset:#010x} {count} x {kind:?} {len}"));
        }
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}
