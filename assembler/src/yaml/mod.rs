//! YAML as the ID of a schematic needs it: the dialect of go-yaml v4, read and written exactly (spec/http.md 1.2, 1.4).
//!
//! An ID is the hash of a canonical text, so two readers that disagree about one odd scalar disagree about an image.
//! No crate reads or writes this dialect: the YAML 1.2 parsers take NEL, U+2028 and directives otherwise, the ports of
//! libyaml refuse long keys, C1 controls and UTF-16. Hence an own scanner, whole and small:
//!
//! ```text
//! bytes ── input ──> characters ── scan ──> tokens ── compose ──> Document ── decode ──> typed values
//!                                                                              Value ── emit ──> bytes
//! ```
//!
//! - Only the first document of a stream is read.
//! - Scalars keep their text; what a plain one means is decided when it is decoded ([`Decoder`]).
//! - Time and memory are bounded by [`Limits`], whatever the input: aliases are followed while decoding, against a budget.
//!
//! Not done on purpose: comments, flow style and folding on output, documents after the first.

mod compose;
mod decode;
mod emit;
mod error;
mod float;
mod input;
mod order;
mod resolve;
mod scalar;
mod scan;
mod scan_scalar;
mod scan_tag;
mod timestamp;
mod token;
mod value;

#[cfg(test)]
mod tests;

pub use compose::{Document, Kind, Node, NodeId};
pub use decode::{Decoder, Known};
pub use emit::emit;
pub use error::Error;
pub use order::sort_keys;
pub use value::Value;

/// What a document may cost. Everything beyond is refused, none of it is reached by a document a person wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of input.
    pub bytes: usize,
    /// Nesting of lists and maps, aliases followed.
    pub depth: usize,
    /// Scalars, lists and maps, aliases followed.
    pub nodes: usize,
    /// Bytes of scalars, aliases followed.
    pub expanded: usize,
    /// Errors collected before giving up.
    pub errors: usize,
}

impl Limits {
    /// The limits of everything that comes from outside.
    pub const DEFAULT: Limits = Limits {
        bytes: 1 << 20,
        depth: 100,
        nodes: 20_000,
        expanded: 4 << 20,
        errors: 100,
    };
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::DEFAULT
    }
}
