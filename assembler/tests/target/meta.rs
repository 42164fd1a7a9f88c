//! META on the command line and on partitions against the reference's encoder and decoder (`testdata/meta.json`).

use std::fmt::Write;

use assembler::{
    meta::{Compression, decode, encode},
    schematic::MetaValue,
};
use bstr::BString;
use formats::adv;
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
    tags: Option<Vec<(u8, Tag)>>,
    #[serde(rename = "partition_sha256")]
    partition_sha256: Option<String>,
    #[serde(rename = "head_hex")]
    head_hex: Option<String>,
}

/// A value read from a partition.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tag {
    Hex(String),
    Hash { sha256: String, len: usize },
}

impl Tag {
    fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Hex(text) => hex(text) == bytes,
            Self::Hash { sha256, len } => bytes.len() == *len && hash(bytes) == *sha256,
        }
    }
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
            Self::Hex { hex: text } => hex(text),
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

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
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
    let mut passed = 0;
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
            "partition" => {
                assert_partition(&case);
                passed += 1;
            }
            op => panic!("{}: {op}", case.n),
        }
    }
    println!("meta: {passed} passed");
    assert_eq!(passed, 87);
}

/// A partition of 1 MiB: both copies, what they hold, and all of its bytes where the reference's are not in random order.
fn assert_partition(case: &Case) {
    let values: Vec<(u8, Vec<u8>)> = case
        .values
        .iter()
        .map(|(tag, text)| (*tag, text.bytes()))
        .collect();
    let values: Vec<(u8, &[u8])> = values
        .iter()
        .map(|(tag, value)| (*tag, value.as_slice()))
        .collect();
    let layout = match (adv::layout(&values), &case.error) {
        (Ok(layout), None) => layout,
        (Err(error), Some(expected)) => {
            assert_eq!(format!("flush: {error}"), *expected, "{}", case.n);
            return;
        }
        (result, expected) => panic!("{}: {result:?} instead of {expected:?}", case.n),
    };
    let mut partition = layout.collect(|_| panic!("an ADV has no blobs"));
    partition.resize(1 << 20, 0);
    let (copy, rest) = partition.split_at(256 << 10);
    assert_eq!(copy, &rest[..copy.len()], "{}", case.n);
    assert!(rest[copy.len()..].iter().all(|byte| *byte == 0));
    if let Some(head) = &case.head_hex {
        assert!(copy.starts_with(&hex(head)), "{}", case.n);
    }
    let sha256 = case.partition_sha256.as_ref();
    assert!(
        sha256.is_none_or(|sha256| *sha256 == hash(&partition)),
        "{}",
        case.n
    );
    // What is behind key 0 depends on chance there.
    let Some(tags) = &case.tags else {
        assert!(values.iter().any(|(tag, _)| *tag == 0), "{}", case.n);
        return;
    };
    let found = adv::read(partition.as_slice()).unwrap().values;
    assert_eq!(found.len(), tags.len(), "{}", case.n);
    for ((tag, value), (expected, text)) in found.iter().zip(tags) {
        assert!(
            *tag == u32::from(*expected) && text.matches(value),
            "{}: {tag:#x}",
            case.n
        );
    }
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
