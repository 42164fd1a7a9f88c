//! Boots in QEMU what the service sends: `cargo test --release --test boots -- --test-threads=2`.
//!
//! `TALOS_FORGE_TEST_RELEASE` names the stand-in release, an OCI layout that
//! `hack/release --size 4 4` made.
//! The machine's `/init` prints PROBE lines (`hack/standin/init`); each test compares them with its
//! schematic, with the command line of the service, and with the files of the extensions' images.
#![expect(clippy::print_stderr, reason = "tests say how long a boot took")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "boots/full.rs"]
mod full;
#[path = "boots/sets.rs"]
mod sets;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::Instant,
};

use flate2::read::GzDecoder;
use reqwest::{Client, Method};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;

const RELEASE: &str = "TALOS_FORGE_TEST_RELEASE";
/// Its machines also get an embedded configuration, which needs 1.12.
const CURRENT: &str = "v1.14.0";
/// The last version before systemd-boot.
const OLD: &str = "v1.9.5";
const EXTENSIONS: [&str; 3] = [
    "siderolabs/hello-world-service",
    "siderolabs/iscsi-tools",
    "siderolabs/util-linux-tools",
];
/// Extensions with kernel modules: plain ones, some packed with xz, some packed with zstd and below `extras`. Each has the
/// module of its own name, which needs others.
const MODULES: [&str; 3] = ["btrfs", "nfsd", "drbd"];
/// Files of each extension that a machine hashes; the kernel's command line has 2048 bytes.
const FILES_EACH: usize = 3;
const META: &str = "a value with = and a comma, of course";
/// Long enough for two machines on two busy cores.
const BOOT_SECONDS: &str = "180";
const BOOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/boot");
/// Ends the service and removes its data when this process is gone, however it went.
const KEEPER: &str = r#"trap : INT; directory=$1; shift; "$@" & exec >/dev/null; cat; kill $!; wait; rm -r "$directory""#;

/// The real binary, as a service on a free port.
struct Service {
    url: String,
    release: PathBuf,
    /// How long a machine may take that boots what it sends.
    boot_seconds: &'static str,
    runtime: Runtime,
    client: Client,
    _keeper: Child,
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let release = env::var_os(RELEASE)
        .unwrap_or_else(|| panic!("{RELEASE} must name a stand-in release (hack/release)"));
    Service::start(release.into(), BOOT_SECONDS)
});

impl Service {
    fn start(release: PathBuf, boot_seconds: &'static str) -> Self {
        let data = scratch().keep();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&data)
            .arg(env!("CARGO_BIN_EXE_talos-forge"))
            .args(["serve", "--log-level", "error"])
            .args(["--listen", "127.0.0.1:0", "--source"])
            .arg(format!("oci:{}", release.display()))
            .arg("--data-dir")
            .arg(data.join("data"))
            .env("IF_METRICS_ADDR", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        let stdout = keeper.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();
        let url = url.trim_end().trim_end_matches('/').to_owned();
        assert!(url.starts_with("http://"), "the service did not start");
        Self {
            url,
            release,
            boot_seconds,
            runtime: Runtime::new().unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
            _keeper: keeper,
        }
    }

    /// The body of an answer, which must be a success.
    fn ask(&self, method: Method, path: &str, body: String) -> Vec<u8> {
        self.runtime.block_on(async {
            let url = format!("{}/{path}", self.url);
            let request = self.client.request(method, url).body(body);
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let body = answer.bytes().await.unwrap();
            let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
            assert!(status.is_success(), "{path}: {status}: {text}");
            body.to_vec()
        })
    }

    fn get(&self, path: &str) -> Vec<u8> {
        self.ask(Method::GET, path, String::new())
    }

    /// A JSON blob of the release.
    fn blob(&self, digest: &str) -> Value {
        serde_json::from_slice(&fs::read(self.blob_path(digest)).unwrap()).unwrap()
    }

    fn blob_path(&self, digest: &str) -> PathBuf {
        self.release.join("blobs").join(digest.replace(':', "/"))
    }

