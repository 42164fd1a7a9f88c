//! The seeds of the fuzz target `grub`: kernels compiled from a few lines of C (`kernel.gen.sh` beside the corpus), images made
//! of them, a list of modules.

use std::{fs, path::Path};

use formats::grub::{self, BiosFiles, Build, CdFiles, Contents, Machine};

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/grub")
}

#[test]
fn every_seed_upholds_the_invariants() {
    let mut seeds = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        grub::fuzz(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0);
}

/// The seeds that are images are what the kernels among the seeds give, so they follow when an image comes out differently.
#[test]
fn images_among_the_seeds_are_made_of_kernels_among_them() {
    let seed = |name: &str| fs::read(corpus().join(name)).unwrap();
    let (i386, arm64) = (seed("kernel-i386"), seed("kernel-arm64-slots"));
    let contents = |kernel| Contents {
        kernel,
        modules: &[b"not really a module"],
        config: Some("insmod part_gpt\n"),
        prefix: "/boot/grub",
    };
    let mut diskboot = [0; 512];
    diskboot[0x1f4] = 2;
    diskboot[0x1fe..].copy_from_slice(&[0x20, 0x08]);
    let bios = BiosFiles {
        diskboot: &diskboot,
        decompressor: &[0x90; 0x400],
    };
    let files = CdFiles {
        cdboot: &[0x90; 2048],
        bios,
    };
    let made = [
        ("image-core", grub::bios(&bios, &contents(&i386)).unwrap()),
        ("image-cd", grub::cd(&files, &contents(&i386)).unwrap()),
        (
            "image-efi",
            grub::efi(Machine::Arm64, Build { nx: true }, &contents(&arm64)).unwrap(),
        ),
    ];
    for (name, image) in made {
        if std::env::var_os("TALOS_FORGE_WRITE_SEEDS").is_some() {
            fs::write(corpus().join(name), &image).unwrap();
        }
        assert!(seed(name) == image, "{name}");
        let dump = grub::dump(&image).unwrap();
        insta::assert_snapshot!(name, dump);
    }
}
