use super::*;

fn entity(len: u64) -> Entity {
    Entity {
        len,
        etag: Digest::of(b"artifact"),
        content_type: media::BINARY,
        disposition: disposition::attachment("a"),
        sha256: None,
    }
}

fn ask(method: &Method, headers: &[(HeaderName, &str)]) -> Plan {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
        .collect();
    plan(method, &headers, &entity(1000))
}

fn etag() -> String {
    format!("\"{}\"", Digest::of(b"artifact").hex())
}

#[test]
fn a_plain_get_is_the_whole() {
    let plan = ask(&Method::GET, &[]);
    assert_eq!(plan.status, 200);
    assert_eq!(plan.parts, [Part::Range(0..1000)]);
    let mut names: Vec<_> = plan.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let expected = [
        "accept-ranges",
        "content-disposition",
        "content-length",
        "content-type",
        "etag",
    ];
    assert_eq!(names, expected);
    assert_eq!(plan.headers[ETAG], etag());
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let (get, head) = (ask(&Method::GET, &[]), ask(&Method::HEAD, &[]));
    assert_eq!(get.headers, head.headers);
    assert_eq!(head.headers[CONTENT_LENGTH], "1000");
    assert_eq!(head.parts, []);
    let ranged = ask(&Method::HEAD, &[(RANGE, "bytes=0-0")]);
    assert_eq!(
        (ranged.status, ranged.headers),
        (StatusCode::OK, head.headers)
    );
}

#[test]
fn a_range_says_where_it_lies() {
    let plan = ask(&Method::GET, &[(RANGE, "bytes=-10")]);
    assert_eq!(plan.status, 206);
    assert_eq!(plan.headers[CONTENT_RANGE], "bytes 990-999/1000");
    assert_eq!(plan.headers[CONTENT_LENGTH], "10");
    assert_eq!(plan.parts, [Part::Range(990..1000)]);
}

#[test]
fn several_ranges_have_an_exact_length() {
    let plan = ask(&Method::GET, &[(RANGE, "bytes=5-9,0-0")]);
    assert_eq!(plan.status, 206);
    let boundary = Digest::of(b"artifact").hex()[..32].to_owned();
    let content_type = format!("multipart/byteranges; boundary={boundary}");
    assert_eq!(plan.headers[CONTENT_TYPE], content_type);
    assert!(!plan.headers.contains_key(CONTENT_RANGE));
    let body: String = plan
        .parts
        .iter()
        .map(|part| match part {
            Part::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            Part::Range(range) => "x".repeat(usize::try_from(range.end - range.start).unwrap()),
        })
        .collect();
    let expected = format!(
        "--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 5-9/1000\r\n\r\nxxxxx\r\n\
         --{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-0/1000\r\n\r\nx\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(body, expected);
    assert_eq!(plan.headers[CONTENT_LENGTH], expected.len().to_string());
}

#[test]
fn a_range_outside_names_the_length() {
    let plan = ask(&Method::GET, &[(RANGE, "bytes=1000-")]);
    assert_eq!(plan.status, 416);
    assert_eq!(plan.headers[CONTENT_RANGE], "bytes */1000");
    assert_eq!(plan.headers["x-content-type-options"], "nosniff");
}

#[test]
fn if_range_is_compared_strongly_and_dates_never_match() {
    let cases = [
        (etag(), 206),
        (format!("W/{}", etag()), 200),
        ("\"other\"".to_owned(), 200),
        ("Sat, 21 Nov 2026 10:36:45 GMT".to_owned(), 200),
    ];
    for (condition, status) in cases {
        let plan = ask(
            &Method::GET,
            &[(RANGE, "bytes=0-9"), (IF_RANGE, &condition)],
        );
        assert_eq!(plan.status, status, "{condition}");
    }
}

#[test]
fn conditions_come_before_ranges() {
    let cases = [
        (IF_NONE_MATCH, etag(), 304),
        (IF_NONE_MATCH, format!("\"x\", W/{}", etag()), 304),
        (IF_NONE_MATCH, "*".to_owned(), 304),
        (IF_NONE_MATCH, "\"x\"".to_owned(), 206),
        (IF_MATCH, etag(), 206),
        (IF_MATCH, "*".to_owned(), 206),
        (IF_MATCH, format!("W/{}", etag()), 412),
        (IF_MATCH, "\"x\"".to_owned(), 412),
    ];
    for (name, value, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let plan = ask(&method, &[(name.clone(), &value), (RANGE, "bytes=0-9")]);
            let expected = match status {
                206 if method == Method::HEAD => 200,
                status => status,
            };
            assert_eq!(plan.status, expected, "{method} {name}: {value}");
        }
    }
    let plan = ask(&Method::GET, &[(IF_NONE_MATCH, &etag())]);
    assert_eq!(plan.headers[ETAG], etag());
    assert!(!plan.headers.contains_key(CONTENT_LENGTH));
}

#[test]
fn the_digest_is_sent_once_it_is_known() {
    let mut entity = entity(3);
    entity.sha256 = Some(Digest::of(b"abc"));
    let plan = plan(&Method::GET, &HeaderMap::new(), &entity);
    let expected = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";
    assert_eq!(plan.headers[REPR_DIGEST], expected);
}