    /// SHA-256 of the regular files of an extension's image, by their path in the machine.
    fn extension_files(&self, version: &str, name: &str, arch: &str) -> BTreeMap<String, String> {
        let list = self.get(&format!("version/{version}/extensions/official"));
        let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
        let entry = list.iter().find(|entry| entry["name"] == name).unwrap();
        let mut manifest = self.blob(entry["digest"].as_str().unwrap());
        if let Some(platforms) = manifest["manifests"].as_array() {
            let mut platforms = platforms.iter();
            let fits = |platform: &&Value| platform["platform"]["architecture"] == arch;
            manifest = self.blob(platforms.find(fits).unwrap()["digest"].as_str().unwrap());
        }
        let mut files = BTreeMap::new();
        for layer in manifest["layers"].as_array().unwrap() {
            let layer = fs::File::open(self.blob_path(layer["digest"].as_str().unwrap())).unwrap();
            let mut layer = tar::Archive::new(GzDecoder::new(layer));
            for entry in layer.entries().unwrap() {
                let mut entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                let Some(path) = path.strip_prefix("rootfs") else {
                    continue;
                };
                if !entry.header().entry_type().is_file() {
                    continue;
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.insert(path.to_owned(), hex(&Sha256::digest(&content)));
            }
        }
        files
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Where a machine has its command line from.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    /// The artifact `cmdline-…`, or the PXE script.
    Asked,
    /// A UKI, which never has META.
    Uki,
    /// An ISO, which must not boot over an installed system.
    Iso {
        /// Whether it is GRUB that starts the kernel, which tells it where it lies.
        grub: bool,
    },
    /// A disk, which has META on a partition.
    Disk {
        /// Whether it has two boot loaders, which META tells.
        dual: bool,
        /// What started it, as it says itself: GRUB puts a word before the command line.
        by: Loader,
    },
}

/// The boot loader of a disk.
#[derive(Clone, Copy, PartialEq)]
enum Loader {
    SdBoot,
    Grub,
}

/// A schematic of its own for one boot, and what the machine must say because of it.
struct Boot<'a> {
    service: &'a Service,
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    directory: tempfile::TempDir,
    schematic: Value,
    id: String,
    files: BTreeMap<String, String>,
    config: Option<String>,
    modules: &'static [&'static str],
}

impl<'a> Boot<'a> {
    fn new(
        service: &'a Service,
        name: &'static str,
        version: &'static str,
        arch: &'static str,
    ) -> Self {
        Self::with(service, name, version, arch, &serde_json::json!({}), &[])
    }

