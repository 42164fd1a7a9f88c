//! The whole way from what a client names to what it gets, except HTTP: schematics, lists, artifacts.
//!
//! An artifact is a layout and, when its bytes are wanted, the open blobs under it. A layout once known is kept; knowing it
//! again costs no I/O, so HEAD is answered from memory. Whoever asks for the same thing at the same time waits for the same
//! work, which goes on when they leave.

mod artifact;
mod disk;
mod encode;
mod error;
mod extension;
mod grub;
mod iso;
mod lists;
mod modules;
mod named;
mod prepare;
mod preparing;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bstr::BString;
use formats::Digest;

use crate::{
    images::{Images, blocking},
    schematic::{self, Id, Schematic},
    source::{self, Registry, RegistryOptions, SourceSpec},
    store::{Content, DataLock, Stat, Store, flight::Flights},
    target::{self, Context, Target, pxe},
    version::Version,
};

pub use self::artifact::Artifact;
pub use self::error::Error;
pub use self::preparing::{Prepared, Preparing};
use self::{artifact::Key, lists::Repositories};

/// What a forge works with; the service fills it from configuration and command line.
#[derive(Debug)]
pub struct Options {
    /// Where the release's images come from.
    pub source: SourceSpec,
    /// How registries are spoken to.
    pub registry: RegistryOptions,
    /// Names of the release's repositories.
    pub components: Components,
    /// Catalogues of extensions beside the release's own: earlier ones win over later ones, all of them over the release's.
    pub extra_catalogs: Vec<ExtraCatalog>,
    /// Whether schematics may name extensions by image references.
    pub allow_references: bool,
    /// Written verbatim into images, as the author of the schematic's extension.
    pub external_url: String,
    /// The oldest version that is offered.
    pub min_version: String,
    /// Versions that are not offered.
    pub broken_versions: Vec<String>,
    /// The directory that only one process may use.
    pub data_dir: PathBuf,
    /// Where blobs are kept.
    pub store_path: PathBuf,
    /// Where eviction starts, in bytes.
    pub store_max_bytes: u64,
    /// Where schematics are kept.
    pub schematics: SchematicStorage,
    /// How many of them are remembered, and for how long that one is missing.
    pub schematic_cache: schematic::store::Options,
    /// How long it is believed what a tag names.
    pub recheck: Duration,
    /// How long a request waits for its artifact to be prepared.
    pub prepare_timeout: Duration,
}

/// Where schematics last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchematicStorage {
    /// Files in a directory.
    Directory(PathBuf),
    /// Images in a repository, shared with other replicas and with the reference.
    Registry {
        /// The registry's host, with port.
        host: String,
        /// The repository in it.
        repository: String,
        /// Whether plain HTTP is allowed.
        insecure: bool,
    },
}

/// Names of the release's repositories (spec/http.md 6.1); the base installer's come with installers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Kernel, initramfs, systemd-boot and its stub, for both architectures.
    pub imager: String,
    /// The catalogue of extensions.
    pub extensions: String,
    /// The catalogue of overlays.
    pub overlays: String,
    /// `talosctl` for all systems.
    pub talosctl: String,
}

impl Default for Components {
    fn default() -> Self {
        Self {
            imager: "siderolabs/imager".to_owned(),
            extensions: "siderolabs/extensions".to_owned(),
            overlays: "siderolabs/overlays".to_owned(),
            talosctl: "siderolabs/talosctl-all".to_owned(),
        }
    }
}

/// A catalogue of extensions in a registry of its own (spec/http.md 6.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraCatalog {
    /// The registry that the catalogue and its extensions are in.
    pub registry: source::ExtraRegistry,
    /// What the names of all repositories in it are below.
    pub namespace: Option<source::Repository>,
    /// The catalogue, tagged like releases of Talos.
    pub repository: source::Repository,
}

