//! On-disk structures of squashfs 4.0, little-endian throughout. Names are those of the kernel's `squashfs_fs.h`, unabbreviated.

#![expect(
    missing_debug_implementations,
    reason = "zerocopy's derives make hidden types, one for each public field"
)]

use zerocopy::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

/// `hsqs`, the first bytes of every image.
pub const MAGIC: u32 = u32::from_le_bytes(*b"hsqs");
/// A table that is not there.
pub const NO_TABLE: u64 = u64::MAX;
/// No fragment, or no extended attributes.
pub const NONE: u32 = u32::MAX;
/// Bytes of a metadata block before compression.
pub const METADATA_SIZE: usize = 8192;
/// In the two bytes before a metadata block: stored, not compressed.
pub const METADATA_STORED: u16 = 1 << 15;
/// In the size of a data or fragment block: stored, not compressed.
pub const BLOCK_STORED: u32 = 1 << 24;
/// What a directory's size counts beyond its listing: the entries `.` and `..` that are not in it.
pub const DIRECTORY_EXTRA: u32 = 3;
/// Entries behind one directory header.
pub const DIRECTORY_RUN: usize = 256;
/// Longest name the format has room for (`SQUASHFS_NAME_LEN`).
pub const NAME_LEN: usize = 256;

/// How the blocks of an image are compressed, if they are: the number in the superblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Compressor {
    /// `.xz` streams.
    Xz = 4,
    /// Zstandard frames.
    Zstd = 6,
}

/// Superblock flags.
pub mod flags {
    /// Inodes are stored uncompressed.
    pub const INODES_STORED: u16 = 0x0001;
    /// Data blocks are stored uncompressed.
    pub const DATA_STORED: u16 = 0x0002;
    /// Fragment blocks are stored uncompressed.
    pub const FRAGMENTS_STORED: u16 = 0x0008;
    /// Equal files are stored once.
    pub const DEDUPLICATED: u16 = 0x0040;
    /// There is a table from inode number to inode.
    pub const EXPORTABLE: u16 = 0x0080;
    /// Extended attributes are stored uncompressed.
    pub const XATTRS_STORED: u16 = 0x0100;
    /// A metadata block of compressor options follows the superblock.
    pub const COMPRESSOR_OPTIONS: u16 = 0x0400;
    /// The table of user and group numbers is stored uncompressed.
    pub const IDS_STORED: u16 = 0x0800;
}

/// What an inode is: the basic numbers. The extended forms are [`kind::EXTENDED`] higher.
pub mod kind {
    /// Directory.
    pub const DIRECTORY: u16 = 1;
    /// Regular file.
    pub const FILE: u16 = 2;
    /// Symbolic link.
    pub const SYMLINK: u16 = 3;
    /// Block device.
    pub const BLOCK_DEVICE: u16 = 4;
    /// Character device.
    pub const CHAR_DEVICE: u16 = 5;
    /// Named pipe.
    pub const FIFO: u16 = 6;
    /// Socket.
    pub const SOCKET: u16 = 7;
    /// What the extended form of a kind adds to its number.
    pub const EXTENDED: u16 = 7;
}

/// Namespaces of extended attributes, with the number that stands for each.
pub const XATTR_NAMESPACES: [(u16, &[u8]); 3] =
    [(0, b"user."), (1, b"trusted."), (2, b"security.")];
/// In the namespace number: the value is the place of a value elsewhere.
pub const XATTR_ELSEWHERE: u16 = 0x0100;

/// Declares an on-disk structure and asserts its size.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident: $size:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, Unaligned)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
        const _: () = assert!(size_of::<$name>() == $size);
    };
}

structure! {
    /// The first bytes of an image. Starts are bytes from the beginning of the image.
    Superblock: 96 {
        /// [`MAGIC`].
        magic: U32,
        /// How many inodes there are.
        inode_count: U32,
        /// When the image was made, seconds since 1970.
        modification_time: U32,
        /// Bytes of a data block before compression.
        block_size: U32,

        /// How many fragment blocks there are.
        fragment_count: U32,
        /// A [`Compressor`], or one that we do not read.
        compressor: U16,
        /// The logarithm to base 2 of `block_size`.
        block_log: U16,
        /// [`flags`].
        flags: U16,
        /// How many user and group numbers there are.
        id_count: U16,
        /// 4.
        version_major: U16,
        /// 0.
        version_minor: U16,

        /// Reference of the root directory's inode.
        root_inode: U64,
        /// Bytes of the image without its padding.
        bytes_used: U64,

        /// Where the index of user and group numbers starts.
        id_table_start: U64,
        /// Where the [`XattrTable`] starts, or [`NO_TABLE`].
        xattr_table_start: U64,

        /// Where the inodes start.
        inode_table_start: U64,
        /// Where the directory listings start.
        directory_table_start: U64,

        /// Where the index of fragments starts.
        fragment_table_start: U64,
        /// Where the index from inode numbers to inodes starts, or [`NO_TABLE`].
        export_table_start: U64,
    }
}

