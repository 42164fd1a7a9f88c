//! The seeds of the fuzz target `fat`: what the writer makes, whole, cut and damaged.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fat");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::fat::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
