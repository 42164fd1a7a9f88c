//! An image as a layout, pushed in the order of the medium.

use zerocopy::{FromZeros, IntoBytes, big_endian, little_endian::U32};

use super::{
    Catalog, Directory, Error, MAX_LONG_ID, MAX_VOLUME_ID, Plan,
    directory::{self, Order, View},
    partitions,
    plan::{self, Set},
    planned::{Content, Tree},
    raw::{
        BLOCK, BootRecord, Both16, Both32, EL_TORITO, LongDate, PrimaryVolumeDescriptor,
        STANDARD_ID, ShortDate, kind,
    },
};
use crate::{Layout, civil::Civil, gpt};

/// Partitions beside the ISO that an MBR holds.
const MAX_APPENDED: usize = 3;
/// Version of all descriptors.
const VERSION: u8 = 1;

/// An image to be made.
#[derive(Debug, Clone)]
pub struct Image {
    /// The label, at most 32 characters; see [`volume_id`](super::volume_id).
    pub volume_id: String,
    /// Name of the set, at most 128 characters.
    pub volume_set_id: String,
    /// What made the image, at most 128 characters.
    pub preparer_id: String,
    /// Date of everything, seconds after 1970, UTC.
    pub epoch: i64,
    /// The files.
    pub root: Directory,
    /// What firmware can boot from a CD.
    pub catalog: Option<Catalog>,
    /// What firmware finds on a disk.
    pub system_area: SystemArea,
    /// Block at which partition 1 starts, with a second set of descriptors and directories; 0 for none.
    pub partition_offset: u32,
    /// Partitions behind the ISO.
    pub appended: Vec<Appended>,
}

/// The first 16 blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemArea {
    /// Zeros: only a CD.
    Empty,
    /// An MBR without boot code: the ISO as partition 1, appended partitions behind it.
    Mbr {
        /// Type of partition 1.
        iso_kind: u8,
    },
    /// A GUID partition table of the same partitions, with a protective MBR that a BIOS can start.
    Gpt {
        /// What it starts: see [`Plan::file`] for where the rest of that lies.
        boot_code: Box<[u8; gpt::BOOT_CODE_LEN]>,
    },
}

/// A partition behind the ISO.
#[derive(Debug, Clone)]
pub struct Appended {
    /// Type in the MBR; in a GUID partition table all are EFI system partitions.
    pub kind: u8,
    /// Its bytes, filled up to whole MiB.
    pub content: Layout,
}

impl Image {
    /// Where everything goes.
    pub fn plan(&self) -> Result<Plan, Error> {
        let mut tree = Tree::new(&self.root, self.catalog.as_ref())?;
        Plan::new(self, &mut tree, plan::date(self.epoch)?)
    }

    /// The image as extents.
    pub fn layout(&self) -> Result<Layout, Error> {
        self.check()?;
        let date = plan::date(self.epoch)?;
        let mut tree = Tree::new(&self.root, self.catalog.as_ref())?;
        let plan = Plan::new(self, &mut tree, date)?;
        let catalog = match &self.catalog {
            Some(catalog) => catalog.bytes(&plan.boot_images(self, &tree, catalog)?)?,
            None => Vec::new(),
        };

        let mut layout = Layout::new();
        layout.section("ISO system area");
        partitions::push(self, &plan, &mut layout);
        for (index, set) in plan.sets.iter().enumerate() {
            self.push_descriptors(&mut layout, &plan, &tree, (index, set), date)?;
        }
        for (index, set) in plan.sets.iter().enumerate() {
            push_directories(&mut layout, &tree, (index, set), date);
        }
        push_block(&mut layout, plan.empty);
        layout.section("ISO empty file");
        layout.zeros(BLOCK);
        if let Some(block) = plan.catalog {
            push_block(&mut layout, block);
            layout.section("ISO boot catalogue");
            layout.bytes(catalog);
        }
        for file in &tree.files {
            if let Content::Layout(content) = &file.content
                && file.len > 0
            {
                push_block(&mut layout, file.block);
                layout.section(format!("ISO file /{}", file.path));
                layout.append(content);
            }
        }
        for (index, (partition, (block, _))) in self.appended.iter().zip(&plan.appended).enumerate()
        {
            push_block(&mut layout, *block);
            layout.section(format!("partition {}", index + 2));
            layout.append(&partition.content);
        }
        layout.section("padding");
        push_block(&mut layout, plan.padding_end);
        partitions::push_copy(self, &plan, &mut layout);
        Ok(layout)
    }

