//! `GET` and `HEAD /image/:schematic/:version/:path`: artifacts (spec/http.md, 2.3).

use std::{sync::Arc, time::Instant};

use assembler::forge::{Artifact, Need};
use hyper::{
    Method, Response,
    header::{IF_MATCH, IF_NONE_MATCH},
};

use super::{Answer, query};
use crate::{
    app::{App, Call},
    body::Body,
    error::Failure,
    metrics::{AssetLabels, ExtensionLabels},
    response::{self, Entity, Part, Plan, disposition, media},
};

/// Suffixes of files about an artifact, and what they are.
const SIDECARS: [(&str, &str); 3] = [
    (".sigstore.json", "signature files"),
    (".sha256", "checksum files"),
    (".sha512", "checksum files"),
];

pub(super) async fn answer(app: &App, call: &Call) -> Answer {
    let [schematic, version, path] = &call.parameters[..] else {
        unreachable!("the route has three parameters");
    };
    let sidecar = SIDECARS.iter().find(|(suffix, _)| path.ends_with(suffix));
    if let Some((_, feature)) = sidecar {
        return Err(Failure::not_yet(feature));
    }
    let started = Instant::now();
    let made = make(app, call, schematic, version, path).await;
    let labels = AssetLabels::of(version, path);
    let metrics = &app.metrics;
    if !matches!(&made, Ok((artifact, _)) if artifact.was_known) {
        metrics.assets_cached_errors.get_or_create(&labels).inc();
    }
    let (artifact, plan) = made?;
    let response = respond(app, call, plan, &artifact)?;
    let (answers, bytes) = if artifact.was_known {
        (&metrics.assets_cached, &metrics.assets_cached_bytes)
    } else {
        metrics.concurrency_latency.observe(0.0);
        metrics
            .build_latency
            .observe(started.elapsed().as_secs_f64());
        (&metrics.assets_built, &metrics.assets_built_bytes)
    };
    answers.get_or_create(&labels).inc();
    bytes.get_or_create(&labels).inc_by(response.body().len());
    count_extensions(app, schematic).await;
    Ok(response)
}

/// The artifact, with its blobs if the answer has any of its bytes, and the answer's plan.
async fn make(
    app: &App,
    call: &Call,
    schematic: &str,
    version: &str,
    path: &str,
) -> Result<(Artifact, Plan), Failure> {
    let forge = &app.forge;
    let artifact = forge.artifact(schematic, version, path, need(call)).await?;
    let plan = plan(app, call, &artifact, path);
    if !needs_payload(call, &plan) {
        return Ok((artifact, plan));
    }
    let artifact = forge
        .artifact(schematic, version, path, Need::Payload)
        .await?;
    let plan = self::plan(app, call, &artifact, path);
    Ok((artifact, plan))
}

/// A conditional request may need no payload at all: it is planned on metadata first.
pub(super) fn need(call: &Call) -> Need {
    let is_conditional =
        call.headers.contains_key(IF_MATCH) || call.headers.contains_key(IF_NONE_MATCH);
    if call.method == Method::HEAD || is_conditional {
        Need::Layout
    } else {
        Need::Payload
    }
}

pub(super) fn needs_payload(call: &Call, plan: &Plan) -> bool {
    let has_ranges = plan.parts.iter().any(|part| matches!(part, Part::Range(_)));
    need(call) == Need::Layout && has_ranges
}

/// What the answer is, before any byte of it is read.
pub(super) fn plan(app: &App, call: &Call, artifact: &Artifact, path: &str) -> Plan {
    let name = query(call, "filename").filter(|name| !name.is_empty());
    let entity = Entity {
        len: artifact.layout.len(),
        etag: artifact.etag,
        content_type: media::of_path(path),
        disposition: disposition::attachment(name.as_deref().unwrap_or(path)),
        sha256: app.digests.get(&artifact.etag),
    };
    response::plan(&call.method, &call.headers, &entity)
}

/// The answer. After the first download of the whole its digest is computed.
pub(super) fn respond(app: &App, call: &Call, plan: Plan, artifact: &Artifact) -> Answer {
    let whole = [Part::Range(0..artifact.layout.len())];
    let is_whole = call.method == Method::GET && plan.parts == whole && !artifact.layout.is_empty();
    let (layout, blobs) = (Arc::clone(&artifact.layout), Arc::clone(&artifact.blobs));
    let hashing = is_whole
        .then(|| app.digests.start(&artifact.etag, &layout, &blobs))
        .flatten();
    let body = Body::parts(plan.parts, layout, blobs)?;
    let mut response = Response::new(body.hashed(hashing));
    *response.status_mut() = plan.status;
    *response.headers_mut() = plan.headers;
    Ok(response)
}

async fn count_extensions(app: &App, schematic: &str) {
    if let Ok((_, schematic)) = app.forge.schematic(schematic).await {
        for name in &schematic.customization.official_extensions {
            let labels = ExtensionLabels {
                extension: name.to_string(),
            };
            app.metrics.extension_hits.get_or_create(&labels).inc();
        }
    }
}
