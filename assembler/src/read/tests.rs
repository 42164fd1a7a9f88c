use std::fs::File;

use formats::{
    Extent,
    crc::Crc,
    extent::{Framed, Framing, crc_of},
};
use futures_util::StreamExt as _;
use proptest::{prelude::*, strategy::ValueTree as _};

use super::*;

/// Blobs in a temporary directory, named by their digest.
#[derive(Debug)]
struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        std::fs::write(self.0.path().join(digest.hex()), content).unwrap();
        digest
    }
}

impl Blobs for Directory {
    fn open(&self, digest: &Digest) -> io::Result<Blob> {
        let file = File::open(self.0.path().join(digest.hex()))?;
        let len = file.metadata()?.len();
        Ok(Blob {
            file: Arc::new(file),
            len,
        })
    }
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// One layout of every kind of extent, with pieces both shorter and longer than a buffer.
fn sample(blobs: &Directory) -> (Layout, Vec<u8>) {
    let (big, small) = (noise(700_001, 1), noise(5_000, 2));
    let (big_name, small_name) = (blobs.put(&big), blobs.put(&small));
    let mut inner = Layout::new();
    inner.blob(big_name, 11, 300_000);
    inner.zeros(100_000);
    let mut layout = Layout::new();
    layout.bytes(noise(100, 3));
    layout.blob(small_name, 0, 5_000);
    layout.zeros(70);
    layout.push(Extent::Sequence {
        start: 3,
        step: 1,
        count: 40_000,
    });
    layout.blob(big_name, 1, 700_000);
    layout.bytes(noise(40_000, 4));
    layout.zeros(3 << 20);
    layout.push(Extent::Framed(Framed::new(
        inner.clone(),
        Framing::ZstdRaw { last: true },
    )));
    layout.push(Extent::Framed(Framed::new(
        inner,
        Framing::Lzma2Stored { first: true },
    )));
    layout.push(Extent::Sequence64 {
        start: 3,
        step: 1,
        count: 5_000,
    });
    let grains = Framing::VmdkGrain { lba: 0 };
    layout.push(Extent::Framed(Framed::new(layout.clone(), grains)));
    for crc in [Crc::Crc32, Crc::Crc64] {
        layout.push(crc_of(crc, &layout, &|_, _, _, _| None));
    }
    let covered = Arc::new(layout.clone());
    layout.push(Extent::Deferred(Deferred::sha256_hex(covered)));
    layout.blob(small_name, 4_999, 1);
    let whole = layout.collect(|digest| {
        let content = if *digest == big_name { &big } else { &small };
        Bytes::copy_from_slice(content)
    });
    (layout, whole)
}

async fn read(layout: &Arc<Layout>, range: Range<u64>, blobs: &Arc<Directory>) -> Vec<u8> {
    let blobs: Arc<dyn Blobs> = Arc::clone(blobs) as _;
    let mut reader = Reader::new(Arc::clone(layout), range, blobs);
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await {
        let chunk = chunk.unwrap();
        assert!(!chunk.is_empty());
        all.extend_from_slice(&chunk);
    }
    assert!(reader.is_terminated());
    all
}

#[tokio::test]
async fn two_thousand_random_ranges_equal_the_whole() {
    let blobs = Arc::new(Directory::new());
    let (layout, whole) = sample(&blobs);
    let layout = Arc::new(layout);
    assert_eq!(read(&layout, 0..layout.len(), &blobs).await, whole);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let any_place = 0..=whole.len();
    for round in 0..2000 {
        let (a, b) = (any_place.clone(), any_place.clone())
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let (start, end) = (a.min(b), a.max(b));
        // Most ranges are short, as those of firmware are.
        let end = if round % 8 == 0 {
            end
        } else {
            end.min(start + 9_000)
        };
        let bytes = read(&layout, start as u64..end as u64, &blobs).await;
        assert!(bytes == whole[start..end], "range {start}..{end}");
    }
}

#[tokio::test]
async fn a_chunk_is_never_longer_than_a_buffer_unless_it_is_shared() {
    let blobs = Arc::new(Directory::new());
    let content = noise(1 << 20, 5);
    let digest = blobs.put(&content);
    let mut layout = Layout::new();
    for _ in 0..10 {
        layout.blob(digest, 0, 1 << 20);
    }
    let len = layout.len();
    let mut reader = Reader::new(Arc::new(layout), 0..len, blobs as Arc<dyn Blobs>);
    let mut taken = 0;
    while let Some(chunk) = reader.next().await {
        let chunk = chunk.unwrap();
        let longest = if taken < LONG_AFTER {
            CHUNK
        } else {
            LONG_CHUNK
        };
        assert!(chunk.len() <= longest);
        let from = to_usize(taken % (1 << 20));
        let same = content.iter().cycle().skip(from).take(chunk.len());
        assert!(chunk.iter().eq(same));
        taken += chunk.len() as u64;
    }
    assert_eq!(taken, len);
}

#[tokio::test]
async fn a_short_blob_is_an_error_and_not_a_short_stream() {
    let blobs = Arc::new(Directory::new());
    let digest = blobs.put(b"0123456789");
    let mut layout = Layout::new();
    layout.blob(digest, 4, 7);
    let shared = Arc::clone(&blobs) as Arc<dyn Blobs>;
    let mut reader = Reader::new(Arc::new(layout), 0..7, shared);
    let error = reader.next().await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("blob {digest} ends before byte 11")
    );
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn a_blob_that_was_cut_after_it_was_opened_is_an_error() {
    let blobs = Arc::new(Directory::new());
    let digest = blobs.put(&noise(CHUNK * 3, 6));
    let mut layout = Layout::new();
    layout.blob(digest, 0, CHUNK as u64 * 3);
    let shared = Arc::clone(&blobs) as Arc<dyn Blobs>;
    let mut reader = Reader::new(Arc::new(layout), 0..CHUNK as u64 * 3, shared);
    reader.next().await.unwrap().unwrap();
    let file = File::options()
        .write(true)
        .open(blobs.0.path().join(digest.hex()))
        .unwrap();
    file.set_len(CHUNK as u64).unwrap();
    assert!(matches!(
        reader.next().await,
        Some(Err(ReadError::Short { .. }))
    ));
}

#[tokio::test]
async fn a_missing_blob_is_known_before_the_first_byte() {
    let blobs = Arc::new(Directory::new());
    let digest = Digest::of(b"never stored");
    let mut layout = Layout::new();
    layout.blob(digest, 0, 12);
    let mut reader = Reader::new(Arc::new(layout), 0..12, blobs as Arc<dyn Blobs>);
    let error = reader.open_first().unwrap_err();
    assert!(matches!(error, ReadError::Missing(name) if name == digest));
    assert_eq!(error.kind(), Kind::Busy);
}

#[test]
fn a_written_file_and_its_digest_are_the_layout() {
    let blobs = Directory::new();
    let (layout, whole) = sample(&blobs);
    let (mut out, mut told) = (Vec::new(), 0);
    let digest = write_to(&layout, &blobs, &mut out, |len| told += len).unwrap();
    assert!(out == whole);
    assert_eq!(told, layout.len());
    assert_eq!(digest, Digest::of(&whole));
    assert_eq!(sha256(&layout, &blobs).unwrap(), digest);
}
