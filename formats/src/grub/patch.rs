//! What is written into GRUB's first sectors, because it depends on where they lie.

use zerocopy::{FromBytes, FromZeros, IntoBytes, little_endian::U64};

use super::{
    Error,
    bios::of_length,
    raw::{
        BLOCK_LIST, BOOT_DRIVE_CHECK, BOOT_INFO, BOOT_KERNEL_SECTOR, BlockList, BootInfo, CD_BOOT,
        CD_KERNEL_SECTOR, HYBRID_KERNEL_SECTOR, SECTOR,
    },
};
use crate::mbr;

/// Bytes of sector 0 before its partition table.
pub const BOOT_CODE_LEN: usize = 446;
/// Bytes of `boot.img`, `boot_hybrid.img` and the first sector of `core.img`.
pub const SECTOR_LEN: usize = SECTOR;
/// Bytes of `eltorito.img` that are patched: `cdboot.img` and `diskboot.img`.
pub const CD_HEAD_LEN: usize = CD_BOOT + SECTOR;

/// Sectors of 512 bytes in a block of a CD.
const CD_SECTORS: u64 = 4;
/// Where the words begin that the checksum of a boot image counts.
const CHECKSUM_START: usize = 64;
/// Two `nop`s, where `boot.img` would jump over its check of the drive number.
const NO_JUMP: [u8; 2] = [0x90, 0x90];

/// What `boot.img` puts before the partition table of a disk whose `core.img` starts at sector `core`.
pub fn boot_code(boot: &[u8], core: u64) -> Result<[u8; BOOT_CODE_LEN], Error> {
    let mut code = sector(boot, "boot.img")?;
    put(&mut code, BOOT_KERNEL_SECTOR, core);
    code[BOOT_DRIVE_CHECK..][..NO_JUMP.len()].copy_from_slice(&NO_JUMP);
    Ok(prefix(&code))
}

/// What `boot_hybrid.img` puts before the partition table of an ISO whose `eltorito.img` is at block `block`.
pub fn hybrid_code(hybrid: &[u8], block: u32) -> Result<[u8; BOOT_CODE_LEN], Error> {
    let mut code = sector(hybrid, "boot_hybrid.img")?;
    put(
        &mut code,
        HYBRID_KERNEL_SECTOR,
        u64::from(block) * CD_SECTORS + (CD_BOOT / SECTOR) as u64,
    );
    Ok(prefix(&code))
}

/// The first sector of a `core.img` that lies at sector `core`: the rest follows it.
pub fn core_sector(head: &[u8], core: u64) -> Result<[u8; SECTOR], Error> {
    let mut first: [u8; SECTOR] = of_length(head, "diskboot.img", SECTOR)?
        .try_into()
        .expect("just measured");
    let (list, _) = BlockList::mut_from_prefix(&mut first[BLOCK_LIST..]).expect("12 bytes");
    list.start = U64::new(core + 1);
    Ok(first)
}

/// An `eltorito.img` as it is on an ISO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CdImage {
    /// Its length.
    pub len: u32,
    /// The sum of its little-endian words from [`CD_HEAD_LEN`] on.
    pub rest: u32,
}

impl CdImage {
    /// Measures `image`.
    pub fn new(image: &[u8]) -> Result<Self, Error> {
        let too_short = Error::Truncated {
            what: "eltorito.img",
            offset: 0,
        };
        let rest = image.get(CD_HEAD_LEN..).ok_or(too_short)?;
        let len = u32::try_from(image.len()).map_err(|_| Error::TooMany {
            what: "bytes of eltorito.img",
            count: image.len() as u64,
            limit: u32::MAX.into(),
        })?;
        Ok(Self {
            len,
            rest: word_sum(rest),
        })
    }

    /// The first [`CD_HEAD_LEN`] bytes, `head`, of an image at block `block` of an ISO with its descriptor at `descriptor`.
    pub fn head(&self, head: &[u8], block: u32, descriptor: u32) -> Result<Vec<u8>, Error> {
        let mut head = of_length(head, "cdboot.img and diskboot.img", CD_HEAD_LEN)?.to_vec();
        // Counted in sectors, behind cdboot.img and diskboot.img.
        let sector = u64::from(block) * CD_SECTORS + (CD_HEAD_LEN / SECTOR) as u64;
        put(&mut head, CD_KERNEL_SECTOR, sector);
        let mut info = BootInfo::new_zeroed();
        info.descriptor = descriptor.into();
        info.block = block.into();
        info.len = self.len.into();
        info.checksum = word_sum(&head[CHECKSUM_START..])
            .wrapping_add(self.rest)
            .into();
        info.write_to_prefix(&mut head[BOOT_INFO..])
            .expect("there is room for a table");
        Ok(head)
    }
}

/// The sum of all little-endian words, the last one filled up with zeros.
fn word_sum(bytes: &[u8]) -> u32 {
    bytes.chunks(4).fold(0, |sum: u32, piece| {
        let mut word = [0; 4];
        word[..piece.len()].copy_from_slice(piece);
        sum.wrapping_add(u32::from_le_bytes(word))
    })
}

fn sector(content: &[u8], file: &'static str) -> Result<[u8; SECTOR], Error> {
    let sector: [u8; SECTOR] = of_length(content, file, SECTOR)?
        .try_into()
        .expect("just measured");
    if !sector.ends_with(&mbr::SIGNATURE) {
        return Err(Error::Unknown("a boot sector"));
    }
    Ok(sector)
}

fn prefix(sector: &[u8; SECTOR]) -> [u8; BOOT_CODE_LEN] {
    let mut code = [0; BOOT_CODE_LEN];
    code.copy_from_slice(&sector[..BOOT_CODE_LEN]);
    code
}

fn put(bytes: &mut [u8], offset: usize, value: u64) {
    bytes[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
}
