//! From bytes to characters: byte order marks, UTF-8, UTF-16, and the characters YAML has no place for.

use super::{Error, Limits};

/// Ends the characters; it cannot occur in them.
pub(super) const END: char = '\0';

const BOM: char = '\u{feff}';

/// Decodes a document. The characters are followed by [`END`] often enough that looking ahead needs no check.
pub(super) fn decode(input: &[u8], limits: &Limits) -> Result<Vec<char>, Error> {
    if input.len() > limits.bytes {
        return Err(Error::TooLong(limits.bytes));
    }
    let mut chars = match input {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        _ => utf8(input)?,
    };
    let marks = chars.iter().take_while(|c| **c == BOM).count();
    chars.drain(..marks);
    let mut line = 1;
    for c in &chars {
        match u32::from(*c) {
            0x0a => line += 1,
            0x09 | 0x0d | 0x20..0xfffe | 0x1_0000.. => {}
            value => {
                let problem = format!("control characters are not allowed (value: {value})");
                return Err(Error::syntax(line, problem));
            }
        }
    }
    chars.extend([END; LOOKAHEAD]);
    Ok(chars)
}

/// The farthest the scanner looks ahead: the eight digits of `\U`, and the backslash.
const LOOKAHEAD: usize = 10;

fn utf8(input: &[u8]) -> Result<Vec<char>, Error> {
    let text = std::str::from_utf8(input).map_err(|e| {
        let at = e.valid_up_to();
        let line = 1 + input[..at].iter().filter(|b| **b == b'\n').count();
        Error::syntax(
            line,
            format!("invalid UTF-8 at byte {at} (value: {})", input[at]),
        )
    })?;
    Ok(text.chars().collect())
}

fn utf16(input: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<char>, Error> {
    let (pairs, rest) = input.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::syntax(1, "incomplete UTF-16 character"));
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|e| {
            Error::syntax(
                1,
                format!(
                    "unpaired UTF-16 surrogate (value: {})",
                    e.unpaired_surrogate()
                ),
            )
        })
}
