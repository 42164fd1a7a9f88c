//! One frame around a layout.

use bytes::Bytes;

use super::raw::{BLOCK_MAX, DESCRIPTOR, MAGIC, WINDOW_DESCRIPTOR, zero_block};
use crate::{
    Extent, Layout,
    extent::{Framed, Framing},
};

/// Runs of zeros from this length on become run-length blocks: shorter ones are not worth two more extents.
const MIN_ZERO_RUN: u64 = 4 << 10;

/// `inner` as exactly one frame: raw blocks around payload, run-length blocks for long runs of zeros (4 GiB are 131 KB).
pub fn frame(inner: &Layout) -> Layout {
    let mut layout = Layout::new();
    layout.section("zstd frame header");
    let mut header = Vec::with_capacity(14);
    header.extend(MAGIC.to_le_bytes());
    header.extend([DESCRIPTOR, WINDOW_DESCRIPTOR]);
    header.extend(inner.len().to_le_bytes());
    layout.bytes(header);

    let runs = runs(inner);
    for (index, run) in runs.iter().enumerate() {
        let last = index + 1 == runs.len();
        match run {
            Run::Zeros(len) => zeros(&mut layout, *len, last),
            Run::Payload(payload) => raw(&mut layout, payload, last),
        }
    }
    if runs.is_empty() {
        let empty_last_raw_block = Bytes::from_static(&[1, 0, 0]);
        layout.bytes(empty_last_raw_block);
    }
    layout
}

enum Run {
    Payload(Layout),
    Zeros(u64),
}

fn runs(inner: &Layout) -> Vec<Run> {
    let mut runs = Vec::new();
    for (offset, extent) in inner.extents() {
        match (extent, runs.last_mut()) {
            (Extent::Zeros(len), _) if *len >= MIN_ZERO_RUN => runs.push(Run::Zeros(*len)),
            (_, Some(Run::Payload(payload))) => payload.push(extent.clone()),
            _ => {
                let mut payload = Layout::new();
                if let Some(section) = inner.section_at(offset) {
                    payload.section(section);
                }
                payload.push(extent.clone());
                runs.push(Run::Payload(payload));
            }
        }
    }
    runs
}

fn raw(layout: &mut Layout, payload: &Layout, last: bool) {
    layout.section(payload.section_at(0).unwrap_or("payload"));
    let framing = Framing::ZstdRaw { last };
    layout.push(Extent::Framed(Framed::new(payload.clone(), framing)));
}

/// A run-length block is four bytes, so equal ones are a sequence of words that never changes.
fn zeros(layout: &mut Layout, len: u64, last: bool) {
    layout.section("zeros");
    let tail = match len % BLOCK_MAX {
        0 => BLOCK_MAX,
        rest => rest,
    };
    let block = |len: u64, last| {
        let len = u32::try_from(len).expect("at most a block");
        zero_block(len, last)
    };
    layout.push(Extent::Sequence {
        start: block(BLOCK_MAX, false),
        step: 0,
        count: (len - tail) / BLOCK_MAX,
    });
    layout.bytes(block(tail, last).to_le_bytes().to_vec());
}
