//! One stream around a layout.

use bytes::Bytes;

use super::{
    raw::{
        ALIGNMENT, DICTIONARY_256_KIB, FOOTER_MAGIC, HAS_COMPRESSED_SIZE, HAS_UNCOMPRESSED_SIZE,
        LZMA2, MAGIC, check_id, push_vli, seal,
    },
    zeros,
};
use crate::{
    Digest, Extent, Layout,
    crc::Crc,
    extent::{Framed, Framing, KnownCrc, Run, crc_of},
};

/// Longest content of a block: what a reader of a part must take in before it can check anything.
pub const BLOCK_MAX: u64 = 16 << 20;

/// Where a block may end inside a blob: CRCs of blobs are kept for the whole and for each MiB of them.
const BORDER: u64 = 1 << 20;

/// Runs of zeros from this length on become blocks of their own.
const MIN_ZERO_RUN: u64 = 4 << 10;

/// Blocks that hold exactly one blob, compressed beforehand, one behind the other in another blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The blob with the blocks.
    pub digest: Digest,
    /// Where in it they begin, in bytes.
    pub offset: u64,
    /// What the index says of each of them.
    pub records: Vec<Record>,
}

/// What an index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// `Unpadded Size`: header, compressed content and check, in bytes.
    pub unpadded: u64,
    /// Bytes of content.
    pub uncompressed: u64,
}

impl Packed {
    fn len(&self) -> u64 {
        let padded = |record: &Record| record.unpadded.next_multiple_of(ALIGNMENT);
        self.records.iter().map(padded).sum()
    }

    fn content_len(&self) -> u64 {
        self.records.iter().map(|record| record.uncompressed).sum()
    }
}

/// What somebody knows of the blobs that a stream holds.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Their CRCs, see [`crc_of`].
    pub crc: KnownCrc<'a>,
    /// Their compressed blocks, for blobs that compress. The checks in them are those of the stream.
    pub packed: &'a dyn Fn(&Digest) -> Option<Packed>,
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

/// `inner` as one stream of independent blocks of at most [`BLOCK_MAX`] bytes of content, each of one kind: stored chunks, zeros,
/// or a blob compressed beforehand. Blocks end where extents do or at whole MiB of blobs, so that CRCs kept for each MiB of a
/// blob answer for all of it.
pub fn stream(inner: &Layout, check: Crc, known: Known<'_>) -> Layout {
    let mut writer = Writer {
        layout: Layout::new(),
        check,
        known,
        index: Vec::new(),
        blocks: 0,
    };
    writer.layout.section("xz stream header");
    writer
        .layout
        .bytes([MAGIC.as_slice(), &flags_and_sum(check)].concat());
    for run in inner.runs(1, MIN_ZERO_RUN) {
        match run {
            Run::Zeros(len) => writer.zeros(len),
            Run::Payload(payload) => writer.payload(&payload),
        }
    }
    writer.finish()
}

fn flags_and_sum(check: Crc) -> Vec<u8> {
    let flags = [0, check_id(check)];
    [flags.as_slice(), &crc32fast::hash(&flags).to_le_bytes()].concat()
}

struct Writer<'a> {
    layout: Layout,
    check: Crc,
    known: Known<'a>,
    index: Vec<u8>,
    blocks: u64,
}

