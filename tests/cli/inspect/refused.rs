//! Images that are cut off, damaged or lie: each is refused on one line that names the thing and the place.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use super::Built;
use crate::forge;

/// The line on standard error of an inspection that fails.
fn failure(path: &Path) -> String {
    let output = forge().arg("inspect").arg(path).assert().code(1);
    let output = output.get_output();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(
        output.stdout.is_empty() && text.lines().count() == 1,
        "{text}"
    );
    text
}

#[test]
fn what_is_cut_off_or_lies_is_refused_with_the_place() {
    let names = [
        "metal-amd64.raw.zst",
        "metal-amd64.raw.xz",
        "metal-amd64.raw.gz",
        "metal-amd64.raw.tar.gz",
        "metal-amd64.qcow2",
        "metal-amd64.vhd",
        "metal-amd64.ova",
    ];
    let Some(built) = Built::new(&names) else {
        return;
    };
    for name in names {
        let path = built.path(name);
        let file = File::options().write(true).open(&path).unwrap();
        let len = file.metadata().unwrap().len();
        for len in [len - len / 3, 4096, 600] {
            file.set_len(len).unwrap();
            let text = failure(&path);
            assert!(text.contains(name), "{text}");
            let place = ["offset ", " at ", "sectors "];
            let has_place = place.iter().any(|place| text.contains(place));
            assert!(has_place, "{len} of {name}: {text}");
        }
    }
}

#[test]
fn content_that_is_damaged_is_refused_by_its_checksum() {
    let rows = [
        ("metal-amd64.raw.gz", "unpacking at offset 0x"),
        ("metal-amd64.raw.xz", "unpacking at offset 0x"),
        ("metal-amd64.ova", "disk.vmdk: grain at offset 0x"),
    ];
    let Some(built) = Built::new(&rows.map(|(name, _)| name)) else {
        return;
    };
    for (name, expected) in rows {
        // In the payload: the structure around it stays whole.
        let path = built.path(name);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let middle = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, middle).unwrap();
        file.write_all_at(&[!byte[0]], middle).unwrap();
        let text = failure(&path);
        assert!(text.contains(expected), "{text}");
    }
}

/// A disk whose two partitions are the disk.
fn circle() -> Vec<u8> {
    const SECTORS: u64 = 64;
    let sum = |bytes: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum().to_le_bytes()
    };
    let mut entry = [0; 128];
    entry[..32].fill(1);
    entry[40..48].copy_from_slice(&(SECTORS - 1).to_le_bytes());
    let entries = entry.repeat(2);
    let mut header = [0; 92];
    header[..8].copy_from_slice(b"EFI PART");
    for (offset, value) in [
        (8, 1 << 16),
        (12, 92),
        (24, 1),
        (32, 63),
        (48, 63),
        (72, 2),
        (80, 2),
        (84, 128),
    ] {
        header[offset..offset + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    header[88..92].copy_from_slice(&sum(&entries));
    let header_sum = sum(&header);
    header[16..20].copy_from_slice(&header_sum);
    let mut disk = vec![0; usize::try_from(SECTORS).unwrap() * 512];
    disk[512..][..92].copy_from_slice(&header);
    disk[1024..][..256].copy_from_slice(&entries);
    disk
}

#[test]
fn images_inside_of_themselves_come_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut packed = b"hsqs".to_vec();
    for _ in 0..20 {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &packed).unwrap();
        packed = encoder.finish().unwrap();
    }
    for content in [circle(), packed] {
        let path = folder.path().join("image");
        std::fs::write(&path, content).unwrap();
        let text = failure(&path);
        assert!(
            text.contains("more than 16 images one inside of the other"),
            "{text}"
        );
    }
}
