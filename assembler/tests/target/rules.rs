//! What targets are refused for, and what follows from version and architecture, where no case was recorded.

use assembler::{
    error,
    platform::Arch,
    schematic::{Bootloader, Customization, MetaValue, Schematic},
    target::{Context, Error, Request, Target},
};
use proptest::prelude::*;

use crate::path::{schematic, texts};

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
