//! Sets of extended attributes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::little_endian::{U32, U64};

use super::metadata::{Budget, Cursor, Table};
use super::{Image, ReadAt, ReadError};
use crate::squashfs::raw::{
    NO_TABLE, NONE, XATTR_ELSEWHERE, XATTR_NAMESPACES, XattrId, XattrKey, XattrTable,
};

type Set = Arc<BTreeMap<Vec<u8>, Vec<u8>>>;

/// The sets of an image.
pub(super) struct Xattrs {
    /// Keys and values; nothing if the image has none.
    keys: Option<Table>,
    start: u64,
    ids: Vec<XattrId>,
    /// Sets that were read, by number.
    known: HashMap<u32, Set>,
    none: Set,
}

impl Xattrs {
    pub(super) fn read<R: ReadAt>(
        image: &Image<R>,
        budget: &mut Budget,
    ) -> Result<Self, ReadError> {
        let mut xattrs = Self {
            keys: None,
            start: u64::MAX,
            ids: Vec::new(),
            known: HashMap::new(),
            none: Set::default(),
        };
        let offset = image.superblock.xattr_table_start.get();
        if offset == NO_TABLE {
            return Ok(xattrs);
        }
        let mut table = [0; size_of::<XattrTable>()];
        image.read_at(offset, &mut table)?;
        let table = XattrTable::read_from_bytes(&table).expect("of that size");
        xattrs.start = table.start.get();
        let len = (table.count.get() as usize).saturating_mul(size_of::<XattrId>());
        let index = offset.saturating_add(size_of::<XattrTable>() as u64);
        let ids = image.read_indexed("extended attribute table", index, len, budget)?;
        xattrs.ids = ids
            .bytes
            .chunks_exact(size_of::<XattrId>())
            .map(|bytes| XattrId::read_from_bytes(bytes).expect("of that size"))
            .collect();
        if !xattrs.ids.is_empty() {
            xattrs.keys = Some(Table::read(
                image,
                "extended attributes",
                xattrs.start,
                ids.first,
                budget,
            )?);
        }
        Ok(xattrs)
    }

    /// Where the keys start in the image; the largest number if there are none.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The set of this number.
    pub(super) fn set(&mut self, number: u32, budget: &mut Budget) -> Result<Set, ReadError> {
        if number == NONE {
            return Ok(Arc::clone(&self.none));
        }
        if let Some(set) = self.known.get(&number) {
            return Ok(Arc::clone(set));
        }
        let (Some(keys), Some(id)) = (&self.keys, self.ids.get(number as usize)) else {
            return Err(ReadError::Malformed {
                table: "extended attribute table",
                offset: u64::from(number) * size_of::<XattrId>() as u64,
                why: "an inode refers to a set that is not there",
            });
        };
        let mut set = BTreeMap::new();
        let mut cursor = keys.cursor(id.reference.get())?;
        for _ in 0..id.count.get() {
            let (name, value) = read_pair(keys, &mut cursor)?;
            budget.spend(name.len() + value.len())?;
            if set.insert(name, value.to_vec()).is_some() {
                return Err(cursor.malformed("an attribute is there twice"));
            }
        }
        let set = Arc::new(set);
        self.known.insert(number, Arc::clone(&set));
        Ok(set)
    }
}

/// The full name and the value at `cursor`.
fn read_pair<'a>(
    keys: &'a Table,
    cursor: &mut Cursor<'a>,
) -> Result<(Vec<u8>, &'a [u8]), ReadError> {
    let key: XattrKey = cursor.read()?;
    let namespace = key.namespace.get();
    let (_, prefix) = XATTR_NAMESPACES
        .into_iter()
        .find(|(number, _)| *number == namespace & !XATTR_ELSEWHERE)
        .ok_or_else(|| cursor.malformed("unknown namespace"))?;
    let name = [prefix, cursor.take(usize::from(key.size.get()))?].concat();
    let len = cursor.read::<U32>()?.get() as usize;
    let value = if namespace & XATTR_ELSEWHERE == 0 {
        cursor.take(len)?
    } else {
        let reference = cursor.read::<U64>()?.get();
        let mut elsewhere = keys.cursor(reference)?;
        let len = elsewhere.read::<U32>()?.get() as usize;
        elsewhere.take(len)?
    };
    Ok((name, value))
}
