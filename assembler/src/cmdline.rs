//! Kernel command lines: an ordered list of keys, each with its values (spec/profile.md 5.1).
//!
//! - Bytes, not text: nothing is decoded but white space, and no quoting is understood.
//! - `key=` and `key` are the same thing and print as `key`.
//! - A key stands where it first appeared, with all its values, whatever is appended later.
//!
//! Which arguments an image gets is said in [`crate::target`].

use std::collections::{HashMap, HashSet};

use bstr::{BStr, BString, ByteSlice, ByteVec};

/// Arguments that an extra argument of the same key replaces, where others are added to.
const REPLACED_BY_EXTRA: [&str; 2] = ["console", "talos.platform"];

/// A command line being put together.
#[derive(Debug, Clone, Default)]
pub struct Cmdline {
    arguments: Vec<Argument>,
    /// Where each key stands; a removed key has no entry. Never iterated: order is that of `arguments`.
    places: HashMap<BString, usize>,
}

/// One key. Without values it prints nothing and keeps its place.
#[derive(Debug, Clone)]
struct Argument {
    key: BString,
    values: Vec<BString>,
}

impl Cmdline {
    /// Splits a text at white space, and each word at its first `=`.
    pub fn parse(text: &[u8]) -> Self {
        let mut cmdline = Self::default();
        for word in text.fields_with(char::is_whitespace) {
            let (key, value) = word.split_once_str("=").unwrap_or((word, b""));
            cmdline.append(key, value);
        }
        cmdline
    }

    /// Adds a value to a key, at the key's place.
    pub fn append(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.argument(key.as_ref())
            .values
            .push(value.as_ref().into());
    }

    /// Adds each argument, at its key's place.
    pub fn append_all<T: AsRef<[u8]>>(&mut self, arguments: &[T]) {
        for argument in Self::of(arguments).arguments {
            self.argument(&argument.key).values.extend(argument.values);
        }
    }

    /// Replaces the values of each key that the arguments name.
    pub fn set_all<T: AsRef<[u8]>>(&mut self, arguments: &[T]) {
        for argument in Self::of(arguments).arguments {
            self.argument(&argument.key).values = argument.values;
        }
    }

    /// Applies what a user asks for: `-key` removes a key, `-key=value` a value, `console` and `talos.platform` replace,
    /// everything else is added. Repeated keys act together, where the first of them stands.
    pub fn customize<T: AsRef<[u8]>>(&mut self, arguments: &[T]) {
        for argument in Self::of(arguments).arguments {
            match argument.key.strip_prefix(b"-") {
                Some(key) if !key.is_empty() => self.remove(key.as_bstr(), &argument.values),
                _ if REPLACED_BY_EXTRA.iter().any(|key| argument.key == *key) => {
                    self.argument(&argument.key).values = argument.values;
                }
                _ => self.argument(&argument.key).values.extend(argument.values),
            }
        }
    }

    /// The text: arguments separated by single spaces.
    pub fn render(&self) -> BString {
        let mut text = Vec::new();
        for Argument { key, values } in &self.arguments {
            for value in values {
                text.push_str(key);
                if !value.is_empty() {
                    text.push_byte(b'=');
                    text.push_str(value);
                }
                text.push_byte(b' ');
            }
        }
        text.truncate(text.trim_end_with(|c| c == ' ').len());
        text.into()
    }

    /// White space within an argument separates like white space between them.
    fn of<T: AsRef<[u8]>>(arguments: &[T]) -> Self {
        Self::parse(&bstr::join(" ", arguments))
    }

    fn argument(&mut self, key: &[u8]) -> &mut Argument {
        let place = self.places.get(key.as_bstr()).copied().unwrap_or_else(|| {
            self.places.insert(key.into(), self.arguments.len());
            self.arguments.push(Argument {
                key: key.into(),
                values: Vec::new(),
            });
            self.arguments.len() - 1
        });
        &mut self.arguments[place]
    }

    /// An empty first value removes the key; otherwise exactly the given values go, and the key keeps its place.
    fn remove(&mut self, key: &BStr, values: &[BString]) {
        if values.first().is_some_and(|first| first.is_empty()) {
            if let Some(place) = self.places.remove(key) {
                self.arguments[place].values.clear();
            }
        } else if let Some(&place) = self.places.get(key) {
            let values: HashSet<&BString> = values.iter().collect();
            self.arguments[place]
                .values
                .retain(|value| !values.contains(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn customized(line: &str, extra: &[&str]) -> BString {
        let mut cmdline = Cmdline::parse(line.as_bytes());
        cmdline.customize(extra);
        cmdline.render()
    }

    #[test]
    fn repeated_keys_gather_where_the_first_stands() {
        assert_eq!(Cmdline::parse(b"a=1 b= a=2 c\n").render(), "a=1 a=2 b c");
    }

    #[test]
    fn removal_acts_where_its_first_word_stands() {
        for (extra, result) in [
            (&["console=a", "-console", "console=b"][..], "x y"),
            (&["-console", "console=b"], "x y console=b"),
            (&["-console=tty0", "-console"], "x console=ttyS0 y"),
            (&["--"], "x console=tty0 console=ttyS0 y"),
            (&["-"], "x console=tty0 console=ttyS0 y -"),
            (&["-x -y"], "console=tty0 console=ttyS0"),
            (
                &["foo=\"a b\"", "foo=c"],
                "x console=tty0 console=ttyS0 y foo=\"a foo=c b\"",
            ),
        ] {
            assert_eq!(
                customized("x console=tty0 console=ttyS0 y", extra),
                result,
                "{extra:?}"
            );
        }
    }

    #[test]
    fn a_removed_key_comes_back_at_the_end() {
        assert_eq!(customized("a=1 b", &["-a", "a=2"]), "b a=2");
        let mut cmdline = Cmdline::parse(b"a=1 b");
        cmdline.customize(&["-a"]);
        cmdline.append("a", "3");
        assert_eq!(cmdline.render(), "b a=3");
    }

    #[test]
    fn a_hundred_thousand_arguments_take_no_quadratic_time() {
        let mut extra: Vec<String> = (0..100_000)
            .map(|number| format!("key{number} same={number}"))
            .collect();
        extra.extend((0..100_000).map(|number| format!("-key{number} -same={number}")));
        assert_eq!(customized("a", &[&extra.join(" ")]), "a");
    }

    #[test]
    fn arguments_need_not_be_utf8() {
        assert_eq!(
            Cmdline::parse(b"a=\xff\xfe\xc2\xa0b\xe2\x80\x83c\xe2\x80").render(),
            &b"a=\xff\xfe b c\xe2\x80"[..]
        );
    }

    proptest! {
        #[test]
        fn rendering_is_a_fixed_point(words in prop::collection::vec("[-a-c=]{0,4}[ \u{a0}x]{0,2}", 0..12)) {
            let mut cmdline = Cmdline::parse(b"a b=1 c");
            cmdline.customize(&words);
            let text = cmdline.render();
            let reparsed = Cmdline::parse(&text).render();
            // A lone `=` prints nothing but its space.
            prop_assert_eq!(reparsed.fields().collect::<Vec<_>>(), text.fields().collect::<Vec<_>>());
            let mut again = Cmdline::parse(b"a b=1 c");
            again.customize(&words);
            prop_assert_eq!(again.render(), text);
        }
    }
}
