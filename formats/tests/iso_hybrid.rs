//! The golden report of an image that a BIOS boots as well, field by field, against an image of files of the same lengths.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;
#[path = "reports/iso.rs"]
mod report;

use formats::{
    Layout, fat, gpt, grub,
    iso9660::{
        self, Appended, BootEntry, BootImage, Catalog, Directory, File, Image, LoadSectors, Node,
        Platform, SystemArea, volume_id,
    },
    mbr,
    read_at::ReadAt as _,
};
use images::{Blobs, verdict};
use judges::judge;
use report::Report;
use serde_json::{Value as Json, json};

const EL_TORITO: &str = "boot/grub/i386-pc/eltorito.img";

/// The image that the report's would be with contents of ours; boot code and boot image know where they lie.
fn image(report: &Report, blobs: &mut Blobs) -> Image {
    let mut root = Directory::new(0o555);
    let mut lens = [0; 2];
    for (path, mode, len) in report.files() {
        if mode.starts_with('d') {
            if path == "boot/grub/roms" {
                let empty = Node::Directory(Directory::new(0o555));
                root.insert(&path, empty).unwrap();
            }
            continue;
        }
        if path == iso9660::CATALOG_NAME {
            continue;
        }
        for (prefix, known) in ["EFI/BOOT/", "EFI/Linux/"].into_iter().zip(&mut lens) {
            if path.starts_with(prefix) {
                *known = len;
            }
        }
        let content = blobs.add(
            u32::try_from(path.len()).unwrap(),
            usize::try_from(len).unwrap(),
        );
        let mode = if mode.contains('x') { 0o555 } else { 0o444 };
        root.insert(&path, Node::File(File { mode, content }))
            .unwrap();
    }
    // What is on it is another test's matter.
    let mut esp = Layout::new();
    esp.zeros(fat::iso_esp_len(lens[0], lens[1]));
    let entry = |platform, image, load| BootEntry {
        platform,
        image,
        load,
    };
    let bios = BootImage::File(EL_TORITO.to_owned());
    let mut image = Image {
        volume_id: volume_id("Talos-v1.14.0"),
        volume_set_id: "Talos-v1.14.0".to_owned(),
        preparer_id: "TALOS-FORGE".to_owned(),
        epoch: 1_559_424_892,
        root,
        catalog: Some(Catalog {
            default: entry(Platform::X86, bios, LoadSectors::Count(4)),
            more: vec![entry(
                Platform::Efi,
                BootImage::Appended(0),
                LoadSectors::Whole,
            )],
        }),
        system_area: SystemArea::Gpt {
            boot_code: Box::new([0; gpt::BOOT_CODE_LEN]),
        },
        partition_offset: 16,
        appended: vec![Appended {
            kind: mbr::EFI_SYSTEM,
            content: esp,
        }],
    };
    let block = image.plan().unwrap().file(EL_TORITO).unwrap();
    let file = image.root.file_mut(EL_TORITO).unwrap();
    let content = blobs.collect(&file.content);
    let measure = grub::CdImage::new(&content).unwrap();
    let mut head = measure
        .head(&content[..grub::CD_HEAD_LEN], block, 16)
        .unwrap();
    head.extend(&content[grub::CD_HEAD_LEN..]);
    file.content = blobs.add_bytes(head);
    let mut hybrid = [0x90; 512];
    hybrid[510..].copy_from_slice(&mbr::SIGNATURE);
    // What xorriso takes GRUB's boot code by.
    hybrid[0x80..0x85].copy_from_slice(b"GRUB\0");
    image.system_area = SystemArea::Gpt {
        boot_code: Box::new(grub::hybrid_code(&hybrid, block).unwrap()),
    };
    image
}

fn guid(bytes: [u8; 16]) -> String {
    gpt::Guid::from_disk(bytes).to_string().to_lowercase()
}

#[test]
fn the_partition_tables_are_those_of_the_report() {
    let report = Report::new("metal-amd64");
    let mut blobs = Blobs::default();
    let image = image(&report, &mut blobs);
    let layout = image.layout().unwrap();
    assert_eq!(layout.len().to_string(), report.section("size").trim());
    let source = blobs.source(&layout);
    let found = gpt::read(&source, &gpt::Limits::default()).unwrap();
    let partition = |(number, entry): &(usize, gpt::Entry)| {
        json!({
            "n": number,
            "type": guid(entry.kind),
            "guid": guid(entry.guid),
            "first": entry.first.get(),
            "last": entry.last.get(),
            "attrs": format!("{:#x}", entry.attributes.get()),
            "name": entry.name(),
            "size": (entry.last.get() - entry.first.get() + 1) * 512,
        })
    };
    let partitions: Vec<Json> = found.partitions.iter().map(partition).collect();
    let header = |header: &gpt::Header| {
        json!({
            "sig": "EFI PART",
            "rev": format!("{:#x}", header.revision.get()),
            "hsize": header.header_len.get(),
            "crc": format!("{:#x}", header.crc.get()),
            "my": header.lba.get(),
            "alt": header.alternate_lba.get(),
            "first": header.first_usable.get(),
            "last": header.last_usable.get(),
            "guid": guid(header.disk_guid),
            "entries": header.entries_lba.get(),
            "num": header.entry_count.get(),
            "esize": header.entry_len.get(),
            "ecrc": format!("{:#x}", header.entries_crc.get()),
            "partitions": partitions,
        })
    };
    let theirs = report.json("gpt");
    assert_eq!(header(&found.header), theirs["primary"]);
    assert_eq!(header(&found.backup.unwrap()), theirs["backup"]);

    let mut record = [0; 512];
    source.read_at(0, &mut record).unwrap();
    let hex = |text: String, byte: &u8| text + &format!("{byte:02x}");
    let table = record[446..510].iter().fold(String::new(), hex);
    let (_, recorded) = report
        .section("system area")
        .split_once("entries ")
        .unwrap();
    assert_eq!(table, recorded.trim());
}

#[test]
fn xorriso_and_sgdisk_report_what_the_report_does() {
    let report = Report::new("metal-amd64");
    let mut blobs = Blobs::default();
    let image = image(&report, &mut blobs);
    let path = blobs.write(&image.layout().unwrap());
    if let Some(mut sgdisk) = judge("sgdisk") {
        let verdict = verdict(sgdisk.arg("-v").arg(&path));
        assert!(verdict.contains("No problems found"), "{verdict}");
    }
    let Some(mut xorriso) = judge("xorriso") else {
        return;
    };
    let arguments =
        "-report_el_torito plain -report_system_area plain -pvd_info -find / -exec lsdl --";
    let ours = verdict(xorriso.arg("-indev").arg(&path).args(arguments.split(' ')));
    let titles = ["xorriso report", "pvd", "files"];
    let theirs: String = titles.map(|title| report.section(title)).concat();
    // Files lie in the order of their names here, so one of them has another address.
    let block = image.plan().unwrap().file(EL_TORITO).unwrap();
    let at = format!("0x00      4{:>12}", 618);
    let theirs = theirs.replace(&at, &format!("0x00      4{block:>12}"));
    let said_by_xorriso = [
        "xorriso",
        "libisofs",
        "Drive current",
        "Media summary",
        "Media current",
        "Media status",
        "Preparer Id",
    ];
    for line in theirs.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if said_by_xorriso.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        assert!(
            ours.lines().any(|found| found.trim_end() == line),
            "{line:?} is not in {ours}"
        );
    }
}
