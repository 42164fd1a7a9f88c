//! Statuses, time-outs, connections and redirects that fail for a while, or for good.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use assembler::{
    error::Kind,
    source::{Cause, Registry, RegistryOptions, Source as _},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    REPOSITORY, STALL, TAG, fetch, ranges, release, resolve, stalling,
    support::{
        quick,
        server::{Reply, Server},
    },
};

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
