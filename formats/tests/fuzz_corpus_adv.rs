//! The seeds of the fuzz target `adv`: entries of a copy, and whole partitions.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/adv");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::adv::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
