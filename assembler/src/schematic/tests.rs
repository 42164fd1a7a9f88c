use std::time::{Duration, Instant};

use bstr::BString;
use proptest::prelude::*;

use super::*;
use crate::{error::Kind, yaml};

/// So many pieces, one after the other.
fn pieces(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

/// Far more than any refusal takes, far less than anything unbounded does.
const SOON: Duration = Duration::from_secs(5);

fn refusal(document: &[u8]) -> yaml::Error {
    let start = Instant::now();
    let error = Schematic::parse(document).unwrap_err();
    assert!(start.elapsed() < SOON, "{error} took {:?}", start.elapsed());
    assert_eq!(error.kind(), Kind::BadRequest);
    match error {
        Error::Invalid(error) => error,
        error => unreachable!("{error}"),
    }
}

#[test]
fn ten_megabytes_are_refused_unread() {
    let document = vec![b'a'; 10 << 20];
    assert_eq!(refusal(&document), yaml::Error::TooLong(1 << 20));
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |text: &str| matches!(refusal(text.as_bytes()), yaml::Error::TooDeep { .. });
    let n = 100_000;
    assert!(deep(&"[".repeat(n)));
    assert!(deep(&"{a: ".repeat(n)));
    assert!(deep(&"{".repeat(n)));
    assert!(deep(&"- ".repeat(n)));
    assert!(deep(&"? ".repeat(n)));
    assert!(deep(&"[\n".repeat(n)));
    let indented = pieces(1000, |depth| " ".repeat(depth) + "a:\n");
    assert!(deep(&indented));
}

#[test]
fn aliases_cannot_multiply_without_end() {
    let lists = pieces(60, |i| format!("a{0}: &a{0} [*a{i}, *a{i}]\n  ", i + 1));
    let bomb = format!("overlay:\n options:\n  a0: &a0 [x, x]\n  {lists}");
    let error = refusal(bomb.as_bytes());
    assert!(
        matches!(error, yaml::Error::TooMany(_) | yaml::Error::TooDeep { .. }),
        "{error}"
    );

    let maps = pieces(60, |i| {
        format!("a{0}: &a{0} {{<<: [*a{i}, *a{i}], k{i}: 1}}\n  ", i + 1)
    });
    let bomb = format!("overlay:\n options:\n  a0: &a0 {{x: y}}\n  {maps}");
    let error = refusal(bomb.as_bytes());
    assert!(
        matches!(error, yaml::Error::TooMany(_) | yaml::Error::TooDeep { .. }),
        "{error}"
    );

    let text = "x".repeat(100_000);
    let bomb = format!(
        "overlay: {{options: {{a: &a {text}, b: [{}]}}}}",
        "*a, ".repeat(10_000)
    );
    assert_eq!(refusal(bomb.as_bytes()), yaml::Error::TooLarge(4 << 20));
}

#[test]
fn a_node_that_contains_itself_is_refused() {
    for document in [
        "overlay: {options: {a: &a [*a]}}",
        "overlay: {options: {a: &a {b: *a}}}",
        "overlay: {options: &a {<<: *a}}",
        "&a {customization: *a}",
    ] {
        let error = refusal(document.as_bytes()).to_string();
        assert!(
            error.contains("anchor 'a' value contains itself") || error.contains("not found"),
            "{error}"
        );
    }
}

#[test]
fn a_million_small_things_are_refused() {
    let list = |item: &str| {
        format!(
            "customization: {{extraKernelArgs: [{}]}}",
            item.repeat(1_000_000 / item.len())
        )
    };
    assert_eq!(refusal(list("a,").as_bytes()), yaml::Error::TooMany(20_000));
    assert_eq!(
        refusal(list("[],").as_bytes()),
        yaml::Error::TooMany(20_000)
    );
    assert_eq!(
        refusal(list("&a ,").as_bytes()),
        yaml::Error::TooMany(20_000)
    );
    let lines = "- a\n".repeat(200_000);
    assert_eq!(refusal(lines.as_bytes()), yaml::Error::TooMany(20_000));
}

#[test]
fn only_so_many_errors_are_listed() {
    let fields = pieces(9_000, |i| format!("f{i}: 1\n"));
    let yaml::Error::Construct(errors) = refusal(fields.as_bytes()) else {
        unreachable!()
    };
    assert_eq!(errors.len(), 100);
    let again = "a: 1\n".repeat(9_000);
    let yaml::Error::Construct(errors) = refusal(again.as_bytes()) else {
        unreachable!()
    };
    assert_eq!(errors.len(), 100);
}

#[test]
fn large_schematics_within_the_limits_are_read() {
    let config = "a: b\n".repeat(100_000);
    let mut schematic = Schematic::default();
    schematic.customization.embedded_machine_configuration = config.into();
    schematic.customization.extra_kernel_args =
        (0..9_000).map(|i| format!("a{i}=b").into()).collect();
    let start = Instant::now();
    let text = schematic.canonical();
    assert!(
        text.len() > Limits::DEFAULT.bytes,
        "longer than what may be posted"
    );
    assert_eq!(Schematic::parse_stored(&text).unwrap(), schematic);
    assert!(start.elapsed() < SOON);
}

#[test]
fn indentation_cannot_multiply_without_end() {
    let config = "a\\n".repeat(300_000);
    let deep = format!(
        "overlay: {{options: {{a: {}\"{config}\"{}}}}}",
        "{a: ".repeat(90),
        "}".repeat(90)
    );
    let error = Schematic::parse(deep.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "schematic is longer than 4194304 bytes in its canonical form"
    );
    assert_eq!(error.kind(), Kind::BadRequest);
}

#[test]
fn whatever_may_be_posted_may_be_stored() {
    let aliases = format!(
        "overlay: {{options: {{a: &a [{}], b: [*a, *a]}}}}",
        "a, ".repeat(9_000)
    );
    let config = format!(
        "customization: {{embeddedMachineConfiguration: \"{}\"}}",
        "a\\n".repeat(300_000)
    );
    let escapes = format!(
        "customization: {{extraKernelArgs: [\"\u{feff}{}\"]}}",
        "a".repeat(1_000_000)
    );
    for document in [aliases, config, escapes] {
        let schematic = Schematic::parse(document.as_bytes()).unwrap();
        assert_eq!(
            Schematic::parse_stored(&schematic.canonical()).unwrap(),
            schematic
        );
    }
}

#[test]
fn ids_are_sixty_four_lower_case_digits() {
    let id = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";
    assert_eq!(Id::parse(id).unwrap(), Schematic::default().id());
    for text in [
        "",
        &id[1..],
        &id.to_uppercase(),
        &format!("{id}0"),
        &format!("sha256:{id}"),
        "é",
    ] {
        let error = Id::parse(text).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert_eq!(
            error.to_string(),
            format!("schematic ID \"{text}\" not found")
        );
    }
}

/// Texts that are awkward to write, in part or whole.
fn text() -> impl Strategy<Value = BString> {
    let words = prop::sample::select(vec![
        "",
        "a",
        "y",
        "~",
        "null",
        "true",
        "1",
        "0x1F",
        "1_0",
        "1:30",
        ".5",
        "1e3",
        ".inf",
        "2020-01-01",
        "-",
        "--- a",
        "? b",
        ": c",
        "# d",
        " e",
        "f ",
        "\t",
        "\n",
        "\r",
        "\u{85}",
        "\u{feff}",
        "\u{1f600}",
        "é",
        "'",
        "\"",
        "\\",
        "[",
        "{",
        "!",
        "&",
        "*",
        "|",
        ">",
        "%",
        "@",
        "`",
        "<<",
        "\u{7f}",
        "\0",
        "\n\n",
        "\n \n",
        "=",
        ",",
        "0",
        "9",
    ]);
    let glued = prop::collection::vec(words, 0..6).prop_map(|words| BString::from(words.concat()));
    let long = (glued.clone(), 0..200usize)
        .prop_map(|(text, n)| BString::from([text.as_slice(), &vec![b'x'; n]].concat()));
    prop_oneof![
        4 => glued,
        1 => long,
        1 => any::<String>().prop_map(|text| text.replace(['\u{2028}', '\u{2029}'], "").into()),
        1 => prop::collection::vec(any::<u8>(), 0..120).prop_map(|bytes| match String::from_utf8(bytes) {
            Ok(text) => text.replace(['\u{2028}', '\u{2029}'], "").into(),
            Err(e) => BString::from(e.into_bytes()),
        }),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Integer(n.into())),
        any::<u64>().prop_map(|n| Value::Integer(n.into())),
        any::<f64>().prop_map(Value::Float),
        (0..20_000i64).prop_map(|n| Value::Float(f64::from(i32::try_from(n).unwrap()) / 8.0)),
        Just(Value::Timestamp("2020-01-01T00:00:00.5+05:30".into())),
        text().prop_map(Value::Text),
    ]
}

