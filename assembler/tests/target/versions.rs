//! The version list against what the reference served for the same registry (`testdata/versions.json`).

use assembler::version::{Identifier, Version, available};
use proptest::prelude::*;
use serde::Deserialize;

const VECTORS: &str = include_str!("../../../testdata/versions.json");

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: String,
    tags: Vec<String>,
    min: String,
    broken: Vec<String>,
    #[serde(default)]
    crash: bool,
    #[serde(default)]
    results: Vec<Query>,
}

#[derive(Deserialize)]
struct Query {
    q: String,
    status: u16,
    body: String,
}

fn parse(text: &str) -> Version {
    Version::parse_tolerant(text).unwrap()
}

/// A body of `/versions`: `null` stands for the empty list.
fn tags(body: &str) -> Vec<String> {
    serde_json::from_str::<Option<Vec<String>>>(body)
        .unwrap()
        .unwrap_or_default()
}

#[test]
fn lists_are_the_references() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let (mut passed, mut skipped) = (0, 0);
    for case in vectors.cases {
        let broken: Vec<Version> = case.broken.iter().map(|text| parse(text)).collect();
        let versions = available(&case.tags, &parse(&case.min), &broken);
        if case.crash {
            assert!(versions.is_empty(), "{}", case.n);
            passed += 1;
            continue;
        }
        for Query { q, status, body } in case.results {
            let listed = match q.as_str() {
                "/versions" => Some(&versions),
                "/versions?broken=true" => Some(&broken),
                _ => None,
            };
            if let Some(listed) = listed {
                let listed: Vec<String> = listed.iter().map(Version::tag).collect();
                assert_eq!(listed, tags(&body), "{} {q}", case.n);
                passed += 1;
            } else if let Some((tolerant, text)) = version_of(&q) {
                let version = if tolerant {
                    Version::parse_tolerant(&text)
                } else {
                    Version::parse(&text)
                };
                // The reference says 500 for a malformed version and for a registry that has no catalogue alike; a version it
                // knows or misses it says so about.
                let malformed = version.is_err();
                let known = version.is_ok_and(|version| {
                    versions
                        .iter()
                        .any(|known| known.precedence(&version).is_eq())
                });
                match (status, tolerant) {
                    (404, _) => assert!(!malformed && !known, "{} {q}", case.n),
                    (200, true) => assert!(known, "{} {q}", case.n),
                    (200, false) => assert!(!malformed, "{} {q}", case.n),
                    _ => assert!(malformed || known, "{} {q}", case.n),
                }
                passed += 1;
            } else {
                skipped += 1;
                println!("skipped {} {q}", case.n);
            }
        }
    }
    println!("versions: {passed} passed, {skipped} skipped");
    assert!(passed > 200);
}

/// The version in a URL, and whether that route parses tolerantly.
fn version_of(url: &str) -> Option<(bool, String)> {
    let (tolerant, rest) = match url.strip_prefix("/talosctl/") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("/version/")?),
    };
    Some((tolerant, rest.split('/').next()?.replace("%20", " ")))
}

#[test]
fn strict_parsing_wants_three_plain_numbers() {
    for text in [
        "1.14.0",
        "v1.14.0",
        "v1.14.0-alpha.1",
        "1.0.0-0a.b-c+00.x-",
        "0.0.18446744073709551615",
    ] {
        let version = Version::parse(text).unwrap();
        assert_eq!(version.tag(), format!("v{}", text.trim_start_matches('v')));
    }
    for text in [
        "",
        "v",
        "vv1.2.3",
        "V1.2.3",
        " 1.2.3",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-a..b",
        "1.2.3-01",
        "1.2.3+",
        "1.2.3-é",
        "1.2.-3",
        "1.2.x",
        "-1.0.0",
        "18446744073709551616.0.0",
    ] {
        let error = Version::parse(text).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("malformed version {text:?}: ")),
            "{error}"
        );
    }
}

#[test]
fn tolerant_parsing_completes() {
    for (text, tag) in [
        ("1", "v1.0.0"),
        (" v01.013.00\n", "v1.13.0"),
        ("1.10", "v1.10.0"),
        ("1.9.00-rc.0", "v1.9.0-rc.0"),
    ] {
        assert_eq!(Version::parse_tolerant(text).unwrap().tag(), tag);
    }
    assert!(Version::parse_tolerant("1.10-rc.1").is_err());
}

#[test]
fn pre_releases_sort_before_their_release() {
    let sorted = [
        "1.9.9",
        "1.10.0-alpha.2",
        "1.10.0-alpha.10",
        "1.10.0-alpha.beta",
        "1.10.0-beta",
        "1.10.0-beta.0",
        "1.10.0",
    ];
    let mut versions: Vec<Version> = sorted
        .iter()
        .rev()
        .map(|text| Version::parse(text).unwrap())
        .collect();
    versions.sort();
    assert_eq!(
        versions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        sorted
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics(text in ".{0,24}", near in "[v ]?[0-9.+-]{0,16}[a-z.+0-9-]{0,8}") {
        for text in [text, near] {
            let _ = Version::parse(&text);
            let _ = Version::parse_tolerant(&text);
        }
    }

    #[test]
    fn printed_versions_parse_back(core: (u64, u64, u64), number: u64, text in "[A-Za-z-]{1,5}", build in "[0-9A-Za-z-]{1,5}") {
        let version = Version {
            major: core.0,
            minor: core.1,
            patch: core.2,
            pre: vec![Identifier::Text(text), Identifier::Number(number)],
            build: vec![build],
        };
        prop_assert_eq!(Version::parse(&version.tag()).unwrap(), version);
    }
}
