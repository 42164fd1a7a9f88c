//! `Content-Disposition: attachment` with a file name of any characters (RFC 6266).

use std::fmt::Write as _;

use hyper::header::HeaderValue;

/// Longer names are cut: no file system takes them.
pub const MAX_NAME_LEN: usize = 255;

/// A download under the given name. The plain `filename` is a quoted string of ASCII; `filename*` (RFC 8187) is added only
/// when that loses something. Control characters become underscores.
pub fn attachment(name: &str) -> HeaderValue {
    let name: String = name
        .chars()
        .map(|c| if c.is_control() { '_' } else { c })
        .take(MAX_NAME_LEN)
        .collect();
    let mut text = String::from("attachment; filename=\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => text.push('_'),
        }
    }
    text.push('"');
    if !name.is_ascii() {
        text.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").expect("writing to a String cannot fail");
            }
        }
    }
    HeaderValue::from_str(&text).expect("only printable ASCII was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let cases = [
            (
                "metal-amd64.iso",
                r#"attachment; filename="metal-amd64.iso""#,
            ),
            (r#"a"b\c"#, r#"attachment; filename="a\"b\\c""#),
            ("a\r\nb", r#"attachment; filename="a__b""#),
            ("a;b c", r#"attachment; filename="a;b c""#),
            (
                "é 1",
                r#"attachment; filename="_ 1"; filename*=UTF-8''%C3%A9%201"#,
            ),
        ];
        for (name, expected) in cases {
            assert_eq!(attachment(name), expected, "{name:?}");
        }
        assert!(attachment(&"x".repeat(9000)).len() < 300);
    }
}
