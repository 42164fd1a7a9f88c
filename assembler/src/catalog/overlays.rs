//! The catalogue of overlays: `overlays.yaml`.

use bstr::ByteSlice;
use serde::Serialize;

use super::{Error, reference::Reference};
use crate::yaml::{self, Decoder, Document, Known, Limits, NodeId};

const OVERLAYS: &str = "overlays.yaml";

/// An overlay of a release. Serializes as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlay {
    /// Its name.
    pub name: String,
    /// Path of its repository, such as `siderolabs/sbc-raspberrypi`.
    pub image: String,
    /// Its image, as the catalogue has it.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Digest of its image, as the catalogue has it.
    pub digest: String,
}

/// The overlays of a release, in the order of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Overlays(Vec<Overlay>);

impl Overlays {
    /// Reads a catalogue.
    pub fn parse(overlays: Option<&[u8]>) -> Result<Overlays, Error> {
        let input = overlays.ok_or(Error::Missing(OVERLAYS))?;
        let mut overlays = match decode(input) {
            Err(yaml::Error::Empty) => return Err(Error::Missing(OVERLAYS)),
            overlays => overlays.map_err(|cause| Error::Malformed {
                file: OVERLAYS,
                cause,
            })?,
        };
        if overlays.is_empty() {
            return Err(Error::Missing(OVERLAYS));
        }
        for overlay in &mut overlays {
            overlay.image = Reference::parse(&overlay.reference)?.repository;
        }
        Ok(Overlays(overlays))
    }

    /// The overlay of this name. `tag` is the version of Talos, for the error.
    pub fn find(&self, name: &[u8], tag: &str) -> Result<&Overlay, Error> {
        let found = self
            .0
            .iter()
            .find(|overlay| overlay.name.as_bytes() == name);
        found.ok_or_else(|| Error::NoOverlay {
            name: name.to_str_lossy().into(),
            tag: tag.into(),
        })
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Overlay> {
        self.0.iter()
    }
}

impl<'o> IntoIterator for &'o Overlays {
    type Item = &'o Overlay;
    type IntoIter = std::slice::Iter<'o, Overlay>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn decode(input: &[u8]) -> Result<Vec<Overlay>, yaml::Error> {
    let document = Document::parse(input, &Limits::DEFAULT)?;
    let mut decoder = Decoder::lenient(&document, &Limits::DEFAULT);
    let mut overlays = Vec::new();
    decoder.fields(document.root(), "Overlays", &mut |d, name, id| {
        if name != b"overlays" {
            return Ok(Known::No);
        }
        overlays = d.list(id, "[]Overlay", decode_overlay)?.unwrap_or_default();
        Ok(Known::Yes)
    })?;
    decoder.finish()?;
    Ok(overlays)
}

/// Decodes an entry but for its `image`, which is part of the reference.
fn decode_overlay(d: &mut Decoder<'_>, id: NodeId) -> Result<Option<Overlay>, yaml::Error> {
    let mut overlay = Overlay {
        name: String::new(),
        image: String::new(),
        reference: String::new(),
        digest: String::new(),
    };
    let found = d.fields(id, "Overlay", &mut |d, name, id| {
        let field = match name {
            b"name" => &mut overlay.name,
            b"image" => &mut overlay.reference,
            b"digest" => &mut overlay.digest,
            _ => return Ok(Known::No),
        };
        if let Some(text) = d.text(id)? {
            *field = text.to_string();
        }
        Ok(Known::Yes)
    })?;
    Ok(found.then_some(overlay))
}
