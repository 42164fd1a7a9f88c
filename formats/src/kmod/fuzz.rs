//! What the fuzz targets and the replay of their corpora both call.

use super::index::{self, Entry, Index};
use super::{Installed, Limits, Module, Tree, depmod, dump, expand, modinfo};

/// Small enough for thousands of runs a second.
const LIMITS: Limits = Limits {
    symbols: 1024,
    text: 256,
    texts: 64 << 10,
};

const INDEX_LIMITS: index::Limits = index::Limits {
    nodes: 1024,
    key: 256,
    keys: 64 << 10,
};

/// Longest module that a packed one may expand to.
const EXPANDED: usize = 1 << 20;

/// Bytes that stand for one that is not UTF-8.
const REPLACED: usize = '\u{fffd}'.len_utf8();

/// Body of the fuzz target `elf`: a module that reads can be indexed, whatever it says.
///
/// # Panics
/// If an invariant does not hold.
pub fn fuzz_elf(data: &[u8]) {
    for path in ["a.ko.xz", "a.ko.zst"] {
        if let Ok(expanded) = expand(path, data, EXPANDED) {
            assert!(expanded.len() <= EXPANDED);
        }
    }
    let Ok(module) = Module::read(data, LIMITS) else {
        return;
    };
    check(&module);
}

/// Body of the fuzz target `modinfo`: as `elf`, but every input is the texts of a module and of the kernel.
///
/// # Panics
/// If an invariant does not hold.
pub fn fuzz_modinfo(data: &[u8]) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let values = |wanted: &[u8]| {
        let values = modinfo(data).filter(|(key, _)| *key == wanted);
        values.map(|(_, value)| text(value)).collect()
    };
    let module = Module {
        aliases: values(b"alias"),
        softdeps: values(b"softdep"),
        weakdeps: values(b"weakdep"),
        exports: values(b"exports"),
        needs: values(b"needs"),
    };
    let files = depmod(&Tree {
        modules: &[Installed {
            path: "kernel/a.ko",
            module: &module,
        }],
        order: Some(data),
        builtin: Some(data),
        builtin_modinfo: Some(data),
    });
    // Modules that were read hold ASCII; these may not.
    if let Ok(files) = files {
        let limits = index::Limits {
            key: index::Limits::default().key + REPLACED * data.len(),
            ..index::Limits::default()
        };
        check_files(&files, limits);
    }
}

fn check(module: &Module) {
    let size = module.dump().len();
    assert!(size <= LIMITS.texts);
    let other = Module {
        exports: module.needs.clone(),
        ..Module::default()
    };
    let modules = [
        Installed {
            path: "kernel/a.ko",
            module,
        },
        Installed {
            path: "updates/b.ko.xz",
            module: &other,
        },
    ];
    let tree = Tree {
        modules: &modules,
        ..Tree::default()
    };
    match depmod(&tree) {
        Ok(files) => check_files(&files, index::Limits::default()),
        Err(super::DepmodError::Cycle { .. }) => {}
        Err(error) => panic!("what was read can be indexed: {error}"),
    }
}

fn check_files(files: &super::Files, limits: index::Limits) {
    for file in &files.files {
        let is_trie = std::path::Path::new(file.name).extension() == Some("bin".as_ref());
        if is_trie && !file.content.is_empty() {
            dump(&file.content, limits).expect("what is written can be read");
        }
    }
}

/// Body of the fuzz target `index`: what reads is written again, and reads the same.
///
/// # Panics
/// If an invariant does not hold.
pub fn fuzz_index(data: &[u8]) {
    let Ok(index) = Index::parse(data, INDEX_LIMITS) else {
        return;
    };
    let _ = index.find(b"symbol:a");
    let Ok(found) = index.entries() else { return };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    // Of equal priorities, the last comes first.
    let entries = found.iter().rev().map(|found| {
        Some(Entry {
            key: text(&found.key)?.into(),
            priority: found.priority,
            value: text(found.value)?.into(),
        })
    });
    let Some(entries) = entries.collect::<Option<Vec<_>>>() else {
        return;
    };
    let Ok(written) = index::write(entries) else {
        return;
    };
    let again =
        Index::parse(&written, index::Limits::default()).expect("what is written can be read");
    let again = again.entries().expect("what is written can be read");
    // A reader takes values of a key in any order, and keys more than once.
    let mut expected = found;
    expected.sort_by(|one, other| (&one.key, one.priority).cmp(&(&other.key, other.priority)));
    assert_eq!(again, expected);
    for found in &expected {
        let values = Index::parse(&written, index::Limits::default())
            .and_then(|index| index.find(&found.key))
            .expect("what is written can be read");
        assert!(values.contains(&(found.priority, found.value)));
    }
}
