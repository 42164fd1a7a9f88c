//! Artifacts over a socket: ranges, conditions, old clients, slow clients. The layouts are made here, of every kind of
//! extent, so that the listener, the body and the answer are tested without a source.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use formats::Digest;
use reqwest::{Method, StatusCode, header};

use crate::support::{Fixed, Running};

/// A generator whose numbers every run repeats.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn two_thousand_random_ranges_on_one_connection_equal_the_whole() {
    let fixed = Arc::new(Fixed::new());
    let server = Running::start(Arc::clone(&fixed)).await;
    let client = reqwest::Client::builder()
        .pool_max_idle_per_host(1)
        .build()
        .unwrap();
    let url = server.url("artifact");
    let whole = client
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(whole == fixed.whole);
    let mut numbers = Numbers(1);
    let len = whole.len() as u64;
    let started = Instant::now();
    for _ in 0..2_000 {
        let start = numbers.below(len);
        let end = (start + 1 + numbers.below(20_000)).min(len);
        let range = format!("bytes={start}-{}", end - 1);
        let answer = client
            .get(&url)
            .header(header::RANGE, &range)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(
            answer.headers()[header::CONTENT_RANGE],
            format!("bytes {start}-{}/{len}", end - 1)
        );
        let bytes = answer.bytes().await.unwrap();
        let (start, end) = (
            usize::try_from(start).unwrap(),
            usize::try_from(end).unwrap(),
        );
        assert!(bytes == whole[start..end], "{range}");
    }
    let elapsed = started.elapsed();
    println!("2000 ranges in {elapsed:?}");
    assert_eq!(server.connections(), 1, "one connection served all");
}

