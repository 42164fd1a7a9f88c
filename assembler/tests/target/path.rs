//! From path, version and schematic to a target, against the reference stage by stage (`testdata/path.json`).

use std::collections::BTreeMap;

use crate::render::{Names, Stage, render};
use assembler::{
    error,
    schematic::{
        Bootloader, Customization, MetaValue, Overlay, Schematic, SecureBoot, Value as Option_,
    },
    target::{
        Context, Error, Kind, OverlayImage, OverlayProfile, Profile, Request, Target,
        profile::Invalid, pxe,
    },
    version::Version,
};
use bstr::BString;
use serde::Deserialize;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../testdata/path.json");

const NAMES: Names = Names {
    name: "Talos",
    keys: ["sb.key", "sb.crt", "pcr.key"],
};

#[derive(Deserialize)]
struct Vectors {
    catalog_extensions: Vec<String>,
    overlay_profiles: BTreeMap<String, String>,
    overlay_kernel_args: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: String,
    path: String,
    version: String,
    schematic: Option<String>,
    secureboot_service: Option<String>,
    parsed: Option<Value>,
    enhanced: Option<Value>,
    r#final: Option<Value>,
    cmdline: Option<String>,
    output_path: Option<String>,
    stage: Option<String>,
    error: Option<String>,
    #[serde(default)]
    panic: bool,
}