    /// With more in its schematic's customization, and with the extensions of these `modules`, which the machine loads.
    fn with(
        service: &'a Service,
        name: &'static str,
        version: &'static str,
        arch: &'static str,
        more: &Value,
        modules: &'static [&'static str],
    ) -> Self {
        let mut files = BTreeMap::new();
        for extension in EXTENSIONS {
            let all = service.extension_files(version, extension, arch);
            let plain = all
                .into_iter()
                .filter(|(path, _)| path.len() < 100 && !path.contains([' ', ',']));
            files.extend(plain.take(FILES_EACH));
        }
        assert!(files.len() > EXTENSIONS.len(), "{files:?}");
        let config = (version == CURRENT)
            .then(|| format!("apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: {name}\n"));

        let directory = scratch();
        // unique: the scratch directory's name is
        let nonce = directory.path().file_name().unwrap().display().to_string();
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        let console = if arch == "arm64" { "ttyAMA0" } else { "ttyS0" };
        let mut extensions = EXTENSIONS.map(str::to_owned).to_vec();
        extensions.extend(modules.iter().map(|name| format!("siderolabs/{name}")));
        let mut schematic = serde_json::json!({"customization": {
            "extraKernelArgs": [
                format!("console={console}"),
                format!("probe.nonce={nonce}"),
                format!("probe.file={}", paths.join(",")),
                format!("probe.module={}", modules.join(",")),
            ],
            "meta": [{"key": 10, "value": META}],
            "systemExtensions": {"officialExtensions": extensions},
        }});
        if let Some(config) = &config {
            schematic["customization"]["embeddedMachineConfiguration"] = config.as_str().into();
        }
        for (key, value) in more.as_object().unwrap() {
            schematic["customization"][key] = value.clone();
        }
        let answer = service.ask(Method::POST, "schematics", schematic.to_string());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let id = answer["id"].as_str().unwrap().to_owned();
        Self {
            service,
            name,
            version,
            arch,
            directory,
            schematic,
            id,
            files,
            config,
            modules,
        }
    }

    /// Path of an artifact in the service.
    fn path(&self, artifact: &str) -> String {
        format!("image/{}/{}/{artifact}", self.id, self.version)
    }

    fn url(&self, artifact: &str) -> String {
        format!("{}/{}", self.service.url, self.path(artifact))
    }

    fn download(&self, artifact: &str) -> PathBuf {
        let file = self.directory.path().join(artifact);
        fs::write(&file, self.service.get(&self.path(artifact))).unwrap();
        file
    }

    fn command_line(&self) -> String {
        let artifact = format!("cmdline-metal-{}", self.arch);
        let text = self.service.get(&self.path(&artifact));
        String::from_utf8(text).unwrap().trim_end().to_owned()
    }

    fn expected(&self, origin: Origin) -> String {
        let line = self.command_line();
        let mut words: Vec<&str> = line.split(' ').collect();
        match origin {
            Origin::Asked => {}
            Origin::Uki | Origin::Disk { .. } => {
                words.retain(|word| !word.starts_with("talos.environment="));
                if matches!(origin, Origin::Disk { by, .. } if by == Loader::Grub) {
                    words.insert(0, "BOOT_IMAGE=/A/vmlinuz");
                }
            }
            Origin::Iso { grub } => {
                let console = |word: &&str| word.starts_with("console=");
                let after = words.iter().position(console).unwrap() + 1;
                words.insert(after, "talos.halt_if_installed=1");
                if grub {
                    words.insert(0, "BOOT_IMAGE=/boot/vmlinuz");
                }
            }
        }
        words.join(" ")
    }

    /// What `talos-forge build` makes of the same schematic and release.
    fn build(&self, artifact: &str) -> PathBuf {
        let schematic = self.directory.path().join("schematic.yaml");
        fs::write(&schematic, self.schematic.to_string()).unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_talos-forge"))
            .arg("--source")
            .arg(format!("oci:{}", self.service.release.display()))
            .arg("--data-dir")
            .arg(self.directory.path().join("data"))
            .args(["build", self.version, artifact, "-s"])
            .arg(schematic)
            .arg("-o")
            .arg(self.directory.path())
            .status()
            .unwrap();
        assert!(status.success());
        self.directory.path().join(artifact)
    }

    /// Boots with `hack/boot ARGUMENTS` and checks every line that the schematic decides; answers all lines.
    fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        origin: Origin,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let text = console(self.name, arguments, self.service.boot_seconds);
        self.check(origin, &Probe::parse(&text));
        text
    }

    fn check(&self, origin: Origin, probe: &Probe) {
        assert_eq!(probe.values("CMDLINE"), [self.expected(origin)]);
        assert_eq!(probe.values("SCHEMATIC"), [self.id.as_str()]);
        let mut meta = Vec::from_iter((origin != Origin::Uki).then(|| format!("0xa {META}")));
        if matches!(origin, Origin::Disk { dual: true, .. }) {
            meta.push("0x11 dual-boot".to_owned());
        }
        assert_eq!(probe.values("META"), meta);

        // each extension's image, the embedded configuration's where there is one, the schematic's
        let named = EXTENSIONS.len() + self.modules.len();
        let count = named + usize::from(self.config.is_some()) + 1;
        let mut layers = vec!["rootfs.sqsh".to_owned()];
        layers.extend((0..count).map(|index| format!("{index}.sqsh")));
        if !self.modules.is_empty() {
            layers.push("modules.dep.sqsh".to_owned());
        }
        let mounted: Vec<Vec<&str>> = probe
            .values("LAYER")
            .iter()
            .map(|line| line.split(' ').collect())
            .collect();
        let names: Vec<&str> = mounted.iter().map(|words| words[0]).collect();
        assert_eq!(names, layers);
        for words in mounted {
            assert_ne!(words[1].parse::<u32>().unwrap(), 0, "{words:?} is empty");
        }

        let files: BTreeMap<String, String> = probe
            .values("FILE")
            .iter()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(path, digest)| (path.to_owned(), digest.to_owned()))
            .collect();
        assert_eq!(files, self.files);

        self.check_modules(probe);
        let config = self.config.as_deref().unwrap_or_default();
        assert_eq!(probe.values("CONFIG"), config.lines().collect::<Vec<_>>());
    }
}

