//! Images followed from the header to every cluster.

use std::io;

use zerocopy::FromBytes as _;

use super::{
    Error,
    raw::{COMPRESSED, Header, MAGIC, OFFSET, REFCOUNT_ORDER, ZERO},
};
use crate::read_at::{Mapped, Piece, ReadAt};

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries of the L1 table.
    pub l1_entries: u64,
    /// Entries of the refcount table.
    pub refcount_entries: u64,
    /// Runs of clusters with data.
    pub runs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            l1_entries: 4 << 20,
            refcount_entries: 1 << 20,
            runs: 1 << 20,
        }
    }
}

/// An image's structure.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its header.
    pub header: Header,
    /// What of the disk is there, in order and in whole clusters; the rest is zeros.
    pub pieces: Vec<Piece>,
    /// L2 tables.
    pub tables: u64,
    /// Clusters whose reference count is not 0.
    pub counted: u64,
    /// Bytes of the image.
    pub len: u64,
}

impl Image {
    /// The disk in the image, which was read from `source`.
    pub fn disk<S: ReadAt>(self, source: S) -> Mapped<S> {
        Mapped::new(source, self.header.size.get(), self.pieces)
    }
}

/// The image in `source`.
pub fn read<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<Image, Error> {
    let header = header(source)?;
    let mut reader = Reader {
        source,
        bits: header.cluster_bits.get(),
        limits,
        pieces: Vec::new(),
    };
    let disk_clusters = header.size.get().div_ceil(reader.cluster());
    let entries = u64::from(header.l1_entries.get());
    if entries > limits.l1_entries {
        return Err(Error::TooMany {
            what: "L1 entries",
            limit: limits.l1_entries,
        });
    }
    let enough = disk_clusters.div_ceil(reader.cluster() / 8);
    if entries < enough {
        return Err(Error::Invalid {
            what: "number of L1 entries",
            offset: 36,
            value: entries,
        });
    }
    let l1_offset = header.l1_offset.get();
    let mut tables = 0;
    for (number, entry) in (0..).zip(reader.words(l1_offset, entries)?) {
        let table = entry & OFFSET;
        if table > 0 {
            tables += 1;
            reader.is_one_more("L1 entry", l1_offset, tables)?;
            reader.table(number, table, disk_clusters)?;
        }
    }
    let counted = reader.refcounts(&header)?;
    Ok(Image {
        header,
        pieces: reader.pieces,
        tables,
        counted,
        len: source.len(),
    })
}

fn header<S: ReadAt + ?Sized>(source: &S) -> Result<Header, Error> {
    let mut bytes = [0; size_of::<Header>()];
    read_at(source, 0, &mut bytes)?;
    let header = Header::read_from_bytes(&bytes).expect("as long as a header");
    let invalid = |what, offset, value| {
        Err(Error::Invalid {
            what,
            offset,
            value,
        })
    };
    if header.magic.get() != MAGIC {
        return invalid("magic", 0, header.magic.get().into());
    }
    if !(9..=21).contains(&header.cluster_bits.get()) {
        return invalid("cluster bits", 20, header.cluster_bits.get().into());
    }
    let unsupported = [
        ("backing file", header.backing_offset.get()),
        ("encryption", header.encryption.get().into()),
        ("incompatible features", header.incompatible.get()),
        ("snapshots", header.snapshots.get().into()),
    ];
    let unsupported = unsupported.into_iter().filter(|(_, value)| *value != 0);
    let version = ("version", header.version.get(), 3);
    let refcounts = (
        "refcount order",
        header.refcount_order.get(),
        REFCOUNT_ORDER,
    );
    let others = [version, refcounts].into_iter();
    let others = others.filter(|(_, value, expected)| value != expected);
    let others = others.map(|(what, value, _)| (what, u64::from(value)));
    match others.chain(unsupported).next() {
        Some((what, value)) => Err(Error::Unsupported { what, value }),
        None => Ok(header),
    }
}

fn read_at<S: ReadAt + ?Sized>(source: &S, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
    let read = source.read_at(offset, bytes);
    read.map_err(|source| Error::Input { offset, source })
}

struct Reader<'a, S: ?Sized> {
    source: &'a S,
    bits: u32,
    limits: Limits,
    pieces: Vec<Piece>,
}

