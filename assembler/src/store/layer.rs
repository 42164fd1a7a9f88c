//! A container layer on its way into the store: one pass, nothing extracted.
//!
//! The compressed stream is hashed, decompressed and parsed in memory; each regular file becomes a blob under its own SHA-256, and
//! the result is a [`Tree`]. Names, links and devices in a layer can therefore harm nothing; what a layer may not hold is refused
//! with the entry's name. The tree is handed out only after the digest of the whole was found right.

use std::{
    cell::Cell,
    collections::{BTreeMap, btree_map},
    io::{self, Read},
};

use formats::Digest;
use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::{Batch, Entry, Node, Store, Tree};
use crate::error::Kind;

/// How much a layer may hold. A kernel-and-tools image has about 1,000 entries and 300 MB; the largest extensions have 10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the archive.
    pub entries: u64,
    /// Bytes of a path or link target.
    pub path: usize,
    /// Bytes of an extended header: names, attributes.
    pub header: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Bytes of the archive after decompression.
    pub unpacked: u64,
    /// How many times larger than its compressed form the archive may be; counted once it passes [`RATIO_FREE`].
    pub ratio: u64,
}

/// Below this many unpacked bytes no ratio is too large.
pub const RATIO_FREE: u64 = 64 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 200_000,
            path: 4096,
            header: 1 << 20,
            file: 8 << 30,
            unpacked: 16 << 30,
            ratio: 100,
        }
    }
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A plain archive.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Why a layer was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The content is not what the digest says.
    #[error("content has digest {found}, expected {expected}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The stream broke, or is not a compressed archive.
    #[error("broken archive: {0}")]
    Broken(io::Error),
    /// An entry that no layer of ours may hold.
    #[error("entry {path:?}: {problem}")]
    Entry {
        /// The entry's name as far as it is known.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More than the limits allow.
    #[error("more than {limit} {what}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] super::Error),
}

impl Error {
    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            _ => Kind::Upstream,
        }
    }
}

/// Reads a layer of digest `digest` from `stream` into `store`. Blocks.
pub fn ingest(
    store: &Store,
    digest: &Digest,
    compression: Compression,
    stream: impl Read,
    limits: &Limits,
) -> Result<Tree, Error> {
    let compressed = Cell::new(0);
    let mut batch = store.batch();
    let mut hashed = Hashed {
        inner: stream,
        hasher: Sha256::new(),
        len: &compressed,
    };
    let tree = match compression {
        Compression::None => unpack(store, &mut batch, &mut hashed, &compressed, limits),
        Compression::Gzip => unpack(
            store,
            &mut batch,
            flate2::read::MultiGzDecoder::new(&mut hashed),
            &compressed,
            limits,
        ),
        Compression::Zstd => match zstd::stream::read::Decoder::new(&mut hashed) {
            Ok(decoder) => unpack(store, &mut batch, decoder, &compressed, limits),
            Err(error) => Err(Error::Broken(error)),
        },
    };
    if let Err(error @ (Error::TooMuch { .. } | Error::Store(_))) = tree {
        return Err(error);
    }
    // What follows the archive's end is still part of the blob; and a wrong digest explains any other failure.
    let rest = io::copy(&mut hashed, &mut io::sink());
    let found = Digest::finish(hashed.hasher);
    match rest {
        Err(error) => Err(Error::Broken(error)),
        Ok(_) if found != *digest => Err(Error::Digest {
            expected: *digest,
            found,
        }),
        Ok(_) => {
            let tree = tree?;
            batch.commit()?;
            Ok(tree)
        }
    }
}

/// Hashes and counts the compressed bytes.
struct Hashed<'a, R> {
    inner: R,
    hasher: Sha256,
    len: &'a Cell<u64>,
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..len]);
        self.len.set(self.len.get() + len as u64);
        Ok(len)
    }
}

