//! Renditions, under a prefix of their own beside the originals: `.etiqueta-renditions/ab/DIGEST.SIZE.VERSION.jpg`.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ContentDigest, RenditionKey, RenditionSize,
    ports::{OriginalStoreError, RenditionStore},
};
use futures_util::TryStreamExt;
use object_store::{Error, ObjectStoreExt, path::Path};

use crate::{content::unavailable, key::RENDITIONS, store::Originals};

/// Changes when renditions are made in another way: those made before are not found any more, and go with the
/// oldest.
const VERSION: u32 = 1;

fn path(key: &RenditionKey) -> Path {
    let digest = key.digest.to_string();
    let shard = digest.get(..2).unwrap_or_default();
    let name = format!("{digest}.{}.{VERSION}.jpg", key.size.pixels());
    Path::from_iter([RENDITIONS, shard, name.as_str()])
}

impl Originals {
    /// Fails if the folder of the originals is gone: what is put then would be made below its disk.
    async fn check_folder(&self) -> Result<(), OriginalStoreError> {
        self.in_folder(|folder| folder.root.check()).await
    }

    async fn delete_rendition(&self, path: &Path) -> Result<(), OriginalStoreError> {
        match self.objects.delete(path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

#[async_trait]
impl RenditionStore for Originals {
    async fn get(&self, key: &RenditionKey) -> Result<Option<Bytes>, OriginalStoreError> {
        let found = match self.objects.get(&path(key)).await {
            Ok(found) => found,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        found.bytes().await.map(Some).map_err(unavailable)
    }

    async fn put(&self, key: &RenditionKey, bytes: Bytes) -> Result<(), OriginalStoreError> {
        self.check_folder().await?;
        let put = self.objects.put(&path(key), bytes.into()).await;
        put.map(drop).map_err(unavailable)
    }

    async fn remove(&self, digest: &ContentDigest) -> Result<(), OriginalStoreError> {
        for size in RenditionSize::ALL {
            let digest = *digest;
            self.delete_rendition(&path(&RenditionKey { digest, size }))
                .await?;
        }
        Ok(())
    }

    async fn prune(&self, limit: u64) -> Result<u64, OriginalStoreError> {
        self.check_folder().await?;
        let listed = self.objects.list(Some(&Path::from(RENDITIONS)));
        let mut kept: Vec<_> = listed
            .map_ok(|found| (found.last_modified, found.size, found.location))
            .try_collect()
            .await
            .map_err(unavailable)?;
        kept.sort_unstable();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in &kept {
            if total <= limit {
                break;
            }
            self.delete_rendition(path).await?;
            total -= size;
        }
        Ok(total)
    }
}
