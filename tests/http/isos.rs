//! ISOs that boot with GRUB, of the stand-in release, against the recorded reports of served ones.
//!
//! Addresses follow from the sizes of inputs and are another test's matter (`formats/tests/iso_hybrid.rs`); here it is what is
//! on them: volume, catalogue, partitions, tree, menu, and what their boot images say.

use std::collections::BTreeSet;

use formats::{
    fat, gpt,
    grub::{self, Object},
    iso9660::{self, Entry, Kind},
    read_at::Window,
};
use serde_json::Value as Json;

use crate::{
    disks::{Source, made},
    golden::{report, section},
    standin,
    support::Running,
};

/// Report, version, architecture, what the schematic has beside the common arguments, and what UEFI finds on the ESP.
const REPORTS: [(&str, &str, &str, &[&str]); 3] = [
    (
        "metal-amd64",
        "v1.14.0",
        "",
        &[
            "EFI/BOOT/BOOTX64.EFI",
            "EFI/Linux/Talos-v1.14.0.efi",
            "loader/loader.conf",
            "loader/random-seed",
        ],
    ),
    (
        "v1.9.5-metal-amd64",
        "v1.9.5",
        "",
        &["efi/boot/bootaa64.efi", "efi/boot/bootx64.efi"],
    ),
    (
        "v1.7.7-metal-amd64",
        "v1.7.7",
        "",
        &["efi/boot/bootaa64.efi", "efi/boot/bootx64.efi"],
    ),
];

/// What the reference's ISOs have beside ours: for Macs, for a search by name, fonts and texts of GRUB's own screens, and the EFI
/// image, which is a partition here.
const ABSENT: [&str; 8] = [
    ".disk",
    "System",
    "boot/grub/fonts",
    "boot/grub/locale",
    "boot/grub/roms",
    "efi.img",
    "mach_kernel",
    "boot/grub/x86_64-efi/",
];

/// Folders that hold what a build of GRUB has: another one here.
fn of_build(path: &str) -> bool {
    let folders = ["i386-pc/", "x86_64-efi/", "arm64-efi/"];
    let name = path.strip_prefix("boot/grub/");
    name.is_some_and(|name| folders.iter().any(|folder| name.starts_with(folder)))
}

fn mode(entry: &Entry) -> &'static str {
    let attributes = entry.attributes.unwrap();
    assert_eq!((attributes.uid, attributes.gid), (0, 0));
    match (attributes.mode, entry.path.as_str()) {
        (0o100_444, iso9660::CATALOG_NAME) => "er--r--r--",
        (0o100_444, _) => "-r--r--r--",
        (0o040_555, _) => "dr-xr-xr-x",
        (mode, path) => panic!("{path}: mode {mode:o}"),
    }
}

fn check_tree(text: &str, entries: &[Entry]) {
    let ours: BTreeSet<(String, String)> = entries
        .iter()
        .filter(|entry| !of_build(&entry.path))
        .map(|entry| (entry.path.clone(), mode(entry).to_owned()))
        .collect();
    let lines = section(text, "files").lines();
    let lines = lines.filter(|line| line.ends_with('\'') && line.contains(" 2019 "));
    let theirs: BTreeSet<(String, String)> = lines
        .map(|line| {
            let (head, path) = line.split_once('\'').unwrap();
            let mode = head.split_whitespace().next().unwrap();
            (path.trim_matches(['\'', '/']).to_owned(), mode.to_owned())
        })
        .filter(|(path, _)| !path.is_empty() && !of_build(path))
        .filter(|(path, _)| !ABSENT.iter().any(|start| path.starts_with(start)))
        .collect();
    assert_eq!(ours, theirs);
}

fn file(source: &Source, entries: &[Entry], path: &str) -> Vec<u8> {
    let entry = entries.iter().find(|entry| entry.path == path).unwrap();
    let [run] = &entry.runs[..] else {
        panic!("{path}: {:?}", entry.runs);
    };
    source.bytes(run.start..run.start + entry.len)
}

fn check_partitions(source: &Source, esp: u64) {
    let found = gpt::read(source, &gpt::Limits::default()).unwrap();
    found.backup.as_ref().unwrap();
    assert_eq!(found.header.entry_count.get(), 248);
    let names: Vec<String> = found.partitions.iter().map(|(_, p)| p.name()).collect();
    assert_eq!(names, ["ISO9660", "Appended2", "Gap1"]);
    assert_eq!(found.partitions[1].1.first.get() * 512, esp);
    assert_eq!(found.partitions[1].1.kind, gpt::EFI_SYSTEM.to_disk());
}

