//! From nodes to typed values: known fields, merge keys, aliases against a budget, all errors of a document at once.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use bstr::BString;

use super::{
    Document, Error, Kind, Limits, NodeId, Value,
    resolve::{self, Plain},
};

/// Bytes of a scalar that an error shows whole, and what it shows of a longer one.
const SHOWN: (usize, usize) = (10, 7);

/// Whether a map has the field that was offered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has, and has taken it.
    Yes,
    /// It has not.
    No,
}

/// Decodes the nodes of a document.
///
/// Each method returns `None` for a `null` and for a node of another type; the latter is noted for [`Decoder::finish`].
/// An `Err` ends the decoding.
#[derive(Debug)]
pub struct Decoder<'d> {
    document: &'d Document,
    limits: Limits,
    strict: bool,
    errors: Vec<String>,
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

    /// A list. Items that are `null` or of another type are left out.
    pub fn list<T>(
        &mut self,
        id: NodeId,
        type_name: &str,
        mut item: impl FnMut(&mut Self, NodeId) -> Result<Option<T>, Error>,
    ) -> Result<Option<Vec<T>>, Error> {
        self.visit(id, |this, id| {
            if let Kind::Sequence(items) = &this.document.node(id).kind {
                let items = items.iter().filter_map(|id| item(this, *id).transpose());
                return items.collect::<Result<_, _>>().map(Some);
            }
            match this.scalar(id)? {
                Some(Value::Null) => Ok(None),
                _ => this.mismatch(id, type_name),
            }
        })
    }

    /// A map of known fields, each offered to `field` once. `false` if the node is no map.
    pub fn fields(
        &mut self,
        id: NodeId,
        type_name: &str,
        field: &mut dyn FnMut(&mut Self, &[u8], NodeId) -> Result<Known, Error>,
    ) -> Result<bool, Error> {
        self.fields_but(id, type_name, &mut None, field)
    }

    /// As [`Decoder::fields`]; `merged` are the fields that are set already, if this map is merged into another.
    fn fields_but(
        &mut self,
        id: NodeId,
        type_name: &str,
        merged: &mut Option<HashSet<BString>>,
        field: &mut dyn FnMut(&mut Self, &[u8], NodeId) -> Result<Known, Error>,
    ) -> Result<bool, Error> {
        self.visit(id, |this, id| {
            let document = this.document;
            let Kind::Mapping(pairs) = &document.node(id).kind else {
                if !matches!(this.scalar(id)?, Some(Value::Null)) {
                    this.mismatch::<()>(id, type_name)?;
                }
                return Ok(false);
            };
            if !this.check_unique(pairs)? {
                return Ok(true);
            }
            let mut own = HashSet::new();
            let mut merge = None;
            for (key, value) in pairs {
                if this.is_merge(*key) {
                    merge = Some(*value);
                    continue;
                }
                let Some(name) = this.text(*key)? else {
                    continue;
                };
                if merged
                    .as_mut()
                    .is_some_and(|merged| !merged.insert(name.clone()))
                {
                    continue;
                }
                if field(this, &name, *value)? == Known::No && this.strict {
                    this.note(*key, &format!("field {name} not found in type {type_name}"))?;
                }
                own.insert(name);
            }
            if let Some(merge) = merge {
                merged.get_or_insert(own);
                for map in this.merged_maps(merge)? {
                    this.fields_but(map, type_name, merged, field)?;
                }
            }
            Ok(true)
        })
    }

    /// A map from texts to anything, in order of first mention.
    pub fn text_map(
        &mut self,
        id: NodeId,
        type_name: &str,
    ) -> Result<Vec<(BString, Value)>, Error> {
        self.visit(id, |this, id| {
            let mut pairs = Pairs::default();
            if matches!(this.document.node(id).kind, Kind::Mapping(_)) {
                this.pairs(id, Keys::Text, &mut pairs, &mut None)?;
            } else if !matches!(this.scalar(id)?, Some(Value::Null)) {
                this.mismatch::<()>(id, type_name)?;
            }
            let texts = pairs
                .pairs
                .into_iter()
                .filter_map(|(key, value)| match key {
                    Value::Text(key) => Some((key, value)),
                    _ => None,
                });
            Ok(texts.collect())
        })
    }

    /// Anything.
    pub fn value(&mut self, id: NodeId) -> Result<Option<Value>, Error> {
        self.visit(id, |this, id| match &this.document.node(id).kind {
            Kind::Sequence(items) => {
                let items = items.iter().filter_map(|id| this.value(*id).transpose());
                Ok(Some(Value::List(items.collect::<Result<_, _>>()?)))
            }
            Kind::Mapping(pairs) => {
                let text = |(key, _): &(NodeId, NodeId)| {
                    [resolve::STR, resolve::MERGE].contains(&&*this.document.tag(*key))
                };
                let keys = if pairs.iter().all(text) {
                    Keys::Text
                } else {
                    Keys::Any
                };
                let mut pairs = Pairs::default();
                this.pairs(id, keys, &mut pairs, &mut None)?;
                Ok(Some(Value::Map(pairs.pairs)))
            }
            // A merge key where there is nothing to merge is nothing.
            _ if this.document.tag(id) == resolve::MERGE => Ok(None),
            _ => this.scalar(id),
        })
    }

    fn pairs(
        &mut self,
        id: NodeId,
        keys: Keys,
        into: &mut Pairs,
        merged: &mut Option<HashSet<String>>,
    ) -> Result<(), Error> {
        let document = self.document;
        let Kind::Mapping(pairs) = &document.node(id).kind else {
            return Ok(());
        };
        if !self.check_unique(pairs)? {
            return Ok(());
        }
        let mut own = HashSet::new();
        let mut merge = None;
        for (key, value) in pairs {
            if self.is_merge(*key) {
                merge = Some(*value);
                continue;
            }
            let name = match keys {
                Keys::Text => self.text(*key)?.map(Value::Text),
                Keys::Any => self.value(*key)?,
            };
            let Some(name) = name else { continue };
            if matches!(name, Value::List(_) | Value::Map(_)) {
                let line = document.node(*key).line;
                return Err(Error::syntax(
                    line,
                    "cannot use a list or a map as a map key",
                ));
            }
            let text = Pairs::name(&name);
            if merged
                .as_mut()
                .is_some_and(|merged| !merged.insert(text.clone()))
            {
                continue;
            }
            own.insert(text);
            if let Some(value) = self.value(*value)? {
                into.insert(name, value);
            }
        }
        if let Some(merge) = merge {
            merged.get_or_insert(own);
            for map in self.merged_maps(merge)? {
                self.visit(map, |this, map| this.pairs(map, keys, into, merged))?;
            }
        }
        Ok(())
    }

    /// The maps behind a merge key: one, or a list of them.
    fn merged_maps(&self, id: NodeId) -> Result<Vec<NodeId>, Error> {
        let maps = match &self.document.node(id).kind {
            Kind::Sequence(items) => items.clone(),
            _ => vec![id],
        };
        for map in &maps {
            let target = match &self.document.node(*map).kind {
                Kind::Alias { target, .. } => *target,
                _ => *map,
            };
            let node = self.document.node(target);
            if !matches!(node.kind, Kind::Mapping(_)) {
                return Err(Error::syntax(
                    node.line,
                    "map merge requires map or sequence of maps as the value",
                ));
            }
        }
        Ok(maps)
    }

    fn is_merge(&self, key: NodeId) -> bool {
        matches!(self.document.node(key).kind, Kind::Scalar { .. })
            && self.document.tag(key) == resolve::MERGE
    }

    /// Notes keys that are written twice.
    fn check_unique(&mut self, pairs: &[(NodeId, NodeId)]) -> Result<bool, Error> {
        let document = self.document;
        let name = |id: NodeId| match &document.node(id).kind {
            Kind::Scalar { text, .. } => ('s', text.as_str()),
            Kind::Alias { anchor, .. } => ('a', anchor.as_str()),
            Kind::Sequence(_) => ('l', ""),
            Kind::Mapping(_) => ('m', ""),
        };
        let mut places: HashMap<_, Vec<NodeId>> = HashMap::with_capacity(pairs.len());
        for (key, _) in pairs {
            places.entry(name(*key)).or_default().push(*key);
        }
        let before = self.errors.len();
        for (key, _) in pairs {
            let line = document.node(*key).line;
            let name = name(*key);
            for again in places[&name].iter().filter(|again| *again > key) {
                self.note(
                    *again,
                    &format!("mapping key {:?} already defined at line {line}", name.1),
                )?;
            }
        }
        Ok(self.errors.len() == before)
    }

    /// A scalar of any type; `None` for lists and maps, and for a merge key out of place.
    fn scalar(&mut self, id: NodeId) -> Result<Option<Value>, Error> {
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

    fn mismatch<T>(&mut self, id: NodeId, type_name: &str) -> Result<Option<T>, Error> {
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
    fn visit<T>(
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// All are texts, as written.
    Text,
    /// Any scalar, by value.
    Any,
}

/// Pairs with different keys.
#[derive(Default)]
struct Pairs {
    pairs: Vec<(Value, Value)>,
    places: HashMap<String, usize>,
}

impl Pairs {
    /// Equal for equal keys.
    fn name(key: &Value) -> String {
        format!("{key:?}")
    }

    fn insert(&mut self, key: Value, value: Value) {
        // Not a number is no key one could find again: go-yaml loses its value.
        if matches!(key, Value::Float(float) if float.is_nan()) {
            self.pairs.push((key, Value::Null));
            return;
        }
        match self.places.entry(Pairs::name(&key)) {
            std::collections::hash_map::Entry::Occupied(place) => {
                self.pairs[*place.get()].1 = value
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(self.pairs.len());
                self.pairs.push((key, value));
            }
        }
    }
}

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
