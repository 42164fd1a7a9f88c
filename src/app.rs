//! One request, one answer: what all endpoints have in common stands around them here.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use assembler::forge::Forge;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, SERVER},
};

use crate::{
    body::Body,
    config::{Config, Limits},
    cors::Cors,
    digests::Digests,
    error::{Failure, Reason},
    metrics::{Metrics, RequestLabels},
    proxy::{Network, Origin},
    request,
    response::media,
    route::{self, Routed},
    server::{Handler, Peer},
};

/// What the `Server` header says.
pub const SERVER_NAME: &str = concat!(
    "talos-forge/",
    env!("CARGO_PKG_VERSION"),
    " (Image Factory)"
);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer inbound request ID is replaced.
const MAX_REQUEST_ID_LEN: usize = 128;

/// Everything that endpoints share.
#[derive(Debug)]
pub struct App {
    /// Makes artifacts.
    pub forge: Arc<Forge>,
    /// Digests of whole artifacts.
    pub digests: Digests,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What the operator decided.
    pub site: Site,
}

/// The part of the configuration that answers depend on.
#[derive(Debug)]
pub struct Site {
    /// Base of links, if set; otherwise they follow the request's host.
    pub external_url: Option<String>,
    /// Base of the links in PXE scripts, if it differs.
    pub external_pxe_url: Option<String>,
    /// What images say.
    pub default_url: String,
    /// Versions that `?broken=true` lists.
    pub broken_versions: Vec<String>,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Who may read from a browser.
    pub cors: Cors,
    /// What one client may cost.
    pub limits: Limits,
}

impl Site {
    /// Takes what answers depend on out of the configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            external_url: config
                .external_url_is_set
                .then(|| config.external_url.clone()),
            external_pxe_url: config.external_pxe_url.clone(),
            default_url: config.external_url.clone(),
            broken_versions: config.broken_versions.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            cors: Cors::new(&config.allowed_origins),
            limits: config.limits,
        }
    }

    /// Base of links, without slash at the end.
    pub fn base_url(&self, origin: &Origin) -> String {
        let url = self.external_url.as_ref().or(origin.base_url.as_ref());
        without_slash(url.unwrap_or(&self.default_url))
    }

    /// Base of the links in PXE scripts, without slash at the end.
    pub fn pxe_base_url(&self, origin: &Origin) -> String {
        match &self.external_pxe_url {
            Some(url) => without_slash(url),
            None => self.base_url(origin),
        }
    }
}

fn without_slash(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// A request on its way to an endpoint.
#[derive(Debug)]
pub struct Call {
    /// `GET`, `HEAD` or `POST`.
    pub method: Method,
    /// Its headers.
    pub headers: HeaderMap,
    /// The undecoded query.
    pub query: Option<String>,
    /// Decoded parameters of the path, in order.
    pub parameters: Vec<String>,
    /// Who asks.
    pub origin: Origin,
    /// What was sent along.
    pub body: Incoming,
}

impl App {
    /// Serves what `forge` makes.
    pub fn new(forge: Arc<Forge>, site: Site, metrics: Arc<Metrics>) -> Self {
        Self {
            forge,
            digests: Digests::default(),
            metrics,
            site,
        }
    }

    async fn dispatch(
        &self,
        request: Request<Incoming>,
        origin: Origin,
        routed: Routed,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let (route, parameters) = match routed {
            Routed::Found(route, parameters) => (route, parameters),
            Routed::Redirect(path) => return redirect(&parts, &path),
            Routed::Allow(methods) => return allow(&parts, &methods),
            Routed::NotFound => {
                let failure = Failure::new(StatusCode::NOT_FOUND, "404 page not found");
                return failure.into_response(&parts.headers);
            }
        };
        let call = Call {
            method: parts.method,
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            parameters,
            origin,
            body,
        };
        let headers = call.headers.clone();
        match request::answer(self, route.endpoint, call).await {
            Ok(response) => response,
            Err(failure) => failure.into_response(&headers),
        }
    }
}

impl Handler for App {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let started = Instant::now();
        let trusted = &self.site.trusted_proxies;
        let origin = Origin::of(
            peer.address,
            peer.tls,
            request.uri(),
            request.headers(),
            trusted,
        );
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let headers = request.headers().clone();
        let id = request_id(&headers);
        let mut labels = None;
        let client = origin.client;
        let preflight = self.site.cors.preflight(&method, &headers);
        let mut response = if let Some(headers) = preflight {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.headers_mut() = headers;
            response
        } else {
            let mut response = match route::decode(&path) {
                None => Failure::new(StatusCode::BAD_REQUEST, "malformed escape in the path")
                    .into_response(&headers),
                Some(decoded) => {
                    let routed = route::find(&method, &decoded);
                    if let Routed::Found(route, _) = &routed {
                        let of = RequestLabels {
                            service: "",
                            handler: route.pattern,
                            method: known(&method),
                            code: 0,
                        };
                        self.metrics.inflight.get_or_create(&of.inflight()).inc();
                        labels = Some(Inflight {
                            labels: of,
                            metrics: Arc::clone(&self.metrics),
                            done: false,
                        });
                    }
                    self.dispatch(request, origin, routed).await
                }
            };
            let cors = &self.site.cors;
            cors.decorate(&method, &headers, response.headers_mut());
            response
        };
        let head = response.headers_mut();
        head.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        head.insert(REQUEST_ID, id.clone());
        let status = response.status();
        let reason = response.extensions_mut().remove::<Reason>();
        let finish = move |bytes: u64, complete: bool| {
            let duration = started.elapsed();
            if let Some(mut inflight) = labels {
                inflight.finish(status, duration, bytes);
            }
            let entry = Entry {
                method,
                path,
                status,
                bytes,
                complete,
                duration,
                id,
                client,
                reason,
            };
            entry.log();
        };
        if response.body().is_empty() {
            finish(0, true);
            return response;
        }
        let (head, body) = response.into_parts();
        if head.status == StatusCode::NOT_MODIFIED {
            finish(0, true);
            return Response::from_parts(head, body);
        }
        Response::from_parts(head, body.watched(finish))
    }
}

