//! The ISO that boots systemd-boot under UEFI, from a CD and as a disk (spec/boot.md 4.2, 4.3).
//!
//! Its files are there twice, in the ISO 9660 tree and on the ESP appended as a partition: the same ranges of the same blobs.

use formats::{
    Layout, fat,
    iso9660::{
        Appended, BootEntry, BootImage, Catalog, Directory, File, Image, LoadSectors, Node,
        Platform, SystemArea, volume_id,
    },
    mbr,
};

use super::{EPOCH, Error, Iso, push};

/// systemd-boot's configuration; without Secure Boot no keys are enrolled.
const LOADER_CONF: &str = "# systemd-boot configuration\n\ntimeout 10\n\nsecure-boot-enroll off\n";

/// What systemd-boot would otherwise try to write onto a medium that it cannot write to.
const RANDOM_SEED: [u8; 32] = [0; 32];

/// What made the image, as the volume says it.
const PREPARER: &str = "TALOS-FORGE";

/// The volume's id where it has no label: what xorriso writes then.
const NO_LABEL: &str = "ISOIMAGE";

/// The block at which the ISO begins once more as a partition.
const PARTITION_OFFSET: u32 = 16;

/// A file of the ISO and of its ESP.
struct Member {
    path: String,
    mode: u16,
    attributes: fat::Attributes,
    content: Layout,
}

impl Iso {
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        let members = self.members()?;
        let mut root = Directory::new(0o755);
        for member in &members {
            let file = File {
                mode: member.mode,
                content: member.content.clone(),
            };
            root.insert(&member.path, Node::File(file))?;
        }
        let label = if self.labelled {
            format!("Talos-{}", self.uki.tag)
        } else {
            String::new()
        };
        let image = Image {
            volume_id: if self.labelled {
                volume_id(&label)
            } else {
                NO_LABEL.to_owned()
            },
            volume_set_id: label,
            preparer_id: PREPARER.to_owned(),
            epoch: i64::from(EPOCH),
            root,
            catalog: Some(Catalog {
                default: BootEntry {
                    platform: Platform::Efi,
                    image: BootImage::Appended(0),
                    load: LoadSectors::Whole,
                },
                more: Vec::new(),
            }),
            system_area: SystemArea::Mbr {
                iso_kind: mbr::LINUX,
            },
            partition_offset: PARTITION_OFFSET,
            appended: vec![Appended {
                kind: mbr::EFI_SYSTEM,
                content: esp(members)?,
            }],
        };
        Ok(image.layout()?)
    }

    fn members(&self) -> Result<Vec<Member>, Error> {
        let mut boot_loader = Layout::new();
        push(&mut boot_loader, "boot loader", &self.boot_loader);
        let inline = |content: &[u8]| {
            let mut layout = Layout::new();
            layout.bytes(content.to_vec());
            layout
        };
        let member = |path: String, content| Member {
            path,
            mode: 0o644,
            attributes: fat::Attributes::ARCHIVE,
            content,
        };
        Ok(vec![
            member(format!("EFI/BOOT/{}", self.boot_loader_name), boot_loader),
            member(
                format!("EFI/Linux/Talos-{}.efi", self.uki.tag),
                self.uki.layout()?,
            ),
            member(
                "loader/loader.conf".to_owned(),
                inline(LOADER_CONF.as_bytes()),
            ),
            Member {
                mode: 0o444,
                attributes: fat::Attributes::ARCHIVE | fat::Attributes::READ_ONLY,
                ..member("loader/random-seed".to_owned(), inline(&RANDOM_SEED))
            },
        ])
    }
}

/// The EFI system partition: sized for its boot loader and its UKI.
fn esp(members: Vec<Member>) -> Result<Layout, Error> {
    let len = fat::iso_esp_len(members[0].content.len(), members[1].content.len());
    let mut root = fat::Directory::default();
    for member in members {
        let file = fat::File {
            attributes: member.attributes,
            content: member.content,
        };
        root.insert(&member.path, file)?;
    }
    let volume = fat::Volume {
        geometry: fat::Geometry::mkfs(len, 512, fat::iso_esp_cluster(len))?,
        id: fat::INVARIANT_ID,
        label: "EFI".parse()?,
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: i64::from(EPOCH),
        root,
    };
    Ok(volume.layout()?)
}
