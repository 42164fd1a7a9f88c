//! What the fuzz target and the replay of its corpus both call.

use super::read::{Image, Limits};
use super::{Compressor, layout};

/// Small enough for thousands of runs a second.
const LIMITS: Limits = Limits {
    entries: 1024,
    depth: 32,
    metadata: 1 << 20,
    content: 4 << 20,
};

/// Reads everything of `data`; what reads is written again, and must read the same.
///
/// # Panics
/// If an invariant does not hold.
pub fn fuzz(data: &[u8]) {
    let Ok(image) = Image::open(data, LIMITS) else {
        return;
    };
    assert!(!super::dump(&image).is_empty());
    let mut blocks = 0;
    for entry in image.entries() {
        // A file of holes may be endless.
        for block in image.blocks(entry).into_iter().flatten().take(64) {
            blocks += usize::from(block.is_ok());
            if blocks > 1024 {
                return;
            }
        }
    }
    let Ok(tree) = image.to_directory() else {
        return;
    };
    let Ok(written) = layout(&tree, Compressor::Zstd, 0) else {
        return;
    };
    let written = written.collect(|_| unreachable!("all contents are in hand"));
    let again = Image::open(&*written, Limits::default()).expect("what we write reads");
    assert_eq!(again.to_directory().expect("what we write reads"), tree);
}
