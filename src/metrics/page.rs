//! The metrics listener: one page, nothing else.

use std::sync::Arc;

use assembler::forge::Forge;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::Metrics;
use crate::{
    body::Body,
    error::Failure,
    server::{Handler, Peer},
};

/// What the metrics listener answers with.
#[derive(Debug)]
pub struct Page {
    forge: Arc<Forge>,
    metrics: Arc<Metrics>,
}

impl Page {
    /// Shows `metrics`, and what `forge` counts itself.
    pub fn new(forge: Arc<Forge>, metrics: Arc<Metrics>) -> Self {
        Self { forge, metrics }
    }
}

impl Handler for Page {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        if request.uri().path() != "/metrics" {
            let failure = Failure::new(StatusCode::NOT_FOUND, "404 page not found");
            return failure.into_response(request.headers());
        }
        self.metrics.refresh(&self.forge);
        let mut response = Response::new(Body::text(self.metrics.render()));
        let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}
