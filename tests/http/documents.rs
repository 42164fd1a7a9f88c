//! The recorded schematics, version lists and command lines, as far as a URL can ask for them.

use std::{collections::BTreeMap, fmt::Debug, path::Path};

use assembler::version::Version;
use reqwest::{Client, StatusCode};
use serde_json::{Value as Json, json};

use crate::{kernels, support::Running};

/// Settings as recorded.
const SETTINGS: [(&str, &str); 1] = [("IF_HTTP_EXTERNALURL", "https://factory.example.org/")];

fn cases(name: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name);
    let mut family: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let Json::Array(cases) = family["cases"].take() else {
        panic!("{name} has no cases");
    };
    assert_eq!(family["count"], cases.len());
    cases
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// What was found in a family.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: BTreeMap<&'static str, usize>,
    failed: Vec<String>,
}

impl Tally {
    fn check(&mut self, case: &Json, found: &impl Debug, is_right: bool) {
        if is_right {
            self.passed += 1;
        } else {
            self.failed.push(format!("{case}\n  found {found:?}"));
        }
    }

    fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    fn report(self, family: &str, least: usize) {
        let skipped: usize = self.skipped.values().sum();
        println!(
            "{family} over HTTP: {} passed, {skipped} skipped",
            self.passed
        );
        for (reason, count) in &self.skipped {
            println!("  {count} skipped: {reason}");
        }
        let failed = self.failed.len();
        assert!(
            self.failed.is_empty(),
            "{failed} failed:\n{}",
            self.failed.join("\n")
        );
        assert!(self.passed >= least, "only {} were asked", self.passed);
    }
}

async fn post(client: &Client, server: &Running, document: Vec<u8>) -> (StatusCode, Vec<u8>) {
    let request = client.post(server.url("schematics")).body(document);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap().to_vec())
}