impl Boot<'_> {
    /// Each module was loaded by its name alone, through an index in which it has what it needs.
    fn check_modules(&self, probe: &Probe) {
        let loaded: Vec<String> = self
            .modules
            .iter()
            .map(|name| format!("{name} loaded"))
            .collect();
        assert_eq!(probe.values("MODULE"), loaded);
        let index = probe.values("MODDEP");
        for name in self.modules {
            let line = index
                .iter()
                .find(|line| line.contains(&format!("/{name}.ko")));
            let line = line.unwrap_or_else(|| panic!("{name} is not in {index:?}"));
            let (_, needs) = line.split_once(": ").unwrap();
            assert!(!needs.is_empty(), "{line}");
        }
        if !self.modules.is_empty() {
            let base = index.iter().any(|line| line.contains("/mlxfw.ko:"));
            assert!(base, "the release's own modules are not in {index:?}");
        }
    }
}

/// The PROBE lines of a serial console.
struct Probe<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Probe<'a> {
    fn parse(log: &'a str) -> Self {
        let lines = log
            .lines()
            .filter_map(|line| line.trim_end_matches('\r').strip_prefix("PROBE-"));
        Self(lines.filter_map(|line| line.split_once(' ')).collect())
    }

    fn values(&self, key: &str) -> Vec<&'a str> {
        let fitting = self.0.iter().filter(|(name, _)| *name == key);
        fitting.map(|(_, value)| *value).collect()
    }
}

/// Kernel and initramfs, started by QEMU itself.
fn direct(name: &'static str, version: &'static str, arch: &'static str) {
    start(&Boot::new(&SERVICE, name, version, arch));
}

fn start(boot: &Boot<'_>) {
    let arch = boot.arch;
    let kernel = boot.download(&format!("kernel-{arch}"));
    let initramfs = boot.download(&format!("initramfs-{arch}.xz"));
    boot.run(
        Origin::Asked,
        [
            "--kernel".as_ref(),
            kernel.as_os_str(),
            "--initrd".as_ref(),
            initramfs.as_os_str(),
            "--append".as_ref(),
            boot.command_line().as_ref(),
        ],
    );
}

fn disk(
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    disk_of(&SERVICE, name, version, arch, more, firmware);
}

/// A raw disk, as `build` writes it: with holes, which nobody need download.
fn disk_of(
    service: &Service,
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    let boot = Boot::with(service, name, version, arch, more, &[]);
    let image = boot.build(&format!("metal-{arch}.raw"));
    // Two where a version knows systemd-boot, the machine has a BIOS, and nobody chose.
    let chosen = more.get("bootloader").and_then(Value::as_str);
    let dual = chosen.is_none() && arch == "amd64" && version != OLD;
    let by_bios = firmware.contains(&"--bios");
    let by = if by_bios || version == OLD || chosen == Some("grub") {
        Loader::Grub
    } else {
        Loader::SdBoot
    };
    let options = firmware.iter().map(AsRef::as_ref);
    let log = boot.run(
        Origin::Disk { dual, by },
        [image.as_os_str()].into_iter().chain(options),
    );
    let started = if by_bios { "bios" } else { "efi" };
    assert_eq!(Probe::parse(&log).values("FW"), [started]);
}

/// What a machine says that `hack/boot ARGUMENTS` starts.
fn console<A: AsRef<std::ffi::OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = A>,
    seconds: &str,
) -> String {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.log"));
    let begin = Instant::now();
    let status = Command::new(BOOT)
        .args(arguments)
        .args(["--quiet", "--timeout", seconds, "--log"])
        .arg(&log)
        .status()
        .unwrap();
    let took = begin.elapsed().as_secs_f32();
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
    assert!(
        status.success(),
        "no PROBE-OK; the end of {}:\n{}",
        log.display(),
        end(&text)
    );
    eprintln!("boots::{name}: PROBE-OK after {took:.1} s");
    text
}

/// The last lines of a console, without what terminals do not show.
fn end(console: &str) -> String {
    const LINES: usize = 40;
    let lines: Vec<&str> = console.lines().collect();
    let mut text = lines[lines.len().saturating_sub(LINES)..].join("\n");
    text.retain(|letter| letter == '\n' || !letter.is_control());
    text
}