#[tokio::test]
async fn several_ranges_come_in_order_with_an_exact_length() {
    let fixed = Arc::new(Fixed::new());
    let server = Running::start(Arc::clone(&fixed)).await;
    let client = reqwest::Client::new();
    let answer = client
        .get(server.url("artifact"))
        .header(header::RANGE, "bytes=100000-100004,0-1,-3")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    let content_type = answer.headers()[header::CONTENT_TYPE]
        .to_str()
        .unwrap()
        .to_owned();
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let promised: usize = answer.headers()[header::CONTENT_LENGTH]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), promised);
    let len = fixed.whole.len();
    let mut expected = Vec::new();
    for (index, range) in [100_000..100_005, 0..2, len - 3..len]
        .into_iter()
        .enumerate()
    {
        let before = if index == 0 { "" } else { "\r\n" };
        expected.extend_from_slice(
            format!(
                "{before}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {}-{}/{len}\r\n\r\n",
                range.start,
                range.end - 1
            )
            .as_bytes(),
        );
        expected.extend_from_slice(&fixed.whole[range]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(body == expected);
}

#[tokio::test]
async fn headers_are_those_that_are_allowed_and_no_others() {
    let server = Running::start(Arc::new(Fixed::new())).await;
    let client = reqwest::Client::new();
    let allowed = [
        "accept-ranges",
        "content-disposition",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "etag",
        "repr-digest",
        "x-content-type-options",
    ];
    let mut digests = Vec::new();
    for (range, status) in [
        (None, 200),
        (Some("bytes=1-2"), 206),
        (Some("bytes=99999999-"), 416),
        (None, 200),
    ] {
        for method in [Method::HEAD, Method::GET] {
            let mut request = client.request(method, server.url("artifact"));
            if let Some(range) = range {
                request = request.header(header::RANGE, range);
            }
            let answer = request.send().await.unwrap();
            let is_head = answer.content_length() == Some(0);
            assert!(is_head || answer.status() == status || range.is_some());
            for name in answer.headers().keys() {
                assert!(allowed.contains(&name.as_str()), "{name}");
            }
            assert!(!answer.headers().contains_key(header::TRANSFER_ENCODING));
            digests.push(answer.headers().get("repr-digest").cloned());
            answer.bytes().await.unwrap();
        }
    }
    assert_eq!(digests[0], None, "nobody has read the artifact yet");
}

#[tokio::test]
async fn the_digest_of_the_whole_is_known_soon_after_the_first_download() {
    let fixed = Arc::new(Fixed::new());
    let expected = STANDARD.encode(Digest::of(&fixed.whole).as_bytes());
    let server = Running::start(Arc::clone(&fixed)).await;
    let client = reqwest::Client::new();
    let get = client.get(server.url("artifact")).send().await.unwrap();
    assert_eq!(get.headers().get("repr-digest"), None);
    get.bytes().await.unwrap();
    let begin = Instant::now();
    loop {
        let head = client.head(server.url("artifact")).send().await.unwrap();
        if let Some(digest) = head.headers().get("repr-digest") {
            assert_eq!(digest, format!("sha-256=:{expected}:").as_str());
            return;
        }
        assert!(begin.elapsed() < Duration::from_mins(1), "never");
    }
}

#[tokio::test]
async fn a_client_that_has_the_artifact_gets_no_body() {
    let server = Running::start(Arc::new(Fixed::new())).await;
    let client = reqwest::Client::new();
    let url = server.url("artifact");
    let head = client.head(&url).send().await.unwrap();
    let etag = head.headers()[header::ETAG].clone();
    let answer = client
        .get(&url)
        .header(header::IF_NONE_MATCH, &etag)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(answer.headers()[header::ETAG], etag);
    assert!(answer.bytes().await.unwrap().is_empty());
    let answer = client
        .get(&url)
        .header(header::IF_MATCH, "\"other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED);
}

/// Sends `request` and reads until the server closes the connection.
fn raw(server: &Running, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_are_served_and_may_keep_the_connection() {
    let fixed = Arc::new(Fixed::new());
    let server = Running::start(Arc::clone(&fixed)).await;
    let once = raw(&server, "GET /artifact HTTP/1.0\r\n\r\n");
    let text = String::from_utf8_lossy(&once[..500]).into_owned();
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"));
    assert!(once.ends_with(&fixed.whole[fixed.whole.len() - 1000..]));
    let kept = raw(
        &server,
        "GET /artifact HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=0-9\r\n\r\n\
         HEAD /artifact HTTP/1.0\r\n\r\n",
    );
    let text = String::from_utf8_lossy(&kept).to_lowercase();
    assert_eq!(text.matches("http/1.0 20").count(), 2, "{text}");
    assert!(text.contains("connection: keep-alive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_cannot_be_read_to_its_end_breaks_the_connection() {
    let server = Running::start(Arc::new(Fixed::damaged())).await;
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(b"GET /artifact HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // Whether the end is orderly or a reset: fewer bytes came than were promised.
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let promised = text.split("content-length: ").nth(1).unwrap();
    let promised: usize = promised.split("\r\n").next().unwrap().parse().unwrap();
    let head = text.find("\r\n\r\n").unwrap() + 4;
    assert!(answer.len() - head < promised);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_or_never_ends_is_refused() {
    let server = Running::start(Arc::new(Fixed::new())).await;
    let huge = format!(
        "GET /artifact HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(100 << 10)
    );
    let answer = raw(&server, &huge);
    assert!(
        answer.starts_with(b"HTTP/1.1 431"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let many: String = "X-Many: a\r\n".repeat(200);
    let answer = raw(
        &server,
        &format!("GET /artifact HTTP/1.1\r\nHost: x\r\n{many}\r\n"),
    );
    assert!(
        answer.starts_with(b"HTTP/1.1 431"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let started = Instant::now();
    raw(&server, "GET /artifact HTTP/1.1\r\nHost:");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "closed after the idle limit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_have_begun_are_answered_before_the_end() {
    let fixed = Arc::new(Fixed::new());
    let server = Running::start(Arc::clone(&fixed)).await;
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(b"GET /artifact HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    let address = server.address;
    let ended = server.stop();
    let mut rest = Vec::new();
    let reader = tokio::task::spawn_blocking(move || {
        stream.read_to_end(&mut rest).unwrap();
        rest
    });
    let rest = reader.await.unwrap();
    assert!(rest.ends_with(&fixed.whole[fixed.whole.len() - 1000..]));
    ended.await.unwrap();
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
}
