//! `Range: bytes=…` (RFC 9110, 14.1.2 and 14.2).

use std::ops::Range;

/// More ranges in one request than this, and the whole is sent instead, as nginx does.
pub const MAX_RANGES: usize = 16;

/// What a `Range` header asks of a body of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Everything: the header is malformed, of another unit, or asks for more than the whole holds.
    Whole,
    /// These, in the order asked; at least one, none empty.
    Some(Vec<Range<u64>>),
    /// Well-formed, but nothing of it lies inside.
    Unsatisfiable,
}

/// Reads a `Range` header against a body of `len` bytes.
pub fn parse(header: &[u8], len: u64) -> Ranges {
    let Some(specs) = specs(header) else {
        return Ranges::Whole;
    };
    if specs.len() > MAX_RANGES {
        return Ranges::Whole;
    }
    let ranges: Vec<_> = specs
        .into_iter()
        .filter_map(|spec| spec.resolve(len))
        .collect();
    if ranges.is_empty() {
        return Ranges::Unsatisfiable;
    }
    // Overlapping ranges must not make an answer longer than the artifact.
    let total: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    if ranges.len() > 1 && total > len {
        return Ranges::Whole;
    }
    Ranges::Some(ranges)
}

enum Spec {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Spec {
    fn resolve(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..len,
            Self::Between(first, last) => first..last.saturating_add(1).min(len),
            Self::Last(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// The ranges of a well-formed header of unit `bytes`.
fn specs(header: &[u8]) -> Option<Vec<Spec>> {
    let text = str::from_utf8(header).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let specs: Option<Vec<_>> = set
        .split(',')
        .map(|spec| spec.trim_matches([' ', '\t']))
        .filter(|spec| !spec.is_empty())
        .map(spec)
        .collect();
    specs.filter(|specs| !specs.is_empty())
}

fn spec(text: &str) -> Option<Spec> {
    let (first, last) = text.split_once('-')?;
    match (first, last) {
        ("", last) => Some(Spec::Last(number(last)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits only; a number beyond 64 bits is as good as the largest one.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::single_range_in_vec_init,
        reason = "one range is a common answer"
    )]
    fn the_forms_of_the_specification() {
        use Ranges::{Some, Unsatisfiable, Whole};
        let cases = [
            ("bytes=0-0", Some(vec![0..1])),
            ("bytes=0-", Some(vec![0..100])),
            ("bytes=99-", Some(vec![99..100])),
            ("bytes=-1", Some(vec![99..100])),
            ("bytes=-1000", Some(vec![0..100])),
            ("bytes=10-1000", Some(vec![10..100])),
            ("bytes=10-18446744073709551615", Some(vec![10..100])),
            ("bytes=10-99999999999999999999999", Some(vec![10..100])),
            ("Bytes=1-2", Some(vec![1..3])),
            ("bytes=1-2, 5-6 ,-3", Some(vec![1..3, 5..7, 97..100])),
            ("bytes=5-6,1-2", Some(vec![5..7, 1..3])),
            ("bytes=,1-2,,", Some(vec![1..3])),
            ("bytes=100-,1-2", Some(vec![1..3])),
            ("bytes=100-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=200-300,400-", Unsatisfiable),
            ("bytes=0-,0-", Whole),
            ("bytes=5-4", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes 1-2", Whole),
            ("lines=1-2", Whole),
            ("", Whole),
        ];
        for (header, expected) in cases {
            assert_eq!(parse(header.as_bytes(), 100), expected, "{header}");
        }
    }

    #[test]
    fn nothing_can_be_taken_from_an_empty_body() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
            let ranges = parse(header.as_bytes(), 0);
            assert_eq!(ranges, Ranges::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn too_many_ranges_get_the_whole() {
        let many = |count: u64| {
            let specs: Vec<_> = (0..count).map(|at| format!("{at}-{at}")).collect();
            parse(format!("bytes={}", specs.join(",")).as_bytes(), 100)
        };
        assert!(matches!(many(16), Ranges::Some(ranges) if ranges.len() == 16));
        assert_eq!(many(17), Ranges::Whole);
    }
}
