//! Renditions, under a prefix of their own beside the originals: `.etiqueta-renditions/ab/DIGEST.SIZE.VERSION.jpg`.
//!
//! An object is the rendition followed by its SHA-256: unlike an original, it has no other digest to be compared
//! with. Programs that read JPEG ignore what follows the picture.

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    ContentDigest, RenditionKey, RenditionSize,
    ports::{OriginalStoreError, RenditionStore},
};
use futures_util::TryStreamExt;
use object_store::{Error, ObjectStoreExt, PutPayload, path::Path};

use crate::{content::unavailable, key::RENDITIONS, store::Originals};

/// Changes when renditions are made in another way: those made before are not found any more, and go with the
/// oldest.
const VERSION: u32 = 2;

/// The length of the digest at the end of an object, in bytes.
const DIGEST: usize = 32;

/// The longest object that is read: several times what the largest rendition takes.
const LONGEST: u64 = 32 << 20;

fn path(key: &RenditionKey) -> Path {
    let digest = key.digest.to_string();
    let shard = digest.get(..2).unwrap_or_default();
    let name = format!("{digest}.{}.{VERSION}.jpg", key.size.pixels());
    Path::from_iter([RENDITIONS, shard, name.as_str()])
}

fn with_digest(bytes: Bytes) -> PutPayload {
    let digest = Bytes::copy_from_slice(ContentDigest::of(&bytes).as_bytes());
    PutPayload::from_iter([bytes, digest])
}

/// The rendition in an object; `None` if the object was cut off or altered.
fn verified(object: &Bytes) -> Option<Bytes> {
    let len = object.len().checked_sub(DIGEST)?;
    let bytes = object.slice(..len);
    let is_sound = object.ends_with(ContentDigest::of(&bytes).as_bytes());
    is_sound.then_some(bytes)
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
        if found.meta.size > LONGEST {
            return Ok(None);
        }
        let object = found.bytes().await.map_err(unavailable)?;
        Ok(verified(&object))
    }

    async fn put(&self, key: &RenditionKey, bytes: Bytes) -> Result<(), OriginalStoreError> {
        self.check_folder().await?;
        let put = self.objects.put(&path(key), with_digest(bytes)).await;
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
            .map_ok(|found| {
                let size = found.size.saturating_sub(DIGEST as u64);
                (found.last_modified, size, found.location)
            })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bytes: &'static [u8]) -> Vec<u8> {
        let payload = with_digest(Bytes::from_static(bytes));
        payload.iter().flatten().copied().collect()
    }

    #[test]
    fn a_whole_object_is_its_rendition() {
        for bytes in [b"a rendition".as_slice(), b""] {
            assert_eq!(verified(&object(bytes).into()).unwrap(), bytes);
        }
    }

    #[test]
    fn an_object_that_was_cut_off_or_altered_is_none() {
        let whole = object(b"a rendition");
        for len in 0..whole.len() {
            assert_eq!(verified(&whole[..len].to_vec().into()), None, "{len}");
        }
        for place in 0..whole.len() {
            let mut altered = whole.clone();
            altered[place] ^= 1;
            assert_eq!(verified(&altered.into()), None, "{place}");
        }
        assert_eq!(verified(&Bytes::from_static(&[0; 4096])), None);
    }
}
