//! Which quotes a text gets, in go-yaml's order of decisions (spec/http.md 1.4).

use std::fmt::Write;

use super::{
    resolve::{self, Plain},
    token::{is_blank, is_break, is_printable, is_space_or_end},
};

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    Plain,
    Single,
    Double,
    Literal,
}

/// Chooses for a text outside of flow collections.
pub(super) fn choose(text: &str) -> Chosen {
    let found = Findings::of(text);
    if text.contains('\n') {
        let shown = text.len() > 1 && text.contains(|c: char| !is_blank(c) && c != '\n');
        return if shown && !found.special {
            Chosen::Literal
        } else {
            Chosen::Double
        };
    }
    if is_old_boolean(text) || is_base_60(text) || resolve::plain(text) != Plain::Text {
        return Chosen::Double;
    }
    match found {
        Findings { single: false, .. } => Chosen::Double,
        Findings { plain: false, .. } => Chosen::Single,
        _ => Chosen::Plain,
    }
}

struct Findings {
    /// Can stand without quotes.
    plain: bool,
    /// Can stand in single quotes.
    single: bool,
    /// Has characters that only an escape shows.
    special: bool,
}

impl Findings {
    fn of(text: &str) -> Findings {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let mut special = false;
        let mut breaks = false;
        let mut tabs = false;
        let mut break_next_to_space = false;
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let space_follows = chars.peek().is_none_or(|c| is_blank(*c));
            let space_precedes = before.is_none_or(is_space_or_end);
            indicators |= match c {
                '#' => space_precedes,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => before.is_none(),
                '?' | '-' => before.is_none() && space_follows,
                ':' => space_follows,
                _ => false,
            };
            tabs |= c == '\t';
            special |= c != '\t' && !is_printable(c);
            breaks |= is_break(c);
            let pair = (before, c);
            break_next_to_space |= matches!(pair, (Some(b), ' ') if is_break(b))
                || matches!(pair, (Some(' '), c) if is_break(c));
            before = Some(c);
        }
        let spaced = text.starts_with(' ') || text.ends_with(' ');
        let single = !break_next_to_space && !tabs && !special;
        Findings {
            plain: single && !spaced && !breaks && !indicators,
            single,
            special,
        }
    }
}

/// The booleans of YAML 1.1.
fn is_old_boolean(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    WORDS.contains(&text)
}

/// `[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?`: a number of YAML 1.1 in base 60.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digit = |b: &u8| b.is_ascii_digit() || *b == b'_';
    let (text, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default().as_bytes();
    let mut minutes = parts.peekable();
    first.first().is_some_and(u8::is_ascii_digit)
        && first.iter().all(|b| digit(b))
        && minutes.peek().is_some()
        && minutes.all(|part| matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9']))
        && fraction.bytes().all(|b| digit(&b))
}

/// A text in double quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::from('"');
    // A byte order mark in front makes go-yaml take every character for one.
    let all = text.starts_with('\u{feff}');
    for c in text.chars() {
        if !all && is_printable(c) && !is_break(c) && !matches!(c, '"' | '\\') {
            escaped.push(c);
            continue;
        }
        escaped.push('\\');
        let short = match c {
            '\0' => '0',
            '\x07' => 'a',
            '\x08' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\x0b' => 'v',
            '\x0c' => 'f',
            '\r' => 'r',
            '\x1b' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(c);
                let written = match code {
                    0..=0xff => write!(escaped, "x{code:02X}"),
                    0x100..=0xffff => write!(escaped, "u{code:04X}"),
                    _ => write!(escaped, "U{code:08X}"),
                };
                written.expect("a string takes everything");
                continue;
            }
        };
        escaped.push(short);
    }
    escaped.push('"');
    escaped
}
