//! Blobs that break off, are short, long, or other bytes.

use assembler::{error::Kind, source::Cause};
use bytes::Bytes;
use formats::Digest;

use crate::{
    REPOSITORY, fetch, first_byte, ranges, release,
    support::{
        noise,
        server::{Reply, Server, ranged},
    },
};

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
