//! What every answer of the service has in common; needs no release.

use std::{path::Path, sync::Arc};

use assembler::forge::Forge;
use reqwest::{Client, Method, StatusCode, header, redirect::Policy};
use talos_forge::{
    app::{App, Site},
    config::{Config, source::Settings},
    metrics::{Metrics, Page},
};

use crate::support::Running;

async fn service(directory: &Path) -> Running {
    both(directory).await.0
}

/// The service, and its metrics on a port of their own.
async fn both(directory: &Path) -> (Running, Running) {
    let layout = directory.join("release");
    std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    std::fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    std::fs::write(
        layout.join("index.json"),
        r#"{"schemaVersion":2,"manifests":[]}"#,
    )
    .unwrap();
    let environment = [(
        "IF_ARTIFACTS_CORE_REGISTRY".to_owned(),
        format!("oci:{}", layout.display()),
    )];
    let settings = Settings::load(&[], &environment).unwrap();
    let config = Config::new(settings, &directory.join("data")).unwrap();
    let forge = Arc::new(Forge::open(config.forge_options()).await.unwrap());
    let metrics = Arc::new(Metrics::new());
    let page = Page::new(Arc::clone(&forge), Arc::clone(&metrics));
    let app = App::new(forge, Site::new(&config), metrics);
    (
        Running::with(Arc::new(app), config.limits).await,
        Running::with(Arc::new(page), config.limits).await,
    )
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

#[tokio::test]
async fn every_answer_says_who_answered_and_which_request() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    for path in [
        "",
        "healthz",
        "readyz",
        "llms.txt",
        "nonexistent",
        "versions/",
    ] {
        let answer = client()
            .get(server.url(path))
            .header("x-request-id", "my-id")
            .send()
            .await
            .unwrap();
        let headers = answer.headers();
        let server = headers[header::SERVER].to_str().unwrap();
        assert!(server.starts_with("talos-forge/") && server.ends_with(" (Image Factory)"));
        assert_eq!(headers["x-request-id"], "my-id", "{path}");
        assert_eq!(headers[header::VARY], "Origin", "{path}");
        let is_error = answer.status() == StatusCode::NOT_FOUND;
        assert_eq!(
            headers.contains_key(header::X_CONTENT_TYPE_OPTIONS),
            is_error,
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_start_page_answers_head() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let answer = client().head(server.url("")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let page = client().get(server.url("")).send().await.unwrap();
    let text = page.text().await.unwrap();
    assert!(text.contains("talos-forge") && !text.contains("{{"));
    let text = client().get(server.url("llms.txt")).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(
        text.contains(&format!("Base URL: http://{}", server.address)),
        "{text}"
    );
}

#[tokio::test]
async fn schematics_are_created_read_back_and_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let document = "customization:\n    extraKernelArgs: [a<b]\n";
    for _ in 0..2 {
        let created = client()
            .post(server.url("schematics"))
            .body(document)
            .send()
            .await
            .unwrap();
        assert_eq!(created.status(), StatusCode::CREATED);
        assert_eq!(created.headers()[header::CONTENT_TYPE], "application/json");
        let text = created.text().await.unwrap();
        assert!(
            text.ends_with("}\n") && text.contains("a\\u003cb"),
            "{text}"
        );
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let url = server.url(&format!("schematics/{}", json["id"].as_str().unwrap()));
        let shown = client().get(url).send().await.unwrap();
        assert_eq!(shown.headers()[header::CONTENT_TYPE], "application/yaml");
        assert_eq!(
            shown.text().await.unwrap(),
            json["schematic"].as_str().unwrap()
        );
    }
    let long = "#".repeat((1 << 20) + 1);
    let refused = client()
        .post(server.url("schematics"))
        .body(long)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let wrong = client()
        .post(server.url("schematics"))
        .body("something:")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let expected =
        "yaml: construct errors: line 1: field something not found in type schematic.Schematic\n";
    assert_eq!(wrong.text().await.unwrap(), expected);
}

#[tokio::test]
async fn what_is_not_built_yet_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let cases = [
        ("image/x/v1.14.0/kernel-amd64.sha256", "checksum files"),
        (
            "image/x/v1.14.0/kernel-amd64.sigstore.json",
            "signature files",
        ),
        ("secureboot/signing-cert.pem", "Secure Boot"),
        ("v2/", "the registry frontend"),
    ];
    for (path, feature) in cases {
        let answer = client().get(server.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED, "{path}");
        assert!(answer.text().await.unwrap().contains(feature), "{path}");
    }
}

#[tokio::test]
async fn problems_are_json_for_those_who_ask() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let answer = client()
        .get(server.url("schematics/aaaa"))
        .header(header::ACCEPT, "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let problem: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["detail"], "schematic not found");
}

#[tokio::test]
async fn browsers_of_other_origins_may_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = service(directory.path()).await;
    let origin = "https://a.example";
    for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
        let request = client().request(method.clone(), server.url("healthz"));
        let answer = request.header(header::ORIGIN, origin).send().await.unwrap();
        assert_eq!(
            answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN],
            "*",
            "{method}"
        );
    }
    let preflight = client()
        .request(Method::OPTIONS, server.url("schematics"))
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        preflight.headers()[header::ACCESS_CONTROL_ALLOW_METHODS],
        "GET"
    );
}

#[tokio::test]
async fn metrics_show_what_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (server, side) = both(directory.path()).await;
    let scrape = async || {
        let answer = client().get(side.url("metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let before = scrape().await;
    for line in [
        "image_factory_schematic_create_total 0",
        "image_factory_schematic_cache_size 1",
        "images_unverified 0",
        "versions_age_seconds 0.0",
        r#"image_factory_assets_concurrency_latency_seconds_bucket{le="1.0"} 0"#,
    ] {
        assert!(before.contains(&format!("{line}\n")), "{line}\n{before}");
    }
    let document = "customization: {extraKernelArgs: [a]}";
    let url = server.url("schematics");
    let created = client().post(url).body(document).send().await.unwrap();
    let id = created.json::<serde_json::Value>().await.unwrap()["id"].clone();
    let url = server.url(&format!(
        "image/{}/v1.14.0/metal-amd64.iso",
        id.as_str().unwrap()
    ));
    let missing = client().get(url).send().await.unwrap();
    // The source has no such repository: its fault, not the client's.
    assert_eq!(missing.status(), StatusCode::BAD_GATEWAY);
    missing.text().await.unwrap();
    let after = scrape().await;
    let asset = r#"{talos_version="1.14.0",output_kind="iso",arch="amd64"}"#;
    for line in [
        "image_factory_schematic_create_total 1",
        "image_factory_schematic_cache_size 2",
        &format!("image_factory_assets_cached_errors_total{asset} 1"),
        r#"http_requests_inflight{service="",handler="/image/:schematic/:version/:path"} 0"#,
        r#"http_request_duration_seconds_count{service="",handler="/image/:schematic/:version/:path",method="GET",code="502"} 1"#,
        r#"http_response_size_bytes_count{service="",handler="/schematics",method="POST",code="201"} 1"#,
    ] {
        assert!(after.contains(&format!("{line}\n")), "{line}\n{after}");
    }
    let elsewhere = client().get(side.url("")).send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::NOT_FOUND);
}
