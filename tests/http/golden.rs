//! UKIs and ISOs of the stand-in release against the recorded reports of served ones, field by field.
//!
//! What follows from the sizes of kernel, initramfs and boot loader is worked out anew from their lengths; everything else
//! must be as recorded.

use std::{collections::BTreeMap, ops::Range, path::Path};

use formats::{fat, iso9660, read_at::Window};
use serde_json::{Value as Json, json};

use crate::{
    release::{artifact, content, schematic},
    standin,
    support::Running,
    uki,
};

async fn image(server: &Running, name: &str) -> Vec<u8> {
    let id = schematic(server).await;
    let artifact = artifact(server, &format!("image/{id}/v1.14.0/{name}")).await;
    artifact.layout.collect(|digest| content(&artifact, digest))
}

#[tokio::test(flavor = "multi_thread")]
async fn ukis_are_as_recorded_but_for_the_sizes_of_their_inputs() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for arch in ["amd64", "arm64"] {
        let file = image(&server, &format!("metal-{arch}-uki.efi")).await;
        let machine = u16::from_le_bytes([file[0x84], file[0x85]]);
        let differences = uki::differences(&file, &uki::report(machine));
        assert!(
            differences.is_empty(),
            "{arch}:\n{}",
            differences.join("\n")
        );
    }
}

fn report(name: &str) -> (Json, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/reports");
    let json = std::fs::read(folder.join(format!("{name}.iso.json"))).unwrap();
    let text = std::fs::read_to_string(folder.join(format!("{name}.iso.txt"))).unwrap();
    (serde_json::from_slice(&json).unwrap(), text)
}

fn section<'a>(report: &'a str, title: &str) -> &'a str {
    let (_, rest) = report.split_once(&format!("===== {title}\n")).unwrap();
    rest.split_once("\n=====")
        .map_or(rest, |(section, _)| section)
}

fn bytes<'a>(file: &'a [u8], runs: &[Range<u64>]) -> &'a [u8] {
    let [run] = runs else {
        panic!("{} runs", runs.len());
    };
    &file[usize::try_from(run.start).unwrap()..usize::try_from(run.end).unwrap()]
}

/// Mode and length of each path of the recorded listing; lengths of inputs are ours.
fn files(report: &str, ours: &BTreeMap<String, (String, u64)>) -> BTreeMap<String, (String, u64)> {
    let lines = section(report, "files").lines();
    let lines = lines.filter(|line| line.ends_with('\'') && line.contains(" 2019 "));
    let entry = |line: &str| {
        let (head, path) = line.split_once('\'').unwrap();
        let words: Vec<&str> = head.split_whitespace().collect();
        let path = path.trim_matches(['\'', '/']).to_owned();
        let recorded = words[4].parse().unwrap();
        let is_input = path.starts_with("EFI/") && !words[0].starts_with('d');
        let len = if is_input { ours[&path].1 } else { recorded };
        (path, (words[0].to_owned(), len))
    };
    lines
        .map(entry)
        .filter(|(path, _)| !path.is_empty())
        .collect()
}

