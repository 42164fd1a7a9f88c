//! Where values come from: files, the environment, flags; later ones win within a kind, and the kinds in that order.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::{
    Error,
    keys::{self, Key, REPOSITORIES},
};

/// The prefix of environment variables that are always read.
pub const PREFIX: &str = "IF_";
/// A configuration file longer than this is refused.
pub const MAX_FILE_LEN: u64 = 4 << 20;

/// One place that `--config` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file; its extension says the format.
    File(PathBuf),
    /// Environment variables with this prefix.
    Environment(String),
}

impl Source {
    /// Reads `NAME`, `file=NAME` or `env=PREFIX`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let source = match text.split_once('=') {
            Some(("file", name)) => Self::File(name.into()),
            Some(("env", prefix)) => Self::Environment(prefix.to_owned()),
            _ => Self::File(text.into()),
        };
        match &source {
            Self::File(name) if name.as_os_str().is_empty() => {
                Err("the file name is empty".to_owned())
            }
            Self::File(name) => Format::of(name).map(|_| source.clone()),
            Self::Environment(prefix) if prefix.is_empty() => Err("the prefix is empty".to_owned()),
            Self::Environment(_) => Ok(source),
        }
    }
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In a file.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
    /// By this flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File(name) => write!(f, "file {}", name.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// One text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// Every key that was set, by its table entry's name, with what was set and where.
#[derive(Debug, Default)]
pub struct Settings {
    set: BTreeMap<&'static str, (Value, Origin)>,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads files, then the environment; `environment` is that of the process.
    pub fn load(sources: &[Source], environment: &[(String, String)]) -> Result<Self, Error> {
        let mut settings = Self::default();
        for source in sources {
            if let Source::File(path) = source {
                settings.read_file(path)?;
            }
        }
        let prefixes = sources.iter().filter_map(|source| match source {
            Source::Environment(prefix) => Some(prefix.as_str()),
            Source::File(_) => None,
        });
        for prefix in std::iter::once(PREFIX).chain(prefixes) {
            settings.read_environment(prefix, environment);
        }
        Ok(settings)
    }

    /// Sets a key by flag, over everything else.
    pub fn flag(&mut self, name: &'static str, flag: &'static str, value: Value) {
        let key = keys::find(name).expect("flags set keys of the table");
        self.set.insert(key.name, (value, Origin::Flag(flag)));
    }

