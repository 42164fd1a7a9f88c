//! What a disk image is handed out as: its encoding, and for `.xz` the blobs that compress, compressed once.

use std::{collections::HashMap, sync::Arc};

use formats::{Digest, xz};

use super::{Error, Inner, Need, artifact::Key, prepare::Files};
use crate::{
    encode::{
        Encoding,
        pack::{self, Pack},
    },
    images::blocking,
    plan::{self, Disk, Inputs},
    schematic::Schematic,
    store::Content,
    target::Packing,
};

/// Where it is remembered what became of a blob.
const FACTS: &str = "xz";

impl Inner {
    /// The inputs of a target that is a disk image, with its encoding.
    pub(super) async fn image(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<Inputs, Error> {
        let encoding = Encoding::of(&key.target).map_err(plan::Error::from)?;
        let mut disk = self.disk(key, schematic, files).await?;
        let mut packed = HashMap::new();
        if encoding.packing == Packing::Xz {
            let unknown = |content: &Content| self.remembered(&recipe(content)).is_none();
            let untried = worth(&disk).any(unknown);
            if untried {
                // What does not fit is not compressed first.
                disk.layout()?;
            }
            if untried && files.need == Need::Layout {
                // Whether a blob compresses is known when that has been tried, for which it must be here.
                let files = Files {
                    imager: Arc::clone(&files.imager),
                    need: Need::Payload,
                    ..*files
                };
                disk = self.disk(key, schematic, &files).await?;
            }
            for content in worth(&disk) {
                if let Some(blocks) = self.packed(content, files.need).await? {
                    packed.insert(content.digest, blocks);
                }
            }
        }
        Ok(Inputs::Disk {
            disk: Box::new(disk),
            encoding,
            packed,
        })
    }

    fn remembered(&self, recipe: &Digest) -> Option<Pack> {
        self.store.fact(FACTS, &recipe.hex())
    }

    /// The blocks of a blob that compresses, made when they are not there.
    async fn packed(&self, content: &Content, need: Need) -> Result<Option<xz::Packed>, Error> {
        let recipe = recipe(content);
        match self.remembered(&recipe) {
            Some(Pack { made: None }) => return Ok(None),
            Some(Pack { made: Some(made) })
                if need == Need::Layout
                    || self
                        .images
                        .pin_stored(&made.content.digest)
                        .await?
                        .is_some() =>
            {
                return Ok(Some(made.blocks()));
            }
            _ => {}
        }
        let blob = self.images.pin_stored(&content.digest).await?;
        let blob = blob.ok_or(Error::Evicted)?;
        let store = Arc::clone(&self.store);
        let flight = self.packs.join(recipe, || async move {
            blocking(move || {
                let pack = pack::make(&store, &blob)?;
                store.remember(FACTS, &recipe.hex(), &pack)?;
                Ok(pack)
            })
            .await
        });
        let pack = flight.await.map_err(Error::Shared)?;
        Ok(pack.made.map(|made| made.blocks()))
    }
}

fn recipe(content: &Content) -> Digest {
    Digest::of(format!("xz {} {}", pack::RECIPE, content.digest))
}

/// The blobs of a disk that are long enough to be tried.
fn worth(disk: &Disk) -> impl Iterator<Item = &Content> {
    let long = |content: &&Content| content.len >= pack::MIN_LEN;
    disk.contents().into_iter().filter(long)
}
