//! A registry that misbehaves: nothing wrong is ever taken for good, what can be recovered is, and the error says which
//! image it was and why.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod support;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use assembler::{
    error::Kind,
    source::{Cause, Descriptor, Error, Registry, RegistryOptions, Source as _, image},
};
use bytes::Bytes;
use formats::Digest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{
    Release,
    conformance::read,
    noise, quick,
    server::{Reply, Seen, Server, ranged},
};

const REPOSITORY: &str = "siderolabs/util-linux-tools";
const TAG: &str = "2.40";
/// The time-out of tests in which something hangs.
const STALL: Duration = Duration::from_millis(200);

/// The release, and its layer that the faults are about.
fn release() -> (Release, Descriptor, Bytes) {
    let mut release = Release::new();
    let bytes = noise(7, 300_000);
    let digest = release.blob(bytes.clone());
    let config = release.blob("{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": release.descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [release.descriptor("application/vnd.oci.image.layer.v1.tar", digest)],
    });
    let manifest = release.manifest(support::release::OCI_MANIFEST, &manifest);
    release.tag(REPOSITORY, "large", manifest);
    let descriptor = Descriptor {
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        digest,
        size: bytes.len() as u64,
    };
    (release, descriptor, bytes)
}

/// The digest of all the bytes, which says as much as the bytes when a test fails.
async fn fetch(registry: &Registry, descriptor: &Descriptor) -> Result<Digest, Error> {
    let bytes = read(registry, REPOSITORY, descriptor).await?;
    Ok(Digest::of(bytes))
}

async fn resolve(registry: &Registry) -> Result<Digest, Error> {
    registry.resolve(&REPOSITORY.parse().unwrap(), TAG).await
}

/// How often a blob was asked for, and from where on.
fn ranges(server: &Server) -> Vec<Option<String>> {
    let seen = server.seen();
    let blobs = seen.iter().filter(|seen| seen.is_blob());
    blobs
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect()
}

fn first_byte(seen: &Seen) -> usize {
    let range = seen
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
}

