//! On-disk structures, in file order (QEMU, docs/interop/qcow2.txt).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout,
    big_endian::{U32, U64},
};

/// `QFI\xfb`.
pub(super) const MAGIC: u32 = 0x5146_49fb;

/// The header of version 3.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// `QFI\xfb`.
    pub magic: U32,
    /// 3.
    pub version: U32,
    /// 0: no backing file.
    pub backing_offset: U64,

    /// 0.
    pub backing_len: U32,
    /// Binary logarithm of the cluster size.
    pub cluster_bits: U32,
    /// Bytes of the disk.
    pub size: U64,

    /// 0: not encrypted.
    pub encryption: U32,
    /// Entries of the L1 table.
    pub l1_entries: U32,
    /// Where it stands.
    pub l1_offset: U64,

    /// Where the refcount table stands.
    pub refcount_table_offset: U64,
    /// Its length.
    pub refcount_table_clusters: U32,
    /// 0.
    pub snapshots: U32,

    /// 0.
    pub snapshots_offset: U64,
    /// Features that a reader must know.
    pub incompatible: U64,

    /// Features that a reader may ignore.
    pub compatible: U64,
    /// Features that a writer must clear when it does not know them.
    pub autoclear: U64,

    /// Binary logarithm of the width of a reference count in bits.
    pub refcount_order: U32,
    /// 112.
    pub header_len: U32,
    /// 0: zlib, where clusters are compressed.
    pub compression: u8,
    /// Zeros.
    pub padding: [u8; 7],
}
const _: () = assert!(size_of::<Header>() == 112);

/// 16 bits.
pub(super) const REFCOUNT_ORDER: u32 = 4;

/// Bit of an L1 or L2 entry: the cluster has one reference.
pub(super) const COPIED: u64 = 1 << 63;
/// Bit of an L2 entry: the cluster is compressed.
pub(super) const COMPRESSED: u64 = 1 << 62;
/// Bit of an L2 entry: the cluster reads as zeros.
pub(super) const ZERO: u64 = 1;
/// Bits of an entry that are an offset.
pub(super) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Type of the header extension with the names of features.
pub(super) const FEATURE_NAMES: u32 = 0x6803_f857;

/// Kind of a feature (0 incompatible, 1 compatible, 2 autoclear), bit, name: as qemu-img writes them.
pub(super) const FEATURES: [(u8, u8, &str); 8] = [
    (0, 0, "dirty bit"),
    (0, 1, "corrupt bit"),
    (0, 2, "external data file"),
    (0, 3, "compression type"),
    (0, 4, "extended L2 entries"),
    (1, 0, "lazy refcounts"),
    (2, 0, "bitmaps"),
    (2, 1, "raw external data"),
];

/// Bytes of a feature's name.
pub(super) const FEATURE_NAME_LEN: usize = 46;
