use super::*;

fn extensions(names: &[&str]) -> Extensions {
    let lines = names
        .iter()
        .map(|name| format!("ghcr.io/{name}:v1@sha256:00\n"));
    let file: String = lines.collect();
    Extensions::parse(Some(file.as_bytes()), None, "r.example").unwrap()
}

#[test]
fn an_old_name_finds_its_successor() {
    let catalog = extensions(&[
        "siderolabs/i915",
        "siderolabs/gasket",
        "siderolabs/gasket-driver",
    ]);
    let name = |name: &str| {
        catalog
            .find(name.as_bytes(), "v1.14.0")
            .map(|found| found.name.as_str())
    };
    assert_eq!(name("siderolabs/i915-ucode"), Ok("siderolabs/i915"));
    assert_eq!(name("siderolabs/gasket"), Ok("siderolabs/gasket"));
    let error = name("i915").unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::BadRequest);
    assert_eq!(
        error.to_string(),
        "official extension \"i915\" is not available for Talos version v1.14.0"
    );
}

#[test]
fn a_port_is_no_tag() {
    let parse =
        |text| super::reference::Reference::parse(text).map(|found| (found.repository, found.tag));
    let parts = |repository: &str, tag: &str| Ok((repository.to_owned(), tag.to_owned()));
    assert_eq!(
        parse("localhost:5000/siderolabs/x"),
        parts("siderolabs/x", "latest")
    );
    assert_eq!(
        parse("localhost:5000/siderolabs/x:v1"),
        parts("siderolabs/x", "v1")
    );
    assert_eq!(parse("siderolabs/x:v1"), parts("siderolabs/x", "v1"));
    for text in [
        "",
        ":",
        "x",
        "ghcr.io/X/y:1",
        "ghcr.io/x/y:",
        "ghcr.io/x/y:a b",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn catalogues_serialize_as_the_api_shows_them() {
    let json = serde_json::to_string(&extensions(&["siderolabs/zfs"])).unwrap();
    let expected = r#"[{"name":"siderolabs/zfs","ref":"r.example/siderolabs/zfs:v1","digest":"sha256:00","author":"","description":""}]"#;
    assert_eq!(json, expected);
    let overlays = Overlays::parse(Some(
        b"overlays: [{name: a, image: 'ghcr.io/b/c:d', digest: e}]",
    ))
    .unwrap();
    let json = serde_json::to_string(&overlays).unwrap();
    assert_eq!(
        json,
        r#"[{"name":"a","image":"b/c","ref":"ghcr.io/b/c:d","digest":"e"}]"#
    );
    assert_eq!(overlays.find(b"a", "v1.14.0").unwrap().digest, "e");
    assert!(overlays.find(b"b", "v1.14.0").is_err());
}
