//! The index of all kernel modules of an image: made once for each release and order of extensions.

use std::sync::Arc;

use formats::{Digest, squashfs::Compression};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{
    blobs::Blob,
    extension::{Metadata, Microcode, checkout_order},
    images::blocking,
    modules::{self, MAX_COST, Set, SetBuilder, check_kernel, index, read_base},
    plan,
    quirks::Quirks,
    store::{Content, Node, Store, flight::Flights},
};

use super::{
    Error, Inner, Need,
    extension::{Modules, squashfs},
    prepare::Files,
};

/// Raised whenever a set or an index comes out differently from the same files.
const RECIPE: &str = "2";

/// The one level of the index: somebody waits for it.
const ZSTD_LEVEL: i32 = 3;

/// What is known of modules at the moment, or being found out.
#[derive(Debug)]
pub(super) struct Known {
    sets: moka::sync::Cache<Digest, Arc<Set>>,
    reading: Flights<Digest, Arc<Set>, Error>,
    making: Flights<Digest, Made, Error>,
}

/// Bytes of sets that are kept in memory; a release's are 1 to 4 MB.
const SETS: u64 = 4 * MAX_COST as u64;

/// An index that was made at least once.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    kernel: String,
    squashfs: Content,
}

impl Known {
    pub(super) fn new() -> Self {
        let weigh = |_: &Digest, set: &Arc<Set>| u32::try_from(set.cost).unwrap_or(u32::MAX);
        Self {
            sets: moka::sync::Cache::builder()
                .weigher(weigh)
                .max_capacity(SETS)
                .build(),
            reading: Flights::new(),
            making: Flights::new(),
        }
    }
}

impl Inner {
    /// The extension with the index over the modules of the initramfs `base` and of `extensions`, which are in the order of
    /// the schematic; `None` when none of them has modules.
    pub(super) async fn modules_dep(
        &self,
        files: &Files<'_>,
        base: &Content,
        mut extensions: Vec<Option<Modules>>,
        quirks: &Quirks,
    ) -> Result<Option<plan::Extension>, Error> {
        let order = checkout_order(extensions.len());
        let extensions: Vec<Modules> = order
            .into_iter()
            .filter_map(|place| extensions[place].take())
            .collect();
        if extensions.is_empty() {
            return Ok(None);
        }
        let path = path(quirks);
        let compression = compression(quirks);
        let recipes = extensions.iter().map(|extension| recipe_of(extension, ""));
        let recipes: Vec<String> = recipes.map(|recipe| recipe.hex()).collect();
        let recipe = Digest::of(format!(
            "{RECIPE} index {compression:?} {path} {} {}",
            base.digest,
            recipes.join(" ")
        ));
        let known: Option<Made> = self.store.fact("modules.dep", &recipe.hex());
        let made = match known {
            Some(made)
                if files.need == Need::Layout
                    || self
                        .images
                        .pin_stored(&made.squashfs.digest)
                        .await?
                        .is_some() =>
            {
                made
            }
            _ => {
                let sets = self.sets(files, base, &extensions, path).await?;
                let store = Arc::clone(&self.store);
                let make = || async move {
                    blocking(move || make(&store, &recipe, &sets, path, compression)).await
                };
                let flight = self.modules.making.join(recipe, make);
                flight.await.map_err(Error::Shared)?
            }
        };
        Ok(Some(made.extension()))
    }

    /// Reads the modules of the initramfs `base` and of `extensions`, so that an index over them and others costs little.
    pub(super) async fn read_modules(
        &self,
        files: &Files<'_>,
        base: &Content,
        extensions: &[Modules],
        quirks: &Quirks,
    ) -> Result<(), Error> {
        let sets = self.sets(files, base, extensions, path(quirks));
        sets.await.map(drop)
    }

    /// The modules of the release, then those of the extensions.
    async fn sets(
        &self,
        files: &Files<'_>,
        base: &Content,
        extensions: &[Modules],
        path: &'static str,
    ) -> Result<Vec<Arc<Set>>, Error> {
        let base = self.base_modules(files, base, path).await?;
        for extension in extensions {
            check_kernel(&extension.name, path, &extension.tree, &base.kernel)?;
        }
        let kernel = base.kernel.as_str();
        let sets = extensions
            .iter()
            .map(|extension| self.extension_modules(extension, kernel));
        let mut sets = try_join_all(sets).await?;
        sets.insert(0, base);
        Ok(sets)
    }

    async fn base_modules(
        &self,
        files: &Files<'_>,
        base: &Content,
        path: &'static str,
    ) -> Result<Arc<Set>, Error> {
        let recipe = Digest::of(format!("{RECIPE} base {path} {}", base.digest));
        if let Some(set) = self.known_set(&recipe).await {
            return Ok(set);
        }
        let initramfs = self.images.pin(&files.imager, base).await?;
        self.read_set(recipe, move |store| {
            Ok(read_base(&initramfs, store.scratch()?, path)?)
        })
        .await
    }

