//! The ISO of a UEFI machine as the tests of two files make it: files in the ISO and in an appended ESP.

use formats::{
    Layout, fat,
    iso9660::{
        Appended, BootEntry, BootImage, Catalog, Directory, Image, LoadSectors, Platform,
        SystemArea, volume_id,
    },
    mbr,
};

/// Of all times in the images.
pub(crate) const EPOCH: i64 = 1_559_424_892;

/// An ESP of this tree, as long as loaders and UKIs of these lengths make it.
pub(crate) fn esp(root: fat::Directory, loaders: u64, ukis: u64) -> Layout {
    let len = fat::iso_esp_len(loaders, ukis);
    let volume = fat::Volume {
        geometry: fat::Geometry::mkfs(len, 512, fat::iso_esp_cluster(len)).unwrap(),
        id: fat::INVARIANT_ID,
        label: "EFI".parse().unwrap(),
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: EPOCH,
        root,
    };
    volume.layout().unwrap()
}

/// An image that boots from its appended ESP.
pub(crate) fn image(root: Directory, esp: Layout) -> Image {
    let default = BootEntry {
        platform: Platform::Efi,
        image: BootImage::Appended(0),
        load: LoadSectors::Whole,
    };
    Image {
        volume_id: volume_id("Talos-v1.14.0"),
        volume_set_id: "Talos-v1.14.0".to_owned(),
        preparer_id: "TALOS-FORGE".to_owned(),
        epoch: EPOCH,
        root,
        catalog: Some(Catalog {
            default,
            more: Vec::new(),
        }),
        system_area: SystemArea::Mbr {
            iso_kind: mbr::LINUX,
        },
        partition_offset: 16,
        appended: vec![Appended {
            kind: mbr::EFI_SYSTEM,
            content: esp,
        }],
    }
}
