//! `GET /llms.txt`: the interface described for programs that read prose.

use hyper::Response;

use super::reply;
use crate::{
    app::{App, Call},
    body::Body,
    response::media,
};

const TEXT: &str = include_str!("llms.txt");

pub(super) fn answer(app: &App, call: &Call) -> Response<Body> {
    let base = app.site.base_url(&call.origin);
    reply(media::TEXT, TEXT.replace("{{base}}", &base))
}
