//! The service over the stand-in release: ranges, entity tags, layouts, and what HEAD costs.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
};

use assembler::forge::{Artifact, Need};
use bytes::Bytes;
use formats::{Digest, Extent, extent::Segment};
use reqwest::{Client, StatusCode, header::ETAG};

use crate::{
    registry::Registry,
    standin,
    support::{LIMITS, Running},
};

const VERSIONS: [&str; 3] = ["v1.14.0", "v1.11.5", "v1.7.7"];

const DOCUMENT: &str = "customization:
  extraKernelArgs: [a=1]
  meta: [{key: 10, value: x}]
  systemExtensions:
    officialExtensions: [siderolabs/hello-world-service, siderolabs/util-linux-tools, siderolabs/iscsi-tools]
";

/// The share of an ISO's non-zero bytes that must be ranges of blobs, of a hundred.
const BLOB_SHARE: u64 = 98;

pub(crate) async fn schematic(server: &Running) -> String {
    let forge = &server.app.as_ref().unwrap().forge;
    let (id, ..) = forge.create_schematic(DOCUMENT.as_bytes()).await.unwrap();
    id.to_string()
}

/// The paths of every artifact that is built, without leading slash.
fn paths(id: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for version in VERSIONS {
        for arch in ["amd64", "arm64"] {
            let names = [
                format!("kernel-{arch}"),
                format!("cmdline-metal-{arch}"),
                format!("initramfs-{arch}.xz"),
                format!("metal-{arch}-uki.efi"),
                format!("metal-{arch}.iso"),
            ];
            paths.extend(
                names
                    .iter()
                    .map(|name| format!("image/{id}/{version}/{name}")),
            );
        }
    }
    paths
}

/// One connection that is kept.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// The status of an answer and its body, which goes to `out`.
    pub(crate) fn save(&mut self, path: &str, out: &mut impl io::Write) -> (u16, u64) {
        let (status, len) = self.ask(path, None);
        let saved = io::copy(&mut (&mut self.0).take(len), out).unwrap();
        assert_eq!(saved, len, "{path}");
        (status, len)
    }

    pub(crate) fn get(&mut self, path: &str, range: Option<(u64, u64)>) -> (u16, Vec<u8>) {
        let (status, len) = self.ask(path, range);
        let mut body = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }

    /// The status and the length of the body, which is to be read.
    fn ask(&mut self, path: &str, range: Option<(u64, u64)>) -> (u16, u64) {
        let range = range.map_or(String::new(), |(first, last)| {
            format!("Range: bytes={first}-{last}\r\n")
        });
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n{range}\r\n");
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut len) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(rest) = line.strip_prefix("content-length: ") {
                len = rest.parse().unwrap();
            } else if line.is_empty() {
                return (status, len);
            }
        }
    }
}

fn ranges(address: SocketAddr, paths: &[String]) {
    const RANGES: usize = 2000;
    let mut connection = Connection::new(address);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut checked = 0;
    for path in paths {
        let (status, whole) = connection.get(path, None);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&whole));
        let len = whole.len() as u64;
        for index in 0..RANGES.div_ceil(paths.len()) {
            let first = random(len);
            // Most are short, as firmware asks; some are megabytes.
            let longest = if index % 8 == 0 { 4 << 20 } else { 8 << 10 };
            let last = (first + random(longest)).min(len - 1);
            let (status, part) = connection.get(path, Some((first, last)));
            let (from, to) = (
                usize::try_from(first).unwrap(),
                usize::try_from(last).unwrap(),
            );
            assert_eq!(status, 206, "{path} {first}-{last}");
            assert!(part == whole[from..=to], "{path} {first}-{last}");
            checked += 1;
        }
    }
    println!(
        "{checked} ranges of {} artifacts on one connection",
        paths.len()
    );
    assert!(checked >= RANGES);
}

#[tokio::test(flavor = "multi_thread")]
async fn random_ranges_of_every_artifact_equal_the_whole() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let paths = paths(&schematic(&server).await);
    let address = server.address;
    tokio::task::spawn_blocking(move || ranges(address, &paths))
        .await
        .unwrap();
}

