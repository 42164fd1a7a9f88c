//! One exchange with a registry: scheme, credentials, redirects, statuses, limits of time and length.

use std::{error::Error as _, fmt, fs, io, time::SystemTime};

use bytes::{Bytes, BytesMut};
use oci_client::errors::OciEnvelope;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use tokio::{sync::OnceCell, time::timeout};

use crate::source::{
    error::Cause,
    registry::{
        auth::{Auth, Scope},
        options::{RegistryOptions, is_local, is_loopback},
        retry::{Failure, retry, retry_after},
    },
};

/// Most redirects that are followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How much of an error's body is looked at, in bytes.
const MAX_ERROR_LEN: u64 = 64 << 10;
/// How much of a registry's own words ends up in our errors, in characters.
const MAX_MESSAGE_LEN: usize = 300;
/// Where Docker's registry answers; images name it otherwise.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
const USER_AGENT: &str = concat!("talos-forge/", env!("CARGO_PKG_VERSION"));

/// A registry as the network sees it.
#[derive(Debug)]
pub(super) struct Client {
    /// The registry as the user named it.
    pub(super) host: String,
    pub(super) options: RegistryOptions,
    http: reqwest::Client,
    /// Where it answers, once that is known.
    base: OnceCell<Url>,
    auth: Auth,
}

/// A request. Sent as often as need be.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// A path (`/v2/…`) or a URL.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) status: StatusCode,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

impl Ask {
    pub(super) fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: HeaderMap::new(),
            body: None,
        }
    }
}

/// Without the body: it may be a secret, or long.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

