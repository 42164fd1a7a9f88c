//! Kinds of images, told apart by their magic numbers.

use std::io;

use formats::{read_at::ReadAt, tar, vhd};

use super::source::head;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pe,
    Iso,
    Gpt,
    Adv,
    Fat,
    Xfs,
    Squashfs,
    Cpio,
    Zstd,
    Xz,
    Gzip,
    Qcow2,
    Vhd,
    Vmdk,
    Tar,
}

/// Bytes that are looked at: up to the first volume descriptor of an ISO.
pub(super) const HEAD: usize = 0x8800;

/// Where a magic number stands and what it means; the first that fits decides. What wraps an image comes before images, and an
/// ISO before its hybrid MBR.
const MAGIC: [(usize, &[u8], Kind); 17] = [
    (0, b"QFI\xfb", Kind::Qcow2),
    (0, b"KDMV", Kind::Vmdk),
    (0, &vhd::COOKIE, Kind::Vhd),
    (tar::MAGIC_OFFSET, tar::USTAR, Kind::Tar),
    (0x8001, b"CD001", Kind::Iso),
    (512, b"EFI PART", Kind::Gpt),
    (4096, b"EFI PART", Kind::Gpt),
    (82, b"FAT32", Kind::Fat),
    (54, b"FAT", Kind::Fat),
    (0, b"XFSB", Kind::Xfs),
    (0, b"\x5a\x4b\x3c\x2d", Kind::Adv),
    (0, b"hsqs", Kind::Squashfs),
    (0, b"070701", Kind::Cpio),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"\x1f\x8b", Kind::Gzip),
    (0, b"MZ", Kind::Pe),
];

impl Kind {
    /// The kind of a whole file: a VHD says at its end what it is, and begins like the disk in it.
    pub(super) fn of(source: &dyn ReadAt) -> io::Result<Option<Self>> {
        const FOOTER: u64 = 512;
        if let Some(footer) = source.len().checked_sub(FOOTER)
            && head(source, footer, vhd::COOKIE.len())? == vhd::COOKIE
        {
            return Ok(Some(Self::Vhd));
        }
        Ok(Self::of_head(&head(source, 0, HEAD)?))
    }

    /// The kind of what begins with `head`.
    pub(super) fn of_head(head: &[u8]) -> Option<Self> {
        let fits = |(offset, magic, _): &&(usize, &[u8], Self)| {
            head.get(*offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        MAGIC.iter().find(fits).map(|(_, _, kind)| *kind)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pe => "PE image",
            Self::Iso => "ISO 9660 file system",
            Self::Gpt => "disk with GUID partition table",
            Self::Adv => "META values",
            Self::Fat => "FAT file system",
            Self::Xfs => "XFS file system",
            Self::Squashfs => "squashfs file system",
            Self::Cpio => "cpio archive (newc)",
            Self::Zstd => "Zstandard frames",
            Self::Xz => "xz stream",
            Self::Gzip => "gzip file",
            Self::Qcow2 => "qcow2 image",
            Self::Vhd => "VHD image",
            Self::Vmdk => "VMDK image",
            Self::Tar => "tar archive",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_magic() {
        for (offset, magic, kind) in MAGIC {
            let mut head = vec![0; HEAD];
            head[offset..][..magic.len()].copy_from_slice(magic);
            assert_eq!(Kind::of_head(&head), Some(kind));
        }
        let mut hybrid = vec![0; HEAD];
        hybrid[512..520].copy_from_slice(b"EFI PART");
        hybrid[0x8001..0x8006].copy_from_slice(b"CD001");
        assert_eq!(Kind::of_head(&hybrid), Some(Kind::Iso));
        assert_eq!(Kind::of_head(b""), None);
    }

    #[test]
    fn a_vhd_is_known_by_its_last_sector() {
        let mut disk = vec![0; 4096];
        disk[512..520].copy_from_slice(b"EFI PART");
        assert_eq!(Kind::of(&disk.as_slice()).unwrap(), Some(Kind::Gpt));
        disk[4096 - 512..][..8].copy_from_slice(b"conectix");
        assert_eq!(Kind::of(&disk.as_slice()).unwrap(), Some(Kind::Vhd));
        assert_eq!(Kind::of(&[].as_slice()).unwrap(), None);
    }
}
