//! Where the parts of a volume lie: the arithmetic of mkfs.fat 4.2, that of the ESP of an ISO, and the floppy disk of mtools.

use super::{
    Error,
    raw::{ENTRY_LEN, FIXED_DISK, FLOPPY_DISK},
};

/// Sectors before the first FAT: boot sector, FSInfo, their copies at 6 and 7, and room.
const RESERVED_SECTORS: u16 = 32;
/// Fewer clusters mean FAT16 to whoever counts them instead of reading the boot sector (Microsoft, "FAT Type Determination").
pub(super) const MIN_CLUSTERS: u32 = 65_525;
/// As many clusters or more are not FAT12's.
pub(super) const MAX_CLUSTERS_12: u32 = 4_084;
/// Fewer clusters mean FAT12 to whoever counts them: nobody makes an EFI system partition as small.
const MIN_CLUSTERS_16: u32 = 4_085;
/// More clusters have no number: entries are 28 bits wide and the last values are taken.
pub(super) const MAX_CLUSTERS: u32 = 0x0fff_fff4;
/// Sectors that 32 bits count.
const MAX_SECTORS: u64 = u32::MAX as u64;

/// How many sectors make a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterSize {
    /// By the volume's size, as mkfs.fat chooses: 1 up to 260 MiB, then 8 and more.
    ByVolume,
    /// This many, a power of two from 1 to 128.
    Sectors(u8),
}

/// How wide the entries of a FAT are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 12 bits, two in three bytes; the root directory has a place of its own. Floppy disks.
    Fat12,
    /// 32 bits, of which 28 count; the root directory is a chain. Everything larger, here.
    Fat32,
}

/// Numbers of a volume, all in sectors unless named otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Width of the FATs' entries.
    pub kind: Kind,
    /// Bytes of the whole, of which a last piece of a track may be unused.
    pub len: u64,
    /// Bytes of a sector: 512 to 4096.
    pub bytes_per_sector: u16,
    /// Sectors of a cluster.
    pub sectors_per_cluster: u8,
    /// Sectors before the first FAT.
    pub reserved_sectors: u16,
    /// Sectors of each of the two FATs.
    pub fat_sectors: u32,
    /// Slots of the root directory of FAT12, which lies behind the FATs; 0 for FAT32.
    pub root_entries: u16,
    /// Clusters of data.
    pub clusters: u32,
    /// Sectors of the volume. mkfs.fat cuts them to whole tracks, so they may be fewer than the partition has.
    pub total_sectors: u32,
    /// The medium, as the boot sector and the first entry of a FAT say it.
    pub media: u8,
    /// Sectors of a track, for BIOS calls.
    pub sectors_per_track: u16,
    /// Heads, for BIOS calls.
    pub heads: u16,
    /// Sectors before the volume on its disk; 0 in images, as mkfs.fat writes it for files.
    pub hidden_sectors: u32,
}

impl Geometry {
    /// What mkfs.fat 4.2 gives to an image of `len` bytes with sectors of `bytes_per_sector` (`-F 32 -S …`, `-s …`).
    pub fn mkfs(len: u64, bytes_per_sector: u16, cluster: ClusterSize) -> Result<Self, Error> {
        Self::with_at_least(MIN_CLUSTERS, len, bytes_per_sector, cluster)
    }

    /// The EFI system partition of a disk image, of `len` bytes, by mkfs.fat's own choice of clusters (disk.md, 2.2, whose
    /// table the tests repeat).
    ///
    /// With sectors of 4096 bytes, 100 MiB are 25,518 clusters: FAT32 by its boot sector, FAT16 by Microsoft's count. The
    /// reference makes them so, and UEFI, Linux and GRUB, which go by the boot sector, read them; fsck.fat warns. Sectors of
    /// 512 bytes never come to that, and are held to FAT32's least number.
    pub fn partition(len: u64, bytes_per_sector: u16) -> Result<Self, Error> {
        let min = if bytes_per_sector == 512 {
            MIN_CLUSTERS
        } else {
            MIN_CLUSTERS_16
        };
        Self::with_at_least(min, len, bytes_per_sector, ClusterSize::ByVolume)
    }