structure! {
    /// What every inode starts with.
    InodeHeader: 16 {
        /// A number of [`kind`], `EXTENDED` higher in the extended form.
        kind: U16,
        /// Permissions, 12 bits.
        mode: U16,
        /// Index of the user number.
        uid: U16,
        /// Index of the group number.
        gid: U16,
        /// Seconds since 1970.
        mtime: U32,
        /// From 1 on.
        number: U32,
    }
}

structure! {
    /// A directory whose listing is short and that has no extended attributes.
    BasicDirectory: 16 {
        /// Metadata block of the listing, relative to the directory table.
        start: U32,
        /// 2 and the number of subdirectories.
        nlink: U32,
        /// Bytes of the listing and [`DIRECTORY_EXTRA`].
        size: U16,
        /// Where the listing starts inside its metadata block.
        offset: U16,
        /// Inode number of the parent.
        parent: U32,
    }
}

structure! {
    /// Any directory; [`DirectoryIndex`] entries follow.
    ExtendedDirectory: 24 {
        /// 2 and the number of subdirectories.
        nlink: U32,
        /// Bytes of the listing and [`DIRECTORY_EXTRA`].
        size: U32,
        /// Metadata block of the listing, relative to the directory table.
        start: U32,
        /// Inode number of the parent.
        parent: U32,

        /// How many [`DirectoryIndex`] entries follow.
        index_count: U16,
        /// Where the listing starts inside its metadata block.
        offset: U16,
        /// Index of the extended attributes, or [`NONE`].
        xattr: U32,
    }
}

structure! {
    /// A file that lies in the first 4 GiB and is shorter than that; the sizes of its blocks follow.
    BasicFile: 16 {
        /// Where its first block starts.
        start: U32,
        /// The fragment block that holds its tail, or [`NONE`].
        fragment: U32,
        /// Where the tail starts inside the fragment block.
        offset: U32,
        /// Bytes of content.
        size: U32,
    }
}

structure! {
    /// Any file; the sizes of its blocks follow.
    ExtendedFile: 40 {
        /// Where its first block starts.
        start: U64,
        /// Bytes of content.
        size: U64,

        /// Bytes of content in blocks of zeros, which are not stored.
        sparse: U64,
        /// Names of the file.
        nlink: U32,
        /// The fragment block that holds its tail, or [`NONE`].
        fragment: U32,

        /// Where the tail starts inside the fragment block.
        offset: U32,
        /// Index of the extended attributes, or [`NONE`].
        xattr: U32,
    }
}

structure! {
    /// A symbolic link; its target follows, and in the extended form the index of the extended attributes (four bytes).
    SymlinkBody: 8 {
        /// Names of the link.
        nlink: U32,
        /// Bytes of the target.
        size: U32,
    }
}

structure! {
    /// A device; in the extended form the index of the extended attributes follows.
    Device: 8 {
        /// Names of the device.
        nlink: U32,
        /// Major and minor number as the kernel encodes them.
        device: U32,
    }
}

structure! {
    /// Up to [`DIRECTORY_RUN`] entries follow whose inodes lie in one metadata block.
    DirectoryHeader: 12 {
        /// One less than the number of entries.
        count: U32,
        /// The metadata block, relative to the inode table.
        start: U32,
        /// Inode number that the entries count from.
        number: U32,
    }
}

structure! {
    /// A name of a listing; the name follows.
    DirectoryEntry: 8 {
        /// Where the inode starts inside its metadata block.
        offset: U16,
        /// Inode number, relative to the header's.
        number: I16,
        /// A basic number of [`kind`].
        kind: U16,
        /// One less than the bytes of the name.
        name_size: U16,
    }
}

structure! {
    /// A place where a lookup may enter a long listing; the first name behind it follows.
    DirectoryIndex: 12 {
        /// Bytes of listing before the place.
        index: U32,
        /// Metadata block of the place, relative to the directory table.
        start: U32,
        /// One less than the bytes of the name.
        name_size: U32,
    }
}

structure! {
    /// A block that holds small files and tails.
    Fragment: 16 {
        /// Where it starts.
        start: U64,
        /// Bytes stored; [`BLOCK_STORED`] if they are not compressed.
        size: U32,
        /// 0.
        unused: U32,
    }
}

structure! {
    /// One set of extended attributes.
    XattrId: 16 {
        /// Reference of its first key, relative to the keys' start.
        reference: U64,
        /// How many there are.
        count: U32,
        /// Bytes of all full names, a NUL after each, and of all values.
        size: U32,
    }
}

structure! {
    /// What the extended attributes start with; the starts of the [`XattrId`] metadata blocks follow.
    XattrTable: 16 {
        /// Where the keys and values start.
        start: U64,
        /// How many [`XattrId`] there are.
        count: U32,
        /// 0.
        unused: U32,
    }
}

structure! {
    /// Name of an extended attribute; its bytes without the namespace follow, then four bytes of length and the value.
    XattrKey: 4 {
        /// Number of the namespace, and perhaps [`XATTR_ELSEWHERE`].
        namespace: U16,
        /// Bytes of the name.
        size: U16,
    }
}
