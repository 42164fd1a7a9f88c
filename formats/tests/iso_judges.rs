//! ISO 9660 images before the judges: xorriso, isoinfo, sfdisk, bsdtar, hadris-iso.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;
#[path = "images/uefi.rs"]
mod uefi;

use std::{fs, io::Read as _, path::Path};

use formats::{
    Layout, fat,
    iso9660::{self, Directory, File, Image, Node},
};
use images::{Blobs, verdict};
use judges::judge;

const UKI: &str = "EFI/Linux/Talos-v1.14.0.efi";

fn esp(files: &[(&str, Layout)]) -> Layout {
    let mut root = fat::Directory::default();
    for (path, content) in files {
        let content = content.clone();
        root.insert(
            path,
            fat::File {
                attributes: fat::Attributes::ARCHIVE,
                content,
            },
        )
        .unwrap();
    }
    let longest = files.iter().map(|(_, content)| content.len()).max();
    uefi::esp(root, 0, longest.unwrap_or(0))
}

/// An image for UEFI of these files, in the ISO and in its ESP.
fn bootable(files: &[(&str, Layout)]) -> Image {
    let mut root = Directory::new(0o755);
    for (path, content) in files {
        let content = content.clone();
        root.insert(
            path,
            Node::File(File {
                mode: 0o644,
                content,
            }),
        )
        .unwrap();
    }
    uefi::image(root, esp(files))
}

/// Names of all lengths, a link, an empty file, a directory of several blocks, one as deep as can be.
fn rich(blobs: &mut Blobs) -> Image {
    let mut image = bootable(&[
        ("EFI/BOOT/BOOTX64.EFI", blobs.add(1, 120_001)),
        (UKI, blobs.add(2, 5_000_001)),
    ]);
    let mut add = |path: &str, node| image.root.insert(path, node).unwrap();
    let mut file = |seed, len| {
        Node::File(File {
            mode: 0o444,
            content: blobs.add(seed, len),
        })
    };
    add("empty", file(3, 0));
    add("a/b/c/d/e/f/g/deep", file(4, 10));
    add(&"l".repeat(255), file(5, 2048));
    add(&"l".repeat(254), file(6, 2049));
    for index in 0..200 {
        add(
            &format!("many/a file with a long name, number {index}.text"),
            file(7 + index, 700),
        );
    }
    add("link", Node::Symlink("../EFI/Linux".to_owned()));
    add(
        "long link",
        Node::Symlink(format!("/{}/x", "y".repeat(255))),
    );
    image
}

fn xorriso(path: &Path, arguments: &[&str]) -> Option<String> {
    Some(verdict(
        judge("xorriso")?.arg("-indev").arg(path).args(arguments),
    ))
}

#[test]
fn xorriso_extracts_what_was_written() {
    let mut blobs = Blobs::default();
    let layout = rich(&mut blobs).layout().unwrap();
    let image = blobs.write(&layout);
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let Some(text) = xorriso(
        &image,
        &["-osirrox", "on", "-extract", "/", target.to_str().unwrap()],
    ) else {
        return;
    };
    assert!(
        !text.contains("WARNING") && !text.contains("FAILURE"),
        "{text}"
    );
    let content = |path: &str| fs::read(target.join(path)).unwrap();
    let mut expected = |seed, len| {
        let layout = blobs.add(seed, len);
        blobs.collect(&layout)
    };
    assert_eq!(content(UKI), expected(2, 5_000_001));
    assert_eq!(content("a/b/c/d/e/f/g/deep"), expected(4, 10));
    assert_eq!(content(&"l".repeat(255)), expected(5, 2048));
    assert_eq!(content(&"l".repeat(254)), expected(6, 2049));
    assert_eq!(
        content("many/a file with a long name, number 199.text"),
        expected(206, 700)
    );
    assert_eq!(content("empty"), b"");
    assert_eq!(
        fs::read_link(target.join("link")).unwrap(),
        Path::new("../EFI/Linux")
    );
    let long = fs::read_link(target.join("long link")).unwrap();
    assert_eq!(long, Path::new(&format!("/{}/x", "y".repeat(255))));
}

#[test]
fn xorriso_lists_the_same_in_both_sets() {
    let mut blobs = Blobs::default();
    let layout = rich(&mut blobs).layout().unwrap();
    let image = blobs.write(&layout);
    let list = &["-find", "/", "-exec", "lsdl", "--"];
    let Some(first) = xorriso(
        &image,
        &[&["-report_system_area", "plain"], &list[..]].concat(),
    ) else {
        return;
    };
    assert!(first.contains("Partition offset   : 16"), "{first}");
    // What `/dev/sdX1` would be.
    let second = layout.slice(16 * 2048..layout.len());
    let second = blobs.write(&second);
    let second = xorriso(&second, list).unwrap();
    let listing = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| {
            line.ends_with('\'') && line.contains(" 2019 ") && !line.contains("boot.catalog")
        });
        lines.map(str::to_owned).collect()
    };
    assert_eq!(listing(&first).len(), 220);
    assert_eq!(listing(&first), listing(&second));
}