    fn with_at_least(
        min: u32,
        len: u64,
        bytes_per_sector: u16,
        cluster: ClusterSize,
    ) -> Result<Self, Error> {
        if !matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096) {
            return Err(Error::SectorSize(bytes_per_sector));
        }
        let sectors = len / u64::from(bytes_per_sector);
        if sectors > MAX_SECTORS {
            return Err(Error::VolumeTooLarge { len });
        }
        let (sectors_per_track, heads) = track_and_heads(sectors);
        let sectors_per_cluster = match cluster {
            ClusterSize::ByVolume => default_cluster(sectors),
            ClusterSize::Sectors(count) if count.is_power_of_two() => count,
            ClusterSize::Sectors(count) => return Err(Error::ClusterSize(count)),
        };
        let total = sectors / u64::from(sectors_per_track) * u64::from(sectors_per_track);

        let (sector, per_cluster) = (u64::from(bytes_per_sector), u64::from(sectors_per_cluster));
        let reserved = u64::from(RESERVED_SECTORS).next_multiple_of(per_cluster);
        let too_small = Error::TooFewClusters {
            len,
            clusters: 0,
            min,
        };
        let data = total.checked_sub(reserved).ok_or(too_small)?;
        // Each cluster costs itself and four bytes in each of two FATs; the first two entries are nobody's.
        let most = (data * sector + 16) / (per_cluster * sector + 8);
        let fat = ((most + 2) * 4)
            .div_ceil(sector)
            .next_multiple_of(per_cluster);
        let clusters = data.saturating_sub(2 * fat) / per_cluster;
        let clusters = u32::try_from(clusters).expect("fewer clusters than sectors");
        if clusters < min {
            return Err(Error::TooFewClusters { len, clusters, min });
        }
        if clusters > MAX_CLUSTERS {
            return Err(Error::TooManyClusters {
                len,
                clusters,
                max: MAX_CLUSTERS,
            });
        }
        Ok(Self {
            kind: Kind::Fat32,
            len,
            bytes_per_sector,
            sectors_per_cluster,
            reserved_sectors: u16::try_from(reserved).expect("32, or one cluster of at most 128"),
            fat_sectors: u32::try_from(fat).expect("a FAT is smaller than its volume"),
            root_entries: 0,
            clusters,
            media: FIXED_DISK,
            total_sectors: u32::try_from(total).expect("checked above"),
            sectors_per_track,
            heads,
            hidden_sectors: 0,
        })
    }

    /// A floppy disk of 2.88 MB, FAT12: `efi.img` of an ISO that boots GRUB only (boot.md, 4.5).
    ///
    /// The recorded reports of such ISOs fix its length, 2,949,120 bytes, which El Torito counts as 5760 sectors. The rest is
    /// what `mformat -f 2880` makes of it: 36 sectors a track, 2 heads, clusters of 2 sectors, FATs of 9 sectors behind one of
    /// boot code, 240 slots in the root directory, 2863 clusters.
    pub fn floppy() -> Self {
        Self {
            kind: Kind::Fat12,
            len: 5760 * 512,
            bytes_per_sector: 512,
            sectors_per_cluster: 2,
            reserved_sectors: 1,
            fat_sectors: 9,
            root_entries: 240,
            clusters: 2863,
            total_sectors: 5760,
            media: FLOPPY_DISK,
            sectors_per_track: 36,
            heads: 2,
            hidden_sectors: 0,
        }
    }

    /// Bytes of a cluster.
    pub fn cluster_len(&self) -> u64 {
        u64::from(self.sectors_per_cluster) * u64::from(self.bytes_per_sector)
    }

    /// Offset of the first FAT; the second follows it.
    pub fn fat_offset(&self) -> u64 {
        u64::from(self.reserved_sectors) * u64::from(self.bytes_per_sector)
    }

    /// Bytes of one FAT.
    pub fn fat_len(&self) -> u64 {
        u64::from(self.fat_sectors) * u64::from(self.bytes_per_sector)
    }

    /// Offset of the root directory of FAT12.
    pub fn root_offset(&self) -> u64 {
        self.fat_offset() + 2 * self.fat_len()
    }

    /// Offset of cluster 2, the first.
    pub fn data_offset(&self) -> u64 {
        self.root_offset() + u64::from(self.root_entries) * ENTRY_LEN as u64
    }
}

