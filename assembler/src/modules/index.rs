//! Modules laid over each other, and the index of all as a directory for a squashfs image.

use std::collections::BTreeMap;

use formats::{
    kmod::{self, Installed, Module, Tree},
    squashfs::{Directory, File, Node},
};

use super::{Error, Set};
use crate::store;

const MODE: u16 = 0o644;
const DIRECTORY_MODE: u16 = 0o755;

/// Refuses the modules of an `extension` that has none for `kernel`: `tree` is its directory of modules, at `path` in it.
pub fn check_kernel(
    extension: &str,
    path: &str,
    tree: &store::Tree,
    kernel: &str,
) -> Result<(), Error> {
    let root = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
    let mut kernels: Vec<String> = tree.entries.keys().map(|path| root(path)).collect();
    kernels.dedup();
    if kernels.iter().any(|found| found == kernel) {
        return Ok(());
    }
    let found = match kernels.as_slice() {
        [] => "no kernel".to_owned(),
        kernels => format!("kernel {}", kernels.join(", ")),
    };
    Err(Error::OtherKernel {
        extension: extension.to_owned(),
        path: path.to_owned(),
        found,
        kernel: kernel.to_owned(),
    })
}

/// The root directory of the image with the index of `sets`, later ones laid over earlier ones; `path` is the directory of
/// modules.
pub fn index(sets: &[&Set], path: &str) -> Result<Directory, Error> {
    let kernel = &sets.first().expect("the release's own come first").kernel;
    let mut modules: BTreeMap<&str, &Module> = BTreeMap::new();
    let mut lists: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for set in sets {
        let pairs = set.modules.iter();
        modules.extend(pairs.map(|(path, module)| (path.as_str(), &module.0)));
        let pairs = set.lists.iter();
        lists.extend(pairs.map(|(name, content)| (name.as_str(), content.as_slice())));
    }
    let modules: Vec<Installed<'_>> = modules
        .into_iter()
        .map(|(path, module)| Installed { path, module })
        .collect();
    let made = kmod::depmod(&Tree {
        modules: &modules,
        order: lists.get("modules.order").copied(),
        builtin: lists.get("modules.builtin").copied(),
        builtin_modinfo: lists.get("modules.builtin.modinfo").copied(),
    })?;
    for warning in &made.warnings {
        tracing::warn!(kernel, "index of kernel modules: {warning}");
    }
    let mut folder = Directory::new(DIRECTORY_MODE);
    let mut put = |name: &str, content: Vec<u8>| {
        let file = Node::File(File::inline(MODE, content));
        folder.entries.insert(name.as_bytes().to_vec(), file);
    };
    for (name, content) in lists {
        put(name, content.to_vec());
    }
    for file in made.files {
        put(file.name, file.content);
    }
    let names = path.split('/').chain([kernel.as_str()]);
    Ok(names.rev().fold(folder, |inside, name| {
        let mut outside = Directory::new(DIRECTORY_MODE);
        outside
            .entries
            .insert(name.as_bytes().to_vec(), Node::Directory(inside));
        outside
    }))
}