/// Stops an archive that grows beyond the limits while it is decompressed.
struct Bounded<'a, R> {
    inner: R,
    compressed: &'a Cell<u64>,
    unpacked: u64,
    limits: &'a Limits,
    exceeded: &'a Cell<Option<(&'static str, u64)>>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.unpacked += len as u64;
        let ratio = self.unpacked / self.compressed.get().max(1);
        if self.unpacked > self.limits.unpacked {
            self.exceeded
                .set(Some(("unpacked bytes", self.limits.unpacked)));
        } else if self.unpacked > RATIO_FREE && ratio >= self.limits.ratio {
            self.exceeded
                .set(Some(("times the compressed size", self.limits.ratio)));
        }
        if self.exceeded.get().is_some() {
            return Err(io::Error::other("limit exceeded"));
        }
        Ok(len)
    }
}

fn unpack<'a>(
    store: &'a Store,
    batch: &mut Batch<'a>,
    archive: impl Read,
    compressed: &Cell<u64>,
    limits: &Limits,
) -> Result<Tree, Error> {
    let exceeded = Cell::new(None);
    let bounded = Bounded {
        inner: archive,
        compressed,
        unpacked: 0,
        limits,
        exceeded: &exceeded,
    };
    let result = Unpacker {
        store,
        batch,
        limits,
        tree: Tree::default(),
        extended: Extended::default(),
    }
    .run(bounded);
    match (exceeded.get(), result) {
        (Some((what, limit)), _) => Err(Error::TooMuch { what, limit }),
        (None, result) => result,
    }
}

/// What extended headers say of the entry that follows them.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

struct Unpacker<'a, 'b> {
    store: &'a Store,
    batch: &'b mut Batch<'a>,
    limits: &'b Limits,
    tree: Tree,
    extended: Extended,
}

impl Unpacker<'_, '_> {
    fn run(mut self, archive: impl Read) -> Result<Tree, Error> {
        let mut archive = tar::Archive::new(archive);
        let mut count = 0;
        // Raw: extended headers come to us, so that their sizes are limited and what they may say is decided here.
        for entry in archive.entries().map_err(Error::Broken)?.raw(true) {
            let mut entry = entry.map_err(Error::Broken)?;
            count += 1;
            if count > self.limits.entries {
                return Err(Error::TooMuch {
                    what: "entries",
                    limit: self.limits.entries,
                });
            }
            match entry.header().entry_type() {
                EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink => {
                    self.extend(&mut entry)?;
                }
                EntryType::XGlobalHeader => {}
                _ => self.add(&mut entry)?,
            }
        }
        // To the end, so that the compressed stream's own checks are made.
        let rest = io::copy(&mut archive.into_inner(), &mut io::sink());
        rest.map_err(Error::Broken)?;
        Ok(self.tree)
    }

