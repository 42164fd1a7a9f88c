//! Sources of images: both implementations run one conformance suite; then what only a layout can get wrong.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod support;

use std::{fs, os::unix::fs::symlink, path::Path};

use assembler::source::{
    Cause, Descriptor, OciLayout, Registry, RegistryOptions, Source, SourceSpec,
};
use formats::Digest;
use serde_json::{Value, json};

use crate::support::{
    Release,
    conformance::{conforms, read},
    quick,
    server::Server,
};

fn layout(release: &Release, index: &Value) -> (tempfile::TempDir, OciLayout) {
    let directory = tempfile::tempdir().unwrap();
    release.write_layout(directory.path(), index);
    let layout = OciLayout::directory(directory.path());
    (directory, layout)
}

fn archive(release: &Release, prefix: &str) -> (tempfile::TempDir, OciLayout) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("release.tar");
    release.write_archive(&file, prefix);
    (directory, OciLayout::archive(file))
}

#[tokio::test]
async fn a_layout_directory_conforms() {
    let release = Release::new();
    let (_directory, layout) = layout(&release, &release.index_json(""));
    conforms(&layout, &release).await;
}

#[tokio::test]
async fn a_layout_archive_conforms() {
    let release = Release::new();
    for prefix in ["", "./"] {
        let (_directory, layout) = archive(&release, prefix);
        conforms(&layout, &release).await;
    }
}

#[tokio::test]
async fn a_registry_conforms() {
    let release = Release::new();
    let server = Server::honest(release.clone()).await;
    conforms(&server.quick(), &release).await;
}

#[tokio::test]
async fn a_source_is_opened_by_its_specification() {
    let release = Release::new();
    let (directory, _) = layout(&release, &release.index_json(""));
    release.write_archive(&directory.path().join("release.tar"), "");
    let server = Server::honest(release.clone()).await;
    let path = directory.path().display();
    let texts = [
        format!("oci:{path}"),
        format!("oci-archive:{path}/release.tar"),
        server.host(),
    ];
    for text in texts {
        let spec: SourceSpec = text.parse().unwrap();
        let source = assembler::source::open(&spec, RegistryOptions::default()).unwrap();
        let digest = source
            .resolve(&"siderolabs/imager".parse().unwrap(), "v1.14.0")
            .await;
        assert_eq!(
            digest,
            Ok(release.tags["siderolabs/imager"]["v1.14.0"]),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_namespace_comes_before_every_repository() {
    let mut release = Release::new();
    let digest = release.tags["siderolabs/imager"]["v1.14.0"];
    release.tag("mirror/siderolabs/imager", "v1.14.0", digest);
    let server = Server::honest(release).await;
    let registry = Registry::new(&server.host(), Some("mirror".parse().unwrap()), quick()).unwrap();
    let repository = "siderolabs/imager".parse().unwrap();
    assert_eq!(registry.resolve(&repository, "v1.14.0").await, Ok(digest));
    let error = registry.resolve(&repository, "v1").await.unwrap_err();
    assert_eq!(error.image, "mirror/siderolabs/imager:v1");
}

#[tokio::test]
async fn names_with_a_host_are_names_without_it() {
    let release = Release::new();
    for host in ["ghcr.io/", "localhost:5000/", "registry.example.com/"] {
        let (_directory, layout) = layout(&release, &release.index_json(host));
        conforms(&layout, &release).await;
    }
}

#[tokio::test]
async fn blobs_may_be_a_link_to_elsewhere() {
    let release = Release::new();
    let (directory, layout) = layout(&release, &release.index_json(""));
    let shared = tempfile::tempdir().unwrap();
    fs::rename(directory.path().join("blobs"), shared.path().join("blobs")).unwrap();
    symlink(shared.path().join("blobs"), directory.path().join("blobs")).unwrap();
    conforms(&layout, &release).await;
}

#[tokio::test]
async fn links_inside_an_archive_are_followed() {
    let release = Release::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("release.tar");
    let mut archive = tar::Builder::new(fs::File::create(&file).unwrap());
    let link = |archive: &mut tar::Builder<fs::File>, kind, name: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, name, target).unwrap();
    };
    link(
        &mut archive,
        tar::EntryType::Symlink,
        "layout/blobs",
        "../pool/one/../two",
    );
    for (name, bytes) in release.files(&release.index_json("")) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let pooled = name.replace("blobs/", "pool/two/");
        archive
            .append_data(&mut header, &pooled, &bytes[..])
            .unwrap();
    }
    link(&mut archive, tar::EntryType::Symlink, "blobs", "pool/two");
    link(
        &mut archive,
        tar::EntryType::Symlink,
        "escape",
        "../../etc/passwd",
    );
    link(
        &mut archive,
        tar::EntryType::Link,
        "again/index.json",
        "index.json",
    );
    archive.into_inner().unwrap();
    conforms(&OciLayout::archive(file), &release).await;
}