/// What is wanted of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// Its layout: length, entity tag. Nothing is fetched for it once the layout is known.
    Layout,
    /// Its bytes too.
    Payload,
}

/// Makes boot images.
#[derive(Debug)]
pub struct Forge {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    _lock: DataLock,
    images: Images,
    store: Arc<Store>,
    schematics: schematic::store::Store,
    repositories: Repositories,
    extra_catalogs: Vec<ExtraCatalog>,
    allow_references: bool,
    /// The registry's host as catalogues show it; a layout's name otherwise.
    shown_host: String,
    external_url: String,
    min_version: Version,
    broken_versions: Vec<Version>,
    prepare_timeout: Duration,
    splash: Content,
    layouts: moka::sync::Cache<Key, artifact::Known>,
    preparations: Flights<(Key, Need), Artifact, Error>,
    derived: Flights<Digest, Content, Error>,
    preparing: Arc<preparing::Board>,
    /// Images of extensions whose contents were looked through.
    linted: Mutex<HashSet<Digest>>,
    packs: Flights<Digest, crate::encode::pack::Pack, Error>,
    grubs: Flights<Digest, grub::Made, Error>,
    modules: modules::Known,
}

/// Memory for layouts that were worked out, in bytes: most take some kilobytes, an OVA's 1 MB.
const LAYOUTS: u64 = 64 << 20;

