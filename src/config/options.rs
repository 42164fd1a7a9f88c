//! The part of the configuration that the assembler needs.

use assembler::forge::Options;

use super::Config;

impl Config {
    /// What the assembler is opened with.
    pub fn forge_options(&self) -> Options {
        Options {
            source: self.source.clone(),
            external_url: self.external_url.clone(),
            min_version: self.min_version.clone(),
            broken_versions: self.broken_versions.clone(),
            store_path: self.store_path.clone(),
            store_max_bytes: self.store_max_size,
            schematic_path: self.schematic_path.clone(),
            recheck: self.recheck,
            prepare_timeout: self.limits.prepare,
        }
    }
}
