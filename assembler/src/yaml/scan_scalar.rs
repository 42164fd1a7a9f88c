//! Scalars: plain, quoted, block; folding as YAML 1.1 has it.

use super::{
    Error,
    input::END,
    scan::Scanner,
    token::{Item, Style, is_blank, is_break, is_break_or_end, is_space_or_end},
};

/// White space inside a scalar, until it is known what it becomes: itself, a fold, or nothing.
#[derive(Default)]
struct Gap {
    blanks: String,
    /// The first line break; [`END`] for an escaped one, which leaves nothing.
    first: Option<char>,
    /// The line breaks after it.
    more: String,
}

impl Gap {
    /// Takes white space. `tabs_from` is the column from which tabs may stand at the start of a line.
    fn read(&mut self, scanner: &mut Scanner, tabs_from: isize) -> Result<(), Error> {
        loop {
            let c = scanner.current();
            if is_break(c) {
                self.blanks.clear();
                let c = scanner.read_break();
                if self.first.is_none() {
                    self.first = Some(c);
                } else {
                    self.more.push(c);
                }
            } else if !is_blank(c) {
                return Ok(());
            } else if self.first.is_none() {
                self.blanks.push(scanner.read());
            } else if c == '\t' && scanner.mark.column.cast_signed() < tabs_from {
                return Err(scanner.error("found a tab character that violates indentation"));
            } else {
                scanner.skip();
            }
        }
    }

    /// Ends the gap: a single line feed becomes a blank, further ones stay, the Unicode separators always do.
    fn flush(&mut self, text: &mut String) {
        match self.first.take() {
            None => text.push_str(&self.blanks),
            Some('\n') if self.more.is_empty() => text.push(' '),
            Some('\n' | END) => text.push_str(&self.more),
            Some(separator) => {
                text.push(separator);
                text.push_str(&self.more);
            }
        }
        self.blanks.clear();
        self.more.clear();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}

impl Scanner {
    pub(super) fn scan_plain(&mut self) -> Result<(), Error> {
        let (mark, indent) = (self.mark, self.indent + 1);
        let mut text = String::new();
        let mut gap = Gap::default();
        let mut broken = false;
        while !self.at_document_indicator() && self.current() != '#' {
            while !is_space_or_end(self.current()) && !self.ends_plain() {
                gap.flush(&mut text);
                broken = false;
                text.push(self.read());
            }
            if !is_blank(self.current()) && !is_break(self.current()) {
                break;
            }
            gap.read(self, indent)?;
            broken = gap.first.is_some();
            if self.flow_level == 0 && self.mark.column.cast_signed() < indent {
                break;
            }
        }
        if broken {
            self.key_allowed = true;
        }
        let style = Style::Plain;
        self.push(Item::Scalar { text, style }, mark);
        Ok(())
    }

    fn ends_plain(&self) -> bool {
        let next = self.at(1);
        let flow = self.flow_level > 0;
        match self.current() {
            ':' => is_space_or_end(next) || (flow && matches!(next, ',' | ']' | '}')),
            '?' => flow && is_space_or_end(next),
            ',' | '[' | ']' | '{' | '}' => flow,
            _ => false,
        }
    }

    pub(super) fn scan_quoted(&mut self) -> Result<(), Error> {
        let mark = self.mark;
        let quote = self.read();
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.at_document_indicator() {
                return Err(Error::syntax(
                    mark.line,
                    "found unexpected document indicator",
                ));
            }
            if self.current() == END {
                return Err(Error::syntax(mark.line, "found unexpected end of stream"));
            }
            while !is_space_or_end(self.current()) {
                let (c, next) = (self.current(), self.at(1));
                if c == quote && !(c == '\'' && next == '\'') {
                    break;
                }
                self.skip();
                if c == '\'' && quote == '\'' {
                    self.skip();
                }
                if c != '\\' || quote == '\'' {
                    text.push(c);
                } else if is_break(next) {
                    self.read_break();
                    gap.first = Some(END);
                    break;
                } else {
                    text.push(self.read_escape()?);
                }
            }
            if self.current() == quote {
                break;
            }
            gap.read(self, 0)?;
            gap.flush(&mut text);
        }
        self.skip();
        let style = Style::Quoted;
        self.push(Item::Scalar { text, style }, mark);
        Ok(())
    }

