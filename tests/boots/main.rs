//! Boots in QEMU what the service sends: `cargo test --release --test boots -- --test-threads=2`.
//!
//! `TALOS_FORGE_TEST_RELEASE` names the stand-in release, an OCI layout that
//! `hack/release --size 4 4` made.
//! The machine's `/init` prints PROBE lines (`hack/standin/init`); each test compares them with its
//! schematic, with the command line of the service, and with the files of the extensions' images.
#![expect(clippy::print_stderr, reason = "tests say how long a boot took")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod console;
mod full;
mod machine;
mod service;
mod sets;

use std::{env, sync::LazyLock};

use console::Probe;
use machine::{Boot, Loader, Origin};
use serde_json::Value;
use service::Service;

const RELEASE: &str = "TALOS_FORGE_TEST_RELEASE";
/// Its machines also get an embedded configuration, which needs 1.12.
const CURRENT: &str = "v1.14.0";
/// The last version before systemd-boot.
const OLD: &str = "v1.9.5";
/// Extensions with kernel modules: plain ones, some packed with xz, some packed with zstd and below `extras`. Each has the
/// module of its own name, which needs others.
const MODULES: [&str; 3] = ["btrfs", "nfsd", "drbd"];
/// Long enough for two machines on two busy cores.
const BOOT_SECONDS: &str = "180";

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let release = env::var_os(RELEASE)
        .unwrap_or_else(|| panic!("{RELEASE} must name a stand-in release (hack/release)"));
    Service::start(release.into(), BOOT_SECONDS)
});

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Kernel and initramfs, started by QEMU itself.
fn direct(name: &'static str, version: &'static str, arch: &'static str) {
    start(&Boot::new(&SERVICE, name, version, arch));
}

fn start(boot: &Boot<'_>) {
    let arch = boot.arch;
    let kernel = boot.download(&format!("kernel-{arch}"));
    let initramfs = boot.download(&format!("initramfs-{arch}.xz"));
    boot.run(
        Origin::Asked,
        [
            "--kernel".as_ref(),
            kernel.as_os_str(),
            "--initrd".as_ref(),
            initramfs.as_os_str(),
            "--append".as_ref(),
            boot.command_line().as_ref(),
        ],
    );
}

fn disk(
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    disk_of(&SERVICE, name, version, arch, more, firmware);
}

/// A raw disk, as `build` writes it: with holes, which nobody need download.
fn disk_of(
    service: &Service,
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    let boot = Boot::with(service, name, version, arch, more, &[]);
    let image = boot.build(&format!("metal-{arch}.raw"));
    // Two where a version knows systemd-boot, the machine has a BIOS, and nobody chose.
    let chosen = more.get("bootloader").and_then(Value::as_str);
    let dual = chosen.is_none() && arch == "amd64" && version != OLD;
    let by_bios = firmware.contains(&"--bios");
    let by = if by_bios || version == OLD || chosen == Some("grub") {
        Loader::Grub
    } else {
        Loader::SdBoot
    };
    let options = firmware.iter().map(AsRef::as_ref);
    let log = boot.run(
        Origin::Disk { dual, by },
        [image.as_os_str()].into_iter().chain(options),
    );
    let started = if by_bios { "bios" } else { "efi" };
    assert_eq!(Probe::parse(&log).values("FW"), [started]);
}

/// An ISO whose kernel GRUB starts, as a CD and as a disk.
fn grub_iso(
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    let boot = Boot::with(&SERVICE, name, version, arch, more, &[]);
    let image = boot.download(&format!("metal-{arch}.iso"));
    for medium in [&[][..], &["--disk"]] {
        let mut arguments = vec![image.as_os_str(), "--arch".as_ref(), arch.as_ref()];
        arguments.extend(
            firmware
                .iter()
                .chain(medium)
                .map(AsRef::<std::ffi::OsStr>::as_ref),
        );
        boot.run(Origin::Iso { grub: true }, arguments);
    }
}

/// An artifact that UEFI starts.
fn uefi(name: &'static str, arch: &'static str, suffix: &str, options: &[&str]) {
    let origin = if suffix == ".iso" {
        Origin::Iso { grub: false }
    } else {
        Origin::Uki
    };
    let boot = Boot::new(&SERVICE, name, CURRENT, arch);
    let image = boot.download(&format!("metal-{arch}{suffix}"));
    let options = options.iter().map(AsRef::as_ref);
    boot.run(origin, [image.as_os_str()].into_iter().chain(options));
}

#[test]
fn kernel_and_initramfs_boot_on_amd64() {
    direct("direct-amd64", CURRENT, "amd64");
}

#[test]
fn kernel_and_initramfs_boot_on_arm64() {
    direct("direct-arm64", CURRENT, "arm64");
}

#[test]
fn the_kernel_unpacks_extensions_framed_as_xz() {
    direct("direct-1.7", "v1.7.7", "amd64");
    direct("direct-1.7-arm64", "v1.7.7", "arm64");
}

#[test]
fn the_oldest_version_boots() {
    direct("direct-1.3", "v1.3.7", "amd64");
}

#[test]
fn the_last_version_with_modules_outside_usr_boots() {
    direct("direct-1.9", OLD, "amd64");
}

#[test]
fn modules_of_extensions_are_loaded_through_their_common_index() {
    for (name, version, arch) in [
        ("modules-amd64", CURRENT, "amd64"),
        ("modules-arm64", CURRENT, "arm64"),
        ("modules-1.9", "v1.9.5", "amd64"),
        ("modules-1.7", "v1.7.7", "amd64"),
    ] {
        let plain = serde_json::json!({});
        start(&Boot::with(&SERVICE, name, version, arch, &plain, &MODULES));
    }
}