fn check_volume(
    report: &str,
    volume: &iso9660::Volume,
    blocks: u64,
) -> BTreeMap<String, Range<u64>> {
    let (ours, theirs) = (&volume.descriptor, section(report, "PVD fields"));
    let theirs: Json = serde_json::from_str(theirs).unwrap();
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    let short = |field: &[u8]| text(field).trim_end().to_owned();
    let dated = |digits: &[u8]| format!("{}\0", text(digits));
    for (field, found) in [
        ("system", text(&ours.system_id)),
        ("volid", text(&ours.volume_id)),
        ("volset", short(&ours.volume_set_id)),
        ("publisher", short(&ours.publisher_id)),
        ("application", short(&ours.application_id)),
        ("created", dated(&ours.created.digits)),
        ("modified", dated(&ours.modified.digits)),
        ("expires", dated(&ours.expires.digits)),
        ("effective", dated(&ours.effective.digits)),
    ] {
        assert_eq!(theirs[field], found, "{field}");
    }
    assert_eq!(u64::from(ours.volume_space_size.get()), blocks);
    let mut found = BTreeMap::new();
    for entry in &volume.entries {
        let attributes = entry.attributes.unwrap();
        assert_eq!(
            (attributes.uid, attributes.gid, attributes.links),
            (0, 0, 1)
        );
        assert_eq!(entry.modified.to_string(), "2019-06-01 21:34:52");
        let mode = match (attributes.mode, entry.path.as_str()) {
            (0o100_444, iso9660::CATALOG_NAME) => "er--r--r--",
            (0o100_444, _) => "-r--r--r--",
            (0o100_644, _) => "-rw-r--r--",
            (0o040_755, _) => "drwxr-xr-x",
            (mode, path) => panic!("{path}: mode {mode:o}"),
        };
        let is_directory = entry.kind == iso9660::Kind::Directory;
        let len = if is_directory { 0 } else { entry.len };
        found.insert(entry.path.clone(), (mode.to_owned(), len));
    }
    assert_eq!(found, files(report, &found));
    let places = volume.entries.iter().filter(|entry| entry.runs.len() == 1);
    places
        .map(|entry| {
            let start = entry.runs[0].start;
            (entry.path.clone(), start..start + entry.len)
        })
        .collect()
}

/// A sector as partition tables write it for 64 heads of 32 sectors.
fn chs(sector: u32) -> [u8; 3] {
    let [cylinder, high, ..] = (sector / 2048).to_le_bytes();
    let [head, ..] = (sector / 32 % 64).to_le_bytes();
    let [sector, ..] = (sector % 32 + 1).to_le_bytes();
    [head, sector | high << 6, cylinder]
}

/// The partition table with the recorded types, for an ESP at `start` with `len` sectors.
fn partitions(report: &str, start: u32, len: u32) -> String {
    let (_, table) = section(report, "system area")
        .split_once("entries ")
        .unwrap();
    let mut expected = Vec::new();
    for (index, range) in [64..start, start..start + len].into_iter().enumerate() {
        let recorded = &table[index * 32..][..32];
        let byte = |at: usize| u8::from_str_radix(&recorded[at..at + 2], 16).unwrap();
        expected.push(byte(0));
        expected.extend(chs(range.start));
        expected.push(byte(8));
        expected.extend(chs(range.end - 1));
        expected.extend(range.start.to_le_bytes());
        expected.extend((range.end - range.start).to_le_bytes());
    }
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    expected.iter().fold(String::new(), hex) + &table[64..128]
}

/// The recorded boot sector, its lengths as mkfs.fat works them out for `sectors`.
fn boot_sector(report: &Json, ours: &fat::Contents, sectors: u64) {
    const RESERVED: u64 = 32;
    let mut theirs = report["efi image (El Torito UEFI)"].clone();
    let boot = &ours.boot_sector;
    let cluster = u64::from(boot.sectors_per_cluster);
    let clusters = ((sectors - RESERVED) * 512 + 16) / (cluster * 512 + 8);
    theirs["tot32"] = sectors.into();
    theirs["fatsz32"] = ((clusters + 2) * 4).div_ceil(512).into();
    // As many sectors as leave at least 65,525 clusters, with some to spare.
    let enough = |count: &u64| sectors / count >= 65525 + 2048;
    theirs["spc"] = [8, 4, 2].into_iter().find(enough).unwrap_or(1).into();
    let found = boot_sector_fields(boot);
    assert_eq!(found, theirs);
    let (label, dated) = ours.label.as_ref().unwrap();
    assert_eq!(
        (label.as_str(), dated.to_string().as_str()),
        ("EFI", "2015-03-14 09:26:52")
    );
}

