//! Images read, written, and held against goblin, binutils and pefile.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

pub mod judges;

use std::process::Command;

use bytes::Bytes;
use formats::{
    Digest, Layout,
    pe::{
        Error, HEAD_LEN, Image, MAX_SECTIONS, Profile, Section, SectionName, Stub, Uki, append,
        dump, os_release,
    },
};
use judges::judge;
use proptest::prelude::*;

const TIME: u32 = 1_559_424_892;

fn stub_bytes() -> Bytes {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/linuxx64.efi.stub");
    std::fs::read(path).unwrap().into()
}

fn stub(bytes: &[u8]) -> Stub<'_> {
    Stub {
        head: &bytes[..bytes.len().min(HEAD_LEN)],
        digest: Digest::of(bytes),
        len: bytes.len() as u64,
    }
}

fn content(bytes: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(bytes.to_vec());
    layout
}

fn blob(name: &str, len: u64) -> Layout {
    let mut layout = Layout::new();
    layout.blob(Digest::of(name), 0, len);
    layout
}

/// Two profiles and everything that a signed image has, kernel and initramfs of awkward lengths.
fn example() -> Uki {
    let mut splash = Layout::new();
    splash.blob(formats::splash::digest(), 0, formats::splash::LEN as u64);
    Uki {
        os_release: os_release("Talos", "v1.14.0").into(),
        cmdline: "talos.platform=metal console=tty0".into(),
        uname: Some("6.18.45-talos".into()),
        splash,
        pcr_public_key: Some("-----BEGIN PUBLIC KEY-----\n".into()),
        linux: blob("kernel", 14_149_568),
        initrd: blob("initramfs", 79_872_467),
        profiles: Some(vec![Profile {
            id: "reset".into(),
            title: Some("Reset system disk".into()),
            cmdline: Some("talos.platform=metal talos.experimental.wipe=system".into()),
            pcr_signature: Some("{\"sha256\":[1]}".into()),
        }]),
        pcr_signature: Some("{\"sha256\":[0]}".into()),
    }
}

/// A small image as bytes.
fn small() -> Vec<u8> {
    // Long and even, because pefile remarks on files that are mostly one byte.
    let kernel: Vec<u8> = (0..=250).cycle().take(1_000_001).collect();
    let uki = Uki {
        linux: content(&kernel),
        initrd: content(&[0x5a; 513]),
        ..example()
    };
    let stub_bytes = stub_bytes();
    let layout = uki.layout(&stub(&stub_bytes), TIME).unwrap();
    layout.collect(|digest| {
        let splash = *digest == formats::splash::digest();
        if splash {
            formats::splash::bmp()
        } else {
            stub_bytes.clone()
        }
    })
}

#[test]
fn a_dump_of_the_stub_names_every_header() {
    let stub = stub_bytes();
    insta::assert_snapshot!(dump(&stub, stub.len() as u64).unwrap());
}

#[test]
fn a_dump_of_an_image_names_every_section() {
    let file = small();
    insta::assert_snapshot!(dump(&file, file.len() as u64).unwrap());
}

#[test]
fn a_layout_dump_shows_the_plan() {
    insta::assert_snapshot!(example().layout(&stub(&stub_bytes()), TIME).unwrap().dump());
}

#[test]
fn the_bytes_of_a_small_image_are_pinned() {
    insta::assert_snapshot!(Digest::of(small()).to_string());
}

#[test]
fn nothing_of_the_payload_is_inline() {
    let layout = example().layout(&stub(&stub_bytes()), TIME).unwrap();
    let inline: u64 = layout
        .extents()
        .filter(|(_, extent)| matches!(extent, formats::Extent::Bytes(_)))
        .map(|(_, extent)| extent.len())
        .sum();
    assert!(inline < 2000, "{inline}: headers and a few texts");
    let blobs = layout.blobs();
    assert_eq!(blobs.iter().map(|(_, _, len)| len).max(), Some(&79_872_467));
}

#[test]
fn sections_of_each_group_are_in_the_order_of_the_enum() {
    let sections = example().sections().unwrap();
    let order: Vec<Section> = sections.into_iter().map(|(section, _)| section).collect();
    let groups: Vec<_> = order
        .chunk_by(|_, next| *next != Section::Profile)
        .collect();
    assert_eq!(groups.len(), 3, "the image, main, reset");
    for group in &groups {
        assert!(group.is_sorted(), "{group:?}");
    }
    assert_eq!(groups[1], [Section::Profile, Section::PcrSignature]);
    let own = [
        Section::Profile,
        Section::ProfileCmdline,
        Section::PcrSignature,
    ];
    assert_eq!(groups[2], own);
}

