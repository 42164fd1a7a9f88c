//! Images in which nothing is compressed: layouts over blobs, complete without reading one.

use super::codec::Encoder;
use super::data::{Packing, Run, StoredBlock};
use super::raw::{BLOCK_STORED, Compressor, Superblock};
use super::tables::{self, Setup};
use super::tree::{Content, Directory, Item, Tree};
use super::write::WriteError;
use super::{ALIGNMENT, BLOCK_SIZE};
use crate::Layout;

/// The tree below `root` as an image whose blocks and metadata are all stored as they are.
///
/// The superblock names `compressor` because a kernel mounts no image whose compressor it lacks. `time`, seconds since 1970,
/// is the time of the image and of everything in it. The length is a multiple of [`ALIGNMENT`].
///
/// ```
/// use formats::squashfs::{self, Compressor, Directory, File, Node};
///
/// let mut root = Directory::new(0o755);
/// root.insert(b"usr/local/etc/greeting", Node::File(File::inline(0o644, "hello")))?;
/// let layout = squashfs::layout(&root, Compressor::Zstd, 1_559_424_892)?;
/// assert_eq!(layout.len(), 4096);
/// # Ok::<(), squashfs::WriteError>(())
/// ```
pub fn layout(root: &Directory, compressor: Compressor, time: u32) -> Result<Layout, WriteError> {
    let tree = Tree::new(root)?;
    let packing = Packing::new(&tree)?;
    let start = size_of::<Superblock>() as u64;
    let (data, blocks) = data(&tree, &packing, start);
    let setup = Setup {
        compressor,
        level: None,
        time,
        stored: true,
    };
    let tables = tables::build(
        &tree,
        &packing,
        &blocks,
        start + data.len(),
        &mut Encoder::Stored,
        &setup,
    )?;

    let mut layout = Layout::new();
    layout.section("squashfs superblock");
    layout.bytes(zerocopy::IntoBytes::as_bytes(&tables.superblock).to_vec());
    layout.section("squashfs data");
    layout.append(&data);
    layout.section("squashfs tables");
    layout.bytes(tables.bytes);
    layout.align(ALIGNMENT);
    Ok(layout)
}

/// The data area, which starts at `start`, and its blocks.
fn data(tree: &Tree<'_>, packing: &Packing, start: u64) -> (Layout, Vec<StoredBlock>) {
    let mut data = Layout::new();
    let mut blocks = Vec::new();
    for run in &packing.runs {
        let files = match run {
            Run::File(index) => std::slice::from_ref(index),
            Run::Fragment(indices) => indices,
        };
        let mut position = data.len();
        for index in files {
            match content(tree, *index) {
                Content::Inline(bytes) => data.bytes(bytes.clone()),
                Content::Blob { digest, len } => data.blob(*digest, 0, *len),
            }
        }
        while position < data.len() {
            let len = (data.len() - position).min(u64::from(BLOCK_SIZE));
            let len = u32::try_from(len).expect("at most a block");
            blocks.push(StoredBlock {
                start: start + position,
                word: len | BLOCK_STORED,
            });
            position += u64::from(len);
        }
    }
    (data, blocks)
}

/// The content of the entry `index`, which a packing says is a file.
pub(super) fn content<'a>(tree: &Tree<'a>, index: usize) -> &'a Content {
    match tree.entries[index].item {
        Item::File(file) => &file.content,
        Item::Directory(_) | Item::Symlink(_) => unreachable!("only files are packed"),
    }
}
