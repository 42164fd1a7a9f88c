//! ISOs, which boot from a CD and as a disk: systemd-boot under UEFI, GRUB under a BIOS, GRUB under both (spec/boot.md 4.2 to 4.5).
//!
//! What UEFI boots is there twice, in the ISO 9660 tree and on the ESP appended as a partition: the same ranges of the same blobs.

use bstr::BString;
use formats::{
    Layout, fat, gpt,
    grub::hybrid_code,
    iso9660::{
        Appended, BootEntry, BootImage, Catalog, Directory, File, Image, LoadSectors, Node,
        Platform, SystemArea, volume_id,
    },
    mbr,
};

use super::{EPOCH, Error, Initramfs, SdBoot, grub::IsoGrub, push};
use crate::store::Content;

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

/// What a BIOS boots from a CD: the first four sectors of GRUB's image, which load the rest.
const EL_TORITO: &str = "boot/grub/i386-pc/eltorito.img";
/// Sectors of 512 bytes that a BIOS loads.
const EL_TORITO_SECTORS: u16 = 4;
/// The block of the volume descriptor, for GRUB.
const DESCRIPTOR: u32 = 16;

/// What an ISO holds.
#[derive(Debug, Clone)]
pub struct Iso {
    /// Tag of the Talos version, for the label.
    pub tag: String,
    /// Whether the volume is labelled.
    pub labelled: bool,
    /// What boots.
    pub boot: IsoBoot,
}

/// What boots an ISO.
#[derive(Debug, Clone)]
pub enum IsoBoot {
    /// systemd-boot, under UEFI only.
    SdBoot(Box<SdBoot>),
    /// systemd-boot under UEFI, GRUB under a BIOS.
    Dual {
        /// The one.
        sd_boot: Box<SdBoot>,
        /// The other.
        grub: Box<GrubMenu>,
    },
    /// GRUB under both.
    Grub {
        /// What it boots, and how it is started by a BIOS.
        menu: Box<GrubMenu>,
        /// GRUB for UEFI, by its name on the ESP: for every machine there is.
        programs: Vec<(&'static str, Content)>,
    },
}

/// GRUB and what it boots.
#[derive(Debug, Clone)]
pub struct GrubMenu {
    /// As a BIOS starts it.
    pub bios: IsoGrub,
    /// Its configuration.
    pub menu: BString,
    /// The kernel.
    pub kernel: Content,
    /// The initramfs.
    pub initramfs: Initramfs,
}

/// A file of the ISO, of its ESP or of both.
struct Member {
    path: String,
    mode: u16,
    attributes: fat::Attributes,
    content: Layout,
}

impl Iso {
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        let (label, volume_id) = if self.labelled {
            let label = format!("Talos-{}", self.tag);
            (label.clone(), volume_id(&label))
        } else {
            (String::new(), NO_LABEL.to_owned())
        };
        let image = Image {
            volume_id,
            volume_set_id: label,
            preparer_id: PREPARER.to_owned(),
            epoch: i64::from(EPOCH),
            root: Directory::new(0o755),
            catalog: None,
            system_area: SystemArea::Mbr {
                iso_kind: mbr::LINUX,
            },
            partition_offset: PARTITION_OFFSET,
            appended: Vec::new(),
        };
        match &self.boot {
            IsoBoot::SdBoot(sd_boot) => sd_boot_iso(image, sd_boot),
            IsoBoot::Dual { sd_boot, grub } => {
                let members = sd_boot.members()?;
                let esp = sd_boot_esp(&members)?;
                grub_iso(image, members, esp, grub)
            }
            IsoBoot::Grub { menu, programs } => {
                let program = |(name, content): &(&str, Content)| {
                    member(
                        format!("efi/boot/{name}"),
                        of(&format!("GRUB {name}"), content),
                    )
                };
                let members: Vec<Member> = programs.iter().map(program).collect();
                let esp = volume(fat::Geometry::floppy(), fat::Label::NONE, &members)?;
                grub_iso(image, members, esp, menu)
            }
        }
    }
}

/// Under UEFI only: as a disk, an MBR with partitions that nothing else starts.
fn sd_boot_iso(mut image: Image, sd_boot: &SdBoot) -> Result<Layout, Error> {
    let members = sd_boot.members()?;
    image.appended = vec![Appended {
        kind: mbr::EFI_SYSTEM,
        content: sd_boot_esp(&members)?,
    }];
    for Member {
        path,
        mode,
        content,
        ..
    } in members
    {
        image
            .root
            .insert(&path, Node::File(File { mode, content }))?;
    }
    image.catalog = Some(Catalog {
        default: esp_entry(),
        more: Vec::new(),
    });
    Ok(image.layout()?)
}

