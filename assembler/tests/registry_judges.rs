//! Judged by programs we did not write: Debian's docker-registry serves what we push, skopeo writes layouts that we read.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod support;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use assembler::source::{
    Cause, OciLayout, Registry, RegistryOptions, Source, image, registry::CredentialSources,
};
use formats::Digest;

use crate::support::{
    Release,
    conformance::{conforms, read},
    has_judge, quick,
};

/// A docker-registry on a free port; it ends with this value.
#[derive(Debug)]
struct DockerRegistry {
    process: Child,
    host: String,
    _directory: tempfile::TempDir,
}

impl DockerRegistry {
    fn start() -> Self {
        Self::with(tempfile::tempdir().unwrap(), "", "")
    }

    /// With more settings at the top, and below `http`.
    fn with(directory: tempfile::TempDir, top: &str, http: &str) -> Self {
        let config = directory.path().join("config.yml");
        let root = directory.path().join("root");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n{top}http: {{addr: '127.0.0.1:0'{http}}}\n",
            root.display()
        );
        fs::write(&config, text).unwrap();
        let mut process = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let host = lines.find_map(|line| {
            let line = line.unwrap();
            let address = line.split_once("listening on ")?.1;
            let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
            Some(address[..end.unwrap_or(address.len())].to_owned())
        });
        let host = host.expect("docker-registry says where it listens");
        // Its log has to go somewhere for as long as it runs.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process,
            host,
            _directory: directory,
        }
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Pushes the release: tags with our own client, manifests without a tag by hand.
async fn push(registry: &Registry, host: &str, release: &Release) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (name, tags) in &release.tags {
        let repository = name.parse().unwrap();
        let reachable = release.reachable(name);
        let is_manifest =
            |digest: &Digest| release.manifests.iter().any(|(known, _)| known == digest);
        for digest in reachable.iter().filter(|digest| !is_manifest(digest)) {
            let pushed = registry
                .push_blob(&repository, release.blobs[digest].clone())
                .await;
            assert_eq!(pushed, Ok(*digest));
        }
        for (digest, media_type) in release
            .manifests
            .iter()
            .filter(|(digest, _)| reachable.contains(digest))
        {
            let url = format!("http://{host}/v2/{name}/manifests/{digest}");
            let request = client.put(url).header("content-type", *media_type);
            let response = request
                .body(release.blobs[digest].clone())
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
        }
        for (tag, digest) in tags {
            let bytes = release.blobs[digest].clone();
            let pushed = registry
                .push_manifest(&repository, tag, release.media_type(digest), bytes)
                .await;
            assert_eq!(pushed, Ok(*digest));
        }
    }
}

#[tokio::test]
async fn docker_registry_conforms() {
    if !has_judge("docker-registry") {
        return;
    }
    let judge = DockerRegistry::start();
    let release = Release::new();
    let registry = Registry::new(&judge.host, None, quick()).unwrap();
    push(&registry, &judge.host, &release).await;
    conforms(&registry, &release).await;

    let repository = "siderolabs/imager".parse().unwrap();
    let known = release
        .reachable("siderolabs/imager")
        .into_iter()
        .next()
        .unwrap();
    let bytes = release.blobs[&known].clone();
    let got = registry
        .get_blob(&repository, &known, bytes.len() as u64)
        .await
        .unwrap();
    assert_eq!(got.map(|got| Digest::of(&got)), Some(known));
    assert_eq!(
        registry.get_blob(&repository, &Digest::of("x"), 1).await,
        Ok(None)
    );
}

fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo")
        .args([
            "--insecure-policy",
            "copy",
            "--all",
            "--preserve-digests",
            "--src-tls-verify=false",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The images of the release that skopeo can put into a layout as they are: those without Docker's media types.
async fn has_the_same_images(layout: &dyn Source, release: &Release, names: &[(&str, &str)]) {
    for (name, tag) in names {
        let repository = name.parse().unwrap();
        let digest = layout.resolve(&repository, tag).await.unwrap();
        assert_eq!(digest, release.tags[name][*tag]);
        for architecture in ["amd64", "arm64"] {
            let found = image::find(layout, &repository, &digest, architecture)
                .await
                .unwrap();
            for layer in found.layers.iter().chain([&found.config]) {
                let bytes = read(layout, name, layer).await.unwrap();
                assert_eq!(Digest::of(&bytes), layer.digest);
            }
        }
    }
}

#[tokio::test]
async fn layouts_written_by_skopeo_are_read() {
    if !has_judge("docker-registry") || !has_judge("skopeo") {
        return;
    }
    let judge = DockerRegistry::start();
    let release = Release::new();
    let registry = Registry::new(&judge.host, None, quick()).unwrap();
    push(&registry, &judge.host, &release).await;
    let directory = tempfile::tempdir().unwrap();
    let below = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();

    let names = [
        ("siderolabs/imager", "v1.14.0"),
        ("siderolabs/imager", "v1.13.2"),
    ];
    for (name, tag) in names {
        let from = format!("docker://{}/{name}:{tag}", judge.host);
        skopeo(&[&from, &format!("oci:{}:{name}:{tag}", below("layout"))]);
    }
    has_the_same_images(&OciLayout::directory(below("layout")), &release, &names).await;

    let (name, tag) = names[0];
    let from = format!("docker://{}/{name}:{tag}", judge.host);
    skopeo(&[
        &from,
        &format!("oci-archive:{}:{name}:{tag}", below("release.tar")),
    ]);
    has_the_same_images(
        &OciLayout::archive(below("release.tar")),
        &release,
        &names[..1],
    )
    .await;

    let tar = Command::new("tar")
        .args(["-C", &below("layout"), "-cf", &below("again.tar"), "."])
        .status()
        .unwrap();
    assert!(tar.success());
    assert!(Path::new(&below("again.tar")).exists());
    has_the_same_images(&OciLayout::archive(below("again.tar")), &release, &names).await;
}

/// Makes a certificate, and its key beside it.
fn openssl(certificate: &Path, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30".split(' '),
        )
        .args(arguments)
        .arg("-keyout")
        .arg(certificate.with_extension("key"))
        .arg("-out")
        .arg(certificate)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

#[tokio::test]
async fn a_registry_with_its_own_authority_is_trusted_when_told_so() {
    if !has_judge("docker-registry") || !has_judge("openssl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let [authority, certificate] = ["ca", "server"].map(|name| directory.path().join(name));
    openssl(&authority, &["-subj", "/CN=authority"]);
    let signed_by = authority.to_str().unwrap();
    let signing_key = format!("{signed_by}.key");
    let address = "subjectAltName=IP:127.0.0.1";
    let leaf = [
        "-subj",
        "/CN=server",
        "-addext",
        address,
        "-addext",
        "basicConstraints=CA:FALSE",
    ];
    openssl(
        &certificate,
        &[&leaf[..], &["-CA", signed_by, "-CAkey", &signing_key]].concat(),
    );
    let key = certificate.with_extension("key");
    let tls = format!(
        ", tls: {{certificate: {}, key: {}}}",
        certificate.display(),
        key.display()
    );
    let judge = DockerRegistry::with(directory, "", &tls);
    let repository = "siderolabs/imager".parse().unwrap();

    let stranger = Registry::new(&judge.host, None, quick()).unwrap();
    let error = stranger.resolve(&repository, "v1").await.unwrap_err();
    assert!(
        error.to_string().contains("invalid peer certificate"),
        "{error}"
    );

    let options = RegistryOptions {
        ca: Some(authority),
        ..quick()
    };
    let registry = Registry::new(&judge.host, None, options).unwrap();
    let pushed = registry.push_blob(&repository, "x".into()).await;
    assert_eq!(pushed, Ok(Digest::of("x")));
    let error = registry.resolve(&repository, "v1").await.unwrap_err();
    assert_eq!(error.cause, Cause::UnknownTag);
}

#[test]
fn an_authority_that_cannot_be_read_is_an_error_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    for path in [directory.path().join("absent.pem"), empty] {
        let options = RegistryOptions {
            ca: Some(path.clone()),
            ..quick()
        };
        let error = Registry::new("registry.example.com", None, options).unwrap_err();
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn docker_registry_lets_us_in_with_a_password() {
    if !has_judge("docker-registry") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let htpasswd = directory.path().join("htpasswd");
    // `hunter2`, by crypt(3) with a cost of 4.
    fs::write(
        &htpasswd,
        "user:$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm\n",
    )
    .unwrap();
    let top = format!(
        "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
        htpasswd.display()
    );
    let config = directory.path().join("config.json");
    let judge = DockerRegistry::with(directory, &top, "");
    let text = format!(
        r#"{{"auths":{{"{}":{{"username":"user","password":"hunter2"}}}}}}"#,
        judge.host
    );
    fs::write(&config, text).unwrap();
    let credentials = CredentialSources {
        docker_config: Some(config),
        github_token: None,
    };
    let registry = Registry::new(
        &judge.host,
        None,
        RegistryOptions {
            credentials,
            ..quick()
        },
    )
    .unwrap();
    let repository = "siderolabs/imager".parse().unwrap();
    registry.push_blob(&repository, "x".into()).await.unwrap();
    let got = registry.get_blob(&repository, &Digest::of("x"), 1).await;
    assert_eq!(got, Ok(Some("x".into())));

    let stranger = Registry::new(&judge.host, None, quick()).unwrap();
    let error = stranger
        .get_blob(&repository, &Digest::of("x"), 1)
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error}");
}