/// A schematic as the vectors spell it. Its own parser is tested elsewhere.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Document {
    overlay: DocumentOverlay,
    customization: DocumentCustomization,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DocumentOverlay {
    name: String,
    image: String,
    options: BTreeMap<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentCustomization {
    embedded_machine_configuration: String,
    extra_kernel_args: Vec<String>,
    meta: Vec<DocumentMeta>,
    system_extensions: DocumentExtensions,
    bootloader: String,
    secureboot: DocumentSecureBoot,
    disk_image: DocumentDiskImage,
}

#[derive(Deserialize)]
struct DocumentMeta {
    key: u8,
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentExtensions {
    official_extensions: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentSecureBoot {
    enroll_keys: String,
    include_well_known_certificates: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct DocumentDiskImage {
    sector_size: u64,
}

pub(crate) fn schematic(text: &str) -> Schematic {
    let Document {
        overlay,
        customization,
    } = serde_saphyr::from_str(text).unwrap();
    Schematic {
        owner: BString::default(),
        overlay: Overlay {
            image: overlay.image.into(),
            name: overlay.name.into(),
            options: overlay
                .options
                .iter()
                .map(|(key, value)| (key.as_str().into(), option(value)))
                .collect(),
        },
        customization: Customization {
            embedded_machine_configuration: customization.embedded_machine_configuration.into(),
            extra_kernel_args: texts(customization.extra_kernel_args),
            meta: customization
                .meta
                .into_iter()
                .map(|DocumentMeta { key, value }| MetaValue {
                    key,
                    value: value.into(),
                })
                .collect(),
            official_extensions: texts(customization.system_extensions.official_extensions),
            bootloader: match customization.bootloader.as_str() {
                "" => Bootloader::None,
                "dual-boot" => Bootloader::DualBoot,
                "sd-boot" => Bootloader::SdBoot,
                "grub" => Bootloader::Grub,
                other => panic!("{other}"),
            },
            secureboot: SecureBoot {
                enroll_keys: customization.secureboot.enroll_keys.into(),
                include_well_known_certificates: customization
                    .secureboot
                    .include_well_known_certificates,
            },
            sector_size: customization.disk_image.sector_size,
        },
    }
}

fn option(value: &Value) -> Option_ {
    match value {
        Value::Number(number) => Option_::Integer(number.as_i64().unwrap().into()),
        Value::String(text) => Option_::Text(text.as_str().into()),
        Value::Array(values) => Option_::List(values.iter().map(option).collect()),
        other => panic!("{other} does not occur"),
    }
}

pub(crate) fn texts(texts: Vec<String>) -> Vec<BString> {
    texts.into_iter().map(BString::from).collect()
}

fn context(vectors: &Vectors) -> Context {
    let kernel_args = texts(vectors.overlay_kernel_args.clone());
    let image = |text: &String| OverlayImage {
        profile: OverlayProfile::parse(text),
        kernel_args: kernel_args.clone(),
    };
    Context {
        secure_boot: true,
        extensions: Some(
            vectors
                .catalog_extensions
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
        ),
        overlays: Some(
            vectors
                .overlay_profiles
                .iter()
                .map(|(name, text)| (name.as_str().into(), image(text)))
                .collect(),
        ),
    }
}

/// Everything up to the target, with each stage compared on the way.
fn check(case: &Case, context: &Context) {
    let n = &case.n;
    let schematic = schematic(case.schematic.as_deref().unwrap_or("customization: {}"));
    let target = Target::new(&case.version, &case.path, &schematic, context);
    let failed_in = |stage: &str| case.stage.as_deref() == Some(stage);

    let request = match Request::parse(&case.path) {
        Ok(request) => request,
        Err(error) => {
            assert!(failed_in("parse"), "{n}: {error}");
            let error = error.to_string();
            assert!(
                case.panic || case.error.as_deref() == Some(error.as_str()),
                "{n}: {error}"
            );
            let target = target.unwrap_err();
            assert_eq!(
                target.to_string(),
                format!("error parsing profile from path: {error}"),
                "{n}"
            );
            assert_eq!(target.kind(), error::Kind::BadRequest, "{n}");
            return;
        }
    };
    let mut profile = request.profile();
    assert_eq!(
        Some(render(&profile, Stage::Parsed, NAMES)),
        case.parsed,
        "{n}"
    );

    let version = Version::parse(&case.version).unwrap();
    if let Err(error) = profile.enhance(&version, &schematic, context) {
        assert!(failed_in("enhance"), "{n}: {error}");
        let (error, expected) = (error.to_string(), case.error.as_deref().unwrap());
        // How a YAML library words a syntax error is its own affair.
        let expected = expected
            .split_once("error unmarshalling overlay profile")
            .map_or(expected, |(start, _)| start);
        assert!(
            error.starts_with(expected) && (error == expected || expected.ends_with("profile: ")),
            "{n}: {error}"
        );
        assert_eq!(
            target.unwrap_err().to_string(),
            format!("error enhancing profile from schematic: {error}"),
            "{n}"
        );
        return;
    }
    assert_eq!(
        Some(render(&profile, Stage::Enhanced, NAMES)),
        case.enhanced,
        "{n}"
    );

    profile.fill_defaults();
    match profile.validate().and_then(|()| profile.cmdline()) {
        Ok(cmdline) => {
            assert_eq!(case.stage, None, "{n}");
            assert_eq!(cmdline, *case.cmdline.as_ref().unwrap(), "{n}");
            assert_eq!(
                profile.file_name(),
                *case.output_path.as_ref().unwrap(),
                "{n}"
            );
        }
        Err(error) => {
            assert!(failed_in("imager"), "{n}: {error}");
            assert_eq!(Some(error.to_string()), case.error, "{n}");
        }
    }
    if let Some(expected) = &case.r#final {
        assert_eq!(&render(&profile, Stage::Final, NAMES), expected, "{n}");
    }
    check_target(case, &profile, target);
}

/// The target says what the profile says.
fn check_target(case: &Case, profile: &Profile, target: Result<Target, Error>) {
    let n = &case.n;
    if case.stage.is_some() {
        let error = target.unwrap_err();
        assert_eq!(Some(error.to_string()), case.error, "{n}");
        assert_eq!(error.kind(), error::Kind::BadRequest, "{n}");
        return;
    }
    let kind = profile.output.kind;
    if kind == Kind::Uki && !profile.quirks().uki {
        assert_eq!(
            target.unwrap_err(),
            Error::Profile(Invalid::UkiVersion),
            "{n}"
        );
        return;
    }
    let target = target.unwrap();
    let has_cmdline = !matches!(kind, Kind::Kernel | Kind::Initramfs);
    assert_eq!(
        target.cmdline,
        case.cmdline
            .as_deref()
            .filter(|_| has_cmdline)
            .unwrap_or(""),
        "{n}"
    );
    assert_eq!(target.extensions, profile.extensions, "{n}");
    assert_eq!(
        target.bootloader != Bootloader::None,
        matches!(kind, Kind::Iso | Kind::Image),
        "{n}"
    );
}

#[test]
fn stages_are_the_references() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let context = context(&vectors);
    let without_secure_boot = Context {
        secure_boot: false,
        ..context.clone()
    };
    for case in &vectors.cases {
        let context = match case.secureboot_service.as_deref() {
            Some("off") => &without_secure_boot,
            None => &context,
            Some(other) => panic!("{other}"),
        };
        check(case, context);
    }
    println!("path: {} passed, 0 skipped", vectors.cases.len());
    assert!(vectors.cases.len() > 1000);
}

/// The schematic behind the recorded scripts.
const GOLDEN_SCHEMATIC: &str = "customization: {extraKernelArgs: [console=ttyS0, lab.golden=1]}";
const GOLDEN_ID: &str = "1be7660642b1ff3d2d07a45b9896049fab8c1ae1511126771c46f1a103597db0";

#[test]
fn pxe_scripts_are_the_references() {
    let schematic = schematic(GOLDEN_SCHEMATIC);
    let context = Context {
        secure_boot: true,
        ..Context::default()
    };
    for (path, golden) in [
        (
            "equinixMetal-amd64",
            include_str!("../../../testdata/reports/pxe-equinixMetal-amd64.txt"),
        ),
        (
            "metal-amd64-secureboot",
            include_str!("../../../testdata/reports/pxe-metal-amd64-secureboot.txt"),
        ),
        (
            "metal-amd64",
            include_str!("../../../testdata/reports/pxe-metal-amd64.txt"),
        ),
        (
            "metal-arm64",
            include_str!("../../../testdata/reports/pxe-metal-arm64.txt"),
        ),
        (
            "metal-x86_64",
            include_str!("../../../testdata/reports/pxe-metal-x86_64.txt"),
        ),
    ] {
        for base in ["http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            let target = pxe::target("v1.14.0", path.as_bytes(), &schematic, &context).unwrap();
            assert_eq!(pxe::script(base, GOLDEN_ID, &target), golden, "{path}");
        }
    }
}
