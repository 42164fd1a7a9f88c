//! Where the files of a tar archive are. It is gone through once, headers only; contents are read at their offsets later.
//!
//! `tar`, `skopeo copy … oci-archive:` and `buildah push` write such archives. Links inside it are followed (a `blobs`
//! directory that is a link, a blob that is a hard link of another), links out of it lead nowhere.

use std::{
    collections::HashMap,
    fs::File,
    io::BufReader,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use tar::EntryType;

use crate::source::{
    error::Cause,
    layout::{file_error, files::Range},
};

/// Most entries of an archive.
const MAX_ENTRIES: usize = 1_000_000;
/// Longest name of an entry or a link, in bytes.
const MAX_NAME_LEN: usize = 4096;
/// Most links that are followed to find one file.
const MAX_LINKS: usize = 16;
/// Magic bytes of what somebody may have compressed the archive with.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh"];

/// A tar file and where things are in it.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    file: Arc<File>,
    entries: HashMap<PathBuf, Entry>,
}

#[derive(Debug)]
enum Entry {
    File {
        offset: u64,
        len: u64,
    },
    /// To a path of the archive.
    Link(PathBuf),
}

impl Archive {
    pub(super) fn read(path: &Path) -> Result<Self, Cause> {
        let failed = |error| file_error(path, &error);
        let file = File::open(path).map_err(failed)?;
        let file_len = file.metadata().map_err(failed)?.len();
        refuse_compressed(path, &file)?;
        let mut entries = HashMap::new();
        let mut reader = tar::Archive::new(BufReader::new(file.try_clone().map_err(failed)?));
        for entry in reader.entries_with_seek().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            if entries.len() >= MAX_ENTRIES {
                return Err(Cause::TooLarge {
                    what: "the number of entries",
                    limit: MAX_ENTRIES as u64,
                });
            }
            let Some((name, place)) = place(path, &mut entry)? else {
                continue;
            };
            if let Entry::File { offset, len } = place
                && offset.checked_add(len).is_none_or(|end| end > file_len)
            {
                let text = format!("{}: ends inside {}", path.display(), name.display());
                return Err(Cause::File(text));
            }
            // As in an extraction, the last entry of a name counts.
            entries.insert(name, place);
        }
        Ok(Self {
            path: path.to_owned(),
            file: Arc::new(file),
            entries,
        })
    }

    /// The file of a name, unless there is none.
    pub(super) fn open(&self, name: &str) -> Result<Option<Range>, Cause> {
        let mut name = PathBuf::from(name);
        for _ in 0..MAX_LINKS {
            match self.entries.get(&name) {
                Some(Entry::File { offset, len }) => {
                    return Ok(Some(Range {
                        file: Arc::clone(&self.file),
                        path: self.path.clone(),
                        offset: *offset,
                        len: *len,
                    }));
                }
                Some(Entry::Link(target)) => name.clone_from(target),
                None => match self.follow_parent(&name) {
                    Some(moved) => name = moved,
                    None => return Ok(None),
                },
            }
        }
        let text = format!("{}: too many links", self.path.display());
        Err(Cause::File(text))
    }

    /// The same file below the target of a link, when one of its directories is a link.
    fn follow_parent(&self, name: &Path) -> Option<PathBuf> {
        name.ancestors().skip(1).find_map(|parent| {
            let Entry::Link(target) = self.entries.get(parent)? else {
                return None;
            };
            let below = name.strip_prefix(parent).ok()?;
            Some(target.join(below))
        })
    }
}

/// The name of an entry and where it is; nothing for what cannot be part of a layout.
fn place(
    path: &Path,
    entry: &mut tar::Entry<'_, BufReader<File>>,
) -> Result<Option<(PathBuf, Entry)>, Cause> {
    let failed = |error| file_error(path, &error);
    let raw_name = entry.path().map_err(failed)?.into_owned();
    let Some(name) = inside(Path::new(""), &raw_name) else {
        return Ok(None);
    };
    let place = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            if is_sparse(entry).map_err(failed)? {
                let text = format!("{}: {} is sparse", path.display(), name.display());
                return Err(Cause::File(text));
            }
            Entry::File {
                offset: entry.raw_file_position(),
                len: entry.size(),
            }
        }
        kind @ (EntryType::Symlink | EntryType::Link) => {
            let Some(target) = entry.link_name().map_err(failed)? else {
                return Ok(None);
            };
            // A symbolic link is relative to its directory, a hard link to the top of the archive.
            let base = match kind {
                EntryType::Symlink => name.parent().unwrap_or(Path::new("")),
                _ => Path::new(""),
            };
            let Some(target) = inside(base, &target) else {
                return Ok(None);
            };
            Entry::Link(target)
        }
        EntryType::GNUSparse => {
            let text = format!("{}: {} is sparse", path.display(), name.display());
            return Err(Cause::File(text));
        }
        _ => return Ok(None),
    };
    Ok(Some((name, place)))
}

/// GNU tar's sparse files in PAX form look like regular ones of another name and size.
fn is_sparse(entry: &mut tar::Entry<'_, BufReader<File>>) -> std::io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(false);
    };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `path` from `base`, without `.` and `..`; nothing when it leads out of the archive.
fn inside(base: &Path, path: &Path) -> Option<PathBuf> {
    let mut name = base.to_owned();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(part) => name.push(part),
            Component::ParentDir => {
                if !name.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (name.as_os_str().len() <= MAX_NAME_LEN).then_some(name)
}

fn refuse_compressed(path: &Path, file: &File) -> Result<(), Cause> {
    use std::os::unix::fs::FileExt as _;
    let mut magic = [0; 8];
    let len = file
        .read_at(&mut magic, 0)
        .map_err(|error| file_error(path, &error))?;
    if COMPRESSED
        .iter()
        .any(|known| magic[..len].starts_with(known))
    {
        let text = format!(
            "{}: is compressed; it has to be a plain tar file",
            path.display()
        );
        return Err(Cause::File(text));
    }
    Ok(())
}
