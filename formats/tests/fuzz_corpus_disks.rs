//! The seeds of the fuzz targets of disk images: by our writers and by other people's programs, whole, cut and damaged.

use std::{fs, path::Path};

/// A target: its folder and its body.
type Target = (&'static str, fn(&[u8]));

#[test]
fn every_seed_upholds_the_invariants() {
    let targets: [Target; 6] = [
        ("gzip", formats::gzip::fuzz),
        ("ova", formats::ova::fuzz),
        ("qcow2", formats::qcow2::fuzz),
        ("tar", formats::tar::fuzz),
        ("vhd", formats::vhd::fuzz),
        ("vmdk", formats::vmdk::fuzz),
    ];
    for (target, fuzz) in targets {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(target);
        let mut seeds = 0;
        for entry in fs::read_dir(corpus).unwrap() {
            fuzz(&fs::read(entry.unwrap().path()).unwrap());
            seeds += 1;
        }
        assert!(seeds >= 3, "{target}");
    }
}
