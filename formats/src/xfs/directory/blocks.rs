//! Directories as blocks: entries, and behind them or apart an index by the hashes of their names.

use zerocopy::{FromZeros, IntoBytes};

use super::{
    super::{
        geometry::{BLOCK, BLOCK_LEN, Geometry},
        plan::Place,
        raw::{
            DIRECTORY_BLOCK_MAGIC, DIRECTORY_DATA_MAGIC, DIRECTORY_FREE, DirectoryFree,
            DirectoryHeader, DirectoryTail, FREE_INDEX_MAGIC, FreeIndexHeader, HashRecord,
            INDEX_START, IndexHeader, LEAF_MAGIC, NODE_LEAF_MAGIC, NODE_MAGIC, seal,
        },
    },
    ENTRY_ALIGNMENT, Entry, FREE_INDEX_COUNT, Form, KIND_DIRECTORY, LEAF_NAMES, block_entry_len,
    hash, narrow_offset, places,
};

/// A directory that has blocks.
#[derive(Debug)]
pub(in super::super) struct Blocks<'a> {
    pub(in super::super) geometry: &'a Geometry,
    pub(in super::super) uuid: [u8; 16],
    pub(in super::super) own: Place,
    pub(in super::super) parent: Place,
    pub(in super::super) entries: &'a [Entry],
    pub(in super::super) form: Form,
}

/// A block of entries, and the bytes that are free in it.
struct Data {
    bytes: Vec<u8>,
    free: u16,
}

