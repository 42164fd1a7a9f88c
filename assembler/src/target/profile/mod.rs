//! Profiles: everything that decides what an imager makes (spec/profile.md 1), without the files it makes it from.
//!
//! A profile starts as what a path asks for, takes in version and schematic ([`Profile::enhance`]), gets its defaults, and is then
//! checked. Its version is a text: the reference's imager takes any, and [`Quirks::of_text`] says what it then does.

pub mod builtin;
mod options;

use std::collections::BTreeMap;

use bstr::BString;

pub use options::{
    DiskFormat, EnrollKeys, ImageOptions, IsoOptions, Kind, Output, Packing, UnknownValue,
};

use crate::{
    cmdline::Cmdline,
    meta::{self, Compression},
    platform::{Arch, Platform},
    quirks::Quirks,
    quote::quote,
    schematic::{Bootloader, MetaValue, Value},
};

const MIB: u64 = 1 << 20;

/// The boot partition that the base sizes of disks allow for.
const BASE_BOOT_SIZE: u64 = 1000 * MIB;
/// The BIOS partition that dual-boot disks have in addition.
const BIOS_SIZE: u64 = MIB;

/// Everything that decides what is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Architecture.
    pub arch: Arch,
    /// The platform, as paths and file names have it.
    pub platform: BString,
    /// Secure Boot; unset means no.
    pub secure_boot: Option<bool>,
    /// The Talos version, any text.
    pub version: String,
    /// Kernel arguments beyond the defaults.
    pub extra_kernel_args: Vec<BString>,
    /// META values.
    pub meta: Vec<MetaValue>,
    /// Machine configuration built into the image, empty for none.
    pub embedded_config: BString,
    /// Official extensions by repository, in order.
    pub extensions: Vec<BString>,
    /// Whether the extension that names the schematic is added, last.
    pub schematic_extension: bool,
    /// The single-board overlay.
    pub overlay: Option<Overlay>,
    /// Whether Microsoft's certificates are enrolled too.
    pub include_well_known_certificates: bool,
    /// What is made.
    pub output: Output,
}

/// A single-board overlay in a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// Its name in the catalogue.
    pub name: BString,
    /// Options for its installer.
    pub options: BTreeMap<BString, Value>,
    /// The kernel arguments its installer asks for.
    pub kernel_args: Vec<BString>,
}

/// Why a profile cannot be built, in the imager's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No platform.
    #[error("profile is invalid: platform is required")]
    NoPlatform,
    /// Secure Boot needs UKIs.
    #[error("profile is invalid: secureboot is not supported for Talos version {}", quote(.0.as_bytes()))]
    SecureBootVersion(String),
    /// ISOs need a boot loader.
    #[error("profile is invalid: bootloader cannot be 'none' for ISO output")]
    IsoBootloader,
    /// Disk images need their options.
    #[error("profile is invalid: image options are required for image output")]
    NoImageOptions,
    /// Disk images need a size.
    #[error("profile is invalid: disk size is required for image output")]
    NoDiskSize,
    /// Disk images need a boot loader.
    #[error("profile is invalid: bootloader cannot be 'none' for disk image output")]
    ImageBootloader,
    /// Installers, kernels and initramfs have no META.
    #[error("profile is invalid: customization of meta partition is not supported for {} output", .0.name())]
    Meta(Kind),
    /// Kernels and initramfs are not signed.
    #[error("profile is invalid: secureboot is not supported for {} output", .0.name())]
    SecureBoot(Kind),
    /// Kernels and initramfs have no command line.
    #[error("profile is invalid: customization of kernel args is not supported for {} output", .0.name())]
    KernelArgs(Kind),
    /// More META than any machine can store. The reference puts it on the command line all the same.
    #[error("profile is invalid: META values take {0} bytes, of at most {limit}", limit = meta::CAPACITY)]
    MetaLen(usize),
    /// Not a platform.
    #[error("unknown platform: {}", quote(.0))]
    UnknownPlatform(BString),
    /// UKIs came later.
    #[error("UKI output is not supported in this Talos version")]
    UkiVersion,
}

