//! GRUB's images of the stand-in release before the judge, `grub-mkimage`: `TALOS_FORGE_TEST_RELEASE` names its directory.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

#[path = "support/standin.rs"]
mod standin;

use std::{collections::BTreeMap, fs, io::Read as _, path::Path, process::Command};

use assembler::plan::grub::{ISO_MODULES, MODULES, Medium};
use flate2::read::GzDecoder;
use formats::grub::{self, Build, Contents, Machine};
use serde_json::Value as Json;
use standin::release;

const PLATFORM: &str = "arm64-efi";

/// The files of a platform's build in an imager of the release.
fn build(release: &Path, tag: &str) -> BTreeMap<String, Vec<u8>> {
    let blob = |descriptor: &Json| {
        let digest = descriptor["digest"].as_str().unwrap();
        release.join("blobs").join(digest.replace(':', "/"))
    };
    let json = |path: &Path| -> Json { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let index = json(&release.join("index.json"));
    let name = format!("siderolabs/imager:{tag}");
    let named =
        |entry: &&Json| entry["annotations"]["org.opencontainers.image.ref.name"] == name.as_str();
    let images = index["manifests"].as_array().unwrap();
    let image = json(&blob(images.iter().find(named).unwrap()));
    let manifest = json(&blob(&image["manifests"][0]));
    let mut files = BTreeMap::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let layer = GzDecoder::new(fs::File::open(blob(layer)).unwrap());
        for entry in tar::Archive::new(layer).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().into_owned();
            let prefix = format!("usr/lib/grub/{PLATFORM}");
            if let Ok(name) = path.strip_prefix(&prefix)
                && entry.header().entry_type().is_file()
            {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.insert(name.to_str().unwrap().to_owned(), content);
            }
        }
    }
    files
}

/// Debian has its modules for arm64 machines only, so they come from the release; its program makes images for all.
#[test]
fn images_for_uefi_on_arm64_are_those_of_grub_mkimage_byte_for_byte() {
    let Some(release) = release() else { return };
    let files = build(&release, "v1.14.0");
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    for (medium, more) in [(Medium::Disk, &[][..]), (Medium::Iso, &ISO_MODULES[..])] {
        let wanted: Vec<&str> = MODULES.iter().chain(more).copied().collect();
        let order = grub::closure(&files["moddep.lst"], &wanted).unwrap();
        let modules: Vec<&[u8]> = order
            .iter()
            .map(|name| files[&format!("{name}.mod")].as_slice())
            .collect();
        let contents = Contents {
            kernel: &files["kernel.img"],
            modules: &modules,
            config: None,
            prefix: medium.efi_prefix(),
        };
        let build = Build::parse(&files["modinfo.sh"]);
        let ours = grub::efi(Machine::Arm64, build, &contents).unwrap();

        let output = folder.path().join("image");
        let status = Command::new("grub-mkimage")
            .arg("-d")
            .arg(folder.path())
            .args(["-O", PLATFORM, "-p", medium.efi_prefix(), "-o"])
            .arg(&output)
            .args(&wanted)
            .status();
        let Ok(status) = status else {
            let required = std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_some();
            assert!(!required, "judge grub-mkimage is not installed");
            println!("skipped: judge grub-mkimage is not installed");
            return;
        };
        assert!(status.success());
        let theirs = fs::read(output).unwrap();
        let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert_eq!((ours.len(), first), (theirs.len(), None), "{medium:?}");
    }
}
