//! What a disk image is handed out as: its encoding, and the blobs that compress, compressed once.

use std::sync::Arc;

use super::{Error, Inner, Need, artifact::Key, prepare::Files};
use crate::{
    encode::{
        Encoding, Packs,
        pack::{self, Made, Method, Pack},
    },
    images::blocking,
    plan::{self, Disk, Inputs},
    schematic::Schematic,
    store::Content,
};

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
        let mut packs = Packs::default();
        if let Some(method) = encoding.method() {
            let unknown = |content: &Content| self.remembered(content, method).is_none();
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
                if let Some(made) = self.packed(content, method, files.need).await? {
                    packs.add(content.digest, &made)?;
                }
            }
        }
        Ok(Inputs::Disk {
            disk: Box::new(disk),
            encoding,
            packs,
        })
    }

    fn remembered(&self, content: &Content, method: Method) -> Option<Pack> {
        let recipe = method.recipe(content);
        self.store.fact(method.facts(), &recipe.hex())
    }

    /// What was made of a blob that compresses, made when it is not there.
    async fn packed(
        &self,
        content: &Content,
        method: Method,
        need: Need,
    ) -> Result<Option<Made>, Error> {
        match self.remembered(content, method) {
            Some(Pack { made: None }) => return Ok(None),
            Some(Pack { made: Some(made) })
                if need == Need::Layout
                    || self
                        .images
                        .pin_stored(&made.content.digest)
                        .await?
                        .is_some() =>
            {
                return Ok(Some(made));
            }
            _ => {}
        }
        let blob = self.images.pin_stored(&content.digest).await?;
        let blob = blob.ok_or(Error::Evicted)?;
        let store = Arc::clone(&self.store);
        let recipe = method.recipe(content);
        let flight = self.packs.join(recipe, || async move {
            blocking(move || {
                let pack = pack::make(&store, &blob, method)?;
                store.remember(method.facts(), &recipe.hex(), &pack)?;
                Ok(pack)
            })
            .await
        });
        let pack = flight.await.map_err(Error::Shared)?;
        Ok(pack.made)
    }
}

/// The blobs of a disk that are long enough to be tried.
fn worth(disk: &Disk) -> impl Iterator<Item = &Content> {
    let long = |content: &&Content| content.len >= pack::MIN_LEN;
    disk.contents().into_iter().filter(long)
}
