//! Sets of extended attributes, equal ones once.

use std::collections::HashMap;

use zerocopy::IntoBytes;

use crate::squashfs::codec::Encoder;
use crate::squashfs::metadata::{Stream, append_blocks};
use crate::squashfs::raw::{NONE, XattrId, XattrKey, XattrTable};
use crate::squashfs::tree::{Tree, Xattrs, split_namespace};
use crate::squashfs::write::WriteError;

/// The sets of a tree.
#[derive(Debug)]
pub(super) struct XattrSets<'a> {
    sets: Vec<&'a Xattrs>,
    /// For each entry of the tree the index of its set, or [`NONE`].
    of: Vec<u32>,
}

impl<'a> XattrSets<'a> {
    pub(super) fn new(tree: &Tree<'a>) -> Self {
        let mut sets = Vec::new();
        let mut known = HashMap::new();
        let of = tree
            .entries
            .iter()
            .map(|entry| {
                let xattrs = entry.item.xattrs();
                if xattrs.is_empty() {
                    return NONE;
                }
                *known.entry(xattrs).or_insert_with(|| {
                    sets.push(xattrs);
                    u32::try_from(sets.len() - 1).expect("no more than inodes")
                })
            })
            .collect();
        Self { sets, of }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    pub(super) fn of(&self, index: usize) -> u32 {
        self.of[index]
    }

    /// Appends the keys and values, the sets and their index to `bytes`, which start at `base` in the image. Returns where the
    /// [`XattrTable`] starts, which the kernel wants to end with the image.
    pub(super) fn append(
        &self,
        bytes: &mut Vec<u8>,
        base: u64,
        encoder: &mut Encoder,
    ) -> Result<u64, WriteError> {
        let start = base + bytes.len() as u64;
        let mut stream = Stream::new("extended attributes");
        let mut ids = Vec::with_capacity(self.sets.len());
        for set in &self.sets {
            let reference = stream.position()?.reference();
            let mut size = 0;
            for (name, value) in *set {
                let (namespace, bare) = split_namespace(name).expect("checked with the tree");
                let key = XattrKey {
                    namespace: namespace.into(),
                    size: u16::try_from(bare.len())
                        .expect("checked with the tree")
                        .into(),
                };
                stream.push(encoder, key.as_bytes())?;
                stream.push(encoder, bare)?;
                stream.push(encoder, &len(value.len())?.to_le_bytes())?;
                stream.push(encoder, value)?;
                size += name.len() + 1 + value.len();
            }
            ids.push(XattrId {
                reference: reference.into(),
                count: len(set.len())?.into(),
                size: len(size)?.into(),
            });
        }
        bytes.extend_from_slice(&stream.finish(encoder)?);
        let starts = append_blocks(bytes, base, encoder, ids.as_bytes())?;
        let table = base + bytes.len() as u64;
        let header = XattrTable {
            start: start.into(),
            count: len(ids.len())?.into(),
            unused: 0.into(),
        };
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
        Ok(table)
    }
}

fn len(len: usize) -> Result<u32, WriteError> {
    u32::try_from(len).map_err(|_| WriteError::TooLarge {
        what: "extended attributes",
    })
}
