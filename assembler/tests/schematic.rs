//! Schematics against the documents that were posted to the reference.

use assembler::{
    error::Kind,
    schematic::{Error, Id, Schematic},
};
use serde_json::Value;

/// What was answered: the canonical form, or the text of the error.
type Answer = Result<String, String>;

fn cases() -> Vec<Value> {
    let text = include_str!("../../testdata/schematic.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    vectors["cases"].as_array().unwrap().clone()
}

fn input(case: &Value) -> Vec<u8> {
    match case["in"].as_str() {
        Some(text) => text.into(),
        None => unhex(case["in_hex"].as_str().unwrap()),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn create(input: &[u8]) -> Result<Schematic, Error> {
    let schematic = Schematic::parse(input)?;
    schematic.check_owner()?;
    Ok(schematic)
}

fn answer(input: &[u8]) -> Answer {
    match create(input) {
        Ok(schematic) => Ok(String::from_utf8(schematic.canonical()).unwrap()),
        Err(e) => {
            assert_eq!(e.kind(), Kind::BadRequest);
            Err(e.to_string())
        }
    }
}

/// Whether `answer` is one the reference gives; the texts of syntax errors differ between its releases.
fn agrees(case: &Value, answer: &Answer) -> bool {
    let alternative = &case["alt"];
    let refused = |case: &Value| case["status"] == 400;
    match answer {
        Ok(text) => [case, alternative].iter().any(|case| {
            let id = Id::of(text.as_bytes()).to_string();
            case["canon"] == text.as_str() && case["id"] == id
        }),
        Err(text) if refused(case) => {
            let free = case.get("error_alt").is_some() || case["sure"] == false;
            free || case["error"] == text.as_str()
        }
        Err(_) => refused(alternative),
    }
}

#[test]
fn every_document_is_answered_as_the_reference_does() {
    let mut failures = Vec::new();
    let cases = cases();
    for case in &cases {
        let answer = answer(&input(case));
        if !agrees(case, &answer) {
            failures.push(format!(
                "{} {:?}: {answer:?}\n  expected {case}",
                case["n"], case["in"]
            ));
        }
    }
    println!(
        "schematic: {} passed, 0 skipped",
        cases.len() - failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} of {}:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}
