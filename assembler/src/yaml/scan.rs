//! From characters to tokens: indentation, flow levels and the keys that show themselves only at their colon.

use std::collections::VecDeque;

use super::{
    Error, Limits,
    input::END,
    token::{Item, Mark, Token, is_blank, is_break, is_break_or_end, is_space_or_end},
};

/// Tokens that must be known behind the one handed out. go-yaml needs them for comments; we, to refuse the same documents.
const AHEAD: usize = 2;

/// Tokens a value can be made of, at most: entry, anchor, tag, key, start and end of a block, with room.
const TOKENS_PER_NODE: usize = 8;

/// A place where a key may have begun.
#[derive(Debug, Clone, Copy)]
struct SimpleKey {
    /// Only a key can stand there, because the column is the one of the block.
    required: bool,
    flow_level: usize,
    /// Number of the token that would be the key.
    token: usize,
    mark: Mark,
}

/// Hands out the tokens of a document, one at a time.
pub(super) struct Scanner {
    chars: Vec<char>,
    position: usize,
    pub(super) mark: Mark,
    limits: Limits,

    tokens: VecDeque<Token>,
    taken: usize,
    ended: bool,

    /// Column of the innermost block, -1 outside of any.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) flow_level: usize,

    pub(super) key_allowed: bool,
    key: Option<SimpleKey>,
    /// Keys of the enclosing flow levels.
    keys: Vec<SimpleKey>,
}

impl Scanner {
    pub(super) fn new(chars: Vec<char>, limits: Limits) -> Scanner {
        Scanner {
            chars,
            position: 0,
            mark: Mark { line: 1, column: 0 },
            limits,
            tokens: VecDeque::new(),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            key_allowed: true,
            key: None,
            keys: Vec::new(),
        }
    }

    /// The next token, left where it is. Behind the end of the stream there is only its end.
    pub(super) fn peek(&mut self) -> Result<&Token, Error> {
        while !self.ended && (self.tokens.len() <= AHEAD || self.head_may_be_key()) {
            self.fetch()?;
            if self.taken + self.tokens.len() > self.limits.nodes * TOKENS_PER_NODE {
                return Err(Error::TooMany(self.limits.nodes));
            }
        }
        Ok(self
            .tokens
            .front()
            .expect("the end of the stream is never taken"))
    }

    /// Takes the token that was peeked.
    pub(super) fn take(&mut self) -> Token {
        if self.tokens.len() == 1 {
            return self.tokens[0].clone();
        }
        self.taken += 1;
        self.tokens.pop_front().expect("a token was peeked")
    }

    fn head_may_be_key(&self) -> bool {
        self.keys
            .first()
            .or(self.key.as_ref())
            .is_some_and(|key| key.token == self.taken)
    }

    // Characters.

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

    pub(super) fn push(&mut self, item: Item, mark: Mark) {
        self.tokens.push_back(Token { item, mark });
    }

