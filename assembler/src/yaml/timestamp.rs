//! The four shapes of timestamps that are understood, read and written as Go's time package does.

use std::fmt::Write;

/// Reads a timestamp and writes it as RFC 3339, to the nanosecond, trailing zeros dropped.
///
/// Understood are `2006-1-2`, `2006-1-2 15:4:5[.9]` and `2006-1-2T15:4:5[.9](Z|±07:00)`, with `t` for `T`.
pub(super) fn parse(text: &str) -> Option<String> {
    let mut rest = text;
    if rest.len() < 5 || !rest.as_bytes()[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let year: u32 = rest[..4].parse().ok()?;
    rest = rest[4..].strip_prefix('-')?;
    let month = number(&mut rest, 1..=12)?;
    rest = rest.strip_prefix('-')?;
    let day = number(&mut rest, 1..=days(year, month))?;
    let mut written = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(written + "T00:00:00Z");
    }
    let zoned = !rest.starts_with(' ');
    rest = rest.strip_prefix([' ', 'T', 't'])?;
    let hour = number(&mut rest, 0..=23)?;
    rest = rest.strip_prefix(':')?;
    let minute = number(&mut rest, 0..=59)?;
    rest = rest.strip_prefix(':')?;
    let second = number(&mut rest, 0..=59)?;
    write!(written, "T{hour:02}:{minute:02}:{second:02}").expect("a string takes everything");
    let fraction = fraction(&mut rest);
    if !fraction.is_empty() {
        written.push('.');
        written.push_str(fraction);
    }
    written.push_str(&if zoned { zone(&mut rest)? } else { "Z".into() });
    rest.is_empty().then_some(written)
}

/// One or two digits.
fn number(rest: &mut &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let value = rest[..digits].parse().ok()?;
    *rest = &rest[digits..];
    range.contains(&value).then_some(value)
}

/// The digits behind a point or comma: nine at most, without trailing zeros.
fn fraction<'t>(rest: &mut &'t str) -> &'t str {
    let Some(digits) = rest.strip_prefix(['.', ',']) else {
        return "";
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return "";
    }
    *rest = &digits[count..];
    digits[..count.min(9)].trim_end_matches('0')
}

fn zone(rest: &mut &str) -> Option<String> {
    if let Some(end) = rest.strip_prefix('Z') {
        *rest = end;
        return Some("Z".into());
    }
    let bytes = rest.as_bytes();
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ..] = bytes else {
        return None;
    };
    if ![h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (rest[1..3].parse().ok()?, rest[4..6].parse().ok()?);
    *rest = &rest[6..];
    // The upper bounds are Go's: some write offsets of 24 hours or 60 minutes.
    if hours > 24 || minutes > 60 {
        return None;
    }
    let offset = hours * 60 + minutes;
    Some(match offset {
        0 => "Z".into(),
        _ => format!("{}{:02}:{:02}", char::from(*sign), offset / 60, offset % 60),
    })
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
