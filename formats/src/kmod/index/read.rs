//! Anyone's trie, read within limits.

use super::raw::{
    CHARACTERS, HAS_CHILDREN, HAS_PREFIX, HAS_VALUES, HEADER_LEN, MAGIC, OFFSET, VERSION,
};

/// What a trie may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes that are visited. Refs may lead to one node many times.
    pub nodes: usize,
    /// Bytes of one key.
    pub key: usize,
    /// Bytes of all keys that are held together, each counted with `KEY_COST` more.
    pub keys: usize,
}

/// What holding a key costs besides its bytes.
const KEY_COST: usize = 32;

impl Default for Limits {
    /// Ten times what the largest kernels have.
    fn default() -> Self {
        Self {
            nodes: 1 << 20,
            // More than a module may say, and what goes before it.
            key: 8 << 10,
            keys: 64 << 20,
        }
    }
}

/// Why bytes are not a trie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Another magic number.
    #[error("not a module index: starts with {found:#010x}, expected {MAGIC:#010x}")]
    Magic {
        /// What stands there.
        found: u32,
    },
    /// Another version.
    #[error("module index version {found:#010x} is not supported, only {VERSION:#010x}")]
    Version {
        /// What stands there.
        found: u32,
    },
    /// It ends within a node.
    #[error("module index ends within the {what} at offset {offset}")]
    Ended {
        /// The part of a node.
        what: &'static str,
        /// Where it starts.
        offset: u64,
    },
    /// Bytes that no writer writes.
    #[error("invalid {what} in the module index at offset {offset}")]
    Invalid {
        /// The part of a node.
        what: &'static str,
        /// Where it starts.
        offset: u64,
    },
    /// More than the reader was told to accept.
    #[error("module index has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: usize,
    },
}

/// A trie in memory, of which nothing but the header was read.
#[derive(Debug, Clone, Copy)]
pub struct Index<'a> {
    bytes: &'a [u8],
    root: u32,
    limits: Limits,
}

/// A value and what it is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The key.
    pub key: Vec<u8>,
    /// Its priority.
    pub priority: u32,
    /// The value.
    pub value: &'a [u8],
}

/// A node as it lies in the file.
#[derive(Debug, Clone, Copy, Default)]
struct Node<'a> {
    prefix: &'a [u8],
    /// Character of the first child.
    first: u8,
    /// Refs, four bytes each.
    children: &'a [u8],
    value_count: u32,
    /// Where the values start.
    values: usize,
}

impl<'a> Index<'a> {
    /// Reads the header.
    pub fn parse(bytes: &'a [u8], limits: Limits) -> Result<Self, ReadError> {
        let mut cursor = Cursor { bytes, offset: 0 };
        let found = cursor.number("header")?;
        if found != MAGIC {
            return Err(ReadError::Magic { found });
        }
        let found = cursor.number("header")?;
        if found != VERSION {
            return Err(ReadError::Version { found });
        }
        let root = cursor.number("header")?;
        Ok(Self {
            bytes,
            root,
            limits,
        })
    }