/// What the boot images of a BIOS say: they find the rest of themselves, and their menu.
fn check_bios(source: &Source, block: u32, el_torito: &[u8]) {
    let image = grub::read(el_torito).unwrap();
    let sector = u64::from(block) * 4;
    assert_eq!(image.kind, grub::Kind::Cd { rest: sector + 5 });
    assert_eq!(
        image.objects.last(),
        Some(&Object::Prefix(b"/boot/grub".to_vec()))
    );
    let names: Vec<_> = image
        .objects
        .iter()
        .filter_map(Object::module_name)
        .collect();
    for name in ["iso9660", "biosdisk", "normal", "linux", "all_video"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
    let record = source.bytes(0..512);
    assert_eq!(record[0x1b0..0x1b8], (sector + 4).to_le_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn isos_with_grub_are_as_recorded() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for (name, version, more, boots) in REPORTS {
        let (_, source) = made(&server, version, "metal-amd64.iso", more).await;
        let (_, text) = report(name);
        let contents = iso9660::read(&source, &iso9660::Limits::default()).unwrap();
        let volume = &contents.volumes[0];
        let recorded: Json = serde_json::from_str(section(&text, "PVD fields")).unwrap();
        let field = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        assert_eq!(recorded["volid"], field(&volume.descriptor.volume_id));
        let set = field(&volume.descriptor.volume_set_id);
        assert_eq!(recorded["volset"], set.trim_end());
        check_tree(&text, &volume.entries);
        // The same tree, as whoever mounts partition 1 sees it.
        let partition = Window::new(&source, 16 * 2048, u64::MAX);
        let mounted = iso9660::read(&partition, &iso9660::Limits::default()).unwrap();
        assert_eq!(mounted.volumes[0].entries.len(), volume.entries.len());

        let menu = file(&source, &volume.entries, "boot/grub/grub.cfg");
        let (_, theirs) = section(&text, "boot/grub/grub.cfg")
            .split_once('\n')
            .unwrap();
        assert_eq!(
            String::from_utf8(menu).unwrap().trim_end(),
            theirs.trim_end()
        );

        let [bios, efi] = &contents.catalog[..] else {
            panic!("{:?}", contents.catalog);
        };
        assert_eq!((bios.platform, bios.bootable, bios.sectors), (0, true, 4));
        assert_eq!((efi.platform, efi.bootable), (0xef, true));
        let el_torito = "boot/grub/i386-pc/eltorito.img";
        let image = file(&source, &volume.entries, el_torito);
        check_bios(&source, bios.block, &image);

        let esp = u64::from(efi.block) * 2048;
        check_partitions(&source, esp);
        let window = Window::new(&source, esp, u64::MAX);
        let volume = fat::read(&window, &fat::Limits::default()).unwrap();
        let files: Vec<&str> = volume
            .entries
            .iter()
            .filter(|entry| !entry.runs.is_empty() && entry.len > 0)
            .map(|entry| entry.path.as_str())
            .collect();
        for path in boots {
            assert!(files.contains(path), "{path}: {files:?}");
        }
    }
}

/// Which boot loader it is depends on the version and on the architecture (spec/boot.md 4.1).
#[tokio::test(flavor = "multi_thread")]
async fn every_version_has_the_boot_loaders_of_the_specification() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let grub = "bootloader: grub";
    for (version, arch, more, bios, sd_boot) in [
        ("v1.3.7", "amd64", "", true, false),
        ("v1.9.5", "arm64", "", true, false),
        ("v1.11.5", "amd64", "", true, true),
        ("v1.11.5", "arm64", "", true, true),
        ("v1.11.5", "amd64", grub, true, true),
        ("v1.12.4", "amd64", grub, true, false),
        ("v1.14.0", "amd64", "bootloader: sd-boot", false, true),
        ("v1.14.0", "arm64", "", false, true),
        ("v1.14.0", "arm64", grub, true, false),
        ("v1.14.0", "arm64", "bootloader: dual-boot", true, true),
    ] {
        let (_, source) = made(&server, version, &format!("metal-{arch}.iso"), more).await;
        let contents = iso9660::read(&source, &iso9660::Limits::default()).unwrap();
        let entries = &contents.volumes[0].entries;
        let has = |start: &str| {
            let is_file = |entry: &&Entry| entry.kind == Kind::File;
            let mut files = entries.iter().filter(is_file);
            files.any(|entry| entry.path.starts_with(start))
        };
        let found = (contents.catalog.len() == 2, has("EFI/Linux/"));
        assert_eq!(found, (bios, sd_boot), "{version} {arch} {more}");
        assert_eq!(has("efi/boot/"), !sd_boot, "{version} {arch} {more}");
        assert_eq!(has("boot/vmlinuz"), bios, "{version} {arch} {more}");
    }
}
