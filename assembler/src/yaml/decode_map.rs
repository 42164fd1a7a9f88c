//! From nodes to typed values: lists and maps, known fields, merge keys.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use bstr::BString;

use super::{Decoder, Error, Kind, NodeId, Value, resolve};

/// Whether a map has the field that was offered to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has, and has taken it.
    Yes,
    /// It has not.
    No,
}

/// Takes a field of a map by its name.
type Field<'f, 'd> = &'f mut dyn FnMut(&mut Decoder<'d>, &[u8], NodeId) -> Result<Known, Error>;

/// Takes an entry of a map: the key as a value and as a node, and the node of the value.
type Each<'f, 'd> = &'f mut dyn FnMut(&mut Decoder<'d>, Value, NodeId, NodeId) -> Result<(), Error>;

/// Names of keys that are set, so that what is merged in behind them is not. `None` outside of merging.
type Merged = Option<HashSet<String>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// All are texts, as written.
    Text,
    /// Any scalar, by value.
    Any,
}

impl<'d> Decoder<'d> {
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
        field: Field<'_, 'd>,
    ) -> Result<bool, Error> {
        self.map(id, type_name, &mut |this, name, key, value| {
            let Value::Text(name) = name else {
                return Ok(());
            };
            if field(this, &name, value)? == Known::No && this.strict {
                this.note(key, &format!("field {name} not found in type {type_name}"))?;
            }
            Ok(())
        })
    }

    /// A map from texts to anything, in order of first mention.
    pub fn text_map(
        &mut self,
        id: NodeId,
        type_name: &str,
    ) -> Result<Vec<(BString, Value)>, Error> {
        let mut pairs = Pairs::default();
        self.map(id, type_name, &mut |this, name, _, value| {
            if let Some(value) = this.value(value)? {
                pairs.insert(name, value);
            }
            Ok(())
        })?;
        let texts = pairs
            .pairs
            .into_iter()
            .filter_map(|(key, value)| match key {
                Value::Text(key) => Some((key, value)),
                _ => None,
            });
        Ok(texts.collect())
    }

    /// A map with texts for keys. `false` if the node is none.
    fn map(&mut self, id: NodeId, type_name: &str, each: Each<'_, 'd>) -> Result<bool, Error> {
        self.visit(id, |this, id| {
            if matches!(this.document.node(id).kind, Kind::Mapping(_)) {
                this.entries(id, Keys::Text, &mut None, each)?;
                return Ok(true);
            }
            if !matches!(this.scalar(id)?, Some(Value::Null)) {
                this.mismatch::<()>(id, type_name)?;
            }
            Ok(false)
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
                let tags = pairs.iter().map(|(key, _)| this.document.tag(*key));
                let texts = tags
                    .into_iter()
                    .all(|tag| tag == resolve::STR || tag == resolve::MERGE);
                let keys = if texts { Keys::Text } else { Keys::Any };
                let mut pairs = Pairs::default();
                this.entries(id, keys, &mut None, &mut |this, name, _, value| {
                    if let Some(value) = this.value(value)? {
                        pairs.insert(name, value);
                    }
                    Ok(())
                })?;
                Ok(Some(Value::Map(pairs.pairs)))
            }
            // A merge key where there is nothing to merge is nothing.
            _ if this.document.tag(id) == resolve::MERGE => Ok(None),
            _ => this.scalar(id),
        })
    }

    /// Goes through the entries of a map, then through those merged into it whose keys it has not itself.
    fn entries(
        &mut self,
        id: NodeId,
        keys: Keys,
        merged: &mut Merged,
        each: Each<'_, 'd>,
    ) -> Result<(), Error> {
        let Kind::Mapping(pairs) = &self.document.node(id).kind else {
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
            let Some(name) = self.key(*key, keys)? else {
                continue;
            };
            let text = key_name(&name);
            let set = merged
                .as_mut()
                .is_some_and(|merged| !merged.insert(text.clone()));
            if !set {
                each(self, name, *key, *value)?;
            }
            own.insert(text);
        }
        let Some(merge) = merge else { return Ok(()) };
        merged.get_or_insert(own);
        for map in self.merged_maps(merge)? {
            self.visit(map, |this, map| this.entries(map, keys, merged, each))?;
        }
        Ok(())
    }

    fn key(&mut self, id: NodeId, keys: Keys) -> Result<Option<Value>, Error> {
        let name = match keys {
            Keys::Text => self.text(id)?.map(Value::Text),
            Keys::Any => self.value(id)?,
        };
        if matches!(name, Some(Value::List(_) | Value::Map(_))) {
            let line = self.document.node(id).line;
            return Err(Error::syntax(
                line,
                "cannot use a list or a map as a map key",
            ));
        }
        Ok(name)
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
                let problem = "map merge requires map or sequence of maps as the value";
                return Err(Error::syntax(node.line, problem));
            }
        }
        Ok(maps)
    }

    fn is_merge(&self, key: NodeId) -> bool {
        let scalar = matches!(self.document.node(key).kind, Kind::Scalar { .. });
        scalar && self.document.tag(key) == resolve::MERGE
    }

    /// Notes keys that are written twice, each with all its repetitions.
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
            let again = &places[&name];
            let later = again.partition_point(|other| other <= key);
            for other in &again[later..] {
                let problem = format!("mapping key {:?} already defined at line {line}", name.1);
                self.note(*other, &problem)?;
            }
        }
        Ok(self.errors.len() == before)
    }
}

/// Entries with different keys.
#[derive(Default)]
struct Pairs {
    pairs: Vec<(Value, Value)>,
    places: HashMap<String, usize>,
}

/// Equal for equal keys, and only for them.
fn key_name(key: &Value) -> String {
    format!("{key:?}")
}

impl Pairs {
    fn insert(&mut self, key: Value, value: Value) {
        // What is no number is no key one could find again: go-yaml loses the value.
        if matches!(key, Value::Float(float) if float.is_nan()) {
            self.pairs.push((key, Value::Null));
            return;
        }
        match self.places.entry(key_name(&key)) {
            Entry::Occupied(place) => self.pairs[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(self.pairs.len());
                self.pairs.push((key, value));
            }
        }
    }
}
