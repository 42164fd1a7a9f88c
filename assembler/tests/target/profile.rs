//! Built-in profiles with the imager's defaults against the reference's dumps (`testdata/profile-defaults.json`).

use crate::render::{Names, Stage, render};
use assembler::{platform::Arch, target::profile::builtin};
use serde::Deserialize;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../testdata/profile-defaults.json");

const NAMES: Names = Names {
    name: "",
    keys: [
        "/secureboot/uki-signing-key.pem",
        "/secureboot/uki-signing-cert.pem",
        "/secureboot/pcr-signing-key.pem",
    ],
};

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: String,
    profile: String,
    arch: String,
    version: String,
    yaml: String,
    error: Option<String>,
}

#[test]
fn defaults_are_the_references() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let mut passed = 0;
    for case in vectors.cases {
        let arch = Arch::find(case.arch.as_bytes()).unwrap();
        let mut profile = builtin::find(case.profile.as_bytes())
            .unwrap()
            .profile(arch, &case.version);
        profile.fill_defaults();
        let expected: Value = serde_saphyr::from_str(&case.yaml).unwrap();
        assert_eq!(
            render(&profile, Stage::Final, NAMES),
            expected,
            "{} {}",
            case.n,
            case.profile
        );
        let error = profile.validate().err().map(|error| error.to_string());
        let expected = case
            .error
            .map(|error| format!("profile is invalid: {error}"));
        assert_eq!(error, expected, "{}", case.n);
        passed += 1;
    }
    println!("profile-defaults: {passed} passed, 0 skipped");
    assert!(passed > 500);
}
