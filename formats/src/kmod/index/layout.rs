//! From keys with values to a trie.

use std::borrow::Cow;
use std::ops::Range;

use super::raw::{
    CHARACTERS, HAS_CHILDREN, HAS_PREFIX, HAS_VALUES, HEADER_LEN, MAGIC, OFFSET, VERSION,
};

/// A value to be found by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is found by.
    pub key: Cow<'a, str>,
    /// Smaller ones come first among the values of a key; of equal ones, the last that was given.
    pub priority: u32,
    /// The value.
    pub value: Cow<'a, str>,
}

/// What a trie cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A key or value that is not 7-bit ASCII, or has a NUL.
    #[error("index cannot hold {text:?}: only ASCII without NUL is supported")]
    Text {
        /// The key or value.
        text: String,
    },
    /// More than the format's 28 bits can address.
    #[error("index is longer than 256 MiB")]
    TooLarge,
}

/// A node of the trie on its way into the file.
struct Node<'k> {
    prefix: &'k [u8],
    /// By character, ascending.
    children: Vec<(u8, usize)>,
    /// Places in the sorted list of entries.
    values: Range<usize>,
    offset: u32,
}

/// The bytes of the trie of `entries`.
pub fn write(mut entries: Vec<Entry<'_>>) -> Result<Vec<u8>, WriteError> {
    for text in entries.iter().flat_map(|entry| [&entry.key, &entry.value]) {
        if !text.is_ascii() || text.contains('\0') {
            return Err(WriteError::Text {
                text: text.to_string(),
            });
        }
    }
    // A value goes before those that have its priority already.
    entries.reverse();
    entries.sort_by(|one, other| (&one.key, one.priority).cmp(&(&other.key, other.priority)));
    let mut nodes = nodes(&entries);
    let len = place(&mut nodes, &entries)?;
    let mut file = Vec::with_capacity(len);
    for number in [MAGIC, VERSION, nodes[0].reference()] {
        file.extend(number.to_be_bytes());
    }
    for node in &nodes {
        node.write(&nodes, &entries, &mut file);
    }
    debug_assert_eq!(
        file.len(),
        len,
        "offsets are worked out before anything is written"
    );
    Ok(file)
}

/// A node that is still to be made.
struct Pending {
    /// The entries below it.
    range: Range<usize>,
    /// Characters that lead to it.
    depth: usize,
    /// The node that it hangs from, and under which character.
    parent: Option<(usize, u8)>,
}

/// The nodes in the order of the file: each before its children.
fn nodes<'k>(entries: &'k [Entry<'_>]) -> Vec<Node<'k>> {
    let key = |index: usize| entries[index].key.as_bytes();
    let mut nodes: Vec<Node<'k>> = Vec::new();
    let mut todo = vec![Pending {
        range: 0..entries.len(),
        depth: 0,
        parent: None,
    }];
    while let Some(Pending {
        range,
        depth,
        parent,
    }) = todo.pop()
    {
        let index = nodes.len();
        let prefix = match parent {
            None => &[][..],
            Some((parent, character)) => {
                nodes[parent].children.push((character, index));
                let (first, last) = (&key(range.start)[depth..], &key(range.end - 1)[depth..]);
                // They are sorted, so what the first and the last share is shared by all.
                let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
                &first[..shared]
            }
        };
        let depth = depth + prefix.len();
        let values = range
            .clone()
            .take_while(|index| key(*index).len() == depth)
            .count();
        let values = range.start..range.start + values;
        let mut rest = values.end..range.end;
        let first = todo.len();
        while rest.start < rest.end {
            let character = key(rest.start)[depth];
            let end = rest.start
                + entries[rest.clone()]
                    .partition_point(|entry| entry.key.as_bytes()[depth] == character);
            todo.push(Pending {
                range: rest.start..end,
                depth: depth + 1,
                parent: Some((index, character)),
            });
            rest.start = end;
        }
        todo[first..].reverse();
        nodes.push(Node {
            prefix,
            children: Vec::new(),
            values,
            offset: 0,
        });
    }
    nodes
}

/// Gives every node its offset; returns the length of the file.
fn place(nodes: &mut [Node<'_>], entries: &[Entry<'_>]) -> Result<usize, WriteError> {
    let mut offset = HEADER_LEN as usize;
    for node in nodes {
        node.offset = u32::try_from(offset)
            .ok()
            .filter(|offset| *offset <= OFFSET)
            .ok_or(WriteError::TooLarge)?;
        offset += node.len(entries);
    }
    Ok(offset)
}

impl Node<'_> {
    /// The characters from the first to the last child, if there are any.
    fn characters(&self) -> Option<(u8, u8)> {
        Some((self.children.first()?.0, self.children.last()?.0))
    }

    fn len(&self, entries: &[Entry<'_>]) -> usize {
        let prefix = match self.prefix.len() {
            0 => 0,
            len => len + 1,
        };
        let children = self
            .characters()
            .map_or(0, |(first, last)| 2 + 4 * (usize::from(last - first) + 1));
        let values = &entries[self.values.clone()];
        let values = match values.len() {
            0 => 0,
            _ => {
                4 + values
                    .iter()
                    .map(|entry| 4 + entry.value.len() + 1)
                    .sum::<usize>()
            }
        };
        prefix + children + values
    }

    fn reference(&self) -> u32 {
        let flag = |flag, is_set: bool| if is_set { flag } else { 0 };
        self.offset
            | flag(HAS_PREFIX, !self.prefix.is_empty())
            | flag(HAS_CHILDREN, !self.children.is_empty())
            | flag(HAS_VALUES, !self.values.is_empty())
    }

    fn write(&self, nodes: &[Node<'_>], entries: &[Entry<'_>], file: &mut Vec<u8>) {
        if !self.prefix.is_empty() {
            file.extend(self.prefix);
            file.push(0);
        }
        if let Some((first, last)) = self.characters() {
            debug_assert!(last < CHARACTERS, "keys were checked to be ASCII");
            file.extend([first, last]);
            let mut children = self.children.iter().peekable();
            for character in first..=last {
                let child = children.next_if(|(at, _)| *at == character);
                let reference = child.map_or(0, |(_, index)| nodes[*index].reference());
                file.extend(reference.to_be_bytes());
            }
        }
        let values = &entries[self.values.clone()];
        if !values.is_empty() {
            let count = u32::try_from(values.len()).expect("offsets fit 28 bits");
            file.extend(count.to_be_bytes());
            for entry in values {
                file.extend(entry.priority.to_be_bytes());
                file.extend(entry.value.as_bytes());
                file.push(0);
            }
        }
    }
}
