//! A stream as text.

use std::{fmt::Write as _, io::Read};

use super::{Error, Limits, read_stream};

/// The check, a line a block, index and length of the stream that `input` starts with.
pub fn dump(input: impl Read, limits: Limits) -> Result<String, Error> {
    let stream = read_stream(input, limits)?;
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "{line}").expect("writing to a String cannot fail");
    };
    line(format_args!("xz stream: check {}", stream.check));
    for block in &stream.blocks {
        line(format_args!(
            "{:#010x} block: header {}, sized {}, dictionary {}, compressed {}, uncompressed {}, chunks {} stored {} packed",
            block.offset,
            block.header_len,
            block.sized,
            block.dictionary,
            block.compressed,
            block.uncompressed,
            block.stored,
            block.packed
        ));
    }
    line(format_args!("{:#010x} index", stream.index));
    line(format_args!("{:#010x} end", stream.len));
    Ok(text)
}
