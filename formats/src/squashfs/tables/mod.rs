//! Everything behind the data area, and the superblock that points at it.

mod inodes;
mod xattrs;

use zerocopy::IntoBytes;

use self::inodes::Inodes;
use self::xattrs::XattrSets;
use super::codec::Encoder;
use super::data::{Packing, StoredBlock};
use super::metadata::append_indexed;
use super::raw::{Compressor, Fragment, MAGIC, NO_TABLE, Superblock, flags};
use super::tree::Tree;
use super::write::WriteError;
use super::{BLOCK_LOG, BLOCK_SIZE};

/// What the superblock says besides places.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) compressor: Compressor,
    /// Level in the compressor options, if they are there.
    pub(super) level: Option<i32>,
    /// Seconds since 1970.
    pub(super) time: u32,
    /// Whether nothing at all is compressed.
    pub(super) stored: bool,
}

/// The end of an image and its beginning.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) bytes: Vec<u8>,
    pub(super) superblock: Superblock,
}

/// Builds the tables of `tree`, whose data area lies in `blocks` and ends at `base` in the image.
pub(super) fn build(
    tree: &Tree<'_>,
    packing: &Packing,
    blocks: &[StoredBlock],
    base: u64,
    encoder: &mut Encoder,
    setup: &Setup,
) -> Result<Tables, WriteError> {
    let xattrs = XattrSets::new(tree);
    let inodes = Inodes {
        tree,
        packing,
        blocks,
        xattrs: &xattrs,
        time: setup.time,
    };
    let inodes = inodes.build(encoder)?;

    let mut bytes = inodes.inodes;
    let directory_table_start = base + bytes.len() as u64;
    bytes.extend_from_slice(&inodes.directories);
    let fragments: Vec<Fragment> = packing
        .fragments
        .iter()
        .map(|block| Fragment {
            start: blocks[*block].start.into(),
            size: blocks[*block].word.into(),
            unused: 0.into(),
        })
        .collect();
    let fragment_table_start = append_indexed(&mut bytes, base, encoder, fragments.as_bytes())?;
    let references: Vec<u8> = inodes
        .references
        .iter()
        .flat_map(|reference| reference.to_le_bytes())
        .collect();
    let export_table_start = append_indexed(&mut bytes, base, encoder, &references)?;
    // The one user and group: root.
    let id_table_start = append_indexed(&mut bytes, base, encoder, &0_u32.to_le_bytes())?;
    let xattr_table_start = if xattrs.is_empty() {
        NO_TABLE
    } else {
        xattrs.append(&mut bytes, base, encoder)?
    };

    let superblock = Superblock {
        magic: MAGIC.into(),
        inode_count: inodes.count.into(),
        modification_time: setup.time.into(),
        block_size: BLOCK_SIZE.into(),
        fragment_count: u32::try_from(fragments.len())
            .expect("counted when packed")
            .into(),
        compressor: (setup.compressor as u16).into(),
        block_log: BLOCK_LOG.into(),
        flags: setup.flags().into(),
        id_count: 1.into(),
        version_major: 4.into(),
        version_minor: 0.into(),
        root_inode: inodes.references[0].into(),
        bytes_used: (base + bytes.len() as u64).into(),
        id_table_start: id_table_start.into(),
        xattr_table_start: xattr_table_start.into(),
        inode_table_start: base.into(),
        directory_table_start: directory_table_start.into(),
        fragment_table_start: fragment_table_start.into(),
        export_table_start: export_table_start.into(),
    };
    Ok(Tables { bytes, superblock })
}

impl Setup {
    fn flags(&self) -> u16 {
        let mut word = flags::DEDUPLICATED | flags::EXPORTABLE;
        if self.level.is_some() {
            word |= flags::COMPRESSOR_OPTIONS;
        }
        if self.stored {
            word |= flags::INODES_STORED
                | flags::DATA_STORED
                | flags::FRAGMENTS_STORED
                | flags::XATTRS_STORED
                | flags::IDS_STORED;
        }
        word
    }
}
