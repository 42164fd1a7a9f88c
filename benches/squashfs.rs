//! Squashfs: our images at several levels beside those that mksquashfs makes with the reference's options of the same tree.
//!
//! ```text
//! cargo bench --bench squashfs -- [DIR…]
//! ```
//!
//! Without directories: programs, a Debian kernel's modules and texts of this machine. Processor seconds are those of all
//! threads, so that what else the machine does hardly counts. Without mksquashfs nothing is measured.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails ends the bench, and its table is what it is for"
)]

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    num::NonZeroUsize,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use formats::{
    Digest,
    squashfs::{self, Compression, Directory, Node, Options, Symlink},
};

/// Levels of the table; 10 is that of extensions.
const LEVELS: [i32; 7] = [3, 7, 9, 10, 12, 14, 18];

/// What the reference gives mksquashfs (spec/initramfs.md 1.6).
const REFERENCE: [(&str, [&str; 4]); 2] = [
    ("zstd", ["-comp", "zstd", "-Xcompression-level", "18"]),
    ("xz", ["-comp", "xz", "-Xdict-size", "100%"]),
];

/// Kernel clock ticks a second, in which `/proc` counts.
const TICKS: f64 = 100.0;

/// A tree, and where the content of its files lies.
#[derive(Default)]
struct Tree {
    paths: HashMap<Digest, PathBuf>,
    bytes: u64,
}

impl Tree {
    fn read(&mut self, directory: &Path) -> Directory {
        let mut read = Directory::new(0o755);
        for entry in fs::read_dir(directory).unwrap() {
            let (path, name) = {
                let entry = entry.unwrap();
                (entry.path(), entry.file_name())
            };
            let metadata = fs::symlink_metadata(&path).unwrap();
            let node = if metadata.is_dir() {
                Node::Directory(self.read(&path))
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                Node::Symlink(Symlink::new(target.as_os_str().as_bytes()))
            } else {
                let content = fs::read(&path).unwrap();
                let (digest, len) = (Digest::of(&content), content.len() as u64);
                self.paths.insert(digest, path);
                self.bytes += len;
                let mode = u16::try_from(metadata.permissions().mode() & 0o7777).unwrap();
                Node::File(squashfs::File::blob(mode, digest, len))
            };
            read.entries.insert(name.as_bytes().to_vec(), node);
        }
        read
    }
}

/// Counts what is written.
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Processor seconds of this process and of the children it waited for.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11);
    fields
        .take(4)
        .map(|ticks| ticks.parse::<f64>().unwrap() / TICKS)
        .sum()
}

/// What `work` comes to, and its processor seconds.
fn timed(work: impl FnOnce() -> u64) -> (u64, f64) {
    let start = processor();
    let len = work();
    (len, processor() - start)
}

fn theirs(directory: &Path, options: &[&str], threads: NonZeroUsize) -> u64 {
    let image = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("mksquashfs")
        .args([directory, image.path()])
        .args(["-all-root", "-noappend", "-no-progress", "-quiet"])
        .args(["-processors", &threads.to_string()])
        .args(options)
        .status()
        .unwrap();
    assert!(status.success());
    image.as_file().metadata().unwrap().len()
}

fn ours(root: &Directory, tree: &Tree, compression: Compression, threads: NonZeroUsize) -> u64 {
    let options = Options {
        compression,
        time: 0,
        threads,
    };
    let open = |digest: &Digest| File::open(&tree.paths[digest]);
    let written = squashfs::write(root, &options, open, &mut Counter(0)).unwrap();
    written.len
}

#[expect(
    clippy::cast_precision_loss,
    reason = "three digits of a ratio are shown"
)]
fn measure(name: &str, directory: &Path, threads: NonZeroUsize) {
    let mut tree = Tree::default();
    let root = tree.read(directory);
    let megabytes = tree.bytes as f64 / 1e6;
    for (kind, options) in REFERENCE {
        let (their_len, their_time) = timed(|| theirs(directory, &options, threads));
        println!(
            "{name:10} {megabytes:7.1} MB  mksquashfs {kind:9} {:7.2} MB {their_time:7.2} s",
            their_len as f64 / 1e6
        );
        let levels: Vec<(String, Compression)> = match kind {
            "xz" => vec![("xz".to_owned(), Compression::Xz)],
            _ => LEVELS
                .map(|level| (format!("zstd {level}"), Compression::Zstd { level }))
                .into(),
        };
        for (level, compression) in levels {
            let (len, time) = timed(|| ours(&root, &tree, compression, threads));
            println!(
                "{:24}ours {level:15} {:7.2} MB {time:7.2} s  size {:.3}  {:5.1} times as fast",
                "",
                len as f64 / 1e6,
                len as f64 / their_len as f64,
                their_time / time
            );
        }
    }
}

/// The modules of a Debian kernel, if they are to be had.
fn modules() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/depmod");
    let output = Command::new(program)
        .args(["--modules", "amd64"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    output
        .status
        .success()
        .then(|| Path::new(printed.trim_end()).join("kernel/net"))
}

fn main() {
    if Command::new("mksquashfs").arg("-version").output().is_err() {
        println!("mksquashfs is not installed: nothing is measured");
        return;
    }
    let named = std::env::args().skip(1);
    let mut trees: Vec<(String, PathBuf)> = named
        .filter(|argument| !argument.starts_with('-'))
        .map(|argument| (argument.clone(), argument.into()))
        .collect();
    if trees.is_empty() {
        trees.push(("programs".to_owned(), "/usr/sbin".into()));
        trees.extend(modules().map(|path| ("modules".to_owned(), path)));
        trees.push(("texts".to_owned(), "/usr/share/perl".into()));
    }
    let threads = std::thread::available_parallelism().unwrap();
    for (name, directory) in &trees {
        measure(name, directory, threads);
    }
}