impl<S: ReadAt + ?Sized> Reader<'_, S> {
    fn cluster(&self) -> u64 {
        1 << self.bits
    }

    /// `count` big-endian words from `offset` on, after a look at whether the input is that long.
    fn words(&self, offset: u64, count: u64) -> Result<Vec<u64>, Error> {
        let len = count.checked_mul(8).filter(|len| {
            offset
                .checked_add(*len)
                .is_some_and(|end| end <= self.source.len())
        });
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else {
            return Err(Error::Input {
                offset,
                source: io::ErrorKind::UnexpectedEof.into(),
            });
        };
        let mut bytes = vec![0; len];
        read_at(self.source, offset, &mut bytes)?;
        let (words, _) = bytes.as_chunks::<8>();
        Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
    }

    fn aligned(&self, what: &'static str, offset: u64, value: u64) -> Result<u64, Error> {
        if value.is_multiple_of(self.cluster()) {
            Ok(value)
        } else {
            Err(Error::Invalid {
                what,
                offset,
                value,
            })
        }
    }

    fn table(&mut self, number: u64, offset: u64, disk_clusters: u64) -> Result<(), Error> {
        let offset = self.aligned("L1 entry", offset, offset)?;
        let entries = self.cluster() / 8;
        let words = self.words(offset, entries)?;
        for (index, entry) in (0..).zip(words) {
            if entry == 0 {
                continue;
            }
            let cluster = number * entries + index;
            if entry & COMPRESSED != 0 {
                return Err(Error::Unsupported {
                    what: "compressed cluster",
                    value: cluster,
                });
            }
            if entry & ZERO != 0 {
                continue;
            }
            let place = self.aligned("L2 entry", offset, entry & OFFSET)?;
            let end = place + self.cluster();
            if cluster >= disk_clusters || place == 0 || end > self.source.len() {
                return Err(Error::Invalid {
                    what: "L2 entry",
                    offset,
                    value: entry,
                });
            }
            self.push(cluster * self.cluster(), place)?;
        }
        Ok(())
    }

    fn push(&mut self, at: u64, offset: u64) -> Result<(), Error> {
        let len = self.cluster();
        let full = self.pieces.len() as u64 == self.limits.runs;
        match self.pieces.last_mut() {
            Some(last) if last.at + last.len == at && last.offset + last.len == offset => {
                last.len += len;
            }
            _ if full => {
                return Err(Error::TooMany {
                    what: "runs of clusters",
                    limit: self.limits.runs,
                });
            }
            _ => self.pieces.push(Piece { at, offset, len }),
        }
        Ok(())
    }

    /// Every table is a cluster of its own, so there are no more than clusters: what refers to one twice is no image.
    fn is_one_more(&self, what: &'static str, offset: u64, tables: u64) -> Result<(), Error> {
        if tables <= self.source.len().div_ceil(self.cluster()) {
            return Ok(());
        }
        Err(Error::Invalid {
            what,
            offset,
            value: tables,
        })
    }

    /// Counts the clusters that have references.
    fn refcounts(&self, header: &Header) -> Result<u64, Error> {
        let table = header.refcount_table_offset.get();
        let table = self.aligned("refcount table", 48, table)?;
        let entries = u64::from(header.refcount_table_clusters.get()) * (self.cluster() / 8);
        if entries > self.limits.refcount_entries {
            return Err(Error::TooMany {
                what: "refcount table entries",
                limit: self.limits.refcount_entries,
            });
        }
        let used = self.source.len().div_ceil(self.cluster());
        let (mut counted, mut blocks) = (0, 0);
        for (number, block) in (0..).zip(self.words(table, entries)?) {
            if block == 0 {
                continue;
            }
            let block = self.aligned("refcount table entry", table, block)?;
            blocks += 1;
            self.is_one_more("refcount table entry", table, blocks)?;
            let per_block = self.cluster() / 2;
            for (place, word) in (0..).zip(self.words(block, self.cluster() / 8)?) {
                let bytes = word.to_be_bytes();
                let (counts, _) = bytes.as_chunks::<2>();
                for (index, _) in (0..).zip(counts).filter(|(_, count)| **count != [0; 2]) {
                    let cluster = number * per_block + place * 4 + index;
                    if cluster >= used {
                        return Err(Error::Invalid {
                            what: "reference count",
                            offset: block,
                            value: cluster,
                        });
                    }
                    counted += 1;
                }
            }
        }
        Ok(counted)
    }
}

/// Body of the fuzz target `qcow2`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        l1_entries: 1 << 12,
        refcount_entries: 1 << 12,
        runs: 1 << 12,
    };
    let image = read(data, limits);
    let Ok(image) = image else { return };
    assert!(!image.dump().is_empty());
    for piece in &image.pieces {
        assert!(piece.offset + piece.len <= data.len() as u64 && piece.len > 0);
    }
    let (pieces, size) = (image.pieces.clone(), image.header.size.get());
    let disk = image.disk(data);
    assert_eq!(disk.len(), size);
    for piece in pieces {
        // The last cluster may end behind the disk.
        let mut bytes =
            vec![0; usize::try_from(piece.len.min(size - piece.at)).expect("in memory")];
        disk.read_at(piece.at, &mut bytes)
            .expect("all pieces are there");
        let place = usize::try_from(piece.offset).expect("in memory");
        assert_eq!(bytes, data[place..][..bytes.len()]);
    }
}
