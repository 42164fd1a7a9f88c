//! The catalogue of system extensions: `image-digests` and `descriptions.yaml`.

use std::collections::HashMap;

use bstr::ByteSlice;
use serde::Serialize;

use super::{Error, reference::Reference};
use crate::{
    target::extension_alias,
    yaml::{self, Decoder, Document, Known, Limits},
};

const IMAGE_DIGESTS: &str = "image-digests";
const DESCRIPTIONS: &str = "descriptions.yaml";

/// An extension of a release. Serializes as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// Path of its repository, such as `siderolabs/gvisor`: the name schematics use.
    pub name: String,
    /// Where it is pulled from, by tag, without the configured namespace.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Digest of its image, as the catalogue has it.
    pub digest: String,
    /// Who made it, if the catalogue says so.
    pub author: String,
    /// What it is for, if the catalogue says so.
    pub description: String,
    /// Its tag.
    #[serde(skip)]
    pub tag: String,
    /// Which of the extra catalogues it is from; `None` for the release's own.
    #[serde(skip)]
    pub extra: Option<usize>,
}

/// The extensions of a release, in the order of the catalogue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Extensions(Vec<Extension>);

impl Extensions {
    /// Reads a catalogue. `registry` is the host the images are pulled from.
    pub fn parse(
        image_digests: Option<&[u8]>,
        descriptions: Option<&[u8]>,
        registry: &str,
    ) -> Result<Extensions, Error> {
        let mut described = descriptions
            .map(parse_descriptions)
            .transpose()?
            .unwrap_or_default();
        let mut extensions = Vec::new();
        for line in image_digests.unwrap_or_default().lines() {
            let line = line.to_str_lossy();
            let Some((image, digest)) = line.trim().split_once('@') else {
                continue;
            };
            let Reference { repository, tag } = Reference::parse(image)?;
            let (author, description) = described.remove(line.trim()).unwrap_or_default();
            extensions.push(Extension {
                reference: format!("{registry}/{repository}:{tag}"),
                name: repository,
                digest: digest.into(),
                author,
                description,
                tag,
                extra: None,
            });
        }
        if extensions.is_empty() {
            return Err(Error::Missing(IMAGE_DIGESTS));
        }
        Ok(Extensions(extensions))
    }

    /// The extension of this name, else the one that took over from it. `tag` is the version of Talos, for the error.
    pub fn find(&self, name: &[u8], tag: &str) -> Result<&Extension, Error> {
        let named = |name: &[u8]| {
            self.0
                .iter()
                .find(|extension| extension.name.as_bytes() == name)
        };
        let successor = || extension_alias(name.as_bstr()).and_then(|new| named(new));
        named(name)
            .or_else(successor)
            .ok_or_else(|| Error::NoExtension {
                name: name.to_str_lossy().into(),
                tag: tag.into(),
            })
    }

    /// This catalogue behind the extra one of this number: its own entries come first and replace those of the same name.
    #[must_use]
    pub fn behind(self, extra: Extensions, number: usize) -> Extensions {
        let named: std::collections::HashSet<String> =
            extra.iter().map(|entry| entry.name.clone()).collect();
        let first = extra.0.into_iter().map(|entry| Extension {
            extra: Some(number),
            ..entry
        });
        let rest = self
            .0
            .into_iter()
            .filter(|entry| !named.contains(&entry.name));
        Extensions(first.chain(rest).collect())
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Extension> {
        self.0.iter()
    }
}

impl<'e> IntoIterator for &'e Extensions {
    type Item = &'e Extension;
    type IntoIter = std::slice::Iter<'e, Extension>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Authors and descriptions by the whole line of `image-digests`.
type Descriptions = HashMap<String, (String, String)>;

fn parse_descriptions(input: &[u8]) -> Result<Descriptions, Error> {
    decode_descriptions(input).map_err(|cause| Error::Malformed {
        file: DESCRIPTIONS,
        cause,
    })
}

fn decode_descriptions(input: &[u8]) -> Result<Descriptions, yaml::Error> {
    let mut descriptions = HashMap::new();
    let document = match Document::parse(input, &Limits::DEFAULT) {
        Err(yaml::Error::Empty) => return Ok(descriptions),
        document => document?,
    };
    let mut decoder = Decoder::lenient(&document, &Limits::DEFAULT);
    decoder.fields(
        document.root(),
        "map[string]Description",
        &mut |d, image, id| {
            let mut described = (String::new(), String::new());
            d.fields(id, "Description", &mut |d, name, id| {
                let field = match name {
                    b"author" => &mut described.0,
                    b"description" => &mut described.1,
                    _ => return Ok(Known::No),
                };
                if let Some(text) = d.text(id)? {
                    *field = text.to_string();
                }
                Ok(Known::Yes)
            })?;
            descriptions.insert(image.to_str_lossy().into(), described);
            Ok(Known::Yes)
        },
    )?;
    decoder.finish()?;
    Ok(descriptions)
}