    fn check(&self) -> Result<(), Error> {
        let texts = [
            ("volume id", &self.volume_id, MAX_VOLUME_ID),
            ("volume set id", &self.volume_set_id, MAX_LONG_ID),
            ("preparer id", &self.preparer_id, MAX_LONG_ID),
        ];
        for (field, text, max) in texts {
            if text.len() > max || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                return Err(Error::Text {
                    field,
                    text: text.clone(),
                    max,
                });
            }
        }
        if self.appended.len() > MAX_APPENDED {
            return Err(Error::Partitions {
                count: self.appended.len(),
                max: MAX_APPENDED,
            });
        }
        Ok(())
    }

    fn push_descriptors(
        &self,
        layout: &mut Layout,
        plan: &Plan,
        tree: &Tree,
        (index, set): (usize, &Set),
        date: ShortDate,
    ) -> Result<(), Error> {
        push_block(layout, set.descriptors);
        layout.section("ISO volume descriptors");
        let view = View {
            base: set.base,
            set: index,
        };
        // The first set covers what is appended, because UEFI takes the end of the volume for that of its boot image; the
        // second only what lies in its partition.
        let end = if index == 0 {
            plan.end
        } else {
            plan.iso_end - set.base
        };
        let table_len = directory::path_table(tree, view, Order::Little).len();
        let now = LongDate::new(Civil::from_epoch(self.epoch)).ok_or(Error::Date(self.epoch))?;
        let descriptor = PrimaryVolumeDescriptor {
            kind: kind::PRIMARY,
            standard_id: STANDARD_ID,
            version: VERSION,
            unused_7: 0,
            system_id: spaces(""),
            volume_id: spaces(&self.volume_id),
            unused_72: [0; 8],
            volume_space_size: Both32::new(end),
            unused_88: [0; 32],
            volume_set_size: Both16::new(1),
            volume_sequence_number: Both16::new(1),
            logical_block_size: Both16::new(u16::try_from(BLOCK).expect("2048")),
            path_table_size: Both32::new(
                u32::try_from(table_len).expect("at most 65,535 short entries"),
            ),
            path_table_l: U32::new(set.path_table_l - set.base),
            optional_path_table_l: U32::ZERO,
            path_table_m: big_endian::U32::new(set.path_table_m - set.base),
            optional_path_table_m: big_endian::U32::ZERO,
            root: directory::root_head(tree, view, date),
            root_identifier: 0,
            volume_set_id: spaces(&self.volume_set_id),
            publisher_id: spaces(""),
            preparer_id: spaces(&self.preparer_id),
            application_id: spaces(""),
            copyright_file_id: spaces(""),
            abstract_file_id: spaces(""),
            bibliographic_file_id: spaces(""),
            created: now,
            modified: now,
            expires: LongDate::NONE,
            effective: LongDate::NONE,
            file_structure_version: VERSION,
            unused_882: 0,
            application_use: spaces(""),
            reserved: [0; 653],
        };
        layout.bytes(descriptor.as_bytes().to_vec());
        if let (0, Some(catalog)) = (index, plan.catalog) {
            let mut record = BootRecord::new_zeroed();
            record.kind = kind::BOOT_RECORD;
            record.standard_id = STANDARD_ID;
            record.version = VERSION;
            record.boot_system_id = EL_TORITO;
            record.catalog = U32::new(catalog);
            layout.bytes(record.as_bytes().to_vec());
        }
        layout.bytes([&[kind::TERMINATOR][..], &STANDARD_ID, &[VERSION]].concat());
        Ok(())
    }
}

fn push_directories(
    layout: &mut Layout,
    tree: &Tree,
    (index, set): (usize, &Set),
    date: ShortDate,
) {
    let view = View {
        base: set.base,
        set: index,
    };
    push_block(layout, set.directories);
    layout.section("ISO directories");
    for folder in &tree.folders {
        let blocks = directory::blocks(tree, folder, view, date);
        push_block(layout, folder.blocks[index]);
        layout.bytes(blocks.records);
        layout.bytes(blocks.continued);
    }
    push_block(layout, set.path_table_l);
    layout.section("ISO path tables");
    layout.bytes(directory::path_table(tree, view, Order::Little));
    push_block(layout, set.path_table_m);
    layout.bytes(directory::path_table(tree, view, Order::Big));
}

/// Fills up to the planned place of what comes next.
fn push_block(layout: &mut Layout, block: u32) {
    layout.pad_to(u64::from(block) * BLOCK);
}

/// `text`, padded; its length is checked.
fn spaces<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}
