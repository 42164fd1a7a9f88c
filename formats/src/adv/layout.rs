//! Tags and values as a layout of two copies.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{
    CAPACITY,
    raw::{CHECKSUM_LEN, COPY_LEN, END_MAGIC, FOOTER_LEN, MAGIC},
};
use crate::Layout;

/// More than a copy holds, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("adv: overflow {0} bytes")]
pub struct Error(pub usize);

/// Both copies of `values`, of [`LEN`](super::LEN) bytes: tags ascend, a later value of a tag replaces an earlier one.
pub fn layout(values: &[(u8, &[u8])]) -> Result<Layout, Error> {
    let mut tags = BTreeMap::new();
    for (tag, value) in values {
        // Tag 0 ends the list, so it goes last.
        tags.insert((*tag == 0, *tag), *value);
    }
    let mut head = MAGIC.to_vec();
    for ((_, tag), value) in tags {
        // Lengths of 32 bits are never too short for what fits.
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        head.extend(u32::from(tag).to_be_bytes());
        head.extend(len.to_be_bytes());
        head.extend_from_slice(value);
    }
    let used = head.len() - MAGIC.len();
    if used > CAPACITY {
        return Err(Error(used - CAPACITY));
    }

    let unused = COPY_LEN - FOOTER_LEN - head.len();
    let checksum = Sha256::new()
        .chain_update(&head)
        .chain_update(vec![0; unused + CHECKSUM_LEN])
        .chain_update(END_MAGIC)
        .finalize();
    let mut copy = Layout::new();
    copy.bytes(head);
    copy.zeros(unused as u64);
    copy.bytes([&checksum[..], &END_MAGIC].concat());

    let mut layout = Layout::new();
    for name in ["ADV", "ADV, copy"] {
        layout.section(name);
        layout.append(&copy);
    }
    Ok(layout)
}