    // Tokens.

    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll_indent(self.column());
        let (c, next) = (self.current(), self.at(1));
        if c == END {
            return self.fetch_end();
        }
        if c == '%' && self.mark.column == 0 {
            self.leave_document()?;
            return self.scan_directive();
        }
        if self.at_document_indicator() {
            self.leave_document()?;
            let item = if c == '-' {
                Item::DocumentStart
            } else {
                Item::DocumentEnd
            };
            self.push(item, self.mark);
            (0..3).for_each(|_| self.skip());
            return Ok(());
        }
        match c {
            '[' => self.open_flow(Item::FlowSequenceStart),
            '{' => self.open_flow(Item::FlowMappingStart),
            ']' => self.close_flow(Item::FlowSequenceEnd),
            '}' => self.close_flow(Item::FlowMappingEnd),
            ',' => {
                self.drop_key()?;
                self.key_allowed = true;
                self.indicator(Item::FlowEntry);
                Ok(())
            }
            '-' if is_space_or_end(next) => self.fetch_entry(),
            '?' if is_space_or_end(next) => self.fetch_key(),
            ':' if is_space_or_end(next) || (self.flow_level > 0 && !self.flow_item_starts()) => {
                self.fetch_value()
            }
            '*' | '&' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_anchor()
            }
            '!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_tag()
            }
            '|' | '>' if self.flow_level == 0 => {
                self.drop_key()?;
                self.key_allowed = true;
                self.scan_block_scalar()
            }
            '\'' | '"' => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_quoted()
            }
            _ if starts_plain(c, next) => {
                self.save_key()?;
                self.key_allowed = false;
                self.scan_plain()
            }
            _ => Err(self.error("found character that cannot start any token")),
        }
    }

    /// Skips white space and comments. A tab is white space only where no indentation can be.
    fn skip_to_token(&mut self) {
        loop {
            while self.current() == ' '
                || (self.current() == '\t' && (self.flow_level > 0 || !self.key_allowed))
            {
                self.skip();
            }
            if self.current() == '#' {
                while !is_break_or_end(self.current()) {
                    self.skip();
                }
            }
            if !is_break(self.current()) {
                return;
            }
            self.read_break();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// Whether a list in flow style expects an item here: there `:a` is a text.
    fn flow_item_starts(&self) -> bool {
        let last = self.tokens.back().map(|token| &token.item);
        matches!(last, Some(Item::FlowEntry | Item::FlowSequenceStart))
    }

    fn indicator(&mut self, item: Item) {
        self.push(item, self.mark);
        self.skip();
    }

    fn fetch_end(&mut self) -> Result<(), Error> {
        if self.mark.column != 0 {
            self.mark = Mark {
                line: self.mark.line + 1,
                column: 0,
            };
        }
        self.leave_document()?;
        self.keys.clear();
        self.push(Item::StreamEnd, self.mark);
        self.ended = true;
        Ok(())
    }

    fn leave_document(&mut self) -> Result<(), Error> {
        self.unroll_indent(-1);
        self.drop_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn open_flow(&mut self, item: Item) -> Result<(), Error> {
        self.save_key()?;
        self.flow_level += 1;
        self.check_depth(self.flow_level)?;
        self.keys.extend(self.key.take());
        self.key_allowed = true;
        self.indicator(item);
        Ok(())
    }

    fn close_flow(&mut self, item: Item) -> Result<(), Error> {
        self.drop_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            self.key = self.keys.pop_if(|key| key.flow_level == self.flow_level);
        }
        self.key_allowed = false;
        self.indicator(item);
        Ok(())
    }

    fn fetch_entry(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return Err(self.error("block sequence entries are not allowed in this context"));
            }
            self.roll_indent(self.mark, Item::BlockSequenceStart, None)?;
        }
        self.drop_key()?;
        self.key_allowed = true;
        self.indicator(Item::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return Err(self.error("mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.mark, Item::BlockMappingStart, None)?;
        }
        self.drop_key()?;
        self.key_allowed = self.flow_level == 0;
        self.indicator(Item::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        if let Some(key) = self.key.filter(|key| key.mark.line == self.mark.line) {
            // Only the colon shows that the token back there was a key.
            let at = key.token - self.taken;
            let mark = key.mark;
            self.tokens.insert(
                at,
                Token {
                    item: Item::Key,
                    mark,
                },
            );
            self.roll_indent(mark, Item::BlockMappingStart, Some(at))?;
            self.key = None;
            self.key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.key_allowed {
                    return Err(self.error("mapping values are not allowed in this context"));
                }
                self.roll_indent(self.mark, Item::BlockMappingStart, None)?;
            }
            self.key_allowed = self.flow_level == 0;
        }
        self.indicator(Item::Value);
        Ok(())
    }

    // Keys and indentation.

    fn column(&self) -> isize {
        self.mark.column.cast_signed()
    }

    fn save_key(&mut self) -> Result<(), Error> {
        if self.key_allowed {
            self.drop_key()?;
            self.key = Some(SimpleKey {
                required: self.flow_level == 0 && self.indent == self.column(),
                flow_level: self.flow_level,
                token: self.taken + self.tokens.len(),
                mark: self.mark,
            });
        }
        Ok(())
    }

    fn drop_key(&mut self) -> Result<(), Error> {
        match self.key.take() {
            Some(key) if key.required => Err(self.error("could not find expected ':'")),
            _ => Ok(()),
        }
    }

    /// Opens a block at a column to the right of the current one, with its token at a place of the queue or at its end.
    fn roll_indent(&mut self, mark: Mark, item: Item, at: Option<usize>) -> Result<(), Error> {
        let column = mark.column.cast_signed();
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        self.check_depth(self.indents.len())?;
        let at = at.unwrap_or(self.tokens.len());
        self.tokens.insert(at, Token { item, mark });
        Ok(())
    }

    fn unroll_indent(&mut self, column: isize) {
        while self.flow_level == 0 && self.indent > column {
            self.push(Item::BlockEnd, self.mark);
            self.indent = self
                .indents
                .pop()
                .expect("each indentation was pushed over another");
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), Error> {
        let limit = self.limits.depth;
        if depth > limit {
            return Err(Error::TooDeep {
                line: self.mark.line,
                limit,
            });
        }
        Ok(())
    }
}

fn starts_plain(c: char, next: char) -> bool {
    match c {
        '-' => !is_blank(next),
        '?' | ':' => !is_space_or_end(next),
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' => false,
        _ => !is_space_or_end(c),
    }
}