    /// What a key was set to, and where.
    pub fn get(&self, name: &str) -> Option<&(Value, Origin)> {
        self.set.get(name)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), Error> {
        let fail = |reason: String| Error::File {
            path: path.to_owned(),
            reason,
        };
        let format = Format::of(path).map_err(fail)?;
        let len = std::fs::metadata(path)
            .map_err(|error| fail(error.to_string()))?
            .len();
        if len > MAX_FILE_LEN {
            return Err(fail(format!("{len} bytes are more than {MAX_FILE_LEN}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        let document = format.parse(&text).map_err(fail)?;
        let mut found = Vec::new();
        flatten(String::new(), document, &mut found);
        for (name, value) in found {
            self.put(&name, value, &Origin::File(path.to_owned()));
        }
        Ok(())
    }

    fn read_environment(&mut self, prefix: &str, environment: &[(String, String)]) {
        let mut variables: Vec<_> = environment.iter().collect();
        variables.sort_unstable();
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix(prefix) else {
                continue;
            };
            let mut found = Vec::new();
            flatten(name.replace('_', "."), from_text(text), &mut found);
            for (name, value) in found {
                self.put(&name, value, &Origin::Environment(variable.clone()));
            }
        }
    }

    fn put(&mut self, name: &str, value: Value, origin: &Origin) {
        if let Some(key) = keys::find(name) {
            self.set.insert(key.name, (value, origin.clone()));
            return;
        }
        let block = REPOSITORIES
            .iter()
            .find(|block| block.eq_ignore_ascii_case(name));
        if let (Some(block), Value::Text(text)) = (block, &value) {
            for (part, text) in repository(text) {
                let key = part_of(block, part);
                self.set
                    .insert(key.name, (Value::Text(text.to_owned()), origin.clone()));
            }
            return;
        }
        let hint = keys::nearest(name)
            .map(|key| format!("; did you mean {}?", key.name))
            .unwrap_or_default();
        self.warnings.push(format!(
            "unknown configuration key {name:?} ({origin}){hint}"
        ));
    }
}

fn part_of(block: &str, part: &str) -> &'static Key {
    keys::find(&format!("{block}.{part}")).expect("blocks have all three parts")
}

/// `host/namespace/repository`: the first part is a host if it holds a dot or a colon, the last one the repository.
fn repository(text: &str) -> [(&'static str, &str); 3] {
    let (registry, rest) = match text.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) => (host, rest),
        _ => ("", text),
    };
    let (namespace, repository) = rest.rsplit_once('/').unwrap_or(("", rest));
    [
        ("registry", registry),
        ("namespace", namespace),
        ("repository", repository),
    ]
}

/// An environment value: JSON if it looks like a list or a map and is one, otherwise text.
fn from_text(text: &str) -> Json {
    if text.starts_with(['[', '{'])
        && let Ok(json) = serde_json::from_str(text)
    {
        return json;
    }
    Json::String(text.to_owned())
}

/// Every leaf of a document with its dotted name. Nulls set nothing.
fn flatten(name: String, json: Json, found: &mut Vec<(String, Value)>) {
    match json {
        Json::Null => {}
        Json::Object(map) => {
            for (key, value) in map {
                let name = match name.as_str() {
                    "" => key,
                    name => format!("{name}.{key}"),
                };
                flatten(name, value, found);
            }
        }
        Json::Array(items) => {
            let items = items.into_iter().map(text).collect();
            found.push((name, Value::List(items)));
        }
        leaf => found.push((name, Value::Text(text(leaf)))),
    }
}

fn text(json: Json) -> String {
    match json {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Yaml,
    Json,
    Toml,
    Env,
}

impl Format {
    fn of(path: &Path) -> Result<Self, String> {
        let extension = path.extension().or_else(|| {
            path.file_name()
                .filter(|name| *name == ".env")
                .map(|_| "env".as_ref())
        });
        match extension.and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("json") => Ok(Self::Json),
            Some("toml") => Ok(Self::Toml),
            Some("env") => Ok(Self::Env),
            _ => Err(format!(
                "{}: expected a name that ends in .yaml, .yml, .json, .toml or .env",
                path.display()
            )),
        }
    }

    fn parse(self, text: &str) -> Result<Json, String> {
        match self {
            Self::Yaml if text.trim().is_empty() => Ok(Json::Null),
            Self::Yaml => serde_saphyr::from_str(text).map_err(|error| error.to_string()),
            Self::Json => serde_json::from_str(text).map_err(|error| error.to_string()),
            Self::Toml => toml::from_str(text).map_err(|error| error.to_string()),
            Self::Env => dotenv(text),
        }
    }
}

/// Lines of `NAME=VALUE`, with comments, `export` and quotes. A name is a key (`http.externalURL`) or a variable
/// (`IF_HTTP_EXTERNALURL`).
fn dotenv(text: &str) -> Result<Json, String> {
    let mut found = serde_json::Map::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {}: expected NAME=VALUE", number + 1))?;
        let (name, value) = (name.trim(), value.trim());
        let quoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let name = match name.strip_prefix(PREFIX) {
            Some(name) => name.replace('_', "."),
            None => name.to_owned(),
        };
        found.insert(name, from_text(quoted.unwrap_or(value)));
    }
    Ok(Json::Object(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(settings: &Settings, name: &str) -> Value {
        settings.get(name).unwrap().0.clone()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn every_format_says_the_same() {
        let documents = [
            (
                "a.yaml",
                "http:\n  externalurl: http://x/\n  allowedOrigins: [a, b]\n",
            ),
            (
                "a.json",
                r#"{"HTTP":{"externalURL":"http://x/","allowedorigins":["a","b"]}}"#,
            ),
            (
                "a.toml",
                "[http]\nexternalURL = \"http://x/\"\nallowedOrigins = [\"a\", \"b\"]\n",
            ),
            (
                "a.env",
                "# x\nexport IF_HTTP_EXTERNALURL='http://x/'\nhttp.allowedOrigins=[\"a\",\"b\"]\n",
            ),
        ];
        let directory = tempfile::tempdir().unwrap();
        for (name, document) in documents {
            let path = directory.path().join(name);
            std::fs::write(&path, document).unwrap();
            let sources = [Source::File(path.clone())];
            let settings = Settings::load(&sources, &[]).unwrap();
            assert_eq!(settings.warnings, Vec::<String>::new(), "{name}");
            assert_eq!(
                value(&settings, "http.externalURL"),
                text("http://x/"),
                "{name}"
            );
            let list = Value::List(vec!["a".to_owned(), "b".to_owned()]);
            assert_eq!(value(&settings, "http.allowedOrigins"), list, "{name}");
            assert_eq!(
                settings.get("http.externalURL").unwrap().1,
                Origin::File(path)
            );
        }
    }

    #[test]
    fn the_environment_wins_over_files_and_flags_over_both() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.yaml");
        std::fs::write(
            &path,
            "store: {maxSize: 1GiB, path: /a}\nmetrics: {addr: ':1'}\n",
        )
        .unwrap();
        let environment = [
            ("IF_STORE_MAXSIZE", "2GiB"),
            ("MY_STORE_PATH", "/b"),
            ("OTHER", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = [Source::Environment("MY_".to_owned()), Source::File(path)];
        let mut settings = Settings::load(&sources, &environment).unwrap();
        assert_eq!(value(&settings, "store.maxSize"), text("2GiB"));
        assert_eq!(value(&settings, "store.path"), text("/b"));
        assert_eq!(value(&settings, "metrics.addr"), text(":1"));
        settings.flag("store.path", "--x", Value::Text("/c".to_owned()));
        assert_eq!(value(&settings, "store.path"), text("/c"));
    }

    #[test]
    fn repositories_are_blocks_or_texts() {
        let cases = [
            ("127.0.0.1:5000/nginx", ["127.0.0.1:5000", "", "nginx"]),
            (
                "example.com/foo/bar/baz/nginx",
                ["example.com", "foo/bar/baz", "nginx"],
            ),
            ("foo/nginx", ["", "foo", "nginx"]),
            ("nginx", ["", "", "nginx"]),
        ];
        for (written, [registry, namespace, repository]) in cases {
            let environment = [("IF_ARTIFACTS_SCHEMATIC".to_owned(), written.to_owned())];
            let settings = Settings::load(&[], &environment).unwrap();
            assert_eq!(
                value(&settings, "artifacts.schematic.registry"),
                text(registry)
            );
            assert_eq!(
                value(&settings, "artifacts.schematic.namespace"),
                text(namespace)
            );
            assert_eq!(
                value(&settings, "artifacts.schematic.repository"),
                text(repository)
            );
        }
    }

    #[test]
    fn unknown_keys_warn_and_suggest() {
        let environment = [("IF_HTTP_EXTERNALURI".to_owned(), "x".to_owned())];
        let settings = Settings::load(&[], &environment).unwrap();
        assert_eq!(
            settings.warnings,
            [
                r#"unknown configuration key "HTTP.EXTERNALURI" (environment IF_HTTP_EXTERNALURI); did you mean http.externalURL?"#
            ]
        );
    }

    #[test]
    fn damaged_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        for (name, document) in [
            ("a.yaml", "a: ["),
            ("a.json", "{"),
            ("a.toml", "="),
            ("a.env", "x"),
        ] {
            let path = directory.path().join(name);
            std::fs::write(&path, document).unwrap();
            let error = Settings::load(&[Source::File(path)], &[]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(Source::parse("config.ini").is_err());
        assert_eq!(
            Source::parse("env=X_"),
            Ok(Source::Environment("X_".to_owned()))
        );
        assert_eq!(Source::parse("file=.env"), Ok(Source::File(".env".into())));
    }
}
