//! Replays the fuzz corpora of kernel modules on any toolchain.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests"
)]

use std::{fs, path::Path};

fn replay(name: &str, target: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty());
    for file in files {
        println!("{}", file.display());
        target(&fs::read(file).unwrap());
    }
}

#[test]
fn the_elf_corpus_holds() {
    replay("elf", formats::kmod::fuzz_elf);
}

#[test]
fn the_modinfo_corpus_holds() {
    replay("modinfo", formats::kmod::fuzz_modinfo);
}

#[test]
fn the_index_corpus_holds() {
    replay("index", formats::kmod::fuzz_index);
}
