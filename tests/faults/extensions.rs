//! Extensions that mean no good, from an extra catalogue: refused with the reason, or made all the same in bounded memory.

use std::{fmt::Write as _, fs, path::Path};

use formats::Digest;
use serde_json::{Value, json};

use crate::{
    registry::Registry,
    support::{Answer, Process, VERSION, alone, exchange, forge, get, layout, release},
};

/// The most that the service may ever have had in memory, in KiB.
const MEMORY: u64 = 512 << 10;

/// Contents of files by path.
type Files = Vec<(String, Vec<u8>)>;

/// An OCI layout in a directory, with the catalogue `team/extensions`.
struct Catalog<'a> {
    folder: &'a Path,
    index: Vec<Value>,
    lines: String,
}

impl<'a> Catalog<'a> {
    fn new(folder: &'a Path) -> Self {
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        Self {
            folder,
            index: Vec::new(),
            lines: String::new(),
        }
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.path(&digest), bytes).unwrap();
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": digest.to_string(), "size": bytes.len()})
    }

    fn path(&self, digest: &Digest) -> std::path::PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    /// Adds an image; returns the digests of its manifest and of its layer.
    fn image(&mut self, name: &str, tag: &str, files: &Files) -> (Digest, Digest) {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, &content[..]).unwrap();
        }
        let layer = self.blob("layer.v1.tar", &tar.into_inner().unwrap());
        let config = self.blob(
            "config.v1+json",
            br#"{"architecture":"amd64","os":"linux"}"#,
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [layer],
        });
        let mut entry = self.blob("manifest.v1+json", manifest.to_string().as_bytes());
        let reference = format!("team/{name}:{tag}");
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": reference});
        let digest = |value: &Value| value["digest"].as_str().unwrap().parse().unwrap();
        let digests = (digest(&entry), digest(&layer));
        self.index.push(entry);
        digests
    }

    /// Adds an extension and lists it.
    fn extension(&mut self, name: &str, manifest: &str, files: Files) -> (Digest, Digest) {
        let mut all = vec![
            ("manifest.yaml".to_owned(), manifest.as_bytes().to_vec()),
            (format!("rootfs/usr/local/{name}"), b"here".to_vec()),
        ];
        let files = files.into_iter();
        all.extend(files.map(|(path, content)| (format!("rootfs/{path}"), content)));
        let digests = self.image(name, "1", &all);
        writeln!(self.lines, "example.org/team/{name}:1@{}", digests.0).unwrap();
        digests
    }

    /// Starts a registry with all of it.
    fn serve(mut self) -> Registry {
        let lines = vec![("image-digests".to_owned(), self.lines.clone().into_bytes())];
        self.image("extensions", VERSION, &lines);
        let index = json!({"schemaVersion": 2, "manifests": self.index});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        Registry::start(self.folder)
    }
}

fn manifest(name: &str) -> String {
    format!(
        "version: v1alpha1\nmetadata:\n  name: {name}\n  version: \"1\"\n  author: me\n  description: mine\n"
    )
}

/// The answer about an initramfs with one extension.
fn ask(process: &Process, extension: &str) -> Answer {
    let schematic =
        json!({"customization": {"systemExtensions": {"officialExtensions": [extension]}}})
            .to_string();
    let post = format!(
        "POST /schematics HTTP/1.1\r\nHost: forge\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{schematic}",
        schematic.len()
    );
    let created = exchange(process.address, post.as_bytes());
    let created: Value = serde_json::from_slice(&created.body).unwrap();
    let id = created["id"].as_str().unwrap();
    get(
        process.address,
        &format!("/image/{id}/{VERSION}/initramfs-amd64.xz"),
    )
}

/// The most memory that the service has had so far, in KiB.
fn memory(process: &Process) -> u64 {
    let status = format!("/proc/{}/status", process.pid().as_raw_nonzero());
    let status = fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// An ELF file for this architecture whose header leads to `sections` of them, at `offset`.
fn elf(sections: u16, offset: u64) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([1, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([0; 16]);
    file.extend(offset.to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 64, 0]);
    file.extend(sections.to_le_bytes());
    file.extend((sections.wrapping_sub(1)).to_le_bytes());
    // A section of any type that claims all there is to claim.
    for word in 0..64 {
        file.extend(u64::MAX.wrapping_shr(word).to_le_bytes());
    }
    file
}

/// Modules that are not what they seem, for a kernel.
fn modules(kernel: &str) -> Files {
    let bomb = || zstd::encode_all(std::io::Read::take(std::io::repeat(0), 1 << 30), 1).unwrap();
    let files = [
        ("beyond.ko", elf(10, u64::MAX - 63)),
        ("many.ko", elf(u16::MAX, 64)),
        ("none.ko", elf(0, 64)),
        ("itself.ko", elf(9, 0)),
        ("cut.ko", b"\x7fELF\x02\x01".to_vec()),
        ("text.ko", b"not a module".to_vec()),
        ("text.ko.xz", b"not a stream".to_vec()),
        ("bomb.ko.zst", bomb()),
    ];
    let place = |name| format!("usr/lib/modules/{kernel}/extras/{name}");
    files.map(|(name, bytes)| (place(name), bytes)).into()
}

#[test]
fn what_cannot_be_used_is_refused_with_the_reason() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let process = Process::start(forge(data.path(), &layout(&release)));
    for (name, reason) in [
        ("siderolabs/test-future", "version constraint"),
        (
            "siderolabs/test-other-kernel",
            "has modules for kernel 9.9.9-other, the image's kernel is",
        ),
    ] {
        let answer = ask(&process, name);
        println!("{name}: {}: {}", answer.status, answer.text());
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(answer.text().contains(reason), "{name}: {}", answer.text());
    }
}

