//! Kernel command lines against the reference's (`testdata/cmdline.json`). Where the library that the reference service links
//! differs from the imager's main line (`cmdline_linked`), the main line counts.

use std::collections::BTreeMap;

use assembler::{
    platform::Arch,
    schematic::MetaValue,
    target::profile::{DiskFormat, ImageOptions, Kind, Output, Overlay, Profile},
};
use bstr::BString;
use serde::Deserialize;

const VECTORS: &str = include_str!("../../../testdata/cmdline.json");

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: String,
    platform: String,
    arch: String,
    version: String,
    kind: String,
    secureboot: bool,
    #[serde(default)]
    overlay_args: Vec<String>,
    #[serde(default)]
    meta: Vec<(u8, String)>,
    #[serde(default)]
    extra: Vec<String>,
    cmdline: Option<String>,
    cmdline_hex: Option<String>,
    output_path: Option<String>,
    error: Option<String>,
}

impl Case {
    fn profile(&self, arch: Arch) -> Profile {
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == self.kind)
            .unwrap();
        let mut output = Output::new(kind);
        output.image = (kind == Kind::Image).then(|| ImageOptions {
            disk_size: 1 << 33,
            disk_format: Some(DiskFormat::Raw),
            ..ImageOptions::default()
        });
        let overlay = (!self.overlay_args.is_empty()).then(|| Overlay {
            name: "x".into(),
            options: BTreeMap::new(),
            kernel_args: texts(&self.overlay_args),
        });
        Profile {
            platform: self.platform.as_str().into(),
            secure_boot: Some(self.secureboot),
            version: self.version.clone(),
            extra_kernel_args: texts(&self.extra),
            meta: self
                .meta
                .iter()
                .map(|(key, value)| MetaValue {
                    key: *key,
                    value: value.as_str().into(),
                })
                .collect(),
            overlay,
            ..Profile::new(arch, output)
        }
    }
}

fn texts(texts: &[String]) -> Vec<BString> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

#[test]
fn command_lines_are_the_references() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let (mut passed, mut skipped) = (0, 0);
    for case in vectors.cases {
        let Some(arch) = Arch::find(case.arch.as_bytes()) else {
            // No path and no profile of ours can name another architecture.
            let error = format!("profile is invalid: invalid arch {:?}", case.arch);
            assert_eq!(case.error, Some(error), "{}", case.n);
            println!("skipped {}: architecture {}", case.n, case.arch);
            skipped += 1;
            continue;
        };
        let mut profile = case.profile(arch);
        profile.fill_defaults();
        let cmdline = profile.validate().and_then(|()| profile.cmdline());
        if let Some(error) = &case.error {
            assert_eq!(cmdline.unwrap_err().to_string(), *error, "{}", case.n);
        } else {
            let expected = case
                .cmdline
                .map(String::into_bytes)
                .or_else(|| case.cmdline_hex.as_deref().map(unhex));
            assert_eq!(cmdline.unwrap(), expected.unwrap(), "{}", case.n);
            assert_eq!(profile.file_name(), case.output_path.unwrap(), "{}", case.n);
        }
        passed += 1;
    }
    println!("cmdline: {passed} passed, {skipped} skipped");
    assert!(passed > 1800);
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}