/// A request that counts as being answered until it is finished or dropped.
struct Inflight {
    labels: RequestLabels,
    metrics: Arc<Metrics>,
    done: bool,
}

impl Inflight {
    fn finish(&mut self, status: StatusCode, duration: std::time::Duration, bytes: u64) {
        self.done = true;
        self.labels.code = status.as_u16();
        self.metrics.finished(&self.labels, duration, bytes);
    }
}

impl Drop for Inflight {
    fn drop(&mut self) {
        if !self.done {
            let inflight = self.labels.inflight();
            self.metrics.inflight.get_or_create(&inflight).dec();
        }
    }
}

/// One line of the access log.
struct Entry {
    method: Method,
    path: String,
    status: StatusCode,
    bytes: u64,
    complete: bool,
    duration: std::time::Duration,
    id: HeaderValue,
    client: std::net::IpAddr,
    reason: Option<Reason>,
}

impl Entry {
    fn log(self) {
        let reason = self.reason.map(|Reason(text)| text).unwrap_or_default();
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    method = %self.method,
                    path = %self.path,
                    status = self.status.as_u16(),
                    bytes = self.bytes,
                    complete = self.complete,
                    duration = self.duration.as_secs_f64(),
                    request_id = %self.id.to_str().unwrap_or_default(),
                    client = %self.client,
                    error = %reason,
                    "request"
                )
            };
        }
        match self.status.as_u16() {
            500 => log!(error),
            400..=599 => log!(warn),
            _ => log!(info),
        }
    }
}

/// The methods that metrics tell apart.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "other",
    }
}

fn redirect(parts: &hyper::http::request::Parts, path: &str) -> Response<Body> {
    let mut location = route::encode(path);
    if let Some(query) = parts.uri.query() {
        location = format!("{location}?{query}");
    }
    let is_get = parts.method == Method::GET;
    let body = if is_get {
        let link = location.replace('&', "&amp;").replace('"', "&#34;");
        Body::text(format!("<a href=\"{link}\">Moved Permanently</a>.\n\n"))
    } else {
        Body::default()
    };
    let mut response = Response::new(body);
    *response.status_mut() = if is_get {
        StatusCode::MOVED_PERMANENTLY
    } else {
        StatusCode::TEMPORARY_REDIRECT
    };
    let headers = response.headers_mut();
    if is_get || parts.method == Method::HEAD {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::HTML));
    }
    let location =
        HeaderValue::from_str(&location).expect("encoded paths and parsed queries are ASCII");
    headers.insert(LOCATION, location);
    response
}

fn allow(parts: &hyper::http::request::Parts, methods: &[&str]) -> Response<Body> {
    let mut response = if parts.method == Method::OPTIONS {
        Response::new(Body::default())
    } else {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
            .into_response(&parts.headers)
    };
    let methods = HeaderValue::from_str(&methods.join(", ")).expect("methods are ASCII");
    response.headers_mut().insert(ALLOW, methods);
    response
}

/// The inbound request ID if it is a sensible one, otherwise a random UUID (RFC 9562, version 4).
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let inbound = headers.get(REQUEST_ID).filter(|id| {
        let id = id.as_bytes();
        (1..=MAX_REQUEST_ID_LEN).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
    });
    if let Some(id) = inbound {
        return id.clone();
    }
    let random = || getrandom::u64().expect("the system has random numbers");
    let (high, low) = (random(), random());
    let (high, low) = (high & !0xf000 | 0x4000, low & (u64::MAX >> 2) | 1 << 63);
    let text = format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff,
    );
    HeaderValue::from_str(&text).expect("hex digits and dashes")
}

/// For logs: where a server listens.
pub(crate) fn listening(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_echoed_or_new_version_4_uuids() {
        let mut headers = HeaderMap::new();
        let (first, second) = (request_id(&headers), request_id(&headers));
        assert_ne!(first, second);
        let text = first.to_str().unwrap();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        assert!("89ab".contains(&text[19..20]));
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(request_id(&headers), "abc-1");
        headers.insert(REQUEST_ID, HeaderValue::from_static("a b"));
        assert_ne!(request_id(&headers), "a b");
    }
}