#[test]
fn uki_boots_on_amd64() {
    uefi("uki-amd64", "amd64", "-uki.efi", &[]);
}

#[test]
fn uki_boots_on_arm64() {
    uefi("uki-arm64", "arm64", "-uki.efi", &[]);
}

#[test]
fn iso_boots_as_cd_on_amd64() {
    uefi("iso-cd-amd64", "amd64", ".iso", &[]);
}

#[test]
fn iso_with_two_boot_loaders_boots_by_a_bios() {
    let more = serde_json::json!({});
    grub_iso("iso-bios", CURRENT, "amd64", &more, &["--bios"]);
}

#[test]
fn iso_with_grub_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    grub_iso("iso-1.9-bios", OLD, "amd64", &more, &["--bios"]);
    grub_iso("iso-1.9-uefi", OLD, "amd64", &more, &[]);
}

#[test]
fn iso_boots_the_boot_loader_that_the_schematic_chose() {
    let grub = serde_json::json!({"bootloader": "grub"});
    grub_iso("iso-grub-bios", CURRENT, "amd64", &grub, &["--bios"]);
    grub_iso("iso-grub-uefi", CURRENT, "amd64", &grub, &[]);
}

#[test]
fn iso_with_grub_boots_on_arm64() {
    let more = serde_json::json!({});
    grub_iso("iso-1.9-arm64", OLD, "arm64", &more, &[]);
}

#[test]
fn iso_boots_as_cd_on_arm64() {
    uefi("iso-cd-arm64", "arm64", ".iso", &[]);
}

#[test]
fn iso_boots_as_disk_on_amd64() {
    uefi("iso-disk-amd64", "amd64", ".iso", &["--disk"]);
}

#[test]
fn iso_boots_as_disk_on_arm64() {
    uefi("iso-disk-arm64", "arm64", ".iso", &["--disk"]);
}

#[test]
fn ipxe_boots_from_the_running_service() {
    let boot = Boot::new(&SERVICE, "ipxe", CURRENT, "amd64");
    let script = format!("{}/pxe/{}/{CURRENT}/metal-amd64", boot.service.url, boot.id);
    boot.run(Origin::Asked, ["--bios", "--ipxe", &script]);
}

#[test]
fn firmware_boots_the_uki_over_http() {
    let boot = Boot::new(&SERVICE, "http-boot", CURRENT, "amd64");
    boot.run(
        Origin::Uki,
        ["--http-boot", &boot.url("metal-amd64-uki.efi")],
    );
}

#[test]
fn iso_boots_while_it_is_read_over_http() {
    let boot = Boot::new(&SERVICE, "iso-http", CURRENT, "amd64");
    boot.run(Origin::Iso { grub: false }, [&boot.url("metal-amd64.iso")]);
}

#[test]
fn what_build_wrote_boots() {
    let boot = Boot::new(&SERVICE, "build-uki", CURRENT, "amd64");
    let image = boot.build("metal-amd64-uki.efi");
    boot.run(Origin::Uki, [image]);
}

#[test]
fn a_disk_with_grub_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    disk("disk-1.9-bios", OLD, "amd64", &more, &["--bios"]);
    disk("disk-1.9-uefi", OLD, "amd64", &more, &[]);
}

#[test]
fn a_disk_with_two_boot_loaders_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    disk("disk-1.11-bios", "v1.11.5", "amd64", &more, &["--bios"]);
    disk("disk-1.11-uefi", "v1.11.5", "amd64", &more, &[]);
    disk("disk-bios", CURRENT, "amd64", &more, &["--bios"]);
    disk("disk-uefi", CURRENT, "amd64", &more, &[]);
}

#[test]
fn a_disk_boots_the_boot_loader_that_the_schematic_chose() {
    let grub = serde_json::json!({"bootloader": "grub"});
    disk("disk-grub-bios", CURRENT, "amd64", &grub, &["--bios"]);
    disk("disk-grub-uefi", CURRENT, "amd64", &grub, &[]);
    let sd_boot = serde_json::json!({"bootloader": "sd-boot"});
    disk("disk-sd-boot", CURRENT, "amd64", &sd_boot, &[]);
}

#[test]
fn a_disk_with_large_sectors_boots() {
    let more = serde_json::json!({"diskImage": {"sectorSize": 4096}});
    disk("disk-4k", CURRENT, "amd64", &more, &[]);
}

#[test]
fn a_disk_boots_on_arm64() {
    disk("disk-arm64", CURRENT, "arm64", &serde_json::json!({}), &[]);
}

#[test]
fn a_disk_boots_on_arm64_by_u_boot() {
    let more = serde_json::json!({});
    disk("disk-arm64-u-boot", CURRENT, "arm64", &more, &["--u-boot"]);
}

#[test]
fn a_disk_with_grub_boots_on_arm64() {
    let grub = serde_json::json!({"bootloader": "grub"});
    disk("disk-arm64-grub", CURRENT, "arm64", &grub, &[]);
}

#[test]
fn a_disk_boots_while_it_is_read_over_http() {
    let boot = Boot::new(&SERVICE, "disk-http", CURRENT, "amd64");
    let origin = Origin::Disk {
        dual: true,
        by: Loader::SdBoot,
    };
    boot.run(origin, [&boot.url("metal-amd64.raw")]);
}

/// QEMU reads them itself; the VMDK is taken out of the OVA.
#[test]
fn disks_for_hypervisors_boot() {
    let boot = Boot::new(&SERVICE, "disk-formats", CURRENT, "amd64");
    let origin = Origin::Disk {
        dual: true,
        by: Loader::SdBoot,
    };
    for format in ["qcow2", "vhd", "ova"] {
        boot.run(origin, [boot.build(&format!("metal-amd64.{format}"))]);
    }
}