async fn get(client: &Client, url: String) -> (StatusCode, String) {
    let answer = client.get(url).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Whether an answer to a document is one that the reference gives.
fn is_answer(case: &Json, status: StatusCode, body: &[u8]) -> bool {
    if status != StatusCode::CREATED {
        let is_free = case.get("error_alt").is_some() || case["sure"] == false;
        let text = String::from_utf8_lossy(body);
        let recorded = [case, &case["alt"]];
        return status == StatusCode::BAD_REQUEST
            && recorded.iter().any(|case| {
                case["status"] == 400 && (is_free || case["error"] == text.trim_end_matches('\n'))
            });
    }
    let answer: Json = serde_json::from_slice(body).unwrap();
    let is_exact = match case["post_body"].as_str() {
        Some(exact) if case["id"] == answer["id"] => {
            body.trim_ascii_end() == exact.trim_ascii_end().as_bytes()
        }
        _ => true,
    };
    let fields = answer.as_object().unwrap().len();
    is_exact
        && fields == 2
        && body.ends_with(b"}\n")
        && [case, &case["alt"]]
            .iter()
            .any(|case| case["id"] == answer["id"] && case["canon"] == answer["schematic"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_posted_document_is_answered_and_read_back_as_by_the_reference() {
    let directory = tempfile::tempdir().unwrap();
    kernels::write(&directory.path().join("release"), []);
    let data = directory.path().join("data");
    let server = Running::over(&directory.path().join("release"), &data, &SETTINGS).await;
    let client = Client::new();
    let mut tally = Tally::default();
    for case in cases("schematic.json") {
        let document = match case["in"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => unhex(case["in_hex"].as_str().unwrap()),
        };
        let (status, body) = post(&client, &server, document).await;
        let mut is_right = is_answer(&case, status, &body);
        let mut found = String::from_utf8_lossy(&body).into_owned();
        // One stored text cannot be read back, for two of its keys have become equal.
        if status == StatusCode::CREATED {
            let answer: Json = serde_json::from_slice(&body).unwrap();
            let url = format!("schematics/{}", answer["id"].as_str().unwrap());
            let (status, text) = get(&client, server.url(&url)).await;
            is_right &= match case["get_body"].as_str() {
                Some(expected) => case["get_status"] == status.as_u16() && text == expected,
                None => status == StatusCode::OK && answer["schematic"] == text.as_str(),
            };
            found = format!("{found}{status} {text}");
        }
        tally.check(&case, &found, is_right);
    }
    tally.report("schematic.json", 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_lists_are_those_of_the_reference() {
    let mut tally = Tally::default();
    for case in cases("versions.json") {
        let directory = tempfile::tempdir().unwrap();
        let texts =
            |name: &str| -> Vec<String> { serde_json::from_value(case[name].clone()).unwrap() };
        let release = directory.path().join("release");
        kernels::write(&release, texts("tags"));
        let broken = texts("broken").join(",");
        let settings = [
            ("IF_BUILD_MINTALOSVERSION", case["min"].as_str().unwrap()),
            ("IF_BUILD_BROKENTALOSVERSIONS", broken.as_str()),
        ];
        let server = Running::over(&release, &directory.path().join("data"), &settings).await;
        let client = Client::new();
        if case["crash"] == true {
            let (status, _) = get(&client, server.url("versions")).await;
            let (alive, _) = get(&client, server.url("healthz")).await;
            let is_right = matches!(status.as_u16(), 200 | 502) && alive == StatusCode::OK;
            tally.check(&case, &status, is_right);
            continue;
        }
        for query in case["results"].as_array().unwrap() {
            let path = query["q"].as_str().unwrap().trim_start_matches('/');
            if !path.starts_with("versions") {
                tally.skip("a version asked for by name: http.json has these");
                continue;
            }
            if path == "versions" && !is_layout(&texts("tags")) {
                tally.skip("tags that no OCI layout can hold");
                continue;
            }
            let (status, body) = get(&client, server.url(path)).await;
            // Empty lists are `[]` in ours.
            let expected = match query["body"].as_str().unwrap() {
                "null\n" => "[]\n",
                text => text,
            };
            let is_right = query["status"] == status.as_u16() && body == expected;
            tally.check(&json!([case, query]), &body, is_right);
        }
    }
    tally.report("versions.json", 100);
}

/// Whether an OCI layout can hold these tags: at least one, none twice, of the characters that tags have.
fn is_layout(tags: &[String]) -> bool {
    let is_tag = |tag: &String| {
        let more = |byte| matches!(byte, b'.' | b'-' | b'_');
        tag.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || more(byte))
    };
    let is_single = (1..tags.len()).all(|at| !tags[..at].contains(&tags[at]));
    !tags.is_empty() && is_single && tags.iter().all(is_tag)
}

/// Whether a case is about what another issue brings, or about what no URL can say.
fn unaskable(case: &Json, path: &str, offered: &[String]) -> Option<&'static str> {
    if !path.starts_with("cmdline-") {
        return Some("not the URL of a command line");
    }
    if case["secureboot"] == true || path.ends_with("-secureboot") {
        return Some("Secure Boot is not built yet");
    }
    if case.get("overlay_args").is_some() || !case["schematic"]["overlay"].is_null() {
        return Some("the overlay's arguments are its program's");
    }
    if case.get("cmdline_hex").is_some() {
        return Some("a schematic is text");
    }
    let version = case["version"].as_str().unwrap();
    let parsed = Version::parse(version);
    match parsed {
        Ok(version) if offered.contains(&version.tag()) => None,
        // Neither does the reference: pre-releases of versions that are out, build metadata.
        Ok(_) => Some("the service does not offer this version"),
        Err(_) => Some("not a version"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn command_lines_are_those_of_the_reference() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    let families = ["cmdline.json", "path.json"].map(|name| (name, cases(name)));
    let all = families.iter().flat_map(|(_, cases)| cases);
    let versions = all.filter_map(|case| Version::parse(case["version"].as_str()?).ok());
    let mut tags: Vec<String> = versions.map(|version| version.tag()).collect();
    tags.sort();
    tags.dedup();
    kernels::write(&release, tags);
    let settings = [SETTINGS[0], ("IF_BUILD_MINTALOSVERSION", "0.1.0")];
    let server = Running::over(&release, &directory.path().join("data"), &settings).await;
    let client = Client::new();
    let (_, offered) = get(&client, server.url("versions")).await;
    let offered: Vec<String> = serde_json::from_str(&offered).unwrap();
    for (name, cases) in families {
        let mut tally = Tally::default();
        for case in cases {
            let (path, document) = if let Some(platform) = case["platform"].as_str() {
                let arch = case["arch"].as_str().unwrap();
                let meta = case["meta"].as_array().into_iter().flatten();
                let meta: Vec<Json> = meta
                    .map(|pair| json!({"key": pair[0], "value": pair[1]}))
                    .collect();
                let custom = json!({"extraKernelArgs": case["extra"], "meta": meta});
                let kind = case["kind"].as_str().unwrap();
                (
                    format!("{kind}-{platform}-{arch}"),
                    json!({"customization": custom}).to_string(),
                )
            } else {
                let path = case["path"].as_str().unwrap().to_owned();
                (
                    path,
                    case["schematic"]
                        .as_str()
                        .unwrap_or("customization: {}")
                        .to_owned(),
                )
            };
            if let Some(reason) = unaskable(&case, &path, &offered) {
                tally.skip(reason);
                continue;
            }
            let (status, body) = post(&client, &server, document.into_bytes()).await;
            if status != StatusCode::CREATED {
                tally.check(&case, &String::from_utf8_lossy(&body), false);
                continue;
            }
            let answer: Json = serde_json::from_slice(&body).unwrap();
            let (id, version) = (
                answer["id"].as_str().unwrap(),
                case["version"].as_str().unwrap(),
            );
            let url = server.url(&format!("image/{id}/{version}/{path}"));
            let (status, body) = get(&client, url).await;
            let is_right = match case["cmdline"].as_str() {
                Some(line) => status == StatusCode::OK && body == line,
                None => status == StatusCode::BAD_REQUEST,
            };
            tally.check(&case, &(status, body), is_right);
        }
        tally.report(name, 50);
    }
}
