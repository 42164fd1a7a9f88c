//! Endpoints, one a file.

mod image;
mod index;
mod llms;
mod pxe;
mod schematics;
mod talosctl;
mod version;
mod versions;

use bytes::Bytes;
use hyper::{
    Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;

use crate::{
    app::{App, Call},
    body::Body,
    error::Failure,
    response::media,
    route::Endpoint,
};

type Answer = Result<Response<Body>, Failure>;

/// Answers a request that has been routed.
pub(crate) async fn answer(app: &App, endpoint: Endpoint, call: Call) -> Answer {
    match endpoint {
        Endpoint::Index => Ok(index::answer(&call)),
        // A process that answers at all is alive; nothing it needs can be missing while it listens.
        Endpoint::Health | Endpoint::Ready => Ok(Response::new(Body::default())),
        Endpoint::Llms => Ok(llms::answer(app, &call)),
        Endpoint::Versions => versions::answer(app, &call).await,
        Endpoint::CreateSchematic => schematics::create(app, call).await,
        Endpoint::Schematic => schematics::show(app, &call).await,
        Endpoint::Image => image::answer(app, &call).await,
        Endpoint::Pxe => pxe::answer(app, &call).await,
        Endpoint::Extensions => version::extensions(app, &call).await,
        Endpoint::Overlays => version::overlays(app, &call).await,
        Endpoint::TalosctlList => talosctl::list(app, &call).await,
        Endpoint::TalosctlFile => talosctl::file(app, &call).await,
        Endpoint::NotYet(feature) => Err(Failure::not_yet(feature)),
    }
}

fn reply(content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::text(body));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// JSON as the reference writes it: characters that mean something to HTML escaped, a line end after it.
fn json(value: &impl Serialize) -> String {
    let plain =
        serde_json::to_string(value).expect("texts, lists and maps of them always serialize");
    let mut text = String::with_capacity(plain.len() + 1);
    for c in plain.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text.push('\n');
    text
}

fn json_reply(value: &impl Serialize) -> Response<Body> {
    reply(media::JSON, json(value))
}

/// The first value of a query parameter, decoded. As in Go, pairs that hold a semicolon do not count.
fn query(call: &Call, name: &str) -> Option<String> {
    let query = call.query.as_deref()?;
    query
        .split('&')
        .filter(|pair| !pair.contains(';'))
        .find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| crate::route::decode(&text.replace('+', " "));
            (decode(key)? == name).then(|| decode(value)).flatten()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_escaped_for_html() {
        assert_eq!(
            json(&"a<b>&\u{2028}\n"),
            "\"a\\u003cb\\u003e\\u0026\\u2028\\n\"\n"
        );
        assert_eq!(json(&Vec::<String>::new()), "[]\n");
    }
}
