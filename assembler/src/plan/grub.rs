//! GRUB on disks and ISOs: what is patched into its first sectors, and its menu (spec/boot.md 4.4, 6.1 to 6.3; disk.md 4).

use bstr::{BStr, BString};
use bytes::Bytes;
use formats::{
    Layout,
    grub::{self, BOOT_CODE_LEN, CdImage, SECTOR_LEN},
};
use serde::{Deserialize, Serialize};

use crate::{quirks::Quirks, store::Content, version::Version};

/// What every image holds, in the reference's order.
pub const MODULES: [&str; 19] = [
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

/// What those for a BIOS hold beside it.
pub const BIOS_MODULES: [&str; 2] = ["biosdisk", "part_msdos"];

/// What those of ISOs hold beside it.
pub const ISO_MODULES: [&str; 1] = ["iso9660"];

/// What an image is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Medium {
    /// A disk, whose third partition is BOOT.
    Disk,
    /// An ISO, on a CD or written to a disk.
    Iso,
}

impl Medium {
    /// Where images for a BIOS look for their menu. One on an ISO takes the device it was started from.
    pub fn bios_prefix(self) -> &'static str {
        match self {
            Self::Disk => "(hd0,gpt3)/grub",
            Self::Iso => "/boot/grub",
        }
    }

    /// Where images for UEFI look for theirs. One on an ISO was started from the EFI image in it, so it takes the whole
    /// of the device and not its part.
    pub fn efi_prefix(self) -> &'static str {
        match self {
            Self::Disk => "(hd0,gpt3)/grub",
            Self::Iso => "()/boot/grub",
        }
    }
}

/// GRUB for a BIOS, on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskGrub {
    /// `boot.img`, [`SECTOR_LEN`] bytes.
    pub boot: Bytes,
    /// `core.img`, at most 448 KiB.
    pub core: Content,
    /// Its first [`SECTOR_LEN`] bytes.
    pub core_head: Bytes,
}

impl DiskGrub {
    /// What stands before the partition table of a disk whose partition for `core.img` starts at `sector`.
    pub fn boot_code(&self, sector: u64) -> Result<[u8; BOOT_CODE_LEN], grub::Error> {
        grub::boot_code(&self.boot, sector)
    }

    /// `core.img` for a partition that starts at `sector`.
    pub fn core(&self, sector: u64) -> Result<Layout, grub::Error> {
        let mut layout = Layout::new();
        layout.section("GRUB core image");
        layout.bytes(grub::core_sector(&self.core_head, sector)?.to_vec());
        let head = SECTOR_LEN as u64;
        layout.blob(self.core.digest, head, self.core.len - head);
        Ok(layout)
    }
}

/// GRUB for a BIOS, on an ISO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsoGrub {
    /// `boot_hybrid.img`, [`SECTOR_LEN`] bytes: starts the ISO as a disk.
    pub hybrid: Bytes,
    /// `eltorito.img`: starts it as a CD.
    pub image: Content,
    /// Its first [`grub::CD_HEAD_LEN`] bytes.
    pub image_head: Bytes,
    /// What its boot information table says.
    pub measure: CdImage,
    /// The rest of the build, by name: modules that the menu does not need and lists of what is in which.
    pub files: Vec<(String, Content)>,
}

/// The menu of a disk, `boot/grub.cfg` of its BOOT partition.
pub fn disk_menu(tag: &str, cmdline: &BStr, reset: Reset) -> BString {
    let name = format!("A - Talos {tag}");
    let mut text = Menu::new(&format!("set default=\"{name}\"\n\nset timeout=3"), "  ");
    text.entry(&name, "/A/", cmdline, "");
    if reset == Reset::Offered {
        text.entry(
            "Reset Talos installation and return to maintenance mode",
            "/A/",
            cmdline,
            " talos.experimental.wipe=system:EPHEMERAL,STATE",
        );
    }
    text.0.into()
}

/// The menu of an ISO, `boot/grub/grub.cfg`.
pub fn iso_menu(cmdline: &BStr, reset: Reset) -> BString {
    let mut text = Menu::new("set default=0\nset timeout=3", "\t");
    text.entry("Talos ISO", "/boot/", cmdline, "");
    text.0.push(b'\n');
    if reset == Reset::Offered {
        text.entry(
            "Reset Talos installation",
            "/boot/",
            cmdline,
            " talos.experimental.wipe=system",
        );
    }
    text.0.into()
}

