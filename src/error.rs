//! The only place where an error becomes an HTTP status, and where it is decided what a client sees of it.

use std::{error::Error as StdError, fmt::Write as _};

use assembler::{error::Kind, forge, read::ReadError};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
};
use serde_json::json;

use crate::{body::Body, response::media};

/// Seconds after which a client may ask again for what is still being prepared.
const RETRY_AFTER_SECONDS: u64 = 30;
/// What clients see of our own faults; the log has the rest.
const INTERNAL: &str = "internal server error";

/// A request that could not be answered.
#[derive(Debug)]
pub struct Failure {
    /// What is sent.
    pub status: StatusCode,
    /// What is said, without line end.
    pub text: String,
    /// What would have been right, if the text does not say so; for problem documents.
    pub expected: Option<String>,
    /// What the log says besides, if it is more.
    pub reason: Option<String>,
    /// Headers besides.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the log says of a request that failed, kept in the response's extensions.
#[derive(Debug, Clone)]
pub struct Reason(pub String);

/// The status of a kind of error.
pub fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::BadRequest => StatusCode::BAD_REQUEST,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::NotYet => StatusCode::NOT_IMPLEMENTED,
        Kind::Upstream => StatusCode::BAD_GATEWAY,
        Kind::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        Kind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Failure {
    /// A failure with this status and text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            expected: None,
            reason: None,
            headers: Vec::new(),
        }
    }

    /// Something that does not exist yet, by name.
    pub fn not_yet(feature: &str) -> Self {
        forge::Error::NotYet(feature.to_owned()).into()
    }

    fn of(kind: Kind, text: String) -> Self {
        let mut failure = Self::new(status(kind), text);
        if kind == Kind::Busy {
            failure
                .headers
                .push((RETRY_AFTER, RETRY_AFTER_SECONDS.into()));
        }
        failure
    }

    /// The response: plain text, or a problem document (RFC 9457) for clients that accept JSON.
    pub fn into_response(self, request: &HeaderMap) -> Response<Body> {
        let shown = match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => INTERNAL,
            _ => &self.text,
        };
        let (content_type, body) = if accepts_json(request) {
            let mut problem = json!({
                "type": "about:blank",
                "title": self.status.canonical_reason(),
                "status": self.status.as_u16(),
                "detail": shown,
            });
            if let Some(expected) = self.expected {
                problem["expected"] = expected.into();
            }
            ("application/problem+json", format!("{problem}\n"))
        } else {
            (media::TEXT, format!("{shown}\n"))
        };
        let mut response = Response::new(Body::text(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.extend(self.headers);
        let reason = Reason(self.reason.unwrap_or(self.text));
        response.extensions_mut().insert(reason);
        response
    }
}

impl From<forge::Error> for Failure {
    fn from(error: forge::Error) -> Self {
        let mut failure = Self::of(error.kind(), error.to_string());
        failure.expected = error.expected();
        failure.reason = Some(chain(&error));
        failure
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::of(error.kind(), chain(&error))
    }
}

/// An error with all its causes, separated by colons; each is said once.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            write!(text, ": {said}").expect("writing to a String cannot fail");
        }
        next = cause.source();
    }
    text
}

/// Whether a client names JSON in `Accept`; `*/*` alone asks for nothing special.
fn accepts_json(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT).into_iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_json = matches!(
            parts.next(),
            Some("application/json" | "application/problem+json")
        );
        let refused = |part: &str| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        is_json && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn render(failure: Failure, accept: &'static str) -> (HeaderValue, String) {
        let mut request = HeaderMap::new();
        request.insert(ACCEPT, HeaderValue::from_static(accept));
        let response = failure.into_response(&request);
        let content_type = response.headers()[CONTENT_TYPE].clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (content_type, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn errors_are_text_unless_json_is_accepted() {
        let failure = || Failure::new(StatusCode::NOT_FOUND, "no such thing");
        for accept in ["*/*", "text/html", "application/json;q=0"] {
            let (content_type, body) = render(failure(), accept).await;
            assert_eq!(content_type, "text/plain; charset=utf-8");
            assert_eq!(body, "no such thing\n");
        }
        for accept in [
            "application/json",
            "text/html, application/problem+json;q=0.5",
        ] {
            let (content_type, body) = render(failure(), accept).await;
            assert_eq!(content_type, "application/problem+json");
            assert_eq!(
                body,
                "{\"detail\":\"no such thing\",\"status\":404,\"title\":\"Not Found\",\"type\":\"about:blank\"}\n"
            );
        }
    }

    #[tokio::test]
    async fn our_own_faults_are_not_shown() {
        let failure = Failure::of(
            Kind::Internal,
            "/var/lib/secret: permission denied".to_owned(),
        );
        let (_, body) = render(failure, "*/*").await;
        assert_eq!(body, "internal server error\n");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("inner")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn a_chain_says_each_cause_once() {
        let error = Outer(Inner(std::io::Error::other("cause")));
        assert_eq!(chain(&error), "outer: inner: cause");
    }

    #[test]
    fn what_is_still_prepared_may_be_asked_for_again() {
        let failure = Failure::of(Kind::Busy, "preparing".to_owned());
        assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(failure.headers[0].0, RETRY_AFTER);
    }
}
