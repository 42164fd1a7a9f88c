//! Compressed files: how they are framed, and what they hold.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write as _},
};

use anyhow::Context as _;
use formats::{
    gzip,
    read_at::{ReadAt, Window},
    xz, zstd as zstd_frame,
};

use super::{
    kind::Kind,
    part::Part,
    scope::Scope,
    source::{Stored, next, watched},
};
use crate::cli::sparse::Sparse;

/// The largest window of a Zstandard frame that the kernel accepts: 128 MiB.
const WINDOW_LOG: u32 = 27;

/// Memory of the decoder of an xz stream; `xz -9` asks for 65 MiB.
const MAX_XZ_MEMORY: u64 = 256 << 20;

/// Bytes that are unpacked at a time: a hole is as long, or longer.
const PIECE: usize = 32 << 10;

/// The frames, and what they hold together.
pub(super) fn packed(
    scope: Scope<'_>,
    part: &mut Part,
    kind: Kind,
    source: &dyn ReadAt,
) -> anyhow::Result<()> {
    part.in_brief(structure(kind, source)?);
    let input = watched(source, "unpacking".to_owned());
    let content = unpack(scope, &mut decoder(kind, input)?)?;
    scope.content(part, "content", &content)
}

/// All frames, streams or members, one behind the other.
fn structure(kind: Kind, source: &dyn ReadAt) -> anyhow::Result<String> {
    let (mut texts, mut offset) = (Vec::new(), 0);
    while let Some(start) = next(source, offset)? {
        let rest = Window::new(source, start, u64::MAX);
        let input = watched(&rest, "reading".to_owned());
        let place = || format!("at offset {start:#x}");
        let (dump, len) = match kind {
            Kind::Zstd => {
                let frame = zstd_frame::read_frame(input, zstd_frame::Limits::default());
                let frame = frame.with_context(place)?;
                (frame.dump(), frame.len)
            }
            Kind::Xz => {
                let stream = xz::read_stream(input, xz::Limits::default());
                let stream = stream.with_context(place)?;
                (stream.dump(), stream.len)
            }
            _ => {
                let member = gzip::read_member(input, gzip::Limits::default());
                let member = member.with_context(place)?;
                (member.dump(), member.len)
            }
        };
        if start > 0 {
            texts.push(format!("at {start:#x}\n"));
        }
        texts.push(dump);
        offset = start + len;
    }
    Ok(texts.concat())
}

/// What `input`, which is of this kind, holds; all frames, streams or members of it. What is not compressed is read as it is.
pub(super) fn decoder<'a>(kind: Kind, input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match kind {
        Kind::Zstd => {
            let mut decoder = zstd::stream::Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
        Kind::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(input, stream))
        }
        Kind::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        _ => Box::new(input),
    })
}

/// All of `input` in a nameless file.
fn unpack(scope: Scope<'_>, input: &mut dyn Read) -> anyhow::Result<Stored> {
    let file = scratch()?;
    let mut out = Sparse(&file);
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        let place = || format!("unpacking at offset {offset:#x} of the content");
        let len = fill(input, &mut piece).with_context(place)?;
        offset += len as u64;
        scope.unpacked(len)?;
        if len == 0 {
            break;
        }
        out.write_all(&piece[..len]).with_context(writing)?;
    }
    out.flush().with_context(writing)?;
    Ok(Stored::new(file)?)
}

/// Reads as much as fits or there is.
fn fill(input: &mut dyn Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < piece.len() {
        match input.read(&mut piece[len..])? {
            0 => break,
            read => len += read,
        }
    }
    Ok(len)
}

/// A file without a name, which vanishes with its handle.
pub(super) fn scratch() -> anyhow::Result<File> {
    tempfile::tempfile().with_context(writing)
}

/// What is wrong when [`scratch`] files cannot be written.
pub(super) fn writing() -> String {
    format!("writing to {}", std::env::temp_dir().display())
}
