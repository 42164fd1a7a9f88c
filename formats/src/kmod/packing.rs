//! Modules that are packed: `.ko.xz` and `.ko.zst`.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use liblzma::{read::XzDecoder, stream::Stream};

use super::names::Packing;

/// Memory that the xz decoder may use: dictionaries of up to 64 MiB, those of preset 9.
const XZ_MEMORY: u64 = 72 << 20;

/// Largest window of a Zstandard frame, as a power of two: what `zstd -19` needs, and no `--long`.
const ZSTD_WINDOW_LOG: u32 = 23;

/// A packed module that cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum PackingError {
    /// What it is packed with says so.
    #[error("{packing} module cannot be unpacked")]
    Damaged {
        /// What it is packed with.
        packing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// It is longer than the caller accepts.
    #[error("module is longer than {limit} bytes")]
    TooLong {
        /// How much is accepted.
        limit: usize,
    },
}

/// The module of the file at `path`, whose name says how it is packed; at most `limit` bytes.
pub fn expand<'a>(
    path: &str,
    bytes: &'a [u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, PackingError> {
    let (packing, module) = match Packing::of(path) {
        Some(Packing::Xz) => ("xz", expand_xz(bytes, limit)),
        Some(Packing::Zstd) => ("zstd", expand_zstd(bytes, limit)),
        Some(Packing::Plain) | None => ("plain", Ok(Cow::Borrowed(bytes))),
    };
    let module = module.map_err(|source| PackingError::Damaged { packing, source })?;
    if module.len() > limit {
        return Err(PackingError::TooLong { limit });
    }
    Ok(module)
}

fn expand_xz(bytes: &[u8], limit: usize) -> io::Result<Cow<'_, [u8]>> {
    let stream = Stream::new_stream_decoder(XZ_MEMORY, 0)?;
    read(XzDecoder::new_stream(bytes, stream), limit)
}

fn expand_zstd(bytes: &[u8], limit: usize) -> io::Result<Cow<'_, [u8]>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    read(decoder, limit)
}

/// All that `input` gives, and one byte more than the limit if there is that much.
fn read<'a>(input: impl Read, limit: usize) -> io::Result<Cow<'a, [u8]>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    input.take(most).read_to_end(&mut bytes)?;
    Ok(Cow::Owned(bytes))
}