    async fn extension_modules(
        &self,
        extension: &Modules,
        kernel: &str,
    ) -> Result<Arc<Set>, Error> {
        let recipe = recipe_of(extension, kernel);
        if let Some(set) = self.known_set(&recipe).await {
            return Ok(set);
        }
        let mut set = SetBuilder::new(&extension.name, kernel);
        let mut wanted = Vec::new();
        for (path, content) in extension.files(kernel) {
            if content.len > SetBuilder::limit(&path) as u64 {
                return Err(set.too_long(&path).into());
            }
            wanted.push((path, self.images.pin(&extension.image, &content).await?));
        }
        let owner = extension.name.clone();
        self.read_set(recipe, move |_| {
            for (path, blob) in wanted {
                let content = read(&blob).map_err(|source| modules::Error::Read {
                    owner: owner.clone(),
                    source,
                })?;
                set.add(&path, &content)?;
            }
            Ok(set.finish())
        })
        .await
    }

    /// A set that was read before, from memory or as a fact.
    async fn known_set(&self, recipe: &Digest) -> Option<Arc<Set>> {
        if let Some(set) = self.modules.sets.get(recipe) {
            return Some(set);
        }
        let (store, name) = (Arc::clone(&self.store), recipe.hex());
        let set = blocking(move || store.fact("modules", &name)).await?;
        let set = Arc::new(set);
        self.modules.sets.insert(*recipe, Arc::clone(&set));
        Some(set)
    }

    async fn read_set(
        &self,
        recipe: Digest,
        read: impl FnOnce(&Store) -> Result<Set, Error> + Send + 'static,
    ) -> Result<Arc<Set>, Error> {
        let store = Arc::clone(&self.store);
        let flight = self.modules.reading.join(recipe, || async move {
            blocking(move || {
                let set = Arc::new(read(&store)?);
                store.remember("modules", &recipe.hex(), &*set)?;
                Ok(set)
            })
            .await
        });
        let set = flight.await.map_err(Error::Shared)?;
        self.modules.sets.insert(recipe, Arc::clone(&set));
        Ok(set)
    }
}

impl Made {
    /// The extension as the reference describes it (spec/initramfs.md 3).
    fn extension(self) -> plan::Extension {
        plan::Extension {
            metadata: Metadata {
                name: "modules.dep".to_owned(),
                version: self.kernel,
                author: "Talos Machinery".to_owned(),
                description: "Combined modules.dep for all extensions".to_owned(),
                ..Metadata::default()
            },
            squashfs: plan::Squashfs::Blob(self.squashfs),
            firmware: None,
            microcode: Microcode::default(),
        }
    }
}

/// The directory of kernel modules.
fn path(quirks: &Quirks) -> &'static str {
    if quirks.usr_merge {
        "usr/lib/modules"
    } else {
        "lib/modules"
    }
}

fn compression(quirks: &Quirks) -> Compression {
    if quirks.zstd {
        Compression::Zstd { level: ZSTD_LEVEL }
    } else {
        Compression::Xz
    }
}

/// Names what is made of the modules of an extension for one kernel.
fn recipe_of(extension: &Modules, kernel: &str) -> Digest {
    let files = serde_json::to_string(&extension.tree).expect("a tree is plain data");
    Digest::of(format!("{RECIPE} extension {kernel} {files}"))
}

fn read(blob: &Blob) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut content = Vec::new();
    blob.reader(0).read_to_end(&mut content)?;
    Ok(content)
}

fn make(
    store: &Store,
    recipe: &Digest,
    sets: &[Arc<Set>],
    path: &str,
    compression: Compression,
) -> Result<Made, Error> {
    let sets: Vec<&Set> = sets.iter().map(|set| &**set).collect();
    let root = index(&sets, path)?;
    let no_blobs = |_: &Digest| Err::<std::io::Empty, _>(std::io::ErrorKind::NotFound.into());
    let squashfs =
        squashfs::write(store, &root, compression, no_blobs).map_err(|source| Error::Squashfs {
            name: "modules.dep".to_owned(),
            source,
        })?;
    let made = Made {
        kernel: sets[0].kernel.clone(),
        squashfs,
    };
    store.remember("modules.dep", &recipe.hex(), &made)?;
    Ok(made)
}

impl Modules {
    /// The files that count for `kernel`, by their path from its directory.
    fn files(&self, kernel: &str) -> Vec<(String, Content)> {
        let tree = self.tree.below(kernel);
        let file = |(path, entry): (String, crate::store::Entry)| match entry.node {
            Node::File(content) if SetBuilder::wants(&path) => Some((path, content)),
            _ => None,
        };
        tree.entries.into_iter().filter_map(file).collect()
    }
}
