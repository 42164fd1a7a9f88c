//! From a method and a path to an endpoint, the way clients of the reference know it (spec/http.md, 2.1 and 2.2).
//!
//! - Parameters take exactly one segment of the *decoded* path; all but the last may be empty.
//! - A path that differs from a known one in a trailing slash, doubled slashes, dots or case is redirected.
//! - A known path with another method is 405 with `Allow`; `OPTIONS` on it answers with `Allow` alone.

use hyper::Method;

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The start page.
    Index,
    /// Liveness.
    Health,
    /// Readiness.
    Ready,
    /// A description for language models.
    Llms,
    /// The list of versions.
    Versions,
    /// Creation of schematics.
    CreateSchematic,
    /// A stored schematic.
    Schematic,
    /// An artifact.
    Image,
    /// A PXE script.
    Pxe,
    /// The catalogue of extensions.
    Extensions,
    /// The catalogue of overlays.
    Overlays,
    /// The list of talosctl files.
    TalosctlList,
    /// A talosctl file.
    TalosctlFile,
    /// Something that is not built yet, by name.
    NotYet(&'static str),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The pattern: `:name` is a parameter of one segment, a last `*name` takes the rest.
    pub pattern: &'static str,
    /// Which methods it has, in alphabetical order.
    pub methods: &'static [Method],
    /// What answers.
    pub endpoint: Endpoint,
}

const GET: &[Method] = &[Method::GET];
const GET_HEAD: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

const fn route(methods: &'static [Method], pattern: &'static str, endpoint: Endpoint) -> Route {
    Route {
        pattern,
        methods,
        endpoint,
    }
}

const REGISTRY: Endpoint = Endpoint::NotYet("the registry frontend");

/// All routes.
pub const ROUTES: &[Route] = &[
    route(GET_HEAD, "/", Endpoint::Index),
    route(GET_HEAD, "/healthz", Endpoint::Health),
    route(GET_HEAD, "/readyz", Endpoint::Ready),
    route(GET, "/llms.txt", Endpoint::Llms),
    route(
        GET_HEAD,
        "/image/:schematic/:version/:path",
        Endpoint::Image,
    ),
    route(GET, "/pxe/:schematic/:version/:path", Endpoint::Pxe),
    route(POST, "/schematics", Endpoint::CreateSchematic),
    route(GET, "/schematics/:schematic", Endpoint::Schematic),
    route(GET, "/versions", Endpoint::Versions),
    route(
        GET,
        "/version/:version/extensions/official",
        Endpoint::Extensions,
    ),
    route(
        GET,
        "/version/:version/overlays/official",
        Endpoint::Overlays,
    ),
    route(GET, "/talosctl/:version", Endpoint::TalosctlList),
    route(GET_HEAD, "/talosctl/:version/:path", Endpoint::TalosctlFile),
    route(
        GET,
        "/secureboot/signing-cert.pem",
        Endpoint::NotYet("Secure Boot"),
    ),
    route(GET, "/oci/cosign/signing-key.pub", REGISTRY),
    route(GET_HEAD, "/v2", REGISTRY),
    route(GET_HEAD, "/v2/*path", REGISTRY),
];

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    /// To an endpoint, with the decoded parameters in order.
    Found(&'static Route, Vec<String>),
    /// To this (decoded) path instead.
    Redirect(String),
    /// Nowhere: the path knows only these methods; `OPTIONS` is among them.
    Allow(Vec<&'static str>),
    /// Nowhere.
    NotFound,
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Route {}

/// Finds what answers `method` on the decoded `path`.
pub fn find(method: &Method, path: &str) -> Routed {
    let has_method = |route: &&Route| route.methods.contains(method);
    for route in ROUTES.iter().filter(has_method) {
        if let Some(parameters) = matches(route.pattern, path) {
            return Routed::Found(route, parameters);
        }
    }
    let corrected = corrected(path);
    for candidate in [
        toggle_slash(path),
        corrected.clone(),
        toggle_slash(&corrected),
    ] {
        let known = ROUTES.iter().filter(has_method);
        let spelling = known
            .filter(|_| path != "/")
            .find_map(|route| spelling(route.pattern, &candidate));
        if let Some(spelling) = spelling {
            return Routed::Redirect(spelling);
        }
    }
    let mut allowed: Vec<_> = ROUTES
        .iter()
        .filter(|route| matches(route.pattern, path).is_some())
        .flat_map(|route| route.methods)
        .map(Method::as_str)
        .collect();
    if allowed.is_empty() {
        return Routed::NotFound;
    }
    allowed.push("OPTIONS");
    allowed.sort_unstable();
    allowed.dedup();
    Routed::Allow(allowed)
}

/// The parameters of a path that fits a pattern exactly.
fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut parameters = Vec::new();
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(want) = wanted.next() {
        let is_last = wanted.peek().is_none();
        if want.starts_with('*') {
            let first = segments.next()?;
            let rest: Vec<_> = std::iter::once(first).chain(segments).collect();
            parameters.push(rest.join("/"));
            return Some(parameters);
        }
        let segment = segments.next()?;
        if !want.starts_with(':') {
            if want != segment {
                return None;
            }
        } else if is_last && segment.is_empty() {
            return None;
        } else {
            parameters.push(segment.to_owned());
        }
    }
    segments.next().is_none().then_some(parameters)
}

/// The path as the pattern spells it, if only letters' case differs.
fn spelling(pattern: &str, path: &str) -> Option<String> {
    let (wanted, segments): (Vec<_>, Vec<_>) =
        (pattern.split('/').collect(), path.split('/').collect());
    if wanted.len() != segments.len() || segments.len() > 2 && segments.last() == Some(&"") {
        return None;
    }
    let spelt: Option<Vec<_>> = wanted
        .into_iter()
        .zip(segments)
        .map(|(want, segment)| match want {
            want if want.starts_with([':', '*']) => Some(segment),
            want => want.eq_ignore_ascii_case(segment).then_some(want),
        })
        .collect();
    let spelt = spelt?.join("/");
    matches(pattern, &spelt).map(|_| spelt)
}

fn toggle_slash(path: &str) -> String {
    match path.strip_suffix('/') {
        Some(shorter) if !shorter.is_empty() => shorter.to_owned(),
        _ => format!("{path}/"),
    }
}

/// Without empty and dot segments, as Go's router cleans paths; a trailing slash stays.
fn corrected(path: &str) -> String {
    let mut clean: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(clean.pop()),
            segment => clean.push(segment),
        }
    }
    let slash = if path.ends_with('/') && !clean.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", clean.join("/"))
}