impl Blocks<'_> {
    /// The blocks in the order of [`Form::blocks`], which lie at `offsets` of the volume.
    pub(in super::super) fn bytes(&self, offsets: &[u64]) -> Vec<u8> {
        let (entries, index) = self.filled();
        let mut offsets = offsets.iter().copied();
        let mut place = || offsets.next().expect("as many places as blocks") / 512;
        if self.form == Form::Block {
            let index_len = index.len() * size_of::<HashRecord>() + size_of::<DirectoryTail>();
            let tail = DirectoryTail {
                records: u32::try_from(index.len()).expect("fits in a block").into(),
                stale: 0.into(),
            };
            let index = [index.as_bytes(), tail.as_bytes()].concat();
            let [entries] = <[_; 1]>::try_from(entries).expect("as the form was chosen");
            return self.data(entries, BLOCK - index_len, &index, place()).bytes;
        }
        let data: Vec<Data> = entries
            .into_iter()
            .map(|entries| self.data(entries, BLOCK, &[], place()))
            .collect();
        let free: Vec<u8> = data
            .iter()
            .flat_map(|data| data.free.to_be_bytes())
            .collect();
        let mut bytes: Vec<u8> = data.into_iter().flat_map(|data| data.bytes).collect();
        if matches!(self.form, Form::Leaf { .. }) {
            bytes.extend(self.leaf(&index, &free, place()));
        } else {
            let leaves: Vec<&[HashRecord]> = index.chunks(LEAF_NAMES).collect();
            if leaves.len() > 1 {
                bytes.extend(self.root(&leaves, place()));
            }
            for number in 0..leaves.len() {
                bytes.extend(self.node_leaf(&leaves, number, place()));
            }
            for (number, free) in (0..).zip(free.chunks(FREE_INDEX_COUNT * 2)) {
                bytes.extend(self.free_index(number, free, place()));
            }
        }
        bytes
    }

    fn number(&self, place: Place) -> u64 {
        self.geometry.inode(place.ag, place.inode)
    }

    /// Each block's header, blank, with its entries; and the index of all.
    fn filled(&self) -> (Vec<Vec<u8>>, Vec<HashRecord>) {
        let dots = [(b".".as_slice(), self.own), (b"..", self.parent)];
        let dots = dots.map(|(name, place)| (name, KIND_DIRECTORY, place));
        let entries = self.entries.iter();
        let named = entries.map(|entry| (entry.name.as_bytes(), entry.kind, entry.place));
        let (mut blocks, mut index) = (Vec::new(), Vec::new());
        for ((name, kind, inode), (block, start)) in
            dots.into_iter().chain(named).zip(places(self.entries))
        {
            if block == blocks.len() {
                blocks.push(vec![0; size_of::<DirectoryHeader>()]);
            }
            let bytes = &mut blocks[block];
            bytes.extend(self.number(inode).to_be_bytes());
            bytes.push(u8::try_from(name.len()).expect("names have at most 255 bytes"));
            bytes.extend(name);
            bytes.push(kind);
            bytes.resize(start + block_entry_len(name) - 2, 0);
            bytes.extend(narrow_offset(start).to_be_bytes());
            let place = u32::try_from((block * BLOCK + start) / ENTRY_ALIGNMENT);
            index.push(HashRecord {
                hash: hash(name).into(),
                place: place.expect("fewer blocks than inodes").into(),
            });
        }
        index.sort_unstable();
        (blocks, index)
    }

    /// A block whose entries may reach to `end`, where `index` lies.
    fn data(&self, mut bytes: Vec<u8>, end: usize, index: &[u8], place: u64) -> Data {
        let start = bytes.len();
        let mut free = DirectoryFree::new_zeroed();
        if start < end {
            free = DirectoryFree {
                offset: narrow_offset(start).into(),
                len: narrow_offset(end - start).into(),
            };
            bytes.extend(DIRECTORY_FREE.to_be_bytes());
            bytes.extend(free.len.as_bytes());
            bytes.resize(end - 2, 0);
            bytes.extend(free.offset.as_bytes());
        }
        bytes.extend(index);
        let mut header = DirectoryHeader::new_zeroed();
        header.magic = if index.is_empty() {
            DIRECTORY_DATA_MAGIC
        } else {
            DIRECTORY_BLOCK_MAGIC
        };
        header.place = place.into();
        header.uuid = self.uuid;
        header.owner = self.number(self.own).into();
        header.free[0] = free;
        bytes[..size_of::<DirectoryHeader>()].copy_from_slice(header.as_bytes());
        seal(&mut bytes, std::mem::offset_of!(DirectoryHeader, checksum));
        Data {
            bytes,
            free: free.len.get(),
        }
    }

    /// The only block of an index, with what is `free` in the blocks of entries at its end.
    fn leaf(&self, index: &[HashRecord], free: &[u8], place: u64) -> Vec<u8> {
        let count = u32::try_from(free.len() / 2).expect("fits in a block");
        let tail = [free, &count.to_be_bytes()].concat();
        self.index_block(LEAF_MAGIC, [0, 0], 0, index, &tail, place)
    }

    /// One of several blocks of an index, which know their neighbours.
    fn node_leaf(&self, leaves: &[&[HashRecord]], number: usize, place: u64) -> Vec<u8> {
        let block = |number: usize| leaf_block(leaves.len(), number);
        let next = if number + 1 < leaves.len() {
            block(number + 1)
        } else {
            0
        };
        let previous = number.checked_sub(1).map_or(0, block);
        let neighbours = [next, previous];
        self.index_block(NODE_LEAF_MAGIC, neighbours, 0, leaves[number], &[], place)
    }

    /// The root above several leaves.
    fn root(&self, leaves: &[&[HashRecord]], place: u64) -> Vec<u8> {
        const LEVEL: u16 = 1;
        let records: Vec<HashRecord> = leaves
            .iter()
            .enumerate()
            .map(|(number, leaf)| HashRecord {
                hash: leaf.last().expect("leaves are not empty").hash,
                place: leaf_block(leaves.len(), number).into(),
            })
            .collect();
        self.index_block(NODE_MAGIC, [0, 0], LEVEL, &records, &[], place)
    }

    fn index_block(
        &self,
        magic: u16,
        [next, previous]: [u32; 2],
        stale: u16,
        records: &[HashRecord],
        tail: &[u8],
        place: u64,
    ) -> Vec<u8> {
        let mut header = IndexHeader::new_zeroed();
        header.next = next.into();
        header.previous = previous.into();
        header.magic = magic.into();
        header.place = place.into();
        header.uuid = self.uuid;
        header.owner = self.number(self.own).into();
        header.records = u16::try_from(records.len())
            .expect("fits in a block")
            .into();
        header.stale = stale.into();
        let mut bytes = [header.as_bytes(), records.as_bytes()].concat();
        let end = BLOCK - tail.len();
        assert!(
            bytes.len() <= end,
            "what a block of an index holds fits into it"
        );
        bytes.resize(end, 0);
        bytes.extend(tail);
        seal(&mut bytes, std::mem::offset_of!(IndexHeader, checksum));
        bytes
    }

    /// What is `free` in the blocks of entries that block `number` of these tells of.
    fn free_index(&self, number: usize, free: &[u8], place: u64) -> Vec<u8> {
        let narrow = |count: usize| u32::try_from(count).expect("fewer blocks than inodes");
        let count = narrow(free.len() / 2);
        let header = FreeIndexHeader {
            magic: FREE_INDEX_MAGIC,
            checksum: 0.into(),
            place: place.into(),
            lsn: 0.into(),
            uuid: self.uuid,
            owner: self.number(self.own).into(),
            first: narrow(number * FREE_INDEX_COUNT).into(),
            count: count.into(),
            used: count.into(),
            reserved: 0.into(),
        };
        let mut bytes = [header.as_bytes(), free].concat();
        bytes.resize(BLOCK, 0);
        seal(&mut bytes, std::mem::offset_of!(FreeIndexHeader, checksum));
        bytes
    }
}

/// The block of the directory in which leaf `number` of `count` lies: behind the root, if there is one.
fn leaf_block(count: usize, number: usize) -> u32 {
    let start = usize::try_from(INDEX_START / BLOCK_LEN).expect("a small number");
    u32::try_from(start + usize::from(count > 1) + number).expect("fewer than inodes")
}
