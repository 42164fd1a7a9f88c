//! What the reader follows: the numbers of a superblock, inodes and extents, each looked at before it is believed.

use zerocopy::FromBytes;

use super::{
    Limits, ReadError, Run,
    raw::{
        EXTENTS, ExtentRecord, INCOMPATIBLE_TYPES, INDEX_START, INODE_MAGIC, Inode, LARGE_COUNTS,
        LOCAL, Superblock, checksum,
    },
};
use crate::read_at::ReadAt;

/// Features that this reader knows what to do about, of those that nobody may ignore: types in directories, sparse chunks, UUID of
/// metadata, large times, repair needed, large counts, exchange of ranges, parent pointers.
const KNOWN_FEATURES: u32 = 0xff;
/// Bytes of the largest block of a directory.
const MAX_DIRECTORY_BLOCK: u64 = 64 << 10;

/// A source with the superblock and what follows from it.
pub(super) struct Opened<'a, R: ?Sized> {
    source: &'a R,
    pub(super) superblock: Superblock,
    pub(super) block_len: u64,
    pub(super) sector_len: u64,
    ag_blocks: u64,
    pub(super) wrong_checksums: Vec<String>,
}

/// An inode, with what it holds.
pub(super) struct Found {
    pub(super) core: Inode,
    data: Vec<u8>,
    /// Whether the checksum is its own.
    pub(super) sound: bool,
}

impl<'a, R: ReadAt + ?Sized> Opened<'a, R> {
    pub(super) fn new(source: &'a R, limits: &Limits) -> Result<Self, ReadError> {
        let bytes = fetch(source, 0, size_of::<Superblock>())?;
        let superblock = Superblock::read_from_bytes(&bytes).expect("read as many bytes");
        let valid = |field, found: u64, valid: bool| {
            if valid {
                Ok(found)
            } else {
                Err(ReadError::Field { field, found })
            }
        };
        let magic = u64::from(u32::from_be_bytes(superblock.magic));
        valid("magic", magic, superblock.magic == *b"XFSB")?;
        let version = u64::from(superblock.version.get());
        valid("version", version, version & 0xf == 5)?;
        let features = u64::from(superblock.incompatible.get());
        valid(
            "incompatible features",
            features,
            features & !u64::from(KNOWN_FEATURES) == 0,
        )?;
        let power = |field, found: u64, bits: u8, least: u32, most: u32| {
            let bits = u32::from(bits);
            valid(
                field,
                found,
                (least..=most).contains(&bits) && found == 1 << bits,
            )
        };
        let block_len = u64::from(superblock.block_len.get());
        power("block length", block_len, superblock.block_bits, 10, 16)?;
        let sector_len = u64::from(superblock.sector_len.get());
        power("sector length", sector_len, superblock.sector_bits, 9, 15)?;
        let inode_len = u64::from(superblock.inode_len.get());
        power("inode length", inode_len, superblock.inode_bits, 9, 11)?;
        let per_block = u64::from(superblock.block_inodes.get());
        let per_block_bits = superblock.block_inode_bits;
        power("inodes in a block", per_block, per_block_bits, 0, 7)?;
        valid(
            "inodes in a block",
            per_block,
            per_block * inode_len == block_len,
        )?;
        let ag_bits = u64::from(superblock.ag_block_bits);
        valid("bits of a block in a group", ag_bits, ag_bits < 32)?;
        let ag_blocks = u64::from(superblock.ag_blocks.get());
        valid(
            "blocks of a group",
            ag_blocks,
            (1..=1 << ag_bits).contains(&ag_blocks),
        )?;
        let ag_count = superblock.ag_count.get();
        if ag_count > limits.groups {
            return Err(ReadError::Limit {
                what: "allocation groups",
                limit: u64::from(limits.groups),
            });
        }
        let blocks = superblock.blocks.get();
        valid(
            "blocks",
            blocks,
            blocks.div_ceil(ag_blocks) == u64::from(ag_count) && blocks > 0,
        )?;
        let directory_bits = superblock.directory_block_bits;
        valid(
            "directory block",
            u64::from(directory_bits),
            directory_bits < 8 && block_len << directory_bits <= MAX_DIRECTORY_BLOCK,
        )?;
        // At most 2⁴² blocks of 2¹⁶ bytes.
        let len = blocks * block_len;
        if len > source.len() {
            return Err(ReadError::Truncated {
                expected: len,
                found: source.len(),
            });
        }
        let mut this = Self {
            source,
            superblock,
            block_len,
            sector_len,
            ag_blocks,
            wrong_checksums: Vec::new(),
        };
        let sector = this.fetch(0, sector_len)?;
        let at = std::mem::offset_of!(Superblock, checksum);
        this.check(&sector, at, || "superblock".to_owned());
        Ok(this)
    }

    /// `len` bytes from `offset` on.
    pub(super) fn fetch(&self, offset: u64, len: u64) -> Result<Vec<u8>, ReadError> {
        let len = usize::try_from(len).expect("limited by the caller");
        fetch(self.source, offset, len)
    }

    /// Takes note of a checksum, at `at` of `bytes`, that is not theirs.
    pub(super) fn check(&mut self, bytes: &[u8], at: usize, what: impl FnOnce() -> String) {
        if bytes[at..at + 4] != checksum(bytes, at).to_le_bytes() {
            self.wrong_checksums.push(what());
        }
    }

