//! Disks in every format and packing over a socket: ranges, what they hold, and what HEAD costs.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, Read, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use formats::Digest;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_LENGTH, ETAG},
};
use sha2::{Digest as _, Sha256};

use crate::{
    release::{Connection, artifact, end, schematic},
    standin,
    support::Running,
};

/// Its disks are the smallest, 1246 MiB.
const VERSION: &str = "v1.9.5";
const FORMATS: [&str; 4] = ["raw", "qcow2", "vhd", "ova"];
const PACKINGS: [&str; 5] = ["", ".zst", ".xz", ".gz", ".tar.gz"];
/// Of each format and packing.
const RANGES: usize = 2000;

/// What a path may ask for.
pub(crate) fn encodings() -> impl Iterator<Item = (&'static str, &'static str)> {
    let packed = |format| PACKINGS.map(|packing| (format, packing));
    FORMATS.into_iter().flat_map(packed)
}

/// Numbers that every run repeats.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Every second range begins shortly before a border of the layout's extents.
fn ranges(connection: &mut Connection, path: &str, whole: &File, borders: &[u64], seed: u64) {
    let len = whole.metadata().unwrap().len();
    let mut numbers = Numbers(seed);
    let mut expected = Vec::new();
    for index in 0..RANGES {
        let first = if index % 2 == 0 {
            numbers.below(len)
        } else {
            let border = borders[usize::try_from(numbers.below(borders.len() as u64)).unwrap()];
            border.saturating_sub(numbers.below(600)).min(len - 1)
        };
        let longest = if index % 16 == 0 { 2 << 20 } else { 8 << 10 };
        let last = (first + numbers.below(longest)).min(len - 1);
        let (status, part) = connection.get(path, Some((first, last)));
        assert_eq!(status, 206, "{path} {first}-{last}");
        expected.resize(part.len(), 0);
        whole.read_exact_at(&mut expected, first).unwrap();
        assert_eq!(part.len() as u64, last - first + 1, "{path} {first}-{last}");
        assert!(part == expected, "{path} {first}-{last}");
    }
}

fn digest(mut input: impl Read) -> Digest {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = input.read(&mut buffer).unwrap();
        if len == 0 {
            return Digest::finish(hash);
        }
        hash.update(&buffer[..len]);
    }
}

/// What is in a packed file.
fn unpacked(packing: &str, file: &Path) -> Digest {
    let input = BufReader::with_capacity(1 << 20, File::open(file).unwrap());
    match packing {
        ".zst" => digest(zstd::Decoder::with_buffer(input).unwrap()),
        ".xz" => digest(liblzma::bufread::XzDecoder::new(input)),
        ".gz" => digest(flate2::bufread::GzDecoder::new(input)),
        ".tar.gz" => {
            let content = flate2::bufread::GzDecoder::new(input);
            let mut archive = tar::Archive::new(content);
            let mut entries = archive.entries().unwrap();
            let entry = entries.next().unwrap().unwrap();
            assert_eq!(&*entry.path_bytes(), b"disk.raw");
            let digest = digest(entry);
            assert!(entries.next().is_none());
            digest
        }
        _ => digest(input),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_ranges_of_every_encoding_equal_the_whole_and_what_is_unpacked_is_the_disk() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let id = schematic(&server).await;
    let mut plain = BTreeMap::new();
    for (seed, (format, packing)) in (1..).zip(encodings()) {
        let path = format!("image/{id}/{VERSION}/metal-amd64.{format}{packing}");
        let layout = artifact(&server, &path).await.layout;
        let borders: Vec<u64> = layout.extents().map(|(offset, _)| offset).collect();
        let (address, wanted) = (server.address, layout.len());
        let check = move || {
            let mut connection = Connection::new(address);
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let mut out = BufWriter::with_capacity(1 << 20, &mut file);
            let (status, len) = connection.save(&path, &mut out);
            out.flush().unwrap();
            drop(out);
            assert_eq!((status, len), (200, wanted), "{path}");
            ranges(&mut connection, &path, file.as_file(), &borders, seed);
            unpacked(packing, file.path())
        };
        let found = tokio::task::spawn_blocking(check).await.unwrap();
        let expected = plain.entry(format).or_insert(found);
        assert_eq!(found, *expected, "{format}{packing}");
    }
}

/// Length and entity tag of every encoding of some disks, in this order.
async fn heads(server: &Running, order: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let id = schematic(server).await;
    let client = Client::new();
    let mut heads = BTreeMap::new();
    for version in ["v1.14.0", VERSION] {
        for disk in ["metal-amd64", "aws-arm64"] {
            for (format, packing) in order {
                let path = format!("image/{id}/{version}/{disk}.{format}{packing}");
                let answer = client.head(server.url(&path)).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::OK, "{path}");
                let value = |name| answer.headers()[name].to_str().unwrap().to_owned();
                heads.insert(path, (value(CONTENT_LENGTH), value(ETAG)));
            }
        }
    }
    heads
}

/// Whether a blob compresses is part of most of them, so it is tried for a HEAD if need be; and it comes out the same everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn heads_of_every_encoding_are_the_same_after_a_restart_and_from_an_empty_store() {
    let Some(release) = standin::release() else {
        return;
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut order: Vec<_> = encodings().collect();
    let server = Running::over(&release, one.path(), &[]).await;
    let first = heads(&server, &order).await;
    end(server).await;
    let server = Running::over(&release, one.path(), &[]).await;
    assert_eq!(heads(&server, &order).await, first, "after a restart");
    end(server).await;
    // The last ones first: nothing has prepared anything for them.
    order.reverse();
    let server = Running::over(&release, two.path(), &[]).await;
    assert_eq!(heads(&server, &order).await, first, "with an empty store");
    let tags: std::collections::BTreeSet<_> = first.values().map(|(_, tag)| tag).collect();
    assert_eq!(
        tags.len(),
        first.len(),
        "different files have different tags"
    );
    end(server).await;
}
