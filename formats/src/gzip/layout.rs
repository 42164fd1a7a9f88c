//! One member around a layout.

use super::{
    raw::{FNAME, MAGIC, UNIX},
    zeros,
};
use crate::{
    Layout,
    crc::Crc,
    deflate::{self, KnownPieces, LAST_BLOCK},
    extent::{KnownCrc, Run, crc_of},
};

/// Runs of zeros from this length on become blocks of their own.
const MIN_ZERO_RUN: u64 = 4 << 10;

/// What somebody knows of the blobs that a member holds.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Their CRCs, see [`crc_of`].
    pub crc: KnownCrc<'a>,
    /// What was made of those that compress.
    pub pieces: KnownPieces<'a>,
}

impl std::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

/// `inner` as exactly one member: stored blocks around payload, pieces of blobs that were compressed beforehand, blocks of matches
/// for long runs of zeros. `name` is the original file name, without the byte 0, empty for none.
pub fn member(inner: &Layout, name: &str, known: Known<'_>) -> Layout {
    let mut layout = Layout::new();
    layout.section("gzip header");
    layout.bytes(header(name));
    let mut left_over = 0;
    for run in inner.runs(1, MIN_ZERO_RUN) {
        match run {
            Run::Zeros(len) => {
                layout.section("zeros");
                left_over = zeros::push(&mut layout, left_over + len);
            }
            Run::Payload(payload) => {
                layout.section(payload.section_at(0).unwrap_or("payload"));
                let mut content = Layout::new();
                content.zeros(left_over);
                content.append(&payload);
                deflate::push(&mut layout, &content, known.pieces);
                left_over = 0;
            }
        }
    }
    let mut content = Layout::new();
    content.zeros(left_over);
    deflate::push(&mut layout, &content, known.pieces);
    layout.section("gzip end");
    layout.bytes(LAST_BLOCK.as_slice());
    layout.push(crc_of(Crc::Crc32, inner, known.crc));
    let length = u32::try_from(inner.len() % (1 << 32)).expect("modulo 2^32");
    layout.bytes(length.to_le_bytes().to_vec());
    layout
}

fn header(name: &str) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    let (flags, time, extra_flags) = (if name.is_empty() { 0 } else { FNAME }, [0; 4], 0);
    header.push(flags);
    header.extend(time);
    header.extend([extra_flags, UNIX]);
    if !name.is_empty() {
        header.extend(name.bytes().filter(|byte| *byte != 0));
        header.push(0);
    }
    header
}
