//! The registry misbehaves, or is away.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use assembler::{forge::Forge, source::RegistryOptions};
use talos_forge::{
    app::{App, Site},
    config::{Config, source::Settings},
    metrics::Metrics,
    server::{Server, listen},
};
use tokio::sync::watch;

use crate::{
    registry::{Fault, Place, Registry},
    support::{Process, alone, forge, get, image, reference, release},
};

const FILE: &str = "kernel-amd64";
/// How long an answer may take to begin where none will come.
const PATIENCE: Duration = Duration::from_secs(4);
const FAULTS: [Fault; 8] = [
    Fault::Reset,
    Fault::Truncate,
    Fault::Short,
    Fault::WrongByte,
    Fault::Status(429),
    Fault::Status(500),
    Fault::Status(503),
    Fault::Hang,
];

/// A service in this process, because its registry may hang for less than a minute here.
struct Service {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Service {
    fn start(data: &Path, registry: &Registry, fault: Fault) -> Self {
        let environment = [(
            "IF_ARTIFACTS_CORE_REGISTRY".to_owned(),
            registry.address.to_string(),
        )];
        let settings = Settings::load(&[], &environment).unwrap();
        let config = Config::new(settings, data).unwrap();
        let mut options = config.forge_options();
        options.registry = RegistryOptions {
            attempts: 2,
            backoff: Duration::from_millis(1),
            max_retry_after: Duration::from_millis(30),
            ..RegistryOptions::default()
        };
        if fault == Fault::Hang {
            // Together they are how long an answer is waited for.
            options.registry.connect_timeout = PATIENCE / 2;
            options.registry.stall_timeout = PATIENCE / 2;
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = runtime.block_on(async {
            let forge = Arc::new(Forge::open(options).await.unwrap());
            let metrics = Arc::new(Metrics::new());
            let app = App::new(forge, Site::new(&config), Arc::clone(&metrics));
            let listeners = listen("127.0.0.1:0").await.unwrap();
            let address = listeners[0].local_addr().unwrap();
            let server = Server::new(Arc::new(app), config.limits, None, metrics);
            tokio::spawn(async move {
                let (_stop, stopped) = watch::channel(false);
                server.run(listeners, stopped).await;
            });
            address
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

/// What the text says of the cause; nothing of what the system says in its own words.
fn cause(fault: Fault, place: Place) -> &'static str {
    match (fault, place) {
        (Fault::WrongByte, _) | (Fault::Short, Place::Manifest) => ": the bytes hash to sha256:",
        (Fault::Short, Place::Layer) => ": ends after ",
        (Fault::Short, Place::Tags) => ": malformed list of tags: ",
        (Fault::Status(429), _) => ": 429 Too Many Requests (2 attempts)",
        (Fault::Status(500), _) => ": 500 Internal Server Error (2 attempts)",
        (Fault::Status(_), _) => ": 503 Service Unavailable (2 attempts)",
        (Fault::Hang, _) => ": answering took longer than 4000 ms (2 attempts)",
        // A connection that was reset, or ended: the system's words, and how often.
        (Fault::Reset | Fault::Truncate, _) => " (2 attempts)",
    }
}

fn faults(place: Place, path: &str) {
    let Some(release) = release() else { return };
    let registry = Registry::start(&release);
    let sha256 = (place != Place::Tags).then(|| reference(&release, FILE));
    let mut etags = Vec::new();
    for fault in FAULTS {
        // Nothing vouches for the bytes of a list.
        if (place, fault) == (Place::Tags, Fault::WrongByte) {
            continue;
        }
        let data = tempfile::tempdir().unwrap();
        let service = Service::start(data.path(), &registry, fault);
        if place == Place::Layer {
            // The list and the tag are known by then: the layer is all that fails.
            assert_eq!(get(service.address, "/versions").status, 200);
        }
        registry.misbehave(Some((place, fault)));
        let failed = get(service.address, path);
        let text = failed.text();
        println!("{place:?} {fault:?}: {} {}", failed.status, text.trim_end());
        let status = if fault == Fault::Hang { 504 } else { 502 };
        assert_eq!(failed.status, status, "{fault:?}: {text}");
        let source = format!("registry {}: siderolabs/imager", registry.address);
        for part in [&source, cause(fault, place)] {
            assert!(text.contains(part), "{fault:?}: {part:?} is not in {text}");
        }
        registry.misbehave(None);
        let recovered = get(service.address, path);
        assert_eq!(recovered.status, 200, "{fault:?}: {}", recovered.text());
        if let Some(sha256) = &sha256 {
            assert_eq!(recovered.sha256(), *sha256, "{fault:?}");
            etags.push(recovered.headers["etag"].clone());
        } else {
            assert!(recovered.text().contains("v1.14.0"), "{}", recovered.text());
        }
    }
    etags.dedup();
    assert_eq!(etags.len(), usize::from(sha256.is_some()));
}

#[test]
fn faults_of_a_layer_are_told_and_pass() {
    let _alone = alone();
    faults(Place::Layer, &image(FILE));
}

#[test]
fn faults_of_a_manifest_are_told_and_pass() {
    let _alone = alone();
    faults(Place::Manifest, &image(FILE));
}

#[test]
fn faults_of_the_list_of_tags_are_told_and_pass() {
    let _alone = alone();
    faults(Place::Tags, "/versions");
}

#[test]
fn what_is_stored_is_served_while_the_registry_is_away() {
    let _alone = alone();
    let Some(release) = release() else { return };
    let registry = Registry::start(&release);
    let data = tempfile::tempdir().unwrap();
    let paths = [
        &image(FILE),
        &image("metal-amd64.iso"),
        "/versions",
        "/readyz",
    ];
    let of = |process: &Process| {
        paths.map(|path| {
            let answer = get(process.address, path);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            let etag = answer.headers.get("etag").cloned();
            (etag, answer.sha256())
        })
    };
    let source = registry.address.to_string();
    let command = || {
        let mut command = forge(data.path(), &source);
        // Nothing that was learnt is believed without asking, so that the registry is missed.
        command.env("IF_ARTIFACTS_TALOSVERSIONRECHECKINTERVAL", "1ms");
        command
    };
    let before = of(&Process::start(command()));
    assert_eq!(before[1].1, reference(&release, "metal-amd64.iso"));
    for place in [Place::Tags, Place::Manifest, Place::Layer] {
        registry.misbehave(Some((place, Fault::Status(403))));
        assert_eq!(of(&Process::start(command())), before, "{place:?}");
    }
    // Nobody listens where nothing was bound.
    drop(registry);
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut nobody = forge(data.path(), &gone.to_string());
    nobody.env("IF_ARTIFACTS_TALOSVERSIONRECHECKINTERVAL", "1h");
    assert_eq!(of(&Process::start(nobody)), before);
}