impl Client {
    pub(super) fn new(host: &str, options: RegistryOptions) -> Result<Self, Cause> {
        let mut extra = Vec::new();
        if let Some(path) = &options.ca {
            let settings =
                |error: &dyn fmt::Display| Cause::Settings(format!("{}: {error}", path.display()));
            let pem = fs::read(path).map_err(|error| settings(&error))?;
            extra =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| settings(&error))?;
            if extra.is_empty() {
                return Err(settings(&"no certificate in it"));
            }
        }
        let builder = || {
            let builder = reqwest::Client::builder()
                .user_agent(USER_AGENT)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(options.connect_timeout);
            if is_loopback(host) {
                builder.no_proxy()
            } else {
                builder
            }
        };
        let may_be_plain = options.insecure || is_local(host);
        let http = match builder().tls_certs_merge(extra.clone()).build() {
            // A machine without any certificate authorities can still speak plain HTTP.
            Err(_) if may_be_plain => builder().tls_certs_only(extra).build(),
            other => other,
        };
        let http = http.map_err(|error| Cause::Settings(text_of(&error)))?;
        let client = Self {
            host: host.to_owned(),
            options,
            http,
            base: OnceCell::new(),
            auth: Auth::default(),
        };
        if !may_be_plain {
            let secure = client.url("https")?;
            client
                .base
                .set(secure)
                .expect("nobody else has the client yet");
        }
        Ok(client)
    }

    fn url(&self, scheme: &str) -> Result<Url, Cause> {
        let authority = if self.host == DOCKER_HUB.0 {
            DOCKER_HUB.1
        } else {
            &self.host
        };
        Url::parse(&format!("{scheme}://{authority}/"))
            .map_err(|error| Cause::Settings(format!("not a registry: {error}")))
    }

    /// Where the registry answers. One that may be spoken to without TLS is tried with TLS first.
    async fn base(&self) -> Result<&Url, Failure> {
        self.base
            .get_or_try_init(|| async {
                let ping = Ask::new(Method::GET, "/v2/");
                let secure = self.url("https")?;
                let refused = match self.follow(&secure, &ping, None).await {
                    Ok(_) => return Ok(secure),
                    Err(failure) if matches!(failure.cause, Cause::Timeout { .. }) => {
                        return Err(failure);
                    }
                    Err(failure) => failure,
                };
                let plain = self.url("http")?;
                let response = self.follow(&plain, &ping, None).await?;
                // So servers answer to plain HTTP on a TLS port: the trouble is with TLS, and should be reported.
                if response.status() == StatusCode::BAD_REQUEST {
                    return Err(refused);
                }
                Ok(plain)
            })
            .await
    }

    /// Asks, with whatever credentials it takes. Statuses that callers tell apart (2xx, 404, 405, 416) come back as answers.
    pub(super) async fn once(&self, ask: &Ask, scope: &Scope) -> Result<Response, Failure> {
        let base = self.base().await?;
        let known = self.auth.known(scope);
        let response = self.follow(base, ask, known.as_ref()).await?;
        let is_challenge = response.status() == StatusCode::UNAUTHORIZED;
        if !is_challenge || !is_same_origin(response.url(), base) {
            return self.classify(response).await;
        }
        let headers = response.headers();
        let answer = self
            .auth
            .answer(self, base, headers, scope, known.as_ref())
            .await?;
        let Some(answer) = answer else {
            return self.classify(response).await;
        };
        let response = self.follow(base, ask, Some(&answer)).await?;
        self.classify(response).await
    }

    /// Asks until there is an answer, and reads all of it.
    pub(super) async fn document(
        &self,
        ask: &Ask,
        scope: &Scope,
        what: &'static str,
        limit: u64,
    ) -> Result<Document, Cause> {
        retry(&self.options, || async {
            let mut response = self.once(ask, scope).await?;
            // The limit is for what was asked for; a refusal may be longer.
            let limit = if response.status().is_success() {
                limit
            } else {
                limit.max(MAX_ERROR_LEN)
            };
            Ok(Document {
                status: response.status(),
                url: response.url().clone(),
                headers: std::mem::take(response.headers_mut()),
                bytes: self.read(response, what, limit).await?,
            })
        })
        .await
    }

    /// Asks a realm for a token: its own credentials are in the request already.
    pub(super) async fn token(&self, ask: &Ask) -> Result<Response, Failure> {
        let realm = Url::parse(&ask.target).map_err(|error| Cause::Protocol(error.to_string()))?;
        let response = self.follow(&realm, ask, None).await?;
        let response = self.classify(response).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::from(Cause::Protocol(format!(
            "{} from the realm {}",
            response.status(),
            realm.host_str().unwrap_or_default()
        ))))
    }

    /// Sends a request and follows redirects. What proves who we are stays with the origin that it is for.
    async fn follow(
        &self,
        origin: &Url,
        ask: &Ask,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Failure> {
        let protocol = |text: String| Failure::from(Cause::Protocol(text));
        let mut url = origin
            .join(&ask.target)
            .map_err(|error| protocol(error.to_string()))?;
        for _ in 0..=MAX_REDIRECTS {
            let mut headers = ask.headers.clone();
            if let Some(authorization) = authorization {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            if !is_same_origin(&url, origin) {
                headers.remove(AUTHORIZATION);
            }
            let request = self
                .http
                .request(ask.method.clone(), url.clone())
                .headers(headers);
            let request = match &ask.body {
                Some(body) => request.body(body.clone()),
                None => request,
            };
            let response = self.send(request).await?;
            let may_follow = ask.method == Method::GET || ask.method == Method::HEAD;
            if !response.status().is_redirection() || !may_follow {
                return Ok(response);
            }
            let location = response
                .headers()
                .get(LOCATION)
                .and_then(|text| text.to_str().ok());
            let location = location.ok_or_else(|| protocol("a redirect to nowhere".to_owned()))?;
            url = url
                .join(location)
                .map_err(|_| protocol(format!("a redirect to {location:?}")))?;
            if !matches!(url.scheme(), "https" | "http") {
                return Err(protocol(format!("a redirect to {location:?}")));
            }
        }
        Err(protocol(format!("more than {MAX_REDIRECTS} redirects")))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        // The wait for an answer begins with the connection.
        let limit = self.options.connect_timeout + self.options.stall_timeout;
        let timed_out = |what, limit| {
            Failure::transient(Cause::Timeout {
                what,
                limit,
                attempts: 1,
            })
        };
        match timeout(limit, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_timeout() => {
                Err(timed_out("connecting", self.options.connect_timeout))
            }
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(timed_out("answering", limit)),
        }
    }

    /// The next bytes of a body; nothing at its end.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let limit = self.options.stall_timeout;
        match timeout(limit, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(broken(&error)),
            Err(_) => Err(Failure::transient(Cause::Timeout {
                what: "sending on",
                limit,
                attempts: 1,
            })),
        }
    }

    /// All of a body of limited length.
    pub(super) async fn read(
        &self,
        mut response: Response,
        what: &'static str,
        limit: u64,
    ) -> Result<Bytes, Failure> {
        let too_large = || Failure::from(Cause::TooLarge { what, limit });
        // The length of an answer to HEAD is that of a body that does not come.
        if response.content_length().is_some_and(|len| len > limit) {
            return Err(too_large());
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            if (bytes.len() + chunk.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }

    /// Sorts answers from failures, and failures that may pass from those that will not.
    async fn classify(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        let is_for_callers = matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::RANGE_NOT_SATISFIABLE
        );
        if status.is_success() || is_for_callers {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers(), SystemTime::now());
        let is_transient = matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        ) || (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED);
        // What went wrong is known; a body that does not come changes nothing.
        let body = self
            .read(response, "the error's length in bytes", MAX_ERROR_LEN)
            .await;
        let message = body.map(|body| message_of(&body)).unwrap_or_default();
        let cause = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Cause::Denied {
                status: status.to_string(),
                message,
            },
            _ => status_cause(status, message),
        };
        Err(Failure {
            cause,
            is_transient,
            retry_after,
        })
    }
}

fn broken(error: &reqwest::Error) -> Failure {
    let text = text_of(error);
    // Asking again does not make a certificate better.
    let is_transient = !text.contains("invalid peer certificate");
    Failure {
        cause: Cause::Connection { text, attempts: 1 },
        is_transient,
        retry_after: None,
    }
}

/// A status that should not have come.
pub(super) fn status_cause(status: StatusCode, message: String) -> Cause {
    Cause::Status {
        status: status.to_string(),
        message,
        attempts: 1,
    }
}

/// Scheme, host and port are the same.
pub(super) fn is_same_origin(left: &Url, right: &Url) -> bool {
    left.scheme() == right.scheme()
        && left.host() == right.host()
        && left.port_or_known_default() == right.port_or_known_default()
}

/// What the registry says about an error, made fit for one line.
pub(super) fn message_of(body: &[u8]) -> String {
    let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body) else {
        return String::new();
    };
    let message = envelope.errors.first().map(|error| error.message.as_str());
    let visible = message
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control());
    visible.take(MAX_MESSAGE_LEN).collect()
}

/// The error and what caused it, without the URL: it may hold a signature.
fn text_of(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let what = if error.is_connect() {
        "connecting: "
    } else {
        ""
    };
    if error.source().is_none() {
        return format!("{what}the request cannot be sent");
    }
    match deepest.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            format!("{what}connection reset")
        }
        _ => format!("{what}{deepest}"),
    }
}
