//! META values on their way to a machine: the text that follows `INSTALLER_META_BASE64=` on the command line
//! (spec/profile.md 5.5).
//!
//! `0xa=value;0xb=value`, compressed when it is long and the version can read that, in Base64. The compressed bytes are the
//! reference's own (`deflate`), so that command lines, and the PCR values that cover them, stay the same.
//! The META partition of disk images is another format: [`formats::adv`].

mod deflate;

use std::io::{self, Read};

use base64::{
    Engine, alphabet,
    engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
};
use bstr::ByteSlice;

use crate::{quote::quote, schematic::MetaValue};

/// Bytes that META can store, keys and lengths included (spec/profile.md 6.3).
pub const CAPACITY: usize = formats::adv::CAPACITY;

/// The key under which a disk image says which boot loader it was made with; the first boot removes it.
pub const DISK_BOOTLOADER: u8 = 0x11;

/// What each value takes beside its text.
const ENTRY_HEADER: usize = 8;

/// Longer texts are compressed.
const COMPRESSED_ABOVE: usize = 256;

/// What a compressed text starts with, and its shortest header.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const GZIP_HEADER: usize = 10;

/// The longest text that is decoded: what the META partition holds.
const MAX_DECODED: u64 = 1 << 20;

/// Whether the reading Talos understands compressed values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Never compress.
    Never,
    /// Compress long values.
    Allowed,
}

/// What is wrong with an encoded text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not Base64.
    #[error("illegal base64 data at input byte {offset}")]
    Base64 {
        /// Where, in bytes.
        offset: usize,
    },
    /// Not gzip after its magic number.
    #[error("gzip: invalid header")]
    GzipHeader,
    /// gzip data that ends early.
    #[error("unexpected EOF")]
    GzipEnd,
    /// Damaged gzip data.
    #[error("gzip: invalid data")]
    Gzip,
    /// Longer than META can be.
    #[error("more than {MAX_DECODED} bytes")]
    TooLong,
    /// A part without `=`.
    #[error("invalid value {0}")]
    Value(String),
    /// A key that is not a number below 256.
    #[error("invalid key {0}")]
    Key(String),
}

/// Bytes that the values take in META; more than [`CAPACITY`] cannot be stored.
pub fn stored_len(values: &[MetaValue]) -> usize {
    values
        .iter()
        .map(|value| ENTRY_HEADER + value.value.len())
        .sum()
}

/// The values as text for the command line, in the given order.
pub fn encode(values: &[MetaValue], compression: Compression) -> String {
    let parts: Vec<Vec<u8>> = values
        .iter()
        .map(|MetaValue { key, value }| [format!("{key:#x}=").as_bytes(), value].concat())
        .collect();
    let raw = parts.join(&b';');
    if compression == Compression::Allowed && raw.len() > COMPRESSED_ABOVE {
        STANDARD.encode(deflate::gzip(&raw))
    } else {
        STANDARD.encode(raw)
    }
}

/// The values of a text, as the machine reads them. Values that hold `;` do not survive: nothing escapes them.
pub fn decode(text: &[u8]) -> Result<Vec<MetaValue>, Error> {
    let mut raw = base64(text)?;
    if raw.len() >= GZIP_HEADER && raw.starts_with(&GZIP_MAGIC) {
        raw = gunzip(&raw)?;
    }
    if raw.is_empty() {
        return Ok(Vec::new());
    }
    raw.split_str(";").map(value).collect()
}

/// Line breaks may stand anywhere, and bits after the last byte may be set.
fn base64(text: &[u8]) -> Result<Vec<u8>, Error> {
    let (places, digits): (Vec<usize>, Vec<u8>) = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'))
        .unzip();
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, lenient)
        .decode(&digits)
        .map_err(|_| Error::Base64 {
            offset: invalid_at(text, &places),
        })
}

/// Where a text stops being Base64: at a wrong digit or padding, behind the padding, or where it lacks digits. `places` are those
/// of its bytes that are no line breaks.
fn invalid_at(text: &[u8], places: &[usize]) -> usize {
    let digit = |index: usize| places.get(index).map(|&place| text[place]);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let valid = places
        .iter()
        .take_while(|&&place| is_digit(&text[place]))
        .count();
    match (valid % 4, digit(valid)) {
        // The text ends within a group of four: the group started at its first digit, line breaks included in neither count.
        (used, None) => text.len() - used,
        // The second `=` is missing: what is wrong is the byte before what stands there.
        (2, Some(b'=')) if digit(valid + 1) != Some(b'=') => {
            places.get(valid + 1).map_or(text.len(), |&place| place - 1)
        }
        (used @ 2.., Some(b'=')) => places.get(valid + 4 - used).copied().unwrap_or(text.len()),
        (_, Some(_)) => places[valid],
    }
}

fn gunzip(raw: &[u8]) -> Result<Vec<u8>, Error> {
    let decoder = flate2::read::MultiGzDecoder::new(raw);
    if decoder.header().is_none() {
        return Err(Error::GzipHeader);
    }
    let mut text = Vec::new();
    let result: io::Result<usize> = decoder.take(MAX_DECODED + 1).read_to_end(&mut text);
    result.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::GzipEnd,
        _ => Error::Gzip,
    })?;
    if text.len() as u64 > MAX_DECODED {
        return Err(Error::TooLong);
    }
    Ok(text)
}

fn value(part: &[u8]) -> Result<MetaValue, Error> {
    let (key, value) = part
        .split_once_str("=")
        .ok_or_else(|| Error::Value(quote(part)))?;
    Ok(MetaValue {
        key: number(key).ok_or_else(|| Error::Key(quote(key)))?,
        value: value.into(),
    })
}

/// An integer literal: `10`, `0xa`, `0o12`, `012`, `0b1010`, digits grouped by single `_` after a digit or prefix.
fn number(text: &[u8]) -> Option<u8> {
    let text = text.to_str().ok()?;
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // A prefix counts as a digit in front of `_`.
    let leading = if radix == 10 {
        digits
    } else {
        digits.strip_prefix('_').unwrap_or(digits)
    };
    if leading.starts_with(['_', '+', '-']) || leading.ends_with('_') || leading.contains("__") {
        return None;
    }
    u8::from_str_radix(&leading.replace('_', ""), radix).ok()
}

#[cfg(test)]
mod tests {
    use super::{base64, number};

    #[test]
    fn base64_errors_name_the_reference_decoders_offset() {
        for (text, offset) in [
            ("!AAA", Some(0)),
            ("AA!A", Some(2)),
            ("P", Some(0)),
            ("AAAAMTA", Some(4)),
            ("MQ=", Some(3)),
            ("MQ=x", Some(2)),
            ("MQ==x", Some(4)),
            ("M===", Some(1)),
            ("MQ\n=\n=\n", None),
            ("MR==", None),
        ] {
            let error = offset.map(|offset| super::Error::Base64 { offset });
            assert_eq!(base64(text.as_bytes()).err(), error, "{text:?}");
        }
    }

    #[test]
    fn keys_are_integer_literals() {
        for (text, key) in [
            ("10", Some(10)),
            ("0xA", Some(10)),
            ("0X_a", Some(10)),
            ("012", Some(10)),
            ("0_12", Some(10)),
            ("0o12", Some(10)),
            ("0b1010", Some(10)),
            ("1_0", Some(10)),
            ("0", Some(0)),
            ("255", Some(255)),
            ("256", None),
            ("", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("+1", None),
            ("-1", None),
            ("0x", None),
            ("0x+1", None),
            ("08", None),
            (" 1", None),
        ] {
            assert_eq!(number(text.as_bytes()), key, "{text:?}");
        }
    }
}