#[test]
fn goblin_reads_the_same_sections() {
    let file = small();
    let theirs = goblin::pe::PE::parse(&file).unwrap();
    let ours = Image::parse(&file, file.len() as u64).unwrap();
    assert!(theirs.is_64);
    assert_eq!(theirs.sections.len(), ours.sections.len());
    for (theirs, ours) in theirs.sections.iter().zip(&ours.sections) {
        assert_eq!(theirs.name, ours.name);
        assert_eq!(theirs.virtual_address, ours.virtual_address.get());
        assert_eq!(theirs.virtual_size, ours.virtual_size.get());
        assert_eq!(theirs.pointer_to_raw_data, ours.pointer_to_raw_data.get());
        assert_eq!(theirs.size_of_raw_data, ours.size_of_raw_data.get());
        assert_eq!(theirs.characteristics, ours.characteristics.get());
    }
    let optional = theirs.header.optional_header.unwrap();
    assert_eq!(
        optional.windows_fields.size_of_image,
        ours.optional.size_of_image.get()
    );
    assert_eq!(
        optional
            .data_directories
            .get_base_relocation_table()
            .unwrap()
            .size,
        ours.directories[5].size.get()
    );
    assert_eq!(theirs.header.coff_header.time_date_stamp, TIME);
}

fn write_small() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.efi");
    std::fs::write(&path, small()).unwrap();
    (folder, path)
}

#[test]
fn objdump_lists_the_same_sections() {
    let Some(mut objdump) = judge("objdump") else {
        return;
    };
    let (_folder, path) = write_small();
    let output = objdump.arg("-h").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    let listing = String::from_utf8(output.stdout).unwrap();
    // Lines such as `  6 .osrel        000000e8  000000014dfab000  000000014dfab000  00016600  2**2`.
    let rows: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.len() == 7 && words[0].parse::<u32>().is_ok())
        .collect();
    let file = small();
    let image = Image::parse(&file, file.len() as u64).unwrap();
    assert_eq!(rows.len(), image.sections.len(), "{listing}");
    for (row, section) in rows.iter().zip(&image.sections) {
        let number = |column: usize| u64::from_str_radix(row[column], 16).unwrap();
        assert_eq!(row[1].as_bytes(), section.name());
        assert_eq!(number(2), u64::from(section.virtual_size.get()), "{row:?}");
        let base = image.optional.image_base.get();
        assert_eq!(number(3), base + u64::from(section.virtual_address.get()));
        assert_eq!(number(5), u64::from(section.pointer_to_raw_data.get()));
    }
}