    fn read_escape(&mut self) -> Result<char, Error> {
        let digits = match self.read() {
            '0' => return Ok('\0'),
            'a' => return Ok('\x07'),
            'b' => return Ok('\x08'),
            't' | '\t' => return Ok('\t'),
            'n' => return Ok('\n'),
            'v' => return Ok('\x0b'),
            'f' => return Ok('\x0c'),
            'r' => return Ok('\r'),
            'e' => return Ok('\x1b'),
            'N' => return Ok('\u{85}'),
            '_' => return Ok('\u{a0}'),
            'L' => return Ok('\u{2028}'),
            'P' => return Ok('\u{2029}'),
            // The slash is for JSON, which may escape it.
            c @ (' ' | '"' | '\'' | '\\' | '/') => return Ok(c),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return Err(self.error("found unknown escape character")),
        };
        let mut value = 0u32;
        for _ in 0..digits {
            let digit = self.current().to_digit(16);
            let digit =
                digit.ok_or_else(|| self.error("did not find expected hexadecimal number"))?;
            value = value << 4 | digit;
            self.skip();
        }
        char::from_u32(value)
            .ok_or_else(|| self.error("found invalid Unicode character escape code"))
    }

    pub(super) fn scan_block_scalar(&mut self) -> Result<(), Error> {
        let mark = self.mark;
        let literal = self.read() == '|';
        let (chomp, increment) = self.read_block_header()?;
        self.finish_line()?;

        let mut indent = increment.map(|n| self.indent.max(0).cast_unsigned() + n);
        let mut text = String::new();
        let mut last_break = None;
        let mut breaks = String::new();
        let mut after_blank = false;
        self.read_block_breaks(&mut indent, &mut breaks)?;
        while Some(self.mark.column) == indent && self.current() != END {
            let blank = is_blank(self.current());
            match last_break {
                Some('\n') if !literal && !after_blank && !blank => {
                    if breaks.is_empty() {
                        text.push(' ');
                    }
                }
                other => text.extend(other),
            }
            text.push_str(&breaks);
            breaks.clear();
            after_blank = blank;
            while !is_break_or_end(self.current()) {
                text.push(self.read());
            }
            last_break = is_break(self.current()).then(|| self.read_break());
            self.read_block_breaks(&mut indent, &mut breaks)?;
        }
        if chomp != Chomp::Strip {
            text.extend(last_break);
        }
        if chomp == Chomp::Keep {
            text.push_str(&breaks);
        }
        let style = Style::Quoted;
        self.push(Item::Scalar { text, style }, mark);
        Ok(())
    }

    fn read_block_header(&mut self) -> Result<(Chomp, Option<usize>), Error> {
        let mut chomp = Chomp::Clip;
        let mut increment = None;
        for _ in 0..2 {
            match self.current() {
                '+' if chomp == Chomp::Clip => chomp = Chomp::Keep,
                '-' if chomp == Chomp::Clip => chomp = Chomp::Strip,
                '0' => return Err(self.error("found an indentation indicator equal to 0")),
                c @ '1'..='9' if increment.is_none() => {
                    increment = c.to_digit(10).map(|n| n as usize)
                }
                _ => break,
            }
            self.skip();
        }
        Ok((chomp, increment))
    }

    /// Takes indentation and empty lines; the first call settles the indentation where the header left it open.
    fn read_block_breaks(
        &mut self,
        indent: &mut Option<usize>,
        breaks: &mut String,
    ) -> Result<(), Error> {
        let mut widest = 0;
        loop {
            while self.current() == ' ' && indent.is_none_or(|n| self.mark.column < n) {
                self.skip();
            }
            widest = widest.max(self.mark.column);
            if self.current() == '\t' && indent.is_none_or(|n| self.mark.column < n) {
                return Err(
                    self.error("found a tab character where an indentation space is expected")
                );
            }
            if !is_break(self.current()) {
                break;
            }
            breaks.push(self.read_break());
        }
        let least = (self.indent + 1).max(1).cast_unsigned();
        indent.get_or_insert(widest.max(least));
        Ok(())
    }
}
