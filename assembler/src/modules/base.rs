//! The modules of a release: in the root file system, which is a file of the initramfs.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
};

use formats::{
    cpio,
    squashfs::{self, Image, Kind, ReadAt},
};
use liblzma::{read::XzDecoder, stream::Stream};

use super::{Error, Set, SetBuilder};
use crate::blobs::Blob;

/// The root file system's name.
const ROOTFS: &[u8] = b"rootfs.sqsh";

/// How messages call these modules' owner.
const OWNER: &str = "the release";

/// Longest initramfs, unpacked, and longest root file system; real ones have some 100 MB.
const MAX_UNPACKED: u64 = 4 << 30;

/// Largest window of a Zstandard frame that the kernel takes, as a power of two.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Memory that the xz decoder may use.
const XZ_MEMORY: u64 = 128 << 20;

const XZ_MAGIC: [u8; 4] = *b"\xfd7zX";

/// A file read at positions.
struct At<'a>(&'a File);

impl ReadAt for At<'_> {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// Reads the modules below the directory `path` of the root file system in `initramfs`; `scratch` is an empty file for that
/// file system, which must be read from any place and may be large.
pub fn read_base(initramfs: &Blob, mut scratch: File, path: &str) -> Result<Set, Error> {
    unpack(initramfs, &mut scratch)?;
    let image = Image::open(At(&scratch), squashfs::Limits::default())?;
    let no_kernel = || Error::KernelPath {
        path: path.to_owned(),
    };
    let folder = image.find(path.as_bytes()).ok_or_else(no_kernel)?;
    let mut inside = image.children(folder);
    let (Some(kernel), None) = (inside.next(), inside.next()) else {
        return Err(no_kernel());
    };
    let entry = &image.entries()[kernel];
    let name = str::from_utf8(&entry.name).map_err(|_| no_kernel())?;
    if !matches!(entry.kind, Kind::Directory) {
        return Err(no_kernel());
    }
    let mut set = SetBuilder::new(OWNER, name);
    let prefix = image.path(kernel).len() + 1;
    for index in image.inside(kernel) {
        let entry = &image.entries()[index];
        let path = image.path(index);
        // What is not UTF-8 cannot be indexed.
        let Ok(path) = str::from_utf8(&path[prefix..]) else {
            continue;
        };
        if let Kind::File(file) = &entry.kind
            && SetBuilder::wants(path)
        {
            if file.len() > SetBuilder::limit(path) as u64 {
                return Err(set.too_long(path));
            }
            let content = image.read(entry)?.expect("it is a file");
            set.add(path, &content)?;
        }
    }
    Ok(set.finish())
}

/// Finds the root file system in the first archive that has it, and puts it into `scratch`.
fn unpack(initramfs: &Blob, scratch: &mut File) -> Result<(), Error> {
    // Archives at the beginning may be plain: those with microcode.
    let mut plain = cpio::Reader::new(BufReader::new(initramfs.reader(0)), cpio::Limits::default());
    if copy(&mut plain, scratch)? {
        return Ok(());
    }
    let position = plain.position();
    let mut magic = [0; XZ_MAGIC.len()];
    if initramfs.file.read_exact_at(&mut magic, position).is_err() {
        return Err(Error::NoRootfs);
    }
    let compressed = BufReader::new(initramfs.reader(position));
    let found = if magic == XZ_MAGIC {
        let stream = Stream::new_stream_decoder(XZ_MEMORY, 0)
            .map_err(|error| Error::Unpack(error.into()))?;
        search(XzDecoder::new_stream(compressed, stream), scratch)?
    } else {
        let mut decoder =
            zstd::stream::read::Decoder::with_buffer(compressed).map_err(Error::Unpack)?;
        decoder
            .window_log_max(ZSTD_WINDOW_LOG)
            .map_err(Error::Unpack)?;
        search(decoder, scratch)?
    };
    if found { Ok(()) } else { Err(Error::NoRootfs) }
}

fn search(unpacked: impl Read, scratch: &mut File) -> Result<bool, Error> {
    let bounded = BufReader::new(unpacked.take(MAX_UNPACKED));
    copy(
        &mut cpio::Reader::new(bounded, cpio::Limits::default()),
        scratch,
    )
}

/// Copies the root file system, if an archive has it.
fn copy<R: Read>(archive: &mut cpio::Reader<R>, scratch: &mut File) -> Result<bool, Error> {
    while let Some(member) = archive.next_member()? {
        if member.name == ROOTFS {
            let mut buffer = vec![0; 256 << 10];
            loop {
                match archive.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(len) => scratch.write_all(&buffer[..len]).map_err(Error::Scratch)?,
                    Err(error) => return Err(Error::Unpack(error)),
                }
            }
            scratch.seek(SeekFrom::Start(0)).map_err(Error::Scratch)?;
            return Ok(true);
        }
    }
    Ok(false)
}
