use super::*;

/// What a document means, written canonically.
fn read(text: &str) -> Result<String, Error> {
    let document = Document::parse(text.as_bytes(), &Limits::DEFAULT)?;
    let mut decoder = Decoder::strict(&document, &Limits::DEFAULT);
    let mut value = decoder.value(document.root())?.unwrap_or(Value::Null);
    decoder.finish()?;
    sort_keys(&mut value);
    Ok(emit(&value))
}

#[test]
fn plain_scalars_mean_what_they_do_in_go() {
    let cases = [
        ("0x1F", "31"),
        ("-0b11", "-3"),
        ("0o17", "15"),
        ("017", "15"),
        ("08", "8"),
        ("1_000", "1000"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("-9223372036854775809", "-9.223372036854776e+18"),
        ("1e400", "1e400"),
        ("1e-400", "0"),
        (".5_0", "0.5"),
        ("._5", "._5"),
        ("-0", "-0"),
        ("+.INF", ".inf"),
        ("12e03", "12000"),
        ("1000000.0", "1e+06"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("2001-1-2", "2001-01-02T00:00:00Z"),
        ("2001-02-29", "2001-02-29"),
        ("2000-02-29", "2000-02-29T00:00:00Z"),
        (
            "2001-12-14t21:59:43.100-05:30",
            "2001-12-14T21:59:43.1-05:30",
        ),
        (
            "2001-12-14 21:59:43.1234567891",
            "2001-12-14T21:59:43.123456789Z",
        ),
        ("2001-12-14 21:59:43 Z", "2001-12-14 21:59:43 Z"),
        ("~", "null"),
        ("yes", "\"yes\""),
        ("!!str 1", "\"1\""),
        ("!!float 1", "1"),
        ("!!binary YWI=", "ab"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Ok(format!("{expected}\n")), "{text}");
    }
}

#[test]
fn scalars_fold_as_in_yaml_1_1() {
    let cases = [
        ("a\n b\n\n c", "|-\n    a b\n    c"),
        ("'a\n\n\n b'", "|-\n    a\n\n    b"),
        ("\"a \\\n  b\"", "a b"),
        ("\"a\\\n\n b\"", "|-\n    a\n    b"),
        (">\n a\n b\n\n  c\n d\n", "|\n    a b\n\n     c\n    d"),
        ("|+\n a\n\n", "|+\n    a\n"),
        ("|2-\n   a\n  b", "|4-\n     a\n    b"),
        ("a\u{85} b", "a b"),
        ("'a\u{2028} b'", "'a\u{2028}    b'"),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text), Ok(format!("{expected}\n")), "{text:?}");
    }
}

#[test]
fn flow_collections_read_as_in_go() {
    let cases = [
        ("[a: b, ? c : d, e]", "- a: b\n- c: d\n- e\n"),
        ("{a, b: , ? c}", "a: null\nb: null\nc: null\n"),
        ("{a:1, b: [::1]}", "a:1: null\nb:\n    - ::1\n"),
        ("[a:b, http://c:1/?d]", "- a:b\n- http://c:1/?d\n"),
        ("{\"a\":1}", "a: 1\n"),
        ("[]", "[]\n"),
        (
            "- - a\n  - b\n- {c: d, e: f}",
            "- - a\n  - b\n- c: d\n  e: f\n",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn own_keys_win_over_merged_ones_and_earlier_maps_over_later() {
    let text = "{a: &a {x: 1, y: 1}, b: &b {y: 2, z: 2}, c: {<<: [*a, *b], x: 0}}";
    let expected = "a:\n    x: 1\n    \"y\": 1\nb:\n    \"y\": 2\n    z: 2\nc:\n    x: 0\n    \"y\": 1\n    z: 2\n";
    assert_eq!(read(text).as_deref(), Ok(expected));
}

#[test]
fn errors_name_the_line() {
    let cases = [
        ("a: [\nb", "yaml: line 3: did not find expected ',' or ']'"),
        (
            "a:\n\tb: c",
            "yaml: line 2: found character that cannot start any token",
        ),
        ("a:\n\n 'b", "yaml: line 3: found unexpected end of stream"),
        (
            "a: 1\nb: 2\na: 3",
            "yaml: construct errors: line 3: mapping key \"a\" already defined at line 1",
        ),
        ("a: *b", "yaml: line 1: unknown anchor 'b' referenced"),
        (
            "a\n\u{1}",
            "yaml: line 2: control characters are not allowed (value: 1)",
        ),
        (
            "%YAML 1.2\n---\n",
            "yaml: line 1: found incompatible YAML document",
        ),
        (
            "{}\nx",
            "yaml: line 2: did not find expected <document start>",
        ),
        (
            "{} x",
            "yaml: line 1: did not find expected <document start>",
        ),
    ];
    for (text, expected) in cases {
        let error = read(text).map_err(|e| e.to_string());
        assert_eq!(error, Err(expected.into()), "{text:?}");
    }
}

#[test]
fn keys_sort_naturally() {
    let keys = [
        "", "-", "1", "2", "10", "B", "a b", "a-b", "a.b", "a_b", "a1", "a1b", "a01", "aB", "ab",
        "b", "b9", "b10", "é",
    ];
    let sorted = |keys: Vec<&str>| {
        let mut map = Value::Map(
            keys.into_iter()
                .map(|key| (key.into(), Value::Null))
                .collect(),
        );
        sort_keys(&mut map);
        map
    };
    let expected = Value::Map(
        keys.iter()
            .map(|key| ((*key).into(), Value::Null))
            .collect(),
    );
    assert_eq!(sorted(keys.to_vec()), expected);
    assert_eq!(sorted(keys.iter().rev().copied().collect()), expected);
}

/// Each of these comes before the next, and the last before the first: its number does not fit 64 bits.
#[test]
fn keys_in_a_ring_sort_alike_from_whichever_order() {
    let keys = [
        "6666666666666",
        "46666666660000000+",
        "46666666660000000000000",
    ];
    let sorted = |order: [usize; 3]| {
        let pairs = order.map(|index| (Value::from(keys[index]), Value::Null));
        let mut map = Value::Map(pairs.into());
        sort_keys(&mut map);
        map
    };
    let first = sorted([0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(sorted(order), first, "{order:?}");
    }
}

#[test]
fn both_byte_orders_of_utf_16_are_read() {
    let text = "\u{feff}a: \u{1f600}";
    let units: Vec<u16> = text.encode_utf16().collect();
    let expected = Document::parse(text.as_bytes(), &Limits::DEFAULT).unwrap();
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        let input: Vec<u8> = units.iter().copied().flat_map(bytes).collect();
        let document = Document::parse(&input, &Limits::DEFAULT).unwrap();
        assert_eq!(format!("{document:?}"), format!("{expected:?}"));
        assert!(Document::parse(&input[..input.len() - 1], &Limits::DEFAULT).is_err());
        assert!(Document::parse(&input[..input.len() - 2], &Limits::DEFAULT).is_err());
    }
}

#[test]
fn writing_stops_at_the_limit() {
    let value = Value::List(vec![Value::from("a"); 100]);
    let text = emit(&value);
    assert_eq!(
        emit_within(&value, text.len()).as_deref(),
        Some(text.as_str())
    );
    assert_eq!(emit_within(&value, text.len() - 1), None);
}
