//! Who gets to see credentials: the realm a registry names, over HTTPS or on its own host, and nobody else.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod support;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use assembler::source::{
    Cause, Registry, RegistryOptions, Source as _, registry::CredentialSources,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::support::{
    Release,
    conformance::{conforms, read},
    quick,
    server::{Reply, Seen, Server},
};

const REPOSITORY: &str = "siderolabs/util-linux-tools";
const TAG: &str = "2.40";
const BASIC: &str = "Basic dXNlcjpodW50ZXIy";

/// Options with a Docker configuration that has `user` and `hunter2` for a host.
fn options(directory: &Path, host: &str) -> RegistryOptions {
    let auth = BASE64_STANDARD.encode("user:hunter2");
    with_config(
        directory,
        &format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#),
    )
}

fn with_config(directory: &Path, config: &str) -> RegistryOptions {
    let file = directory.join("config.json");
    fs::write(&file, config).unwrap();
    RegistryOptions {
        credentials: CredentialSources {
            docker_config: Some(file),
            github_token: None,
        },
        ..quick()
    }
}

fn unauthorized(challenge: &str) -> Reply {
    Reply::with_header(401, "www-authenticate", challenge)
}

async fn resolve(registry: &Registry) -> Result<formats::Digest, assembler::source::Error> {
    registry.resolve(&REPOSITORY.parse().unwrap(), TAG).await
}

fn authorizations(server: &Server) -> Vec<Option<String>> {
    let seen = server.seen();
    seen.iter()
        .map(|seen| seen.header("authorization").map(str::to_owned))
        .collect()
}

/// A realm that hands out numbered tokens to whoever has the password, or to everybody.
async fn realm(is_open: bool) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(Release::default(), move |seen| {
        let knows = seen.header("authorization") == Some(BASIC)
            || seen.body.windows(4).any(|part| part == b"r%2F");
        if !is_open && !knows {
            return Some(Reply::status(401));
        }
        let number = count.fetch_add(1, Ordering::Relaxed);
        Some(Reply::body(format!(
            r#"{{"token":"t{number}","expires_in":300}}"#
        )))
    })
    .await
}

