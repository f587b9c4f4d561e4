//! Registers a picture that another program registered before, with the tags that it had there.

use std::collections::BTreeSet;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{Ingest, IngestError, Original, Pipeline, codes};
use crate::{
    CameraData, ContentDigest, Image, ImageFacts, ImageId, ImageInfo, ImportedFile, ModelCode,
    NewImage, TaggerVersion, Taggers, Tags, image_info, ports::CallContext,
};

/// A picture of another program, and what that program knew of it.
#[derive(Debug, Clone)]
pub struct ForeignPicture {
    /// The id it had, which it keeps.
    pub id: ImageId,
    /// When it was registered, to the microsecond.
    pub registered_at: DateTime<Utc>,
    /// Its tags. The provider's whole answer is not known.
    pub tags: Tags,
    /// The name of the provider that gave them.
    pub provider: String,
    /// The bytes of the picture file.
    pub bytes: Bytes,
    /// The digest of the bytes, computed by the caller.
    pub digest: ContentDigest,
    /// The name of the file.
    pub file_name: String,
    /// The file, unless an image was imported from it already.
    pub imported: Option<ImportedFile>,
}

impl Ingest {
    /// Registers a picture under its own id and time, with its own tags: no provider is called. As with images of
    /// earlier versions, the threshold is unknown; see [`ImageInfo::threshold_of`].
    ///
    /// # Errors
    /// Those of [`ingest`](Self::ingest) but for the provider's: the picture must be whole.
    /// [`ImageStoreError`](crate::ports::ImageStoreError) if the id is taken.
    pub async fn adopt(&self, picture: &ForeignPicture) -> Result<Image, IngestError> {
        let key = self.pipeline.tagger.key(picture.digest);
        // Held until the original is counted among those of the store.
        let _room = self.reserve(&key, picture.bytes.len()).await?;
        let (known, _) = self.pipeline.known(&key).await?;
        let (facts, codes) = if let Some(facts) = known {
            (facts, Vec::new())
        } else {
            let (bytes, context) = (picture.bytes.clone(), CallContext::local());
            let tagger = &self.pipeline.tagger;
            let decoded = tagger.decode(&picture.digest, bytes, &context).await?;
            (decoded.facts, codes(&decoded, None))
        };
        let camera = self.pipeline.tagger.camera_data(&picture.bytes);
        self.pipeline.adopt(picture, &facts, &codes, &camera).await
    }
}

impl Pipeline {
    async fn adopt(
        &self,
        picture: &ForeignPicture,
        facts: &ImageFacts,
        codes: &[ModelCode],
        camera: &CameraData,
    ) -> Result<Image, IngestError> {
        let original = Original {
            digest: &picture.digest,
            bytes: &picture.bytes,
            facts,
        };
        let draft = || async {
            let known = self.vocabulary.current().await?;
            let tags = known
                .vocabulary
                .kept_beside(&BTreeSet::new(), &picture.tags);
            let info = ImageInfo {
                threshold: None,
                taggers: Taggers::from(TaggerVersion {
                    name: Some(picture.provider.clone()),
                    version: None,
                }),
                file_name: image_info::file_name(&picture.file_name),
                camera: camera.clone(),
                registered_local: Some(self.clock.local(picture.registered_at)),
                imported: picture.imported.clone(),
            };
            let image = Image {
                id: picture.id,
                digest: picture.digest,
                facts: *facts,
                registered_at: picture.registered_at,
                taken_order: info.taken_order(picture.registered_at),
                tags,
            };
            Ok(NewImage {
                image,
                info,
                fence: None,
                said: None,
                taggings: Vec::new(),
                codes: codes.to_vec(),
                request: None,
            })
        };
        self.put_and_record(original, draft).await
    }
}