/// An ISO whose kernel GRUB starts, as a CD and as a disk.
fn grub_iso(
    name: &'static str,
    version: &'static str,
    arch: &'static str,
    more: &Value,
    firmware: &[&str],
) {
    let boot = Boot::with(&SERVICE, name, version, arch, more, &[]);
    let image = boot.download(&format!("metal-{arch}.iso"));
    for medium in [&[][..], &["--disk"]] {
        let mut arguments = vec![image.as_os_str(), "--arch".as_ref(), arch.as_ref()];
        arguments.extend(
            firmware
                .iter()
                .chain(medium)
                .map(AsRef::<std::ffi::OsStr>::as_ref),
        );
        boot.run(Origin::Iso { grub: true }, arguments);
    }
}

/// An artifact that UEFI starts.
fn uefi(name: &'static str, arch: &'static str, suffix: &str, options: &[&str]) {
    let origin = if suffix == ".iso" {
        Origin::Iso { grub: false }
    } else {
        Origin::Uki
    };
    let boot = Boot::new(&SERVICE, name, CURRENT, arch);
    let image = boot.download(&format!("metal-{arch}{suffix}"));
    let options = options.iter().map(AsRef::as_ref);
    boot.run(origin, [image.as_os_str()].into_iter().chain(options));
}

#[test]
fn kernel_and_initramfs_boot_on_amd64() {
    direct("direct-amd64", CURRENT, "amd64");
}

#[test]
fn kernel_and_initramfs_boot_on_arm64() {
    direct("direct-arm64", CURRENT, "arm64");
}

#[test]
fn the_kernel_unpacks_extensions_framed_as_xz() {
    direct("direct-1.7", "v1.7.7", "amd64");
    direct("direct-1.7-arm64", "v1.7.7", "arm64");
}

#[test]
fn the_oldest_version_boots() {
    direct("direct-1.3", "v1.3.7", "amd64");
}

#[test]
fn the_last_version_with_modules_outside_usr_boots() {
    direct("direct-1.9", OLD, "amd64");
}

#[test]
fn modules_of_extensions_are_loaded_through_their_common_index() {
    for (name, version, arch) in [
        ("modules-amd64", CURRENT, "amd64"),
        ("modules-arm64", CURRENT, "arm64"),
        ("modules-1.9", "v1.9.5", "amd64"),
        ("modules-1.7", "v1.7.7", "amd64"),
    ] {
        let plain = serde_json::json!({});
        start(&Boot::with(&SERVICE, name, version, arch, &plain, &MODULES));
    }
}

#[test]
fn uki_boots_on_amd64() {
    uefi("uki-amd64", "amd64", "-uki.efi", &[]);
}

#[test]
fn uki_boots_on_arm64() {
    uefi("uki-arm64", "arm64", "-uki.efi", &[]);
}

#[test]
fn iso_boots_as_cd_on_amd64() {
    uefi("iso-cd-amd64", "amd64", ".iso", &[]);
}

#[test]
fn iso_with_two_boot_loaders_boots_by_a_bios() {
    let more = serde_json::json!({});
    grub_iso("iso-bios", CURRENT, "amd64", &more, &["--bios"]);
}

#[test]
fn iso_with_grub_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    grub_iso("iso-1.9-bios", OLD, "amd64", &more, &["--bios"]);
    grub_iso("iso-1.9-uefi", OLD, "amd64", &more, &[]);
}

#[test]
fn iso_boots_the_boot_loader_that_the_schematic_chose() {
    let grub = serde_json::json!({"bootloader": "grub"});
    grub_iso("iso-grub-bios", CURRENT, "amd64", &grub, &["--bios"]);
    grub_iso("iso-grub-uefi", CURRENT, "amd64", &grub, &[]);
}

#[test]
fn iso_with_grub_boots_on_arm64() {
    let more = serde_json::json!({});
    grub_iso("iso-1.9-arm64", OLD, "arm64", &more, &[]);
}

#[test]
fn iso_boots_as_cd_on_arm64() {
    uefi("iso-cd-arm64", "arm64", ".iso", &[]);
}

