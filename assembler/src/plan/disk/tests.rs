use std::io;

use formats::{
    Digest,
    extent::Segment,
    fat,
    read_at::{ReadAt, Window},
};

use super::*;
use crate::plan::{Initramfs, grub::DiskGrub};

const MIB: u64 = 1 << 20;
const STUB: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../testdata/linuxx64.efi.stub"
));

/// A blob of which only the length counts.
fn content(name: &str, len: u64) -> Content {
    Content {
        digest: Digest::of(name),
        len,
        sums: crate::store::Sums::default(),
    }
}

fn uki(kernel_len: u64) -> Uki {
    Uki {
        tag: "v1.14.0".to_owned(),
        stub: content("stub", STUB.len() as u64),
        stub_head: STUB[..formats::pe::HEAD_LEN].to_vec().into(),
        kernel: content("kernel", kernel_len),
        kernel_release: None,
        initramfs: Initramfs {
            base: content("initramfs", 80 * MIB),
            extensions: Vec::new(),
            modules_dep: None,
            zstd: true,
        },
        splash: content("splash", 1000),
        cmdline: "console=ttyS0".into(),
        profiles: Vec::new(),
    }
}

fn sd_boot(kernel_len: u64) -> SdBoot {
    SdBoot {
        boot_loader: content("boot loader", 124_416),
        boot_loader_name: "BOOTX64.efi",
        uki: uki(kernel_len),
    }
}

/// GRUB's files as far as their fields are looked at.
fn grub() -> Grub {
    let mut boot = vec![0xb0; 512];
    boot[510..].copy_from_slice(&formats::mbr::SIGNATURE);
    Grub {
        bios: Some(DiskGrub {
            boot: boot.into(),
            core: content("core", 160_000),
            core_head: vec![0xc0; 512].into(),
        }),
        efi: Some(("BOOTX64.efi", content("GRUB", 800_000))),
        menu: "set default=0\n".into(),
        kernel: content("kernel", 14 * MIB),
        initramfs: uki(14 * MIB).initramfs,
    }
}

fn disk(mib: u64, sector_len: u16, boot_mib: u64) -> Disk {
    Disk {
        len: mib * MIB,
        sector_len,
        boot_size: boot_mib * MIB,
        data_partitions: false,
        boot: Boot::SdBoot(Box::new(sd_boot(14 * MIB))),
        meta: vec![(10, "foo".into())],
    }
}

/// A layout whose blobs are ones throughout.
struct Source(Layout);

impl ReadAt for Source {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        if end > self.0.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut at = 0;
        for segment in self.0.segments(offset..end) {
            let len = usize::try_from(segment.len()).unwrap();
            let piece = &mut buffer[at..][..len];
            match segment {
                Segment::Bytes(bytes) => piece.copy_from_slice(&bytes),
                Segment::Zeros(_) => piece.fill(0),
                Segment::Blob { .. } | Segment::Deferred(_) => piece.fill(1),
            }
            at += len;
        }
        Ok(())
    }
}

fn read(disk: &Disk) -> (Source, gpt::Contents) {
    let source = Source(disk.layout().unwrap());
    assert_eq!(source.len(), disk.len);
    let contents = gpt::read(&source, &gpt::Limits::default()).unwrap();
    assert!(contents.backup.is_ok());
    (source, contents)
}

fn window<'a>(source: &'a Source, contents: &gpt::Contents, index: usize) -> Window<&'a Source> {
    let range = contents.range(&contents.partitions[index].1);
    Window::new(source, range.start, range.end - range.start)
}

