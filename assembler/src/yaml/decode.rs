//! From nodes to typed values: scalars, and what all decoding has in common (aliases, budgets, errors).

use std::collections::HashSet;

use base64::Engine as _;
use bstr::BString;

use super::{
    Document, Error, Kind, Limits, NodeId, Value,
    resolve::{self, Plain},
};

/// Bytes of a scalar that an error shows whole, and what it shows of a longer one.
const SHOWN: (usize, usize) = (10, 7);

/// Decodes the nodes of a document.
///
/// Each method returns `None` for a `null` and for a node of another type; the latter is noted for [`Decoder::finish`].
/// An `Err` ends the decoding.
#[derive(Debug)]
pub struct Decoder<'d> {
    pub(super) document: &'d Document,
    limits: Limits,
    pub(super) strict: bool,
    pub(super) errors: Vec<String>,
    /// Aliases being followed.
    active: HashSet<NodeId>,
    depth: usize,
    nodes: usize,
    bytes: usize,
}

impl<'d> Decoder<'d> {
    /// A decoder that notes fields no map has.
    pub fn strict(document: &'d Document, limits: &Limits) -> Decoder<'d> {
        Decoder {
            document,
            limits: *limits,
            strict: true,
            errors: Vec::new(),
            active: HashSet::new(),
            depth: 0,
            nodes: 0,
            bytes: 0,
        }
    }

    /// A decoder that ignores fields no map has.
    pub fn lenient(document: &'d Document, limits: &Limits) -> Decoder<'d> {
        Decoder {
            strict: false,
            ..Decoder::strict(document, limits)
        }
    }

    /// Fails with what was noted, if anything was.
    pub fn finish(self) -> Result<(), Error> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(Error::Construct(self.errors))
    }

    /// Notes an error at a node.
    pub fn note(&mut self, id: NodeId, problem: &str) -> Result<(), Error> {
        let line = self.document.node(id).line;
        self.errors.push(format!("line {line}: {problem}"));
        if self.errors.len() >= self.limits.errors {
            return Err(Error::Construct(std::mem::take(&mut self.errors)));
        }
        Ok(())
    }

    /// A text. Numbers, booleans and dates are texts as they are written.
    pub fn text(&mut self, id: NodeId) -> Result<Option<BString>, Error> {
        self.visit(id, |this, id| this.text_at(id, "string"))
    }

    /// A text for a type that reads itself from texts.
    pub fn text_for(
        &mut self,
        id: NodeId,
        type_name: &str,
    ) -> Result<Option<(NodeId, BString)>, Error> {
        self.visit(id, |this, id| {
            let text = this.text_at(id, &format!("{type_name} (TextUnmarshaler)"))?;
            Ok(text.map(|text| (id, text)))
        })
    }

    fn text_at(&mut self, id: NodeId, type_name: &str) -> Result<Option<BString>, Error> {
        let Kind::Scalar { text, .. } = &self.document.node(id).kind else {
            return self.mismatch(id, type_name);
        };
        match self.resolve(id)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Ok(Some(text.as_str().into())),
        }
    }

    /// An unsigned integer up to `max`; a float counts if it is whole.
    pub fn unsigned(
        &mut self,
        id: NodeId,
        max: u64,
        type_name: &str,
    ) -> Result<Option<u64>, Error> {
        self.visit(id, |this, id| {
            let value = match this.scalar(id)? {
                Some(Value::Null) => return Ok(None),
                Some(Value::Integer(value)) => u64::try_from(value).ok(),
                Some(Value::Float(value)) => whole(value),
                _ => None,
            };
            match value.filter(|value| *value <= max) {
                Some(value) => Ok(Some(value)),
                None => this.mismatch(id, type_name),
            }
        })
    }

    /// A boolean, also in the words of YAML 1.1.
    pub fn boolean(&mut self, id: NodeId) -> Result<Option<bool>, Error> {
        self.visit(id, |this, id| match this.scalar(id)? {
            Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(Value::Text(text)) if this.document.tag(id) == resolve::STR => match text
                .as_slice()
            {
                b"y" | b"Y" | b"yes" | b"Yes" | b"YES" | b"on" | b"On" | b"ON" => Ok(Some(true)),
                b"n" | b"N" | b"no" | b"No" | b"NO" | b"off" | b"Off" | b"OFF" => Ok(Some(false)),
                _ => this.mismatch(id, "bool"),
            },
            _ => this.mismatch(id, "bool"),
        })
    }

