//! A blob as pieces of a Deflate stream.

use std::io::{self, Read as _, Write as _};

use flate2::{Compress, Compression, FlushCompress};
use formats::{
    Digest,
    deflate::{Pieces, PiecesError},
};
use serde::{Deserialize, Serialize};

use super::{BUFFER, Error, Made, pays};
use crate::{blobs::Blob, store::Store};

/// The one level; the highest gains 0.1 % of a kernel.
const LEVEL: Compression = Compression::new(6);

/// The pieces of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Bytes of each but the last.
    unit: u32,
    /// Bytes of all.
    len: u64,
    /// Bytes of each, compressed.
    lens: Vec<u32>,
}

impl Parts {
    /// Those in the blob `digest`.
    pub(super) fn pieces(&self, digest: Digest) -> Result<Pieces, PiecesError> {
        let lens = self.lens.iter().copied();
        Pieces::new(digest, self.unit.into(), self.len, lens)
    }
}

pub(super) fn make(store: &Store, blob: &Blob, unit: u32) -> Result<Option<Made>, Error> {
    let mut input = io::BufReader::with_capacity(BUFFER, blob.reader(0));
    let mut out = store.writer()?;
    let mut compress = Compress::new(LEVEL, false);
    let (mut piece, mut made) = (Vec::new(), Vec::new());
    let (mut lens, mut total) = (Vec::new(), 0);
    loop {
        piece.clear();
        input.by_ref().take(unit.into()).read_to_end(&mut piece)?;
        if piece.is_empty() {
            break;
        }
        blocks(&mut compress, &piece, &mut made)?;
        out.write_all(&made)?;
        total += made.len() as u64;
        lens.push(u32::try_from(made.len()).map_err(io::Error::other)?);
    }
    if !pays(total, blob.len) {
        return Ok(None);
    }
    Ok(Some(Made {
        content: out.commit()?,
        parts: super::Parts::Deflate(Parts {
            unit,
            len: blob.len,
            lens,
        }),
    }))
}

/// `piece` as blocks of its own, up to a whole byte.
fn blocks(compress: &mut Compress, piece: &[u8], made: &mut Vec<u8>) -> io::Result<()> {
    compress.reset();
    made.clear();
    loop {
        // Room is left over exactly when everything has been written.
        made.reserve(piece.len() / 2 + 1024);
        let taken = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        compress.compress_vec(&piece[taken..], made, FlushCompress::Sync)?;
        if made.len() < made.capacity() {
            return Ok(());
        }
    }
}