/// A boot sector as reports show it.
pub(crate) fn boot_sector_fields(boot: &fat::BootSector) -> Json {
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    json!({
        "oem": text(&boot.oem_name),
        "bps": boot.bytes_per_sector.get(),
        "spc": boot.sectors_per_cluster,
        "reserved": boot.reserved_sectors.get(),
        "fats": boot.fats,
        "rootEnt": boot.root_entries.get(),
        "tot16": boot.total_sectors_16.get(),
        "media": format!("{:#04x}", boot.media),
        "fatsz16": boot.fat_sectors_16.get(),
        "spt": boot.sectors_per_track.get(),
        "heads": boot.heads.get(),
        "hidden": boot.hidden_sectors.get(),
        "tot32": boot.total_sectors_32.get(),
        "fatsz32": boot.fat_sectors_32.get(),
        "ext": format!("{:04x}{:04x}", boot.extended_flags, boot.version),
        "rootclus": boot.root_cluster.get(),
        "fsinfo": boot.fs_info_sector.get(),
        "backup": boot.backup_boot_sector.get(),
        "drive": format!("{:#04x}", boot.drive),
        "bootsig": format!("{:#04x}", boot.boot_signature),
        "volid": format!("{:08x}", boot.volume_id),
        "label": text(&boot.volume_label),
        "type": text(&boot.file_system),
    })
}

fn check(name: &str, file: &[u8]) {
    let (report, text) = report(name);
    let contents = iso9660::read(file, &iso9660::Limits::default()).unwrap();
    let blocks = file.len() as u64 / 2048;
    let places = check_volume(&text, &contents.volumes[0], blocks);

    // The ESP is all of the file behind the tree.
    let [entry] = contents.catalog[..] else {
        panic!("{:?}", contents.catalog);
    };
    assert_eq!(
        (entry.platform, entry.bootable, entry.media, entry.sectors),
        (0xef, true, 0, 0)
    );
    assert_eq!(places["boot.catalog"].start, 51 * 2048);
    let loader = places
        .iter()
        .find(|(path, _)| path.starts_with("EFI/BOOT/"))
        .unwrap()
        .1;
    let image = &places["EFI/Linux/Talos-v1.14.0.efi"];
    let len = fat::iso_esp_len(loader.end - loader.start, image.end - image.start);
    let start = u64::from(entry.block) * 2048;
    assert!(start + len <= file.len() as u64);
    let (first, sectors) = (entry.block * 4, u32::try_from(len / 512).unwrap());
    let table = file[446..510]
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(table, partitions(&text, first, sectors));
    assert!(file[..446].iter().all(|byte| *byte == 0), "boot code");

    // Its files are those of the tree.
    let esp = Window::new(file, start, len);
    let volume = fat::read(&esp, &fat::Limits::default()).unwrap();
    boot_sector(&report, &volume, len / 512);
    let mut listed = 0;
    for entry in volume.entries.iter().filter(|entry| !entry.runs.is_empty()) {
        assert_eq!(
            entry.written.to_string(),
            "2019-06-01 21:34:52",
            "{}",
            entry.path
        );
        if let Some(place) = places.get(&entry.path).filter(|_| entry.len > 0) {
            let inside = bytes(&file[usize::try_from(start).unwrap()..], &entry.runs);
            let outside = bytes(file, std::slice::from_ref(place));
            assert!(inside[..outside.len()] == *outside, "{}", entry.path);
            listed += 1;
        }
    }
    assert_eq!(listed, 4);
    let uki_report = json!({"PE": report["UKI Talos-v1.14.0.efi"]});
    let differences = uki::differences(bytes(file, std::slice::from_ref(image)), &uki_report);
    assert!(
        differences.is_empty(),
        "{name}:\n{}",
        differences.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn isos_are_as_recorded_but_for_the_sizes_of_their_inputs() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for (report, name) in [
        ("metal-arm64", "metal-arm64.iso"),
        ("metal-amd64-sdboot", "metal-amd64.iso"),
    ] {
        check(report, &image(&server, name).await);
    }
}
