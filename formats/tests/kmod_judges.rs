//! Module indexes before a judge: the depmod of kmod 34, on the modules of Debian's kernels.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use formats::kmod::index::{self, Index};
use formats::kmod::{
    DepmodError, Files, GENERATED, Installed, Limits, Module, Tree, depmod, dump, expand, is_module,
};
use tempfile::TempDir;

/// The version that every tree is put under.
const VERSION: &str = "6.1.0-test";

/// `hack/depmod`, or nothing (said aloud) if what it fetches cannot be had; where judges are required, that is a failure.
fn judge(arguments: &[&str]) -> Option<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hack/depmod");
    let output = Command::new(program).args(arguments).output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap());
    }
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_none(),
        "judge hack/depmod {arguments:?}: {why}"
    );
    println!("skipped: judge hack/depmod {arguments:?}: {why}");
    None
}

/// The directory of a kernel's modules.
fn kernel(name: &str) -> Option<PathBuf> {
    Some(judge(&["--modules", name])?.trim_end().into())
}

static CLOUD: LazyLock<Option<PathBuf>> = LazyLock::new(|| kernel("cloud-amd64"));
static GENERIC: LazyLock<Option<PathBuf>> = LazyLock::new(|| kernel("amd64"));

/// A tree of modules on disk that a test can change: `<root>/lib/modules/<VERSION>`.
struct Copy {
    root: TempDir,
    folder: PathBuf,
}

impl Copy {
    /// Of `kernel`, without its own index. Modules are links to the same files.
    fn of(kernel: &Path) -> Self {
        let root = TempDir::new().unwrap();
        let folder = root.path().join("lib/modules").join(VERSION);
        fs::create_dir_all(&folder).unwrap();
        for name in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            fs::copy(kernel.join(name), folder.join(name)).unwrap();
        }
        let copy = Self { root, folder };
        for path in paths(kernel) {
            copy.link(&kernel.join(&path), &path);
        }
        copy
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn link(&self, from: &Path, path: &str) {
        let to = self.path(path);
        fs::hard_link(from, &to)
            .or_else(|_| fs::copy(from, &to).map(|_| ()))
            .unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.join(from), self.path(to)).unwrap();
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        // Never into a file that another tree has too.
        let _ = fs::remove_file(&path);
        fs::write(path, content).unwrap();
    }

    /// The paths of all modules in the tree.
    fn paths(&self) -> Vec<String> {
        paths(&self.folder)
    }

    /// Packs a module as `extension` says, with the programs that everybody uses.
    fn pack(&self, path: &str, extension: &str) {
        let from = self.folder.join(path);
        let to = self.folder.join(format!("{path}.{extension}"));
        let len = fs::metadata(&from).unwrap().len();
        let mut command = if extension == "xz" {
            let mut command = Command::new("xz");
            command.args(["-0", "-C", "crc32", "-c"]);
            command
        } else {
            let mut command = Command::new("zstd");
            command.args(["-q", "-c", &format!("--stream-size={len}")]);
            command
        };
        let packed = command
            .stdin(fs::File::open(&from).unwrap())
            .output()
            .unwrap();
        assert!(packed.status.success(), "{command:?}");
        fs::write(to, packed.stdout).unwrap();
        fs::remove_file(from).unwrap();
    }

    /// What we make of it.
    fn ours(&self) -> Result<Files, DepmodError> {
        ours(&self.folder)
    }

    /// What depmod makes of it, by name. `search` is the line of a configuration file.
    fn theirs(&self, search: Option<&str>) -> Option<BTreeMap<String, Vec<u8>>> {
        let configuration = self.root.path().join("configuration");
        fs::create_dir_all(&configuration).unwrap();
        if let Some(search) = search {
            fs::write(configuration.join("search.conf"), format!("{search}\n")).unwrap();
        }
        let (root, configuration) = (self.root.path().to_str()?, configuration.to_str()?);
        let output = self.root.path().join("out");
        judge(&[
            "-a",
            "-b",
            root,
            "-o",
            output.to_str()?,
            "-C",
            configuration,
            VERSION,
        ])?;
        let made = fs::read_dir(output.join("lib/modules").join(VERSION)).unwrap();
        let read = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        };
        Some(made.map(|entry| read(entry.unwrap())).collect())
    }

    /// Every file of the index is what depmod makes, byte for byte.
    fn assert_equal(&self, search: Option<&str>) {
        let start = Instant::now();
        let ours = self.ours().unwrap();
        let took = start.elapsed();
        let Some(theirs) = self.theirs(search) else {
            return;
        };
        let names: BTreeSet<&str> = ours.files.iter().map(|file| file.name).collect();
        let expected: BTreeSet<&str> = theirs.keys().map(String::as_str).collect();
        assert_eq!(names, expected);
        assert_eq!(names, GENERATED.into());
        for file in &ours.files {
            let expected = &theirs[file.name];
            assert!(
                &file.content == expected,
                "{}: {}",
                file.name,
                difference(&file.content, expected)
            );
        }
        println!("{} modules in {took:?}", self.paths().len());
    }
}

