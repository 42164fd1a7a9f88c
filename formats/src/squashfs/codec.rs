//! One block in, one block out: compressors and decompressors.

use std::{fmt, io};

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use zstd::zstd_safe::{CParameter, ParamSwitch};

use super::BLOCK_SIZE;
use super::raw::{Compressor, METADATA_SIZE};

/// How an image is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A Zstandard frame a block, at a level from 1 to 22.
    Zstd {
        /// The level.
        level: i32,
    },
    /// An `.xz` stream a block: preset 6, dictionary of a block, CRC32.
    Xz,
}

/// The level at which blocks are tried first: those that it cannot shrink are not worth a higher one.
const ZSTD_TRIAL: i32 = 1;

/// The shortest match that is looked for. The library's levels ask for 5 in blocks of this size, which makes machine code 2 %
/// larger; its optimal parsers do better with their own 3, and are no use here (ARCHITECTURE.md, "Squashfs of extensions").
const ZSTD_SHORTEST: u32 = 4;

/// What a block must shrink by in the trial, as a part of its length.
const TRIAL_GAIN: usize = 64;

/// xz preset of every block, the default of `xz` and of mksquashfs.
const XZ_PRESET: u32 = 6;

/// Memory the xz decoder may use. Blocks are at most 1 MiB, and no dictionary is larger than its block.
const XZ_MEMORY: u64 = 16 << 20;

impl Compression {
    /// What the superblock says.
    pub(super) fn compressor(self) -> Compressor {
        match self {
            Self::Zstd { .. } => Compressor::Zstd,
            Self::Xz => Compressor::Xz,
        }
    }
}

/// Compresses blocks, one after the other, each on its own.
pub(super) enum Encoder {
    Stored,
    Compressed {
        trial: Box<zstd::bulk::Compressor<'static>>,
        codec: Codec,
    },
}

pub(super) enum Codec {
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    Xz,
}

/// A block as it lies in the image.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    /// As it was, because it does not shrink.
    pub(super) stored: bool,
}

impl Encoder {
    pub(super) fn new(compression: Compression) -> io::Result<Self> {
        let codec = match compression {
            Compression::Xz => Codec::Xz,
            Compression::Zstd { level } => {
                let mut compressor = zstd::bulk::Compressor::new(level)?;
                compressor.set_parameter(CParameter::MinMatch(ZSTD_SHORTEST))?;
                compressor.set_parameter(CParameter::UseBlockSplitter(ParamSwitch::Enable))?;
                Codec::Zstd(Box::new(compressor))
            }
        };
        Ok(Self::Compressed {
            trial: Box::new(zstd::bulk::Compressor::new(ZSTD_TRIAL)?),
            codec,
        })
    }

    /// Compresses `block`; if that saves nothing, or hardly anything, hands it back.
    pub(super) fn encode(&mut self, block: Vec<u8>) -> io::Result<Encoded> {
        let smaller = match self {
            Self::Stored => None,
            Self::Compressed { trial, codec } => {
                let tried = trial.compress(&block)?;
                if tried.len() > block.len() - block.len() / TRIAL_GAIN {
                    None
                } else {
                    codec.compress(&block)?
                }
            }
        };
        Ok(match smaller {
            Some(bytes) => Encoded {
                bytes,
                stored: false,
            },
            None => Encoded {
                bytes: block,
                stored: true,
            },
        })
    }
}

impl Codec {
    /// `block` compressed, if that is smaller.
    fn compress(&mut self, block: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            // One shot: the frame pledges its size and has a window of no more than that, or the kernel refuses it.
            Self::Zstd(compressor) => {
                let frame = compressor.compress(block)?;
                Ok((frame.len() < block.len()).then_some(frame))
            }
            Self::Xz => encode_xz(block),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "Stored",
            Self::Compressed {
                codec: Codec::Zstd(_),
                ..
            } => "Zstd",
            Self::Compressed {
                codec: Codec::Xz, ..
            } => "Xz",
        })
    }
}

/// `block` as an `.xz` stream, or nothing if that is not smaller.
fn encode_xz(block: &[u8]) -> io::Result<Option<Vec<u8>>> {
    // The kernel's dictionary is one block when the image states no options.
    let dictionary = if block.len() <= METADATA_SIZE {
        u32::try_from(METADATA_SIZE).expect("8 KiB")
    } else {
        BLOCK_SIZE
    };
    let mut options = LzmaOptions::new_preset(XZ_PRESET)?;
    options.dict_size(dictionary);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut bytes = Vec::with_capacity(block.len());
    // All input and all room are given at once, so anything but the end of the stream means that there was too little room.
    let status = stream.process_vec(block, &mut bytes, Action::Finish)?;
    Ok((status == Status::StreamEnd && bytes.len() < block.len()).then_some(bytes))
}

/// Why a block cannot be expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("compressor {0} is not supported")]
    Compressor(u16),
    #[error("damaged or too long")]
    Damaged,
}

/// Expands `block` into at most `limit` bytes.
pub(super) fn decode(compressor: u16, block: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let bytes = if compressor == Compressor::Zstd as u16 {
        decode_zstd(block, limit)
    } else if compressor == Compressor::Xz as u16 {
        decode_xz(block, limit)
    } else {
        return Err(DecodeError::Compressor(compressor));
    };
    bytes
        .ok()
        .filter(|bytes| bytes.len() <= limit)
        .ok_or(DecodeError::Damaged)
}

fn decode_zstd(block: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(limit);
    zstd::bulk::Decompressor::new()?.decompress_to_buffer(block, &mut bytes)?;
    Ok(bytes)
}

fn decode_xz(block: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut stream = Stream::new_stream_decoder(XZ_MEMORY, 0)?;
    let mut bytes = Vec::with_capacity(limit);
    match stream.process_vec(block, &mut bytes, Action::Finish)? {
        Status::StreamEnd => Ok(bytes),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
