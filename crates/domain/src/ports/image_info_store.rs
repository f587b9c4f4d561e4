//! What is kept of images beside their tags.

use std::{collections::HashMap, num::NonZeroU32};

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{ContentDigest, ImageId, ImageInfo, ImportKey};

/// Reads what is kept of images beside their tags. It is recorded with the image, by
/// [`ImageStore::record`](super::ImageStore::record).
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageInfoStore: Send + Sync {
    /// What is known of each of those images, at most 1000. Images that are not there are left out.
    async fn infos(
        &self,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, ImageInfo>, ImageStoreError>;

    /// The images that were imported from those files, at most 1000. Files that no image was imported from, or whose
    /// image was deleted, are left out.
    async fn imported(
        &self,
        files: &[ImportKey],
    ) -> Result<HashMap<ImportKey, ImageId>, ImageStoreError>;

    /// The images that have those bytes, newest first, at most `limit`.
    async fn images_of(
        &self,
        digest: &ContentDigest,
        limit: NonZeroU32,
    ) -> Result<Vec<ImageId>, ImageStoreError>;
}
