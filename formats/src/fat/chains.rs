//! What the reader follows: the numbers of a boot sector and the chains of a FAT.

use std::ops::Range;

use zerocopy::FromBytes;

use super::{
    Kind, ReadError,
    geometry::MAX_CLUSTERS_12,
    raw::{
        BootSector, END_OF_CHAIN_MIN, ENTRY_LEN, ENTRY_MASK, FIRST_CLUSTER, NO_CLUSTER_12,
        SIGNATURE, WIDENED,
    },
};
use crate::read_at::ReadAt;

/// The boot sector with what follows from it.
pub(super) struct Numbers {
    pub(super) boot_sector: BootSector,
    pub(super) kind: Kind,
    /// The root directory of FAT12.
    pub(super) fixed_root: Range<u64>,
    pub(super) sector: u64,
    pub(super) cluster_len: u64,
    pub(super) fat_offset: u64,
    pub(super) data_offset: u64,
    pub(super) clusters: u32,
}

impl Numbers {
    pub(super) fn new(source: &(impl ReadAt + ?Sized)) -> Result<Self, ReadError> {
        let bytes = fetch(source, 0, size_of::<BootSector>())?;
        let boot = BootSector::read_from_bytes(&bytes).expect("read as many bytes");
        let valid = |field, found: u64, valid: bool| {
            if valid {
                Ok(found)
            } else {
                Err(ReadError::Field { field, found })
            }
        };
        valid(
            "signature",
            u64::from(u16::from_le_bytes(boot.signature)),
            boot.signature == SIGNATURE,
        )?;
        let sector = u64::from(boot.bytes_per_sector.get());
        valid(
            "bytes per sector",
            sector,
            matches!(sector, 512 | 1024 | 2048 | 4096),
        )?;
        let per_cluster = u64::from(boot.sectors_per_cluster);
        valid(
            "sectors per cluster",
            per_cluster,
            per_cluster.is_power_of_two(),
        )?;
        let reserved = u64::from(boot.reserved_sectors.get());
        valid("reserved sectors", reserved, reserved > 0)?;
        let fats = u64::from(boot.fats);
        valid("number of FATs", fats, matches!(fats, 1 | 2))?;
        let old_fat = u64::from(boot.fat_sectors_16.get());
        let kind = if old_fat == 0 {
            Kind::Fat32
        } else {
            Kind::Fat12
        };
        let fat = match kind {
            Kind::Fat12 => old_fat,
            Kind::Fat32 => u64::from(boot.fat_sectors_32.get()),
        };
        valid("sectors per FAT", fat, fat > 0)?;
        let root_entries = u64::from(boot.root_entries.get());
        valid(
            "slots of the root directory",
            root_entries,
            (root_entries > 0) == (kind == Kind::Fat12),
        )?;
        let root_len = root_entries * ENTRY_LEN as u64;
        let few = u64::from(boot.total_sectors_16.get());
        let total = if few == 0 {
            u64::from(boot.total_sectors_32.get())
        } else {
            few
        };
        let root = reserved + fats * fat;
        let data = root + root_len.div_ceil(sector);
        valid("total sectors", total, total > data)?;
        let clusters = (total - data) / per_cluster;
        let room = match kind {
            Kind::Fat12 => fat * sector * 2 / 3,
            Kind::Fat32 => fat * sector / 4,
        };
        let room = room.saturating_sub(u64::from(FIRST_CLUSTER));
        if kind == Kind::Fat12 {
            let max = u64::from(MAX_CLUSTERS_12);
            valid("clusters of FAT16", clusters, clusters <= max)?;
        }
        valid(
            "clusters beyond the FAT",
            clusters,
            (1..=room).contains(&clusters),
        )?;
        if total * sector > source.len() {
            return Err(ReadError::Truncated {
                expected: total * sector,
                found: source.len(),
            });
        }
        Ok(Self {
            boot_sector: boot,
            kind,
            fixed_root: root * sector..root * sector + root_len,
            sector,
            cluster_len: per_cluster * sector,
            fat_offset: reserved * sector,
            data_offset: data * sector,
            clusters: u32::try_from(clusters).expect("fewer than sectors, which have 32 bits"),
        })
    }
}

/// The FAT, a block at a time.
pub(super) struct Chains<'a, R: ?Sized> {
    pub(super) source: &'a R,
    volume: &'a Numbers,
    /// Clusters that no chain has taken yet: a volume's chains together cannot have more than it has clusters, so this bounds
    /// the work and finds circles.
    left: u32,
    block: Vec<u8>,
    block_offset: u64,
}

impl<'a, R: ReadAt + ?Sized> Chains<'a, R> {
    pub(super) fn new(source: &'a R, volume: &'a Numbers) -> Self {
        Self {
            source,
            volume,
            left: volume.clusters,
            block: Vec::new(),
            block_offset: u64::MAX,
        }
    }

