//! Cross-origin requests as browsers make them (Fetch, "CORS protocol"; spec/http.md, 2.1): reading is open to the configured
//! origins, nothing else is.

use hyper::{
    HeaderMap, Method,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
    },
};

const EXPOSED: &str = "Content-Disposition, Content-Length, Content-Type";
const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Which origins may read.
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Vec<String>,
    any: bool,
}

impl Cors {
    /// Allows these origins; `*` allows all, and one `*` within an origin stands for any text.
    pub fn new(origins: &[String]) -> Self {
        Self {
            any: origins.iter().any(|origin| origin == "*"),
            origins: origins
                .iter()
                .map(|origin| origin.to_ascii_lowercase())
                .collect(),
        }
    }

    /// The headers that answer a preflight, if this is one.
    pub fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        let wanted = request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        let Some(origin) = self.allowed(request) else {
            return Some(headers);
        };
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS);
        let names = asked.and_then(|names| names.to_str().ok()).unwrap_or("");
        let mut names = names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let is_simple = names.all(|name| name.eq_ignore_ascii_case("cache-control"));
        if matches!(wanted.as_bytes(), b"GET" | b"HEAD" | b"OPTIONS") && is_simple {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
            if let Some(asked) = asked.filter(|names| !names.is_empty()) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        Some(headers)
    }

    /// Adds to an answer what its reader's browser needs.
    pub fn decorate(&self, method: &Method, request: &HeaderMap, response: &mut HeaderMap) {
        response.insert(VARY, HeaderValue::from_static("Origin"));
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return;
        }
        if let Some(origin) = self.allowed(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static(EXPOSED);
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        let fits = |pattern: &String| match pattern.split_once('*') {
            None => *pattern == text,
            Some((start, end)) => {
                text.len() >= start.len() + end.len()
                    && text.starts_with(start)
                    && text.ends_with(end)
            }
        };
        self.origins.iter().any(fits).then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(pairs: &[(hyper::header::HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    fn cors(origins: &[&str]) -> Cors {
        Cors::new(&origins.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn readers_of_allowed_origins_are_let_in() {
        let cases = [
            (&["*"][..], "https://a.example", Some("*")),
            (
                &["https://A.example"],
                "https://a.example",
                Some("https://a.example"),
            ),
            (
                &["https://*.example"],
                "https://b.example",
                Some("https://b.example"),
            ),
            (&["https://*.example"], "https://.example.org", None),
            (&["https://a.example"], "https://b.example", None),
            (&[], "https://a.example", None),
        ];
        for (origins, origin, expected) in cases {
            let mut response = HeaderMap::new();
            let request = request(&[(ORIGIN, origin)]);
            cors(origins).decorate(&Method::GET, &request, &mut response);
            let allowed = response.get(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(
                allowed.map(|value| value.to_str().unwrap()),
                expected,
                "{origins:?} {origin}"
            );
            assert_eq!(response[VARY], "Origin");
        }
        let mut response = HeaderMap::new();
        let request = request(&[(ORIGIN, "https://a.example")]);
        cors(&["*"]).decorate(&Method::POST, &request, &mut response);
        assert_eq!(response.len(), 1, "nothing but Vary on POST");
    }

    #[test]
    fn preflights_allow_reading_only() {
        let ask = |method: &'static str, names: &'static str| {
            let request = request(&[
                (ORIGIN, "https://a.example"),
                (ACCESS_CONTROL_REQUEST_METHOD, method),
                (ACCESS_CONTROL_REQUEST_HEADERS, names),
            ]);
            cors(&["*"]).preflight(&Method::OPTIONS, &request).unwrap()
        };
        let headers = ask("HEAD", "cache-control");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "HEAD");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "cache-control");
        assert_eq!(ask("POST", "").len(), 1);
        assert_eq!(ask("GET", "authorization").len(), 1);
        assert!(
            cors(&["*"])
                .preflight(&Method::OPTIONS, &HeaderMap::new())
                .is_none()
        );
    }
}
