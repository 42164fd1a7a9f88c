//! The seeds of the fuzz target `iso9660`: what the writer makes, whole, cut and damaged.

use std::{fs, path::Path};

#[test]
fn every_seed_upholds_the_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/iso9660");
    let mut seeds = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        formats::iso9660::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}