    /// Where the clusters of a directory lie, to the end of its chain.
    pub(super) fn open_ended(
        &mut self,
        path: &str,
        first: u32,
        max_len: u64,
    ) -> Result<Vec<Range<u64>>, ReadError> {
        let mut runs = Vec::new();
        let (mut cluster, mut len) = (first, 0);
        loop {
            self.push(&mut runs, path, cluster)?;
            len += self.volume.cluster_len;
            if len > max_len.max(self.volume.cluster_len) {
                return Err(ReadError::Limit {
                    what: "bytes in a directory",
                    limit: max_len,
                });
            }
            match self.next(cluster)? {
                END_OF_CHAIN_MIN.. => return Ok(runs),
                next => cluster = next,
            }
        }
    }

    /// Where the `len` bytes of a file lie; its chain must have as many clusters as they need.
    pub(super) fn exactly(
        &mut self,
        path: &str,
        first: u32,
        len: u64,
    ) -> Result<Vec<Range<u64>>, ReadError> {
        let expected = len.div_ceil(self.volume.cluster_len);
        let wrong = || ReadError::ChainLength {
            path: path.to_owned(),
            expected,
        };
        let mut runs = Vec::new();
        let mut cluster = first;
        for index in 1..=expected {
            self.push(&mut runs, path, cluster)?;
            let next = self.next(cluster)?;
            if (next >= END_OF_CHAIN_MIN) != (index == expected) {
                return Err(wrong());
            }
            cluster = next;
        }
        let unused = expected * self.volume.cluster_len - len;
        let last = runs.last_mut().ok_or_else(wrong)?;
        last.end -= unused;
        Ok(runs)
    }

    fn push(
        &mut self,
        runs: &mut Vec<Range<u64>>,
        path: &str,
        cluster: u32,
    ) -> Result<(), ReadError> {
        if !(FIRST_CLUSTER..self.volume.clusters + FIRST_CLUSTER).contains(&cluster) {
            return Err(ReadError::Cluster {
                path: path.to_owned(),
                cluster,
            });
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| ReadError::Shared {
            path: path.to_owned(),
        })?;
        let start =
            self.volume.data_offset + u64::from(cluster - FIRST_CLUSTER) * self.volume.cluster_len;
        let end = start + self.volume.cluster_len;
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => runs.push(start..end),
        }
        Ok(())
    }

    fn next(&mut self, cluster: u32) -> Result<u32, ReadError> {
        match self.volume.kind {
            Kind::Fat12 => self.next_12(cluster),
            Kind::Fat32 => self.next_32(cluster),
        }
    }

    /// From the whole FAT, which has at most 6 KiB; what is no cluster answers as an entry of FAT32 does.
    fn next_12(&mut self, cluster: u32) -> Result<u32, ReadError> {
        if self.block.is_empty() {
            let entries = self.volume.clusters + FIRST_CLUSTER;
            let len = usize::try_from((entries * 3).div_ceil(2)).expect("at most 6 KiB");
            self.block = fetch(self.source, self.volume.fat_offset, len)?;
        }
        let at = usize::try_from(cluster / 2 * 3).expect("within the FAT");
        // The last entry may be alone in its pair.
        let byte = |at: usize| u32::from(self.block.get(at).copied().unwrap_or(0));
        let both = byte(at) | byte(at + 1) << 8 | byte(at + 2) << 16;
        let entry = both >> (cluster % 2 * 12) & 0xfff;
        Ok(if entry < NO_CLUSTER_12 {
            entry
        } else {
            entry | WIDENED
        })
    }

    fn next_32(&mut self, cluster: u32) -> Result<u32, ReadError> {
        const BLOCK: u64 = 4096;
        let (offset, fat_end) = (
            u64::from(cluster) * 4,
            u64::from(self.volume.clusters + FIRST_CLUSTER) * 4,
        );
        let start = offset / BLOCK * BLOCK;
        if start != self.block_offset {
            let len = usize::try_from(BLOCK.min(fat_end - start)).expect("at most a block");
            self.block = fetch(self.source, self.volume.fat_offset + start, len)?;
            self.block_offset = start;
        }
        let at = usize::try_from(offset - start).expect("within a block");
        let word = self.block[at..at + 4].try_into().expect("four bytes");
        Ok(u32::from_le_bytes(word) & ENTRY_MASK)
    }
}

pub(super) fn fetch(
    source: &(impl ReadAt + ?Sized),
    offset: u64,
    len: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; len];
    source
        .read_at(offset, &mut bytes)
        .map_err(|source| ReadError::Source {
            offset,
            len,
            source,
        })?;
    Ok(bytes)
}