/// A registry that lets in those whom `is_welcome` likes, and sends the others to a realm.
async fn guarded(realm: &str, is_welcome: impl Fn(&str) -> bool + Send + Sync + 'static) -> Server {
    let challenge = format!(r#"Bearer realm="{realm}",service="tests""#);
    Server::start(Release::new(), move |seen: &Seen| {
        let is_in = seen.header("authorization").is_some_and(&is_welcome);
        (!is_in).then(|| unauthorized(&challenge))
    })
    .await
}

#[tokio::test]
async fn a_registry_behind_a_realm_conforms() {
    let realm = realm(true).await;
    let server = guarded(&format!("http://{}/token", realm.host()), |header| {
        header.starts_with("Bearer t")
    })
    .await;
    conforms(&server.quick(), &Release::new()).await;
}

#[tokio::test]
async fn a_password_is_exchanged_for_a_token_once_per_repository() {
    let realm = realm(false).await;
    let server = guarded(&format!("http://{}/token?a=b", realm.host()), |header| {
        header.starts_with("Bearer t")
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    for _ in 0..3 {
        resolve(&registry).await.unwrap();
    }
    let asked = realm.seen();
    assert_eq!(asked.len(), 1);
    let query =
        "a=b&service=tests&scope=repository%3Asiderolabs%2Futil-linux-tools%3Apull&account=user";
    assert_eq!(asked[0].query, query);
    assert_eq!(asked[0].header("authorization"), Some(BASIC));
    let token = Some("Bearer t0".to_owned());
    assert_eq!(
        authorizations(&server),
        [None, token.clone(), token.clone(), token]
    );
    registry
        .tags(&"siderolabs/many".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(realm.seen().len(), 2);
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") != Some(BASIC))
    );
}

#[tokio::test]
async fn a_token_that_is_no_longer_liked_is_replaced() {
    let realm = realm(true).await;
    let liked = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&liked);
    let server = guarded(&format!("http://{}/token", realm.host()), move |header| {
        header == format!("Bearer t{}", now.load(Ordering::Relaxed))
    })
    .await;
    let registry = server.quick();
    resolve(&registry).await.unwrap();
    liked.store(1, Ordering::Relaxed);
    resolve(&registry).await.unwrap();
    assert_eq!(realm.seen().len(), 2);
    // A token that nobody likes is not tried for ever.
    liked.store(9, Ordering::Relaxed);
    let error = resolve(&registry).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error}");
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let realm = realm(false).await;
    let server = guarded(&format!("http://{}/token", realm.host()), |header| {
        header.starts_with("Bearer t")
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"r/t"}}}}}}"#,
        server.host()
    );
    resolve(&server.registry(with_config(directory.path(), &config)))
        .await
        .unwrap();
    let asked = &realm.seen()[0];
    assert_eq!(asked.method, "POST");
    assert_eq!(
        asked.body,
        "grant_type=refresh_token&refresh_token=r%2Ft&client_id=talos-forge&service=tests&scope=repository%3Asiderolabs%2Futil-linux-tools%3Apull"
    );
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is() {
    let server = guarded("https://unused.example.com/", |header| {
        header == "Bearer ready"
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        r#"{{"auths":{{"{}":{{"registrytoken":"ready"}}}}}}"#,
        server.host()
    );
    resolve(&server.registry(with_config(directory.path(), &config)))
        .await
        .unwrap();
}

#[tokio::test]
async fn basic_challenges_are_answered_with_the_password() {
    let server = Server::start(Release::new(), |seen| {
        (seen.header("authorization") != Some(BASIC)).then(|| unauthorized("Basic realm=\"tests\""))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    conforms(&registry, &Release::new()).await;
    let without = authorizations(&server)
        .iter()
        .filter(|sent| sent.is_none())
        .count();
    assert_eq!(without, 1, "once known, it is sent at once");

    let error = resolve(&server.quick()).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error}");
    let other = server.registry(options(directory.path(), "registry.example.com"));
    assert!(
        resolve(&other).await.is_err(),
        "another registry's password is not sent"
    );
    assert!(
        authorizations(&server)
            .iter()
            .flatten()
            .all(|sent| sent == BASIC)
    );
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = Server::start(Release::new(), |_| {
        Some(unauthorized("Basic realm=\"tests\""))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    let error = resolve(&registry).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(server.seen().len() <= 4);
}

#[tokio::test]
async fn a_realm_on_another_host_over_plain_http_is_refused() {
    let realm = realm(true).await;
    // Another host by name, though it is this machine.
    let url = format!("http://localhost:{}/token", realm.address.port());
    let server = guarded(&url, |_| false).await;
    let directory = tempfile::tempdir().unwrap();
    for options in [options(directory.path(), &server.host()), quick()] {
        let error = resolve(&server.registry(options)).await.unwrap_err();
        let Cause::Realm { realm, .. } = &error.cause else {
            panic!("{error}");
        };
        assert_eq!(*realm, url);
    }
    assert_eq!(realm.seen().len(), 0);
}

#[tokio::test]
async fn a_redirect_to_another_host_does_not_carry_credentials() {
    let release = Release::new();
    let store = Server::honest(release.clone()).await;
    let target = store.host();
    let server = Server::start(release.clone(), move |seen| {
        if seen.header("authorization") != Some(BASIC) {
            return Some(unauthorized("Basic realm=\"tests\""));
        }
        let location = format!("http://{target}{}", seen.path);
        seen.is_blob()
            .then(|| Reply::with_header(307, "location", &location))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    conforms(&registry, &release).await;
    assert!(store.seen().len() > 10);
    assert!(authorizations(&store).iter().all(Option::is_none));
}

#[tokio::test]
async fn a_challenge_from_where_a_redirect_led_is_not_answered() {
    let release = Release::new();
    let store = Server::start(release.clone(), |_| {
        Some(unauthorized("Basic realm=\"tests\""))
    })
    .await;
    let target = store.host();
    let server = Server::start(release.clone(), move |seen| {
        let location = format!("http://{target}{}", seen.path);
        seen.is_blob()
            .then(|| Reply::with_header(307, "location", &location))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    let digest = release.tags[REPOSITORY][TAG];
    let image =
        assembler::source::image::find(&registry, &REPOSITORY.parse().unwrap(), &digest, "amd64")
            .await
            .unwrap();
    let error = read(&registry, REPOSITORY, &image.layers[0])
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Denied { .. }), "{error}");
    assert!(authorizations(&store).iter().all(Option::is_none));
}

#[tokio::test]
async fn an_upload_elsewhere_does_not_carry_credentials() {
    let other = Server::honest(Release::new()).await;
    let location = format!("http://{}/v2/{REPOSITORY}/blobs/uploads/x", other.host());
    let server = Server::start(Release::new(), move |seen| {
        if seen.header("authorization") != Some(BASIC) {
            return Some(unauthorized("Basic realm=\"tests\""));
        }
        (seen.method == "POST").then(|| Reply::with_header(202, "location", &location))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let registry = server.registry(options(directory.path(), &server.host()));
    registry
        .push_blob(&REPOSITORY.parse().unwrap(), "x".into())
        .await
        .unwrap();
    assert_eq!(authorizations(&other), [None]);
}

#[tokio::test]
async fn a_realm_in_trouble_is_asked_again() {
    let realm = Server::start(Release::default(), |seen| {
        Some(if seen.count < 2 {
            Reply::status(503)
        } else {
            Reply::body(r#"{"access_token":"t"}"#)
        })
    })
    .await;
    let server = guarded(&format!("http://{}/token", realm.host()), |header| {
        header == "Bearer t"
    })
    .await;
    resolve(&server.quick()).await.unwrap();
}

#[tokio::test]
async fn nonsense_from_a_realm_is_an_error() {
    for answer in ["", "{}", "<html>", r#"{"token":"a\nb"}"#] {
        let realm = Server::start(Release::default(), move |_| Some(Reply::body(answer))).await;
        let server = guarded(&format!("http://{}/token", realm.host()), |_| true).await;
        let server_host = server.host();
        let closed = guarded(&format!("http://{}/token", realm.host()), |_| false).await;
        let error = resolve(&closed.quick()).await.unwrap_err();
        assert!(
            matches!(error.cause, Cause::Malformed { .. } | Cause::Protocol(_)),
            "{server_host} {error}"
        );
    }
}
