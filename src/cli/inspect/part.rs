//! Descriptions, one inside of the other, for people and for programs.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

/// Lines that people see of a part which is shown in brief.
const BRIEF: usize = 24;

/// An image, or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) len: u64,
    pub(super) text: String,
    pub(super) parts: Vec<Part>,
    /// Lines that people see; programs get them all.
    shown: usize,
}

impl Part {
    pub(super) fn new(name: &str, kind: &'static str, len: u64, text: String) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            len,
            text,
            parts: Vec::new(),
            shown: usize::MAX,
        }
    }

    /// Spares people a long list of what a container is made of: they want what is in it.
    pub(super) fn in_brief(&mut self, text: String) {
        (self.text, self.shown) = (text, BRIEF);
    }

    /// For people: what is inside is indented.
    pub(super) fn text(&self, indent: usize) -> String {
        let name = if self.name.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.name)
        };
        let mut text = format!("{:indent$}{name}{}, {} bytes\n", "", self.kind, self.len);
        for line in self.shown_lines() {
            text += format!("{:indent$}  {line}", "").trim_end();
            text.push('\n');
        }
        self.parts
            .iter()
            .fold(text, |text, part| text + &part.text(indent + 2))
    }

    fn shown_lines(&self) -> Vec<Cow<'_, str>> {
        let mut lines: Vec<Cow<'_, str>> = self.text.lines().map(Cow::Borrowed).collect();
        if lines.len() > self.shown {
            // The last line stays: it is where things end.
            let left_out = self.shown - 1..lines.len() - 1;
            let note = format!("… {} more lines with --json", left_out.len());
            lines.splice(left_out, [note.into()]);
        }
        lines
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "name": self.name,
            "kind": self.kind,
            "len": self.len,
            "lines": self.text.lines().collect::<Vec<_>>(),
            "parts": self.parts.iter().map(Self::json).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_the_begin_and_the_end_of_a_long_list() {
        let mut part = Part::new("a", "list", 7, String::new());
        for count in [1, BRIEF, BRIEF + 1, 1000] {
            let lines: Vec<_> = (1..=count).map(|number| format!("line {number}")).collect();
            part.in_brief(lines.join("\n"));
            let text = part.text(2);
            assert!(
                text.starts_with("  a: list, 7 bytes\n    line 1\n"),
                "{text}"
            );
            assert!(text.ends_with(&format!("\n    line {count}\n")), "{text}");
            assert_eq!(text.lines().count(), 1 + count.min(BRIEF + 1), "{text}");
            assert_eq!(part.json()["lines"].as_array().unwrap().len(), count);
        }
        assert!(
            part.text(0)
                .contains("\n  line 23\n  … 976 more lines with --json\n  line 1000\n")
        );
    }
}
