//! The part of the configuration that the assembler needs.

use assembler::{
    forge::{Components, Options, SchematicStorage},
    schematic,
    source::{CredentialSources, RegistryOptions},
};

use super::Config;

impl Config {
    /// What the assembler is opened with.
    pub fn forge_options(&self) -> Options {
        Options {
            source: self.source.clone(),
            registry: RegistryOptions {
                insecure: self.source_insecure,
                credentials: CredentialSources::from_env(),
                ..RegistryOptions::default()
            },
            components: Components {
                imager: self.components.imager.clone(),
                extensions: self.components.extension_manifest.clone(),
                overlays: self.components.overlay_manifest.clone(),
                talosctl: self.components.talosctl.clone(),
            },
            extra_catalogs: self.extra_catalogs.clone(),
            allow_references: self.allow_references,
            external_url: self.external_url.clone(),
            min_version: self.min_version.clone(),
            broken_versions: self.broken_versions.clone(),
            data_dir: self.data_dir.clone(),
            store_path: self.store_path.clone(),
            store_max_bytes: self.store_max_size,
            schematics: match &self.schematic_repository {
                None => SchematicStorage::Directory(self.schematic_path.clone()),
                Some(repository) => SchematicStorage::Registry {
                    host: repository.registry.clone(),
                    repository: repository.name.clone(),
                    insecure: repository.insecure,
                },
            },
            schematic_cache: schematic::store::Options {
                capacity: self.schematic_capacity,
                negative_ttl: self.schematic_negative_ttl,
            },
            recheck: self.recheck,
            prepare_timeout: self.limits.prepare,
        }
    }
}