async fn tags(server: &Running) -> BTreeMap<String, String> {
    let client = Client::new();
    let mut tags = BTreeMap::new();
    for path in paths(&schematic(server).await) {
        let answer = client.head(server.url(&path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let tag = answer.headers()[ETAG].to_str().unwrap().to_owned();
        tags.insert(path, tag);
    }
    tags
}

pub(crate) async fn end(server: Running) {
    // The data directory is free once nothing of the service is left.
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn entity_tags_are_the_same_after_a_restart_with_an_empty_store_and_from_a_registry() {
    let Some(release) = standin::release() else {
        return;
    };
    let (one, two, three) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let server = Running::over(&release, one.path(), &[]).await;
    let first = tags(&server).await;
    assert_eq!(first.len(), paths("").len());
    end(server).await;
    let server = Running::over(&release, one.path(), &[]).await;
    assert_eq!(tags(&server).await, first, "after a restart");
    end(server).await;
    let server = Running::over(&release, two.path(), &[]).await;
    assert_eq!(tags(&server).await, first, "with an empty store");
    end(server).await;
    let registry = Running::with(Arc::new(Registry::new(&release)), LIMITS).await;
    let source = registry.address.to_string();
    let server = Running::from(&source, three.path(), &[]).await;
    assert_eq!(tags(&server).await, first, "from a registry");
    end(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_needs_neither_blobs_nor_source_when_the_layout_is_known() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let (link, away) = (data.path().join("release"), data.path().join("away"));
    std::os::unix::fs::symlink(&release, &link).unwrap();
    let settings = [("IF_STORE_MAXSIZE", "1")];
    let server = Running::over(&link, &data.path().join("data"), &settings).await;
    let before = tags(&server).await;
    let forge = &server.app.as_ref().unwrap().forge;
    forge.store_collect_garbage().unwrap();
    assert_eq!(forge.store_stat().blobs, 0);
    std::fs::rename(&link, &away).unwrap();
    assert_eq!(tags(&server).await, before);
    assert_eq!(forge.store_stat().blobs, 0, "nothing was fetched");
}

pub(crate) async fn artifact(server: &Running, path: &str) -> Artifact {
    let forge = &server.app.as_ref().unwrap().forge;
    let parts: Vec<_> = path.split('/').collect();
    forge
        .artifact(parts[1], parts[2], parts[3], Need::Payload)
        .await
        .unwrap()
}

pub(crate) fn content(artifact: &Artifact, digest: &Digest) -> Bytes {
    let blob = artifact.blobs.open(digest).unwrap();
    let mut bytes = vec![0; usize::try_from(blob.len).unwrap()];
    std::os::unix::fs::FileExt::read_exact_at(&*blob.file, &mut bytes, 0).unwrap();
    bytes.into()
}

/// Non-zero bytes of an artifact, in ranges of blobs and in all.
fn non_zero(artifact: &Artifact) -> (u64, u64) {
    let mut blobs: HashMap<Digest, Bytes> = HashMap::new();
    let count = |bytes: &[u8]| bytes.iter().map(|byte| u64::from(*byte != 0)).sum::<u64>();
    let (mut of_blobs, mut all) = (0, 0);
    for segment in artifact.layout.segments(0..artifact.layout.len()) {
        match segment {
            Segment::Bytes(bytes) => all += count(&bytes),
            Segment::Zeros(_) => {}
            Segment::Deferred(value) => all += value.len(),
            Segment::Blob {
                digest,
                offset,
                len,
            } => {
                let blob = blobs
                    .entry(digest)
                    .or_insert_with(|| content(artifact, &digest));
                let from = usize::try_from(offset).unwrap();
                let found = count(&blob[from..from + usize::try_from(len).unwrap()]);
                of_blobs += found;
                all += found;
            }
        }
    }
    (of_blobs, all)
}

#[tokio::test(flavor = "multi_thread")]
async fn layouts_tile_their_artifacts() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for path in paths(&schematic(&server).await) {
        let artifact = artifact(&server, &path).await;
        let mut next = 0;
        for (offset, extent) in artifact.layout.extents() {
            assert_eq!(offset, next, "{path}");
            assert!(!extent.is_empty(), "{path}: nothing at {offset}");
            assert!(
                artifact.layout.section_at(offset).is_some(),
                "{path}: {offset} is in no section"
            );
            next += extent.len();
            if let Extent::Blob {
                digest,
                offset,
                len,
            } = extent
            {
                let blob = artifact.blobs.open(digest).unwrap();
                assert!(
                    offset + len <= blob.len,
                    "{path}: beyond the end of {digest}"
                );
            }
        }
        assert_eq!(next, artifact.layout.len(), "{path}");
        if path.contains(".iso") {
            let (of_blobs, all) = non_zero(&artifact);
            let short = &path[path.len() - 24..];
            println!(
                "…{short}: {of_blobs} of {all} non-zero bytes are blobs ({}‰)",
                of_blobs * 1000 / all
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_all_of_an_iso_of_full_size_is_neither_copied_nor_compressed_again() {
    let Some(release) = std::env::var_os("TALOS_FORGE_TEST_RELEASE_FULL") else {
        println!("skipped: TALOS_FORGE_TEST_RELEASE_FULL is not set");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&PathBuf::from(release), data.path(), &[]).await;
    let id = schematic(&server).await;
    for arch in ["amd64", "arm64"] {
        let artifact = artifact(&server, &format!("image/{id}/v1.14.0/metal-{arch}.iso")).await;
        let (of_blobs, all) = non_zero(&artifact);
        println!(
            "{arch}: {of_blobs} of {all} non-zero bytes are blobs ({}‰)",
            of_blobs * 1000 / all
        );
        assert!(of_blobs * 100 >= all * BLOB_SHARE);
    }
}
