//! Raw disks of the stand-in release against the recorded reports of served ones, field by field, and before the judges.
//!
//! Where partitions lie does not depend on the sizes of what they hold, so tables are as recorded to their checksums.

use std::{
    collections::BTreeSet,
    io::{self, Seek as _, SeekFrom, Write as _},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
};

use assembler::forge::{Artifact, Need};
use formats::{
    Digest, Extent, adv,
    extent::Segment,
    fat, gpt, mbr,
    read_at::{ReadAt, Window},
};
use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;

use crate::{golden::boot_sector_fields, judges::judge, standin, support::Running};

/// Report, version, architecture, and what the schematic has beside the common arguments.
const REPORTS: [(&str, &str, &str, &str); 5] = [
    ("metal-amd64.raw.zst", "v1.14.0", "amd64", ""),
    (
        "metal-amd64-sdboot.raw.zst",
        "v1.14.0",
        "amd64",
        "bootloader: sd-boot",
    ),
    (
        "metal-amd64-meta.raw.zst",
        "v1.14.0",
        "amd64",
        r#"meta: [{key: 10, value: '{"externalIPs":["1.2.3.4"]}'}]"#,
    ),
    ("metal-arm64.raw.xz", "v1.14.0", "arm64", ""),
    ("v1.9.5-metal-amd64.raw.zst", "v1.9.5", "amd64", ""),
];

/// An artifact read at positions.
pub(crate) struct Source(pub(crate) Artifact);

impl ReadAt for Source {
    fn len(&self) -> u64 {
        self.0.layout.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|end| *end <= self.0.layout.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut at = 0;
        for segment in self.0.layout.segments(offset..end) {
            let len = usize::try_from(segment.len()).unwrap();
            let piece = &mut buffer[at..][..len];
            match segment {
                Segment::Bytes(bytes) => piece.copy_from_slice(&bytes),
                Segment::Zeros(_) => piece.fill(0),
                Segment::Deferred(_) => unreachable!("a raw disk sums nothing up"),
                Segment::Blob { digest, offset, .. } => {
                    self.0
                        .blobs
                        .open(&digest)?
                        .file
                        .read_exact_at(piece, offset)?;
                }
            }
            at += len;
        }
        Ok(())
    }
}

impl Source {
    fn bytes(&self, range: Range<u64>) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
        self.read_at(range.start, &mut bytes).unwrap();
        bytes
    }

    /// A part of the disk as a file with holes.
    fn file(&self, range: Range<u64>) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        let mut position = range.start;
        for segment in self.0.layout.segments(range.clone()) {
            let end = position + segment.len();
            if let Segment::Zeros(len) = segment {
                file.seek(SeekFrom::Current(i64::try_from(len).unwrap()))
                    .unwrap();
            } else {
                file.write_all(&self.bytes(position..end)).unwrap();
            }
            position = end;
        }
        file.as_file().set_len(range.end - range.start).unwrap();
        file
    }
}

async fn disk(server: &Running, version: &str, arch: &str, more: &str) -> (String, Source) {
    let document =
        format!("customization:\n  extraKernelArgs: [console=ttyS0, lab.golden=1]\n  {more}\n");
    let forge = &server.app.as_ref().unwrap().forge;
    let (id, ..) = forge.create_schematic(document.as_bytes()).await.unwrap();
    let id = id.to_string();
    let path = format!("metal-{arch}.raw");
    let artifact = forge
        .artifact(&id, version, &path, Need::Payload)
        .await
        .unwrap();
    (id, Source(artifact))
}

struct Report {
    json: Json,
    text: String,
}