/// Whether the menu offers to wipe the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// It does.
    Offered,
    /// It does not.
    Absent,
}

impl Reset {
    /// What menus of a version offer, except of disks that systemd-boot boots too: those always do.
    pub fn of(version: &Version) -> Self {
        if Quirks::of(version).grub_reset {
            Self::Offered
        } else {
            Self::Absent
        }
    }
}

struct Menu(Vec<u8>, &'static str);

impl Menu {
    fn new(head: &str, indent: &'static str) -> Self {
        let common = "\n\ninsmod all_video\n\nterminal_input console\nterminal_output console\n\n";
        Self([head, common].concat().into_bytes(), indent)
    }

    /// Talos reads its own menu with patterns: names at the start of a line, one command a line, a brace at its start.
    fn entry(&mut self, name: &str, folder: &str, cmdline: &BStr, more: &str) {
        let indent = self.1;
        let text = &mut self.0;
        let mut push = |parts: &[&[u8]]| parts.iter().for_each(|part| text.extend_from_slice(part));
        push(&[b"menuentry \"", name.as_bytes(), b"\" {\n"]);
        for line in ["set gfxmode=auto", "set gfxpayload=text"] {
            push(&[indent.as_bytes(), line.as_bytes(), b"\n"]);
        }
        let (indent, folder) = (indent.as_bytes(), folder.as_bytes());
        push(&[
            indent,
            b"linux ",
            folder,
            b"vmlinuz ",
            &quote(cmdline),
            more.as_bytes(),
            b"\n",
        ]);
        push(&[indent, b"initrd ", folder, b"initramfs.xz\n}\n"]);
    }
}

/// What GRUB's shell takes apart gets a backslash; blanks and quotation marks of the other kind do not.
fn quote(text: &[u8]) -> Vec<u8> {
    const SPECIAL: &[u8] = br#"\{}&$|;<>""#;
    let escaped = text.iter().flat_map(|byte| {
        let backslash = SPECIAL.contains(byte).then_some(b'\\');
        backslash.into_iter().chain([*byte])
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shell_takes_apart_is_quoted() {
        for (text, quoted) in [
            (r"a\$", r"a\\\$"),
            ("${uuid}&x", r"\$\{uuid\}\&x"),
            (r#"<|;>""#, r#"\<\|\;\>\""#),
            ("a b 'c' #d", "a b 'c' #d"),
        ] {
            assert_eq!(quote(text.as_bytes()), quoted.as_bytes());
        }
    }

    #[test]
    fn menus_are_those_of_the_specification() {
        let cmdline = BStr::new("console=ttyS0 talos.config=http://x/?u=${uuid}");
        let disk = r#"set default="A - Talos v1.14.0"

set timeout=3

insmod all_video

terminal_input console
terminal_output console

menuentry "A - Talos v1.14.0" {
  set gfxmode=auto
  set gfxpayload=text
  linux /A/vmlinuz console=ttyS0 talos.config=http://x/?u=\$\{uuid\}
  initrd /A/initramfs.xz
}
menuentry "Reset Talos installation and return to maintenance mode" {
  set gfxmode=auto
  set gfxpayload=text
  linux /A/vmlinuz console=ttyS0 talos.config=http://x/?u=\$\{uuid\} talos.experimental.wipe=system:EPHEMERAL,STATE
  initrd /A/initramfs.xz
}
"#;
        assert_eq!(disk_menu("v1.14.0", cmdline, Reset::Offered), disk);
        let iso = r#"set default=0
set timeout=3

insmod all_video

terminal_input console
terminal_output console

menuentry "Talos ISO" {
_set gfxmode=auto
_set gfxpayload=text
_linux /boot/vmlinuz console=ttyS0 talos.config=http://x/?u=\$\{uuid\}
_initrd /boot/initramfs.xz
}

menuentry "Reset Talos installation" {
_set gfxmode=auto
_set gfxpayload=text
_linux /boot/vmlinuz console=ttyS0 talos.config=http://x/?u=\$\{uuid\} talos.experimental.wipe=system
_initrd /boot/initramfs.xz
}
"#;
        assert_eq!(
            iso_menu(cmdline, Reset::Offered),
            iso.replace("\n_", "\n\t")
        );
        assert!(disk_menu("v1.3.7", cmdline, Reset::Absent).ends_with(b"initramfs.xz\n}\n"));
        assert!(iso_menu(cmdline, Reset::Absent).ends_with(b"initramfs.xz\n}\n\n"));
    }
}