    /// All values: keys in byte order, values of one key as they stand.
    pub fn entries(&self) -> Result<Vec<Found<'a>>, ReadError> {
        let mut entries = Vec::new();
        let mut budget = self.limits.keys;
        let mut spend = |len: usize| {
            let len = len + KEY_COST;
            if len > self.limits.key + KEY_COST {
                return Err(ReadError::Limit {
                    what: "bytes of one key",
                    limit: self.limits.key,
                });
            }
            budget = budget.checked_sub(len).ok_or(ReadError::Limit {
                what: "bytes of keys",
                limit: self.limits.keys,
            })?;
            Ok(())
        };
        let mut todo = vec![(self.root, Vec::new())];
        let mut visited = 0;
        while let Some((reference, mut key)) = todo.pop() {
            visited += 1;
            if visited > self.limits.nodes {
                return Err(ReadError::Limit {
                    what: "nodes",
                    limit: self.limits.nodes,
                });
            }
            let node = self.node(reference)?;
            spend(key.len() + node.prefix.len())?;
            key.extend(node.prefix);
            for (priority, value) in self.values(&node)? {
                spend(key.len())?;
                entries.push(Found {
                    key: key.clone(),
                    priority,
                    value,
                });
            }
            let children: Vec<_> = node.children.chunks_exact(4).zip(node.first..).collect();
            for (child, character) in children.into_iter().rev() {
                let child = u32::from_be_bytes(child.try_into().expect("four bytes"));
                if child != 0 {
                    spend(key.len() + 1)?;
                    let mut longer = Vec::with_capacity(key.len() + 1);
                    longer.extend(&key);
                    longer.push(character);
                    todo.push((child, longer));
                }
            }
        }
        Ok(entries)
    }

    /// The values of `key` as they stand, with their priorities.
    pub fn find(&self, key: &[u8]) -> Result<Vec<(u32, &'a [u8])>, ReadError> {
        let (mut reference, mut rest) = (self.root, key);
        loop {
            let node = self.node(reference)?;
            let Some(behind) = rest.strip_prefix(node.prefix) else {
                return Ok(Vec::new());
            };
            let Some((character, behind)) = behind.split_first() else {
                return self.values(&node);
            };
            let child = character
                .checked_sub(node.first)
                .and_then(|place| node.children.chunks_exact(4).nth(usize::from(place)))
                .map_or(0, |child| {
                    u32::from_be_bytes(child.try_into().expect("four bytes"))
                });
            if child == 0 {
                return Ok(Vec::new());
            }
            (reference, rest) = (child, behind);
        }
    }

    fn node(&self, reference: u32) -> Result<Node<'a>, ReadError> {
        let offset = reference & OFFSET;
        let mut cursor = Cursor {
            bytes: self.bytes,
            offset: usize::try_from(offset).unwrap_or(usize::MAX),
        };
        if offset < HEADER_LEN || cursor.offset > self.bytes.len() {
            return Err(cursor.invalid("ref"));
        }
        let mut node = Node::default();
        if reference & HAS_PREFIX != 0 {
            node.prefix = cursor.text("prefix")?;
        }
        if reference & HAS_CHILDREN != 0 {
            let at = cursor;
            let range = cursor.take("children", 2)?;
            let (first, last) = (range[0], range[1]);
            if first > last || last >= CHARACTERS {
                return Err(at.invalid("children"));
            }
            node.first = first;
            node.children = cursor.take("children", 4 * (usize::from(last - first) + 1))?;
        }
        if reference & HAS_VALUES != 0 {
            node.value_count = cursor.number("values")?;
            node.values = cursor.offset;
        }
        Ok(node)
    }

    fn values(&self, node: &Node<'a>) -> Result<Vec<(u32, &'a [u8])>, ReadError> {
        let mut cursor = Cursor {
            bytes: self.bytes,
            offset: node.values,
        };
        // No value is shorter than a priority and a NUL, so what is promised and is not there is noticed early.
        (0..node.value_count)
            .map(|_| Ok((cursor.number("value")?, cursor.text("value")?)))
            .collect()
    }
}

#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], ReadError> {
        let end = self.offset.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.offset..end));
        let taken = taken.ok_or(ReadError::Ended {
            what,
            offset: self.offset as u64,
        })?;
        self.offset += len;
        Ok(taken)
    }

    fn number(&mut self, what: &'static str) -> Result<u32, ReadError> {
        let bytes = self.take(what, 4)?;
        Ok(u32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    /// Bytes up to a NUL, which is taken too.
    fn text(&mut self, what: &'static str) -> Result<&'a [u8], ReadError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let len = rest.iter().position(|byte| *byte == 0);
        let len = len.ok_or(ReadError::Ended {
            what,
            offset: self.offset as u64,
        })?;
        self.offset += len + 1;
        Ok(&rest[..len])
    }

    fn invalid(&self, what: &'static str) -> ReadError {
        ReadError::Invalid {
            what,
            offset: self.offset as u64,
        }
    }
}
