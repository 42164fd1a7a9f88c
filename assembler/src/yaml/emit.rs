//! The canonical form: block style, four columns a level, no folding (spec/http.md 1.4).

use base64::Engine as _;

use super::{
    Value, float,
    scalar::{self, Chosen},
};

/// Columns of a level. What stands in a list is indented by the two of its dash instead.
const INDENT: usize = 4;
const DASH: usize = 2;

/// Longer keys, in bytes with their tag, are written behind a question mark.
const MAX_SIMPLE_KEY: usize = 128;

/// Base64 is broken into lines of so many columns.
const BASE64_COLUMNS: usize = 70;

const BINARY: &str = "!!binary";

/// Writes a value as a document. The order of maps is kept.
pub fn emit(value: &Value) -> Vec<u8> {
    let mut emitter = Emitter {
        out: String::new(),
        column: 0,
        fresh: true,
    };
    emitter.node(value, Place::Root);
    if emitter.column > 0 {
        emitter.line_feed();
    }
    emitter.out.into_bytes()
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    /// In a list or map that is indented so many columns.
    Item(usize),
    Key(usize),
    Pair(usize),
}

impl Place {
    /// Columns a block in this place is indented.
    fn indent(self) -> usize {
        match self {
            Place::Root => 0,
            Place::Item(indent) => indent + DASH,
            Place::Key(indent) | Place::Pair(indent) => (indent / INDENT + 1) * INDENT,
        }
    }

    /// Columns of what is around it.
    fn outer(self) -> usize {
        match self {
            Place::Root => 0,
            Place::Item(indent) | Place::Key(indent) | Place::Pair(indent) => indent,
        }
    }
}

struct Emitter {
    out: String,
    /// Characters written of the current line.
    column: usize,
    /// Nothing but indicators of blocks stands on the line: another block may begin there.
    fresh: bool,
}

impl Emitter {
    fn node(&mut self, value: &Value, place: Place) {
        match value {
            Value::List(items) if items.is_empty() => self.word("[]"),
            Value::Map(pairs) if pairs.is_empty() => self.word("{}"),
            Value::List(items) => self.list(items, place.indent()),
            Value::Map(pairs) => self.map(pairs, place.indent()),
            _ => self.scalar(&Text::of(value), place),
        }
    }

    fn list(&mut self, items: &[Value], indent: usize) {
        for item in items {
            self.indent(indent);
            self.put("-");
            self.node(item, Place::Item(indent));
            self.fresh = false;
        }
    }

    fn map(&mut self, pairs: &[(Value, Value)], indent: usize) {
        for (key, value) in pairs {
            self.indent(indent);
            let key = Text::of(key);
            if key.is_simple() {
                self.simple_key(&key);
                self.put(":");
                self.fresh = false;
            } else {
                self.put("?");
                self.scalar(&key, Place::Key(indent));
                self.fresh = false;
                self.indent(indent);
                self.put(":");
            }
            self.node(value, Place::Pair(indent));
            self.fresh = false;
        }
    }

    fn simple_key(&mut self, key: &Text) {
        if key.binary {
            self.put(BINARY);
            self.put(" ");
        }
        // Nothing that needs a block has a place here.
        match key.style {
            Chosen::Plain => self.put(&key.text),
            Chosen::Single => self.single(&key.text, 0),
            Chosen::Double | Chosen::Literal => self.double(&key.text),
        }
    }

    fn scalar(&mut self, text: &Text, place: Place) {
        if text.binary {
            self.word(BINARY);
        }
        if self.column > 0 {
            self.put(" ");
        }
        let indent = match place {
            Place::Root => INDENT,
            _ => place.indent(),
        };
        match text.style {
            Chosen::Plain => self.put(&text.text),
            Chosen::Single => self.single(&text.text, indent),
            Chosen::Double => self.double(&text.text),
            Chosen::Literal => self.literal(&text.text, indent, indent - place.outer()),
        }
        self.fresh = false;
    }