    fn extend(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Error> {
        let kind = entry.header().entry_type();
        let len = entry.header().size().map_err(Error::Broken)?;
        if len > self.limits.header {
            return Err(Error::TooMuch {
                what: "bytes of an extended header",
                limit: self.limits.header,
            });
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(Error::Broken)?;
        match kind {
            EntryType::GNULongName => self.extended.path = Some(text(until_nul(&content))?),
            EntryType::GNULongLink => self.extended.link = Some(text(until_nul(&content))?),
            _ => self.extend_pax(&content)?,
        }
        Ok(())
    }

    fn extend_pax(&mut self, content: &[u8]) -> Result<(), Error> {
        for record in tar::PaxExtensions::new(content) {
            let record = record.map_err(Error::Broken)?;
            let key = text(record.key_bytes())?;
            match key.as_str() {
                "path" => self.extended.path = Some(text(record.value_bytes())?),
                "linkpath" => self.extended.link = Some(text(record.value_bytes())?),
                // Files of 8 GiB and more, which are refused anyway; elsewhere it only serves to confuse readers.
                "size" => {
                    return Err(refuse(
                        self.extended.path.as_deref(),
                        "its size is given by an extended header",
                    ));
                }
                key if key.starts_with("GNU.sparse.") => {
                    return Err(refuse(
                        self.extended.path.as_deref(),
                        "sparse files are not supported",
                    ));
                }
                key => {
                    if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                        self.extended
                            .xattrs
                            .insert(name.to_owned(), record.value_bytes().to_owned());
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), Error> {
        let Extended { path, link, xattrs } = std::mem::take(&mut self.extended);
        let raw = match path {
            Some(path) => path,
            None => text(&entry.header().path_bytes())?,
        };
        let path = self.clean(&raw)?;
        let mode = entry.header().mode().map_err(Error::Broken)? & 0o7777;
        let link = |entry: &tar::Entry<'_, _>| match link {
            Some(link) => Ok(link),
            None => text(&entry.header().link_name_bytes().unwrap_or_default()),
        };
        let node = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => self.file(&raw, entry)?,
            EntryType::Directory => Node::Directory,
            EntryType::Symlink => Node::Symlink(self.symlink(&raw, &path, link(entry)?)?),
            EntryType::Link => {
                let target = link(entry)?;
                let target = self
                    .clean(&target)
                    .map_err(|_| refuse(Some(&raw), "hard link out of the image"))?;
                Node::Hardlink(target)
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                return Err(refuse(Some(&raw), "devices and pipes are not allowed"));
            }
            EntryType::GNUSparse => {
                return Err(refuse(Some(&raw), "sparse files are not supported"));
            }
            _ => return Err(refuse(Some(&raw), "unknown type of entry")),
        };
        if path.is_empty() {
            return if node == Node::Directory {
                Ok(())
            } else {
                Err(refuse(Some(&raw), "empty name"))
            };
        }
        match self.tree.entries.entry(path) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(Entry { mode, node, xattrs });
            }
            btree_map::Entry::Occupied(mut known) => {
                if (&known.get().node, &node) != (&Node::Directory, &Node::Directory) {
                    return Err(refuse(Some(&raw), "the name occurs twice"));
                }
                known.insert(Entry { mode, node, xattrs });
            }
        }
        Ok(())
    }

    fn file(&mut self, raw: &str, entry: &mut tar::Entry<'_, impl Read>) -> Result<Node, Error> {
        let len = entry.header().size().map_err(Error::Broken)?;
        if len > self.limits.file {
            return Err(Error::TooMuch {
                what: "bytes of one file",
                limit: self.limits.file,
            });
        }
        let mut writer = self.store.writer()?;
        let mut buffer = vec![0; 128 << 10];
        let mut done = 0;
        loop {
            let read = entry.read(&mut buffer).map_err(Error::Broken)?;
            if read == 0 {
                break;
            }
            writer.append(&buffer[..read])?;
            done += read as u64;
        }
        if done != len {
            return Err(refuse(Some(raw), "the archive ends within it"));
        }
        Ok(Node::File(self.batch.add(writer)?))
    }

    /// A symbolic link's target as written; relative ones may not lead out of the image.
    fn symlink(&self, raw: &str, path: &str, target: String) -> Result<String, Error> {
        if target.is_empty() || target.len() > self.limits.path {
            return Err(refuse(Some(raw), "empty or overlong link target"));
        }
        if !target.starts_with('/') {
            let mut depth = path.split('/').count() - 1;
            for part in target.split('/') {
                match part {
                    "" | "." => {}
                    ".." if depth == 0 => {
                        return Err(refuse(Some(raw), "symbolic link out of the image"));
                    }
                    ".." => depth -= 1,
                    _ => depth += 1,
                }
            }
        }
        Ok(target)
    }

    /// A name as a path of the tree: relative, without `.`, `..` and trailing slash.
    fn clean(&self, raw: &str) -> Result<String, Error> {
        if raw.len() > self.limits.path {
            let start: String = raw.chars().take(80).collect();
            return Err(refuse(Some(&format!("{start}…")), "overlong name"));
        }
        if raw.starts_with('/') {
            return Err(refuse(Some(raw), "absolute name"));
        }
        if raw.contains('\0') {
            return Err(refuse(Some(raw), "NUL in a name"));
        }
        let parts: Vec<&str> = raw
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            return Err(refuse(Some(raw), ".. in a name"));
        }
        Ok(parts.join("/"))
    }
}

fn refuse(path: Option<&str>, problem: &'static str) -> Error {
    Error::Entry {
        path: path.unwrap_or_default().to_owned(),
        problem,
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| {
        refuse(
            Some(&String::from_utf8_lossy(bytes)),
            "the name is not UTF-8",
        )
    })
}
