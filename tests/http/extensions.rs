//! Extensions through the service: made once, waited for, counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use serde_json::json;
use talos_forge::metrics::Page;

use crate::{
    standin,
    support::{LIMITS, Running},
};

/// Requests for the same extensions at a time.
const CROWD: usize = 12;

/// The path of a new initramfs with these extensions, told apart by a kernel argument.
async fn initramfs(server: &Running, number: usize, names: &[&str]) -> String {
    let document = json!({"customization": {
        "extraKernelArgs": [format!("number={number}")],
        "systemExtensions": {"officialExtensions": names},
    }});
    let forge = &server.app.as_ref().unwrap().forge;
    let document = document.to_string();
    let (id, ..) = forge.create_schematic(document.as_bytes()).await.unwrap();
    format!("image/{id}/v1.14.0/initramfs-amd64.xz")
}

/// The samples of a metrics page that are about prepared extensions, by name without prefix.
async fn counted(page: &Running) -> BTreeMap<String, f64> {
    let text = Client::new().get(page.url("metrics")).send().await.unwrap();
    let text = text.text().await.unwrap();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.filter_map(|line| {
        let (name, value) = line.split_once(' ')?;
        let (_, name) = name.split_once("extension_parts_")?;
        Some((name.to_owned(), value.parse().unwrap()))
    });
    samples.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_is_made_once_and_whoever_asks_meanwhile_waits() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let app = server.app.as_ref().unwrap();
    let page = Page::new(Arc::clone(&app.forge), Arc::clone(&app.metrics));
    let page = Running::with(Arc::new(page), LIMITS).await;
    let before = counted(&page).await;
    assert_eq!(before["prepared_total"].to_bits(), 0f64.to_bits());

    // A file system each, and the archive of the firmware of one.
    let names = [
        "siderolabs/iscsi-tools",
        "siderolabs/gvisor",
        "siderolabs/realtek-firmware",
    ];
    let parts = 4;
    let mut paths = Vec::new();
    for number in 0..CROWD {
        paths.push(initramfs(&server, number, &names).await);
    }
    let client = Client::new();
    let asked = paths.iter().enumerate().map(|(number, path)| {
        let request = if number % 3 == 0 {
            client.head(server.url(path))
        } else {
            client.get(server.url(path))
        };
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            let promised = answer.headers()["content-length"].to_str().unwrap();
            let promised: usize = promised.parse().unwrap();
            let body = answer.bytes().await.unwrap();
            assert!(number % 3 == 0 || body.len() == promised);
            promised
        }
    });
    let lengths: BTreeSet<usize> = join_all(asked).await.into_iter().collect();
    assert_eq!(lengths.len(), 1, "only the number differs: {lengths:?}");

    let after = counted(&page).await;
    println!("{after:?}");
    let count = |counted: &BTreeMap<String, f64>, name: &str| format!("{}", counted[name]);
    assert_eq!(count(&after, "prepared_total"), parts.to_string());
    assert_eq!(count(&after, "preparing"), "0");
    assert!(after["prepare_seconds_total"] > 0.0);
    assert!(after["read_bytes_total"] > after["prepared_bytes_total"]);
    assert!(after["prepared_bytes_total"] > 100_000.0);

    // Known to everybody from now on.
    let path = initramfs(&server, CROWD, &names).await;
    let answer = client.get(server.url(&path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let last = counted(&page).await;
    assert_eq!(count(&last, "prepared_total"), parts.to_string());
    assert!(last["reused_total"] >= after["reused_total"] + f64::from(parts));
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_nobody_waits_for_any_more_goes_on() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let forge = &server.app.as_ref().unwrap().forge;
    let path = initramfs(&server, 0, &["siderolabs/gvisor"]).await;
    let client = Client::new();
    // Leaves as soon as the work has begun.
    let asked = tokio::spawn(client.get(server.url(&path)).send());
    while forge.preparing().is_empty() && forge.prepared().made == 0 {
        tokio::task::yield_now().await;
    }
    asked.abort();
    while forge.prepared().made == 0 {
        tokio::task::yield_now().await;
    }
    let answer = client.get(server.url(&path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(forge.prepared().made, 1);
}