/// The rows of spec/disk.md 1.7.
#[test]
fn partitions_have_their_sizes_by_version() {
    for (mib, sector_len, boot_mib, expected) in [
        (2246, 512, 2000, [(2048, 4_304_895), (4_304_896, 4_306_943)]),
        (1246, 512, 1000, [(2048, 2_256_895), (2_256_896, 2_258_943)]),
        (2246, 4096, 2000, [(256, 538_111), (538_112, 538_367)]),
        (1246, 4096, 1000, [(256, 282_111), (282_112, 282_367)]),
    ] {
        let (_, contents) = read(&disk(mib, sector_len, boot_mib));
        assert_eq!(contents.sector_len, u64::from(sector_len));
        let found: Vec<_> = contents
            .partitions
            .iter()
            .map(|(_, entry)| (entry.first.get(), entry.last.get()))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn old_versions_have_empty_data_partitions() {
    let disk = Disk {
        data_partitions: true,
        ..disk(1246, 512, 1000)
    };
    let (source, contents) = read(&disk);
    assert_eq!(names(&contents), ["EFI", "META", "STATE", "EPHEMERAL"]);
    let last = contents.partitions[3].1;
    assert_eq!(last.last, 2_549_759, "all but the last piece of a MiB");
    for index in [2, 3] {
        let state = window(&source, &contents, index);
        let mut bytes = vec![1; 1 << 20];
        state.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn the_esp_holds_what_systemd_boot_boots() {
    for sector_len in [512, 4096] {
        let (source, contents) = read(&disk(2246, sector_len, 2000));
        let esp = window(&source, &contents, 0);
        let volume = fat::read(&esp, &fat::Limits::default()).unwrap();
        let files: Vec<_> = volume
            .entries
            .iter()
            .filter(|entry| !entry.runs.is_empty())
            .filter(|entry| !entry.attributes.contains(fat::Attributes::DIRECTORY))
            .map(|entry| (entry.path.as_str(), entry.short_name.as_str()))
            .collect();
        assert_eq!(
            files,
            [
                ("EFI/Linux/Talos-v1.14.0.efi", "TALOS-~1.EFI"),
                ("EFI/boot/BOOTX64.efi", "BOOTX64.EFI"),
                ("loader/loader.conf", "LOADER~1.CON"),
            ]
        );
    }
}

#[test]
fn meta_is_blank_without_values() {
    let (source, contents) = read(&disk(2246, 512, 2000));
    let meta = adv::read(&window(&source, &contents, 1)).unwrap();
    assert_eq!(meta.values, [(10, b"foo".to_vec())]);
    let blank = Disk {
        meta: Vec::new(),
        ..disk(2246, 512, 2000)
    };
    let (source, contents) = read(&blank);
    assert!(adv::read(&window(&source, &contents, 1)).is_err());
}

#[test]
fn what_does_not_fit_is_refused_with_numbers() {
    let refused = |disk: Disk| {
        let error = disk.layout().unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::BadRequest, "{error}");
        error.to_string()
    };
    assert_eq!(
        refused(disk(2103, 512, 2000)),
        "disk: partition META of 1048576 bytes does not fit: 0 bytes are left of a disk of 2205155328"
    );
    assert_eq!(
        refused(disk(1, 512, 2000)),
        "disk: disk of 1048576 bytes: too small for partition tables"
    );
    let mut large = disk(1246, 512, 1000);
    large.boot = Boot::SdBoot(Box::new(sd_boot(1100 * MIB)));
    let error = refused(large);
    assert!(
        error.starts_with("ESP: boot loader and UKI take "),
        "{error}"
    );
    assert!(
        error.ends_with(" bytes, and a partition of 1154482176 has room for 1152204800"),
        "{error}"
    );
    let mut large = grub();
    large.kernel.len = 2000 * MIB;
    let boot = Disk {
        boot: Boot::Grub(Box::new(large)),
        ..disk(2246, 512, 2000)
    };
    let error = refused(boot);
    assert!(
        error.starts_with("BOOT: kernel and initramfs take ")
            && error.contains(" bytes, and a partition of 2097152000 has room for "),
        "{error}"
    );
    let mut full = disk(2246, 512, 2000);
    full.meta.push((11, vec![b'x'; adv::CAPACITY - 18].into()));
    assert_eq!(refused(full), "META: adv: overflow 1 bytes");
    let mut long = sd_boot(14 * MIB);
    long.uki.tag = format!("v1.14.0-{}", "a".repeat(250));
    let named = Disk {
        boot: Boot::SdBoot(Box::new(long)),
        ..disk(2246, 512, 2000)
    };
    assert!(refused(named).ends_with("name longer than 255 UTF-16 units"));
}

fn names(contents: &gpt::Contents) -> Vec<String> {
    contents
        .partitions
        .iter()
        .map(|(_, entry)| entry.name())
        .collect()
}

/// The rows of spec/disk.md 1.7.
#[test]
fn disks_with_grub_have_its_partitions() {
    let boots = [
        (
            2246,
            512,
            2000,
            Boot::Grub(Box::new(grub())),
            208_896,
            4_304_895,
        ),
        (
            1246,
            4096,
            1000,
            Boot::Grub(Box::new(grub())),
            26_112,
            282_111,
        ),
        (4247, 512, 2000, dual(), 4_306_944, 8_402_943),
        (4247, 4096, 2000, dual(), 538_368, 1_050_367),
    ];
    for (mib, sector_len, boot_mib, boot, first, last) in boots {
        let disk = Disk {
            boot,
            ..disk(mib, sector_len, boot_mib)
        };
        let (source, contents) = read(&disk);
        assert_eq!(names(&contents), ["EFI", "BIOS", "BOOT", "META"]);
        assert_eq!(contents.partitions[1].1.attributes, 4);
        let boot = contents.partitions[2].1;
        assert_eq!((boot.first.get(), boot.last.get()), (first, last));

        // Boot code and core image say where the core image lies.
        let core = contents.partitions[1].1.first.get();
        let mut sector = [0; 512];
        source.read_at(0, &mut sector).unwrap();
        assert_eq!(sector[0x5c..0x64], core.to_le_bytes());
        assert_eq!(sector[0x66..0x68], [0x90, 0x90]);
        assert_eq!(sector[446..450], [0, 0, 2, 0], "the protective entry");
        window(&source, &contents, 1)
            .read_at(0, &mut sector)
            .unwrap();
        assert_eq!(sector[0x1f4..0x1fc], (core + 1).to_le_bytes());
        let mut magic = [0; 4];
        window(&source, &contents, 2)
            .read_at(0, &mut magic)
            .unwrap();
        assert_eq!(magic, *b"XFSB");
    }
}

fn dual() -> Boot {
    let grub = Grub {
        efi: None,
        ..grub()
    };
    Boot::DualBoot(Box::new(sd_boot(14 * MIB)), Box::new(grub))
}

#[test]
fn without_a_bios_its_partition_is_empty() {
    let grub = Grub {
        bios: None,
        ..grub()
    };
    let disk = Disk {
        boot: Boot::Grub(Box::new(grub)),
        ..disk(2246, 512, 2000)
    };
    let (source, contents) = read(&disk);
    let mut bytes = vec![1; 1 << 20];
    window(&source, &contents, 1)
        .read_at(0, &mut bytes)
        .unwrap();
    assert!(bytes.iter().all(|byte| *byte == 0));
    source.read_at(0, &mut bytes[..446]).unwrap();
    assert!(bytes[..446].iter().all(|byte| *byte == 0));
}

#[test]
fn the_esp_of_a_disk_with_grub_holds_grub_alone() {
    for (sector_len, boot) in [(512, 2000), (4096, 1000)] {
        let disk = Disk {
            boot: Boot::Grub(Box::new(grub())),
            ..disk(2246, sector_len, boot)
        };
        let (source, contents) = read(&disk);
        let esp = window(&source, &contents, 0);
        let volume = fat::read(&esp, &fat::Limits::default()).unwrap();
        let paths: Vec<&str> = volume
            .entries
            .iter()
            .map(|entry| entry.path.as_str())
            .collect();
        assert_eq!(paths, ["EFI", "EFI/boot", "EFI/boot/BOOTX64.efi"]);
    }
}
