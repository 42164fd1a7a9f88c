//! The profiles that an imager knows by name (spec/profile.md 2). Versions do not differ here; they act in the defaults.

use super::{DiskFormat, ImageOptions, IsoOptions, Kind, Output, Packing, Profile};
use crate::platform::Arch;

const MIB: u64 = 1 << 20;
const MINIMAL: u64 = 1246 * MIB;
const DEFAULT: u64 = 8192 * MIB;
const LARGE: u64 = 10240 * MIB;

/// Clusters small enough that zeros cost little.
const QCOW2: &str = "cluster_size=8k";
/// What Azure accepts.
const VHD: &str = "subformat=fixed,force_size";

/// A profile by name.
#[derive(Debug)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    platform: &'static str,
    secure_boot: bool,
    kind: Kind,
    packing: Packing,
    /// Its disk, for images.
    pub image: Option<Disk>,
}

/// A disk of a built-in profile, before the boot partition's size is taken into account.
#[derive(Debug)]
pub struct Disk {
    /// Bytes.
    pub disk_size: u64,
    format: DiskFormat,
    /// Options of the format, for the tool that once wrote it.
    pub options: &'static str,
    sector_size: u64,
}

impl Builtin {
    /// The profile, for an architecture and a version text that is taken as it is.
    pub fn profile(&self, arch: Arch, version: &str) -> Profile {
        let mut output = Output::new(self.kind);
        output.packing = self.packing;
        output.image = self.image.as_ref().map(|disk| ImageOptions {
            disk_size: disk.disk_size,
            disk_format: Some(disk.format),
            disk_format_options: disk.options.to_owned(),
            sector_size: disk.sector_size,
            ..ImageOptions::default()
        });
        output.iso = (self.kind == Kind::Iso && self.secure_boot).then(IsoOptions::default);
        Profile {
            platform: self.platform.into(),
            secure_boot: Some(self.secure_boot),
            version: version.to_owned(),
            ..Profile::new(arch, output)
        }
    }
}

/// The profile of exactly this name.
pub fn find(name: &[u8]) -> Option<&'static Builtin> {
    BUILTIN
        .iter()
        .find(|builtin| builtin.name.as_bytes() == name)
}

const fn metal(name: &'static str, secure_boot: bool, kind: Kind) -> Builtin {
    Builtin {
        name,
        platform: "metal",
        secure_boot,
        kind,
        packing: Packing::Raw,
        image: None,
    }
}

const fn image(
    name: &'static str,
    packing: Packing,
    disk_size: u64,
    format: DiskFormat,
) -> Builtin {
    let options = match format {
        DiskFormat::Qcow2 => QCOW2,
        DiskFormat::Vhd => VHD,
        DiskFormat::Raw | DiskFormat::Ova => "",
    };
    Builtin {
        name,
        platform: name,
        secure_boot: false,
        kind: Kind::Image,
        packing,
        image: Some(Disk {
            disk_size,
            format,
            options,
            sector_size: 0,
        }),
    }
}

/// The Secure Boot twin of a platform's image.
const fn secure(name: &'static str, twin: Builtin) -> Builtin {
    Builtin {
        name,
        platform: twin.name,
        secure_boot: true,
        ..twin
    }
}

use DiskFormat::{Ova, Qcow2, Raw, Vhd};
use Packing::{Gz, TarGz, Zst};

static BUILTIN: [Builtin; 32] = [
    metal("iso", false, Kind::Iso),
    metal("secureboot-iso", true, Kind::Iso),
    image("metal", Zst, MINIMAL, Raw),
    Builtin {
        platform: "metal",
        image: Some(Disk {
            disk_size: MINIMAL,
            format: Raw,
            options: "",
            sector_size: 4096,
        }),
        ..image("metal-4k", Zst, MINIMAL, Raw)
    },
    secure("secureboot-metal", image("metal", Zst, MINIMAL, Raw)),
    metal("metal-uki", false, Kind::Uki),
    metal("secureboot-metal-uki", true, Kind::Uki),
    metal("installer", false, Kind::Installer),
    metal("secureboot-installer", true, Kind::Installer),
    image("akamai", Gz, MINIMAL, Raw),
    image("alibabacloud", Packing::Raw, MINIMAL, Qcow2),
    image("aws", Zst, DEFAULT, Raw),
    image("azure", Zst, DEFAULT, Vhd),
    secure("secureboot-azure", image("azure", Zst, DEFAULT, Vhd)),
    image("cloudstack", Zst, DEFAULT, Raw),
    secure(
        "secureboot-cloudstack",
        image("cloudstack", Zst, DEFAULT, Raw),
    ),
    image("digital-ocean", Gz, DEFAULT, Raw),
    image("exoscale", Zst, LARGE, Qcow2),
    image("gcp", TarGz, DEFAULT, Raw),
    image("hcloud", Zst, MINIMAL, Raw),
    image("nocloud", Zst, MINIMAL, Raw),
    secure("secureboot-nocloud", image("nocloud", Zst, MINIMAL, Raw)),
    image("opennebula", Zst, MINIMAL, Raw),
    secure(
        "secureboot-opennebula",
        image("opennebula", Zst, MINIMAL, Raw),
    ),
    image("openstack", Zst, MINIMAL, Raw),
    secure(
        "secureboot-openstack",
        image("openstack", Zst, MINIMAL, Raw),
    ),
    image("oracle", Zst, DEFAULT, Qcow2),
    image("scaleway", Zst, MINIMAL, Raw),
    image("upcloud", Zst, DEFAULT, Raw),
    image("vmware", Packing::Raw, DEFAULT, Ova),
    secure(
        "secureboot-vmware",
        image("vmware", Packing::Raw, DEFAULT, Ova),
    ),
    image("vultr", Zst, DEFAULT, Raw),
];
