//! XFS volumes before the judges: xfs_repair, xfs_db, GRUB, and the kernel.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod directories;
#[path = "../images/mod.rs"]
mod images;
#[path = "../judges/mod.rs"]
pub mod judges;
mod kernel;

use std::{fs, io::Write as _, os::unix::fs::FileExt as _, path::Path};

use formats::{
    Layout,
    read_at::{ReadAt as _, Window},
    xfs::{self, Directory, File, Volume},
};
use images::{Blobs, verdict};
use judges::judge;

const MIB: u64 = 1 << 20;
const UUID: [u8; 16] = [
    0x24, 0xc7, 0x30, 0x76, 0x40, 0x92, 0x85, 0xdd, 0x9d, 0x98, 0x68, 0x6a, 0x2d, 0xbf, 0x6d, 0x81,
];
const CONFIGURATION: &[u8] = b"set default=\"A\"\nset timeout=3\n";
/// Lengths of boot partitions of the specification, and the least that mkfs.xfs makes, with both sizes of sectors.
const VOLUMES: [(u64, u16); 5] = [
    (300, 512),
    (1000, 512),
    (1000, 4096),
    (2000, 512),
    (2000, 4096),
];

fn volume(mib: u64, sector_len: u16, root: &Directory) -> Layout {
    let volume = Volume {
        len: mib * MIB,
        sector_len,
        uuid: UUID,
        label: "BOOT".parse().unwrap(),
        epoch: 1_559_424_892,
        root: root.clone(),
    };
    volume.layout().unwrap()
}

fn file(content: Layout) -> File {
    File {
        mode: 0o644,
        content,
    }
}

/// The boot partition of a disk.
fn boot(blobs: &mut Blobs) -> Directory {
    let mut root = Directory::new(0o755);
    root.insert("A/vmlinuz", file(blobs.add(1, 14_149_568)))
        .unwrap();
    root.insert("A/initramfs.xz", file(blobs.add(2, 30_000_001)))
        .unwrap();
    root.insert_directory("grub", 0o700).unwrap();
    let content = blobs.add_bytes(CONFIGURATION);
    root.insert(
        "grub/grub.cfg",
        File {
            mode: 0o600,
            content,
        },
    )
    .unwrap();
    root
}

/// Also what boot partitions rarely have: a directory of a block, an empty one, an empty file, depth, more directories than
/// groups, more inodes than a chunk, a file of several groups.
fn odd(blobs: &mut Blobs, large: u64) -> Directory {
    let mut root = boot(blobs);
    for index in 0..19 {
        let content = blobs.add(100 + index, 5000);
        root.insert(&format!("EFI/firmware{index:02}.dat"), file(content))
            .unwrap();
    }
    for index in 0..70 {
        let content = blobs.add(200 + index, 1);
        root.insert(&format!("EFI/dtb/board number {index}.dtb"), file(content))
            .unwrap();
    }
    root.insert_directory("empty directory", 0o1777).unwrap();
    root.insert("a/b/c/d/e/empty", file(Layout::new())).unwrap();
    root.insert(&"n".repeat(255), file(blobs.add(3, 4096)))
        .unwrap();
    // Zeros between marks, so that the test needs no space.
    let mut content = blobs.add(4, 10_000);
    content.pad_to(large / 2);
    content.append(&blobs.add(5, 10_000));
    content.pad_to(large - 10_000);
    content.append(&blobs.add(6, 10_000));
    root.insert("A/large", file(content)).unwrap();
    root
}

#[test]
fn repair_finds_nothing() {
    let mut blobs = Blobs::default();
    let root = boot(&mut blobs);
    for (mib, sector) in VOLUMES {
        repair(&blobs.write(&volume(mib, sector, &root)));
    }
    for (mib, sector, large) in [(1000, 512, 700), (2000, 4096, 1800)] {
        let root = odd(&mut blobs, large * MIB + 1);
        repair(&blobs.write(&volume(mib, sector, &root)));
    }
    repair(&blobs.write(&volume(300, 512, &Directory::default())));
}

fn repair(path: &Path) {
    let Some(mut repair) = judge("xfs_repair") else {
        return;
    };
    verdict(repair.args(["-n", "-f"]).arg(path));
}

