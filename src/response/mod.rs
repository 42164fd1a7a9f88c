//! From a request's headers and an artifact's length and entity tag to status, headers and the ranges of the body
//! (RFC 9110, sections 13 and 14). Nothing here does I/O.
//!
//! - The length of the body is always known: artifacts are never sent chunked.
//! - Ranges are answered in the order asked, never merged; the boundary follows from the entity tag, so that a retried
//!   request gets the same bytes.
//! - There is no modification date: conditions on dates are ignored, a date in `If-Range` never matches.

mod condition;
pub mod disposition;
pub mod media;
pub mod range;
#[cfg(test)]
mod tests;

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use formats::Digest;
use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE,
    },
};

use self::range::Ranges;

/// `Repr-Digest` (RFC 9530, section 3).
pub const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What is known of an artifact before its first byte is read.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Bytes of the whole.
    pub len: u64,
    /// The hash that the entity tag is made of.
    pub etag: Digest,
    /// The media type.
    pub content_type: &'static str,
    /// `Content-Disposition`.
    pub disposition: HeaderValue,
    /// The digest of the whole, once it is known.
    pub sha256: Option<Digest>,
}

/// An answer, complete but for the bytes of its ranges.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The status.
    pub status: StatusCode,
    /// All headers that depend on artifact and request.
    pub headers: HeaderMap,
    /// The body, in order; empty for `HEAD`.
    pub parts: Vec<Part>,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text around ranges.
    Bytes(Bytes),
    /// A range of the artifact.
    Range(Range<u64>),
}

impl Part {
    /// Bytes of the piece.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range(range) => range.end - range.start,
        }
    }
}

/// Answers `GET` or `HEAD` of an artifact.
pub fn plan(method: &Method, request: &HeaderMap, entity: &Entity) -> Plan {
    let etag = format!("\"{}\"", entity.etag.hex());
    if request.contains_key(IF_MATCH) && !condition::any_strong(request.get_all(IF_MATCH), &etag) {
        let text = "the entity tag is not the one required by If-Match";
        return refuse(StatusCode::PRECONDITION_FAILED, text, entity, method);
    }
    if condition::any_weak(request.get_all(IF_NONE_MATCH), &etag) {
        let mut headers = HeaderMap::new();
        headers.insert(ETAG, ascii(&etag));
        return Plan {
            status: StatusCode::NOT_MODIFIED,
            headers,
            parts: Vec::new(),
        };
    }
    let may_be_partial = match request.get(IF_RANGE) {
        Some(condition) => condition.as_bytes() == etag.as_bytes(),
        None => true,
    };
    // Only GET has ranges (RFC 9110, 14.2).
    let ranges = match request.get(RANGE) {
        Some(value) if may_be_partial && method == Method::GET => {
            range::parse(value.as_bytes(), entity.len)
        }
        _ => Ranges::Whole,
    };
    let mut plan = match ranges {
        Ranges::Whole => whole(entity),
        Ranges::Unsatisfiable => {
            let text = "no range lies inside the artifact";
            return refuse(StatusCode::RANGE_NOT_SATISFIABLE, text, entity, method);
        }
        Ranges::Some(ranges) => match &ranges[..] {
            [range] => single(range, entity),
            ranges => multiple(ranges, entity),
        },
    };
    describe(&mut plan.headers, entity, &etag);
    finish(plan, method)
}

fn whole(entity: &Entity) -> Plan {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, ascii(entity.content_type));
    Plan {
        status: StatusCode::OK,
        headers,
        parts: vec![Part::Range(0..entity.len)],
    }
}

fn single(range: &Range<u64>, entity: &Entity) -> Plan {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, ascii(entity.content_type));
    headers.insert(CONTENT_RANGE, ascii(&content_range(range, entity.len)));
    Plan {
        status: StatusCode::PARTIAL_CONTENT,
        headers,
        parts: vec![Part::Range(range.clone())],
    }
}

/// `multipart/byteranges` (RFC 9110, 14.6).
fn multiple(ranges: &[Range<u64>], entity: &Entity) -> Plan {
    let boundary = &entity.etag.hex()[..32];
    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    for (index, range) in ranges.iter().enumerate() {
        let before = if index == 0 { "" } else { "\r\n" };
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            entity.content_type,
            content_range(range, entity.len),
        );
        parts.push(Part::Bytes(head.into()));
        parts.push(Part::Range(range.clone()));
    }
    parts.push(Part::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    let mut headers = HeaderMap::new();
    let content_type = format!("multipart/byteranges; boundary={boundary}");
    headers.insert(CONTENT_TYPE, ascii(&content_type));
    Plan {
        status: StatusCode::PARTIAL_CONTENT,
        headers,
        parts,
    }
}

fn content_range(range: &Range<u64>, len: u64) -> String {
    format!("bytes {}-{}/{len}", range.start, range.end - 1)
}

fn describe(headers: &mut HeaderMap, entity: &Entity, etag: &str) {
    headers.insert(ETAG, ascii(etag));
    headers.insert(ACCEPT_RANGES, ascii("bytes"));
    headers.insert(CONTENT_DISPOSITION, entity.disposition.clone());
    if let Some(sha256) = entity.sha256 {
        let digest = format!("sha-256=:{}:", STANDARD.encode(sha256.as_bytes()));
        headers.insert(REPR_DIGEST, ascii(&digest));
    }
}

fn refuse(status: StatusCode, text: &str, entity: &Entity, method: &Method) -> Plan {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, ascii(media::TEXT));
    headers.insert("x-content-type-options", ascii("nosniff"));
    headers.insert(ETAG, ascii(&format!("\"{}\"", entity.etag.hex())));
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        headers.insert(CONTENT_RANGE, ascii(&format!("bytes */{}", entity.len)));
    }
    let plan = Plan {
        status,
        headers,
        parts: vec![Part::Bytes(format!("{text}\n").into())],
    };
    finish(plan, method)
}

fn finish(mut plan: Plan, method: &Method) -> Plan {
    let len: u64 = plan.parts.iter().map(Part::len).sum();
    plan.headers.insert(CONTENT_LENGTH, len.into());
    if method == Method::HEAD {
        plan.parts.clear();
    }
    plan
}

fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("made of printable ASCII")
}
