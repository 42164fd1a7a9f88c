//! The seeds of the fuzz target `xfs`: what the writer makes, without its trees, whole, cut and damaged.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/xfs");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::xfs::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