impl Writer<'_> {
    fn zeros(&mut self, len: u64) {
        let whole = self.zero_block(BLOCK_MAX);
        for _ in 0..len / BLOCK_MAX {
            self.push_zeros(&whole, BLOCK_MAX);
        }
        if !len.is_multiple_of(BLOCK_MAX) {
            let rest = len % BLOCK_MAX;
            self.push_zeros(&self.zero_block(rest), rest);
        }
    }

    /// A whole block of zeros, padded, and its unpadded size.
    fn zero_block(&self, len: u64) -> (Bytes, u64) {
        let mut chunks = Vec::new();
        if len >= zeros::CHUNK_MAX {
            let whole = zeros::chunk(zeros::CHUNK_MAX);
            for _ in 0..len / zeros::CHUNK_MAX {
                chunks.extend_from_slice(&whole);
            }
        }
        if !len.is_multiple_of(zeros::CHUNK_MAX) {
            chunks.extend(zeros::chunk(len % zeros::CHUNK_MAX));
        }
        chunks.push(0);
        let compressed = chunks.len() as u64;
        let mut block = block_header(compressed, len);
        let unpadded = block.len() as u64 + compressed + self.check.width();
        block.extend(chunks);
        block.resize(block.len().next_multiple_of(4), 0);
        let check = self.check.of_zeros(len).to_le_bytes();
        block.extend(
            check
                .into_iter()
                .take(usize::try_from(self.check.width()).expect("at most 8")),
        );
        (block.into(), unpadded)
    }

    fn push_zeros(&mut self, (block, unpadded): &(Bytes, u64), len: u64) {
        self.layout.section("zeros");
        self.layout.bytes(block.clone());
        self.record(Record {
            unpadded: *unpadded,
            uncompressed: len,
        });
    }

    fn payload(&mut self, payload: &Layout) {
        let mut start = 0;
        for (offset, extent) in payload.extents() {
            let Some(packed) = self.packed(extent) else {
                continue;
            };
            self.stored(payload, start..offset);
            self.section(payload, offset);
            self.layout.blob(packed.digest, packed.offset, packed.len());
            for record in packed.records {
                self.record(record);
            }
            start = offset + extent.len();
        }
        self.stored(payload, start..payload.len());
    }

    fn packed(&self, extent: &Extent) -> Option<Packed> {
        let Extent::Blob {
            digest,
            offset: 0,
            len,
        } = extent
        else {
            return None;
        };
        (self.known.packed)(digest).filter(|packed| packed.content_len() == *len)
    }

    fn section(&mut self, payload: &Layout, offset: u64) {
        let section = payload.section_at(offset).unwrap_or("payload");
        self.layout.section(section);
    }

    fn stored(&mut self, payload: &Layout, range: std::ops::Range<u64>) {
        let mut start = range.start;
        while start < range.end {
            let end = block_end(payload, start, range.end);
            self.section(payload, start);
            self.stored_block(&payload.slice(start..end));
            start = end;
        }
    }

    fn stored_block(&mut self, content: &Layout) {
        let check = crc_of(self.check, content, self.known.crc);
        let chunks = Framed::new(content.clone(), Framing::Lzma2Stored { first: true });
        let end_of_chunks = [0];
        let compressed = chunks.len() + end_of_chunks.len() as u64;
        let header = block_header(compressed, content.len());
        self.record(Record {
            unpadded: header.len() as u64 + compressed + check.len(),
            uncompressed: content.len(),
        });

        self.layout.bytes(header);
        self.layout.push(Extent::Framed(chunks));
        self.layout.section("xz block end");
        let mut end = end_of_chunks.to_vec();
        let padding = compressed.next_multiple_of(ALIGNMENT) - compressed;
        end.extend((0..padding).map(|_| 0));
        if let Extent::Bytes(known) = &check {
            end.extend_from_slice(known);
            self.layout.bytes(end);
        } else {
            self.layout.bytes(end);
            self.layout.push(check);
        }
    }

    fn record(&mut self, record: Record) {
        push_vli(&mut self.index, record.unpadded);
        push_vli(&mut self.index, record.uncompressed);
        self.blocks += 1;
    }

    /// Index and stream footer.
    fn finish(mut self) -> Layout {
        let mut index = vec![0];
        push_vli(&mut index, self.blocks);
        index.append(&mut self.index);
        let index = seal(index);
        let backward_size =
            u32::try_from(index.len() / 4 - 1).expect("an index in memory is below 16 GiB");
        self.layout.section("xz index");
        self.layout.bytes(index);
        let mut footer = backward_size.to_le_bytes().to_vec();
        footer.extend([0, check_id(self.check)]);
        let sum = crc32fast::hash(&footer);
        self.layout.section("xz stream footer");
        self.layout
            .bytes([sum.to_le_bytes().as_slice(), &footer, &FOOTER_MAGIC].concat());
        self.layout
    }
}

/// Where the block that starts at `start` ends: as far as it may, but inside a blob only at a whole MiB of it.
fn block_end(payload: &Layout, start: u64, limit: u64) -> u64 {
    let end = limit.min(start + BLOCK_MAX);
    let cut = payload
        .extents()
        .find(|(offset, extent)| *offset < end && end < offset + extent.len());
    let Some((begins, Extent::Blob { offset, .. })) = cut else {
        return end;
    };
    let border = (offset + (end - begins)) / BORDER * BORDER;
    let in_blob = begins.max(start) - begins + offset;
    if end < limit && border > in_blob {
        begins + (border - offset)
    } else if end < limit && begins > start {
        begins
    } else {
        end
    }
}

/// States both sizes, so that a reader can decompress blocks in parallel.
fn block_header(compressed: u64, uncompressed: u64) -> Vec<u8> {
    let mut header = vec![0, HAS_COMPRESSED_SIZE | HAS_UNCOMPRESSED_SIZE];
    push_vli(&mut header, compressed);
    push_vli(&mut header, uncompressed);
    push_vli(&mut header, LZMA2);
    header.extend([1, DICTIONARY_256_KIB]);
    // `Block Header Size` counts words beyond the first, the CRC32 being one: as many as there are before it.
    header[0] = u8::try_from(header.len().div_ceil(4)).expect("at most 26 bytes");
    seal(header)
}