impl Report {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/reports");
        let read = |suffix| std::fs::read_to_string(folder.join(format!("{name}.{suffix}")));
        Self {
            json: serde_json::from_str(&read("json").unwrap()).unwrap(),
            text: read("txt").unwrap(),
        }
    }

    fn section(&self, title: &str) -> &str {
        let (_, rest) = self.text.split_once(&format!("===== {title}\n")).unwrap();
        rest.split_once("\n=====")
            .map_or(rest, |(section, _)| section)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A header and the entries as reports show them.
fn table(header: &gpt::Header, contents: &gpt::Contents) -> Json {
    let partitions = contents.partitions.iter().map(|(number, entry)| {
        let range = contents.range(entry);
        json!({
            "n": number,
            "type": gpt::Guid::from_disk(entry.kind).to_string(),
            "guid": gpt::Guid::from_disk(entry.guid).to_string(),
            "first": entry.first.get(),
            "last": entry.last.get(),
            "attrs": format!("{:#x}", entry.attributes),
            "name": entry.name(),
            "size": range.end - range.start,
        })
    });
    json!({
        "sig": String::from_utf8_lossy(&header.signature),
        "rev": format!("{:#x}", header.revision),
        "hsize": header.header_len.get(),
        "crc": format!("{:#x}", header.crc),
        "my": header.lba.get(),
        "alt": header.alternate_lba.get(),
        "first": header.first_usable.get(),
        "last": header.last_usable.get(),
        "guid": gpt::Guid::from_disk(header.disk_guid).to_string(),
        "entries": header.entries_lba.get(),
        "num": header.entry_count.get(),
        "esize": header.entry_len.get(),
        "ecrc": format!("{:#x}", header.entries_crc),
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

/// All but GRUB's own code.
fn check_mbr(report: &Report, sector: &[u8]) {
    let [low, high] = [0x5c, 0x60].map(|at| {
        let word = sector[at..][..4].try_into().unwrap();
        u64::from(u32::from_le_bytes(word))
    });
    let found = format!(
        "0x5c u64 {}; 0x66 {}; disk signature {}; entries {}; {}",
        low | high << 32,
        hex(&sector[0x66..0x68]),
        hex(&sector[440..446]),
        hex(&sector[446..510]),
        hex(&sector[510..512]),
    );
    let section = report.section("MBR");
    let (code, rest) = section.split_once("; ").unwrap();
    assert_eq!(rest.trim(), found);
    let is_empty = sector[..440].iter().all(|byte| *byte == 0);
    assert_eq!(is_empty, code.contains("nonzero: 0,"));
}

/// The boot sector, names and attributes; files of our own making whole.
fn check_esp(report: &Report, source: &Source, range: &Range<u64>) {
    let esp = Window::new(source, range.start, range.end - range.start);
    let volume = fat::read(&esp, &fat::Limits::default()).unwrap();
    assert_eq!(boot_sector_fields(&volume.boot_sector), report.json["ESP"]);
    let (label, dated) = volume.label.as_ref().unwrap();
    assert_eq!(
        (label.as_str(), dated.to_string().as_str()),
        ("EFI", "2015-03-14 09:26:52")
    );
    let is_directory = |entry: &fat::Entry| entry.attributes.contains(fat::Attributes::DIRECTORY);
    let found: BTreeSet<String> = volume
        .entries
        .iter()
        .map(|entry| {
            assert_eq!(entry.written.to_string(), "2019-06-01 21:34:52");
            let flag = if is_directory(entry) { ' ' } else { 'A' };
            format!("{flag} ::/{}", entry.path)
        })
        .collect();
    let recorded = report.section("ESP mattrib -/").lines().map(|line| {
        let (flags, path) = line.split_once("::/").unwrap();
        format!("{} ::/{path}", flags.trim().chars().next().unwrap_or(' '))
    });
    let recorded: BTreeSet<String> = recorded.filter(|line| line != "  ::/").collect();
    assert_eq!(found, recorded);
    // Short names stand in the listing, and the long one behind them where there is one.
    let listing = report.section("ESP mdir -/ -a -f");
    for entry in volume.entries.iter().filter(|entry| !is_directory(entry)) {
        let (base, extension) = entry.short_name.split_once('.').unwrap();
        let name = entry.path.rsplit('/').next().unwrap();
        let short = format!("{base:<8} {extension}");
        let line = listing
            .lines()
            .find(|line| {
                line.to_uppercase().starts_with(&short)
                    && (line.ends_with(name) || name.eq_ignore_ascii_case(&entry.short_name))
            })
            .unwrap_or_else(|| panic!("{short} {name}: {listing}"));
        if entry.path == "loader/loader.conf" {
            assert!(line.contains(&format!(" {} ", entry.len)), "{line}");
        }
    }
    if let Some(entry) = volume
        .entries
        .iter()
        .find(|entry| entry.path == "loader/loader.conf")
    {
        let start = range.start + entry.runs[0].start;
        let found = source.bytes(start..start + u64::from(entry.len));
        let recorded = report.section("ESP loader/loader.conf");
        let (_, recorded) = recorded.split_once('\n').unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), recorded);
    }
}

/// Where the core image says that its rest lies.
fn check_bios(report: &Report, source: &Source, range: &Range<u64>) {
    let head = source.bytes(range.start..range.start + 512);
    let start = u64::from_le_bytes(head[0x1f4..0x1fc].try_into().unwrap());
    let segment = u16::from_le_bytes(head[0x1fe..0x200].try_into().unwrap());
    let section = report.section("BIOS partition");
    assert!(
        section.contains(&format!("0x1f4 u64 {start}, ")),
        "{section}"
    );
    assert!(section.contains(&format!(" seg {segment:#x}; ")));
}

/// The menu, which is inline in the layout.
fn check_menu(report: &Report, source: &Source) {
    let menus: Vec<_> = source
        .0
        .layout
        .extents()
        .filter_map(|(_, extent)| match extent {
            Extent::Bytes(bytes) if bytes.starts_with(b"set default=") => Some(bytes.clone()),
            _ => None,
        })
        .collect();
    let [menu] = &menus[..] else {
        panic!("{} menus", menus.len());
    };
    let (_, recorded) = report.section("grub.cfg").split_once('\n').unwrap();
    assert_eq!(
        String::from_utf8_lossy(menu).trim_end(),
        recorded.trim_end()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_disks_are_as_recorded() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for (name, version, arch, more) in REPORTS {
        println!("{name}");
        let report = Report::new(name);
        let (_, source) = disk(&server, version, arch, more).await;
        assert_eq!(report.json["rawSize"], source.len());
        let contents = gpt::read(&source, &gpt::Limits::default()).unwrap();
        let backup = contents.backup.as_ref().unwrap();
        let found = json!({
            "primary": table(&contents.header, &contents),
            "backup": table(backup, &contents),
        });
        assert_eq!(found, report.json["gpt"]);
        check_mbr(&report, &source.bytes(0..size_of::<mbr::Mbr>() as u64));
        for (_, entry) in &contents.partitions {
            let range = contents.range(entry);
            match entry.name().as_str() {
                "EFI" => check_esp(&report, &source, &range),
                "BIOS" => check_bios(&report, &source, &range),
                "BOOT" => check_menu(&report, &source),
                "META" => {
                    let digest = Digest::of(source.bytes(range)).hex();
                    assert!(report.section("META").contains(&format!("sha256 {digest}")));
                }
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn judges_accept_whole_disks_and_their_partitions() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    for (version, arch, more) in [
        ("v1.14.0", "amd64", ""),
        ("v1.14.0", "amd64", "diskImage: {sectorSize: 4096}"),
        (
            "v1.14.0",
            "amd64",
            "bootloader: grub\n  diskImage: {sectorSize: 4096}",
        ),
        ("v1.14.0", "arm64", ""),
        ("v1.14.0", "arm64", "bootloader: grub"),
        ("v1.10.6", "amd64", ""),
        ("v1.7.7", "amd64", ""),
    ] {
        let (_, source) = disk(&server, version, arch, more).await;
        let contents = gpt::read(&source, &gpt::Limits::default()).unwrap();
        println!("{version} {arch} {more:?}");
        // Both take a file for a disk with sectors of 512 bytes.
        if contents.sector_len == 512 {
            let whole = source.file(0..source.len());
            for (program, option, expected) in [
                ("sgdisk", "-v", "No problems found."),
                ("sfdisk", "-V", "No errors detected."),
            ] {
                accepts(program, &[option], &whole, Some(expected));
            }
        }
        for (_, entry) in &contents.partitions {
            let part = source.file(contents.range(entry));
            match entry.name().as_str() {
                "EFI" => {
                    accepts("fsck.fat", &["-n"], &part, None);
                    let listing =
                        accepts("mdir", &["-/", "-b", "-i"], &part, Some("::/EFI/boot/BOOT"));
                    assert!(!listing.contains("ERROR"), "{listing}");
                }
                "BOOT" => {
                    accepts("xfs_repair", &["-n", "-f"], &part, None);
                }
                "META" if arch == "amd64" && version != "v1.7.7" => {
                    adv::read(&Window::new(&source, contents.range(entry).start, adv::LEN))
                        .unwrap();
                }
                _ => {}
            }
        }
    }
}

/// What a judge says of a file that it accepts.
fn accepts(
    program: &str,
    options: &[&str],
    file: &NamedTempFile,
    expected: Option<&str>,
) -> String {
    let Some(mut command) = judge(program) else {
        return String::new();
    };
    let output = command
        .args(options)
        .arg(file.path())
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {text}");
    if let Some(expected) = expected {
        assert!(text.contains(expected), "{program}: {text}");
    }
    text
}
