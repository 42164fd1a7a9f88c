//! Names in error texts, quoted as the reference quotes them (Go's `%q`): printable characters stay, everything else is escaped.

use std::fmt::Write;

use bstr::ByteSlice;

/// The quoted text.
pub(crate) fn quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for (start, end, c) in text.char_indices() {
        let bytes = &text[start..end];
        if c == char::REPLACEMENT_CHARACTER && bytes != "\u{fffd}".as_bytes() {
            for byte in bytes {
                push(&mut quoted, format_args!("\\x{byte:02x}"));
            }
        } else {
            push_char(&mut quoted, c);
        }
    }
    quoted.push('"');
    quoted
}

fn push_char(quoted: &mut String, c: char) {
    match c {
        '"' | '\\' => push(quoted, format_args!("\\{c}")),
        '\x07' => quoted.push_str("\\a"),
        '\x08' => quoted.push_str("\\b"),
        '\x0c' => quoted.push_str("\\f"),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        '\x0b' => quoted.push_str("\\v"),
        c if is_printable(c) => quoted.push(c),
        c if c < ' ' || c == '\x7f' => push(quoted, format_args!("\\x{:02x}", u32::from(c))),
        c if u32::from(c) < 0x1_0000 => push(quoted, format_args!("\\u{:04x}", u32::from(c))),
        c => push(quoted, format_args!("\\U{:08x}", u32::from(c))),
    }
}

fn push(quoted: &mut String, text: std::fmt::Arguments<'_>) {
    quoted
        .write_fmt(text)
        .expect("writing to a string cannot fail");
}

/// Letters, marks, numbers, punctuation, symbols and the space. Asked of the standard library's table, behind a letter, because
/// it also escapes marks that have nothing to sit on.
fn is_printable(c: char) -> bool {
    let mut buffer = [0; 8];
    buffer[0] = b'a';
    let len = 1 + c.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..len]).expect("two characters");
    c == '\'' || text.escape_debug().nth(1) == Some(c)
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn printable_text_stays_and_the_rest_is_escaped() {
        for (text, quoted) in [
            (&b"metal"[..], r#""metal""#),
            ("метал é 😀".as_bytes(), "\"метал é 😀\""),
            (b"it's a \"\\\"", r#""it's a \"\\\"""#),
            (b"\x00\n\x7f\x1b", r#""\x00\n\x7f\x1b""#),
            (b"a\xff\xe2\x82", r#""a\xff\xe2\x82""#),
            (
                "\u{a0}\u{200b}\u{feff}\u{fffd}\u{e0001}".as_bytes(),
                "\"\\u00a0\\u200b\\ufeff\u{fffd}\\U000e0001\"",
            ),
            ("e\u{301}\u{301}".as_bytes(), "\"e\u{301}\u{301}\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