/// Pairs whose keys are written differently, so that they can be read back, and as what they are: a whole float becomes
/// an integer, which is sorted before an equal float.
fn distinct(pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut seen = std::collections::HashSet::new();
    let written = |key: &Value| match key {
        Value::Text(text) => text.clone(),
        key => yaml::emit(key).trim_end().into(),
    };
    pairs
        .into_iter()
        .filter(|(key, _)| !matches!(key, Value::Float(key) if key.fract() == 0.0))
        .filter(|(key, _)| seen.insert(written(key)))
        .collect()
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::vec((scalar(), inner), 0..5)
                .prop_map(|pairs| Value::Map(distinct(pairs))),
        ]
    })
}

prop_compose! {
    fn schematic()(
        image in text(),
        name in text(),
        options in prop::collection::btree_map(text(), value(), 0..4),
        embedded_machine_configuration in text(),
        extra_kernel_args in prop::collection::vec(text(), 0..4),
        meta in prop::collection::vec((any::<u8>(), text()), 0..3),
        official_extensions in prop::collection::vec(text(), 0..3),
        bootloader in prop::sample::select(&Bootloader::ALL),
        enroll_keys in text(),
        include_well_known_certificates in any::<bool>(),
        sector_size in any::<u64>(),
    ) -> Schematic {
        Schematic {
            owner: BString::default(),
            overlay: Overlay { image, name, options },
            customization: Customization {
                embedded_machine_configuration,
                extra_kernel_args,
                meta: meta.into_iter().map(|(key, value)| MetaValue { key, value }).collect(),
                official_extensions,
                bootloader: bootloader.0,
                secureboot: SecureBoot { enroll_keys, include_well_known_certificates },
                sector_size,
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_canonical_form_is_its_own_canonical_form(schematic in schematic()) {
        let text = schematic.canonical();
        let again = Schematic::parse(&text);
        let again = again.map_err(|e| TestCaseError::fail(format!("{e}\n{}", BString::from(text.clone()))))?;
        prop_assert_eq!(BString::from(again.canonical()), BString::from(text));
        prop_assert_eq!(&again.customization, &schematic.customization);
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    #[test]
    fn damaged_documents_are_read_or_refused(
        schematic in schematic(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut text = schematic.canonical();
        for (at, byte) in damage {
            let at = at.index(text.len());
            text[at] = byte;
        }
        fuzz(&text);
    }

    #[test]
    fn pieces_of_yaml_are_read_or_refused(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "customization", "overlay", "options", ": ", ":", "- ", "? ", "[", "]", "{", "}", ",", "\n", "  ", "\t", "&a ",
        "*a", "!!binary ", "!!int ", "!x ", "!<", "%YAML 1.1", "---", "...", "|", ">", "|2-", "'", "\"", "\\x41", "#", "<<", "~",
        "1.5", "0x", "\u{feff}", "\u{85}", "\u{2028}", "\r", "%TAG ! !", "%",
    ]), 0..40)) {
        fuzz(pieces.concat().as_bytes());
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_read_or_refused() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/schematic");
    let files: Vec<_> = std::fs::read_dir(directory).unwrap().collect();
    assert!(files.len() >= 20, "{} files", files.len());
    for file in files {
        fuzz(&std::fs::read(file.unwrap().path()).unwrap());
    }
}
