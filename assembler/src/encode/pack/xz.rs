//! A blob as blocks of an xz stream.

use std::io;

use formats::{
    Digest,
    xz::{Block, Limits, Packed, Record, read_stream},
};
use liblzma::{
    stream::{Check, MtStreamBuilder},
    write::XzEncoder,
};
use serde::{Deserialize, Serialize};

use super::{Error, Made, copy};
use crate::{blobs::Blob, store::Store};

/// The one level; more take ten times as long for 1 % of a kernel.
const PRESET: u32 = 0;
/// Bytes of a block: the reference's.
const BLOCK: u64 = 1 << 20;
/// Bytes of a CRC-64.
const CHECK_LEN: u64 = 8;

/// The blocks of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Where they begin.
    offset: u64,
    /// Unpadded size and content of each, in bytes.
    blocks: Vec<(u64, u64)>,
}

impl Parts {
    /// Those of the stream `digest`, to be put in another.
    pub(super) fn packed(&self, digest: Digest) -> Packed {
        let record = |(unpadded, uncompressed): &(u64, u64)| Record {
            unpadded: *unpadded,
            uncompressed: *uncompressed,
        };
        Packed {
            digest,
            offset: self.offset,
            records: self.blocks.iter().map(record).collect(),
        }
    }
}

pub(super) fn make(store: &Store, blob: &Blob) -> Result<Made, Error> {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8));
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(threads).expect("at most eight"))
        .preset(PRESET)
        .block_size(BLOCK)
        .check(Check::Crc64)
        .encoder()
        .map_err(io::Error::from)?;
    let mut encoder = XzEncoder::new_stream(store.writer()?, stream);
    copy(blob, &mut encoder)?;
    let content = encoder.finish()?.commit()?;
    let made = store.pin(&content.digest)?;
    let made = made.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let read = read_stream(io::BufReader::new(made.reader(0)), Limits::default())?;
    let record = |block: &Block| {
        let unpadded = block.header_len + block.compressed + CHECK_LEN;
        (unpadded, block.uncompressed)
    };
    Ok(Made {
        content,
        parts: super::Parts::Xz(Parts {
            offset: read.blocks.first().map_or(read.index, |block| block.offset),
            blocks: read.blocks.iter().map(record).collect(),
        }),
    })
}
