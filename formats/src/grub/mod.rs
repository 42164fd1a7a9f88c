//! GRUB: boot images made from the files of its build, for a BIOS and for UEFI, as `grub-mkimage` makes them.
//!
//! ```text
//! core.img      diskboot.img (512) │ lzma_decompress.img │ LZMA( kernel │ module area )
//! eltorito.img  cdboot.img (2048)  │ diskboot.img │ …as above
//! EFI           headers (4096) │ .text │ .data and .bss │ mods: module area │ .reloc       each padded to 4096
//! module area   "mimg" offset size │ modules, dependencies first │ configuration │ prefix
//! ```
//!
//! - [`closure`] says which modules are needed, in which order; [`Contents`] are what an image is made from.
//! - [`bios`] and [`efi`] make images: functions of the build's files, so that one per build is enough. What depends on
//!   the disk is patched into their first sectors: [`boot_code`], [`core_sector`], [`hybrid_code`], [`CdImage`].
//! - Modules go in unlinked and unchanged, as GRUB wants them; only the kernel of UEFI is linked.
//!
//! Sources: boot.md 6.2 to 6.5, disk.md 4. Out of scope: memory disks, public keys, SBAT, device trees, other platforms.

mod area;
mod bios;
mod dependencies;
mod dump;
mod efi;
mod elf;
mod link;
mod patch;
mod raw;
mod read;
mod relocate;

pub use self::{
    area::Contents,
    bios::{BiosFiles, CdFiles, bios, cd},
    dependencies::closure,
    dump::dump,
    efi::{Build, Machine, efi},
    patch::{BOOT_CODE_LEN, CD_HEAD_LEN, CdImage, SECTOR_LEN, boot_code, core_sector, hybrid_code},
    read::{Image, Kind, Object, fuzz, read},
};

/// What is not a file of GRUB, or cannot be made into an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file that ends too early.
    #[error("{what} at offset {offset} reaches beyond the file")]
    Truncated {
        /// What should be there.
        what: &'static str,
        /// Where it starts.
        offset: u64,
    },
    /// A file of another kind.
    #[error("not {0}")]
    Unknown(&'static str),
    /// A file whose length is part of its format.
    #[error("{file} has {found} bytes, expected {expected}")]
    Length {
        /// Its name.
        file: &'static str,
        /// Bytes it has.
        found: usize,
        /// Bytes it should have.
        expected: usize,
    },
    /// A field contradicts another.
    #[error("invalid {what} {value:#x}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// What it says.
        value: u64,
    },
    /// More of something than the limit.
    #[error("{count} {what}: at most {limit} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many, or how long.
        count: u64,
        /// How many are possible.
        limit: u64,
    },
    /// `moddep.lst` does not list the module.
    #[error("module {0} is not in moddep.lst")]
    NoModule(String),
    /// Modules need each other.
    #[error("module {0} needs itself")]
    Circle(String),
    /// A symbol is nowhere defined.
    #[error("symbol {0:?} is not defined")]
    Symbol(String),
    /// A relocation that GRUB's builds do not have.
    #[error(
        "relocation of type {kind} at offset {offset:#x} of section {section} is not supported"
    )]
    RelocationKind {
        /// Its number in the machine's ABI.
        kind: u32,
        /// The section that it changes.
        section: usize,
        /// Where in there.
        offset: u64,
    },
    /// A relocation whose result does not fit its field.
    #[error(
        "relocation of type {kind} at offset {offset:#x} of section {section}: {value:#x} does not fit"
    )]
    RelocationRange {
        /// Its number in the machine's ABI.
        kind: u32,
        /// The section that it changes.
        section: usize,
        /// Where in there.
        offset: u64,
        /// What should be written.
        value: i64,
    },
    /// The compressor failed: only for want of memory.
    #[error("LZMA: {0}")]
    Lzma(String),
}