impl Forge {
    /// Opens the data directory, which no other process may be using.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let lock = DataLock::take(&options.data_dir)?;
        let store = Arc::new(Store::open(&options.store_path, options.store_max_bytes)?);
        let release = source::open(&options.source, options.registry.clone())?;
        let extra: Vec<_> = options
            .extra_catalogs
            .iter()
            .map(|catalog| catalog.registry.clone())
            .collect();
        let source = Arc::new(source::Elsewhere::new(
            release,
            &extra,
            &options.registry,
            options.allow_references,
        )?);
        let schematics = match options.schematics {
            SchematicStorage::Directory(path) => {
                let backend = schematic::store::Directory::open(path)?;
                schematic::store::Store::new(backend, options.schematic_cache)
            }
            SchematicStorage::Registry {
                host,
                repository,
                insecure,
            } => {
                let settings = RegistryOptions {
                    insecure,
                    ..options.registry
                };
                let registry = Registry::new(&host, None, settings)?;
                let backend =
                    schematic::store::registry::Images::new(registry, repository.parse()?);
                schematic::store::Store::new(backend, options.schematic_cache)
            }
        };
        let shown_host = match &options.source {
            SourceSpec::Registry { host, .. } => host.clone(),
            SourceSpec::Directory(_) | SourceSpec::Archive(_) => "ghcr.io".to_owned(),
        };
        // Whoever asks for a plain image need not have posted its schematic first.
        schematics.put(&Schematic::default()).await?;
        let inner = Inner {
            _lock: lock,
            images: Images::new(source, Arc::clone(&store), options.recheck),
            splash: store.put(&formats::splash::bmp())?,
            store,
            schematics,
            repositories: Repositories::new(&options.components)?,
            extra_catalogs: options.extra_catalogs,
            allow_references: options.allow_references,
            shown_host,
            external_url: options.external_url,
            min_version: Version::parse(&options.min_version)?,
            broken_versions: options
                .broken_versions
                .iter()
                .map(|version| Version::parse(version))
                .collect::<Result<_, _>>()?,
            prepare_timeout: options.prepare_timeout,
            layouts: moka::sync::Cache::builder()
                .weigher(|_, known: &artifact::Known| known.footprint())
                .max_capacity(LAYOUTS)
                .build(),
            preparations: Flights::new(),
            derived: Flights::new(),
            preparing: Arc::default(),
            linted: Mutex::default(),
            packs: Flights::new(),
            grubs: Flights::new(),
            modules: modules::Known::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Stores the schematic that `document` describes; says whether it is new.
    pub async fn create_schematic(
        &self,
        document: &[u8],
    ) -> Result<(Id, Arc<Schematic>, bool), Error> {
        let (id, schematic, put) = self.inner.schematics.create(document).await?;
        Ok((id, schematic, put == schematic::store::Put::Created))
    }

    /// The schematic of an ID.
    pub async fn schematic(&self, id: &str) -> Result<(Id, Arc<Schematic>), Error> {
        let parsed = Id::parse(id)?;
        let schematic = self.inner.schematics.get(&parsed).await?;
        Ok((parsed, schematic))
    }

    /// Schematics in memory, for the metric.
    pub fn schematics_cached(&self) -> u64 {
        self.inner.schematics.len()
    }

    /// The artifact of a URL: schematic, version, last path segment.
    pub async fn artifact(
        &self,
        schematic_id: &str,
        version: &str,
        path: &str,
        need: Need,
    ) -> Result<Artifact, Error> {
        let (id, schematic) = self.schematic(schematic_id).await?;
        let target = Target::new(
            version,
            path,
            &schematic,
            &crate::target::Context::default(),
        )?;
        self.target(id, &schematic, target, need).await
    }

    /// The iPXE script of a URL; `base_url` is the service as machines reach it.
    pub async fn pxe(
        &self,
        schematic_id: &str,
        version: &str,
        path: &str,
        base_url: &str,
    ) -> Result<BString, Error> {
        let (id, schematic) = self.schematic(schematic_id).await?;
        let of = |version: &str, path: Vec<u8>, schematic: &Schematic, context: &Context| {
            pxe::target(version, &path, schematic, context)
        };
        let target = resolve(version, path, &schematic, of).await?;
        self.inner
            .check_available(&target.version, "failed to get kernel")
            .await?;
        Ok(pxe::script(base_url, &id.to_string(), &target))
    }

    /// Makes an extension of a version ready for one architecture.
    pub async fn prepare_extension(
        &self,
        version: &str,
        extension: &crate::catalog::Extension,
        arch: crate::platform::Arch,
    ) -> Result<(), Error> {
        let version = Version::parse(version)?;
        self.inner
            .prepare_extension(&version, extension, arch)
            .await
    }

    /// What is being made from extensions at the moment.
    pub fn preparing(&self) -> Vec<Preparing> {
        self.inner.preparing.preparing()
    }

    /// What was made from extensions since the start.
    pub fn prepared(&self) -> Prepared {
        self.inner.preparing.prepared()
    }

    /// How much is in the store.
    pub fn store_stat(&self) -> Stat {
        self.inner.store.stat()
    }

    /// Reads every blob of the store; drops and returns those that are damaged. `progress` is told the bytes read.
    pub fn store_verify(&self, progress: impl FnMut(u64)) -> Result<Vec<Digest>, Error> {
        Ok(self.inner.store.verify(progress)?)
    }

    /// Evicts down to the limit; returns the bytes freed.
    pub fn store_collect_garbage(&self) -> Result<u64, Error> {
        Ok(self.inner.store.collect_garbage()?)
    }
}

/// Works out a target where that may take a moment: META of the largest size takes a second to compress.
async fn resolve(
    version: &str,
    path: &str,
    schematic: &Arc<Schematic>,
    of: impl FnOnce(&str, Vec<u8>, &Schematic, &Context) -> Result<Target, target::Error>
    + Send
    + 'static,
) -> Result<Target, Error> {
    const INLINE: usize = 16 << 10;
    let (path, context) = (path.as_bytes().to_vec(), Context::default());
    let meta: usize = schematic
        .customization
        .meta
        .iter()
        .map(|meta| meta.value.len())
        .sum();
    if meta <= INLINE {
        return Ok(of(version, path, schematic, &context)?);
    }
    let (version, schematic) = (version.to_owned(), Arc::clone(schematic));
    Ok(blocking(move || of(&version, path, &schematic, &context)).await?)
}