/// Decodes percent escapes; [`None`] when one is malformed. Bytes that are not UTF-8 become replacement characters.
pub fn decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Encodes a path for `Location`.
pub fn encode(path: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Routed {
        find(&Method::GET, &decode(path).unwrap())
    }

    fn endpoint(routed: &Routed) -> Option<(Endpoint, Vec<&str>)> {
        match routed {
            Routed::Found(route, parameters) => Some((
                route.endpoint,
                parameters.iter().map(String::as_str).collect(),
            )),
            _ => None,
        }
    }

    #[test]
    fn parameters_take_one_decoded_segment() {
        let cases = [
            (
                "/image/a/v1/x",
                Some((Endpoint::Image, vec!["a", "v1", "x"])),
            ),
            ("/image//v1/x", Some((Endpoint::Image, vec!["", "v1", "x"]))),
            (
                "/image/a/v1%2Fx",
                Some((Endpoint::Image, vec!["a", "v1", "x"])),
            ),
            (
                "/image/a/v1/x%20y",
                Some((Endpoint::Image, vec!["a", "v1", "x y"])),
            ),
            ("/image/a/v1/", None),
            ("/image/a/v1/x/y", None),
            ("/talosctl/v1", Some((Endpoint::TalosctlList, vec!["v1"]))),
            (
                "/talosctl/v1/f",
                Some((Endpoint::TalosctlFile, vec!["v1", "f"])),
            ),
            (
                "/version/v1/overlays/official",
                Some((Endpoint::Overlays, vec!["v1"])),
            ),
            ("/", Some((Endpoint::Index, vec![]))),
            (
                "/v2/a/b/manifests/c",
                Some((REGISTRY, vec!["a/b/manifests/c"])),
            ),
            ("/v2/", Some((REGISTRY, vec![""]))),
            ("/v2", Some((REGISTRY, vec![]))),
            ("/schematics/", None),
        ];
        for (path, expected) in cases {
            assert_eq!(endpoint(&get(path)), expected, "{path}");
        }
    }

    #[test]
    fn near_misses_are_redirected() {
        let cases = [
            ("/versions/", "/versions"),
            ("/Versions", "/versions"),
            ("//versions", "/versions"),
            ("/x/../versions", "/versions"),
            ("/IMAGE/Ab/v1/X", "/image/Ab/v1/X"),
            ("/image/a/v1/x/", "/image/a/v1/x"),
            ("/image/a//v1/x", "/image/a/v1/x"),
            ("/healthz/", "/healthz"),
        ];
        for (path, expected) in cases {
            assert_eq!(get(path), Routed::Redirect(expected.to_owned()), "{path}");
        }
        for path in [
            "/schematics/",
            "/schematics/../x",
            "/nonexistent",
            "/image/",
            "/spdx/a/b/c",
        ] {
            assert_eq!(get(path), Routed::NotFound, "{path}");
        }
    }

    #[test]
    fn other_methods_are_told_what_is_allowed() {
        let cases = [
            (Method::POST, "/healthz", vec!["GET", "HEAD", "OPTIONS"]),
            (Method::HEAD, "/versions", vec!["GET", "OPTIONS"]),
            (Method::OPTIONS, "/versions", vec!["GET", "OPTIONS"]),
            (Method::PUT, "/schematics", vec!["OPTIONS", "POST"]),
            (Method::TRACE, "/schematics/a", vec!["GET", "OPTIONS"]),
            (
                Method::DELETE,
                "/image/a/b/c",
                vec!["GET", "HEAD", "OPTIONS"],
            ),
        ];
        for (method, path, allowed) in cases {
            assert_eq!(
                find(&method, path),
                Routed::Allow(allowed),
                "{method} {path}"
            );
        }
        assert_eq!(find(&Method::OPTIONS, "/nonexistent"), Routed::NotFound);
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("/a%2Fb%25"), Some("/a/b%".to_owned()));
        assert_eq!(decode("/%"), None);
        assert_eq!(decode("/%zz"), None);
        assert_eq!(decode("/%+1"), None);
        assert_eq!(encode("/a b%\"<"), "/a%20b%25%22%3C");
    }
}
