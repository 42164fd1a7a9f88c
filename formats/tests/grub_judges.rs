//! GRUB's images before the judge: `grub-mkimage` of the build whose files they are made from.
//!
//! `TALOS_FORGE_GRUB` names another folder of builds than the system's; the judge must then be of the same version.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

pub mod judges;

use std::{
    fs,
    path::{Path, PathBuf},
};

use formats::grub::{self, BiosFiles, Build, CdFiles, Contents, Kind, Machine, Object};
use judges::judge;

const DISK: &[&str] = &[
    "part_gpt",
    "ext2",
    "fat",
    "xfs",
    "normal",
    "configfile",
    "linux",
    "boot",
    "search",
    "search_fs_uuid",
    "search_fs_file",
    "ls",
    "cat",
    "echo",
    "test",
    "help",
    "reboot",
    "halt",
    "all_video",
];
const CONFIG: &str = "insmod part_acorn\ninsmod part_gpt\n";

/// The files of a platform's build, or `None` (said aloud) where it is not installed.
fn build(platform: &str) -> Option<PathBuf> {
    let builds = std::env::var_os("TALOS_FORGE_GRUB").unwrap_or_else(|| "/usr/lib/grub".into());
    let build = Path::new(&builds).join(platform);
    if build.join("moddep.lst").is_file() {
        return Some(build);
    }
    assert!(
        std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_none(),
        "{platform} of GRUB is not installed"
    );
    println!("skipped: {platform} of GRUB is not installed");
    None
}

fn file(build: &Path, name: &str) -> Vec<u8> {
    fs::read(build.join(name)).unwrap()
}

/// What is made from `modules` of a build.
fn make<T>(
    build: &Path,
    modules: &[&str],
    (config, prefix): (Option<&str>, &str),
    image: impl FnOnce(&Contents<'_>) -> Result<T, grub::Error>,
) -> T {
    let kernel = file(build, "kernel.img");
    let order = grub::closure(&file(build, "moddep.lst"), modules).unwrap();
    let files: Vec<_> = order
        .iter()
        .map(|name| file(build, &format!("{name}.mod")))
        .collect();
    let files: Vec<_> = files.iter().map(Vec::as_slice).collect();
    image(&Contents {
        kernel: &kernel,
        modules: &files,
        config,
        prefix,
    })
    .unwrap()
}

/// What the judge makes from the same.
fn theirs(
    build: &Path,
    format: &str,
    modules: &[&str],
    (config, prefix): (Option<&str>, &str),
) -> Option<Vec<u8>> {
    let mut mkimage = judge("grub-mkimage")?;
    let folder = tempfile::tempdir().unwrap();
    let (output, script) = (folder.path().join("image"), folder.path().join("config"));
    mkimage
        .arg("-d")
        .arg(build)
        .args(["-O", format, "-p", prefix]);
    if let Some(config) = config {
        fs::write(&script, config).unwrap();
        mkimage.arg("-c").arg(&script);
    }
    let status = mkimage.arg("-o").arg(&output).args(modules).status();
    assert!(status.unwrap().success());
    Some(fs::read(output).unwrap())
}

#[test]
fn images_for_uefi_are_those_of_grub_mkimage_byte_for_byte() {
    for (platform, machine) in [
        ("x86_64-efi", Machine::X86_64),
        ("arm64-efi", Machine::Arm64),
    ] {
        let Some(build) = build(platform) else {
            continue;
        };
        let version = Build::parse(&file(&build, "modinfo.sh"));
        for (modules, contents) in [
            (DISK, (None, "(hd0,gpt3)/grub")),
            (&["iso9660", "search"][..], (Some(CONFIG), "/boot/grub")),
        ] {
            let ours = make(&build, modules, contents, |contents| {
                grub::efi(machine, version, contents)
            });
            let Some(theirs) = theirs(&build, platform, modules, contents) else {
                return;
            };
            assert_eq!(ours.len(), theirs.len(), "{platform}");
            let differences = ours.iter().zip(&theirs).enumerate();
            let first = differences.into_iter().find(|(_, (a, b))| a != b);
            assert_eq!(first, None, "{platform}");
        }
    }
}

/// Compressors may differ, what they compress may not; nor may anything around it.
#[test]
fn images_for_a_bios_are_those_of_grub_mkimage_but_for_the_compressor() {
    let Some(build) = build("i386-pc") else {
        return;
    };
    let (diskboot, decompressor) = (
        file(&build, "diskboot.img"),
        file(&build, "lzma_decompress.img"),
    );
    let cdboot = file(&build, "cdboot.img");
    let bios = BiosFiles {
        diskboot: &diskboot,
        decompressor: &decompressor,
    };
    let files = CdFiles {
        cdboot: &cdboot,
        bios,
    };
    let disk: Vec<_> = [DISK, &["biosdisk", "part_msdos"]].concat();
    let cases: [(_, &[&str], _, usize); 2] = [
        ("i386-pc", &disk, (None, "(hd0,gpt3)/grub"), 0),
        (
            "i386-pc-eltorito",
            &["biosdisk", "iso9660"],
            (Some(CONFIG), "/boot/grub"),
            2048,
        ),
    ];
    for (format, modules, contents, core) in cases {
        let ours = make(&build, modules, contents, |contents| match core {
            0 => grub::bios(&bios, contents),
            _ => grub::cd(&files, contents),
        });
        let Some(theirs) = theirs(&build, format, modules, contents) else {
            return;
        };
        let (a, b) = (grub::read(&ours).unwrap(), grub::read(&theirs).unwrap());
        assert!(
            a == b,
            "{format}: {}\n{}",
            grub::dump(&ours).unwrap(),
            grub::dump(&theirs).unwrap()
        );
        assert_eq!(matches!(a.kind, Kind::Cd { rest: 2 }), core > 0);
        assert_eq!(a.objects.last(), Some(&Object::Prefix(contents.1.into())));

        let end = core + 512 + decompressor.len();
        let told = |image: &[u8]| {
            let mut head = image[..end].to_vec();
            let field = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
            let (sectors, compressed) = (
                u16::from_le_bytes(head[core + 0x1fc..core + 0x1fe].try_into().unwrap()),
                field(core + 512 + 8),
            );
            assert_eq!(usize::try_from(compressed).unwrap(), image.len() - end);
            assert_eq!(
                usize::from(sectors),
                (image.len() - core - 512).div_ceil(512)
            );
            head[core + 0x1fc..core + 0x1fe].fill(0);
            head[core + 512 + 8..core + 512 + 12].fill(0);
            head
        };
        assert!(told(&ours) == told(&theirs), "{format}: heads differ");
        println!("{format}: {} bytes, theirs {}", ours.len(), theirs.len());
        assert!(ours.len() * 100 <= theirs.len() * 101, "{format}: larger");
    }
}
