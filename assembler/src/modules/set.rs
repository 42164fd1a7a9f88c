//! What the index needs to know of one directory of modules.

use std::collections::BTreeMap;

use formats::kmod::{self, GENERATED, Limits, Module, expand};
use serde::{Deserialize, Serialize};

use super::Error;

/// Longest module, unpacked: the largest that are built have some 60 MB.
pub const MAX_MODULE: usize = 256 << 20;

/// Most that a set may cost in memory, in bytes; all modules of a distribution's kernel come to 10 MiB.
pub const MAX_COST: usize = 64 << 20;

/// What the files beside an index that are not made by depmod begin with.
const LIST: &str = "modules.";

/// The modules of the release, or those of an extension for the same kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// The kernel's version: the name of the directory.
    pub kernel: String,
    /// What each module says of itself, by its path from that directory.
    pub modules: BTreeMap<String, Parsed>,
    /// Files of the directory itself that go with an index, such as `modules.order`, by name.
    #[serde(with = "texts")]
    pub lists: BTreeMap<String, Vec<u8>>,
    /// What it costs in memory, about.
    pub cost: usize,
}

/// A module as a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parsed(#[serde(with = "Fields")] pub Module);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Module")]
struct Fields {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    softdeps: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weakdeps: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exports: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<String>,
}

/// Files as text: they need not be UTF-8.
mod texts {
    use std::collections::BTreeMap;

    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(
        files: &BTreeMap<String, Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let encoded: BTreeMap<&String, String> = files
            .iter()
            .map(|(name, content)| (name, BASE64_STANDARD.encode(content)))
            .collect();
        encoded.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Vec<u8>>, D::Error> {
        BTreeMap::<String, String>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, text)| {
                let content = BASE64_STANDARD.decode(text).map_err(D::Error::custom)?;
                Ok((name, content))
            })
            .collect()
    }
}

/// A set on its way.
#[derive(Debug)]
pub struct SetBuilder {
    owner: String,
    set: Set,
}

impl SetBuilder {
    /// Of `kernel`; `owner` is whose modules they are, for messages.
    pub fn new(owner: &str, kernel: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            set: Set {
                kernel: kernel.to_owned(),
                ..Set::default()
            },
        }
    }

    /// Whether the file at `path`, from the directory of the kernel, is wanted.
    pub fn wants(path: &str) -> bool {
        kmod::is_module(path) || is_list(path)
    }

    /// Takes the file at `path` in. A module that cannot be read is one that says nothing of itself: it is indexed all the
    /// same, as depmod does.
    pub fn add(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        if kmod::is_module(path) {
            let left = MAX_COST.saturating_sub(self.set.cost);
            let module = parse(path, content, left).unwrap_or_else(|error| {
                tracing::warn!(owner = self.owner, path, error, "unreadable kernel module");
                Module::default()
            });
            self.spend(path.len() + module.cost())?;
            self.set.modules.insert(path.to_owned(), Parsed(module));
        } else if is_list(path) {
            self.spend(path.len() + content.len())?;
            self.set.lists.insert(path.to_owned(), content.to_vec());
        }
        Ok(())
    }

    /// The set of what was taken in.
    pub fn finish(self) -> Set {
        self.set
    }

    /// Longest file that is worth reading.
    pub fn limit(path: &str) -> usize {
        if is_list(path) { MAX_COST } else { MAX_MODULE }
    }

    /// Refuses a file that is longer than [`limit`](Self::limit) says.
    pub fn too_long(&self, path: &str) -> Error {
        self.too_much("bytes of one file", Self::limit(path))
    }

    fn spend(&mut self, cost: usize) -> Result<(), Error> {
        self.set.cost += cost + size_of::<Parsed>();
        if self.set.cost > MAX_COST {
            return Err(self.too_much("bytes of what they say of themselves", MAX_COST));
        }
        Ok(())
    }

    fn too_much(&self, what: &'static str, limit: usize) -> Error {
        Error::TooMuch {
            owner: self.owner.clone(),
            what,
            limit,
        }
    }
}

/// Reads a module; what it says may cost `left` bytes.
fn parse(path: &str, content: &[u8], left: usize) -> Result<Module, String> {
    let expanded = expand(path, content, MAX_MODULE).map_err(|error| error.to_string())?;
    let limits = Limits::default();
    let limits = Limits {
        texts: limits.texts.min(left),
        ..limits
    };
    Module::read(&expanded, limits).map_err(|error| error.to_string())
}

/// Whether the file goes with an index and is not made anew.
fn is_list(path: &str) -> bool {
    path.starts_with(LIST) && !path.contains('/') && !GENERATED.contains(&path)
}