/// Under both: nothing in the tree can be written (`-r` of xorriso), and the partitions are those of a GPT.
fn grub_iso(
    mut image: Image,
    esp_members: Vec<Member>,
    esp: Layout,
    grub: &GrubMenu,
) -> Result<Layout, Error> {
    image.root = Directory::new(0o555);
    for Member { path, content, .. } in esp_members.into_iter().chain(grub.members()?) {
        let file = File {
            mode: 0o444,
            content,
        };
        image.root.insert(&path, Node::File(file))?;
    }
    image.appended = vec![Appended {
        kind: mbr::EFI_SYSTEM,
        content: esp,
    }];
    image.catalog = Some(Catalog {
        default: BootEntry {
            platform: Platform::X86,
            image: BootImage::File(EL_TORITO.to_owned()),
            load: LoadSectors::Count(EL_TORITO_SECTORS),
        },
        more: vec![esp_entry()],
    });
    image.system_area = SystemArea::Gpt {
        boot_code: Box::new([0; gpt::BOOT_CODE_LEN]),
    };

    // GRUB's first sectors say where they lie, which follows from the lengths of everything.
    let block = image.plan()?.file(EL_TORITO);
    let block = block.expect("the tree has the file");
    let el_torito = image.root.file_mut(EL_TORITO);
    el_torito.expect("the tree has the file").content = grub.bios.el_torito(block)?;
    image.system_area = SystemArea::Gpt {
        boot_code: Box::new(hybrid_code(&grub.bios.hybrid, block)?),
    };
    Ok(image.layout()?)
}

/// What UEFI finds on a CD.
fn esp_entry() -> BootEntry {
    BootEntry {
        platform: Platform::Efi,
        image: BootImage::Appended(0),
        load: LoadSectors::Whole,
    }
}

impl SdBoot {
    fn members(&self) -> Result<Vec<Member>, Error> {
        Ok(vec![
            member(
                format!("EFI/BOOT/{}", self.boot_loader_name),
                of("boot loader", &self.boot_loader),
            ),
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

impl GrubMenu {
    fn members(&self) -> Result<Vec<Member>, Error> {
        let mut members = vec![
            member("boot/vmlinuz".to_owned(), of("kernel", &self.kernel)),
            member("boot/initramfs.xz".to_owned(), self.initramfs.layout()?),
            member("boot/grub/grub.cfg".to_owned(), inline(&self.menu)),
            member(EL_TORITO.to_owned(), of("GRUB", &self.bios.image)),
        ];
        let shipped = self
            .bios
            .files
            .iter()
            .map(|(path, content)| member(format!("boot/grub/{path}"), of("GRUB", content)));
        members.extend(shipped);
        Ok(members)
    }
}

impl IsoGrub {
    /// `eltorito.img` at block `block`.
    fn el_torito(&self, block: u32) -> Result<Layout, Error> {
        let head = self.measure.head(&self.image_head, block, DESCRIPTOR)?;
        let start = head.len() as u64;
        let mut layout = Layout::new();
        layout.bytes(head);
        layout.blob(self.image.digest, start, self.image.len - start);
        Ok(layout)
    }
}

fn member(path: String, content: Layout) -> Member {
    Member {
        path,
        mode: 0o644,
        attributes: fat::Attributes::ARCHIVE,
        content,
    }
}

fn of(section: &str, content: &Content) -> Layout {
    let mut layout = Layout::new();
    push(&mut layout, section, content);
    layout
}

fn inline(content: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(content.to_vec());
    layout
}

/// The EFI system partition of systemd-boot: sized for its boot loader and its UKI.
fn sd_boot_esp(members: &[Member]) -> Result<Layout, Error> {
    let len = fat::iso_esp_len(members[0].content.len(), members[1].content.len());
    let geometry = fat::Geometry::mkfs(len, 512, fat::iso_esp_cluster(len))?;
    volume(geometry, "EFI".parse()?, members)
}

fn volume(geometry: fat::Geometry, label: fat::Label, members: &[Member]) -> Result<Layout, Error> {
    let mut root = fat::Directory::default();
    for member in members {
        let file = fat::File {
            attributes: member.attributes,
            content: member.content.clone(),
        };
        root.insert(&member.path, file)?;
    }
    let volume = fat::Volume {
        geometry,
        id: fat::INVARIANT_ID,
        label,
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: i64::from(EPOCH),
        root,
    };
    Ok(volume.layout()?)
}
