use std::collections::HashSet;

use ::zstd as zstd_library;
use bytes::Bytes;
use formats::{Extent, extent::Function};

use super::*;
use crate::{schematic::Schematic, store::Store, target::Context};

const MIB: u64 = 1 << 20;
const FORMATS: [&str; 4] = ["raw", "qcow2", "vhd", "ova"];
const PACKINGS: [&str; 5] = ["", ".zst", ".xz", ".gz", ".tar.gz"];

const METHODS: [Method; 3] = [
    Method::Xz,
    Method::Deflate { unit: STREAM_PIECE },
    Method::Deflate { unit: GRAIN_PIECE },
];

fn encoding(path: &str) -> Result<Encoding, Error> {
    let target = Target::new("v1.14.0", path, &Schematic::default(), &Context::default());
    Encoding::of(&target.unwrap())
}

/// 40 MiB with blobs where disks have them, one of which compresses.
struct Sample {
    disk: Layout,
    contents: Vec<Content>,
    packs: Vec<Packs>,
    bytes: HashMap<Digest, Bytes>,
    raw: Vec<u8>,
}

fn sample() -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), u64::MAX).unwrap();
    let mut state = 1_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    let noise: Vec<u8> = std::iter::repeat_with(next).take(3_000_001).collect();
    let text = b"all work and no play makes a dull blob. ".repeat(60_000);
    let mut bytes = HashMap::new();
    let mut packs = vec![Packs::default(); METHODS.len()];
    let mut contents = Vec::new();
    for blob in [noise, text] {
        let content = store.put(&blob).unwrap();
        let pin = store.pin(&content.digest).unwrap().unwrap();
        for (packs, method) in packs.iter_mut().zip(METHODS) {
            if let Some(made) = pack::make(&store, &pin, method).unwrap().made {
                let stream = store.pin(&made.content.digest).unwrap().unwrap();
                let mut whole = Vec::new();
                std::io::Read::read_to_end(&mut stream.reader(0), &mut whole).unwrap();
                bytes.insert(made.content.digest, Bytes::from(whole));
                packs.add(content.digest, &made).unwrap();
            }
        }
        bytes.insert(content.digest, Bytes::from(blob));
        contents.push(content);
    }
    let mut disk = Layout::new();
    disk.bytes(vec![0x55; 700]);
    disk.pad_to(MIB);
    for content in &contents {
        disk.blob(content.digest, 0, content.len);
        disk.align(4096);
        disk.push(Extent::Sequence {
            start: 1,
            step: 1,
            count: 30_000,
        });
        disk.align(MIB);
        disk.zeros(5 * MIB);
    }
    disk.blob(contents[0].digest, 512, 2 * MIB);
    disk.pad_to(40 * MIB - 512);
    disk.bytes(vec![0xaa; 512]);
    let raw = disk.collect(|digest| bytes[digest].clone());
    Sample {
        disk,
        contents,
        packs,
        bytes,
        raw,
    }
}

impl Sample {
    fn encoded(&self, path: &str) -> Layout {
        let encoding = encoding(path).unwrap();
        let method = METHODS
            .iter()
            .position(|method| Some(*method) == encoding.method());
        let none = Packs::default();
        let packs = method.map_or(&none, |method| &self.packs[method]);
        encoding.layout(&self.disk, &Known::new(&self.contents, packs))
    }

    fn bytes(&self, layout: &Layout) -> Vec<u8> {
        layout.collect(|digest| self.bytes[digest].clone())
    }
}

fn unpacked(packing: &str, bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut reader: Box<dyn std::io::Read> = match packing {
        ".zst" => Box::new(zstd_library::Decoder::new(bytes).unwrap()),
        ".xz" => Box::new(liblzma::read::XzDecoder::new(bytes)),
        ".gz" => Box::new(flate2::read::GzDecoder::new(bytes)),
        _ => Box::new(bytes),
    };
    std::io::Read::read_to_end(&mut reader, &mut content).unwrap();
    content
}

#[test]
fn what_is_unpacked_is_the_disk_in_its_format() {
    let sample = sample();
    for format in FORMATS {
        let plain = sample.bytes(&sample.encoded(&format!("metal-amd64.{format}")));
        if format == "raw" {
            assert!(plain == sample.raw);
        }
        for packing in PACKINGS {
            let path = format!("metal-amd64.{format}{packing}");
            let layout = sample.encoded(&path);
            let bytes = sample.bytes(&layout);
            assert_eq!(bytes.len() as u64, layout.len(), "{path}");
            if packing == ".tar.gz" {
                let tar = unpacked(".gz", &bytes);
                let members = tar::read_archive(tar.as_slice(), tar::Limits::default()).unwrap();
                assert_eq!(
                    (members.len(), &*members[0].name),
                    (1, b"disk.raw".as_slice())
                );
                let mut content = vec![0; usize::try_from(members[0].len).unwrap()];
                let mut from = usize::try_from(members[0].offset).unwrap();
                for (offset, len) in &members[0].runs {
                    let (offset, len) = (
                        usize::try_from(*offset).unwrap(),
                        usize::try_from(*len).unwrap(),
                    );
                    content[offset..offset + len].copy_from_slice(&tar[from..from + len]);
                    from += len;
                }
                assert!(content == plain, "{path}");
            } else {
                assert!(unpacked(packing, &bytes) == plain, "{path}");
            }
        }
    }
}