#[test]
fn isoinfo_reads_rock_ridge_and_the_catalogue() {
    let mut blobs = Blobs::default();
    let layout = rich(&mut blobs).layout().unwrap();
    let image = blobs.write(&layout);
    let (Some(mut describe), Some(mut list)) = (judge("isoinfo"), judge("isoinfo")) else {
        return;
    };
    let description = verdict(describe.args(["-d", "-i"]).arg(&image));
    for line in [
        "Volume id: TALOS_V1_14_0",
        "Volume set id: Talos-v1.14.0",
        "Data preparer id: TALOS-FORGE",
        "Logical block size is: 2048",
        "El Torito VD version 1 found, boot catalog is in sector",
        "Arch 239 (Unknown Arch)",
        "Rock Ridge signatures version 1 found",
    ] {
        assert!(description.contains(line), "{line}: {description}");
    }
    let listing = verdict(list.args(["-l", "-R", "-i"]).arg(&image));
    for line in [
        "Talos-v1.14.0.efi",
        "link -> ../EFI/Linux",
        "number 199.text",
        "deep",
    ] {
        assert!(listing.contains(line), "{line}: {listing}");
    }
}

#[test]
fn sfdisk_finds_two_partitions_on_whole_mebibytes() {
    let mut blobs = Blobs::default();
    let image = rich(&mut blobs);
    let plan = image.plan().unwrap();
    let path = blobs.write(&image.layout().unwrap());
    let Some(mut sfdisk) = judge("sfdisk") else {
        return;
    };
    let text = verdict(sfdisk.arg("-J").arg(&path));
    let table: serde_json::Value = serde_json::from_str(&text).unwrap();
    let partition =
        |index: usize, field: &str| table["partitiontable"]["partitions"][index][field].clone();
    assert_eq!(
        (partition(0, "start"), partition(0, "type")),
        (64.into(), "83".into())
    );
    assert_eq!(
        partition(0, "size"),
        serde_json::Value::from(plan.iso_end * 4 - 64)
    );
    assert_eq!(
        (partition(1, "start"), partition(1, "type")),
        ((plan.iso_end * 4).into(), "ef".into())
    );
    assert_eq!(
        partition(1, "size").as_u64().unwrap() * 512,
        image.appended[0].content.len()
    );
    assert_eq!(partition(1, "start").as_u64().unwrap() % 2048, 0);
}

#[test]
fn bsdtar_lists_every_name() {
    let mut blobs = Blobs::default();
    let layout = rich(&mut blobs).layout().unwrap();
    let image = blobs.write(&layout);
    let Some(mut bsdtar) = judge("bsdtar") else {
        return;
    };
    let listing = verdict(bsdtar.arg("-tf").arg(&image));
    for name in [
        UKI,
        "a/b/c/d/e/f/g/deep",
        &"l".repeat(255),
        "many/a file with a long name, number 42.text",
    ] {
        assert!(
            listing.lines().any(|line| line == name),
            "{name}: {listing}"
        );
    }
}

#[test]
fn hadris_iso_reads_the_same_tree() {
    use hadris_fs::{MountOptions, OpenOptions, sync::Volume};
    use hadris_iso::sync::IsoFs;
    use hadris_storage::host::FileDevice;

    let mut blobs = Blobs::default();
    let layout = rich(&mut blobs).layout().unwrap();
    let contents = iso9660::read(&blobs.source(&layout), &iso9660::Limits::default()).unwrap();
    let path = blobs.write(&layout);
    let whole = fs::read(&path).unwrap();
    let volume =
        Volume::new(IsoFs::mount(FileDevice::open(&path).unwrap(), MountOptions::new()).unwrap());
    let files = contents.volumes[0]
        .entries
        .iter()
        .filter(|entry| entry.kind == iso9660::Kind::File);
    for entry in files {
        let mut bytes = Vec::new();
        let mut file = volume
            .open(format!("/{}", entry.path), OpenOptions::new().read())
            .unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let range = |run: &std::ops::Range<u64>| {
            usize::try_from(run.start).unwrap()..usize::try_from(run.end).unwrap()
        };
        let ours: Vec<u8> = entry
            .runs
            .iter()
            .flat_map(|run| whole[range(run)].to_vec())
            .collect();
        assert!(ours == bytes, "{}", entry.path);
    }
}

#[test]
fn a_file_of_more_than_4_gib_has_several_extents() {
    let blobs = Blobs::default();
    let mut content = Layout::new();
    content.bytes(b"start".as_slice());
    content.zeros(9 << 30);
    content.bytes(b"end".as_slice());
    let len = content.len();
    let mut root = Directory::new(0o755);
    root.insert(
        "big",
        Node::File(File {
            mode: 0o444,
            content,
        }),
    )
    .unwrap();
    root.insert(
        "small",
        Node::File(File {
            mode: 0o444,
            content: Layout::new(),
        }),
    )
    .unwrap();
    let image = Image {
        root,
        catalog: None,
        appended: Vec::new(),
        ..bootable(&[])
    };
    let layout = image.layout().unwrap();
    let contents = iso9660::read(&blobs.source(&layout), &iso9660::Limits::default()).unwrap();
    for volume in &contents.volumes {
        assert_eq!(volume.entries[0].len, len);
        assert_eq!(
            volume.entries[0].runs.len(),
            1,
            "the pieces are one behind the other"
        );
    }
    let path = blobs.write(&layout);
    let Some(listing) = xorriso(&path, &["-find", "/big", "-exec", "lsdl", "--"]) else {
        return;
    };
    assert!(
        listing.contains(&format!("{len} Jun  1  2019 '/big'")),
        "{listing}"
    );
}
