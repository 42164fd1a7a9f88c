//! A UKI held against the recorded report of a served one, field by field.
//!
//! What follows from the sizes of inputs is recomputed from the image itself (addresses, offsets, sums), what the inputs are
//! (digests of kernel, initramfs and picture) is left out, everything else must be as recorded. `TALOS_FORGE_UKI` names
//! images made elsewhere to be held against the report of their architecture, several separated by `:`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "reports/uki.rs"]
mod uki;

use std::path::Path;

use bytes::Bytes;
use formats::{
    Digest, Layout,
    pe::{HEAD_LEN, Image, Stub, Uki, os_release},
};
use uki::{X86_64, differences, expected, found, report, testdata};

fn inline(len: usize) -> Layout {
    let mut layout = Layout::new();
    layout.zeros(len as u64);
    layout
}

/// The recorded image with other inputs of the lengths given.
fn image(linux: usize, initrd: usize) -> Vec<u8> {
    let stub = Bytes::from(testdata("linuxx64.efi.stub"));
    let uki = Uki {
        os_release: os_release("Talos", "v1.14.0").into(),
        cmdline: "talos.platform=metal console=ttyS0 slab_nomerge pti=on consoleblank=0 printk.devkmsg=on \
                  selinux=1 module.sig_enforce=1 proc_mem.force_override=never lab.golden=1"
            .into(),
        uname: Some("6.1.0-50-cloud-amd64".into()),
        splash: inline(formats::splash::LEN),
        linux: inline(linux),
        initrd: inline(initrd),
        profiles: Some(Vec::new()),
        ..Uki::default()
    };
    let stub_of = Stub {
        head: &stub[..HEAD_LEN],
        digest: Digest::of(&stub),
        len: stub.len() as u64,
    };
    let layout = uki.layout(&stub_of, 1_559_424_892).unwrap();
    layout.collect(|_| stub.clone())
}

#[test]
fn an_image_of_the_recorded_lengths_is_the_recorded_one() {
    let file = image(14_149_568, 79_872_466);
    let report = report(X86_64);
    let parsed = Image::parse(&file, file.len() as u64).unwrap();
    assert_eq!(
        expected(&parsed, &report)["header"],
        report["PE"]["header"],
        "nothing to recompute"
    );
    assert_eq!(found(&file, &parsed)["header"], report["PE"]["header"]);
    assert_eq!(differences(&file, &report), Vec::<String>::new());
}

#[test]
fn an_image_of_other_lengths_differs_only_by_what_follows_from_them() {
    let file = image(4_000_001, 5_000_000);
    assert_eq!(differences(&file, &report(X86_64)), Vec::<String>::new());
}

#[test]
fn a_change_of_anything_else_is_a_difference() {
    let report = report(X86_64);
    let file = image(1000, 1000);
    for (offset, field) in [
        (0x80 + 8, "/header/timestamp"),
        (0x80 + 24 + 68, "/header/subsystem"),
        (0x80 + 24 + 56, "/header/sizeOfImage"),
        (0x188 + 36, "/sections/0/chars"),
        (0x188 + 6 * 40, "/sections/6/name"),
        (0x188 + 9 * 40 + 12, "/sections/9/vaddr"),
        (0x500, "/sections/0/sha256"),
    ] {
        let mut changed = file.clone();
        changed[offset] ^= 1;
        let differences = differences(&changed, &report);
        assert!(
            differences.len() == 1 && differences[0].starts_with(field),
            "{field}: {differences:?}"
        );
    }
}

#[test]
fn images_made_elsewhere_are_as_recorded() {
    let Some(paths) = std::env::var_os("TALOS_FORGE_UKI") else {
        println!("skipped: TALOS_FORGE_UKI names no image");
        return;
    };
    for path in std::env::split_paths(&paths) {
        check(&path);
    }
}

fn check(path: &Path) {
    let file = std::fs::read(path).unwrap();
    let machine = Image::parse(&file, file.len() as u64)
        .unwrap()
        .coff
        .machine
        .get();
    let differences = differences(&file, &report(machine));
    assert!(
        differences.is_empty(),
        "{}:\n{}",
        path.display(),
        differences.join("\n")
    );
}
