//! Catalogues against those that were given to the reference.

use assembler::catalog::{Error, Extension, Extensions, Overlay, Overlays};
use serde_json::{Value, json};

fn vectors() -> Value {
    let text = include_str!("../../testdata/extensions.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn cases(op: &str) -> Vec<Value> {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().expect("the vectors hold cases");
    cases
        .iter()
        .filter(|case| case["op"] == op)
        .cloned()
        .collect()
}

/// Checks that a case ended as recorded; `what` is the field with the result.
fn check(case: &Value, what: &str, result: Result<Value, Error>) {
    match result {
        Ok(found) => assert_eq!(found, case[what], "{}", case["n"]),
        Err(e) => assert_eq!(json!(e.to_string()), case["error"], "{}", case["n"]),
    }
}

#[test]
fn catalogues_of_extensions_read_as_recorded() {
    let registry = vectors()["registry"].clone();
    let registry = registry.as_str().expect("a host");
    let cases = cases("extension-catalog");
    for case in &cases {
        let namespace = case["namespace"]
            .as_str()
            .filter(|namespace| !namespace.is_empty());
        let show = |extension: &Extension| {
            let mut shown = json!(extension);
            let path = [namespace, Some(extension.name.as_str())];
            let path: Vec<_> = path.into_iter().flatten().collect();
            shown["pull"] = json!(format!("{registry}/{}:{}", path.join("/"), extension.tag));
            shown
        };
        let file = |name: &str| {
            case[name]
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::as_bytes)
        };
        let found = Extensions::parse(file("image_digests"), file("descriptions_yaml"), registry);
        check(
            case,
            "extensions",
            found.map(|found| found.iter().map(show).collect()),
        );
    }
    println!("extension-catalog: {} passed, 0 skipped", cases.len());
}

#[test]
fn catalogues_of_overlays_read_as_recorded() {
    let cases = cases("overlay-catalog");
    for case in &cases {
        let found = Overlays::parse(case["overlays_yaml"].as_str().map(str::as_bytes));
        let show = |overlay: &Overlay| json!(overlay);
        check(
            case,
            "overlays",
            found.map(|found| found.iter().map(show).collect()),
        );
    }
    println!("overlay-catalog: {} passed, 0 skipped", cases.len());
}
