//! Disks in every format and packing, as `build` writes them, before the decoders and image tools of others.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

#[path = "../../formats/tests/judges/mod.rs"]
mod judges;
#[path = "../../assembler/tests/support/standin.rs"]
mod standin;

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, Weak},
};

use judges::judge;
use sha2::{Digest as _, Sha256};

/// Its disks are the smallest, 1246 MiB.
const VERSION: &str = "v1.9.5";
const SCHEMATIC: &str = "customization:
  extraKernelArgs: [judged=1]
  systemExtensions:
    officialExtensions: [siderolabs/hello-world-service, siderolabs/util-linux-tools]
";
/// Where Debian keeps the sources of libraries in Go.
const GO_SOURCES: &str = "/usr/share/gocode";

/// What `metal-amd64` is asked for with.
const SUFFIXES: [&str; 8] = [
    "raw",
    "raw.zst",
    "raw.xz",
    "raw.gz",
    "raw.tar.gz",
    "qcow2",
    "vhd",
    "ova",
];

/// `metal-amd64` with each of [`SUFFIXES`], in a folder of their own.
struct Built(tempfile::TempDir);

impl Built {
    /// Shared by the tests that run at a time, and gone with the last of them; `None` without a release.
    fn get() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Built>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        if let Some(built) = shared.upgrade() {
            return Some(built);
        }
        let built = Arc::new(Self::new()?);
        *shared = Arc::downgrade(&built);
        Some(built)
    }

    fn new() -> Option<Self> {
        let release = standin::release()?;
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let schematic = folder.path().join("schematic.yaml");
        std::fs::write(&schematic, SCHEMATIC).unwrap();
        let names = SUFFIXES.map(|suffix| format!("metal-amd64.{suffix}"));
        verdict(
            Command::new(env!("CARGO_BIN_EXE_talos-forge"))
                .arg("--source")
                .arg(format!("oci:{}", release.display()))
                .arg("--data-dir")
                .arg(folder.path().join("data"))
                .args(["build", VERSION, "-s"])
                .arg(schematic)
                .arg("-o")
                .arg(folder.path().join(""))
                .args(names),
        );
        Some(Self(folder))
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.0.path().join(format!("metal-amd64.{suffix}"))
    }

    fn digest(&self, suffix: &str) -> String {
        digest(File::open(self.path(suffix)).unwrap())
    }
}

/// The SHA-256 of all there is to read.
fn digest(mut input: impl Read) -> String {
    let mut hash = Hash(Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let len = input.read(&mut buffer).unwrap();
        if len == 0 {
            return hash.hex();
        }
        hash.0.update(&buffer[..len]);
    }
}

struct Hash(Sha256);