/// Sectors a track and heads as mkfs.fat 4.2 guesses them for a file of `sectors` sectors.
fn track_and_heads(sectors: u64) -> (u16, u16) {
    /// Sectors of one head: 63 a track, 1024 cylinders.
    const HEAD: u64 = 63 * 1024;
    match sectors {
        0..=4_096 => (16, 2),
        4_097..=32_768 => (32, 2),
        32_769..=65_536 => (32, 4),
        65_537..=262_144 => (32, 8),
        262_145..=524_288 => (32, 16),
        _ => {
            let heads = [16, 32, 64, 128];
            let enough = |heads: &u16| sectors <= u64::from(*heads) * HEAD;
            (63, heads.into_iter().find(enough).unwrap_or(255))
        }
    }
}

/// Sectors of a cluster as mkfs.fat 4.2 chooses them for FAT32: Microsoft's table, in sectors whatever their size.
fn default_cluster(sectors: u64) -> u8 {
    const MIB: u64 = (1 << 20) / 512;
    const GIB: u64 = 1024 * MIB;
    match sectors {
        0..=532_480 => 1,
        _ if sectors <= 8 * GIB => 8,
        _ if sectors <= 16 * GIB => 16,
        _ if sectors <= 32 * GIB => 32,
        _ => 64,
    }
}

const MIB: u64 = 1 << 20;

/// Bytes of the ESP of an ISO that holds a boot loader and a UKI of these lengths: 10 MiB more than both, each in whole MiB
/// (boot.md, 4.3). At least 33 MiB, below which FAT32 would have too few clusters for firmware that counts them; a real
/// UKI never comes near.
pub fn iso_esp_len(boot_loader: u64, uki: u64) -> u64 {
    const ROOM: u64 = 10 * MIB;
    const MIN: u64 = 33 * MIB;
    let len = ROOM + boot_loader.next_multiple_of(MIB) + uki.next_multiple_of(MIB);
    len.max(MIN)
}

