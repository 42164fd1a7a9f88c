//! `POST /schematics` and `GET /schematics/:schematic` (spec/http.md, 1.3 and 2.2).

use assembler::error::Kind;
use bstr::ByteSlice as _;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use serde_json::json;

use super::{Answer, json, reply};
use crate::{
    app::{App, Call},
    config::Limits,
    error::{Failure, chain},
    response::media,
};

pub(super) async fn create(app: &App, call: Call) -> Answer {
    let document = collect(call.body, &app.site.limits).await?;
    let (id, schematic, is_new) = app.forge.create_schematic(&document).await?;
    app.metrics.schematic_create.inc();
    if !is_new {
        app.metrics.schematic_duplicate.inc();
    }
    let canonical = schematic.canonical();
    let answer = json!({"id": id.to_string(), "schematic": canonical.to_str_lossy()});
    let mut response = reply(media::JSON, json(&answer));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

pub(super) async fn show(app: &App, call: &Call) -> Answer {
    app.metrics.schematic_get.inc();
    match app.forge.schematic(&call.parameters[0]).await {
        Ok((_, schematic)) => Ok(reply(media::YAML, schematic.canonical())),
        // Shorter than what other routes say of a missing schematic.
        Err(error) if error.kind() == Kind::NotFound => {
            Err(Failure::new(StatusCode::NOT_FOUND, "schematic not found"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a body of bounded length from a client that must keep sending.
async fn collect(mut body: hyper::body::Incoming, limits: &Limits) -> Result<BytesMut, Failure> {
    let too_long = || {
        Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request body is longer than {} bytes", limits.body),
        )
    };
    if hyper::body::Body::size_hint(&body).lower() > limits.body {
        return Err(too_long());
    }
    let mut document = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(limits.stall, body.frame());
        let frame = frame.await.map_err(|_| {
            let text = "the request body did not arrive in time";
            Failure::new(StatusCode::REQUEST_TIMEOUT, text)
        })?;
        let Some(frame) = frame else {
            return Ok(document);
        };
        let frame = frame.map_err(|error| {
            let text = format!("reading the request body: {}", chain(&error));
            Failure::new(StatusCode::BAD_REQUEST, text)
        })?;
        if let Ok(bytes) = frame.into_data() {
            if (document.len() + bytes.len()) as u64 > limits.body {
                return Err(too_long());
            }
            document.extend_from_slice(&bytes);
        }
    }
}