impl Profile {
    /// A profile of the metal platform with nothing else set.
    pub fn new(arch: Arch, output: Output) -> Self {
        Self {
            arch,
            platform: "metal".into(),
            secure_boot: None,
            version: String::new(),
            extra_kernel_args: Vec::new(),
            meta: Vec::new(),
            embedded_config: BString::default(),
            extensions: Vec::new(),
            schematic_extension: false,
            overlay: None,
            include_well_known_certificates: false,
            output,
        }
    }

    /// What the version can and needs.
    pub fn quirks(&self) -> Quirks {
        Quirks::of_text(&self.version)
    }

    /// Whether Secure Boot is asked for.
    pub fn is_secure_boot(&self) -> bool {
        self.secure_boot == Some(true)
    }

    /// Fills in boot loaders and grows disks by what the version's boot partition needs (spec/profile.md 1.5).
    pub fn fill_defaults(&mut self) {
        let quirks = self.quirks();
        match self.output.kind {
            Kind::Image => {
                let current = self.output.image.get_or_insert_default().bootloader;
                let bootloader = self.select_bootloader(current);
                let image = self.output.image.get_or_insert_default();
                image.bootloader = bootloader;
                // Also a size that somebody chose grows.
                image.disk_size += quirks.boot_size - BASE_BOOT_SIZE;
                if bootloader == Bootloader::DualBoot {
                    image.disk_size += BIOS_SIZE + quirks.boot_size;
                }
            }
            Kind::Iso if quirks.iso_bootloader => {
                let current = self.output.iso.get_or_insert_default().bootloader;
                let bootloader = self.select_bootloader(current);
                self.output.iso.get_or_insert_default().bootloader = bootloader;
            }
            _ => {}
        }
    }

    /// Whether this can be built, in the imager's order of checks (spec/profile.md 1.6); after [`Profile::fill_defaults`].
    pub fn validate(&self) -> Result<(), Invalid> {
        let quirks = self.quirks();
        if self.platform.is_empty() {
            return Err(Invalid::NoPlatform);
        }
        if self.is_secure_boot() && !quirks.uki {
            return Err(Invalid::SecureBootVersion(self.version.clone()));
        }
        let kind = self.output.kind;
        match kind {
            Kind::Iso => {
                let without = |iso: &IsoOptions| iso.bootloader == Bootloader::None;
                if quirks.iso_bootloader && self.output.iso.as_ref().is_some_and(without) {
                    return Err(Invalid::IsoBootloader);
                }
            }
            Kind::Image => self.validate_image()?,
            Kind::Installer => {
                if !self.meta.is_empty() {
                    return Err(Invalid::Meta(kind));
                }
            }
            Kind::Kernel | Kind::Initramfs => {
                if self.is_secure_boot() {
                    return Err(Invalid::SecureBoot(kind));
                }
                if !self.extra_kernel_args.is_empty() {
                    return Err(Invalid::KernelArgs(kind));
                }
                if !self.meta.is_empty() {
                    return Err(Invalid::Meta(kind));
                }
            }
            Kind::Uki | Kind::Cmdline => {}
        }
        match meta::stored_len(&self.meta) {
            len if len > meta::CAPACITY => Err(Invalid::MetaLen(len)),
            _ => Ok(()),
        }
    }

    fn validate_image(&self) -> Result<(), Invalid> {
        let image = self.output.image.as_ref().ok_or(Invalid::NoImageOptions)?;
        if image.disk_size == 0 {
            return Err(Invalid::NoDiskSize);
        }
        if image.bootloader == Bootloader::None {
            return Err(Invalid::ImageBootloader);
        }
        Ok(())
    }