#[test]
fn grub_reads_every_file() {
    let mut blobs = Blobs::default();
    for (mib, sector) in VOLUMES {
        let root = boot(&mut blobs);
        let path = blobs.write(&volume(mib, sector, &root));
        grub_compares(&mut blobs, &path, "/A/vmlinuz", 1, 14_149_568);
        grub_compares(&mut blobs, &path, "/A/initramfs.xz", 2, 30_000_001);
        let Some(mut grub) = judge("grub-fstest") else {
            return;
        };
        let text = verdict(grub.arg(&path).args(["cat", "(loop0)/grub/grub.cfg"]));
        assert_eq!(text.as_bytes(), CONFIGURATION);
    }
    let root = odd(&mut blobs, 700 * MIB + 1);
    let path = blobs.write(&volume(1000, 512, &root));
    grub_compares(&mut blobs, &path, "/EFI/firmware18.dat", 118, 5000);
    grub_compares(&mut blobs, &path, "/EFI/dtb/board number 69.dtb", 269, 1);
    let Some(mut grub) = judge("grub-fstest") else {
        return;
    };
    let listing = verdict(grub.arg(&path).args(["ls", "(loop0)/EFI/dtb/"]));
    assert_eq!(listing.matches("board number").count(), 70, "{listing}");
}

fn grub_compares(blobs: &mut Blobs, image: &Path, path: &str, seed: u32, len: usize) {
    let Some(mut grub) = judge("grub-fstest") else {
        return;
    };
    let content = blobs.add(seed, len);
    let mut expected = tempfile::NamedTempFile::new().unwrap();
    expected.write_all(&blobs.collect(&content)).unwrap();
    verdict(
        grub.arg(image)
            .arg("cmp")
            .arg(format!("(loop0){path}"))
            .arg(expected.path()),
    );
}

#[test]
fn repair_finds_what_is_wrong() {
    let mut blobs = Blobs::default();
    let root = boot(&mut blobs);
    let path = blobs.write(&volume(300, 512, &root));
    let Some(mut repair) = judge("xfs_repair") else {
        return;
    };
    // A byte of the root directory's inode.
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0xff], (16 << 12) + 180).unwrap();
    let output = repair.args(["-n", "-f"]).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// Fields as recorded from the reference's images, but for the features, which are those of `lts_6.1.conf`, and for the free
/// blocks, which follow from them and from the contents.
#[test]
fn fields_are_those_of_the_reference() {
    let mut blobs = Blobs::default();
    let root = boot(&mut blobs);
    let fields = |image: &Path, commands: &[&str]| -> Option<String> {
        let mut database = judge("xfs_db")?;
        database.args(["-r", "-f"]);
        for command in commands {
            database.args(["-c", command]);
        }
        Some(verdict(database.arg(image)))
    };
    for (mib, sector, log_start, version, unit) in [
        (1000, 512, 131_078, "0xb4b5", 1),
        (2000, 512, 262_150, "0xb4b5", 1),
        (2000, 4096, 262_153, "0xbcb5", 4096),
    ] {
        let path = blobs.write(&volume(mib, sector, &root));
        let Some(text) = fields(&path, &["sb 0", "p"]) else {
            return;
        };
        let has = |line: &str| assert!(text.lines().any(|found| found == line), "{line}: {text}");
        has("uuid = 24c73076-4092-85dd-9d98-686a2dbf6d81");
        has("fname = \"BOOT\\000\\000\\000\\000\\000\\000\\000\\000\"");
        has(&format!("dblocks = {}", mib * 256));
        has(&format!("agblocks = {}", mib * 64));
        has(&format!("logstart = {log_start}"));
        has(&format!("versionnum = {version}"));
        has(&format!("logsunit = {unit}"));
        for line in [
            "rootino = 128",
            "logblocks = 16384",
            "imax_pct = 25",
            "icount = 128",
            "ifree = 120",
            "features2 = 0x18a",
            "bad_features2 = 0x18a",
            "features_ro_compat = 0xd",
            "features_incompat = 0xb",
            "inoalignmt = 8",
            "spino_align = 4",
        ] {
            has(line);
        }
    }
    let path = blobs.write(&volume(2000, 512, &root));
    for (name, mode, size, links, generation) in [
        ("/", "040755", 27, 4, 0),
        ("/A", "040755", 41, 2, 0x5345_4544),
        ("/A/vmlinuz", "0100644", 14_149_568, 1, 0x5345_4544),
        ("/grub", "040700", 22, 2, 0x5345_4544),
        ("/grub/grub.cfg", "0100600", 30, 1, 0x5345_4544),
    ] {
        let number = match name {
            "/" => 128,
            "/A" => 131,
            "/A/vmlinuz" => 133,
            "/grub" => 1_048_704,
            _ => 1_048_705,
        };
        let text = fields(&path, &[&format!("inode {number}"), "p"]).unwrap();
        let has = |line: &str| {
            assert!(
                text.lines().any(|found| found == line),
                "{name}: {line}: {text}"
            );
        };
        has(&format!("core.mode = {mode}"));
        has("core.uid = 0");
        has("core.gid = 0");
        has(&format!("core.size = {size}"));
        has(&format!("core.nlinkv2 = {links}"));
        has(&format!("core.gen = {generation}"));
        for time in ["core.atime", "core.mtime", "core.ctime", "v3.crtime"] {
            has(&format!("{time}.sec = Sat Jun  1 21:34:52 2019"));
            has(&format!("{time}.nsec = 0"));
        }
        has("v3.bigtime = 1");
    }
}

