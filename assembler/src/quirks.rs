//! What differs between Talos versions: the one table (spec/profile.md 3, boot.md 0.2, initramfs.md 0, disk.md 0).
//!
//! Gates compare major, minor and patch only: `1.10.0-alpha.1` counts as 1.10.0. Nowhere else is a version compared.

use crate::version::Version;

const MIB: u64 = 1 << 20;

/// What one version can and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of a table of gates, not a state"
)]
pub struct Quirks {
    /// GRUB menus have reset entries.
    pub grub_reset: bool,
    /// UKIs are built, and Secure Boot is possible.
    pub uki: bool,
    /// META on the command line may be compressed.
    pub compressed_meta: bool,
    /// Single-board overlays exist, and the schematic extension carries the schematic itself.
    pub overlay: bool,
    /// What is appended to the initramfs is compressed with zstd, before with xz.
    pub zstd: bool,
    /// ISOs have a volume ID.
    pub iso_label: bool,
    /// The metal platform of amd64 also writes to the serial console.
    pub metal_serial_console: bool,
    /// ISOs stop when Talos is installed already.
    pub halt_if_installed: bool,
    /// Disk images leave STATE and EPHEMERAL to the first boot.
    pub skip_data_partitions: bool,
    /// `selinux=1`.
    pub selinux: bool,
    /// systemd-boot is the boot loader under UEFI. The one feature that an unparsable version does not have.
    pub sd_boot: bool,
    /// Kernel modules and firmware live below `/usr/lib`, before below `/lib`.
    pub usr_merge: bool,
    /// UKIs carry boot profiles.
    pub uki_profiles: bool,
    /// Installers and UKIs without Secure Boot take extra kernel arguments.
    pub installer_kernel_args: bool,
    /// The three `ima_*` arguments.
    pub ima: bool,
    /// `talosctl` binaries are offered.
    pub talosctl: bool,
    /// The machine configuration can be part of the image.
    pub embedded_config: bool,
    /// `module.sig_enforce=1`.
    pub module_sig_enforce: bool,
    /// ISOs honour the choice of a boot loader.
    pub iso_bootloader: bool,
    /// `proc_mem.force_override=never`.
    pub proc_mem_override: bool,
    /// `init_on_alloc=1`.
    pub init_on_alloc: bool,
    /// `nvme_core.io_timeout` is set on AWS only, before everywhere.
    pub nvme_timeout_aws_only: bool,
    /// Secure Boot adds `lockdown=confidentiality`.
    pub lockdown: bool,
    /// Repository of the base installer below the source's organisation.
    pub base_installer: &'static str,
    /// How the paths of files may begin that extensions bring (spec/initramfs.md 1.3); nothing is refused for it.
    pub extension_paths: &'static [&'static str],
    /// Bytes of the BOOT partition; the ESP and disk sizes follow from it.
    pub boot_size: u64,
}

impl Quirks {
    /// The quirks of a version.
    pub fn of(version: &Version) -> Self {
        Self::from_core(Some(version.core()))
    }

    /// The quirks of a version text, which need not be a version: then mostly the newest ones.
    pub fn of_text(version: &str) -> Self {
        Self::from_core(
            Version::parse_tolerant(version)
                .ok()
                .map(|version| version.core()),
        )
    }

    fn from_core(core: Option<(u64, u64, u64)>) -> Self {
        let since = |major, minor, patch| core.is_none_or(|core| core >= (major, minor, patch));
        let known_since =
            |major, minor, patch| core.is_some_and(|core| core >= (major, minor, patch));
        let before = |major, minor, patch| core.is_some_and(|core| core < (major, minor, patch));
        let until = |major, minor, patch| core.is_some_and(|core| core <= (major, minor, patch));
        Self {
            grub_reset: since(1, 4, 0),
            uki: since(1, 5, 0),
            compressed_meta: since(1, 6, 3),
            overlay: since(1, 7, 0),
            zstd: since(1, 8, 0),
            iso_label: since(1, 8, 0),
            metal_serial_console: before(1, 8, 0),
            halt_if_installed: since(1, 8, 0),
            skip_data_partitions: since(1, 8, 0),
            selinux: since(1, 10, 0),
            sd_boot: known_since(1, 10, 0),
            usr_merge: since(1, 10, 0),
            uki_profiles: since(1, 10, 0),
            installer_kernel_args: since(1, 10, 0),
            ima: until(1, 10, 99),
            talosctl: since(1, 11, 0),
            embedded_config: since(1, 12, 0),
            module_sig_enforce: since(1, 12, 0),
            iso_bootloader: since(1, 12, 0),
            proc_mem_override: since(1, 13, 0),
            init_on_alloc: before(1, 14, 0),
            nvme_timeout_aws_only: since(1, 14, 0),
            lockdown: before(1, 14, 0),
            base_installer: if since(1, 10, 0) {
                "installer-base"
            } else {
                "installer"
            },
            extension_paths: if since(1, 13, 0) {
                EXTENSION_PATHS_1_13
            } else if since(1, 12, 0) {
                EXTENSION_PATHS_1_12
            } else if since(1, 10, 0) {
                EXTENSION_PATHS_1_10
            } else if since(1, 9, 0) {
                EXTENSION_PATHS_1_9
            } else {
                EXTENSION_PATHS_1_5
            },
            boot_size: if since(1, 11, 0) {
                2000 * MIB
            } else {
                1000 * MIB
            },
        }
    }
}

