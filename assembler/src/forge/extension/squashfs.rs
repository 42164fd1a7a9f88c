//! The file systems of extensions: official ones compressed once for each image, those of the schematic composed on the spot.

use std::{io, sync::Arc};

use formats::{
    Digest,
    squashfs::{self, Compression, Compressor, Directory, Node},
};

use crate::{
    extension::{self, Microcode, VirtualExtension},
    images::Image,
    plan::{EPOCH, Extension, Squashfs},
    quirks::Quirks,
    store::{self, Content, Store, Tree},
};

use super::{
    super::{Error, Inner, Need},
    derived::{Sources, open, threads},
};

/// Raised whenever an extension's file system comes out differently from the same files.
const RECIPE: &str = "3";

/// The one level of extensions: within 4 % of the size that the reference's level 18 comes to in its shorter blocks, in less
/// than a fifth of its time, on programs, on kernel modules and on texts (ARCHITECTURE.md, `cargo bench --bench squashfs`).
const ZSTD_LEVEL: i32 = 10;

/// The one attribute that is carried over; others are dropped, as the reference does (spec/initramfs.md 1.6).
const LABEL: &str = "security.selinux";

impl Inner {
    /// The file system of what is mounted of an image, made when it is not there.
    pub(super) async fn mounted(
        &self,
        image: &Arc<Image>,
        tree: Tree,
        quirks: &Quirks,
        need: Need,
    ) -> Result<Content, Error> {
        let compression = compression(quirks);
        let recipe = serde_json::to_string(&tree).expect("a tree is plain data");
        let recipe = Digest::of(format!("{RECIPE} {compression:?} {recipe}"));
        let name = self.images.name(image.repository(), image.digest());
        let files = tree.clone();
        let make = move |store: &Store, sources: &Sources| {
            make(store, &files, compression, sources)
                .map_err(|source| Error::Squashfs { name, source })
        };
        self.derived("squashfs", recipe, image, &tree, need, make)
            .await
    }
}

fn compression(quirks: &Quirks) -> Compression {
    if quirks.zstd {
        Compression::Zstd { level: ZSTD_LEVEL }
    } else {
        Compression::Xz
    }
}

/// A small file system without compression: a layout, made without reading or writing anything.
pub(super) fn compose(made: VirtualExtension, quirks: &Quirks) -> Result<Extension, Error> {
    let name = made.manifest.metadata.name.clone();
    let failed = |source| Error::Squashfs {
        name: name.clone(),
        source,
    };
    let mut root = Directory::new(0o755);
    for file in made.files {
        let mode = permissions(file.mode);
        let xattrs = file
            .xattrs
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value.to_vec()));
        let node = match file.content {
            extension::Content::Directory => Node::Directory(Directory::new(mode)),
            extension::Content::File(content) => Node::File(squashfs::File {
                xattrs: xattrs.collect(),
                ..squashfs::File::inline(mode, content)
            }),
        };
        root.insert(file.path.as_bytes(), node).map_err(failed)?;
    }
    let compressor = if quirks.zstd {
        Compressor::Zstd
    } else {
        Compressor::Xz
    };
    let layout = squashfs::layout(&root, compressor, EPOCH).map_err(failed)?;
    Ok(Extension {
        metadata: made.manifest.metadata,
        squashfs: Squashfs::Composed(layout),
        firmware: None,
        microcode: Microcode::default(),
    })
}

fn make(
    store: &Store,
    rootfs: &Tree,
    compression: Compression,
    sources: &Sources,
) -> Result<Content, squashfs::WriteError> {
    let root = directory(rootfs)?;
    write(store, &root, compression, |digest| open(sources, digest))
}

/// The blob of the image of `root`.
pub(in super::super) fn write<R: io::Read>(
    store: &Store,
    root: &Directory,
    compression: Compression,
    open: impl FnMut(&Digest) -> io::Result<R>,
) -> Result<Content, squashfs::WriteError> {
    let options = squashfs::Options {
        compression,
        time: EPOCH,
        threads: threads(),
    };
    let mut writer = store.writer().map_err(sink)?;
    writer.append(&[0; SUPERBLOCK]).map_err(sink)?;
    let written = squashfs::write(root, &options, open, &mut writer)?;
    writer.overwrite_start(&written.superblock).map_err(sink)?;
    writer.commit().map_err(sink)
}

const SUPERBLOCK: usize = 96;

fn sink(error: store::Error) -> squashfs::WriteError {
    squashfs::WriteError::Sink(io::Error::other(error))
}

/// The tree as squashfs takes it: directories that are only implied, and the root, have mode 0755.
fn directory(rootfs: &Tree) -> Result<Directory, squashfs::WriteError> {
    let mut root = Directory::new(0o755);
    for (path, entry) in &rootfs.entries {
        let mode = permissions(entry.mode);
        let label = entry.xattrs.get(LABEL);
        let xattrs = label
            .map(|label| (LABEL.as_bytes().to_vec(), label.clone()))
            .into_iter()
            .collect();
        let node = match &entry.node {
            store::Node::Directory => Node::Directory(Directory {
                xattrs,
                // Setid and sticky bits are dropped, and the owner can always enter (spec/initramfs.md 1.6).
                ..Directory::new(mode & 0o777 | 0o700)
            }),
            store::Node::File(content) => Node::File(squashfs::File {
                xattrs,
                ..squashfs::File::blob(mode, content.digest, content.len)
            }),
            store::Node::Symlink(target) => Node::Symlink(squashfs::Symlink {
                xattrs,
                ..squashfs::Symlink::new(target.as_bytes())
            }),
            store::Node::Hardlink(_) => unreachable!("flattening resolves hard links"),
        };
        root.insert(path.as_bytes(), node)?;
    }
    Ok(root)
}

fn permissions(mode: u32) -> u16 {
    u16::try_from(mode & 0o7777).expect("masked to 12 bits")
}
