//! From path, version and schematic to a target, against the reference stage by stage (`testdata/path.json`).

use std::collections::BTreeMap;

use crate::render::{Names, Stage, render};
use assembler::{
    error,
    platform::Arch,
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
use proptest::prelude::*;
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

fn schematic(text: &str) -> Schematic {
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

fn texts(texts: Vec<String>) -> Vec<BString> {
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

fn target(version: &str, path: &str) -> Result<Target, Error> {
    let context = Context {
        secure_boot: true,
        ..Context::default()
    };
    Target::new(version, path, &Schematic::default(), &context)
}

#[test]
fn a_malformed_version_is_the_requests_fault() {
    let error = target("v1.14", "metal-amd64.iso").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"malformed version "v1.14": expected major.minor.patch"#
    );
    assert_eq!(error.kind(), error::Kind::BadRequest);
}

#[test]
fn a_uki_needs_talos_1_5() {
    let error = target("v1.4.8", "metal-amd64-uki.efi").unwrap_err();
    assert_eq!(
        error.to_string(),
        "UKI output is not supported in this Talos version"
    );
    assert!(target("v1.5.0-alpha.0", "metal-amd64-uki.efi").is_ok());
}

#[test]
fn iso_boot_loaders_follow_version_and_architecture() {
    use Bootloader::{DualBoot, Grub, SdBoot};
    for (version, path, bootloader) in [
        ("v1.9.7", "metal-amd64.iso", Grub),
        ("v1.9.7", "metal-arm64.iso", Grub),
        ("v1.9.7", "metal-amd64-secureboot.iso", SdBoot),
        ("v1.10.0", "metal-amd64.iso", DualBoot),
        ("v1.11.0", "metal-arm64.iso", DualBoot),
        ("v1.12.0", "metal-amd64.iso", DualBoot),
        ("v1.12.0", "metal-arm64.iso", SdBoot),
        ("v1.14.0", "metal-amd64-secureboot.iso", SdBoot),
    ] {
        assert_eq!(
            target(version, path).unwrap().bootloader,
            bootloader,
            "{version} {path}"
        );
    }
}

#[test]
fn iso_boot_loaders_are_a_choice_since_1_12() {
    let schematic = schematic("customization: {bootloader: grub}");
    for (version, bootloader) in [
        ("1.11.0", Bootloader::DualBoot),
        ("1.12.0", Bootloader::Grub),
    ] {
        let target =
            Target::new(version, "metal-amd64.iso", &schematic, &Context::default()).unwrap();
        assert_eq!(target.bootloader, bootloader, "{version}");
    }
}

#[test]
fn boot_profiles_depend_on_the_kind() {
    let ids = |version, path| -> Vec<&str> {
        target(version, path)
            .unwrap()
            .uki_profiles
            .iter()
            .map(|profile| profile.id)
            .collect()
    };
    assert_eq!(ids("1.14.0", "metal-amd64-uki.efi"), ["main"]);
    assert_eq!(ids("1.14.0", "metal-amd64.iso"), ["main", "reset"]);
    assert_eq!(
        ids("1.14.0", "metal-arm64.raw.zst"),
        ["main", "reset-maintenance"]
    );
    assert_eq!(
        ids("1.10.0", "installer-amd64.tar"),
        ["main", "reset-maintenance"]
    );
    for path in ["kernel-amd64", "initramfs-amd64.xz", "cmdline-metal-amd64"] {
        assert!(ids("1.14.0", path).is_empty(), "{path}");
    }
    assert!(ids("1.9.7", "metal-amd64-uki.efi").is_empty());

    let iso = target("1.14.0", "metal-amd64.iso").unwrap();
    let reset = iso.uki_profiles[1].cmdline.as_ref().unwrap();
    assert_eq!(
        *reset,
        format!("{} talos.experimental.wipe=system", iso.cmdline)
    );
    assert_eq!(iso.uki_profiles[1].title, Some("Reset system disk"));
}

#[test]
fn meta_reaches_disks_on_a_partition_and_everything_else_on_the_command_line() {
    let schematic = schematic("customization: {meta: [{key: 10, value: foo}]}");
    let new = |path| Target::new("1.14.0", path, &schematic, &Context::default()).unwrap();
    let (image, iso) = (new("metal-amd64.raw.zst"), new("metal-amd64.iso"));
    // An image that has two boot loaders says so, for its first boot to remove one.
    assert_eq!(image.meta, [(10, "foo".into()), (0x11, "dual-boot".into())]);
    for (version, path) in [("1.9.5", "metal-amd64.raw"), ("1.14.0", "metal-arm64.raw")] {
        let target = Target::new(version, path, &schematic, &Context::default()).unwrap();
        assert_eq!(target.meta, [(10, "foo".into())], "{path} of {version}");
    }
    assert!(!image.cmdline.to_string().contains("INSTALLER_META_BASE64"));
    assert!(iso.meta.is_empty());
    assert!(
        iso.cmdline
            .to_string()
            .ends_with(" talos.environment=INSTALLER_META_BASE64=MHhhPWZvbw==")
    );
}

#[test]
fn more_meta_than_machines_store_is_refused() {
    let mut schematic = Schematic::default();
    schematic.customization.meta = vec![MetaValue {
        key: 10,
        value: vec![b'a'; 262_096].into(),
    }];
    let new = |schematic: &Schematic| {
        Target::new(
            "1.14.0",
            "cmdline-metal-amd64",
            schematic,
            &Context::default(),
        )
    };
    assert!(new(&schematic).is_ok());
    schematic.customization.meta[0].value.push(b'a');
    let error = new(&schematic).unwrap_err();
    assert_eq!(
        error.to_string(),
        "profile is invalid: META values take 262105 bytes, of at most 262104"
    );
    assert_eq!(error.kind(), error::Kind::BadRequest);
}

#[test]
fn paths_need_not_be_utf8() {
    let error = Request::parse(b"m\xffl-amd64.iso\x00").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"invalid profile path: "m\xffl-amd64.iso\x00""#
    );
    assert_eq!(
        Request::parse(b"m\xff-arm64.iso").unwrap().arch,
        Arch::Arm64
    );
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(
        path in prop::collection::vec(any::<u8>(), 0..40),
        near in "(kernel-|cmdline-|initramfs-|installer-|iso|digital-ocean|metal|-){0,3}(-amd64|arm64|i386|-){0,2}(-secureboot|-uki.efi|.iso|.tar|.raw|.qcow2|.gz|.xz){0,3}",
    ) {
        let _ = Request::parse(path);
        if let Ok(target) = target("v1.14.0", &near) {
            prop_assert_eq!(self::target("v1.14.0", &near).unwrap(), target);
        }
    }

    #[test]
    fn command_lines_depend_on_nothing_but_their_input(extra in prop::collection::vec("[-a-z=. ]{0,12}", 0..8), meta in prop::collection::vec(any::<u8>(), 0..600)) {
        let schematic = Schematic {
            customization: Customization {
                extra_kernel_args: texts(extra),
                meta: vec![MetaValue { key: 10, value: meta.into() }],
                ..Customization::default()
            },
            ..Schematic::default()
        };
        let new = || Target::new("1.14.0", "cmdline-metal-amd64", &schematic, &Context::default()).unwrap();
        prop_assert_eq!(new(), new());
        prop_assert!(!new().cmdline.contains(&b'\n'));
    }
}