#[test]
fn iso_boots_as_disk_on_amd64() {
    uefi("iso-disk-amd64", "amd64", ".iso", &["--disk"]);
}

#[test]
fn iso_boots_as_disk_on_arm64() {
    uefi("iso-disk-arm64", "arm64", ".iso", &["--disk"]);
}

#[test]
fn ipxe_boots_from_the_running_service() {
    let boot = Boot::new(&SERVICE, "ipxe", CURRENT, "amd64");
    let script = format!("{}/pxe/{}/{CURRENT}/metal-amd64", boot.service.url, boot.id);
    boot.run(Origin::Asked, ["--bios", "--ipxe", &script]);
}

#[test]
fn firmware_boots_the_uki_over_http() {
    let boot = Boot::new(&SERVICE, "http-boot", CURRENT, "amd64");
    boot.run(
        Origin::Uki,
        ["--http-boot", &boot.url("metal-amd64-uki.efi")],
    );
}

#[test]
fn iso_boots_while_it_is_read_over_http() {
    let boot = Boot::new(&SERVICE, "iso-http", CURRENT, "amd64");
    boot.run(Origin::Iso { grub: false }, [&boot.url("metal-amd64.iso")]);
}

#[test]
fn what_build_wrote_boots() {
    let boot = Boot::new(&SERVICE, "build-uki", CURRENT, "amd64");
    let image = boot.build("metal-amd64-uki.efi");
    boot.run(Origin::Uki, [image]);
}

#[test]
fn a_disk_with_grub_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    disk("disk-1.9-bios", OLD, "amd64", &more, &["--bios"]);
    disk("disk-1.9-uefi", OLD, "amd64", &more, &[]);
}

#[test]
fn a_disk_with_two_boot_loaders_boots_by_a_bios_and_by_uefi() {
    let more = serde_json::json!({});
    disk("disk-1.11-bios", "v1.11.5", "amd64", &more, &["--bios"]);
    disk("disk-1.11-uefi", "v1.11.5", "amd64", &more, &[]);
    disk("disk-bios", CURRENT, "amd64", &more, &["--bios"]);
    disk("disk-uefi", CURRENT, "amd64", &more, &[]);
}

#[test]
fn a_disk_boots_the_boot_loader_that_the_schematic_chose() {
    let grub = serde_json::json!({"bootloader": "grub"});
    disk("disk-grub-bios", CURRENT, "amd64", &grub, &["--bios"]);
    disk("disk-grub-uefi", CURRENT, "amd64", &grub, &[]);
    let sd_boot = serde_json::json!({"bootloader": "sd-boot"});
    disk("disk-sd-boot", CURRENT, "amd64", &sd_boot, &[]);
}

#[test]
fn a_disk_with_large_sectors_boots() {
    let more = serde_json::json!({"diskImage": {"sectorSize": 4096}});
    disk("disk-4k", CURRENT, "amd64", &more, &[]);
}

#[test]
fn a_disk_boots_on_arm64() {
    disk("disk-arm64", CURRENT, "arm64", &serde_json::json!({}), &[]);
}

#[test]
fn a_disk_boots_on_arm64_by_u_boot() {
    let more = serde_json::json!({});
    disk("disk-arm64-u-boot", CURRENT, "arm64", &more, &["--u-boot"]);
}

#[test]
fn a_disk_with_grub_boots_on_arm64() {
    let grub = serde_json::json!({"bootloader": "grub"});
    disk("disk-arm64-grub", CURRENT, "arm64", &grub, &[]);
}

#[test]
fn a_disk_boots_while_it_is_read_over_http() {
    let boot = Boot::new(&SERVICE, "disk-http", CURRENT, "amd64");
    let origin = Origin::Disk {
        dual: true,
        by: Loader::SdBoot,
    };
    boot.run(origin, [&boot.url("metal-amd64.raw")]);
}

/// QEMU reads them itself; the VMDK is taken out of the OVA.
#[test]
fn disks_for_hypervisors_boot() {
    let boot = Boot::new(&SERVICE, "disk-formats", CURRENT, "amd64");
    let origin = Origin::Disk {
        dual: true,
        by: Loader::SdBoot,
    };
    for format in ["qcow2", "vhd", "ova"] {
        boot.run(origin, [boot.build(&format!("metal-amd64.{format}"))]);
    }
}
