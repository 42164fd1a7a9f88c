//! Where tables and partitions lie: the arithmetic of go-blockdevice (spec/disk.md 1.5).

use super::{Error, raw::ENTRIES_LEN};

/// Partitions start at whole MiB, on any disk.
const ALIGNMENT: u64 = 1 << 20;

/// Numbers of a disk, in sectors unless named otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of the disk.
    pub len: u64,
    /// Bytes of a sector: 512 or 4096.
    pub sector_len: u64,
    /// First of the entries.
    pub entries: u64,
    /// First that a partition may use.
    pub first_usable: u64,
    /// Last that a partition may use.
    pub last_usable: u64,
    /// First of the entries' copy.
    pub backup_entries: u64,
    /// The last of the disk, where the header's copy is.
    pub last: u64,
}

/// How large a partition shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// This many bytes, whole sectors.
    Bytes(u64),
    /// All that is left.
    Rest,
}

/// The sectors of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// First.
    pub first: u64,
    /// Last, not the one behind it.
    pub last: u64,
}

impl Geometry {
    /// The geometry of a disk of `len` bytes with sectors of `sector_len`, where `skip` sectors between header and entries are
    /// left to a board's boot loader.
    pub fn new(len: u64, sector_len: u64, skip: u64) -> Result<Self, Error> {
        if !matches!(sector_len, 512 | 4096) {
            return Err(Error::SectorSize(sector_len));
        }
        let too_small = Error::TooSmall { len };
        let table = ENTRIES_LEN / sector_len;
        let alignment = ALIGNMENT / sector_len;
        let sectors = len / sector_len;
        let entries = 2_u64
            .checked_add(skip)
            .filter(|entries| *entries < sectors)
            .ok_or(too_small.clone())?;
        let first_usable = (entries + table).next_multiple_of(alignment);
        // Behind the usable ones: the entries' copy and the header's.
        let last_usable = sectors
            .checked_sub(table + 2)
            .filter(|last| *last >= first_usable)
            .ok_or(too_small)?;
        Ok(Self {
            len,
            sector_len,
            entries,
            first_usable,
            last_usable,
            backup_entries: last_usable + 1,
            last: sectors - 1,
        })
    }

    /// Places partitions one behind the other, each at a whole MiB.
    pub fn place(&self, sizes: &[Size]) -> Result<Vec<Run>, Error> {
        let alignment = ALIGNMENT / self.sector_len;
        // The last usable sector counts as if it were behind the last: so the last piece of a MiB stays free.
        let end = self.last_usable / alignment * alignment;
        let mut next = self.first_usable;
        let mut runs = Vec::with_capacity(sizes.len());
        for (index, size) in sizes.iter().enumerate() {
            let free = end.saturating_sub(next);
            let needed = match size {
                Size::Bytes(len) => len.div_ceil(self.sector_len),
                Size::Rest => free,
            };
            if needed == 0 || needed > free {
                return Err(Error::NoRoom {
                    number: index + 1,
                    needed: match size {
                        Size::Bytes(len) => *len,
                        Size::Rest => self.sector_len,
                    },
                    free: free * self.sector_len,
                    len: self.len,
                });
            }
            runs.push(Run {
                first: next,
                last: next + needed - 1,
            });
            next = (next + needed).next_multiple_of(alignment);
        }
        Ok(runs)
    }

    /// Offset of a sector, in bytes.
    pub fn offset(&self, lba: u64) -> u64 {
        lba * self.sector_len
    }

