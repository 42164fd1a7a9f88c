//! The disk is full.

use std::{path::Path, process::Command};

use crate::support::{
    Process, alone, forge, get, image, layout, reference, release, skip, temporary,
};

/// A file system in memory, unmounted when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    /// `None` where mounting is not allowed.
    fn new(path: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(path)
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then_some(Self(path))
    }

    fn enlarge(&self, size: &str) {
        let options = format!("remount,size={size}");
        let mount = Command::new("mount")
            .args(["-o", &options])
            .arg(self.0)
            .status();
        assert!(mount.unwrap().success());
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_so_and_leaves_nothing_behind() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let file = "metal-amd64.iso";
    let sha256 = reference(&release, file);
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(folder.path(), "24m") else {
        skip("mounting is not allowed");
        return;
    };
    let process = Process::start(forge(folder.path(), &layout(&release)));
    for _ in 0..2 {
        let answer = get(process.address, &image(file));
        assert_eq!(answer.status, 507, "{}", answer.text());
        // The log says where the disk is; a client need not know.
        assert_eq!(answer.text(), "the store's disk is full\n");
        assert_eq!(temporary(folder.path()), 0);
    }
    disk.enlarge("400m");
    let answer = get(process.address, &image(file));
    assert_eq!((answer.status, answer.sha256()), (200, sha256));
    drop(process);
    let verify = forge(folder.path(), &layout(&release))
        .args(["store", "verify"])
        .output();
    assert!(verify.unwrap().status.success());
}