impl Hash {
    fn hex(self) -> String {
        let bytes = self.0.finalize();
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }
}

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output and standard error of a judge that must be content.
fn verdict(command: &mut Command) -> String {
    let output = command.env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

/// The digest of what a judge that must be content writes.
fn unpacked(command: &mut Command) -> String {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let digest = digest(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success(), "{command:?}");
    digest
}

#[test]
fn programs_unpack_the_raw_disk() {
    let Some(built) = Built::get() else {
        return;
    };
    let expected = built.digest("raw");
    for (program, options, suffix) in [
        ("zstd", &["-dc"][..], "raw.zst"),
        ("zstd", &["-dc", "-T0"], "raw.zst"),
        ("xz", &["-dc", "-T1"], "raw.xz"),
        ("xz", &["-dc", "-T0"], "raw.xz"),
        ("gzip", &["-dc"], "raw.gz"),
        ("pigz", &["-dc"], "raw.gz"),
    ] {
        let Some(mut command) = judge(program) else {
            continue;
        };
        let found = unpacked(command.args(options).arg(built.path(suffix)));
        assert_eq!(found, expected, "{program} {options:?}");
    }
}

/// What programs say of a packed file without unpacking it.
#[test]
fn programs_list_one_frame_one_stream_and_one_member() {
    let Some(built) = Built::get() else {
        return;
    };
    let raw = std::fs::metadata(built.path("raw")).unwrap().len();
    if let Some(mut zstd) = judge("zstd") {
        let text = verdict(zstd.arg("-lv").arg(built.path("raw.zst")));
        for line in [
            "# Zstandard Frames: 1\n",
            "Window Size: 128 KiB (131072 B)\n",
            "Check: None",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.contains(&format!("({raw} B)")), "{text}");
    }
    if let Some(mut xz) = judge("xz") {
        let text = verdict(xz.args(["-lvv", "--robot"]).arg(built.path("raw.xz")));
        let totals: Vec<&str> = text.lines().last().unwrap().split('\t').collect();
        assert_eq!(
            (totals[1], totals[4], totals[6]),
            ("1", raw.to_string().as_str(), "CRC64"),
            "{text}"
        );
        let blocks = text.lines().filter(|line| line.starts_with("block\t"));
        let mut count = 0;
        for block in blocks {
            let columns: Vec<&str> = block.split('\t').collect();
            assert!(columns[7].parse::<u64>().unwrap() <= 16 << 20, "{block}");
            count += 1;
        }
        assert_eq!(totals[2], count.to_string());
    }
    if let Some(mut gzip) = judge("gzip") {
        let text = verdict(gzip.args(["-lvN"]).arg(built.path("raw.gz")));
        assert!(text.contains(&format!(" {raw} ")), "{text}");
        assert!(text.trim_end().ends_with("metal-amd64.raw"), "{text}");
    }
}

#[test]
fn gnu_tar_and_bsdtar_unpack_a_disk_with_holes() {
    let Some(built) = Built::get() else {
        return;
    };
    let expected = built.digest("raw");
    let raw = std::fs::metadata(built.path("raw")).unwrap();
    if let Some(mut tar) = judge("tar") {
        let listing = verdict(
            tar.args(["--numeric-owner", "-tvzf"])
                .arg(built.path("raw.tar.gz")),
        );
        let words: Vec<&str> = listing.split_whitespace().collect();
        let len = raw.len().to_string();
        assert_eq!(
            words,
            ["-rw-r--r--", "0/0", &len, "2019-06-01", "21:34", "disk.raw"]
        );
    }
    for program in ["tar", "bsdtar"] {
        let Some(mut tar) = judge(program) else {
            continue;
        };
        let folder = tempfile::tempdir_in(built.0.path()).unwrap();
        let extract = tar.current_dir(folder.path()).arg("-xzf");
        verdict(extract.arg(built.path("raw.tar.gz")));
        let disk = folder.path().join("disk.raw");
        let room = std::fs::metadata(&disk).unwrap().blocks();
        assert!(
            room <= raw.blocks() * 2,
            "{program}: {room} of {} blocks",
            raw.blocks()
        );
        assert_eq!(digest(File::open(disk).unwrap()), expected, "{program}");
    }
}

/// `qemu-img` finds `image`, of a format as it calls it, to hold the disk.
fn same_disk(built: &Built, format: &str, image: &Path) -> Option<String> {
    let info = verdict(judge("qemu-img")?.args(["info", "-f", format]).arg(image));
    let len = std::fs::metadata(built.path("raw")).unwrap().len();
    assert!(info.contains(&format!("({len} bytes)")), "{info}");
    let mut compare = judge("qemu-img")?;
    compare.args(["compare", "-f", "raw", "-F", format]);
    let text = verdict(compare.arg(built.path("raw")).arg(image));
    assert!(text.contains("Images are identical"), "{text}");
    Some(info)
}

#[test]
fn qemu_img_finds_the_disk_in_qcow2_and_vhd() {
    let Some(built) = Built::get() else {
        return;
    };
    let Some(info) = same_disk(&built, "qcow2", &built.path("qcow2")) else {
        return;
    };
    for line in ["cluster_size: 8192\n", "compat: 1.1\n", "corrupt: false\n"] {
        assert!(info.contains(line), "{info}");
    }
    let mut check = judge("qemu-img").unwrap();
    let text = verdict(
        check
            .args(["check", "-f", "qcow2"])
            .arg(built.path("qcow2")),
    );
    assert!(text.contains("No errors were found"), "{text}");
    same_disk(&built, "vpc", &built.path("vhd")).unwrap();
}

#[test]
fn an_archive_for_hypervisors_is_in_order_true_and_holds_the_disk() {
    let Some(built) = Built::get() else {
        return;
    };
    let folder = tempfile::tempdir_in(built.0.path()).unwrap();
    let Some(mut tar) = judge("tar") else { return };
    let extract = tar.current_dir(folder.path()).arg("-xvf");
    let order = verdict(extract.arg(built.path("ova")));
    assert_eq!(order, "disk.ovf\ndisk.vmdk\ndisk.mf\n");
    let file = |name: &str| folder.path().join(name);
    let len = |path: &Path| std::fs::metadata(path).unwrap().len();

    let manifest = std::fs::read_to_string(file("disk.mf")).unwrap();
    let Some(mut sums) = judge("sha256sum") else {
        return;
    };
    let sums = verdict(
        sums.current_dir(folder.path())
            .args(["disk.vmdk", "disk.ovf"]),
    );
    let listed: Vec<_> = manifest
        .lines()
        .map(|line| {
            let (name, digest) = line
                .strip_prefix("SHA256(")
                .unwrap()
                .split_once(")= ")
                .unwrap();
            format!("{digest}  {name}")
        })
        .collect();
    assert_eq!(listed, sums.lines().collect::<Vec<_>>());

    let Some(mut python) = judge("python3") else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/packing_judges/ovf.py");
    let said = verdict(python.arg(script).arg(file("disk.ovf")));
    let expected = [
        "disk.vmdk",
        &len(&file("disk.vmdk")).to_string(),
        &(len(&built.path("raw")) >> 20).to_string(),
        "byte * 2^20",
        "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    same_disk(&built, "vmdk", &file("disk.vmdk"));
}

/// A Python that has zstandard: the first in the path, or Debian's, for which alone Debian packages it.
fn python() -> Option<Command> {
    judge("python3")?;
    let has_zstandard = |python: &&str| {
        let output = Command::new(python)
            .args(["-c", "import zstandard"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(has_zstandard);
    if found.is_none() {
        let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
        assert!(!required, "judge zstandard is not installed");
        println!("skipped: judge zstandard is not installed");
    }
    found.map(Command::new)
}

#[test]
fn the_libraries_of_python_unpack_the_raw_disk() {
    let Some(built) = Built::get() else {
        return;
    };
    let expected = built.digest("raw");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/packing_judges/unpack.py"
    );
    for format in ["zst", "xz", "gz", "tar.gz"] {
        let Some(mut python) = python() else { return };
        let path = built.path(&format!("raw.{format}"));
        let found = verdict(python.args([script, format]).arg(path));
        assert_eq!(found.trim_end(), expected, "{format}");
    }
}

#[test]
fn the_libraries_of_go_unpack_the_raw_disk() {
    let Some(mut go) = judge("go") else { return };
    let libraries = Path::new(GO_SOURCES).join("src/github.com");
    let installed =
        ["klauspost/compress", "ulikunitz/xz"].map(|name| libraries.join(name).is_dir());
    if installed != [true, true] {
        let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
        assert!(
            !required,
            "judges below {} are not installed",
            libraries.display()
        );
        println!(
            "skipped: judges below {} are not installed",
            libraries.display()
        );
        return;
    }
    let Some(built) = Built::get() else {
        return;
    };
    let program = built.0.path().join("unpack");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/packing_judges/unpack.go"
    );
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    go.args(["build", "-o"])
        .arg(&program)
        .arg(source)
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_SOURCES)
        .env("GOFLAGS", "")
        .env("GOCACHE", folder.join("go-cache"));
    verdict(&mut go);
    let expected = built.digest("raw");
    for format in ["zst", "xz", "gz"] {
        let path = built.path(&format!("raw.{format}"));
        let found = verdict(Command::new(&program).arg(format).arg(path));
        assert_eq!(found.trim_end(), expected, "{format}");
    }
}

/// A file that is read one byte at a time.
struct Trickle(BufReader<File>);

impl Trickle {
    fn new(path: &Path) -> Self {
        Self(BufReader::with_capacity(1 << 20, File::open(path).unwrap()))
    }
}

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(1);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn decoders_that_are_fed_one_byte_at_a_time_give_the_disk() {
    let Some(built) = Built::get() else {
        return;
    };
    let expected = built.digest("raw");
    for suffix in ["raw.zst", "raw.xz", "raw.gz"] {
        // The decoders see a buffer of one byte, whatever they ask for.
        let input = BufReader::with_capacity(1, Trickle::new(&built.path(suffix)));
        let content: Box<dyn Read> = match suffix {
            "raw.zst" => Box::new(zstd::Decoder::with_buffer(input).unwrap()),
            "raw.xz" => Box::new(liblzma::bufread::XzDecoder::new(input)),
            _ => Box::new(flate2::bufread::GzDecoder::new(input)),
        };
        assert_eq!(digest(content), expected, "{suffix}");
    }
}