fn stalling() -> RegistryOptions {
    RegistryOptions {
        stall_timeout: STALL,
        connect_timeout: Duration::from_secs(1),
        attempts: 2,
        ..quick()
    }
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_taken_up_where_it_broke() {
    let (release, descriptor, bytes) = release();
    let whole = bytes.clone();
    let server = Server::start(release, move |seen| {
        let first = first_byte(seen);
        let is_broken = seen.is_blob() && seen.count < 5;
        is_broken.then(|| {
            if first == 0 {
                return Reply::broken(whole.slice(..50_000));
            }
            let mut response = ranged(&whole, seen.header("range"));
            let Reply::Answer(broken) = Reply::broken(whole.slice(first..first + 50_000)) else {
                unreachable!("it is an answer");
            };
            *response.body_mut() = broken.into_body();
            response.headers_mut().remove("content-length");
            Reply::Answer(response)
        })
    })
    .await;
    assert_eq!(
        fetch(&server.quick(), &descriptor).await,
        Ok(descriptor.digest)
    );
    let expected = [
        None,
        Some(50_000),
        Some(100_000),
        Some(150_000),
        Some(200_000),
        Some(250_000),
    ];
    let expected = expected.map(|first| first.map(|first| format!("bytes={first}-")));
    assert_eq!(ranges(&server), expected);
}

#[tokio::test]
async fn a_registry_without_ranges_sends_everything_again() {
    let (release, descriptor, bytes) = release();
    let whole = bytes.clone();
    let server = Server::start(release, move |seen| {
        seen.is_blob().then(|| match seen.count {
            0 => Reply::broken(whole.slice(..70_001)),
            1 => Reply::broken(whole.slice(..3)),
            _ => Reply::body(whole.clone()),
        })
    })
    .await;
    assert_eq!(
        fetch(&server.quick(), &descriptor).await,
        Ok(descriptor.digest)
    );
}

#[tokio::test]
async fn a_resumed_blob_of_other_bytes_is_refused() {
    let (release, descriptor, bytes) = release();
    let other = noise(8, bytes.len());
    let whole = bytes.clone();
    let server = Server::start(release, move |seen| {
        seen.is_blob().then(|| match seen.count {
            0 => Reply::broken(whole.slice(..70_000)),
            _ => Reply::Answer(ranged(&other, seen.header("range"))),
        })
    })
    .await;
    let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
    let wrong =
        matches!(error.cause, Cause::WrongDigest { expected, .. } if expected == descriptor.digest);
    assert!(wrong, "{error}");
    assert_eq!(error.image, format!("{REPOSITORY}@{}", descriptor.digest));
    assert_eq!(error.kind(), Kind::Upstream);
}

#[tokio::test]
async fn a_range_that_does_not_continue_is_refused() {
    let (release, descriptor, bytes) = release();
    let server = Server::start(release, move |seen| {
        seen.is_blob().then(|| match seen.count {
            0 => Reply::broken(bytes.slice(..70_000)),
            _ => Reply::Answer(ranged(&bytes, Some("bytes=70001-"))),
        })
    })
    .await;
    let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
}

#[tokio::test]
async fn blobs_that_stay_short_are_truncated_and_long_ones_too_long() {
    let (release, descriptor, bytes) = release();
    let len = bytes.len();
    let expected = descriptor.size;
    let surplus = [bytes.clone(), Bytes::from_static(b"x")].concat();
    let cases: [(Bytes, Option<usize>, Cause); 5] = [
        // Short, in good order, with and without a length that fits.
        (
            bytes.slice(..1000),
            Some(1000),
            Cause::Truncated {
                expected,
                found: 1000,
            },
        ),
        (
            bytes.slice(..1000),
            None,
            Cause::Truncated {
                expected,
                found: 1000,
            },
        ),
        // Long, with and without a length.
        (
            surplus.clone().into(),
            Some(len + 1),
            Cause::Surplus { expected },
        ),
        (surplus.into(), None, Cause::Surplus { expected }),
        // The length lies, the bytes are right: they do not come under a length that they do not have.
        (bytes.clone(), Some(len + 1), Cause::Surplus { expected }),
    ];
    for (body, length, cause) in cases {
        let reply = body.clone();
        let server = Server::start(release.clone(), move |seen| {
            // It ignores ranges, so it is short each time.
            seen.is_blob().then(|| Reply::lengthy(&reply, length))
        })
        .await;
        let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
        assert_eq!(error.cause, cause, "{} bytes as {length:?}", body.len());
    }
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_taken_up() {
    let (release, descriptor, bytes) = release();
    let whole = bytes.clone();
    let server = Server::start(release, move |seen| {
        let is_first = seen.is_blob() && seen.count == 0;
        is_first.then(|| Reply::lengthy(&whole.slice(..9000), Some(whole.len())))
    })
    .await;
    assert_eq!(
        fetch(&server.quick(), &descriptor).await,
        Ok(descriptor.digest)
    );
    assert_eq!(ranges(&server).len(), 2);
}

#[tokio::test]
async fn wrong_bytes_of_the_right_length_are_refused() {
    let (release, descriptor, bytes) = release();
    let other = noise(9, bytes.len());
    let found = Digest::of(&other);
    let server = Server::start(release, move |seen| {
        seen.is_blob().then(|| Reply::body(other.clone()))
    })
    .await;
    let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
    let expected = descriptor.digest;
    assert_eq!(error.cause, Cause::WrongDigest { expected, found });
    assert_eq!(
        error.to_string(),
        format!(
            "registry {}: {REPOSITORY}@{expected}: the bytes hash to {found} instead of {expected}",
            server.host()
        )
    );
}

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
async fn bursts_of_failures_are_waited_out() {
    let (release, descriptor, _) = release();
    let digest = release.tags[REPOSITORY][TAG];
    for status in [429, 500, 502, 503, 504, 408] {
        let server = Server::start(release.clone(), move |seen| {
            (seen.path != "/v2/" && seen.count < 3).then(|| Reply::status(status))
        })
        .await;
        let registry = server.quick();
        assert_eq!(resolve(&registry).await, Ok(digest), "{status}");
        assert_eq!(
            fetch(&registry, &descriptor).await,
            Ok(descriptor.digest),
            "{status}"
        );
        let repository = "siderolabs/many".parse().unwrap();
        assert_eq!(
            registry.tags(&repository).await.unwrap().len(),
            7,
            "{status}"
        );
    }
}

#[tokio::test]
async fn failures_that_do_not_pass_are_reported_in_the_words_of_the_registry() {
    let (release, descriptor, _) = release();
    let server = Server::start(release, |seen| {
        let body = r#"{"errors":[{"code":"UNAVAILABLE","message":"down\nfor maintenance"}]}"#;
        let is_get = seen.method == "GET" && seen.path != "/v2/";
        is_get.then(|| {
            let Reply::Answer(mut response) = Reply::body(body) else {
                unreachable!("it is an answer");
            };
            *response.status_mut() = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            Reply::Answer(response)
        })
    })
    .await;
    let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "registry {}: {REPOSITORY}@{}: 503 Service Unavailable: downfor maintenance (4 attempts)",
            server.host(),
            descriptor.digest
        )
    );
    assert_eq!(error.kind(), Kind::Upstream);
}

