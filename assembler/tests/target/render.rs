//! Profiles as the reference prints them, for comparison with its vectors.
//!
//! Where the imager's input files lie is no part of our profiles; it follows from architecture, version and kind.

use std::collections::BTreeMap;

use assembler::{
    platform::Arch,
    schematic::{Bootloader, Value},
    target::profile::{DiskFormat, EnrollKeys, ImageOptions, IsoOptions, Kind, Output, Profile},
};
use bstr::BString;
use serde_json::{Map, Value as Json, json};

/// How far a profile has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// From the path alone.
    Parsed,
    /// With version and schematic.
    Enhanced,
    /// With the imager's defaults.
    Final,
}

/// What only the environment of a vector knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    /// `Talos`, or nothing in built-in profiles.
    pub(crate) name: &'static str,
    /// Secure Boot keys: signing key, certificate, PCR key.
    pub(crate) keys: [&'static str; 3],
}

pub(crate) fn render(profile: &Profile, stage: Stage, names: Names) -> Json {
    let mut fields = Map::new();
    fields.insert("arch".to_owned(), profile.arch.name().into());
    fields.insert("platform".to_owned(), text(&profile.platform));
    fields.insert("secureboot".to_owned(), profile.secure_boot.into());
    if stage != Stage::Parsed && !names.name.is_empty() {
        fields.insert("name".to_owned(), names.name.into());
    }
    fields.insert("version".to_owned(), profile.version.as_str().into());
    let customization = customization(profile);
    if !customization.is_empty() {
        fields.insert("customization".to_owned(), customization.into());
    }
    fields.insert("input".to_owned(), input(profile, stage, names).into());
    if let Some(overlay) = &profile.overlay {
        let mut image =
            json!({"name": text(&overlay.name), "image": oci(Arch::Amd64, "siderolabs/sbc-x@d")});
        if !overlay.options.is_empty() {
            image["options"] = options(&overlay.options);
        }
        fields.insert("overlay".to_owned(), image);
    }
    fields.insert("output".to_owned(), output(&profile.output));
    fields.into()
}

fn customization(profile: &Profile) -> Map<String, Json> {
    let mut fields = Map::new();
    if !profile.extra_kernel_args.is_empty() {
        let args: Vec<Json> = profile.extra_kernel_args.iter().map(text).collect();
        fields.insert("extraKernelArgs".to_owned(), args.into());
    }
    if !profile.meta.is_empty() {
        let values = profile
            .meta
            .iter()
            .map(|value| json!({"key": value.key, "value": text(&value.value)}));
        fields.insert("metaContents".to_owned(), values.collect());
    }
    if !profile.embedded_config.is_empty() {
        fields.insert(
            "embeddedMachineConfiguration".to_owned(),
            text(&profile.embedded_config),
        );
    }
    fields
}

