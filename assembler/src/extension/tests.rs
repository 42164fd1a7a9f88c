use super::*;

#[test]
fn ten_sorts_before_two() {
    assert_eq!(checkout_order(12), [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(checkout_order(0).is_empty());
}

#[test]
fn ranges_admit_what_semver_does() {
    let cases = [
        ("", (0, 0, 1), true),
        (">= v1.10.0", (1, 10, 0), true),
        (">= 1.10.0-alpha.1", (1, 10, 0), true),
        ("<= 1.10.0-alpha.1", (1, 10, 0), false),
        ("1.10.0-alpha.1", (1, 10, 0), false),
        ("> 1.10.x", (1, 10, 9), false),
        ("> 1.10.x", (1, 11, 0), true),
        ("<= 1.x", (1, 99, 0), true),
        ("<= 1.x", (2, 0, 0), false),
        ("1.11.x", (1, 11, 7), true),
        // Two wildcards mean what one in the last place does: semver's doing.
        ("1.x.x", (1, 0, 3), true),
        ("1.x.x", (1, 2, 3), false),
        ("!1.10.0", (1, 10, 0), false),
        (">1.0.0 <2.0.0 || >=3.0.0 !4.2.1", (2, 5, 0), false),
        (">1.0.0 <2.0.0 || >=3.0.0 !4.2.1", (3, 5, 0), true),
        (">1.0.0 <2.0.0 || >=3.0.0 !4.2.1", (4, 2, 1), false),
    ];
    for (range, version, expected) in cases {
        let range_read = Constraint::parse(range).unwrap();
        assert_eq!(range_read.admits(version), expected, "{range} {version:?}");
    }
}

#[test]
fn ranges_that_semver_refuses_are_refused() {
    for range in [
        "*", "~1.11", "^1.11.0", ">= 1.11", "foo", "|| 1.0.0", "1.0.0 ||", "01.0.0", "1.0.0-", "x",
    ] {
        assert!(Constraint::parse(range).is_err(), "{range}");
    }
}

#[test]
fn a_manifest_reads_back_as_it_was_written() {
    let manifest = Manifest::new(Metadata {
        name: "m".into(),
        version: "1.10".into(),
        author: "a: b".into(),
        description: "one\ntwo\n".into(),
        talos: ">= 1.0.0".into(),
        extra_info: "  x".into(),
    });
    assert_eq!(Manifest::parse(manifest.to_yaml().as_bytes()), Ok(manifest));
}

#[test]
fn an_empty_manifest_is_a_missing_one() {
    for text in ["", "# nothing\n", "{}", "foo: bar\n"] {
        assert_eq!(
            Manifest::parse(text.as_bytes()),
            Err(Error::NoManifest),
            "{text:?}"
        );
    }
    let other = Manifest::parse(b"metadata: {name: x}\n");
    assert_eq!(other, Err(Error::Version(String::new())));
}

#[test]
fn extensions_of_different_content_have_different_digests() {
    let digests =
        [embedded_config(b"a"), embedded_config(b"b")].map(|extension| extension.digest());
    assert_ne!(digests[0], digests[1]);
    assert_eq!(digests[0], embedded_config(b"a").digest());
}