/// An image of mkfs.xfs with the features of ours, from the same tree.
#[test]
fn volumes_of_mkfs_xfs_read_the_same() {
    let mut blobs = Blobs::default();
    let root = boot(&mut blobs);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let write = |name: &str, layout: &Layout| fs::write(at(name), blobs.collect(layout)).unwrap();
    write("vmlinuz", &content_of(&root, "A", "vmlinuz"));
    write("initramfs", &content_of(&root, "A", "initramfs.xz"));
    write("configuration", &content_of(&root, "grub", "grub.cfg"));
    let prototype = format!(
        "/\n0 0\nd--755 0 0\nA d--755 0 0\nvmlinuz ---644 0 0 {}\ninitramfs.xz ---644 0 0 {}\n$\n\
         grub d--700 0 0\ngrub.cfg ---600 0 0 {}\n$\n$\n",
        at("vmlinuz"),
        at("initramfs"),
        at("configuration")
    );
    fs::write(at("prototype"), prototype).unwrap();
    for (mib, sector) in [(300, 512), (1000, 4096), (2000, 512)] {
        let Some(mut mkfs) = judge("mkfs.xfs") else {
            return;
        };
        let image = at("image");
        fs::File::create(&image)
            .unwrap()
            .set_len(mib * MIB)
            .unwrap();
        verdict(
            mkfs.args(["-q", "-f", "-L", "BOOT", "-p"])
                .arg(at("prototype"))
                .args(["-m", "bigtime=1,finobt=1,inobtcount=1,reflink=1,rmapbt=0"])
                .args(["-m", "uuid=24c73076-4092-85dd-9d98-686a2dbf6d81"])
                .args(["-i", "sparse=1,nrext64=0", "-n", "ftype=1", "-s"])
                .arg(format!("size={sector}"))
                .arg(&image),
        );
        let image = Image(fs::File::open(&image).unwrap());
        let theirs = xfs::read(&image, &xfs::Limits::default()).unwrap();
        assert_eq!(theirs.wrong_checksums, [""; 0]);
        let layout = volume(mib, sector, &root);
        let ours = xfs::read(&blobs.source(&layout), &xfs::Limits::default()).unwrap();
        assert_eq!(ours.wrong_checksums, [""; 0]);
        let lines = |contents: &xfs::Contents| -> Vec<_> {
            let entries = contents.entries.iter();
            entries
                .map(|entry| {
                    (
                        entry.path.clone(),
                        entry.mode,
                        entry.uid,
                        entry.gid,
                        entry.links,
                        entry.len,
                    )
                })
                .collect()
        };
        assert_eq!(lines(&ours), lines(&theirs));
        for entry in theirs
            .entries
            .iter()
            .filter(|entry| entry.mode == 0o100_644)
        {
            let (directory, name) = entry.path.split_once('/').unwrap();
            let [run] = entry.runs.as_slice() else {
                panic!("{entry:?}");
            };
            let mut bytes = vec![0; usize::try_from(run.len).unwrap()];
            let window = Window::new(&image, run.offset, run.len);
            window.read_at(0, &mut bytes).unwrap();
            assert!(bytes == blobs.collect(&content_of(&root, directory, name)));
        }
        let place = |contents: &xfs::Contents| {
            let superblock = contents.superblock;
            (
                (
                    superblock.blocks.get(),
                    superblock.ag_blocks.get(),
                    superblock.ag_block_bits,
                ),
                (
                    superblock.log_start.get(),
                    superblock.log_blocks.get(),
                    superblock.log_stripe_unit.get(),
                ),
                (
                    superblock.root_inode.get(),
                    superblock.sector_len.get(),
                    superblock.log_sector_len.get(),
                ),
                (
                    superblock.inode_alignment.get(),
                    superblock.sparse_inode_alignment.get(),
                ),
                (
                    superblock.read_only_compatible.get(),
                    superblock.incompatible.get(),
                ),
                superblock.version.get() & !0x10,
            )
        };
        assert_eq!(place(&ours), place(&theirs));
    }
}

fn content_of(root: &Directory, directory: &str, name: &str) -> Layout {
    let find = |directory: &Directory, name: &str| {
        let mut entries = directory.entries();
        entries.find(|(found, _)| *found == name).unwrap().1.clone()
    };
    let xfs::Node::Directory(inner) = find(root, directory) else {
        panic!("{directory}");
    };
    match find(&inner, name) {
        xfs::Node::File(file) => file.content,
        xfs::Node::Directory(_) => panic!("{name}"),
    }
}

/// An image that a program made or changed.
struct Image(fs::File);

impl formats::read_at::ReadAt for Image {
    fn len(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}
