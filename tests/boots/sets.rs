//! Sets of extensions, from one to all good ones: what the kernel and the machine's init find of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use reqwest::Method;
use serde_json::Value;

use super::*;
use crate::console;

/// All that are not refused, in an order in which eleven and more show that directories are sorted as texts.
const ALL: [&str; 12] = [
    "hello-world-service",
    "amd-ucode",
    "realtek-firmware",
    "iscsi-tools",
    "intel-ucode",
    "util-linux-tools",
    "bnx2-bnx2x",
    "gvisor",
    "qemu-guest-agent",
    "btrfs",
    "nfsd",
    "drbd",
];

/// Whose layers are plain enough to be read here, and which have files besides microcode.
const READ: [&str; 6] = [
    "hello-world-service",
    "amd-ucode",
    "realtek-firmware",
    "iscsi-tools",
    "util-linux-tools",
    "bnx2-bnx2x",
];

fn microcode(path: &str) -> Option<&'static str> {
    let (_, inside) = path.split_once("/lib/firmware/")?;
    let (directory, name) = inside.split_once('/')?;
    let is_amd =
        name.starts_with("microcode_amd") && Path::new(name).extension() == Some("bin".as_ref());
    match directory {
        "intel-ucode" => Some("/kernel/x86/microcode/GenuineIntel.bin"),
        "amd-ucode" if is_amd => Some("/kernel/x86/microcode/AuthenticAMD.bin"),
        _ => None,
    }
}

/// Boots the first `count` extensions and compares what the machine saw with their images.
fn boot(name: &str, version: &str, arch: &str, count: usize) {
    let service = &*SERVICE;
    let set = &ALL[..count];
    let (mut files, mut early) = (BTreeMap::new(), BTreeSet::new());
    for extension in READ.iter().filter(|extension| set.contains(extension)) {
        let found = service.extension_files(version, &format!("siderolabs/{extension}"), arch);
        let mut taken = 0;
        for (path, digest) in found {
            if let Some(file) = microcode(&path) {
                early.insert(file);
            } else if taken < 2 && path.len() < 80 && !path.contains([' ', ',']) {
                files.insert(path, digest);
                taken += 1;
            }
        }
    }
    if set.contains(&"intel-ucode") && arch == "amd64" {
        early.insert("/kernel/x86/microcode/GenuineIntel.bin");
    }
    let paths: Vec<&str> = files.keys().map(String::as_str).collect();
    let console = if arch == "arm64" { "ttyAMA0" } else { "ttyS0" };
    let named: Vec<String> = set
        .iter()
        .map(|name| format!("siderolabs/{name}"))
        .collect();
    let schematic = serde_json::json!({"customization": {
        "extraKernelArgs": [format!("console={console}"), format!("probe.file={}", paths.join(","))],
        "systemExtensions": {"officialExtensions": named},
    }});
    let answer = service.ask(Method::POST, "schematics", schematic.to_string());
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    let id = answer["id"].as_str().unwrap();
    let directory = scratch();
    let download = |artifact: &str| {
        let file = directory.path().join(artifact);
        fs::write(
            &file,
            service.get(&format!("image/{id}/{version}/{artifact}")),
        )
        .unwrap();
        file
    };
    let kernel = download(&format!("kernel-{arch}"));
    let initramfs = download(&format!("initramfs-{arch}.xz"));
    let cmdline = service.get(&format!("image/{id}/{version}/cmdline-metal-{arch}"));
    let cmdline = String::from_utf8(cmdline).unwrap();
    let arguments = [
        "--kernel".as_ref(),
        kernel.as_os_str(),
        "--initrd".as_ref(),
        initramfs.as_os_str(),
        "--append".as_ref(),
        cmdline.trim_end().as_ref(),
    ];
    let text = console::boot(name, arguments, BOOT_SECONDS);
    let probe = Probe::parse(&text);
    assert!(!text.contains("Initramfs unpacking failed"), "{name}");

    // rootfs, then the directories of extensions and of the schematic sorted as texts, then the index of modules
    let mut order: Vec<String> = (0..=count).map(|number| number.to_string()).collect();
    order.sort();
    let has_modules = ["bnx2-bnx2x", "btrfs", "nfsd", "drbd"]
        .iter()
        .any(|name| set.contains(name));
    let mut layers = vec!["rootfs".to_owned()];
    layers.extend(order);
    layers.extend(has_modules.then(|| "modules.dep".to_owned()));
    let mounted: Vec<_> = probe
        .values("LAYER")
        .iter()
        .map(|line| line.split_once(".sqsh").unwrap().0.to_owned())
        .collect();
    assert_eq!(mounted, layers, "{name}");

    let found: BTreeMap<String, String> = probe
        .values("FILE")
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(path, digest)| (path.to_owned(), digest.to_owned()))
        .collect();
    assert_eq!(found, files, "{name}");
    let unpacked: Vec<_> = probe
        .values("UCODE")
        .iter()
        .map(|line| line.split_once(' ').unwrap().0.to_owned())
        .collect();
    let mut unpacked: Vec<_> = unpacked.iter().map(String::as_str).collect();
    unpacked.sort_unstable();
    assert_eq!(unpacked, early.into_iter().collect::<Vec<_>>(), "{name}");
    assert_eq!(probe.values("SCHEMATIC"), [id], "{name}");
    let has_firmware = set.contains(&"amd-ucode");
    assert_eq!(
        probe.values("FIRMWARE").len(),
        usize::from(has_firmware),
        "{name}"
    );
    eprintln!("boots::{name}: {count} extensions, {} layers", layers.len());
}

#[test]
fn one_three_and_eight_extensions_are_mounted() {
    for count in [1, 3, 8] {
        boot(&format!("set-{count}"), CURRENT, "amd64", count);
    }
}

#[test]
fn all_extensions_together_are_mounted() {
    for (name, version, arch) in [
        ("all-amd64", CURRENT, "amd64"),
        ("all-arm64", CURRENT, "arm64"),
        ("all-1.9", "v1.9.5", "amd64"),
        ("all-1.7", "v1.7.7", "amd64"),
    ] {
        boot(name, version, arch, ALL.len());
    }
}
