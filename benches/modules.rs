//! depmod: ours, from modules that were read before, beside kmod's, on the modules of a Debian kernel.
//!
//! kmod reads every module each time; so do we only for "read". Without `hack/depmod` nothing is measured.
#![expect(clippy::unwrap_used, reason = "a step that fails ends the bench")]

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
};

use criterion::{Criterion, criterion_group, criterion_main};
use formats::kmod::{Installed, Limits, Module, Tree, depmod, is_module};

/// What `hack/depmod ARGUMENTS` prints.
fn judge(arguments: &[&str]) -> Option<String> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/depmod");
    let output = Command::new(program).args(arguments).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(printed)
}

/// Paths of the modules below `folder`, from there on.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if is_module(path.to_str().unwrap()) {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found
}

fn read(folder: &Path, paths: &[PathBuf]) -> Vec<Module> {
    let read = |path: &PathBuf| {
        let bytes = fs::read(folder.join(path)).unwrap();
        Module::read(&bytes, Limits::default()).unwrap()
    };
    paths.iter().map(read).collect()
}

fn indexes(criterion: &mut Criterion) {
    let Some(command) = judge(&["--command"]) else {
        return;
    };
    for kernel in ["cloud-amd64", "amd64"] {
        let Some(folder) = judge(&["--modules", kernel]) else {
            return;
        };
        let folder = Path::new(folder.trim_end());
        let paths = paths(folder);
        let modules = read(folder, &paths);
        let installed: Vec<_> = paths
            .iter()
            .zip(&modules)
            .map(|(path, module)| Installed {
                path: path.to_str().unwrap(),
                module,
            })
            .collect();
        let list = |name: &str| fs::read(folder.join(name)).unwrap();
        let order = list("modules.order");
        let builtin = list("modules.builtin");
        let modinfo = list("modules.builtin.modinfo");
        let tree = Tree {
            modules: &installed,
            order: Some(&order),
            builtin: Some(&builtin),
            builtin_modinfo: Some(&modinfo),
        };
        let mut group = criterion.benchmark_group(format!("{} modules", paths.len()));
        group.sample_size(10);
        group.bench_function("index", |bench| {
            bench.iter(|| depmod(black_box(&tree)).unwrap());
        });
        group.bench_function("read", |bench| {
            bench.iter(|| read(folder, black_box(&paths)));
        });
        let output = tempfile::tempdir().unwrap();
        // `<root>/lib/modules/<version>`
        let version = folder.file_name().unwrap();
        let root = folder.ancestors().nth(3).unwrap();
        group.bench_function("kmod", |bench| {
            bench.iter(|| {
                let mut words = command.lines();
                let status = Command::new(words.next().unwrap())
                    .args(words)
                    .args(["-a", "-C", "/dev/null", "-b"])
                    .arg(root)
                    .arg("-o")
                    .arg(output.path())
                    .arg(version)
                    .status();
                assert!(status.unwrap().success());
            });
        });
        group.finish();
    }
}

criterion_group!(benches, indexes);
criterion_main!(benches);
