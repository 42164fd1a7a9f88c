//! Manifests, tags and lists of tags that are wrong, endless, or elsewhere.

use assembler::{
    error::Kind,
    source::{Cause, Source as _, image},
};
use bytes::Bytes;

use crate::{
    REPOSITORY, TAG, release, resolve,
    support::server::{Reply, Server},
};

#[tokio::test]
async fn a_wrong_manifest_is_refused() {
    let (release, ..) = release();
    let digest = release.tags[REPOSITORY][TAG];
    let other = release.blobs[&release.tags["siderolabs/imager"]["v1.14.0"]].clone();
    let server = Server::start(release, move |seen| {
        seen.is_manifest().then(|| Reply::body(other.clone()))
    })
    .await;
    let error = server
        .quick()
        .manifest(&REPOSITORY.parse().unwrap(), &digest)
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::WrongDigest { .. }), "{error}");
}

#[tokio::test]
async fn a_huge_manifest_is_not_read() {
    let (release, ..) = release();
    let digest = release.tags[REPOSITORY][TAG];
    let limit = usize::try_from(image::MAX_MANIFEST_LEN).unwrap();
    for length in [Some(limit + 1), None] {
        let server = Server::start(release.clone(), move |seen| {
            seen.is_manifest()
                .then(|| Reply::lengthy(&Bytes::from(vec![b' '; limit + 1]), length))
        })
        .await;
        let registry = server.quick();
        let error = registry
            .manifest(&REPOSITORY.parse().unwrap(), &digest)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error.cause,
                Cause::TooLarge {
                    limit: 4_194_304,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn pages_of_tags_that_go_round_in_circles_end() {
    let (release, ..) = release();
    let links = [
        "</v2/siderolabs/many/tags/list?n=3>; rel=\"next\"",
        "<?last=a>; rel=\"next\"",
    ];
    for link in links {
        let server = Server::start(release.clone(), move |seen| {
            seen.path.ends_with("/tags/list").then(|| {
                let Reply::Answer(mut response) = Reply::body(r#"{"tags":["a"]}"#) else {
                    unreachable!("it is an answer");
                };
                response.headers_mut().insert("link", link.parse().unwrap());
                Reply::Answer(response)
            })
        })
        .await;
        let error = server
            .quick()
            .tags(&"siderolabs/many".parse().unwrap())
            .await
            .unwrap_err();
        assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
        assert!(server.seen().len() <= 3);
    }
}

#[tokio::test]
async fn pages_of_tags_without_end_have_a_limit() {
    let (release, ..) = release();
    let server = Server::start(release, |seen| {
        let page = seen.count;
        seen.path.ends_with("/tags/list").then(|| {
            let Reply::Answer(mut response) = Reply::body(format!(r#"{{"tags":["{page}"]}}"#))
            else {
                unreachable!("it is an answer");
            };
            let link = format!("<?last={page}>; rel=\"next\"");
            response.headers_mut().insert("link", link.parse().unwrap());
            Reply::Answer(response)
        })
    })
    .await;
    let error = server
        .quick()
        .tags(&"siderolabs/many".parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error.cause, Cause::TooLarge { limit: 1000, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn pages_of_tags_are_not_fetched_from_elsewhere() {
    let (release, ..) = release();
    let other = Server::honest(release.clone()).await;
    let link = format!(
        "<http://{}/v2/siderolabs/many/tags/list>; rel=\"next\"",
        other.host()
    );
    let server = Server::start(release, move |seen| {
        seen.path.ends_with("/tags/list").then(|| {
            let Reply::Answer(mut response) = Reply::body(r#"{"tags":["a"]}"#) else {
                unreachable!("it is an answer");
            };
            response.headers_mut().insert("link", link.parse().unwrap());
            Reply::Answer(response)
        })
    })
    .await;
    let error = server
        .quick()
        .tags(&"siderolabs/many".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
    assert_eq!(other.seen().len(), 0);
}

#[tokio::test]
async fn a_registry_that_omits_the_digest_is_asked_for_the_manifest() {
    let (release, ..) = release();
    let digest = release.tags[REPOSITORY][TAG];
    let bytes = release.blobs[&digest].clone();
    let without = bytes.clone();
    let omits = Server::start(release.clone(), move |seen| {
        seen.is_manifest().then(|| Reply::body(without.clone()))
    })
    .await;
    let nonsense = Server::start(release.clone(), move |seen| {
        let is_head = seen.is_manifest() && seen.method == "HEAD";
        is_head.then(|| Reply::with_header(200, "docker-content-digest", "sha256:zz"))
    })
    .await;
    let no_head = Server::start(release, |seen| {
        (seen.method == "HEAD").then(|| Reply::status(405))
    })
    .await;
    for server in [omits, nonsense, no_head] {
        assert_eq!(resolve(&server.quick()).await, Ok(digest));
        let methods: Vec<_> = server
            .seen()
            .iter()
            .map(|seen| seen.method.to_string())
            .collect();
        assert_eq!(methods, ["HEAD", "GET"]);
    }
}

#[tokio::test]
async fn a_tag_is_resolved_without_its_manifest() {
    let (release, ..) = release();
    let server = Server::honest(release).await;
    resolve(&server.quick()).await.unwrap();
    let methods: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.method.to_string())
        .collect();
    assert_eq!(methods, ["HEAD"]);
}

#[tokio::test]
async fn a_server_that_is_no_registry_does_not_make_tags_unknown() {
    let (release, ..) = release();
    let server = Server::start(release, |_| {
        let Reply::Answer(mut response) = Reply::body("<html>nothing here</html>") else {
            unreachable!("it is an answer");
        };
        *response.status_mut() = axum::http::StatusCode::NOT_FOUND;
        Some(Reply::Answer(response))
    })
    .await;
    let error = resolve(&server.quick()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Upstream, "{error}");
}
