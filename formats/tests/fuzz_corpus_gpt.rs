//! The seeds of the fuzz target `gpt`: what the writer makes for both sector sizes, cut and damaged.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/gpt");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::gpt::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