fn input(profile: &Profile, stage: Stage, names: Names) -> Map<String, Json> {
    let (arch, version) = (profile.arch, profile.version.as_str());
    let installer = profile.quirks().base_installer;
    let mut fields = Map::new();
    let file = |name: &str| match stage {
        Stage::Final => json!({"path": format!("/usr/install/{arch}/{name}")}),
        _ => json!({"path": ""}),
    };
    fields.insert("kernel".to_owned(), file("vmlinuz"));
    fields.insert("initramfs".to_owned(), file("initramfs.xz"));
    if stage == Stage::Final {
        fields.insert("sdStub".to_owned(), file("systemd-stub.efi"));
        fields.insert("sdBoot".to_owned(), file("systemd-boot.efi"));
    }
    let fetched = profile.output.kind == Kind::Installer && !names.name.is_empty();
    let base_installer = match stage {
        Stage::Enhanced | Stage::Final if fetched => Some(json!({
            "imageRef": format!("siderolabs/{installer}:{version}"),
            "ociPath": format!("{arch}-installer-{version}.oci"),
        })),
        Stage::Final => {
            Some(json!({"imageRef": format!("ghcr.io/siderolabs/{installer}:{version}")}))
        }
        _ => None,
    };
    fields.extend(base_installer.map(|image| ("baseInstaller".to_owned(), image)));
    if stage != Stage::Parsed && profile.is_secure_boot() {
        let [key, certificate, pcr_key] = names.keys;
        let mut signers = json!({
            "secureBootSigner": {"keyPath": key, "certPath": certificate},
            "pcrSigner": {"keyPath": pcr_key},
        });
        if profile.include_well_known_certificates {
            signers["includeWellKnownCerts"] = true.into();
        }
        fields.insert("secureboot".to_owned(), signers);
    }
    if profile.overlay.is_some() {
        fields.insert(
            "overlayInstaller".to_owned(),
            oci(arch, "siderolabs/sbc-x@d"),
        );
    }
    let mut extensions: Vec<Json> = profile
        .extensions
        .iter()
        .map(|repository| oci(arch, &format!("{repository}@d")))
        .collect();
    if profile.schematic_extension {
        extensions.push(json!({"imageRef": "", "tarballPath": "SCHEMATIC.tar"}));
    }
    if !extensions.is_empty() {
        fields.insert("systemExtensions".to_owned(), extensions.into());
    }
    fields
}

fn oci(arch: Arch, name: &str) -> Json {
    json!({"imageRef": "", "ociPath": format!("{arch}-{name}.oci")})
}

fn output(output: &Output) -> Json {
    let mut fields = Map::new();
    fields.insert("kind".to_owned(), output.kind.name().into());
    if let Some(image) = &output.image {
        fields.insert("imageOptions".to_owned(), image_options(image).into());
    }
    if let Some(iso) = &output.iso {
        fields.insert("isoOptions".to_owned(), iso_options(iso).into());
    }
    fields.insert("outFormat".to_owned(), output.packing.name().into());
    fields.into()
}

fn image_options(image: &ImageOptions) -> Map<String, Json> {
    let fields = [
        ("diskSize", Some(image.disk_size.into())),
        (
            "diskFormat",
            image.disk_format.map(DiskFormat::name).map(Json::from),
        ),
        (
            "diskFormatOptions",
            Some(image.disk_format_options.as_str())
                .filter(|options| !options.is_empty())
                .map(Json::from),
        ),
        (
            "diskSectorSize",
            Some(image.sector_size)
                .filter(|size| *size > 0)
                .map(Json::from),
        ),
        ("bootloader", bootloader(image.bootloader)),
        (
            "sdBootEnrollKeys",
            Some(image.enroll_keys)
                .filter(|keys| *keys != EnrollKeys::IfSafe)
                .map(|keys| keys.name().into()),
        ),
    ];
    present(fields)
}

fn iso_options(iso: &IsoOptions) -> Map<String, Json> {
    present([
        ("sdBootEnrollKeys", Some(iso.enroll_keys.name().into())),
        ("bootloader", bootloader(iso.bootloader)),
    ])
}

fn present<const N: usize>(fields: [(&str, Option<Json>); N]) -> Map<String, Json> {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn bootloader(bootloader: Bootloader) -> Option<Json> {
    match bootloader {
        Bootloader::None => None,
        Bootloader::DualBoot => Some("dual-boot".into()),
        Bootloader::SdBoot => Some("sd-boot".into()),
        Bootloader::Grub => Some("grub".into()),
    }
}

/// Overlay options as the vectors have them: every scalar is a text.
fn options(options: &BTreeMap<BString, Value>) -> Json {
    options
        .iter()
        .map(|(key, value)| (key.to_string(), option(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn option(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.to_string().into(),
        Value::Integer(number) => number.to_string().into(),
        Value::List(values) => values.iter().map(option).collect(),
        other => panic!("{other:?} does not occur"),
    }
}

fn text(text: &BString) -> Json {
    text.to_string().into()
}
