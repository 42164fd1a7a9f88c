//! Lists of entity tags in `If-Match` and `If-None-Match` (RFC 9110, 8.8.3 and 13.1).

use hyper::header::HeaderValue;

/// Whether any tag of the lists equals `etag` by strong comparison: both strong, same text. `*` matches.
pub(super) fn any_strong<'a>(lists: impl IntoIterator<Item = &'a HeaderValue>, etag: &str) -> bool {
    any(lists, |weak, tag| !weak && tag == etag.as_bytes())
}

/// Whether any tag of the lists equals `etag` by weak comparison: same text. `*` matches.
pub(super) fn any_weak<'a>(lists: impl IntoIterator<Item = &'a HeaderValue>, etag: &str) -> bool {
    any(lists, |_, tag| tag == etag.as_bytes())
}

fn any<'a>(
    lists: impl IntoIterator<Item = &'a HeaderValue>,
    matches: impl Fn(bool, &[u8]) -> bool,
) -> bool {
    lists.into_iter().any(|list| {
        let list = list.as_bytes();
        list.trim_ascii() == b"*" || tags(list).any(|(weak, tag)| matches(weak, tag))
    })
}

/// The tags of a list, with their quotes and whether they are weak; stops at the first thing that is none.
fn tags(mut list: &[u8]) -> impl Iterator<Item = (bool, &[u8])> {
    std::iter::from_fn(move || {
        let separator = |byte: &u8| !matches!(byte, b',' | b' ' | b'\t');
        list = &list[list.iter().position(separator)?..];
        let (weak, quoted) = match list.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, list),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|byte| *byte == b'"')? + 2;
        list = &quoted[end..];
        Some((weak, &quoted[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> [HeaderValue; 1] {
        [HeaderValue::from_str(text).unwrap()]
    }

    #[test]
    fn lists_are_taken_apart() {
        let cases = [
            (r#""a""#, true, true),
            (r#"W/"a""#, false, true),
            (r#""b", "a""#, true, true),
            (r#""b" , W/"a","c""#, false, true),
            (r#""x,y", "a""#, true, true),
            (" * ", true, true),
            (r#""b""#, false, false),
            ("a", false, false),
            (r#""a"#, false, false),
            (r#"w/"a""#, false, false),
            ("", false, false),
        ];
        for (text, strong, weak) in cases {
            assert_eq!(any_strong(&header(text), r#""a""#), strong, "{text}");
            assert_eq!(any_weak(&header(text), r#""a""#), weak, "{text}");
        }
    }
}
