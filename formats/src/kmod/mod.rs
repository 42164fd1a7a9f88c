//! Kernel modules: what a `.ko` says of itself, and the index files that depmod makes of many.
//!
//! ```text
//! .ko, .ko.xz, .ko.zst ── expand ──► ELF ── Module::read ──► Module ─┐
//! modules.order, modules.builtin, modules.builtin.modinfo ───────────┴─ depmod ──► modules.dep, modules.dep.bin, …
//! ```
//!
//! - The files are those of kmod 34, byte for byte: same order of modules, same priorities, same tries.
//! - A [`Module`] is plain data, a function of one file alone: whoever keeps it need not parse the file again.
//! - Where kmod leaves the result to the order of a directory or of a sort, there is a rule: of modules with one name, those
//!   below `updates/` win, then those below `extras/`, then the least path; what `modules.order` does not list keeps the order
//!   of a hash of its name.
//! - Every text of an index is printable ASCII, as its format wants it; texts that are not are left out, with a warning where
//!   kmod would write what its readers cannot find.
//!
//! ```
//! use formats::kmod::{self, Installed, Module};
//!
//! let module = Module {
//!     aliases: vec!["pci:v00008086d*".to_owned()],
//!     ..Module::default()
//! };
//! let tree = kmod::Tree {
//!     modules: &[Installed { path: "kernel/drivers/net/e1000.ko", module: &module }],
//!     ..kmod::Tree::default()
//! };
//! let index = kmod::depmod(&tree)?;
//! let dep = index.files.iter().find(|file| file.name == "modules.dep").expect("always made");
//! assert_eq!(dep.content, b"kernel/drivers/net/e1000.ko:\n");
//! # Ok::<(), kmod::DepmodError>(())
//! ```
//!
//! Sources: depmod(8), modules.dep(5), the formats as spec/initramfs.md 3.1 to 3.5 writes them down; the ELF specification.
//! Out of scope: 32-bit and big-endian modules, `System.map`, depmod.d, `.ko.gz`.

mod depmod;
mod dump;
mod elf;
#[doc(hidden)]
mod fuzz;
mod hash;
pub mod index;
mod module;
mod names;
mod packing;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub use self::depmod::{DepmodError, File, Files, GENERATED, MAX_DEPENDENCIES, depmod};
pub use self::dump::dump;
pub use self::elf::{Elf, ElfError, SectionHeader, Symbol};
#[doc(hidden)]
pub use self::fuzz::{fuzz_elf, fuzz_index, fuzz_modinfo};
pub use self::module::{Limits, Module, modinfo};
pub use self::names::{is_module, module_name};
pub use self::packing::{PackingError, expand};
pub use self::tree::{Installed, MAX_PATH, Tree, Warning};