const EXTENSION_PATHS_1_5: &[&str] = &[
    "/etc/cri/conf.d",
    "/lib/firmware",
    "/lib/modules",
    "/lib64/ld-linux-x86-64.so.2",
    "/usr/etc/udev/rules.d",
    "/usr/local",
    "/usr/share/glvnd",
    "/usr/share/egl",
    "/etc/vulkan",
];

const EXTENSION_PATHS_1_9: &[&str] = &[
    "/etc/cri/conf.d",
    "/lib/firmware",
    "/lib/modules",
    "/lib64/ld-linux-x86-64.so.2",
    "/sbin/ldconfig",
    "/usr/lib/udev/rules.d",
    "/usr/local",
    "/usr/share/glvnd",
    "/usr/share/egl",
    "/etc/vulkan",
];

const EXTENSION_PATHS_1_10: &[&str] = &[
    "/etc/cri/conf.d",
    "/usr/lib/firmware",
    "/usr/lib/modules",
    "/usr/lib/ld-linux-x86-64.so.2",
    "/usr/bin/ldconfig",
    "/usr/lib/udev/rules.d",
    "/usr/local",
    "/usr/share/glvnd",
    "/usr/share/egl",
    "/etc/vulkan",
];

const EXTENSION_PATHS_1_12: &[&str] = &[
    "/etc/cri/conf.d",
    "/usr/lib/firmware",
    "/usr/lib/modules",
    "/usr/lib/ld-linux-x86-64.so.2",
    "/usr/lib/ld-linux-aarch64.so.1",
    "/usr/bin/ldconfig",
    "/usr/lib/udev/rules.d",
    "/usr/local",
    "/usr/share/glvnd",
    "/usr/share/egl",
    "/etc/vulkan",
];

const EXTENSION_PATHS_1_13: &[&str] = &[
    "/etc/cri/conf.d",
    "/usr/lib/firmware",
    "/usr/lib/modules",
    "/usr/lib/ld-linux-x86-64.so.2",
    "/usr/lib/ld-linux-aarch64.so.1",
    "/usr/bin/ldconfig",
    "/usr/lib/udev/rules.d",
    "/usr/local",
    "/usr/share/glvnd",
    "/usr/share/egl",
    "/etc/vulkan",
    "/etc/ld.so.conf",
    "/etc/ld.so.cache",
    "/usr/bin/nvidia-modprobe",
    "/usr/bin/nvidia-pcc",
    "/usr/bin/nvidia-smi",
    "/usr/bin/nvidia-ctk",
    "/usr/bin/nvidia-cdi-hook",
    "/usr/bin/nvme",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pre_releases_count_as_their_release() {
        for (a, b) in [
            ("1.8.0-alpha.0", "1.8.0"),
            ("v1.10.0-3-gabc", "v1.10.0"),
            ("1.14.0-rc.1+x", "1.14"),
        ] {
            assert_eq!(Quirks::of_text(a), Quirks::of_text(b), "{a} and {b}");
        }
    }

    #[test]
    fn unparsable_is_newest_but_for_systemd_boot() {
        let newest = Quirks::of_text("99.0.0");
        for text in [
            "", "latest", "V1.8.0", "1.8-rc", "v", "vv1.12.0", "1.13.0.1",
        ] {
            assert_eq!(
                Quirks::of_text(text),
                Quirks {
                    sd_boot: false,
                    ..newest
                },
                "{text}"
            );
        }
    }

    #[test]
    fn ima_ends_within_1_10() {
        assert!(Quirks::of_text("1.10.99").ima);
        assert!(!Quirks::of_text("1.10.100").ima);
    }
}
