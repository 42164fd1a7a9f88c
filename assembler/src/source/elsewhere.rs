//! The release's source, and registries beside it: each repository is asked for where it says that it lies.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use formats::Digest;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::{
    BlobStream, Cause, CredentialSources, Descriptor, Error, Manifest, Registry, RegistryOptions,
    Repository, Source,
};

/// Registries that are known at a time without having been configured.
const MAX_OPENED: usize = 256;

/// A registry beside the release's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraRegistry {
    /// Its host, with port.
    pub host: String,
    /// Whether plain HTTP is allowed.
    pub insecure: bool,
    /// Docker's `config.json` with credentials for it; the usual one when absent.
    pub docker_config: Option<PathBuf>,
}

/// A source that passes on what is asked to the registry that a repository names.
#[derive(Debug)]
pub struct Elsewhere {
    release: Arc<dyn Source>,
    configured: HashMap<String, Arc<dyn Source>>,
    /// How registries are spoken to that nobody configured; `None` where only configured ones may be asked.
    any: Option<RegistryOptions>,
    opened: Mutex<HashMap<String, Arc<dyn Source>>>,
}

impl Elsewhere {
    /// `release` and the registries `extra`. With `any_registry`, every other one too.
    ///
    /// # Errors
    /// When a host is none, or credentials cannot be read.
    pub fn new(
        release: Arc<dyn Source>,
        extra: &[ExtraRegistry],
        options: &RegistryOptions,
        any_registry: bool,
    ) -> Result<Self, Error> {
        let mut configured: HashMap<String, Arc<dyn Source>> = HashMap::new();
        for extra in extra {
            let credentials = match &extra.docker_config {
                Some(path) => CredentialSources {
                    docker_config: Some(path.clone()),
                    ..CredentialSources::default()
                },
                None => options.credentials.clone(),
            };
            let options = RegistryOptions {
                insecure: extra.insecure,
                credentials,
                ..options.clone()
            };
            let registry = Registry::new(&extra.host, None, options)?;
            configured.insert(extra.host.clone(), Arc::new(registry));
        }
        let any = any_registry.then(|| RegistryOptions {
            insecure: false,
            ..options.clone()
        });
        Ok(Self {
            release,
            configured,
            any,
            opened: Mutex::default(),
        })
    }

    fn of(&self, repository: &Repository) -> Result<(Arc<dyn Source>, Repository), Error> {
        let here = repository.here();
        let Some(host) = repository.host() else {
            return Ok((Arc::clone(&self.release), here));
        };
        if let Some(source) = self.configured.get(host) {
            return Ok((Arc::clone(source), here));
        }
        let Some(options) = &self.any else {
            return Err(Error {
                place: format!("registry {host}"),
                image: here.to_string(),
                cause: Cause::UnknownRepository,
            });
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = opened.get(host) {
            return Ok((Arc::clone(source), here));
        }
        if opened.len() == MAX_OPENED {
            opened.clear();
        }
        let source: Arc<dyn Source> = Arc::new(Registry::new(host, None, options.clone())?);
        opened.insert(host.to_owned(), Arc::clone(&source));
        Ok((source, here))
    }
}

impl Source for Elsewhere {
    fn tags<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move {
            let (source, here) = self.of(repository)?;
            source.tags(&here).await
        }
        .boxed()
    }

    fn resolve<'a>(
        &'a self,
        repository: &'a Repository,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Digest, Error>> {
        async move {
            let (source, here) = self.of(repository)?;
            source.resolve(&here, tag).await
        }
        .boxed()
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Manifest, Error>> {
        async move {
            let (source, here) = self.of(repository)?;
            source.manifest(&here, digest).await
        }
        .boxed()
    }

    fn place(&self) -> String {
        self.release.place()
    }

    fn place_of(&self, repository: &Repository) -> String {
        let host = repository.host();
        host.map_or_else(|| self.place(), |host| format!("registry {host}"))
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<BlobStream, Error>> {
        async move {
            let (source, here) = self.of(repository)?;
            source.blob(&here, descriptor).await
        }
        .boxed()
    }
}
