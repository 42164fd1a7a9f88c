//! The effective configuration as text: one line a key, with where its value came from. The text is itself a
//! configuration in YAML.

use std::fmt::Write as _;

use super::{
    Config,
    keys::{KEYS, Kind},
    source::{Origin, Value},
};

impl Config {
    /// Every key with its value and origin; secrets are not shown.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for key in KEYS {
            let (value, origin) = self.settings.get(key.name).cloned().unwrap_or_else(|| {
                let value = self.default_of(key.name).unwrap_or(key.default.to_owned());
                (Value::Text(value), Origin::Default)
            });
            let value = match value {
                Value::Text(text) if key.secret && !text.is_empty() => "(hidden)".to_owned(),
                Value::Text(text) if key.kind == Kind::List && text.is_empty() => "[]".to_owned(),
                Value::Text(text) => serde_json::Value::from(text).to_string(),
                Value::List(items) => serde_json::Value::from(items).to_string(),
            };
            writeln!(text, "{}: {value} # {origin}", key.name)
                .expect("writing to a String cannot fail");
        }
        text
    }

    /// Defaults that depend on the data directory.
    fn default_of(&self, name: &str) -> Option<String> {
        let below = match name {
            "store.path" => "store",
            "artifacts.schematic.path" => "schematics",
            _ => return None,
        };
        Some(self.data_dir.join(below).display().to_string())
    }
}