#[tokio::test]
async fn an_index_without_a_name_may_hold_the_names() {
    let mut release = Release::new();
    let inner = release.index_json("");
    let inner = release.manifest(support::release::OCI_INDEX, &inner);
    let outer = json!({"schemaVersion": 2, "manifests": [release.descriptor(support::release::OCI_INDEX, inner)]});
    let (_directory, layout) = layout(&release, &outer);
    conforms(&layout, &release).await;
}

#[tokio::test]
async fn a_full_name_of_containerd_counts_too() {
    let release = Release::new();
    let digest = release.tags["siderolabs/imager"]["v1.14.0"];
    let mut entry = release.descriptor(support::release::OCI_INDEX, digest);
    entry["annotations"] = json!({
        "io.containerd.image.name": "ghcr.io/siderolabs/imager:v1.14.0",
        "org.opencontainers.image.ref.name": "v1.14.0",
    });
    let (_directory, layout) = layout(&release, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let repository = "siderolabs/imager".parse().unwrap();
    assert_eq!(layout.resolve(&repository, "v1.14.0").await, Ok(digest));
    assert_eq!(
        layout.tags(&repository).await,
        Ok(vec!["v1.14.0".to_owned()])
    );
}

#[tokio::test]
async fn a_name_for_two_images_is_an_error_unless_one_has_no_host() {
    let release = Release::new();
    let [first, second] = ["siderolabs/imager", "siderolabs/nested"]
        .map(|name| *release.tags[name].values().next_back().unwrap());
    let named = |digest, name: &str| {
        let mut entry = release.descriptor(release.media_type(&digest), digest);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        entry
    };
    let repository = "a/b".parse().unwrap();
    let both = [
        named(first, "x.io/a/b:v1"),
        named(second, "y.io/a/b:v1"),
        named(first, "z.io/a/b:v1"),
    ];
    let (_directory, ambiguous) = layout(&release, &json!({"schemaVersion": 2, "manifests": both}));
    let error = ambiguous.resolve(&repository, "v1").await.unwrap_err();
    let mut digests = vec![first, second];
    digests.sort_unstable();
    assert_eq!(error.cause, Cause::Ambiguous(digests));
    let all = [&both[..], &[named(second, "a/b:v1")]].concat();
    let (_directory, clear) = layout(&release, &json!({"schemaVersion": 2, "manifests": all}));
    assert_eq!(clear.resolve(&repository, "v1").await, Ok(second));
}

#[tokio::test]
async fn a_changed_index_is_read_again() {
    let mut release = Release::new();
    let (directory, layout) = layout(&release, &release.index_json(""));
    let repository = "siderolabs/imager".parse().unwrap();
    let old = layout.resolve(&repository, "v1.14.0").await.unwrap();
    let new = release.image(support::release::OCI_MANIFEST, "new", &[]);
    assert_ne!(old, new);
    release.tag("siderolabs/imager", "v1.14.0", new);
    release.write_layout(directory.path(), &release.index_json(""));
    assert_eq!(layout.resolve(&repository, "v1.14.0").await, Ok(new));
}

#[tokio::test]
async fn a_replaced_archive_is_read_again() {
    let mut release = Release::new();
    let (directory, layout) = archive(&release, "");
    let repository = "siderolabs/imager".parse().unwrap();
    layout.resolve(&repository, "v1.14.0").await.unwrap();
    let new = release.image(support::release::OCI_MANIFEST, "new", &[]);
    release.tag("siderolabs/imager", "v1.14.0", new);
    let fresh = directory.path().join("fresh.tar");
    release.write_archive(&fresh, "");
    fs::rename(fresh, directory.path().join("release.tar")).unwrap();
    assert_eq!(layout.resolve(&repository, "v1.14.0").await, Ok(new));
    let manifest = layout.manifest(&repository, &new).await.unwrap();
    assert_eq!(manifest.bytes, release.blobs[&new]);
}

fn blob_path(directory: &Path, digest: &Digest) -> std::path::PathBuf {
    directory.join("blobs/sha256").join(digest.hex())
}

#[tokio::test]
async fn damaged_files_are_never_taken_for_good() {
    let release = Release::new();
    let (directory, layout) = layout(&release, &release.index_json(""));
    let repository = "siderolabs/util-linux-tools";
    let manifest = release.tags[repository]["2.40"];
    let parsed = repository.parse().unwrap();
    let image = assembler::source::image::find(&layout, &parsed, &manifest, "amd64").await;
    let layer = image.unwrap().layers[0].clone();

    let damage = |digest: &Digest| {
        let mut bytes = release.blobs[digest].to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(blob_path(directory.path(), digest), &bytes).unwrap();
        Cause::WrongDigest {
            expected: *digest,
            found: Digest::of(&bytes),
        }
    };
    let cause = damage(&layer.digest);
    let error = read(&layout, repository, &layer).await.unwrap_err();
    assert_eq!(error.cause, cause);
    assert!(
        error
            .to_string()
            .contains(&format!("{repository}@{}", layer.digest)),
        "{error}"
    );
    let cause = damage(&manifest);
    let error = layout
        .manifest(&repository.parse().unwrap(), &manifest)
        .await
        .unwrap_err();
    assert_eq!(error.cause, cause);

    let short = release.blobs[&layer.digest].slice(..100);
    fs::write(blob_path(directory.path(), &layer.digest), short).unwrap();
    let error = read(&layout, repository, &layer).await.unwrap_err();
    assert_eq!(
        error.cause,
        Cause::Truncated {
            expected: layer.size,
            found: 100
        }
    );
    let path = blob_path(directory.path(), &layer.digest);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = read(&layout, repository, &layer).await.unwrap_err();
    assert!(error.to_string().ends_with("not a regular file"), "{error}");
}

#[tokio::test]
async fn what_is_no_layout_is_refused_with_the_reason() {
    let release = Release::new();
    let repository = "siderolabs/imager".parse().unwrap();
    let reason = async |layout: &OciLayout| layout.tags(&repository).await.unwrap_err().to_string();

    let nowhere = OciLayout::directory("/nonexistent");
    assert_eq!(
        reason(&nowhere).await,
        "OCI layout /nonexistent: siderolabs/imager: /nonexistent/index.json: No such file or directory (os error 2)"
    );
    let (directory, broken) = layout(&release, &release.index_json(""));
    fs::write(directory.path().join("index.json"), "{").unwrap();
    assert!(reason(&broken).await.contains("malformed index.json"));
    fs::remove_file(directory.path().join("oci-layout")).unwrap();
    assert!(
        reason(&broken)
            .await
            .ends_with("oci-layout is missing: not an OCI image layout")
    );
    fs::write(
        directory.path().join("oci-layout"),
        r#"{"imageLayoutVersion":"2.0.0"}"#,
    )
    .unwrap();
    assert!(
        reason(&broken)
            .await
            .ends_with("malformed oci-layout: version 2.0.0")
    );

    let (directory, packed) = archive(&release, "");
    let file = directory.path().join("release.tar");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
    assert!(
        reason(&packed)
            .await
            .ends_with("is compressed; it has to be a plain tar file")
    );
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let text = reason(&packed).await;
    assert!(text.contains("ends inside"), "{text}");
    fs::write(&file, "text ".repeat(1000)).unwrap();
    assert!(reason(&packed).await.starts_with("OCI archive "));
}

#[tokio::test]
async fn a_missing_nested_index_is_named() {
    let release = Release::new();
    let digest = Digest::of("gone");
    let entry =
        json!({"mediaType": support::release::OCI_INDEX, "digest": digest.to_string(), "size": 4});
    let (_directory, layout) = layout(&release, &json!({"schemaVersion": 2, "manifests": [entry]}));
    let error = layout.tags(&"a".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.cause, Cause::MissingBlob(digest));
}

#[tokio::test]
async fn indexes_that_lead_nowhere_end() {
    let mut release = Release::new();
    let mut digest = release.image(support::release::OCI_MANIFEST, "deep", &[]);
    for _ in 0..10 {
        digest = release.index(support::release::OCI_INDEX, &[(digest, None)]);
    }
    release.tag("siderolabs/deep", "v1", digest);
    let (_directory, layout) = layout(&release, &release.index_json(""));
    let repository = "siderolabs/deep".parse().unwrap();
    let found = assembler::source::image::find(&layout, &repository, &digest, "amd64").await;
    assert!(matches!(found.unwrap_err().cause, Cause::TooLarge { .. }));
}

#[tokio::test]
async fn an_empty_blob_is_a_stream_of_nothing() {
    let mut release = Release::new();
    let digest = release.blob("");
    let (_directory, layout) = layout(&release, &release.index_json(""));
    let empty = Descriptor {
        media_type: String::new(),
        digest,
        size: 0,
    };
    assert_eq!(read(&layout, "a", &empty).await, Ok(bytes::Bytes::new()));
}
