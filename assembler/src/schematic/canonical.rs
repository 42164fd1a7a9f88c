//! The text that is stored and hashed: fields in a fixed order, without what is empty (spec/http.md 1.1 and 1.4).

use super::{Bootloader, Customization, Id, Overlay, Schematic, SecureBoot, Value};
use crate::yaml;

/// A map under construction.
#[derive(Default)]
struct Fields(Vec<(Value, Value)>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    fn put_if(&mut self, wanted: bool, name: &str, value: impl Into<Value>) {
        if wanted {
            self.put(name, value);
        }
    }

    /// A map, if it has anything.
    fn put_map(&mut self, name: &str, fields: Fields) {
        self.put_if(!fields.0.is_empty(), name, fields);
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Value {
        Value::Map(fields.0)
    }
}

impl Schematic {
    /// The canonical form: YAML, UTF-8, ending in one line feed.
    pub fn canonical(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.put_if(!self.owner.is_empty(), "owner", &self.owner);
        fields.put_map("overlay", self.overlay.fields());
        fields.put("customization", self.customization.fields());
        yaml::emit(&fields.into())
    }

    /// The name of the schematic.
    pub fn id(&self) -> Id {
        Id::of(&self.canonical())
    }
}

impl Overlay {
    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        if *self == Overlay::default() {
            return fields;
        }
        fields.put("image", &self.image);
        fields.put("name", &self.name);
        let pairs = self
            .options
            .iter()
            .map(|(key, value)| (key.into(), value.clone()));
        let mut options = Value::Map(pairs.collect());
        yaml::sort_keys(&mut options);
        fields.put_if(!self.options.is_empty(), "options", options);
        fields
    }
}

impl Customization {
    fn fields(&self) -> Fields {
        let texts = |texts: &[_]| Value::List(texts.iter().map(Value::from).collect());
        let mut fields = Fields::default();

        let config = &self.embedded_machine_configuration;
        fields.put_if(!config.is_empty(), "embeddedMachineConfiguration", config);
        let args = &self.extra_kernel_args;
        fields.put_if(!args.is_empty(), "extraKernelArgs", texts(args));
        let meta = self.meta.iter().map(|meta| {
            let mut fields = Fields::default();
            fields.put("key", Value::Integer(meta.key.into()));
            fields.put("value", &meta.value);
            fields.into()
        });
        fields.put_if(!self.meta.is_empty(), "meta", Value::List(meta.collect()));

        let mut extensions = Fields::default();
        let names = &self.official_extensions;
        extensions.put_if(!names.is_empty(), "officialExtensions", texts(names));
        fields.put_map("systemExtensions", extensions);

        let bootloader = self.bootloader;
        fields.put_if(
            bootloader != Bootloader::None,
            "bootloader",
            bootloader.name(),
        );
        fields.put_map("secureboot", self.secureboot.fields());

        let mut disk = Fields::default();
        disk.put_if(
            self.sector_size != 0,
            "sectorSize",
            Value::Integer(self.sector_size.into()),
        );
        fields.put_map("diskImage", disk);
        fields
    }
}

impl SecureBoot {
    fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.put_if(
            !self.enroll_keys.is_empty(),
            "enrollKeys",
            &self.enroll_keys,
        );
        let certificates = self.include_well_known_certificates;
        fields.put_if(
            certificates,
            "includeWellKnownCertificates",
            Value::Bool(true),
        );
        fields
    }
}