/// Ranges are cut by arithmetic: any two halves of anything are the whole.
#[test]
fn any_part_of_any_encoding_equals_the_whole() {
    let sample = sample();
    for format in FORMATS {
        for packing in PACKINGS {
            let layout = sample.encoded(&format!("metal-amd64.{format}{packing}"));
            let whole = sample.bytes(&layout);
            let mut place = 1_u64;
            for round in 0..100_u64 {
                place = place
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(round);
                let start = (place >> 16) % layout.len();
                let end = layout.len().min(start + (place >> 8) % 70_000);
                let (from, to) = (
                    usize::try_from(start).unwrap(),
                    usize::try_from(end).unwrap(),
                );
                let part = sample.bytes(&layout.slice(start..end));
                assert!(part == whole[from..to], "{format}{packing} {start}..{end}");
            }
        }
    }
}

#[test]
fn encodings_are_told_apart_by_their_fingerprints() {
    let sample = sample();
    let mut seen = HashSet::new();
    for format in FORMATS {
        for packing in PACKINGS {
            let path = format!("metal-amd64.{format}{packing}");
            let layout = sample.encoded(&path);
            assert_eq!(
                layout.fingerprint("1"),
                sample.encoded(&path).fingerprint("1")
            );
            assert!(seen.insert(layout.fingerprint("1")), "{path}");
        }
    }
}

/// Blobs that are whole need not be read for any checksum; a range that begins anywhere is, up to the next whole MiB.
#[test]
fn checksums_come_from_what_the_store_knows() {
    let sample = sample();
    for packing in ["xz", "gz"] {
        let layout = sample.encoded(&format!("metal-amd64.raw.{packing}"));
        let mut read = 0;
        for (_, extent) in layout.extents() {
            if let Extent::Deferred(deferred) = extent {
                assert!(matches!(deferred.function(), Function::Crc(_)));
                read += deferred
                    .contents()
                    .map(|(_, range)| range.end - range.start)
                    .sum::<u64>();
            }
        }
        assert_eq!(read, MIB, "{packing}");
    }
}

#[test]
fn what_compresses_is_compressed_but_for_zst() {
    let sample = sample();
    let lens = sample.packs.iter();
    let lens: Vec<usize> = lens
        .map(|packs| packs.xz.len() + packs.deflate.len())
        .collect();
    assert_eq!(lens, [1, 1, 1], "noise is no smaller in any way");
    for (path, stored) in [
        ("metal-amd64.raw.xz", false),
        ("metal-amd64.raw.gz", false),
        ("gcp-amd64.raw.tar.gz", false),
        ("azure-amd64.vhd.gz", false),
        ("vmware-amd64.ova", false),
        ("metal-amd64.raw.zst", true),
    ] {
        let encoding = encoding(path).unwrap();
        let none = Packs::default();
        let plain = encoding
            .layout(&sample.disk, &Known::new(&sample.contents, &none))
            .len();
        let packed = sample.encoded(path).len();
        assert_eq!(
            packed + 2_000_000 > plain,
            stored,
            "{path}: {packed} of {plain}"
        );
    }
}

/// Bytes of a made blob are part of every image that holds it: an update of a library that makes others must raise the number in
/// its recipe.
#[test]
fn what_is_made_of_a_blob_is_pinned() {
    let made: Vec<_> = sample()
        .packs
        .iter()
        .flat_map(|packs| {
            let xz = packs.xz.values().map(|packed| packed.digest);
            xz.chain(packs.deflate.values().map(Pieces::digest))
        })
        .map(|digest| digest.to_string())
        .collect();
    insta::assert_debug_snapshot!(made);
}

#[test]
fn cluster_sizes_are_those_of_the_platform_or_8_kib() {
    let cases = [
        ("metal-amd64.qcow2", Some(8192)),
        ("exoscale-amd64.qcow2", Some(8192)),
        ("azure-amd64.qcow2", Some(8192)),
    ];
    for (path, expected) in cases {
        let Format::Qcow2(size) = encoding(path).unwrap().format else {
            panic!("{path}");
        };
        assert_eq!(Some(size.bytes()), expected, "{path}");
    }
    for (options, expected) in [
        ("", Some(8 << 10)),
        ("cluster_size=64k", Some(64 << 10)),
        ("lazy_refcounts=off,cluster_size=2M", Some(2 << 20)),
        ("cluster_size=512", Some(512)),
        ("cluster_size=3k", None),
        ("cluster_size=", None),
        ("cluster_size=99999999999999999999", None),
    ] {
        let size = cluster_size(options).ok().map(ClusterSize::bytes);
        assert_eq!(size, expected, "{options}");
    }
}

#[test]
fn the_name_in_a_gz_is_that_of_the_file() {
    let sample = sample();
    for (path, name) in [
        ("metal-arm64.raw.gz", Some("metal-arm64.raw")),
        (
            "digital-ocean-amd64.raw.gz",
            Some("digital-ocean-amd64.raw"),
        ),
        ("gcp-amd64.raw.tar.gz", None),
    ] {
        let bytes = sample.bytes(&sample.encoded(path));
        let member = gzip::read_member(bytes.as_slice(), gzip::Limits::default()).unwrap();
        assert_eq!(member.name.as_deref(), name.map(str::as_bytes), "{path}");
    }
}
