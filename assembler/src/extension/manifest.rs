//! `manifest.yaml`: what an extension says about itself (spec/initramfs.md 1.2).

use super::{Constraint, Error};
use crate::yaml::{self, Decoder, Document, Known, Limits, NodeId, Value};

/// The one version of manifests.
const VERSION: &str = "v1alpha1";

/// A manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// Version of the format.
    pub version: String,
    /// The rest.
    pub metadata: Metadata,
}

/// What an extension says about itself; it goes into `extensions.yaml` as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Its name, free text.
    pub name: String,
    /// Its version, free text.
    pub version: String,
    /// Who made it.
    pub author: String,
    /// What it is for.
    pub description: String,
    /// The versions of Talos it is for, empty for all.
    pub talos: String,
    /// Left out if empty; only Talos 1.7 and later look at it.
    pub extra_info: String,
}

impl Manifest {
    /// A manifest made here.
    pub fn new(metadata: Metadata) -> Manifest {
        Manifest {
            version: VERSION.into(),
            metadata,
        }
    }

    /// Reads the first document of a file. Unknown keys are ignored, only the version is checked.
    pub fn parse(input: &[u8]) -> Result<Manifest, Error> {
        let manifest = match decode(input) {
            Err(yaml::Error::Empty) => Manifest::default(),
            manifest => manifest.map_err(Error::Manifest)?,
        };
        if manifest == Manifest::default() {
            return Err(Error::NoManifest);
        }
        if manifest.version != VERSION {
            return Err(Error::Version(manifest.version));
        }
        Ok(manifest)
    }

    /// Writes the file.
    pub fn to_yaml(&self) -> String {
        let pairs = [
            ("version", Value::from(self.version.as_str())),
            ("metadata", self.metadata.to_value()),
        ];
        yaml::emit(&map(pairs))
    }

    /// Checks whether the extension is for a version of Talos, given as major, minor and patch and as errors show it.
    pub fn validate(&self, core: (u64, u64, u64), version: &str) -> Result<(), Error> {
        let Metadata { name, talos, .. } = &self.metadata;
        let constraint = Constraint::parse(talos).map_err(|problem| Error::Constraint {
            name: name.clone(),
            problem,
        })?;
        if constraint.admits(core) {
            return Ok(());
        }
        Err(Error::Unsatisfied {
            name: name.clone(),
            constraint: talos.clone(),
            version: version.into(),
        })
    }
}

impl Metadata {
    pub(super) fn to_value(&self) -> Value {
        let text = |text: &String| Value::from(text.as_str());
        let compatibility = map([("talos", map([("version", text(&self.talos))]))]);
        let extra = (!self.extra_info.is_empty()).then(|| ("extraInfo", text(&self.extra_info)));
        let fields = [
            ("name", text(&self.name)),
            ("version", text(&self.version)),
            ("author", text(&self.author)),
            ("description", text(&self.description)),
            ("compatibility", compatibility),
        ];
        map(fields.into_iter().chain(extra))
    }
}

/// A map with texts for keys, in this order.
pub(super) fn map<'k>(pairs: impl IntoIterator<Item = (&'k str, Value)>) -> Value {
    Value::Map(
        pairs
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

fn decode(input: &[u8]) -> Result<Manifest, yaml::Error> {
    let document = Document::parse(input, &Limits::DEFAULT)?;
    let mut decoder = Decoder::lenient(&document, &Limits::DEFAULT);
    let mut manifest = Manifest::default();
    decoder.fields(
        document.root(),
        "extensions.Manifest",
        &mut |d, name, id| {
            match name {
                b"version" => set(d, id, &mut manifest.version)?,
                b"metadata" => decode_metadata(d, id, &mut manifest.metadata)?,
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        },
    )?;
    decoder.finish()?;
    Ok(manifest)
}

fn decode_metadata(
    d: &mut Decoder<'_>,
    id: NodeId,
    metadata: &mut Metadata,
) -> Result<(), yaml::Error> {
    d.fields(id, "extensions.Metadata", &mut |d, name, id| {
        let field = match name {
            b"name" => &mut metadata.name,
            b"version" => &mut metadata.version,
            b"author" => &mut metadata.author,
            b"description" => &mut metadata.description,
            b"extraInfo" => &mut metadata.extra_info,
            b"compatibility" => {
                decode_path(d, id, &[b"talos", b"version"], &mut metadata.talos)?;
                return Ok(Known::Yes);
            }
            _ => return Ok(Known::No),
        };
        set(d, id, field)?;
        Ok(Known::Yes)
    })?;
    Ok(())
}

/// Decodes a text inside maps of one field that counts.
fn decode_path(
    d: &mut Decoder<'_>,
    id: NodeId,
    path: &[&[u8]],
    field: &mut String,
) -> Result<(), yaml::Error> {
    let Some((first, rest)) = path.split_first() else {
        return set(d, id, field);
    };
    d.fields(id, "extensions.Compatibility", &mut |d, name, id| {
        if name != *first {
            return Ok(Known::No);
        }
        decode_path(d, id, rest, field)?;
        Ok(Known::Yes)
    })?;
    Ok(())
}

fn set(d: &mut Decoder<'_>, id: NodeId, field: &mut String) -> Result<(), yaml::Error> {
    if let Some(text) = d.text(id)? {
        *field = text.to_string();
    }
    Ok(())
}