    /// The kernel command line (spec/profile.md 5.2).
    pub fn cmdline(&self) -> Result<BString, Invalid> {
        let quirks = self.quirks();
        let platform = Platform::find(&self.platform)
            .ok_or_else(|| Invalid::UnknownPlatform(self.platform.clone()))?;
        let kind = self.output.kind;

        let mut cmdline = Cmdline::default();
        cmdline.append("talos.platform", platform.name);
        cmdline.set_all(&platform.kernel_args(self.arch, &quirks));
        if kind == Kind::Iso && quirks.halt_if_installed {
            cmdline.append("talos.halt_if_installed", "1");
        }
        if let Some(overlay) = &self.overlay {
            cmdline.set_all(&overlay.kernel_args);
        }
        cmdline.append_all(&default_kernel_args(&quirks));
        if self.is_secure_boot() && quirks.lockdown {
            cmdline.append("lockdown", "confidentiality");
        }
        // Disk images have the values on a partition of their own.
        if kind != Kind::Image && !self.meta.is_empty() {
            let compression = if quirks.compressed_meta {
                Compression::Allowed
            } else {
                Compression::Never
            };
            let values = meta::encode(&self.meta, compression);
            cmdline.append(
                "talos.environment",
                format!("INSTALLER_META_BASE64={values}"),
            );
        }
        cmdline.customize(&self.extra_kernel_args);
        Ok(cmdline.render())
    }

    /// The boot loader of an ISO, which depends on its options only in versions that honour them (boot.md 4.1).
    pub fn iso_bootloader(&self) -> Bootloader {
        let quirks = self.quirks();
        if self.is_secure_boot() {
            Bootloader::SdBoot
        } else if quirks.iso_bootloader {
            self.output
                .iso
                .as_ref()
                .map_or(Bootloader::None, |iso| iso.bootloader)
        } else if quirks.sd_boot {
            Bootloader::DualBoot
        } else {
            Bootloader::Grub
        }
    }

    /// The imager's own name of what it makes, before packing (spec/profile.md 4).
    pub fn file_name(&self) -> BString {
        let mut base = self.platform.clone();
        base.extend_from_slice(b"-");
        base.extend_from_slice(self.arch.name().as_bytes());
        let suffix: &[u8] = if self.is_secure_boot() {
            b"-secureboot"
        } else {
            b""
        };
        base.extend_from_slice(suffix);
        let arch = self.arch.name().as_bytes();
        let name = match self.output.kind {
            Kind::Iso => [&base, &b".iso"[..]].concat(),
            Kind::Image => {
                let format = self
                    .output
                    .image
                    .as_ref()
                    .and_then(|image| image.disk_format);
                [
                    &base,
                    &b"."[..],
                    format.map_or("unknown", DiskFormat::name).as_bytes(),
                ]
                .concat()
            }
            Kind::Installer => [b"installer-", arch, suffix, b".tar"].concat(),
            Kind::Kernel => [b"kernel-", arch].concat(),
            Kind::Initramfs => [b"initramfs-", base.as_slice(), b".xz"].concat(),
            Kind::Uki => [&base, &b"-uki.efi"[..]].concat(),
            Kind::Cmdline => [b"cmdline-", base.as_slice()].concat(),
        };
        name.into()
    }

    /// A boot loader that was chosen stays, unless Secure Boot leaves no choice.
    fn select_bootloader(&self, current: Bootloader) -> Bootloader {
        let quirks = self.quirks();
        if self.is_secure_boot() {
            Bootloader::SdBoot
        } else if current != Bootloader::None {
            current
        } else if !quirks.sd_boot {
            Bootloader::Grub
        } else if self.arch == Arch::Arm64 {
            Bootloader::SdBoot
        } else {
            Bootloader::DualBoot
        }
    }
}

/// Arguments of every platform (spec/profile.md 5.4), in their fixed order.
fn default_kernel_args(quirks: &Quirks) -> Vec<&'static str> {
    let arguments = [
        (quirks.init_on_alloc, "init_on_alloc=1"),
        (true, "slab_nomerge"),
        (true, "pti=on"),
        (true, "consoleblank=0"),
        (
            !quirks.nvme_timeout_aws_only,
            "nvme_core.io_timeout=4294967295",
        ),
        (true, "printk.devkmsg=on"),
        (quirks.ima, "ima_template=ima-ng"),
        (quirks.ima, "ima_appraise=fix"),
        (quirks.ima, "ima_hash=sha512"),
        (quirks.selinux, "selinux=1"),
        (quirks.module_sig_enforce, "module.sig_enforce=1"),
        (quirks.proc_mem_override, "proc_mem.force_override=never"),
    ];
    arguments
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, argument)| argument)
        .collect()
}