fn ours(folder: &Path) -> Result<Files, DepmodError> {
    let modules: Vec<(String, Module)> = paths(folder)
        .into_iter()
        .map(|path| {
            let bytes = fs::read(folder.join(&path)).unwrap();
            let module = expand(&path, &bytes, 64 << 20)
                .ok()
                .and_then(|bytes| Module::read(&bytes, Limits::default()).ok());
            (path, module.unwrap_or_default())
        })
        .collect();
    let installed: Vec<Installed<'_>> = modules
        .iter()
        .map(|(path, module)| Installed { path, module })
        .collect();
    let file = |name: &str| fs::read(folder.join(name)).ok();
    depmod(&Tree {
        modules: &installed,
        order: file("modules.order").as_deref(),
        builtin: file("modules.builtin").as_deref(),
        builtin_modinfo: file("modules.builtin.modinfo").as_deref(),
    })
}

/// Paths of all modules below `folder`.
fn paths(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let relative = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                todo.push(path);
            } else if is_module(&relative) {
                found.push(relative);
            }
        }
    }
    found.sort_unstable();
    found
}

fn is_trie(name: &str) -> bool {
    Path::new(name).extension() == Some("bin".as_ref())
}

/// Where two files differ first.
fn difference(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = at.saturating_sub(40).min(bytes.len());
        bytes[from..bytes.len().min(at + 80)]
            .escape_ascii()
            .to_string()
    };
    format!(
        "{} and {} bytes, different from {at} on:\n{}\n{}",
        one.len(),
        other.len(),
        around(one),
        around(other)
    )
}

#[test]
fn indexes_of_a_cloud_kernel_are_those_of_depmod() {
    let Some(kernel) = &*CLOUD else { return };
    Copy::of(kernel).assert_equal(None);
}

#[test]
fn indexes_of_a_large_kernel_are_those_of_depmod() {
    let Some(kernel) = &*GENERIC else { return };
    Copy::of(kernel).assert_equal(None);
}

#[test]
fn without_an_order_or_lists_of_what_is_built_in_indexes_are_the_same_too() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    for name in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        fs::remove_file(copy.folder.join(name)).unwrap();
    }
    copy.assert_equal(None);
    for name in [
        "modules.order",
        "modules.builtin",
        "modules.builtin.modinfo",
    ] {
        copy.write(name, b"");
    }
    copy.assert_equal(None);
}

#[test]
fn an_order_of_another_build_is_the_order_of_the_hash() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    let order = fs::read_to_string(kernel.join("modules.order")).unwrap();
    copy.write("modules.order", order.replace(".ko\n", ".o\n").as_bytes());
    copy.assert_equal(None);
    // Half of it, all of that twice, lines that are none.
    let half: String = order.split_inclusive('\n').step_by(2).collect();
    let odd = format!("\n{half}{half}kernel/none.ko\nbuild/x.ko\n # {half}");
    copy.write("modules.order", odd.as_bytes());
    copy.assert_equal(None);
    // Broken off.
    copy.write("modules.order", format!("{half}kernel/last.ko").as_bytes());
    copy.assert_equal(None);
}

