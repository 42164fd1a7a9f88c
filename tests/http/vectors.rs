//! The golden requests of `testdata/http.json`, asked of a running service over a release made here.
//!
//! Cases that the reference answered from its cache prove types and file names, which ours takes from tables: those are
//! compared without a server. Everything else is asked over a socket. Deliberate differences stand in [`expectation`], each
//! with its reason; what is not built yet is skipped by name and counted.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use assembler::version::Version;
use serde::Deserialize;
use talos_forge::response::{disposition, media};

use crate::{kernels, support::Running};

const DEFAULT: &str = "customization: {}\n";

#[derive(Debug, Deserialize)]
struct Family {
    count: usize,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
struct Case {
    n: String,
    method: String,
    url: String,
    cached: bool,
    host: Option<String>,
    schematic: Option<String>,
    id: String,
    #[serde(default)]
    panic: bool,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// What ours answers.
enum Expectation {
    /// As the reference: status, type, body.
    Same,
    /// Another status, for this reason.
    Status(u16, &'static str),
    /// The same but for this type.
    Type(&'static str),
    /// Not asked, for this reason.
    Skip(&'static str),
}

/// Where ours differs on purpose, and what is not built yet.
fn expectation(case: &Case) -> Expectation {
    use Expectation::{Same, Skip, Status, Type};
    let path = case.url.split('?').next().unwrap();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let has_catalogue = match segments[..] {
        ["version", version, ..] => is_version(version),
        ["talosctl", version] => Version::parse_tolerant(version).is_ok(),
        _ => false,
    };
    let enhancing = "error enhancing profile from schematic: ";
    let is_enhanced = case.status == Some(400)
        && case
            .body
            .as_ref()
            .is_some_and(|body| body.starts_with(enhancing));
    match (case.status, &segments[..]) {
        _ if case.panic => Status(400, "the reference crashes"),
        (_, ["secureboot", ..]) => Status(501, "Secure Boot is not built yet"),
        (Some(402), _) => Status(501, "sidecars are not built yet"),
        (Some(200 | 500), _) if path.ends_with("-secureboot") => {
            Skip("Secure Boot is not built yet")
        }
        // Ours says first that Secure Boot is disabled.
        _ if path.ends_with("-secureboot") && is_enhanced => Skip("Secure Boot is not built yet"),
        // Its source knows no catalogues and no talosctl, which is the source's fault and not the request's.
        (Some(500), _) if has_catalogue => Status(502, "the source has no such image"),
        (Some(500), ["image" | "pxe", _, version, ..]) if version.contains('+') => {
            Status(404, "no tag has build metadata")
        }
        (Some(500), _) => Status(400, "a request that cannot be met is the client's fault"),
        (Some(200), ["versions"] | ["version", ..]) if case.method == "GET" => {
            Type("application/json")
        }
        _ => Same,
    }
}

/// Whether a text is a version as semver writes it, with or without `v`.
fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (core, pre) = match text.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (text, None),
    };
    let is_number = |part: &str| {
        part.parse::<u64>().is_ok()
            && (part == "0" || !part.starts_with('0'))
            && !part.starts_with('+')
    };
    let is_identifier = |part: &str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        !part.is_empty() && (!digits || is_number(part))
    };
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(is_identifier))
}

fn family() -> Family {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/http.json");
    let family: Family = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(family.cases.len(), family.count);
    family
}

#[test]
fn cached_downloads_have_the_types_and_names_of_the_reference() {
    // Ours has a fixed table; the recording machine had no MIME database.
    let ours = BTreeMap::from([("zst", "application/zstd"), ("tar", "application/x-tar")]);
    let mut passed = 0;
    for case in family()
        .cases
        .iter()
        .filter(|case| case.cached && case.status == Some(200))
    {
        let (path, query) = case.url.split_once('?').unwrap_or((&case.url, ""));
        let name = path.rsplit('/').next().unwrap();
        let extension = name.rsplit('.').next().unwrap();
        let expected = ours
            .get(extension)
            .map_or(case.headers["Content-Type"].as_str(), |ours| *ours);
        assert_eq!(media::of_path(name), expected, "{}", case.n);
        let filename = match query.strip_prefix("filename=") {
            None | Some("") => name,
            Some("a%0d%0ab") => "a\r\nb",
            Some(query) if query.contains(';') => name,
            Some(plain) => plain,
        };
        // Control characters become underscores in ours.
        let expected = case.headers["Content-Disposition"].replace(['\r', '\n'], "_");
        assert_eq!(disposition::attachment(filename), expected, "{}", case.n);
        passed += 1;
    }
    println!("http.json, cached: {passed} passed");
    assert!(passed > 30);
}

/// A service over a release of which only kernels exist, as the reference's was when the cases were recorded.
async fn service(directory: &Path) -> Running {
    let tags = (2..=15).flat_map(|minor| [0, 1, 7].map(|patch| format!("v1.{minor}.{patch}")));
    let more = ["v1.15.8-alpha.0", "v1.14.8-beta.1"].map(str::to_owned);
    kernels::write(&directory.join("release"), tags.chain(more));
    let settings = [
        ("IF_HTTP_EXTERNALURL", "https://factory.example.org/"),
        ("IF_HTTP_EXTERNALPXEURL", "https://pxe.example.org/"),
        ("IF_BUILD_BROKENTALOSVERSIONS", "1.9.1"),
    ];
    Running::over(
        &directory.join("release"),
        &directory.join("data"),
        &settings,
    )
    .await
}

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Sends a request without touching its path, as HTTP libraries would.
fn ask(address: SocketAddr, method: &str, url: &str, host: Option<&str>, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let host = host.unwrap_or("factory.example.org");
    let len = body.len();
    let request = format!(
        "{method} {url} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Answer {
        status,
        headers,
        body: body.to_owned(),
    }
}

/// What is wrong with an answer, if anything.
fn compare(case: &Case, answer: &Answer) -> Result<(), String> {
    let (status, content_type, same_body) = match expectation(case) {
        Expectation::Status(status, _) => (status, media::TEXT.to_owned(), false),
        Expectation::Type(content_type) => (case.status.unwrap(), content_type.to_owned(), true),
        Expectation::Same | Expectation::Skip(_) => (
            case.status.unwrap(),
            case.headers
                .get("Content-Type")
                .cloned()
                .unwrap_or_default(),
            true,
        ),
    };
    let header = |name: &str| answer.headers.get(name).cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    if answer.status != status {
        wrong.push(format!("status {} instead of {status}", answer.status));
    }
    if header("content-type") != content_type {
        wrong.push(format!(
            "type {:?} instead of {content_type:?}",
            header("content-type")
        ));
    }
    for name in ["Allow", "Location", "Content-Disposition"] {
        if let Some(expected) = case.headers.get(name)
            && header(&name.to_lowercase()) != *expected
        {
            wrong.push(format!(
                "{name} {:?} instead of {expected:?}",
                header(&name.to_lowercase())
            ));
        }
    }
    let expected = case
        .body
        .as_deref()
        .filter(|_| same_body && case.method != "HEAD");
    if let Some(expected) = expected
        && answer.body != expected
    {
        wrong.push(format!("body {:?} instead of {expected:?}", answer.body));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_requests_are_answered_as_by_the_reference() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let (mut passed, mut failed) = (0, Vec::new());
    let (mut skipped, mut different) = (BTreeMap::<_, u32>::new(), BTreeMap::<_, u32>::new());
    for case in family().cases.into_iter().filter(|case| !case.cached) {
        if let Expectation::Skip(reason) = expectation(&case) {
            *skipped.entry(reason).or_default() += 1;
            continue;
        }
        let address = server.address;
        let (case, answer) = tokio::task::spawn_blocking(move || {
            let document = case.schematic.as_deref().unwrap_or(DEFAULT);
            let created = ask(address, "POST", "/schematics", None, document);
            assert_eq!(created.status, 201, "{}: {}", case.n, created.body);
            assert!(
                created.body.contains(&case.id),
                "{}: {}",
                case.n,
                created.body
            );
            let url = case.url.replace("$ID", &case.id);
            let answer = ask(address, &case.method, &url, case.host.as_deref(), "");
            (case, answer)
        })
        .await
        .unwrap();
        if let Expectation::Status(_, reason) = expectation(&case) {
            *different.entry(reason).or_default() += 1;
        }
        match compare(&case, &answer) {
            Ok(()) => passed += 1,
            Err(wrong) => failed.push(format!("{} {} {}: {wrong}", case.n, case.method, case.url)),
        }
    }
    println!(
        "http.json: {passed} passed, {} skipped",
        skipped.values().sum::<u32>()
    );
    for (reason, count) in &different {
        println!("  {count} answered differently: {reason}");
    }
    for (reason, count) in &skipped {
        println!("  {count} skipped: {reason}");
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
