//! The golden reports of two UEFI images, field by field, against images of files of the same lengths.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;
#[path = "images/uefi.rs"]
mod uefi;

use formats::{
    fat::{self, Attributes},
    iso9660::{self, Directory, File, Image, Node},
    read_at::{ReadAt as _, Window},
};
use images::{Blobs, verdict};
use judges::judge;

const LOADER_CONF: &str = "# systemd-boot configuration\n\ntimeout 10\n\nsecure-boot-enroll off\n";

/// A report: sections after lines of `===== title`.
struct Report(String);

impl Report {
    fn new(name: &str) -> Self {
        let path = format!(
            "{}/../testdata/reports/{name}.iso.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        Self(std::fs::read_to_string(path).unwrap())
    }

    fn section(&self, title: &str) -> &str {
        let start = format!("===== {title}\n");
        let (_, rest) = self
            .0
            .split_once(&start)
            .unwrap_or_else(|| panic!("no section {title:?}"));
        rest.split_once("\n=====")
            .map_or(rest, |(section, _)| section)
    }

    fn json(&self, title: &str) -> serde_json::Value {
        serde_json::from_str(self.section(title)).unwrap()
    }

    /// Mode and length of each file of the ISO.
    fn files(&self) -> Vec<(String, String, u64)> {
        let lines = self
            .section("files")
            .lines()
            .filter(|line| line.ends_with('\''));
        let fields = |line: &str| {
            let (head, path) = line.split_once('\'').unwrap();
            let mut words = head.split_whitespace();
            let (mode, len) = (
                words.next().unwrap().to_owned(),
                words.nth(3).unwrap().parse().unwrap(),
            );
            (path.trim_matches(['\'', '/']).to_owned(), mode, len)
        };
        lines
            .filter(|line| line.contains(" 2019 "))
            .map(fields)
            .collect()
    }
}

/// The image that the report's would be with contents of ours.
fn image(report: &Report, blobs: &mut Blobs) -> Image {
    let mut root = Directory::new(0o755);
    let mut esp = fat::Directory::default();
    let (mut loader, mut uki) = (0, 0);
    for (path, mode, len) in report.files() {
        let len = usize::try_from(len).unwrap();
        let content = match path.as_str() {
            "boot.catalog" => continue,
            _ if mode.starts_with('d') => continue,
            "loader/loader.conf" => blobs.add_bytes(LOADER_CONF),
            "loader/random-seed" => blobs.add_bytes(vec![0; 32]),
            _ => blobs.add(u32::try_from(path.len()).unwrap(), len),
        };
        assert_eq!(content.len(), len as u64, "{path}");
        let written: &[u64] = if path.starts_with("EFI/BOOT/") {
            &[content.len(), 0]
        } else {
            &[0, content.len()]
        };
        if path.starts_with("EFI/") {
            loader += written[0];
            uki += written[1];
        }
        let read_only = mode == "-r--r--r--";
        let attributes = if read_only {
            Attributes::ARCHIVE | Attributes::READ_ONLY
        } else {
            Attributes::ARCHIVE
        };
        esp.insert(
            &path,
            fat::File {
                attributes,
                content: content.clone(),
            },
        )
        .unwrap();
        let mode = if read_only { 0o444 } else { 0o644 };
        root.insert(&path, Node::File(File { mode, content }))
            .unwrap();
    }
    uefi::image(root, uefi::esp(esp, loader, uki))
}

fn reports() -> [(Report, Blobs, Image); 2] {
    ["metal-arm64", "metal-amd64-sdboot"].map(|name| {
        let report = Report::new(name);
        let mut blobs = Blobs::default();
        let image = image(&report, &mut blobs);
        (report, blobs, image)
    })
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

#[test]
fn our_reader_finds_the_fields_of_the_report() {
    for (report, blobs, image) in reports() {
        let layout = image.layout().unwrap();
        assert_eq!(layout.len().to_string(), report.section("size").trim());
        let source = blobs.source(&layout);
        let contents = iso9660::read(&source, &iso9660::Limits::default()).unwrap();
        let volume = &contents.volumes[0];

        let (ours, theirs) = (&volume.descriptor, report.json("PVD fields"));
        let dated = |date: &[u8]| format!("{}\0", text(date));
        for (field, found) in [
            ("system", text(&ours.system_id)),
            ("volid", text(&ours.volume_id)),
            ("volset", text(&ours.volume_set_id).trim_end().to_owned()),
            ("publisher", text(&ours.publisher_id).trim_end().to_owned()),
            (
                "application",
                text(&ours.application_id).trim_end().to_owned(),
            ),
            ("created", dated(&ours.created.digits)),
            ("modified", dated(&ours.modified.digits)),
            ("expires", dated(&ours.expires.digits)),
            ("effective", dated(&ours.effective.digits)),
        ] {
            assert_eq!(theirs[field], found, "{field}");
        }
        assert_eq!(theirs["space"], ours.volume_space_size.get());

        // All 64 bytes of the partition table, and no boot code.
        let mut mbr = [0; 512];
        source.read_at(0, &mut mbr).unwrap();
        let table = mbr[446..510]
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let area = report.section("system area");
        assert!(
            area.contains(&format!("entries {table}")),
            "{table}: {area}"
        );
        assert!(
            area.starts_with("LBA0 code nonzero 0 ") && mbr[..446].iter().all(|byte| *byte == 0)
        );

        let mut found: Vec<(String, String, u64)> =
            vec![(String::new(), "drwxr-xr-x".to_owned(), 0)];
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
            let len = if entry.kind == iso9660::Kind::Directory {
                0
            } else {
                entry.len
            };
            found.push((entry.path.clone(), mode.to_owned(), len));
        }
        let mut expected = report.files();
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(image.plan().unwrap().catalog, Some(51));
        assert_eq!(contents.catalog[0].sectors, 0);
    }
}

#[test]
fn the_esp_has_the_fields_of_the_report() {
    for (report, blobs, image) in reports() {
        let layout = image.layout().unwrap();
        let source = blobs.source(&layout);
        let esp = image.plan().unwrap().appended[0];
        let window = Window::new(&source, u64::from(esp.0) * 2048, u64::from(esp.1) * 2048);
        let contents = fat::read(&window, &fat::Limits::default()).unwrap();
        let (ours, theirs) = (
            &contents.boot_sector,
            report.json("efi image (El Torito UEFI) BPB"),
        );
        for (field, found) in [
            ("bps", u32::from(ours.bytes_per_sector.get())),
            ("spc", u32::from(ours.sectors_per_cluster)),
            ("reserved", u32::from(ours.reserved_sectors.get())),
            ("fats", u32::from(ours.fats)),
            ("rootEnt", u32::from(ours.root_entries.get())),
            ("tot16", u32::from(ours.total_sectors_16.get())),
            ("fatsz16", u32::from(ours.fat_sectors_16.get())),
            ("spt", u32::from(ours.sectors_per_track.get())),
            ("heads", u32::from(ours.heads.get())),
            ("hidden", ours.hidden_sectors.get()),
            ("tot32", ours.total_sectors_32.get()),
            ("fatsz32", ours.fat_sectors_32.get()),
            ("rootclus", ours.root_cluster.get()),
            ("fsinfo", u32::from(ours.fs_info_sector.get())),
            ("backup", u32::from(ours.backup_boot_sector.get())),
        ] {
            assert_eq!(theirs[field], found, "{field}");
        }
        for (field, found) in [
            ("oem", text(&ours.oem_name)),
            ("media", format!("{:#04x}", ours.media)),
            ("drive", format!("{:#04x}", ours.drive)),
            ("bootsig", format!("{:#04x}", ours.boot_signature)),
            (
                "ext",
                format!("{:04x}{:04x}", ours.extended_flags, ours.version),
            ),
            ("volid", format!("{:08x}", ours.volume_id)),
            ("label", text(&ours.volume_label)),
            ("type", text(&ours.file_system)),
        ] {
            assert_eq!(theirs[field], found, "{field}");
        }
        let (label, dated) = contents.label.unwrap();
        assert_eq!(
            (label.as_str(), dated.to_string().as_str()),
            ("EFI", "2015-03-14 09:26:52")
        );
    }
}

/// Lines of a listing that say something of the image, in an order that no directory has.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[test]
fn mtools_lists_what_the_report_does() {
    for (report, blobs, image) in reports() {
        let path = blobs.write(&image.appended[0].content);
        let (Some(mut mdir), Some(mut mattrib)) = (judge("mdir"), judge("mattrib")) else {
            return;
        };
        let listing = verdict(mdir.args(["-/", "-a", "-i"]).arg(&path).arg("::"));
        // The report was made with `-f`, which older versions of mtools take as not to say what is free.
        assert_eq!(
            lines(&listing),
            lines(report.section("efi image (El Torito UEFI) mdir -/ -a -f"))
        );
        let attributes = verdict(mattrib.args(["-/", "-i"]).arg(&path).arg("::"));
        assert_eq!(
            lines(&attributes),
            lines(report.section("efi image (El Torito UEFI) mattrib -/"))
        );
    }
}

#[test]
fn xorriso_reports_what_the_report_does() {
    for (report, blobs, image) in reports() {
        let path = blobs.write(&image.layout().unwrap());
        let Some(mut xorriso) = judge("xorriso") else {
            return;
        };
        let arguments = [
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
            "-pvd_info",
            "-find",
            "/",
            "-exec",
            "lsdl",
            "--",
        ];
        let ours = verdict(xorriso.arg("-indev").arg(&path).args(arguments));
        let ours = lines(&ours);
        let theirs = ["xorriso report", "pvd", "files"]
            .map(|title| report.section(title))
            .concat();
        let facts = |line: &&String| {
            let said_by_xorriso = [
                "xorriso",
                "libisofs",
                "Drive current",
                "Media summary",
                "Media current",
                "Media status",
            ];
            !said_by_xorriso.iter().any(|start| line.starts_with(start))
                && !line.starts_with("Preparer Id")
        };
        for line in lines(&theirs).iter().filter(facts) {
            assert!(ours.contains(line), "{line:?} is not in {ours:#?}");
        }
    }
}
