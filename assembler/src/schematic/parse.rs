//! From a document to a schematic: known fields only, all errors of a document at once (spec/http.md 1.1 and 1.2).

use bstr::BString;

use super::{Bootloader, Customization, Error, MetaValue, Overlay, Schematic, SecureBoot};
use crate::yaml::{self, Decoder, Document, Known, Limits, NodeId};

/// Decodes one field of a map; tells whether the map has it.
type Fielded = Result<Known, yaml::Error>;

impl Schematic {
    /// Reads a schematic, as YAML or JSON, within [`Limits::DEFAULT`].
    ///
    /// An owner is read, but see [`Schematic::check_owner`].
    pub fn parse(input: &[u8]) -> Result<Schematic, Error> {
        Schematic::parse_within(input, &Limits::DEFAULT)
    }

    /// Reads a schematic within other limits.
    pub fn parse_within(input: &[u8], limits: &Limits) -> Result<Schematic, Error> {
        let document = Document::parse(input, limits)?;
        let mut decoder = Decoder::strict(&document, limits);
        let mut schematic = Schematic::default();
        decoder.fields(
            document.root(),
            "schematic.Schematic",
            &mut |d, name, id| schematic.field(d, name, id),
        )?;
        decoder.finish()?;
        Ok(schematic)
    }

    /// Refuses a schematic that belongs to somebody: there are no accounts.
    pub fn check_owner(&self) -> Result<(), Error> {
        if self.owner.is_empty() {
            return Ok(());
        }
        Err(Error::Owner)
    }

    fn field(&mut self, d: &mut Decoder<'_>, name: &[u8], id: NodeId) -> Fielded {
        match name {
            b"owner" => set(&mut self.owner, d.text(id)?),
            b"overlay" => {
                let overlay = &mut self.overlay;
                d.fields(id, "schematic.Overlay", &mut |d, name, id| {
                    overlay.field(d, name, id)
                })?;
            }
            b"customization" => {
                let customization = &mut self.customization;
                d.fields(id, "schematic.Customization", &mut |d, name, id| {
                    customization.field(d, name, id)
                })?;
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl Overlay {
    fn field(&mut self, d: &mut Decoder<'_>, name: &[u8], id: NodeId) -> Fielded {
        match name {
            b"image" => set(&mut self.image, d.text(id)?),
            b"name" => set(&mut self.name, d.text(id)?),
            b"options" => self
                .options
                .extend(d.text_map(id, "map[string]interface {}")?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl Customization {
    fn field(&mut self, d: &mut Decoder<'_>, name: &[u8], id: NodeId) -> Fielded {
        match name {
            b"embeddedMachineConfiguration" => {
                set(&mut self.embedded_machine_configuration, d.text(id)?)
            }
            b"extraKernelArgs" => set(&mut self.extra_kernel_args, texts(d, id)?),
            b"meta" => {
                let values = d.list(id, "[]schematic.MetaValue", |d, id| {
                    MetaValue::decode(d, id)
                })?;
                set(&mut self.meta, values);
            }
            b"systemExtensions" => {
                let extensions = &mut self.official_extensions;
                d.fields(
                    id,
                    "schematic.SystemExtensions",
                    &mut |d, name, id| match name {
                        b"officialExtensions" => {
                            set(extensions, texts(d, id)?);
                            Ok(Known::Yes)
                        }
                        _ => Ok(Known::No),
                    },
                )?;
            }
            b"bootloader" => set(&mut self.bootloader, Bootloader::decode(d, id)?),
            b"secureboot" => {
                let secureboot = &mut self.secureboot;
                d.fields(
                    id,
                    "schematic.SecureBootCustomization",
                    &mut |d, name, id| secureboot.field(d, name, id),
                )?;
            }
            b"diskImage" => {
                let sector_size = &mut self.sector_size;
                d.fields(
                    id,
                    "schematic.DiskImageCustomization",
                    &mut |d, name, id| match name {
                        b"sectorSize" => {
                            set(sector_size, d.unsigned(id, u64::MAX, "uint")?);
                            Ok(Known::Yes)
                        }
                        _ => Ok(Known::No),
                    },
                )?;
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl MetaValue {
    fn decode(d: &mut Decoder<'_>, id: NodeId) -> Result<Option<MetaValue>, yaml::Error> {
        let mut meta = MetaValue {
            key: 0,
            value: BString::default(),
        };
        let found = d.fields(id, "schematic.MetaValue", &mut |d, name, id| {
            match name {
                b"key" => {
                    let key = d.unsigned(id, u8::MAX.into(), "uint8")?;
                    set(&mut meta.key, key.and_then(|key| key.try_into().ok()));
                }
                b"value" => set(&mut meta.value, d.text(id)?),
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        Ok(found.then_some(meta))
    }
}

impl SecureBoot {
    fn field(&mut self, d: &mut Decoder<'_>, name: &[u8], id: NodeId) -> Fielded {
        match name {
            b"enrollKeys" => set(&mut self.enroll_keys, d.text(id)?),
            b"includeWellKnownCertificates" => {
                set(&mut self.include_well_known_certificates, d.boolean(id)?)
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }
}

impl Bootloader {
    fn decode(d: &mut Decoder<'_>, id: NodeId) -> Result<Option<Bootloader>, yaml::Error> {
        let Some((id, text)) = d.text_for(id, "imageropts.BootloaderKind")? else {
            return Ok(None);
        };
        let found = Bootloader::ALL
            .iter()
            .find(|(_, name)| text.eq_ignore_ascii_case(name.as_bytes()));
        if found.is_none() {
            d.note(
                id,
                &format!("{text} does not belong to BootloaderKind values"),
            )?;
        }
        Ok(found.map(|(bootloader, _)| *bootloader))
    }
}

fn texts(d: &mut Decoder<'_>, id: NodeId) -> Result<Option<Vec<BString>>, yaml::Error> {
    d.list(id, "[]string", Decoder::text)
}

/// Sets a field, unless the document left it open.
fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
