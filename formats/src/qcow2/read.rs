//! Images followed from the header to every cluster.

use std::io;

use zerocopy::FromBytes as _;

use super::{
    Error,
    raw::{COMPRESSED, Header, MAGIC, OFFSET, REFCOUNT_ORDER, ZERO},
};
use crate::read_at::ReadAt;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries of the L1 table.
    pub l1_entries: u64,
    /// Clusters with data.
    pub clusters: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            l1_entries: 4 << 20,
            clusters: 64 << 20,
        }
    }
}

/// A run of the disk that is in the image, in both contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where on the disk it begins.
    pub disk: u64,
    /// Where in the image it begins.
    pub offset: u64,
    /// Bytes, whole clusters.
    pub len: u64,
}

/// An image's structure.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its header.
    pub header: Header,
    /// What of the disk is there, in order; the rest is zeros.
    pub extents: Vec<Extent>,
    /// L2 tables.
    pub tables: u64,
    /// Clusters whose reference count is not 0.
    pub counted: u64,
}

/// The image in `source`.
pub fn read<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<Image, Error> {
    let header = header(source)?;
    let mut reader = Reader {
        source,
        bits: header.cluster_bits.get(),
        limits,
        clusters: 0,
        extents: Vec::new(),
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
            reader.table(number, table, disk_clusters)?;
        }
    }
    let counted = reader.refcounts(&header)?;
    Ok(Image {
        header,
        extents: reader.extents,
        tables,
        counted,
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
        ("version", u64::from(header.version.get()) ^ 3),
        ("backing file", header.backing_offset.get()),
        ("encryption", header.encryption.get().into()),
        ("incompatible features", header.incompatible.get()),
        ("snapshots", header.snapshots.get().into()),
        (
            "refcount order",
            u64::from(header.refcount_order.get() ^ REFCOUNT_ORDER),
        ),
    ];
    match unsupported.into_iter().find(|(_, value)| *value != 0) {
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
    clusters: u64,
    extents: Vec<Extent>,
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

    fn push(&mut self, disk: u64, offset: u64) -> Result<(), Error> {
        self.clusters += 1;
        if self.clusters > self.limits.clusters {
            return Err(Error::TooMany {
                what: "clusters",
                limit: self.limits.clusters,
            });
        }
        let len = self.cluster();
        match self.extents.last_mut() {
            Some(last) if last.disk + last.len == disk && last.offset + last.len == offset => {
                last.len += len;
            }
            _ => self.extents.push(Extent { disk, offset, len }),
        }
        Ok(())
    }

    /// Counts the clusters that have references.
    fn refcounts(&self, header: &Header) -> Result<u64, Error> {
        let table = header.refcount_table_offset.get();
        let table = self.aligned("refcount table", 48, table)?;
        let entries = u64::from(header.refcount_table_clusters.get()) * (self.cluster() / 8);
        let used = self.source.len().div_ceil(self.cluster());
        let mut counted = 0;
        for (number, block) in (0..).zip(self.words(table, entries)?) {
            if block == 0 {
                continue;
            }
            let block = self.aligned("refcount table entry", table, block)?;
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
        clusters: 1 << 12,
    };
    let image = read(data, limits);
    assert_eq!(image.is_ok(), super::dump(data, limits).is_ok());
    let Ok(image) = image else { return };
    for extent in &image.extents {
        assert!(extent.offset + extent.len <= data.len() as u64 && extent.len > 0);
    }
    let ascend = |pair: &[Extent]| pair[0].disk + pair[0].len <= pair[1].disk;
    assert!(image.extents.windows(2).all(ascend));
}
