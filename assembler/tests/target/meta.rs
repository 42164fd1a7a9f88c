//! META on the command line against the reference's encoder and decoder (`testdata/meta.json`).

use std::fmt::Write;

use assembler::{
    meta::{Compression, decode, encode},
    schematic::MetaValue,
};
use bstr::BString;
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const VECTORS: &str = include_str!("../../../testdata/meta.json");

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    n: String,
    op: String,
    #[serde(default)]
    values: Vec<(u8, Text)>,
    plain: Option<String>,
    #[serde(rename = "plain_sha256")]
    plain_sha256: Option<String>,
    gzip_allowed: Option<String>,
    #[serde(rename = "gzipAllowed_sha256")]
    gzip_allowed_sha256: Option<String>,
    env: Option<String>,
    decoded: Option<Vec<(u8, Text)>>,
    #[serde(rename = "decode_error")]
    decode_error: Option<String>,
    error: Option<String>,
}

/// A text, spelled in one of several ways.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Hex { hex: String },
    Repeat { repeat: String, count: usize },
    Hash { sha256: String, len: usize },
}

impl Text {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(text) => text.clone().into_bytes(),
            Self::Hex { hex } => (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect(),
            Self::Repeat { repeat, count } => repeat.repeat(*count).into_bytes(),
            Self::Hash { .. } => panic!("only a hash is known"),
        }
    }

    fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Hash { sha256, len } => bytes.len() == *len && hash(bytes) == *sha256,
            text => text.bytes() == bytes,
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

fn assert_decodes(n: &str, text: &str, expected: Option<&[(u8, Text)]>, error: Option<&str>) {
    let decoded = decode(text.as_bytes());
    match (expected, error) {
        (Some(expected), None) => {
            let decoded = decoded.unwrap_or_else(|error| panic!("{n}: {error}"));
            assert_eq!(decoded.len(), expected.len(), "{n}");
            for (value, (key, text)) in decoded.iter().zip(expected) {
                assert!(
                    value.key == *key && text.matches(&value.value),
                    "{n}: {value:?}"
                );
            }
        }
        (None, Some(error)) => assert_eq!(decoded.unwrap_err().to_string(), error, "{n}"),
        (None, None) => {}
        (Some(_), Some(_)) => panic!("{n}: both a result and an error"),
    }
}

#[test]
fn texts_are_the_references_byte_for_byte() {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let (mut passed, mut skipped) = (0, 0);
    for case in vectors.cases {
        match case.op.as_str() {
            "encode" => {
                let values: Vec<MetaValue> = case
                    .values
                    .iter()
                    .map(|(key, text)| MetaValue {
                        key: *key,
                        value: text.bytes().into(),
                    })
                    .collect();
                let plain = encode(&values, Compression::Never);
                let compressed = encode(&values, Compression::Allowed);
                for (ours, text, sha256) in [
                    (&plain, &case.plain, &case.plain_sha256),
                    (&compressed, &case.gzip_allowed, &case.gzip_allowed_sha256),
                ] {
                    assert!(text.is_some() || sha256.is_some(), "{}", case.n);
                    assert!(
                        text.as_ref().is_none_or(|text| text == ours),
                        "{}: {ours}",
                        case.n
                    );
                    assert!(
                        sha256
                            .as_ref()
                            .is_none_or(|sha256| *sha256 == hash(ours.as_bytes())),
                        "{}",
                        case.n
                    );
                    assert_decodes(
                        &case.n,
                        ours,
                        case.decoded.as_deref(),
                        case.decode_error.as_deref(),
                    );
                }
                passed += 1;
            }
            "decode" => {
                let env = case.env.as_ref().unwrap();
                assert_decodes(&case.n, env, case.decoded.as_deref(), case.error.as_deref());
                passed += 1;
            }
            op => {
                println!("skipped {}: the META {op} belongs to disk images", case.n);
                skipped += 1;
            }
        }
    }
    println!("meta: {passed} passed, {skipped} skipped");
    assert!(passed > 60);
}

#[test]
fn more_than_meta_can_hold_is_refused() {
    let values = [MetaValue {
        key: 10,
        value: vec![b'a'; 2 << 20].into(),
    }];
    let error = decode(encode(&values, Compression::Allowed).as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "more than 1048576 bytes");
}

/// Texts that compress in every way: random, repetitive, far and near repeats.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 1..700);
    (bytes, 1_usize..400, prop::bool::ANY).prop_map(|(bytes, times, few)| {
        let bytes: Vec<u8> = bytes
            .iter()
            .map(|byte| if few { b'a' + byte % 3 } else { *byte })
            .collect();
        bytes.repeat(times)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compressed_values_decode_to_themselves(text in texts()) {
        let value = BString::from(text.iter().map(|byte| if *byte == b';' { b':' } else { *byte }).collect::<Vec<u8>>());
        let values = vec![MetaValue { key: 10, value }, MetaValue { key: 255, value: "=".into() }];
        prop_assert_eq!(decode(encode(&values, Compression::Allowed).as_bytes()).unwrap(), values);
    }

    #[test]
    fn decoding_never_panics(text in prop::collection::vec(any::<u8>(), 0..64), near in "(H4sI[A-Za-z0-9+/]{0,40}|[A-Za-z0-9+/\n=]{0,40})") {
        let _ = decode(&text);
        let _ = decode(near.as_bytes());
    }
}