#[tokio::test]
async fn other_refusals_are_not_repeated() {
    let (release, descriptor, _) = release();
    for status in [400, 403, 451, 501] {
        let server = Server::start(release.clone(), move |seen| {
            seen.is_blob().then(|| Reply::status(status))
        })
        .await;
        let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Upstream);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(ranges(&server).len(), 1, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_within_reason() {
    let (release, ..) = release();
    let digest = release.tags[REPOSITORY][TAG];
    // An hour, as seconds and as a date: both are cut to `max_retry_after`, which is longer than any back-off here.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    for wanted in ["3600".to_owned(), date] {
        let server = Server::start(release.clone(), move |seen| {
            let is_first = seen.is_manifest() && seen.count == 0;
            is_first.then(|| Reply::with_header(429, "retry-after", &wanted))
        })
        .await;
        let begin = Instant::now();
        assert_eq!(resolve(&server.quick()).await, Ok(digest));
        assert!(begin.elapsed() >= quick().max_retry_after);
    }
}

#[tokio::test]
async fn what_hangs_times_out() {
    let (release, descriptor, bytes) = release();
    let server = Server::start(release.clone(), |seen| {
        seen.is_manifest().then_some(Reply::Hang)
    })
    .await;
    let error = resolve(&server.registry(stalling())).await.unwrap_err();
    assert!(
        matches!(
            error.cause,
            Cause::Timeout {
                what: "answering",
                attempts: 2,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::UpstreamTimeout);
    assert_eq!(error.image, format!("{REPOSITORY}:{TAG}"));

    let whole = bytes.clone();
    let server = Server::start(release.clone(), move |seen| {
        seen.is_blob().then(|| Reply::stalled(whole.slice(..10)))
    })
    .await;
    let error = fetch(&server.registry(stalling()), &descriptor)
        .await
        .unwrap_err();
    assert_eq!(
        error.cause,
        Cause::Timeout {
            what: "sending on",
            limit: STALL,
            attempts: 2
        }
    );

    let server = Server::start(release, move |seen| {
        (seen.is_blob() && seen.count == 0).then(|| Reply::stalled(bytes.slice(..10)))
    })
    .await;
    assert_eq!(
        fetch(&server.registry(stalling()), &descriptor).await,
        Ok(descriptor.digest)
    );
    assert_eq!(ranges(&server), [None, Some("bytes=10-".to_owned())]);
}

#[tokio::test]
async fn nobody_there_is_an_error_after_some_tries() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let registry = Registry::new(&address.to_string(), None, quick()).unwrap();
    let error = resolve(&registry).await.unwrap_err();
    let Cause::Connection { text, attempts: 4 } = &error.cause else {
        panic!("{error}");
    };
    assert!(text.contains("refused"), "{text}");
    assert_eq!(error.kind(), Kind::Upstream);
}

/// A registry of bare sockets: each request gets the next reply, and then a reset instead of an orderly end.
async fn resetting(replies: Vec<Bytes>) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let replies = Arc::new(Mutex::new(replies.into_iter()));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let len = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..len]).into_owned();
            let reply = if request.starts_with("GET /v2/ ") {
                Bytes::from_static(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                )
            } else if request.starts_with("GET /") {
                replies.lock().unwrap().next().unwrap_or_default()
            } else {
                // The attempt with TLS.
                Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            };
            socket.write_all(&reply).await.unwrap();
            if request.starts_with("GET /v2/siderolabs") {
                socket.set_zero_linger().unwrap();
            }
        }
    });
    Registry::new(&address.to_string(), None, quick()).unwrap()
}

