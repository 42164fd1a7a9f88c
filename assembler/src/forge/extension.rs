//! System extensions as file systems: official ones made once for each image, those of the schematic on the spot.

use std::{collections::HashMap, io, num::NonZeroUsize, sync::Arc};

use formats::{
    Digest,
    squashfs::{self, Compression, Compressor, Directory, Node},
};

use crate::{
    blobs::Blob,
    catalog,
    extension::{self, ExtraInfo, Manifest, VirtualExtension},
    images::{Image, blocking},
    plan::{EPOCH, Extension, Squashfs},
    quirks::Quirks,
    schematic::Schematic,
    store::{self, Content, Store, Tree},
    target::Target,
};

use super::{Error, Inner, Need};

/// Longest manifest, in bytes; real ones have some hundred.
const MAX_MANIFEST: u64 = 1 << 20;

/// Raised whenever an extension's file system comes out differently from the same files.
const RECIPE: &str = "1";

/// The one level extensions are compressed with. Somebody waits while one is made: level 18, the reference's, takes ten times
/// as long for 8 % less.
const ZSTD_LEVEL: i32 = 9;

/// The one attribute that is carried over; others are dropped, as the reference does (spec/initramfs.md 1.6).
const LABEL: &str = "security.selinux";

impl Inner {
    /// An official extension for a target, `place` in the schematic's list.
    pub(super) async fn official(
        &self,
        place: usize,
        official: &catalog::Extension,
        target: &Target,
        need: Need,
    ) -> Result<Extension, Error> {
        let repository = official.name.parse()?;
        let digest: Digest = official.digest.parse()?;
        let image = self
            .images
            .image(&repository, &digest, target.arch.name())
            .await?;
        let manifest = self
            .images
            .small(&image, "manifest.yaml", MAX_MANIFEST)
            .await?;
        let load = || -> Result<Manifest, extension::Error> {
            let roots = image
                .tree
                .entries
                .keys()
                .map(|path| path.split('/').next().unwrap_or(path));
            for root in roots {
                if !matches!(root, "manifest.yaml" | "rootfs") {
                    return Err(extension::Error::Unexpected(root.to_owned()));
                }
            }
            let manifest = Manifest::parse(&manifest.ok_or(extension::Error::NoManifest)?)?;
            let rootfs = image.tree.entries.get("rootfs").map(|entry| &entry.node);
            let has_files = image
                .tree
                .entries
                .keys()
                .any(|path| path.starts_with("rootfs/"));
            if !has_files && rootfs != Some(&store::Node::Directory) {
                return Err(extension::Error::NoRootfs);
            }
            Ok(manifest)
        };
        let manifest = load().map_err(|error| error.at(place))?;
        manifest.validate(target.version.core(), &target.version.to_string())?;
        let quirks = Quirks::of(&target.version);
        let rootfs = image.tree.below("rootfs");
        if let Some(part) = not_plain(&rootfs, &quirks) {
            return Err(Error::NotYet(format!(
                "{part} of extension {}",
                official.name
            )));
        }
        let made = self.made(&image, rootfs, &quirks, need).await?;
        Ok(Extension {
            metadata: manifest.metadata,
            squashfs: Squashfs::Blob(made),
        })
    }

    /// The extensions that come with the schematic itself: its name, and the machine configuration.
    pub(super) fn virtual_extensions(
        &self,
        target: &Target,
        schematic: &Schematic,
    ) -> Result<Vec<Extension>, Error> {
        let quirks = Quirks::of(&target.version);
        let mut made = Vec::new();
        if target.schematic_extension {
            let extra = if quirks.overlay {
                ExtraInfo::Schematic
            } else {
                ExtraInfo::Omitted
            };
            made.push(extension::schematic_extension(
                schematic,
                &self.external_url,
                extra,
            ));
        }
        if let Some(config) = &target.embedded_config {
            made.push(extension::embedded_config(config));
        }
        made.into_iter()
            .map(|extension| compose(extension, &quirks))
            .collect()
    }

    /// The file system of an image's `rootfs`, made when it is not there.
    async fn made(
        &self,
        image: &Arc<Image>,
        rootfs: Tree,
        quirks: &Quirks,
        need: Need,
    ) -> Result<Content, Error> {
        let compression = compression(quirks);
        let recipe = serde_json::to_string(&rootfs).expect("a tree is plain data");
        let recipe = Digest::of(format!("{RECIPE} {compression:?} {recipe}"));
        let known: Option<Content> = self.store.fact("squashfs", &recipe.hex());
        if let Some(known) = known
            && (need == Need::Layout || self.images.pin_stored(&known.digest).await?.is_some())
        {
            return Ok(known);
        }
        let mut blobs = HashMap::new();
        for entry in rootfs.entries.values() {
            if let store::Node::File(content) = &entry.node {
                blobs.insert(content.digest, self.images.pin(image, content).await?);
            }
        }
        let (store, name) = (Arc::clone(&self.store), self.images.place());
        let flight = self.extensions.join(recipe, || async move {
            blocking(move || {
                let made = make(&store, &rootfs, compression, &blobs)
                    .map_err(|source| Error::Squashfs { name, source })?;
                store.remember("squashfs", &recipe.hex(), &made)?;
                Ok(made)
            })
            .await
        });
        flight.await.map_err(Error::Shared)
    }
}

/// What of an extension needs more than its file system mounted, if anything.
fn not_plain(rootfs: &Tree, quirks: &Quirks) -> Option<&'static str> {
    let lib = if quirks.usr_merge { "usr/lib" } else { "lib" };
    let has = |folder: &str| {
        let folder = format!("{lib}/{folder}");
        let below = format!("{folder}/");
        rootfs
            .entries
            .keys()
            .any(|path| *path == folder || path.starts_with(&below))
    };
    match (has("modules"), has("firmware")) {
        (true, _) => Some("kernel modules"),
        (_, true) => Some("firmware"),
        _ => None,
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
fn compose(made: VirtualExtension, quirks: &Quirks) -> Result<Extension, Error> {
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
    })
}

fn make(
    store: &Store,
    rootfs: &Tree,
    compression: Compression,
    blobs: &HashMap<Digest, Blob>,
) -> Result<Content, squashfs::WriteError> {
    let root = directory(rootfs)?;
    let options = squashfs::Options {
        compression,
        time: EPOCH,
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let open = |digest: &Digest| {
        let blob = blobs
            .get(digest)
            .expect("every file of the tree was pinned");
        Ok(Sequential {
            blob: blob.clone(),
            position: 0,
        })
    };
    let mut writer = store.writer().map_err(sink)?;
    writer.append(&[0; SUPERBLOCK]).map_err(sink)?;
    let written = squashfs::write(&root, &options, open, &mut writer)?;
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

/// A blob read from its start to its end.
struct Sequential {
    blob: Blob,
    position: u64,
}

impl io::Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt as _;
        let len = self.blob.file.read_at(buffer, self.position)?;
        self.position += len as u64;
        Ok(len)
    }
}
