//! The scanner's way through the characters.

use super::{
    Error,
    input::END,
    scan::Scanner,
    token::{Mark, is_blank, is_break, is_break_or_end, is_space_or_end},
};

impl Scanner {
    /// The character `ahead` of the current one.
    pub(super) fn at(&self, ahead: usize) -> char {
        self.chars
            .get(self.position + ahead)
            .copied()
            .unwrap_or(END)
    }

    /// The current character.
    pub(super) fn current(&self) -> char {
        self.at(0)
    }

    pub(super) fn skip(&mut self) {
        self.position += 1;
        self.mark.column += 1;
    }

    /// Takes the current character.
    pub(super) fn read(&mut self) -> char {
        let c = self.current();
        self.skip();
        c
    }

    /// Takes a line break: CR, LF, CR LF and NEL become LF, the Unicode separators stay.
    pub(super) fn read_break(&mut self) -> char {
        let c = self.read();
        if c == '\r' && self.current() == '\n' {
            self.skip();
        }
        self.mark = Mark {
            line: self.mark.line + 1,
            column: 0,
        };
        match c {
            '\u{2028}' | '\u{2029}' => c,
            _ => '\n',
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while is_blank(self.current()) {
            self.skip();
        }
    }

    /// `---` or `...` at the start of a line.
    pub(super) fn at_document_indicator(&self) -> bool {
        let indicator = [self.at(0), self.at(1), self.at(2)];
        self.mark.column == 0
            && matches!(indicator, ['-', '-', '-'] | ['.', '.', '.'])
            && is_space_or_end(self.at(3))
    }

    /// Skips blanks and a comment up to the end of the line, and its break.
    pub(super) fn finish_line(&mut self) -> Result<(), Error> {
        self.skip_blanks();
        if self.current() == '#' {
            while !is_break_or_end(self.current()) {
                self.skip();
            }
        }
        if !is_break_or_end(self.current()) {
            return Err(self.error("did not find expected comment or line break"));
        }
        if is_break(self.current()) {
            self.read_break();
        }
        Ok(())
    }

    pub(super) fn error(&self, problem: &str) -> Error {
        Error::syntax(self.mark.line, problem)
    }
}
