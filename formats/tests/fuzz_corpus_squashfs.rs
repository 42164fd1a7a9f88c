//! Replays the squashfs fuzz corpus on any toolchain.

use std::{fs, path::Path};

#[test]
fn the_squashfs_corpus_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/squashfs");
    let mut files: Vec<_> = fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        formats::squashfs::fuzz(&fs::read(file).unwrap());
    }
}
