//! One artifact of each kind made of a release of Talos' size, which `TALOS_FORGE_TEST_RELEASE_FULL` names: `hack/test --all`.

use std::{env, fs, process::Command, sync::LazyLock};

use super::*;

const RELEASE: &str = "TALOS_FORGE_TEST_RELEASE_FULL";
/// Twenty times the bytes to load and to unpack, by an emulated processor.
const BOOT_SECONDS: &str = "900";

static SERVICE: LazyLock<Option<Service>> = LazyLock::new(|| {
    let release = env::var_os(RELEASE)?;
    Some(Service::start(release.into(), BOOT_SECONDS))
});

/// A disk of the current version whose schematic chose nothing, under UEFI.
const DUAL: Origin = Origin::Disk {
    dual: true,
    by: Loader::SdBoot,
};

/// The service, unless there is no such release.
fn service() -> Option<&'static Service> {
    let service = SERVICE.as_ref();
    if service.is_none() {
        eprintln!("skipped: {RELEASE} does not name a release of Talos' size");
    }
    service
}

fn raw(name: &'static str, arch: &'static str, more: &Value, firmware: &[&str]) {
    let Some(service) = service() else { return };
    disk_of(service, name, CURRENT, arch, more, firmware);
}

fn iso(name: &'static str, arch: &'static str, firmware: &[&str]) {
    let Some(service) = service() else { return };
    let boot = Boot::new(service, name, CURRENT, arch);
    let image = boot.download(&format!("metal-{arch}.iso"));
    let grub = firmware.contains(&"--bios");
    let arguments = [image.as_os_str()].into_iter();
    boot.run(
        Origin::Iso { grub },
        arguments.chain(firmware.iter().map(AsRef::as_ref)),
    );
}

/// A disk as `build` writes it, which QEMU reads itself, or `hack/boot` unpacks.
fn built(name: &'static str, suffix: &str) {
    let Some(service) = service() else { return };
    let boot = Boot::new(service, name, CURRENT, "amd64");
    boot.run(DUAL, [boot.build(&format!("metal-amd64.{suffix}"))]);
}

/// A download that a program unpacks.
fn unpacked(name: &'static str, suffix: &str, program: &str) {
    let Some(service) = service() else { return };
    let boot = Boot::new(service, name, CURRENT, "amd64");
    let packed = boot.download(&format!("metal-amd64.raw{suffix}"));
    let disk = packed.with_extension("");
    let out = fs::File::create(&disk).unwrap();
    let mut command = Command::new(program);
    command.args(["-d", "-c"]).arg(&packed).stdout(out);
    assert!(command.status().unwrap().success(), "{program}");
    boot.run(DUAL, [disk]);
}

fn plain() -> Value {
    serde_json::json!({})
}

#[test]
fn a_disk_boots_by_a_bios() {
    raw("full-disk-bios", "amd64", &plain(), &["--bios"]);
}

#[test]
fn a_disk_boots_by_uefi() {
    raw("full-disk-uefi", "amd64", &plain(), &[]);
}

#[test]
fn a_disk_with_large_sectors_boots() {
    let more = serde_json::json!({"diskImage": {"sectorSize": 4096}});
    raw("full-disk-4k", "amd64", &more, &[]);
}

#[test]
fn a_disk_boots_on_arm64() {
    raw("full-disk-arm64", "arm64", &plain(), &[]);
}

#[test]
fn an_iso_boots_by_a_bios() {
    iso("full-iso-bios", "amd64", &["--bios"]);
}

#[test]
fn an_iso_boots_by_uefi() {
    iso("full-iso-uefi", "amd64", &[]);
}

#[test]
fn an_iso_boots_on_arm64() {
    iso("full-iso-arm64", "arm64", &[]);
}

#[test]
fn a_qcow2_boots() {
    built("full-qcow2", "qcow2");
}

#[test]
fn a_vhd_boots() {
    built("full-vhd", "vhd");
}

#[test]
fn the_vmdk_of_an_ova_boots() {
    built("full-ova", "ova");
}

#[test]
fn what_xz_unpacks_boots() {
    unpacked("full-raw-xz", ".xz", "xz");
}

#[test]
fn what_zstd_unpacks_boots() {
    unpacked("full-raw-zst", ".zst", "zstd");
}
