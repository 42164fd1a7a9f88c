//! Encodings: from a raw disk to the file that is handed out, format and packing, layout to layout (spec/disk.md 5, 6).
//!
//! ```text
//! raw disk ──format──▶ raw, qcow2, vhd, ova ──packing──▶ as it is, .zst, .xz, .gz, .tar.gz
//! ```
//!
//! Any format goes with any packing. Nothing is compressed here: what compresses was compressed once, as a blob
//! (`pack`); the rest is framed.

pub(crate) mod pack;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use formats::{
    Digest, Layout,
    crc::Crc,
    deflate::Pieces,
    gzip, ova,
    qcow2::{self, ClusterSize},
    tar, vhd, xz, zstd,
};

use self::pack::Method;
pub use self::pack::Packs;
use crate::{
    plan::{EPOCH, FORMAT_EPOCH},
    store::{Content, Sums},
    target::{DiskFormat, Packing, Target},
};

/// What a blob is cut into to be compressed for a stream of its own: larger pieces gain nothing.
const STREAM_PIECE: u32 = 1 << 20;
/// And for grains, in which blobs begin at any sector: only whole pieces inside a grain are of use, and a disk's blocks are as long.
const GRAIN_PIECE: u32 = 4 << 10;

/// Clusters of qcow2 images whose options name none.
const QCOW2_CLUSTER: u64 = 8 << 10;

/// The one member of `.tar.gz` images, whatever they hold: importers look for this name.
const TAR_MEMBER: &str = "disk.raw";

/// The format of a disk image, with what it needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Sectors.
    Raw,
    /// QEMU.
    Qcow2(ClusterSize),
    /// Virtual PC, fixed.
    Vhd,
    /// Open virtualization archive.
    Ova,
}

/// What becomes of a raw disk.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// Its format.
    pub format: Format,
    /// How that is packed.
    pub packing: Packing,
    /// The file's name before it is packed.
    pub name: String,
}

/// What is known of the blobs of a disk.
#[derive(Debug, Default)]
pub struct Known<'a> {
    sums: HashMap<Digest, &'a Sums>,
    packs: Option<&'a Packs>,
}

impl<'a> Known<'a> {
    /// That of `contents`, of which those in `packs` compress.
    pub fn new(contents: impl IntoIterator<Item = &'a Content>, packs: &'a Packs) -> Self {
        let sums = contents.into_iter();
        Self {
            sums: sums
                .map(|content| (content.digest, &content.sums))
                .collect(),
            packs: Some(packs),
        }
    }

    fn crc(&self, crc: Crc, digest: &Digest, offset: u64, len: u64) -> Option<u64> {
        self.sums.get(digest)?.crc(crc, offset, len)
    }

    fn pieces(&self, digest: &Digest) -> Option<Pieces> {
        self.packs?.deflate.get(digest).cloned()
    }
}

/// Options that no disk can be encoded with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A target without a disk.
    #[error("no disk format")]
    NoFormat,
    /// A cluster size that is not a number of bytes.
    #[error("invalid cluster size {0:?}")]
    Number(String),
    /// A cluster size that qcow2 does not have.
    #[error(transparent)]
    Qcow2(#[from] qcow2::Error),
}

impl Encoding {
    /// The encoding that a target asks for.
    pub fn of(target: &Target) -> Result<Self, Error> {
        let image = target.image.as_ref().ok_or(Error::NoFormat)?;
        let disk_format = image.disk_format.ok_or(Error::NoFormat)?;
        let format = match disk_format {
            DiskFormat::Raw => Format::Raw,
            DiskFormat::Qcow2 => Format::Qcow2(cluster_size(&image.disk_format_options)?),
            DiskFormat::Vhd => Format::Vhd,
            DiskFormat::Ova => Format::Ova,
        };
        let secure_boot = if target.secure_boot {
            "-secureboot"
        } else {
            ""
        };
        Ok(Self {
            format,
            packing: target.packing,
            name: format!(
                "{}-{}{secure_boot}.{}",
                target.platform,
                target.arch.name(),
                disk_format.name()
            ),
        })
    }

    /// How blobs of a disk that compress are to be compressed beforehand.
    pub(crate) fn method(&self) -> Option<Method> {
        match (self.format, self.packing) {
            (Format::Ova, _) => Some(Method::Deflate { unit: GRAIN_PIECE }),
            (_, Packing::Xz) => Some(Method::Xz),
            (_, Packing::Gz | Packing::TarGz) => Some(Method::Deflate { unit: STREAM_PIECE }),
            (_, Packing::Raw | Packing::Zst) => None,
        }
    }

    /// `disk` so encoded.
    pub fn layout(&self, disk: &Layout, known: &Known<'_>) -> Layout {
        let pieces = |digest: &Digest| known.pieces(digest);
        let formatted = match self.format {
            Format::Raw => disk.clone(),
            Format::Qcow2(cluster) => qcow2::image(disk, cluster),
            Format::Vhd => vhd::image(
                disk,
                vhd::Options {
                    created: EPOCH,
                    unique_id: content_id(disk),
                },
            ),
            Format::Ova => ova::archive(
                disk,
                ova::Options {
                    modified: EPOCH,
                    content_id: content_id(disk),
                },
                &pieces,
            ),
        };
        let crc = |crc, digest: &Digest, offset, len| known.crc(crc, digest, offset, len);
        let in_gzip = gzip::Known {
            crc: &crc,
            pieces: &pieces,
        };
        match self.packing {
            Packing::Raw => formatted,
            Packing::Zst => zstd::frame(&formatted),
            Packing::Xz => {
                let packed = |digest: &Digest| known.packs?.xz.get(digest).cloned();
                let known = xz::Known {
                    crc: &crc,
                    packed: &packed,
                };
                xz::stream(&formatted, Crc::Crc64, known)
            }
            Packing::Gz => gzip::member(&formatted, &self.name, in_gzip),
            Packing::TarGz => {
                let member = tar::Member {
                    name: TAR_MEMBER,
                    owner: "",
                    modified: EPOCH,
                    content: tar::Content::Sparse(formatted),
                };
                gzip::member(&tar::archive(&[member]), "", in_gzip)
            }
        }
    }
}

/// A name for what is on a disk: another for other content. Not all ones at its end, which VMDK keeps for itself.
fn content_id(disk: &Layout) -> [u8; 16] {
    let fingerprint = disk.fingerprint(FORMAT_EPOCH);
    let mut id = [0; 16];
    id.copy_from_slice(&fingerprint.as_bytes()[..16]);
    id[12] &= 0x7f;
    id
}

/// From options as qemu-img takes them; options of another format count for nothing.
fn cluster_size(options: &str) -> Result<ClusterSize, Error> {
    let named = options
        .split(',')
        .find_map(|option| option.trim().strip_prefix("cluster_size="));
    let Some(text) = named else {
        return Ok(ClusterSize::new(QCOW2_CLUSTER)?);
    };
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    let bytes = number.and_then(|number| number.checked_mul(factor));
    let bytes = bytes.ok_or_else(|| Error::Number(text.to_owned()))?;
    Ok(ClusterSize::new(bytes)?)
}
