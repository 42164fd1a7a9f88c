//! The natural order of map keys: numbers inside texts count as numbers, `a9` before `a10` (spec/http.md 1.4).

use std::cmp::Ordering;

use bstr::ByteSlice;

use super::Value;

/// Sorts the keys of all maps of a value.
///
/// The order is not transitive for every set of keys, so this is a merge of its own: the standard sort may panic then. It begins
/// with the keys as the standard sort has them, so that the same keys come out alike from whichever order.
pub fn sort_keys(value: &mut Value) {
    match value {
        Value::List(items) => items.iter_mut().for_each(sort_keys),
        Value::Map(pairs) => {
            for (_, value) in pairs.iter_mut() {
                sort_keys(value);
            }
            pairs.sort_by(|(a, _), (b, _)| plain(a, b));
            *pairs = merge_sort(std::mem::take(pairs));
        }
        _ => {}
    }
}

fn merge_sort(mut left: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    if left.len() < 2 {
        return left;
    }
    let right = left.split_off(left.len() / 2);
    let mut left = merge_sort(left).into_iter().peekable();
    let mut right = merge_sort(right).into_iter().peekable();
    let mut merged = Vec::with_capacity(left.len() + right.len());
    while let (Some((a, _)), Some((b, _))) = (left.peek(), right.peek()) {
        let next = if less(b, a) {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

/// An order that is one for any set of keys.
fn plain(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Kinds in the order of Go's `reflect.Kind`.
fn rank(key: &Value) -> u8 {
    match key {
        Value::Bool(_) => 1,
        Value::Integer(value) if i64::try_from(*value).is_ok() => 2,
        Value::Integer(_) => 3,
        Value::Float(_) => 4,
        Value::Null => 5,
        Value::Map(_) => 6,
        Value::List(_) => 7,
        Value::Text(_) => 8,
        Value::Timestamp(_) => 9,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "keys of different kinds are compared as Go does, as floats"
)]
fn as_float(key: &Value) -> Option<f64> {
    match key {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Integer(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}

fn less(a: &Value, b: &Value) -> bool {
    if let (Some(x), Some(y)) = (as_float(a), as_float(b)) {
        return match x.partial_cmp(&y) {
            Some(Ordering::Equal) if rank(a) != rank(b) => rank(a) < rank(b),
            Some(Ordering::Equal) => {
                matches!((a, b), (Value::Integer(i), Value::Integer(j)) if i < j)
            }
            order => order == Some(Ordering::Less),
        };
    }
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => text_less(a, b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a < b,
        _ => rank(a) < rank(b),
    }
}

fn text_less(a: &[u8], b: &[u8]) -> bool {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let Some(at) = a.iter().zip(&b).position(|(x, y)| x != y) else {
        return a.len() < b.len();
    };
    let after_digit = at > 0 && is_digit(a[at - 1]);
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => a[at] < b[at],
        (a_letter, b_letter) if a_letter || b_letter => {
            if after_digit {
                a_letter
            } else {
                b_letter
            }
        }
        _ => number_less(&a, &b, at),
    }
}

/// Compares the digits from the first difference on; a longer run of zeros in front comes later.
fn number_less(a: &[char], b: &[char], at: usize) -> bool {
    let mut start = 0i64;
    if a[at] == '0' || b[at] == '0' {
        // Zeros count only behind another digit: 10 and 1 differ, 010 and 01 do so by their length.
        let before = a[..at].iter().rev().take_while(|c| is_digit(**c));
        start = i64::from(before.into_iter().any(|c| *c != '0'));
    }
    let run = |text: &[char]| {
        let digits = text[at..].iter().take_while(|c| is_digit(**c));
        digits.fold((start, 0), |(number, count), c| {
            let digit = i64::from(u32::from(*c)) - i64::from(u32::from('0'));
            (number.wrapping_mul(10).wrapping_add(digit), count + 1)
        })
    };
    let ((x, x_len), (y, y_len)) = (run(a), run(b));
    if x != y {
        x < y
    } else if x_len != y_len {
        x_len < y_len
    } else {
        a[at] < b[at]
    }
}

/// Decimal digits of any script (Unicode category Nd).
fn is_digit(c: char) -> bool {
    let at = ZEROS.partition_point(|zero| *zero <= c);
    at > 0 && u32::from(c) - u32::from(ZEROS[at - 1]) < 10
}

/// The zero of each script, nine further digits behind it.
const ZEROS: [char; 66] = [
    '\u{30}',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];