#[test]
fn packed_modules_are_read() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    for (index, path) in copy.paths().into_iter().enumerate() {
        match index % 8 {
            0 => copy.pack(&path, "xz"),
            1 => copy.pack(&path, "zst"),
            _ => {}
        }
    }
    copy.assert_equal(None);
}

#[test]
fn modules_outside_of_the_kernel_folder_count() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    for (index, path) in copy.paths().into_iter().enumerate() {
        let file = path.rsplit('/').next().unwrap();
        match index % 16 {
            0 => copy.rename(&path, &format!("extras/{file}")),
            1 => copy.rename(&path, &format!("updates/deep/er/{file}")),
            2 => copy.rename(&path, &format!("build/{file}")),
            3 => copy.rename(&path, &format!("kernel/source/{file}")),
            _ => {}
        }
    }
    copy.assert_equal(None);
}

#[test]
fn updates_and_extras_replace_modules_of_the_same_name() {
    let Some(kernel) = &*CLOUD else { return };
    let names = ["kernel/fs/fuse/fuse.ko", "kernel/drivers/md/dm-mod.ko"];
    let updates = Copy::of(kernel);
    let extras = Copy::of(kernel);
    for path in names {
        let file = path.rsplit('/').next().unwrap();
        let other = kernel.join("kernel/fs/nfsd/nfsd.ko");
        updates.link(&other, &format!("updates/{file}"));
        extras.link(&other, &format!("extras/{file}"));
    }
    updates.assert_equal(None);
    extras.assert_equal(Some("search extras built-in"));
}

#[test]
fn files_that_are_no_modules_are_listed_without_dependencies() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    let module = fs::read(kernel.join("kernel/fs/fuse/fuse.ko")).unwrap();
    copy.write("kernel/empty.ko", b"");
    copy.write("kernel/text.ko", b"\x7fELF");
    copy.write("kernel/cut.ko", &module[..module.len() / 2]);
    copy.write("kernel/cut-xz.ko.xz", b"\xfd7zXZ\0");
    copy.write(
        "extras/signed.ko",
        &[&module[..], b"~Module signature appended~\n"].concat(),
    );
    copy.assert_equal(None);
}

#[test]
fn every_lookup_of_depmods_tries_is_answered() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    let Some(theirs) = copy.theirs(None) else {
        return;
    };
    let mut count = 0;
    for (name, content) in theirs.iter().filter(|(name, _)| is_trie(name)) {
        let index = Index::parse(content, index::Limits::default()).unwrap();
        for found in index.entries().unwrap() {
            let values = index.find(&found.key).unwrap();
            assert!(values.contains(&(found.priority, found.value)), "{name}");
            count += 1;
        }
        assert!(!dump(content, index::Limits::default()).unwrap().is_empty());
        assert_eq!(index.find(b"no such key").unwrap(), []);
    }
    assert!(count > 5000, "{count}");
}

/// The other order of nodes: kmod 30, if this machine has it.
#[test]
fn tries_of_older_depmods_hold_the_same() {
    let Some(kernel) = &*CLOUD else { return };
    let copy = Copy::of(kernel);
    let output = copy.root.path().join("older");
    let made = Command::new("depmod")
        .args(["-a", "-b"])
        .arg(copy.root.path())
        .arg("-o")
        .arg(&output)
        .arg(VERSION)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: this machine has no depmod");
        return;
    }
    let ours = copy.ours().unwrap();
    for file in ours.files.iter().filter(|file| is_trie(file.name)) {
        let older = fs::read(output.join("lib/modules").join(VERSION).join(file.name)).unwrap();
        let limits = index::Limits::default();
        assert_eq!(
            dump(&file.content, limits).unwrap(),
            dump(&older, limits).unwrap(),
            "{}",
            file.name
        );
    }
}