    /// A scalar of any type; `None` for lists and maps, and for a merge key out of place.
    pub(super) fn scalar(&mut self, id: NodeId) -> Result<Option<Value>, Error> {
        match self.document.node(id).kind {
            Kind::Scalar { .. } => self.resolve(id).map(Some),
            _ => Ok(None),
        }
    }

    /// What a scalar means by its tag, its style and its text.
    fn resolve(&mut self, id: NodeId) -> Result<Value, Error> {
        let node = self.document.node(id);
        let Kind::Scalar { text, plain } = &node.kind else {
            return Ok(Value::Null);
        };
        self.bytes += text.len();
        if self.bytes > self.limits.expanded {
            return Err(Error::TooLarge(self.limits.expanded));
        }
        let as_text = || Value::Text(text.as_str().into());
        match node.tag.as_str() {
            "" if !plain => Ok(as_text()),
            "" => match resolve::plain(text) {
                Plain::Value(value) => Ok(value),
                Plain::Text | Plain::Merge => Ok(as_text()),
            },
            tag @ (resolve::BOOL
            | resolve::INT
            | resolve::FLOAT
            | resolve::NULL
            | resolve::TIMESTAMP) => {
                let resolved = resolve::plain(text);
                let found = resolved.tag();
                match resolved {
                    Plain::Value(Value::Integer(value)) if tag == resolve::FLOAT => {
                        Ok(Value::Float(as_float(value)))
                    }
                    Plain::Value(value) if found == tag => Ok(value),
                    _ => Err(Error::syntax(
                        node.line,
                        format!("cannot construct {found} `{text}` as a {tag}"),
                    )),
                }
            }
            resolve::BINARY => {
                let text: Vec<u8> = text
                    .bytes()
                    .filter(|b| !matches!(b, b'\r' | b'\n'))
                    .collect();
                let bytes = BASE64.decode(text);
                let bytes = bytes.map_err(|_| {
                    Error::syntax(node.line, "!!binary value contains invalid base64 data")
                })?;
                Ok(Value::Text(bytes.into()))
            }
            _ => Ok(as_text()),
        }
    }

    pub(super) fn mismatch<T>(&mut self, id: NodeId, type_name: &str) -> Result<Option<T>, Error> {
        let tag = self.document.tag(id);
        let problem = match &self.document.node(id).kind {
            Kind::Scalar { text, .. } if text.len() > SHOWN.0 => {
                let shown = String::from_utf8_lossy(&text.as_bytes()[..SHOWN.1]);
                format!("cannot construct {tag} `{shown}...` into {type_name}")
            }
            Kind::Scalar { text, .. } => {
                format!("cannot construct {tag} `{text}` into {type_name}")
            }
            _ => format!("cannot construct {tag} into {type_name}"),
        };
        self.note(id, &problem)?;
        Ok(None)
    }

    /// Goes into a node, through its alias if it is one. All decoding passes here, and is counted here.
    pub(super) fn visit<T>(
        &mut self,
        id: NodeId,
        inside: impl FnOnce(&mut Self, NodeId) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let node = self.document.node(id);
        self.nodes += 1;
        if self.nodes > VISITS_PER_NODE * self.limits.nodes {
            return Err(Error::TooMany(self.limits.nodes));
        }
        if self.depth > self.limits.depth {
            let limit = self.limits.depth;
            return Err(Error::TooDeep {
                line: node.line,
                limit,
            });
        }
        self.depth += 1;
        let result = match &node.kind {
            Kind::Alias { anchor, target } => {
                if !self.active.insert(id) {
                    return Err(Error::syntax(
                        node.line,
                        format!("anchor '{anchor}' value contains itself"),
                    ));
                }
                let result = inside(self, *target);
                self.active.remove(&id);
                result
            }
            _ => inside(self, id),
        };
        self.depth -= 1;
        result
    }
}

/// A document without aliases visits each node once, an alias costs a visit of its own and of all it stands for.
const VISITS_PER_NODE: usize = 2;

/// Go's: padding required, bits behind the end ignored.
const BASE64: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "checked by converting back"
)]
fn whole(value: f64) -> Option<u64> {
    let whole = value as u64;
    (as_float(i128::from(whole)) == value).then_some(whole)
}

#[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
fn as_float(value: i128) -> f64 {
    value as f64
}
