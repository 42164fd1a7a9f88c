//! Catalogues of a release: which system extensions and overlays there are, and which images hold them (spec/http.md 6.4).
//!
//! Pure: the files come out of the catalogue images, what is found goes into requests for further images.
//! Names are repository paths; the registry is the configured one, whatever host the catalogue was written with.

mod error;
mod extensions;
mod overlays;
mod reference;

#[cfg(test)]
mod tests;

pub use error::Error;
pub use extensions::{Extension, Extensions};
pub use overlays::{Overlay, Overlays};
