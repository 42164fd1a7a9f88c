//! The seeds of the fuzz target `cpio`: archives by our writer and by GNU cpio, whole, back to back, cut and damaged.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/cpio");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::cpio::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
