//! Extensions that do not come with the release: extra catalogues, image references, and images that mean no good. The
//! release itself is the stand-in's, named by `TALOS_FORGE_TEST_RELEASE`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails; one that is skipped says so"
)]

#[path = "support/artifact.rs"]
mod artifact;
#[path = "support/standin.rs"]
mod standin;
mod support;

use std::path::Path;

use artifact::{content, members, options};
use assembler::{
    error::Kind,
    forge::{ExtraCatalog, Forge, Need, Options},
    source::ExtraRegistry,
};
use bytes::Bytes;
use formats::Digest;
use serde_json::json;
use standin::release;
use support::{
    Release, quick,
    release::OCI_MANIFEST,
    server::{Reply, Server},
};

/// A layer: contents of files, targets of links (`->target`), by path.
fn layer(entries: &[(String, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        if let Some(target) = text.strip_prefix("->") {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, path, target).unwrap();
        } else {
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

fn image(release: &mut Release, entries: &[(String, &str)]) -> Digest {
    let layer = release.blob(layer(entries));
    let config = release.blob(r#"{"architecture":"amd64","os":"linux"}"#);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": release.descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [release.descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    });
    release.manifest(OCI_MANIFEST, &manifest)
}

/// An extension called `name` with further files below its root.
fn extension(release: &mut Release, name: &str, files: &[(String, &str)]) -> Digest {
    let manifest = format!(
        "version: v1alpha1\nmetadata:\n  name: {name}\n  version: \"1\"\n  author: me\n  description: mine\n"
    );
    let mut entries = vec![
        ("manifest.yaml".to_owned(), manifest.as_str()),
        (format!("rootfs/usr/local/{name}"), "here"),
    ];
    entries.extend(
        files
            .iter()
            .map(|(path, text)| (format!("rootfs/{path}"), *text)),
    );
    image(release, &entries)
}

/// A registry with the catalogue `team/extensions` and what it lists.
fn team() -> Release {
    let mut release = Release::default();
    let driver = extension(&mut release, "driver", &[]);
    let tools = extension(&mut release, "tools-of-the-team", &[]);
    let circle = extension(
        &mut release,
        "circle",
        &[
            ("usr/lib/firmware/a".to_owned(), "->b"),
            ("usr/lib/firmware/b".to_owned(), "->a"),
        ],
    );
    let many: Vec<(String, &str)> = (0..100_000_usize)
        .map(|number| {
            let text = ["a", "b", "c", "d"][number % 4];
            (format!("usr/local/many/{:03}/{number}", number / 500), text)
        })
        .collect();
    let many = extension(&mut release, "many", &many);
    release.tag("team/driver", "1", driver);
    release.tag("siderolabs/iscsi-tools", "9", tools);
    release.tag("team/circle", "1", circle);
    release.tag("team/many", "1", many);
    let lines = [
        ("team/driver:1", driver),
        ("siderolabs/iscsi-tools:9", tools),
        ("team/circle:1", circle),
        ("team/many:1", many),
    ]
    .map(|(image, digest)| format!("registry.example.org/{image}@{digest}\n"));
    let catalog = image(
        &mut release,
        &[("image-digests".to_owned(), &lines.concat())],
    );
    release.tag("team/extensions", "v1.14.0", catalog);
    release
}

fn with_team(release: &Path, data: &Path, host: &str) -> Options {
    Options {
        registry: quick(),
        extra_catalogs: vec![ExtraCatalog {
            registry: ExtraRegistry {
                host: host.to_owned(),
                insecure: false,
                docker_config: None,
            },
            namespace: None,
            repository: "team/extensions".parse().unwrap(),
        }],
        ..options(release, data)
    }
}

async fn initramfs(
    forge: &Forge,
    version: &str,
    names: &[&str],
) -> Result<Vec<u8>, (Kind, String)> {
    let document = json!({"customization": {"systemExtensions": {"officialExtensions": names}}});
    let (id, ..) = forge
        .create_schematic(document.to_string().as_bytes())
        .await
        .unwrap();
    let artifact = forge
        .artifact(
            &id.to_string(),
            version,
            "initramfs-amd64.xz",
            Need::Payload,
        )
        .await;
    match artifact {
        Ok(artifact) => Ok(content(&artifact)),
        Err(error) => Err((error.kind(), error.to_string())),
    }
}

/// Whether an initramfs lists an extension.
fn lists(initramfs: &[u8], name: &str) -> bool {
    let members = members(initramfs);
    let list = members
        .iter()
        .find(|(_, name, _)| name == "100644 extensions.yaml");
    let text = String::from_utf8(list.unwrap().2.clone()).unwrap();
    text.contains(&format!("        name: {name}\n"))
}

#[tokio::test]
async fn extra_catalogues_come_first_and_win() {
    let Some(release) = release() else { return };
    let server = Server::honest(team()).await;
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(with_team(&release, data.path(), &server.host()))
        .await
        .unwrap();
    let all = forge.extensions("v1.14.0").await.unwrap();
    let names: Vec<&str> = all.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names[..2], ["team/driver", "siderolabs/iscsi-tools"]);
    let count = |wanted| names.iter().filter(|name| **name == wanted).count();
    assert_eq!(count("siderolabs/iscsi-tools"), 1);
    assert_eq!(count("siderolabs/gvisor"), 1);
    let driver = all.iter().next().unwrap();
    assert_eq!(driver.reference, format!("{}/team/driver:1", server.host()));

    let names = [
        "team/driver",
        "siderolabs/iscsi-tools",
        "siderolabs/hello-world-service",
    ];
    let made = initramfs(&forge, "v1.14.0", &names).await.unwrap();
    for name in [
        "driver",
        "tools-of-the-team",
        "hello-world-service",
        "schematic",
    ] {
        assert!(lists(&made, name), "{name}");
    }
    // A version that the team has no catalogue for is the release's own.
    let plain = initramfs(&forge, "v1.13.2", &names[1..]).await.unwrap();
    assert!(lists(&plain, "iscsi-tools"));
    let (kind, text) = initramfs(&forge, "v1.13.2", &names).await.unwrap_err();
    assert_eq!(kind, Kind::BadRequest, "{text}");
    assert!(text.ends_with(
        "official extension \"team/driver\" is not available for Talos version v1.13.2"
    ));
}

#[tokio::test]
async fn references_are_followed_only_where_the_operator_allows_it() {
    let Some(release) = release() else { return };
    let server = Server::honest(team()).await;
    let by_tag = format!("{}/team/driver:1", server.host());
    let digest = team().tags["team/driver"]["1"];
    let by_digest = format!("{}/team/driver@{digest}", server.host());
    for allow_references in [false, true] {
        let data = tempfile::tempdir().unwrap();
        let options = Options {
            registry: quick(),
            allow_references,
            ..options(&release, data.path())
        };
        let forge = Forge::open(options).await.unwrap();
        for name in [&by_tag, &by_digest] {
            let made = initramfs(&forge, "v1.14.0", &[name]).await;
            if allow_references {
                assert!(lists(&made.unwrap(), "driver"), "{name}");
            } else {
                let (kind, text) = made.unwrap_err();
                assert_eq!(kind, Kind::BadRequest, "{text}");
                assert!(
                    text.contains("is not available for Talos version"),
                    "{text}"
                );
            }
        }
        let absent = format!("{}/team/driver:2", server.host());
        let (kind, text) = initramfs(&forge, "v1.14.0", &[&absent]).await.unwrap_err();
        assert_eq!(kind, Kind::BadRequest, "{text}");
        assert!(text.contains("driver:2"), "{text}");
    }
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| !seen.is_manifest() || seen.path.contains("team/driver"))
    );
}

#[tokio::test]
async fn images_that_are_not_what_the_catalogue_says_are_the_source_s_fault() {
    let Some(release) = release() else { return };
    let driver = team().tags["team/driver"]["1"].hex();
    let lies = move |seen: &support::server::Seen| {
        let body = Bytes::from_static(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#,
        );
        seen.path.contains(&driver).then(|| Reply::body(body))
    };
    let server = Server::start(team(), lies).await;
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(with_team(&release, data.path(), &server.host()))
        .await
        .unwrap();
    let (kind, text) = initramfs(&forge, "v1.14.0", &["team/driver"])
        .await
        .unwrap_err();
    assert_eq!(kind, Kind::Upstream, "{text}");
    assert!(text.contains("the bytes hash to"), "{text}");
}

#[tokio::test]
async fn extensions_that_mean_no_good_are_refused_or_made_all_the_same() {
    let Some(release) = release() else { return };
    let server = Server::honest(team()).await;
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(with_team(&release, data.path(), &server.host()))
        .await
        .unwrap();
    let (kind, text) = initramfs(&forge, "v1.14.0", &["team/circle"])
        .await
        .unwrap_err();
    assert_eq!(kind, Kind::BadRequest, "{text}");
    assert_eq!(
        text,
        "error moving firmware of extension \"circle\": \"usr/lib/firmware/a\": too many links, or links in a circle"
    );
    let made = initramfs(&forge, "v1.14.0", &["team/many"]).await.unwrap();
    assert!(lists(&made, "many"));
}