#[tokio::test]
async fn resets_are_survived_or_reported() {
    let (_, descriptor, bytes) = release();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
    let reply = |len: usize| Bytes::from([head.as_bytes(), &bytes[..len]].concat());
    // What a reset leaves of the bytes before it is the kernel's choice; the last reply is whole and ends in good order.
    let whole = Bytes::from([head.as_bytes(), &bytes[..]].concat());
    let registry = resetting(vec![Bytes::new(), reply(100_000), reply(5), whole]).await;
    let got = fetch(&registry, &descriptor).await;
    let lost = matches!(&got, Err(error) if matches!(error.cause, Cause::Connection { .. }));
    assert!(got == Ok(descriptor.digest) || lost, "{got:?}");
    let registry = resetting(vec![]).await;
    let error = fetch(&registry, &descriptor).await.unwrap_err();
    assert!(
        matches!(error.cause, Cause::Connection { attempts: 4, .. }),
        "{error}"
    );
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

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let (release, descriptor, _) = release();
    let store = Server::honest(release.clone()).await;
    let target = format!(
        "http://{}/v2/{REPOSITORY}/blobs/{}?signature=secret",
        store.host(),
        descriptor.digest
    );
    let server = Server::start(release.clone(), move |seen| {
        seen.is_blob()
            .then(|| Reply::with_header(307, "location", &target))
    })
    .await;
    assert_eq!(
        fetch(&server.quick(), &descriptor).await,
        Ok(descriptor.digest)
    );

    for location in ["?again", "ftp://elsewhere/", "http://[", ""] {
        let server = Server::start(release.clone(), move |seen| {
            seen.is_blob()
                .then(|| Reply::with_header(302, "location", location))
        })
        .await;
        let error = fetch(&server.quick(), &descriptor).await.unwrap_err();
        assert!(matches!(error.cause, Cause::Protocol(_)), "{error}");
    }
}

#[tokio::test]
async fn one_failure_does_not_spoil_the_next_request() {
    let (release, descriptor, _) = release();
    let server = Server::start(release, |seen| {
        (seen.is_blob() && seen.count < 4).then(|| Reply::status(503))
    })
    .await;
    let registry = server.quick();
    assert!(fetch(&registry, &descriptor).await.is_err());
    assert_eq!(fetch(&registry, &descriptor).await, Ok(descriptor.digest));
}

#[tokio::test]
async fn no_more_than_the_allowed_exchanges_run_at_once() {
    let (release, descriptor, _) = release();
    let server = Server::honest(release).await;
    let registry = server.registry(RegistryOptions { jobs: 2, ..quick() });
    let streams: Vec<_> = (0..8).map(|_| fetch(&registry, &descriptor)).collect();
    let fetched = futures_util::future::join_all(streams).await;
    let digests: HashSet<_> = fetched.into_iter().map(Result::unwrap).collect();
    assert_eq!(digests, HashSet::from([descriptor.digest]));
}

#[tokio::test]
async fn what_is_pushed_can_be_pulled() {
    let server = Server::start(Release::new(), |seen| {
        // Each step of a push fails once.
        (seen.path != "/v2/" && seen.count == 0 && seen.method != "HEAD")
            .then(|| Reply::status(503))
    })
    .await;
    let registry = server.quick();
    let repository = REPOSITORY.parse().unwrap();
    let schematic = Bytes::from_static(b"customization: {}\n");
    let digest = registry
        .push_blob(&repository, schematic.clone())
        .await
        .unwrap();
    assert_eq!(digest, Digest::of(&schematic));
    let methods = |server: &Server| {
        server
            .seen()
            .iter()
            .map(|seen| seen.method.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        methods(&server),
        ["HEAD", "POST", "POST", "PUT", "POST", "PUT"]
    );
    let (_, layer, _) = release();
    let known = Release::new();
    let known_layer = known
        .reachable(REPOSITORY)
        .into_iter()
        .find(|digest| known.blobs[digest].len() > 10_000);
    let known_bytes = known.blobs[&known_layer.unwrap()].clone();
    let before = server.seen().len();
    registry
        .push_blob(&repository, known_bytes.clone())
        .await
        .unwrap();
    assert_eq!(
        server.seen().len(),
        before + 1,
        "a blob that is there is not sent again"
    );
    let manifest = Bytes::from_static(b"{}");
    let pushed = registry.push_manifest(
        &repository,
        "id",
        support::release::DOCKER_MANIFEST,
        manifest.clone(),
    );
    assert_eq!(pushed.await, Ok(Digest::of(&manifest)));

    let digest = Digest::of(&known_bytes);
    let limit = known_bytes.len() as u64;
    assert_eq!(
        registry.get_blob(&repository, &digest, limit).await,
        Ok(Some(known_bytes))
    );
    let error = registry
        .get_blob(&repository, &digest, limit - 1)
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::TooLarge { .. }), "{error}");
    assert_eq!(
        registry.get_blob(&repository, &layer.digest, limit).await,
        Ok(None)
    );
    let nowhere = "siderolabs/nothing".parse().unwrap();
    assert_eq!(registry.get_blob(&nowhere, &digest, limit).await, Ok(None));
}
