use serde_json::{Value, json};

use super::*;

fn digest(name: &str) -> String {
    Digest::of(name).to_string()
}

fn layer(media_type: &str, name: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest(name), "size": 7})
}

fn parse(document: &Value) -> Result<Document, Cause> {
    Manifest::new(Bytes::from(document.to_string()))?.parse()
}

fn image(media_type: Option<&str>) -> Value {
    let mut image = json!({
        "schemaVersion": 2,
        "config": layer(oci_client::manifest::IMAGE_CONFIG_MEDIA_TYPE, "config"),
        "layers": [layer(IMAGE_LAYER_GZIP_MEDIA_TYPE, "layer")],
    });
    if let Some(media_type) = media_type {
        image["mediaType"] = media_type.into();
    }
    image
}

#[test]
fn both_families_of_images_are_read() {
    for media_type in [
        None,
        Some(OCI_IMAGE_MEDIA_TYPE),
        Some(IMAGE_MANIFEST_MEDIA_TYPE),
    ] {
        let Document::Image(image) = parse(&image(media_type)).unwrap() else {
            panic!("{media_type:?} is an image");
        };
        assert_eq!(image.config.digest, Digest::of("config"));
        assert_eq!(image.layers[0].digest, Digest::of("layer"));
        assert_eq!(image.layers[0].size, 7);
    }
}

#[test]
fn both_families_of_indexes_are_read() {
    for media_type in [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE] {
        let mut entry = layer(OCI_IMAGE_MEDIA_TYPE, "arm");
        entry["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [entry]});
        let Document::Index(entries) = parse(&index).unwrap() else {
            panic!("{media_type} is an index");
        };
        assert_eq!(
            entries[0].platform,
            Some(["linux", "arm64", "v8"].map(String::from))
        );
        assert_eq!(entries[0].rank("arm64"), Some(0));
        assert_eq!(entries[0].rank("amd64"), None);
    }
}

#[test]
fn documents_that_are_two_things_or_none_are_refused() {
    let mut both = image(None);
    both["manifests"] = json!([]);
    let mut first_schema = image(None);
    first_schema["schemaVersion"] = 1.into();
    let mut negative = image(None);
    negative["layers"][0]["size"] = (-1).into();
    let mut no_layers = image(None);
    no_layers.as_object_mut().unwrap().remove("layers");
    let cases = [
        both,
        first_schema,
        negative,
        no_layers,
        json!({"schemaVersion": 2}),
        json!([]),
        image(Some(OCI_IMAGE_INDEX_MEDIA_TYPE)),
        image(Some("application/vnd.docker.distribution.manifest.v1+json")),
    ];
    for case in cases {
        let cause = parse(&case).expect_err("refused");
        assert!(
            matches!(cause, Cause::Malformed { .. } | Cause::MediaType(_)),
            "{cause}"
        );
    }
}

#[test]
fn limits_hold() {
    let mut many = image(None);
    many["layers"] = vec![layer(IMAGE_LAYER_MEDIA_TYPE, "x"); MAX_LAYERS + 1].into();
    assert!(matches!(
        parse(&many),
        Err(Cause::TooLarge { limit: 500, .. })
    ));
    let long = vec![b' '; usize::try_from(MAX_MANIFEST_LEN).unwrap() + 1];
    assert!(matches!(
        Manifest::new(long.into()),
        Err(Cause::TooLarge { .. })
    ));
}

#[test]
fn the_media_type_of_a_layer_says_how_it_is_compressed() {
    let compression = |media_type: &str| {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(""),
            size: 0,
        }
        .compression()
    };
    let cases = [
        ("application/vnd.oci.image.layer.v1.tar", Compression::None),
        (
            "application/vnd.oci.image.layer.v1.tar+gzip",
            Compression::Gzip,
        ),
        (
            "application/vnd.oci.image.layer.v1.tar+zstd",
            Compression::Zstd,
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar",
            Compression::None,
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Compression::Gzip,
        ),
        (
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            Compression::Zstd,
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            Compression::Gzip,
        ),
    ];
    for (media_type, expected) in cases {
        assert_eq!(compression(media_type), Ok(expected), "{media_type}");
    }
    let other = "application/vnd.in-toto+json";
    assert_eq!(compression(other), Err(Cause::MediaType(other.to_owned())));
}