#[test]
fn extensions_that_mean_no_good_cost_neither_memory_nor_the_service() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut catalog = Catalog::new(folder.path());
    catalog.extension("good", &manifest("good"), Files::new());
    let bomb = (1..30).fold(
        format!("{}x:\n  a0: &a0 [x, x]\n", manifest("bomb")),
        |mut text, level| {
            let below = level - 1;
            writeln!(
                text,
                "  a{level}: &a{level} [*a{below}, *a{below}, *a{below}]"
            )
            .unwrap();
            text
        },
    );
    catalog.extension("bomb", &bomb, Files::new());
    catalog.extension("nested", &"[".repeat(1 << 19), Files::new());
    let long = format!("{}#{}\n", manifest("long"), "x".repeat(2 << 20));
    catalog.extension("long", &long, Files::new());
    let many = (0..100_000_usize)
        .map(|number| {
            let path = format!("usr/local/many/{:03}/{number}", number / 500);
            (path, number.to_string().into_bytes())
        })
        .collect();
    catalog.extension("many", &manifest("many"), many);
    let name = format!("usr/local/{}", "n".repeat(256));
    let named = vec![(name, b"here".to_vec())];
    catalog.extension("long-name", &manifest("long-name"), named);
    let other = modules("0.0.0");
    catalog.extension("other-kernel", &manifest("other-kernel"), other);
    // What the catalogue says of these is a lie.
    let (image, _) = catalog.extension("liar", &manifest("liar"), Files::new());
    fs::write(catalog.path(&image), r#"{"schemaVersion":2,"layers":[]}"#).unwrap();
    let (_, layer) = catalog.extension("layer-liar", &manifest("layer-liar"), Files::new());
    let mut bytes = fs::read(catalog.path(&layer)).unwrap();
    bytes[600] ^= 1;
    fs::write(catalog.path(&layer), bytes).unwrap();
    let registry = catalog.serve();

    let mut command = forge(data.path(), &layout(&release));
    let place = format!("{}/team/extensions", registry.address);
    command.env("IF_ARTIFACTS_EXTRAEXTENSIONS", place);
    let process = Process::start(command);
    let good = ask(&process, "team/good");
    assert_eq!(good.status, 200, "{}", good.text());
    println!("before: {} MiB at most", memory(&process) >> 10);
    for (name, status, reason) in [
        // What is not asked for is not followed.
        ("bomb", 200, ""),
        ("nested", 400, "nested deeper than"),
        ("long", 502, "manifest.yaml is longer than"),
        ("many", 200, ""),
        ("long-name", 400, "cannot name \"usr/local/nnn"),
        ("other-kernel", 400, "the image's kernel is"),
        ("liar", 502, "the bytes hash to"),
        ("layer-liar", 502, ""),
    ] {
        let answer = ask(&process, &format!("team/{name}"));
        let text = if answer.status == 200 {
            "made".to_owned()
        } else {
            answer.text()
        };
        println!(
            "{name}: {}, {} MiB at most: {}",
            answer.status,
            memory(&process) >> 10,
            text.trim_end()
        );
        assert_eq!(answer.status, status, "{name}: {text}");
        assert!(text.contains(reason), "{name}: {text}");
        // It is the catalogue's registry that is to blame, not the release.
        assert!(status != 502 || text.starts_with("registry "), "{text}");
    }
    assert_eq!(ask(&process, "team/good").sha256(), good.sha256());
    assert!(memory(&process) < MEMORY);
}

#[test]
fn modules_that_lie_about_themselves_cost_no_memory() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The image's kernel, which the refusal of another one names.
    let plain = Process::start(forge(data.path(), &layout(&release)));
    let refused = ask(&plain, "siderolabs/test-other-kernel").text();
    let kernel = refused.trim_end().rsplit_once("kernel is ").unwrap().1;
    drop(plain);
    let mut catalog = Catalog::new(folder.path());
    for (path, content) in modules(kernel) {
        let name = path.rsplit_once('/').unwrap().1.replace('.', "-");
        catalog.extension(&name, &manifest(&name), vec![(path, content)]);
    }
    let registry = catalog.serve();
    let mut command = forge(data.path(), &layout(&release));
    let place = format!("{}/team/extensions", registry.address);
    command.env("IF_ARTIFACTS_EXTRAEXTENSIONS", place);
    let process = Process::start(command);
    for (path, _) in modules(kernel) {
        let name = path.rsplit_once('/').unwrap().1.replace('.', "-");
        let answer = ask(&process, &format!("team/{name}"));
        println!(
            "{name}: {}, {} MiB at most",
            answer.status,
            memory(&process) >> 10
        );
        // kmod lists what is no module without dependencies, and so do we.
        assert!([200, 400].contains(&answer.status), "{}", answer.text());
        if answer.status == 400 {
            println!("    {}", answer.text().trim_end());
        }
        assert!(memory(&process) < MEMORY);
    }
}
