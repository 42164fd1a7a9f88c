//! Catalogues of extensions beside the release's own (spec/http.md 6.4 and 9.2).
//!
//! The reference knows one, `enterprise.extraExtensions.manifest`. Here it is the first of a list, whose further items stand in
//! `artifacts.extraExtensions`, each a text:
//!
//! ```text
//! registry.example.org/team/extensions
//! 10.0.0.5:5000/extensions?insecure=true&dockerConfig=/etc/talos-forge/team.json
//! ```

use assembler::{
    forge::ExtraCatalog,
    source::{ExtraRegistry, Repository},
};

use super::{Error, Reader};

const LIST: &str = "artifacts.extraExtensions";
const REGISTRY: &str = "enterprise.extraExtensions.manifest.registry";
const NAMESPACE: &str = "enterprise.extraExtensions.manifest.namespace";
const REPOSITORY: &str = "enterprise.extraExtensions.manifest.repository";
const INSECURE: &str = "enterprise.extraExtensions.manifest.insecure";

/// All of them, earlier ones winning.
pub(super) fn read(reader: &Reader<'_>) -> Result<Vec<ExtraCatalog>, Error> {
    let mut catalogs: Vec<ExtraCatalog> = Vec::new();
    let [registry, namespace, repository] =
        [REGISTRY, NAMESPACE, REPOSITORY].map(|key| reader.text(key));
    if !(registry.is_empty() && namespace.is_empty() && repository.is_empty()) {
        if registry.is_empty() {
            return Err(reader.wrong(REGISTRY, "a registry's host, because the repository is set"));
        }
        let name = |key, text: &str| {
            text.parse::<Repository>()
                .map_err(|_| reader.wrong(key, "the name of a repository"))
        };
        catalogs.push(ExtraCatalog {
            registry: ExtraRegistry {
                host: registry,
                insecure: reader.flag(INSECURE)?,
                docker_config: None,
            },
            namespace: match namespace.as_str() {
                "" => None,
                text => Some(name(NAMESPACE, text)?),
            },
            repository: name(REPOSITORY, &repository)?,
        });
    }
    for item in reader.list(LIST) {
        let catalog = item_of(&item).ok_or_else(|| {
            let expected =
                format!("{item:?} to be HOST/REPOSITORY[?insecure=true&dockerConfig=FILE]");
            reader.wrong(LIST, expected)
        })?;
        catalogs.push(catalog);
    }
    for (index, one) in catalogs.iter().enumerate() {
        let differs = |other: &&ExtraCatalog| {
            other.registry.host == one.registry.host && other.registry != one.registry
        };
        if let Some(other) = catalogs[..index].iter().find(differs) {
            let expected = format!(
                "the same settings for both catalogues in {}",
                other.registry.host
            );
            return Err(reader.wrong(LIST, expected));
        }
    }
    Ok(catalogs)
}

fn item_of(item: &str) -> Option<ExtraCatalog> {
    let (place, settings) = item.split_once('?').unwrap_or((item, ""));
    let (host, repository) = place.split_once('/')?;
    let is_host = host.contains(['.', ':']) || host == "localhost";
    if !is_host {
        return None;
    }
    let mut registry = ExtraRegistry {
        host: host.to_owned(),
        insecure: false,
        docker_config: None,
    };
    for setting in settings.split('&').filter(|setting| !setting.is_empty()) {
        match setting.split_once('=')? {
            ("insecure", "true") => registry.insecure = true,
            ("insecure", "false") => registry.insecure = false,
            ("dockerConfig", path) if !path.is_empty() => {
                registry.docker_config = Some(path.into());
            }
            _ => return None,
        }
    }
    Some(ExtraCatalog {
        registry,
        namespace: None,
        repository: repository.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_name_a_registry_a_repository_and_settings() {
        let plain = item_of("registry.example.org/team/extensions").unwrap();
        assert_eq!(plain.registry.host, "registry.example.org");
        assert_eq!(plain.repository.as_str(), "team/extensions");
        assert!(!plain.registry.insecure);
        let full = item_of("10.0.0.5:5000/x?insecure=true&dockerConfig=/etc/c.json").unwrap();
        assert!(full.registry.insecure);
        assert_eq!(full.registry.docker_config, Some("/etc/c.json".into()));
        for bad in [
            "",
            "x",
            "team/extensions",
            "registry.example.org/",
            "registry.example.org/X",
            "registry.example.org/x?insecure",
            "registry.example.org/x?insecure=1",
            "registry.example.org/x?other=true",
            "https://registry.example.org/x",
        ] {
            assert_eq!(item_of(bad), None, "{bad}");
        }
    }
}
