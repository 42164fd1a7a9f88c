//! One boot: a schematic of its own, and what the machine must say because of it.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use reqwest::Method;
use serde_json::Value;

use crate::{
    CURRENT,
    console::{self, Probe},
    scratch,
    service::Service,
};

const EXTENSIONS: [&str; 3] = [
    "siderolabs/hello-world-service",
    "siderolabs/iscsi-tools",
    "siderolabs/util-linux-tools",
];
/// Files of each extension that a machine hashes; the kernel's command line has 2048 bytes.
const FILES_EACH: usize = 3;
const META: &str = "a value with = and a comma, of course";

/// Where a machine has its command line from.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Origin {
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
pub(crate) enum Loader {
    SdBoot,
    Grub,
}

/// A schematic of its own for one boot, and what the machine must say because of it.
pub(crate) struct Boot<'a> {
    pub(crate) service: &'a Service,
    name: &'static str,
    version: &'static str,
    pub(crate) arch: &'static str,
    directory: tempfile::TempDir,
    schematic: Value,
    pub(crate) id: String,
    files: BTreeMap<String, String>,
    config: Option<String>,
    modules: &'static [&'static str],
}

impl<'a> Boot<'a> {
    pub(crate) fn new(
        service: &'a Service,
        name: &'static str,
        version: &'static str,
        arch: &'static str,
    ) -> Self {
        Self::with(service, name, version, arch, &serde_json::json!({}), &[])
    }

    /// With more in its schematic's customization, and with the extensions of these `modules`, which the machine loads.
    pub(crate) fn with(
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
    pub(crate) fn path(&self, artifact: &str) -> String {
        format!("image/{}/{}/{artifact}", self.id, self.version)
    }

    pub(crate) fn url(&self, artifact: &str) -> String {
        format!("{}/{}", self.service.url, self.path(artifact))
    }

    pub(crate) fn download(&self, artifact: &str) -> PathBuf {
        let file = self.directory.path().join(artifact);
        fs::write(&file, self.service.get(&self.path(artifact))).unwrap();
        file
    }

    pub(crate) fn command_line(&self) -> String {
        let artifact = format!("cmdline-metal-{}", self.arch);
        let text = self.service.get(&self.path(&artifact));
        String::from_utf8(text).unwrap().trim_end().to_owned()
    }

    pub(crate) fn expected(&self, origin: Origin) -> String {
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
    pub(crate) fn build(&self, artifact: &str) -> PathBuf {
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
    pub(crate) fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        origin: Origin,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let text = console::boot(self.name, arguments, self.service.boot_seconds);
        self.check(origin, &Probe::parse(&text));
        text
    }

    pub(crate) fn check(&self, origin: Origin, probe: &Probe) {
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
    pub(crate) fn check_modules(&self, probe: &Probe) {
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
