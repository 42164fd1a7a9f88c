//! The firmware of an extension as it stands in an initramfs: one archive, compressed whole (spec/initramfs.md 1.7 and 4.2).
//!
//! The kernel unpacks a Zstandard frame with a window of up to 128 MiB, an xz stream with CRC-32 and any dictionary.

use std::{
    io::{self, Read as _, Write},
    sync::Arc,
};

use formats::{Digest, Layout, cpio, extent::Segment};
use liblzma::{
    stream::{Check, MtStreamBuilder},
    write::XzEncoder,
};

use crate::{
    images::Image,
    plan::EPOCH,
    quirks::Quirks,
    store::{self, Content, Node, Store, Tree},
};

use super::{
    super::{Error, Inner, Need},
    derived::{Sources, open, threads},
};

/// Raised whenever an archive comes out differently from the same files.
const RECIPE: &str = "1";

/// The one level of firmware.
const ZSTD_LEVEL: i32 = 15;

/// The one preset of firmware.
const XZ_PRESET: u32 = 6;

/// Bytes that are compressed apart in an xz stream: it decides bytes, the number of threads does not.
const XZ_BLOCK: u64 = 24 << 20;

/// Type bits of `st_mode`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

impl Inner {
    /// The compressed archive of `tree`, made when it is not there.
    pub(super) async fn firmware(
        &self,
        image: &Arc<Image>,
        tree: &Tree,
        quirks: &Quirks,
        need: Need,
    ) -> Result<Content, Error> {
        let zstd = quirks.zstd;
        let compression = if zstd {
            format!("zstd {ZSTD_LEVEL}")
        } else {
            format!("xz {XZ_PRESET} {XZ_BLOCK}")
        };
        let files = serde_json::to_string(tree).expect("a tree is plain data");
        let recipe = Digest::of(format!("firmware {RECIPE} {compression} {EPOCH} {files}"));
        let archive = archive(tree)?;
        self.derived(
            "firmware",
            recipe,
            image,
            tree,
            need,
            move |store, sources| make(store, &archive, zstd, sources),
        )
        .await
    }
}

/// The archive of `tree`. A directory comes right before what is in it, names are in order of bytes (spec/initramfs.md 4.2).
fn archive(tree: &Tree) -> Result<Layout, Error> {
    let mut entries: Vec<_> = tree.entries.iter().collect();
    entries.sort_by(|(one, _), (other, _)| one.split('/').cmp(other.split('/')));
    let members: Vec<_> = entries
        .into_iter()
        .map(|(path, entry)| match &entry.node {
            Node::Directory => cpio::Entry {
                mode: DIRECTORY | entry.mode,
                ..cpio::Entry::directory(path.as_str(), EPOCH)
            },
            Node::File(content) => {
                let mut file = Layout::new();
                file.blob(content.digest, 0, content.len);
                cpio::Entry {
                    mode: REGULAR | entry.mode,
                    ..cpio::Entry::file(path.as_str(), EPOCH, file)
                }
            }
            Node::Symlink(_) | Node::Hardlink(_) => unreachable!("links were followed"),
        })
        .collect();
    Ok(cpio::archive(&members).map_err(crate::plan::Error::Cpio)?)
}

fn make(store: &Store, archive: &Layout, zstd: bool, sources: &Sources) -> Result<Content, Error> {
    let mut writer = store.writer()?;
    let written = if zstd {
        write_zstd(archive, sources, &mut writer)
    } else {
        write_xz(archive, sources, &mut writer)
    };
    written.map_err(store::Error::writing)?;
    Ok(writer.commit()?)
}

/// One frame that says its size and ends with a checksum.
fn write_zstd(archive: &Layout, sources: &Sources, sink: impl Write) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(sink, ZSTD_LEVEL)?;
    encoder.set_pledged_src_size(Some(archive.len()))?;
    encoder.include_checksum(true)?;
    // With workers at all, jobs are cut by the level alone.
    encoder.multithread(workers())?;
    write(archive, sources, &mut encoder)?;
    encoder.finish()?.flush()
}

/// Threads for one archive; each takes some 10 MiB.
fn workers() -> u32 {
    const MOST: u32 = 16;
    u32::try_from(threads().get()).map_or(MOST, |threads| threads.min(MOST))
}

/// One stream with CRC-32, in blocks that say their sizes.
fn write_xz(archive: &Layout, sources: &Sources, sink: impl Write) -> io::Result<()> {
    let stream = MtStreamBuilder::new()
        .threads(workers())
        .preset(XZ_PRESET)
        .check(Check::Crc32)
        .block_size(XZ_BLOCK)
        .encoder()?;
    let mut encoder = XzEncoder::new_stream(sink, stream);
    write(archive, sources, &mut encoder)?;
    encoder.finish()?.flush()
}

/// Writes the bytes that a layout stands for.
fn write(layout: &Layout, sources: &Sources, sink: &mut impl Write) -> io::Result<()> {
    for segment in layout.segments(0..layout.len()) {
        match segment {
            Segment::Bytes(bytes) => sink.write_all(&bytes)?,
            Segment::Zeros(len) => {
                io::copy(&mut io::repeat(0).take(len), sink)?;
            }
            Segment::Deferred(_) => unreachable!("an archive holds files as they are"),
            Segment::Blob { digest, len, .. } => {
                let copied = io::copy(&mut open(sources, &digest)?, sink)?;
                if copied != len {
                    let text = format!("blob {digest} has {copied} bytes, {len} were expected");
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
                }
            }
        }
    }
    Ok(())
}
