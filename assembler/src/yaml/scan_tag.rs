//! What stands before a node or a document: anchors, aliases, tags, directives.

use super::{
    Error,
    scan::Scanner,
    token::{Item, is_blank, is_space_or_end, is_word},
};

/// Digits of a version number.
const MAX_VERSION_DIGITS: usize = 2;

/// Whether `,[]{}` may stand in a tag: only in `!<…>` and in directives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Uri {
    Short,
    Verbatim,
}

impl Scanner {
    pub(super) fn scan_anchor(&mut self) -> Result<(), Error> {
        let mark = self.mark;
        let alias = self.read() == '*';
        let mut name = String::new();
        while matches!(self.current(), '!'..='~')
            && !matches!(self.current(), ':' | '[' | ']' | '{' | '}' | ',')
        {
            name.push(self.read());
        }
        let end = self.current();
        if name.is_empty() || !(is_space_or_end(end) || matches!(end, ':' | ',' | ']' | '}')) {
            return Err(self.error("did not find expected alphabetic or numeric character"));
        }
        self.push(
            if alias {
                Item::Alias(name)
            } else {
                Item::Anchor(name)
            },
            mark,
        );
        Ok(())
    }

    pub(super) fn scan_tag(&mut self) -> Result<(), Error> {
        let mark = self.mark;
        let (mut handle, mut suffix);
        if self.at(1) == '<' {
            self.skip();
            self.skip();
            handle = String::new();
            suffix = self.read_uri(Uri::Verbatim)?;
            if self.read() != '>' {
                return Err(self.error("did not find the expected '>'"));
            }
        } else {
            handle = self.read_handle()?;
            let whole = handle.len() > 1 && handle.ends_with('!');
            if whole {
                suffix = self.read_uri(Uri::Short)?;
                if suffix.is_empty() {
                    return Err(self.error("did not find expected tag URI"));
                }
            } else {
                suffix = format!("{}{}", &handle[1..], self.read_uri(Uri::Short)?);
                handle.truncate(1);
                if suffix.is_empty() {
                    (handle, suffix) = (suffix, handle);
                }
            }
        }
        if !is_space_or_end(self.current()) {
            return Err(self.error("did not find expected whitespace or line break"));
        }
        self.push(Item::Tag { handle, suffix }, mark);
        Ok(())
    }

    pub(super) fn scan_directive(&mut self) -> Result<(), Error> {
        let mark = self.mark;
        self.skip();
        let mut name = String::new();
        while is_word(self.current()) {
            name.push(self.read());
        }
        if !is_space_or_end(self.current()) {
            return Err(self.error("found unexpected non-alphabetical character"));
        }
        self.skip_blanks();
        let item = match name.as_str() {
            "YAML" => {
                let major = self.read_version()?;
                if self.read() != '.' {
                    return Err(self.error("did not find expected digit or '.' character"));
                }
                let minor = self.read_version()?;
                Item::VersionDirective { major, minor }
            }
            "TAG" => {
                let handle = self.read_handle()?;
                if !handle.ends_with('!') {
                    return Err(self.error("did not find expected '!'"));
                }
                if !is_blank(self.current()) {
                    return Err(self.error("did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.read_uri(Uri::Verbatim)?;
                if prefix.is_empty() {
                    return Err(self.error("did not find expected tag URI"));
                }
                if !is_space_or_end(self.current()) {
                    return Err(self.error("did not find expected whitespace or line break"));
                }
                Item::TagDirective { handle, prefix }
            }
            _ => return Err(self.error("found unknown directive name")),
        };
        self.finish_line()?;
        self.push(item, mark);
        Ok(())
    }

    /// `!`, `!!`, `!name!`, or the start of a tag.
    fn read_handle(&mut self) -> Result<String, Error> {
        if self.current() != '!' {
            return Err(self.error("did not find expected '!'"));
        }
        let mut handle = String::from(self.read());
        while is_word(self.current()) {
            handle.push(self.read());
        }
        if self.current() == '!' {
            handle.push(self.read());
        }
        Ok(handle)
    }

    fn read_uri(&mut self, uri: Uri) -> Result<String, Error> {
        let mut bytes = Vec::new();
        loop {
            let c = self.current();
            match c {
                '%' => bytes.push(self.read_uri_escape()?),
                ',' | '[' | ']' | '{' | '}' if uri == Uri::Verbatim => bytes.push(c as u8),
                ';' | '/' | '?' | ':' | '@' | '&' | '=' | '+' | '$' | '.' | '!' | '~' | '*'
                | '\'' | '(' | ')' => {
                    bytes.push(c as u8);
                }
                _ if is_word(c) => bytes.push(c as u8),
                ' '..='~' if uri == Uri::Short && c != ' ' => {
                    return Err(self.error(&format!(
                        "found character '{c}' that is not allowed in a YAML tag"
                    )));
                }
                _ => break,
            }
            self.skip();
        }
        String::from_utf8(bytes).map_err(|_| self.error("found an incorrect UTF-8 octet in a tag"))
    }

    /// Takes `%41` but for its last character.
    fn read_uri_escape(&mut self) -> Result<u8, Error> {
        let digits = [self.at(1), self.at(2)].map(|c| c.to_digit(16));
        let [Some(high), Some(low)] = digits else {
            return Err(self.error("did not find URI escaped octet"));
        };
        self.skip();
        self.skip();
        Ok(u8::try_from(high << 4 | low).expect("two hexadecimal digits are a byte"))
    }

    fn read_version(&mut self) -> Result<u8, Error> {
        let mut number = 0u8;
        let mut digits = 0;
        while let Some(digit) = self.current().to_digit(10) {
            digits += 1;
            if digits > MAX_VERSION_DIGITS {
                return Err(self.error("found extremely long version number"));
            }
            number = number * 10 + u8::try_from(digit).expect("a digit is below ten");
            self.skip();
        }
        if digits == 0 {
            return Err(self.error("did not find expected version number"));
        }
        Ok(number)
    }
}