/// Cluster size of an ESP of `len` bytes on an ISO: the largest of 1, 2, 4 and 8 sectors that leaves FAT32 enough clusters.
/// Small clusters are slow on optical drives (boot.md, 4.3 and trap 20).
pub fn iso_esp_cluster(len: u64) -> ClusterSize {
    /// Some 2048 clusters more than needed make up for what FATs and reserved sectors take.
    const ENOUGH: u64 = MIN_CLUSTERS as u64 + 2048;
    let sectors = len / 512;
    let fits = |count: &u8| sectors / u64::from(*count) >= ENOUGH;
    ClusterSize::Sectors([8, 4, 2].into_iter().find(fits).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sectors, sectors a cluster, then what mkfs.fat 4.2 wrote: total, track, heads, FAT (disk.md, 2.2, and `mkfs.fat` run).
    #[test]
    fn numbers_are_those_of_mkfs_fat() {
        let rows = [
            (
                100,
                ClusterSize::ByVolume,
                (204_800, 1, 32, 8, 1576, 201_616),
            ),
            (
                102,
                ClusterSize::Sectors(2),
                (208_896, 2, 32, 8, 810, 103_622),
            ),
            (
                256,
                ClusterSize::ByVolume,
                (524_288, 1, 32, 16, 4033, 516_190),
            ),
            (
                257,
                ClusterSize::ByVolume,
                (526_302, 1, 63, 16, 4049, 518_172),
            ),
            (
                300,
                ClusterSize::ByVolume,
                (614_376, 8, 63, 16, 600, 76_643),
            ),
            (
                505,
                ClusterSize::ByVolume,
                (1_034_208, 8, 63, 32, 1008, 129_020),
            ),
            (
                1101,
                ClusterSize::ByVolume,
                (2_254_833, 8, 63, 64, 2200, 281_300),
            ),
            (
                2101,
                ClusterSize::ByVolume,
                (4_302_837, 8, 63, 128, 4200, 536_800),
            ),
        ];
        for (mib, cluster, expected) in rows {
            let g = Geometry::mkfs(mib * MIB, 512, cluster).unwrap();
            let numbers = (
                g.total_sectors,
                g.sectors_per_cluster,
                g.sectors_per_track,
                g.heads,
                g.fat_sectors,
                g.clusters,
            );
            assert_eq!(numbers, expected, "{mib} MiB");
        }
    }

    /// The table of disk.md, 2.2: dumps of what mkfs.vfat makes.
    #[test]
    fn partitions_of_disk_images_have_the_numbers_of_the_specification() {
        for (mib, sector, total, (track, heads), per_cluster, fat, clusters, data) in [
            (100, 512, 204_800, (32, 8), 1, 1576, 201_616, 3184),
            (1101, 512, 2_254_833, (63, 64), 8, 2200, 281_300, 4432),
            (2101, 512, 4_302_837, (63, 128), 8, 4200, 536_800, 8432),
            (100, 4096, 25_600, (32, 2), 1, 25, 25_518, 82),
            (1101, 4096, 281_856, (32, 16), 1, 275, 281_274, 582),
            (2101, 4096, 537_831, (63, 16), 8, 72, 67_206, 176),
        ] {
            let geometry = Geometry::partition(mib * MIB, sector).unwrap();
            let expected = Geometry {
                kind: Kind::Fat32,
                root_entries: 0,
                media: 0xf8,
                len: mib * MIB,
                bytes_per_sector: sector,
                sectors_per_cluster: per_cluster,
                reserved_sectors: 32,
                fat_sectors: fat,
                clusters,
                total_sectors: total,
                sectors_per_track: track,
                heads,
                hidden_sectors: 0,
            };
            assert_eq!(geometry, expected, "{mib} MiB, sectors of {sector}");
            assert_eq!(geometry.data_offset(), data * u64::from(sector));
        }
        assert!(Geometry::partition(32 * MIB, 512).is_err());
        assert!(Geometry::partition(16 * MIB, 4096).is_err());
    }

    #[test]
    fn a_floppy_disk_is_full_of_its_parts() {
        let floppy = Geometry::floppy();
        assert_eq!(floppy.data_offset(), 34 * 512);
        let end = floppy.data_offset() + u64::from(floppy.clusters) * floppy.cluster_len();
        assert_eq!(end, floppy.len);
        assert!(floppy.clusters <= MAX_CLUSTERS_12);
        // Two entries in three bytes, the first two of which are nobody's.
        assert!(u64::from(floppy.clusters + 2) * 3 <= floppy.fat_len() * 2);
    }

    #[test]
    fn the_esp_of_an_iso_is_as_large_as_its_contents_ask() {
        assert_eq!(iso_esp_len(114_688, 94_785_024), 102 * MIB);
        assert_eq!(iso_esp_len(1, 1), 33 * MIB);
        for (mib, sectors) in [
            (33, 1),
            (65, 1),
            (66, 2),
            (131, 2),
            (132, 4),
            (263, 4),
            (264, 8),
            (2000, 8),
        ] {
            let len = mib * MIB;
            assert_eq!(
                iso_esp_cluster(len),
                ClusterSize::Sectors(sectors),
                "{mib} MiB"
            );
            Geometry::mkfs(len, 512, iso_esp_cluster(len)).unwrap();
        }
    }

    #[test]
    fn volumes_that_fat32_cannot_describe_are_refused() {
        for (len, sector, cluster) in [
            (0, 512, ClusterSize::ByVolume),
            (32 * MIB, 512, ClusterSize::ByVolume),
            (100 * MIB, 512, ClusterSize::Sectors(8)),
            (100 * MIB, 512, ClusterSize::Sectors(3)),
            (100 * MIB, 512, ClusterSize::Sectors(0)),
            (100 * MIB, 513, ClusterSize::ByVolume),
            (1 << 42, 512, ClusterSize::ByVolume),
            (1 << 38, 512, ClusterSize::Sectors(1)),
        ] {
            assert!(
                Geometry::mkfs(len, sector, cluster).is_err(),
                "{len} {sector} {cluster:?}"
            );
        }
    }
}