    /// Bytes of a run.
    pub fn run_len(&self, run: Run) -> u64 {
        (run.last - run.first + 1) * self.sector_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn place(len: u64, sector: u64, skip: u64, sizes: &[u64]) -> (Geometry, Vec<(u64, u64)>) {
        let sizes: Vec<Size> = sizes
            .iter()
            .map(|mib| match mib {
                0 => Size::Rest,
                mib => Size::Bytes(mib * MIB),
            })
            .collect();
        let geometry = Geometry::new(len * MIB, sector, skip).unwrap();
        let runs = geometry.place(&sizes).unwrap();
        (
            geometry,
            runs.iter().map(|run| (run.first, run.last)).collect(),
        )
    }

    /// The table of spec/disk.md 1.7: disk size, sizes of partitions, then the sectors in both units.
    #[test]
    fn partitions_lie_where_the_reference_puts_them() {
        let dual = [2101, 1, 2000, 1];
        let grub_old = [100, 1, 1000, 1, 100, 0];
        for (disk, sector, sizes, expected) in [
            (
                4247,
                512,
                &dual[..],
                &[
                    (2048, 4_304_895),
                    (4_304_896, 4_306_943),
                    (4_306_944, 8_402_943),
                    (8_402_944, 8_404_991),
                ][..],
            ),
            (
                4247,
                4096,
                &dual,
                &[
                    (256, 538_111),
                    (538_112, 538_367),
                    (538_368, 1_050_367),
                    (1_050_368, 1_050_623),
                ],
            ),
            (
                2247,
                512,
                &[1101, 1, 1000, 1],
                &[
                    (2048, 2_256_895),
                    (2_256_896, 2_258_943),
                    (2_258_944, 4_306_943),
                    (4_306_944, 4_308_991),
                ],
            ),
            (
                2246,
                512,
                &[2101, 1],
                &[(2048, 4_304_895), (4_304_896, 4_306_943)],
            ),
            (
                1246,
                4096,
                &[1101, 1],
                &[(256, 282_111), (282_112, 282_367)],
            ),
            (
                2246,
                512,
                &[100, 1, 2000, 1],
                &[
                    (2048, 206_847),
                    (206_848, 208_895),
                    (208_896, 4_304_895),
                    (4_304_896, 4_306_943),
                ],
            ),
            (
                1246,
                512,
                &grub_old,
                &[
                    (2048, 206_847),
                    (206_848, 208_895),
                    (208_896, 2_256_895),
                    (2_256_896, 2_258_943),
                    (2_258_944, 2_463_743),
                    (2_463_744, 2_549_759),
                ],
            ),
            (
                1246,
                4096,
                &grub_old,
                &[
                    (256, 25_855),
                    (25_856, 26_111),
                    (26_112, 282_111),
                    (282_112, 282_367),
                    (282_368, 307_967),
                    (307_968, 318_719),
                ],
            ),
        ] {
            let (_, runs) = place(disk, sector, 0, sizes);
            assert_eq!(runs, expected, "{disk} MiB, sectors of {sector}");
        }
    }

    #[test]
    fn tables_lie_where_the_reference_puts_them() {
        for (disk, sector, skip, expected) in [
            (4247, 512, 0, (2, 2048, 8_697_822, 8_697_823, 8_697_855)),
            (4247, 4096, 0, (2, 256, 1_087_226, 1_087_227, 1_087_231)),
            (2246, 512, 0, (2, 2048, 4_599_774, 4_599_775, 4_599_807)),
            (
                2246,
                512,
                20_480,
                (20_482, 22_528, 4_599_774, 4_599_775, 4_599_807),
            ),
            (
                1246,
                512,
                2048,
                (2050, 4096, 2_551_774, 2_551_775, 2_551_807),
            ),
        ] {
            let g = Geometry::new(disk * MIB, sector, skip).unwrap();
            let numbers = (
                g.entries,
                g.first_usable,
                g.last_usable,
                g.backup_entries,
                g.last,
            );
            assert_eq!(numbers, expected, "{disk} MiB, sectors of {sector}");
        }
        let (_, runs) = place(2246, 512, 20_480, &[100, 1, 2000, 1]);
        assert_eq!(runs[0].0, 22_528);
        assert_eq!(runs[3], (4_325_376, 4_327_423));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        assert_eq!(
            Geometry::new(MIB, 520, 0).unwrap_err().to_string(),
            "sector of 520 bytes: expected 512 or 4096"
        );
        for (len, skip) in [
            (0, 0),
            (512, 0),
            (MIB, 0),
            (MIB + 16 * 1024, 0),
            (8 * MIB, 1 << 60),
            (8 * MIB, u64::MAX),
        ] {
            let error = Geometry::new(len, 512, skip).unwrap_err();
            assert_eq!(error, Error::TooSmall { len });
        }
        let geometry = Geometry::new(4 * MIB, 512, 0).unwrap();
        let error = geometry
            .place(&[Size::Bytes(MIB), Size::Bytes(2 * MIB)])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "partition 2 of 2097152 bytes does not fit: 1048576 bytes are left of a disk of 4194304"
        );
        assert!(geometry.place(&[Size::Bytes(2 * MIB), Size::Rest]).is_err());
        assert!(geometry.place(&[Size::Bytes(0)]).is_err());
        assert!(geometry.place(&[Size::Bytes(u64::MAX)]).is_err());
    }
}
