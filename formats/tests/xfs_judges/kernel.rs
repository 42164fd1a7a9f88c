//! Volumes mounted by the kernel, read and written.

use std::{
    fs,
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
};

use formats::{
    Layout,
    xfs::{self, Directory, Volume},
};

use crate::{
    Image, MIB, UUID, boot, content_of, file,
    images::{Blobs, verdict},
    judges::judge,
    odd, repair, volume,
};

/// A loop device with sectors of the volume's length, mounted.
pub(crate) struct Mounted {
    device: String,
    pub(crate) at: tempfile::TempDir,
}

impl Mounted {
    /// Mounts `image` read-write, or says why nobody can here.
    pub(crate) fn new(image: &Path, sector_len: u16) -> Option<Self> {
        let (mut losetup, mut mount) = (judge("losetup")?, judge("mount")?);
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let knows =
            fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\txfs\n"));
        if !is_root || !knows || !Path::new("/dev/loop-control").exists() {
            assert!(
                std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_none(),
                "only root can mount loop devices, and only kernels with XFS know it"
            );
            println!(
                "skipped: only root can mount loop devices, and only kernels with XFS know it"
            );
            return None;
        }
        let sector = sector_len.to_string();
        let device = verdict(losetup.args(["-f", "--show", "-b", &sector]).arg(image));
        let this = Self {
            device: device.trim().to_owned(),
            at: tempfile::tempdir().unwrap(),
        };
        // Volumes of the same UUID may be mounted side by side.
        verdict(
            mount
                .args(["-t", "xfs", "-o", "rw,nouuid", &this.device])
                .arg(this.at.path()),
        );
        Some(this)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.at.path()).status().unwrap();
        let detached = Command::new("losetup")
            .args(["-d", &self.device])
            .status()
            .unwrap();
        assert!(unmounted.success() && detached.success() || std::thread::panicking());
    }
}

#[test]
fn the_kernel_mounts_and_writes() {
    let mut blobs = Blobs::default();
    for (mib, sector, large) in [
        (300, 512, None),
        (1000, 512, Some(700)),
        (1000, 4096, None),
        (2000, 4096, Some(1800)),
    ] {
        let root = match large {
            Some(large) => odd(&mut blobs, large * MIB + 1),
            None => boot(&mut blobs),
        };
        let path = blobs.write(&volume(mib, sector, &root));
        let Some(mounted) = Mounted::new(&path, sector) else {
            return;
        };
        let at = |name: &str| mounted.at.path().join(name);
        let same = |name: &str, layout: &Layout| {
            assert!(
                fs::read(at(name)).unwrap() == blobs.collect(layout),
                "{name}"
            );
        };
        same("A/vmlinuz", &content_of(&root, "A", "vmlinuz"));
        same("A/initramfs.xz", &content_of(&root, "A", "initramfs.xz"));
        same("grub/grub.cfg", &content_of(&root, "grub", "grub.cfg"));
        let grub = fs::metadata(at("grub")).unwrap();
        assert_eq!(grub.permissions().mode(), 0o040_700);
        assert_eq!(
            (grub.uid(), grub.gid(), grub.mtime()),
            (0, 0, 1_559_424_892)
        );
        if let Some(large) = large {
            assert_eq!(fs::read_dir(at("EFI/dtb")).unwrap().count(), 70);
            let file = fs::File::open(at("A/large")).unwrap();
            assert_eq!(file.metadata().unwrap().len(), large * MIB + 1);
            let mut end = vec![0; 10_000];
            file.read_exact_at(&mut end, large * MIB + 1 - 10_000)
                .unwrap();
            let last = blobs.add(6, 10_000);
            assert!(end == blobs.collect(&last));
            fs::remove_file(at("A/large")).unwrap();
            fs::write(at("EFI/dtb/one more"), vec![1; 100_000]).unwrap();
        }
        fs::create_dir(at("B")).unwrap();
        for index in 0..200 {
            fs::write(at(&format!("B/{index}")), vec![2; index * 100]).unwrap();
        }
        fs::write(at("grub/grub.cfg"), b"set default=\"B\"\n").unwrap();
        fs::remove_file(at("A/vmlinuz")).unwrap();
        drop(mounted);
        repair(&path);
        let image = Image(fs::File::open(&path).unwrap());
        let contents = xfs::read(&image, &xfs::Limits::default()).unwrap();
        assert_eq!(contents.wrong_checksums, [""; 0]);
        let names = |name: &str| {
            contents
                .entries
                .iter()
                .filter(|entry| entry.path.starts_with(name))
                .count()
        };
        assert_eq!((names("B/"), names("A/vmlinuz")), (200, 0));
    }
}

/// As full as we make one: to the last block.
#[test]
fn the_kernel_mounts_a_full_volume() {
    let blobs = Blobs::default();
    let fill = |blocks: u64| {
        let mut content = Layout::new();
        content.zeros(blocks * 4096);
        let mut root = Directory::default();
        root.insert("A/fill", file(content)).unwrap();
        let volume = Volume {
            len: 300 * MIB,
            sector_len: 512,
            uuid: UUID,
            label: "BOOT".parse().unwrap(),
            epoch: 1_559_424_892,
            root,
        };
        volume.layout()
    };
    let error = fill(75_000).unwrap_err();
    let xfs::Error::DoesNotFit { available, .. } = error else {
        panic!("{error}");
    };
    assert!(fill(available + 1).is_err());
    let path = blobs.write(&fill(available).unwrap());
    repair(&path);
    let Some(mounted) = Mounted::new(&path, 512) else {
        return;
    };
    let error = fs::write(mounted.at.path().join("A/new"), []).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    // What is in reserve suffices to give all back.
    fs::remove_file(mounted.at.path().join("A/fill")).unwrap();
    fs::write(mounted.at.path().join("A/new"), vec![3; 20 << 20]).unwrap();
    drop(mounted);
    repair(&path);
}