    /// Where the group `ag` lies.
    pub(super) fn group_offset(&self, ag: u32) -> u64 {
        u64::from(ag) * self.ag_blocks * self.block_len
    }

    /// Whether entries of directories have a type.
    pub(super) fn has_types(&self) -> bool {
        self.superblock.incompatible.get() & INCOMPATIBLE_TYPES != 0
    }

    /// Bytes of a block of a directory.
    pub(super) fn directory_block_len(&self) -> u64 {
        self.block_len << self.superblock.directory_block_bits
    }

    /// The offset of `count` blocks from the volume's block `number` on, if they lie in one group.
    fn blocks_offset(&self, number: u64, count: u64) -> Option<u64> {
        let bits = self.superblock.ag_block_bits;
        let (ag, block) = (number >> bits, number & ((1 << bits) - 1));
        let first = ag.checked_mul(self.ag_blocks)?.checked_add(block)?;
        let end = first.checked_add(count)?;
        let fits = block + count <= self.ag_blocks && end <= self.superblock.blocks.get();
        fits.then(|| first * self.block_len)
    }

    /// The inode `number`.
    pub(super) fn inode(&self, path: &str, number: u64) -> Result<Found, ReadError> {
        let wrong = || ReadError::Inode {
            path: path.to_owned(),
            inode: number,
        };
        let bits = self.superblock.block_inode_bits;
        let block = self.blocks_offset(number >> bits, 1).ok_or_else(wrong)?;
        let index = number & ((1 << bits) - 1);
        let inode_len = u64::from(self.superblock.inode_len.get());
        let bytes = self.fetch(block + index * inode_len, inode_len)?;
        let (core, literal) = Inode::read_from_prefix(&bytes).expect("inodes are longer");
        if core.magic != INODE_MAGIC || core.version != 3 || core.number.get() != number {
            return Err(wrong());
        }
        let data_len = match usize::from(core.attribute_offset) * 8 {
            0 => literal.len(),
            attributes => attributes,
        };
        let data = literal.get(..data_len).ok_or_else(wrong)?.to_vec();
        let sum = checksum(&bytes, std::mem::offset_of!(Inode, checksum));
        let sound = core.checksum.get() == sum;
        Ok(Found { core, data, sound })
    }

    /// Where the content of an inode lies that lists extents, up to its length; the index of a directory is left out.
    pub(super) fn runs(&self, path: &str, found: &Found) -> Result<Vec<Run>, ReadError> {
        let wrong = || ReadError::Extents {
            path: path.to_owned(),
        };
        if found.core.format != EXTENTS {
            return Err(ReadError::Format {
                path: path.to_owned(),
                format: found.core.format,
            });
        }
        let count = if found.core.flags_2.get() & LARGE_COUNTS == 0 {
            u64::from(found.core.extents.get())
        } else {
            found.core.large_extents.get()
        };
        let count = usize::try_from(count).map_err(|_| wrong())?;
        let records = count
            .checked_mul(size_of::<ExtentRecord>())
            .and_then(|len| found.data.get(..len))
            .ok_or_else(wrong)?;
        let len = found.core.len.get();
        let (mut runs, mut end) = (Vec::with_capacity(count), 0);
        for record in records.chunks_exact(size_of::<ExtentRecord>()) {
            let record = ExtentRecord::read_from_bytes(record).expect("a record's length");
            let (high, low) = (record.high.get(), record.low.get());
            let unwritten = high >> 63 == 1;
            let file_block = high << 1 >> 10;
            let block = (high & 0x1ff) << 43 | low >> 21;
            let blocks = low & 0x1f_ffff;
            let offset = self.blocks_offset(block, blocks).ok_or_else(wrong)?;
            let file_offset = file_block.checked_mul(self.block_len).ok_or_else(wrong)?;
            if blocks == 0 || file_offset < end {
                return Err(wrong());
            }
            end = file_offset
                .checked_add(blocks * self.block_len)
                .ok_or_else(wrong)?;
            let taken = end.min(len).saturating_sub(file_offset);
            if taken > 0 && !unwritten {
                runs.push(Run {
                    file_offset,
                    offset,
                    len: taken,
                });
            }
        }
        Ok(runs)
    }

    /// Where the blocks of a directory lie, in their order, without those of its index.
    pub(super) fn directory_blocks(
        &self,
        path: &str,
        found: &Found,
    ) -> Result<Vec<Run>, ReadError> {
        let mut runs = self.runs(path, found)?;
        runs.retain(|run| run.file_offset < INDEX_START);
        Ok(runs)
    }
}

impl Found {
    /// What a short directory holds, as long as the inode says.
    pub(super) fn local(&self) -> Option<&[u8]> {
        let len = usize::try_from(self.core.len.get()).ok()?;
        if self.core.format == LOCAL {
            self.data.get(..len)
        } else {
            None
        }
    }
}

fn fetch(source: &(impl ReadAt + ?Sized), offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; len];
    source
        .read_at(offset, &mut bytes)
        .map_err(|source| ReadError::Source {
            offset,
            len,
            source,
        })?;
    Ok(bytes)
}