/// A Python that has pefile: the first in the path, or Debian's, for which alone Debian packages it.
fn python_with_pefile() -> Option<Command> {
    let has_pefile = |python: &&str| {
        let output = Command::new(python).args(["-c", "import pefile"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    judge("python3")?;
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_pefile);
    if found.is_none() {
        let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
        assert!(!required, "judge pefile is not installed");
        println!("skipped: judge pefile is not installed");
    }
    found.map(Command::new)
}

#[test]
fn pefile_reads_it_without_a_warning() {
    let Some(mut python) = python_with_pefile() else {
        return;
    };
    let (_folder, path) = write_small();
    let script = r"
import pefile, sys
pe = pefile.PE(sys.argv[1])
print(*(s.Name.rstrip(b'\0').decode() for s in pe.sections))
print(*pe.get_warnings(), sep='\n')
";
    let output = python.args(["-c", script]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", output.stderr.escape_ascii());
    let names = ".text .rodata .data .sbat .sdmagic .reloc .osrel .cmdline .uname .splash .pcrpkey \
                 .linux .initrd .profile .pcrsig .profile .cmdline .pcrsig";
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), names);
}

/// Puts `bytes` at `offset` of the stub.
fn changed(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut stub = stub_bytes().to_vec();
    stub[offset..][..bytes.len()].copy_from_slice(bytes);
    stub
}

#[test]
fn stubs_that_nothing_can_be_appended_to_are_refused() {
    let stub_head = stub_bytes();
    let pe = u32::from_le_bytes(stub_head[0x3c..0x40].try_into().unwrap()) as usize;
    let (coff, optional) = (pe + 4, pe + 24);
    let cases: [(&str, usize, &[u8]); 6] = [
        ("symbol table", coff + 8, &[0, 2, 0, 0]),
        ("data directories", optional + 108, &[15, 0, 0, 0]),
        ("signed", optional + 112 + 4 * 8, &[0, 2, 0, 0, 8, 0, 0, 0]),
        ("power of two", optional + 36, &[0, 3, 0, 0]),
        ("no sections", coff + 2, &[0, 0]),
        (
            "order of their addresses",
            optional + 240 + 12,
            &[0, 0, 1, 0],
        ),
    ];
    for (expected, offset, bytes) in cases {
        let changed = changed(offset, bytes);
        match append(&stub(&changed), TIME, &[]) {
            Err(Error::UnfitStub { why }) => assert!(why.contains(expected), "{why}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn other_files_are_refused_by_name() {
    let file = stub_bytes();
    let pe = u32::from_le_bytes(file[0x3c..0x40].try_into().unwrap()) as usize;
    let parse = |bytes: &[u8]| Image::parse(bytes, bytes.len() as u64).map(|_| ());
    let magic = |what, offset| Err(Error::InvalidMagic { what, offset });
    assert_eq!(parse(&changed(0, b"ZM")), magic("DOS", 0));
    assert_eq!(parse(&changed(pe, b"NE")), magic("PE", pe));
    assert_eq!(
        parse(&changed(pe + 24, &[0x0b, 0x01])),
        magic("PE32+", pe + 24)
    );
    assert_eq!(
        parse(&changed(pe + 6, &[97, 0])),
        Err(Error::TooManySections { count: 97 })
    );
    assert!(matches!(
        parse(&changed(0x3c, &[0xff; 4])),
        Err(Error::Truncated {
            what: "signature",
            ..
        })
    ));
    assert!(matches!(
        Image::parse(&file, file.len() as u64 - 1),
        Err(Error::SectionOutsideFile { .. })
    ));
}

#[test]
fn images_beyond_32_bits_are_refused() {
    let uki = Uki {
        initrd: blob("initramfs", 4 << 30),
        ..example()
    };
    let built = uki.layout(&stub(&stub_bytes()), TIME);
    assert!(matches!(built, Err(Error::ImageTooLarge { .. })));
    let sections: Vec<(SectionName, Layout)> = (0..MAX_SECTIONS)
        .map(|_| (*b".profile", content(b"ID=x")))
        .collect();
    let built = append(&stub(&stub_bytes()), TIME, &sections);
    assert_eq!(built, Err(Error::TooManySections { count: 96 + 6 }));
    // 92 headers of sections end at 4064; the next ones would lie where the stub's first section is in memory.
    assert!(append(&stub(&stub_bytes()), TIME, &sections[..86]).is_ok());
    assert!(matches!(
        append(&stub(&stub_bytes()), TIME, &sections[..87]),
        Err(Error::UnfitStub { .. })
    ));
}

#[test]
fn every_truncation_of_the_headers_is_an_error() {
    let file = small();
    let image = Image::parse(&file, file.len() as u64).unwrap();
    let end = 0x80 + 24 + 240 + 40 * image.sections.len();
    for len in 0..end {
        assert!(
            Image::parse(&file[..len], file.len() as u64).is_err(),
            "{len}"
        );
    }
    assert_eq!(Image::parse(&file[..end], file.len() as u64), Ok(image));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_appended_is_read_back(
        added in proptest::collection::vec(
            (proptest::array::uniform8(1..=255_u8), proptest::collection::vec(any::<u8>(), 0..1500)),
            0..20,
        ),
    ) {
        let bytes = stub_bytes();
        let sections: Vec<_> = added.iter().map(|(name, bytes)| (*name, content(bytes))).collect();
        let layout = append(&stub(&bytes), TIME, &sections).unwrap();
        let file = layout.collect(|_| bytes.clone());
        let before = Image::parse(&bytes, bytes.len() as u64).unwrap();
        let image = Image::parse(&file, file.len() as u64).unwrap();
        let (old, new) = image.sections.split_at(before.sections.len());
        for (before, after) in before.sections.iter().zip(old) {
            let range = |pointer: u32| {
                let start = pointer as usize;
                start..start + before.size_of_raw_data.get() as usize
            };
            prop_assert_eq!(before.virtual_address, after.virtual_address);
            prop_assert!(
                bytes[range(before.pointer_to_raw_data.get())] == file[range(after.pointer_to_raw_data.get())]
            );
        }
        prop_assert_eq!(new.len(), added.len());
        for (section, (name, content)) in new.iter().zip(&added) {
            let start = section.pointer_to_raw_data.get() as usize;
            prop_assert_eq!(&section.name, name);
            prop_assert_eq!(section.virtual_address.get() % 4096, 0);
            prop_assert_eq!(start % 512, 0);
            prop_assert_eq!(&file[start..start + section.virtual_size.get() as usize], content);
        }
        prop_assert_eq!(image.directories, before.directories);
    }

    #[test]
    fn damaged_stubs_never_panic(
        flips in proptest::collection::vec((0..1024_usize, any::<u8>()), 1..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = stub_bytes().to_vec();
        for (index, value) in flips {
            bytes[index] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        formats::pe::fuzz(&bytes);
    }
}
