//! What a plain scalar means: YAML 1.2's core schema with the older numbers and dates, as go-yaml resolves it.

use super::{Value, timestamp};

pub(super) const STR: &str = "!!str";
pub(super) const INT: &str = "!!int";
pub(super) const BOOL: &str = "!!bool";
pub(super) const FLOAT: &str = "!!float";
pub(super) const NULL: &str = "!!null";
pub(super) const TIMESTAMP: &str = "!!timestamp";
pub(super) const BINARY: &str = "!!binary";
pub(super) const MERGE: &str = "!!merge";
pub(super) const SEQ: &str = "!!seq";
pub(super) const MAP: &str = "!!map";

/// What a plain scalar is taken for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plain {
    Text,
    Merge,
    /// Never a text, list or map.
    Value(Value),
}

impl Plain {
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Plain::Merge => MERGE,
            Plain::Value(Value::Null) => NULL,
            Plain::Value(Value::Bool(_)) => BOOL,
            Plain::Value(Value::Integer(_)) => INT,
            Plain::Value(Value::Float(_)) => FLOAT,
            Plain::Value(Value::Timestamp(_)) => TIMESTAMP,
            Plain::Text | Plain::Value(_) => STR,
        }
    }
}

/// Resolves a plain scalar.
pub(super) fn plain(text: &str) -> Plain {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        "-0" | "-0.0" => Value::Float(-0.0),
        "<<" => return Plain::Merge,
        _ => match text.as_bytes()[0] {
            b'.' => match fraction(text) {
                Some(value) => value,
                None => return Plain::Text,
            },
            b'+' | b'-' | b'0'..=b'9' => match number(text) {
                Some(value) => value,
                None => return Plain::Text,
            },
            _ => return Plain::Text,
        },
    };
    Plain::Value(value)
}

/// `.5`, also with underscores between digits.
fn fraction(text: &str) -> Option<Value> {
    let digits_around = |at: usize| {
        let bytes = text.as_bytes();
        bytes[at - 1].is_ascii_digit() && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
    };
    if !text.match_indices('_').all(|(at, _)| digits_around(at)) {
        return None;
    }
    float(&text.replace('_', ""))
}

fn number(text: &str) -> Option<Value> {
    if let Some(timestamp) = timestamp::parse(text) {
        return Some(Value::Timestamp(timestamp));
    }
    let digits = text.replace('_', "");
    integer(&digits)
        .map(Value::Integer)
        .or_else(|| float(&digits))
}

/// Decimal, or with one of the prefixes `0x`, `0o`, `0b` and the old `0`; 64 bits, signed or not.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = unsigned.len() < text.len();
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    // Only an unsigned text may use the upper half of 64 bits.
    (!signed || i64::try_from(value).is_ok()).then_some(value)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is finite.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let shaped = match mantissa.split_once('.') {
        Some((whole, part)) => all_digits(whole) && all_digits(part) && mantissa.len() > 1,
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_shaped = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !shaped || !exponent_shaped {
        return None;
    }
    text.parse()
        .ok()
        .filter(|f: &f64| f.is_finite())
        .map(Value::Float)
}