    /// Quotes a text. Line separators stay, so what follows them is indented (go-yaml folds only line feeds).
    fn single(&mut self, text: &str, indent: usize) {
        self.put("'");
        let mut broken = false;
        for c in text.chars() {
            if matches!(c, '\u{2028}' | '\u{2029}') {
                self.out.push(c);
                self.column = 0;
                broken = true;
                continue;
            }
            if broken {
                self.pad(indent);
            }
            broken = false;
            self.put_char(c);
            if c == '\'' {
                self.put_char(c);
            }
        }
        self.put("'");
    }

    fn double(&mut self, text: &str) {
        self.put(&scalar::escape(text));
    }

    fn literal(&mut self, text: &str, indent: usize, level: usize) {
        self.put("|");
        let first = text.chars().find(|c| !super::token::is_break(*c));
        if first.is_some_and(super::token::is_blank) {
            self.put(&level.to_string());
        }
        let mut ends = text.chars().rev().map(super::token::is_break);
        match (ends.next(), ends.next()) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.put("+"),
            _ => self.put("-"),
        }
        self.line_feed();
        let mut broken = true;
        for c in text.chars() {
            if c == '\n' {
                self.line_feed();
                broken = true;
            } else if super::token::is_break(c) {
                self.out.push(c);
                self.column = 0;
                broken = true;
            } else {
                if broken {
                    self.pad(indent);
                }
                broken = false;
                self.put_char(c);
            }
        }
    }

    /// Goes to the column where a block's line begins: on this line if nothing else is there, else on the next.
    fn indent(&mut self, indent: usize) {
        if self.column > 0 && (!self.fresh || self.column > indent) {
            self.line_feed();
        }
        self.pad(indent);
        self.fresh = true;
    }

    fn pad(&mut self, column: usize) {
        while self.column < column {
            self.put(" ");
        }
    }

    /// A word behind what stands on the line.
    fn word(&mut self, word: &str) {
        if self.column > 0 {
            self.put(" ");
        }
        self.put(word);
        self.fresh = false;
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    fn put_char(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn line_feed(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}

/// A scalar ready to be written.
struct Text {
    text: String,
    style: Chosen,
    binary: bool,
}

impl Text {
    /// Lists and maps are no scalars; as keys, which they cannot be, they would be `null`.
    fn of(value: &Value) -> Text {
        let text = match value {
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => float::format(*value),
            Value::Timestamp(text) => text.clone(),
            Value::Text(bytes) => return Text::of_bytes(bytes),
            Value::Null | Value::List(_) | Value::Map(_) => "null".into(),
        };
        Text {
            text,
            style: Chosen::Plain,
            binary: false,
        }
    }

    fn of_bytes(bytes: &[u8]) -> Text {
        match std::str::from_utf8(bytes) {
            Ok(text) => Text {
                text: text.into(),
                style: scalar::choose(text),
                binary: false,
            },
            Err(_) => Text::of_binary(bytes),
        }
    }

    fn of_binary(bytes: &[u8]) -> Text {
        let code = base64::engine::general_purpose::STANDARD.encode(bytes);
        if code.len() < BASE64_COLUMNS {
            let (style, binary) = (Chosen::Plain, true);
            return Text {
                text: code,
                style,
                binary,
            };
        }
        let mut text = String::with_capacity(code.len() + code.len() / BASE64_COLUMNS + 1);
        for (i, c) in code.chars().enumerate() {
            if i > 0 && i % BASE64_COLUMNS == 0 {
                text.push('\n');
            }
            text.push(c);
        }
        text.push('\n');
        let (style, binary) = (Chosen::Literal, true);
        Text {
            text,
            style,
            binary,
        }
    }

    fn is_simple(&self) -> bool {
        let tag = if self.binary { BINARY.len() } else { 0 };
        tag + self.text.len() <= MAX_SIMPLE_KEY && !self.text.contains(super::token::is_break)
    }
}
