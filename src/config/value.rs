//! Durations and sizes as people write them.

use std::time::Duration;

/// Reads a duration as Go writes it (`time.ParseDuration`): `1h30m`, `1.5s`, `250ms`, `0`. Negative ones are refused.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = 0u128;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_len = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let nanos: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        total = total.checked_add(scaled(number, nanos)?)?;
        rest = tail;
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// Reads a size in bytes: `1048576`, `512KiB`, `1.5GiB`, `100MB`.
pub fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u128 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    u64::try_from(scaled(number, unit)?).ok()
}

/// A decimal number with an optional fraction, times `unit`, rounded down.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 9 {
        return None;
    }
    let parse = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<u64>().ok().map(u128::from),
    };
    let denominator = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = parse(whole)?.checked_mul(unit)?;
    whole.checked_add(parse(fraction)? * unit / denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        let cases = [
            ("0", Some(0)),
            ("15m", Some(900_000)),
            ("1h30m", Some(5_400_000)),
            ("1.5s", Some(1_500)),
            (".5s", Some(500)),
            ("250ms", Some(250)),
            ("1m0.25s", Some(60_250)),
            ("", None),
            ("15", None),
            ("15 m", None),
            ("-1s", None),
            ("1d", None),
            ("s", None),
            ("99999999999h", None),
        ];
        for (text, millis) in cases {
            assert_eq!(
                duration(text),
                millis.map(Duration::from_millis),
                "{text:?}"
            );
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_units() {
        let cases = [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("64GiB", Some(64 << 30)),
            ("64 gib", Some(64 << 30)),
            ("64Gi", Some(64 << 30)),
            ("1.5MiB", Some(3 << 19)),
            ("100MB", Some(100_000_000)),
            ("", None),
            ("GiB", None),
            ("1XiB", None),
            ("-1", None),
            ("99999999999TiB", None),
        ];
        for (text, bytes) in cases {
            assert_eq!(size(text), bytes, "{text:?}");
        }
    }
}
