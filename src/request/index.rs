//! `GET` and `HEAD /`: a plain start page.

use hyper::{Method, Response};

use super::reply;
use crate::{
    app::{Call, SERVER_NAME},
    body::Body,
    response::media,
};

const PAGE: &str = include_str!("index.html");

pub(super) fn answer(call: &Call) -> Response<Body> {
    let page = PAGE.replace("{{server}}", SERVER_NAME);
    let mut response = reply(media::HTML, page);
    if call.method == Method::HEAD {
        *response.body_mut() = Body::default();
    }
    response
}
