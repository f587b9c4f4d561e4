//! Imports files and the pictures of other programs: each of them once.

use std::sync::Arc;

use thiserror::Error;

use super::{ForeignPicture, Ingest, IngestError, Upload};
use crate::{
    ImageId, ImportedFile,
    ports::{CodecError, ImageInfoStore, ImageStore, ImageStoreError, UpstreamError},
};

/// Imports pictures by the way of an upload. What is there already is left alone, so that an import can be repeated
/// and goes on where it was broken off. Several may run at once.
#[derive(Clone)]
pub struct Importing {
    ingest: Arc<Ingest>,
    images: Arc<dyn ImageStore>,
    infos: Arc<dyn ImageInfoStore>,
}

/// The image of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It was made now.
    New(ImageId),
    /// It was there already.
    Present(ImageId),
}

/// Why a picture of another program was not imported.
#[derive(Debug, Clone, Error)]
pub enum AdoptError {
    /// An image with the id has other bytes.
    #[error("another picture has the id {0} here")]
    OtherPicture(ImageId),
    /// The picture could not be registered.
    #[error(transparent)]
    Ingest(#[from] IngestError),
}

impl From<ImageStoreError> for AdoptError {
    fn from(error: ImageStoreError) -> Self {
        Self::Ingest(error.into())
    }
}

impl IngestError {
    /// Whether the picture is to blame, not a service that all pictures need.
    pub fn is_of_picture(&self) -> bool {
        let is_of_codec = |error: &CodecError| {
            !matches!(
                error,
                CodecError::Overloaded | CodecError::TimedOut | CodecError::Cancelled
            )
        };
        match self {
            Self::Picture(error) | Self::Tagging(UpstreamError::Picture(error)) => {
                is_of_codec(error)
            }
            Self::Tagging(error) => matches!(
                error,
                UpstreamError::Unreadable(_) | UpstreamError::Malformed(_)
            ),
            Self::StoreFull { .. } | Self::Store(_) | Self::Originals(_) => false,
        }
    }
}

impl AdoptError {
    /// Whether the picture is to blame, not a service that all pictures need.
    pub fn is_of_picture(&self) -> bool {
        match self {
            Self::OtherPicture(_) => true,
            Self::Ingest(error) => error.is_of_picture(),
        }
    }
}

impl Importing {
    /// Creates the service. The ports are those of the same database as the ingest's.
    pub fn new(
        ingest: Arc<Ingest>,
        images: Arc<dyn ImageStore>,
        infos: Arc<dyn ImageInfoStore>,
    ) -> Self {
        Self {
            ingest,
            images,
            infos,
        }
    }

    /// The image that was imported from a file, if there is one.
    pub async fn find(&self, file: &ImportedFile) -> Result<Option<ImageId>, ImageStoreError> {
        let found = self.infos.imported(&[file.key]).await?;
        Ok(found.get(&file.key).copied())
    }

    /// Imports a file, unless that was done before: with the provider's stored answer, if there is one for the bytes.
    ///
    /// # Errors
    /// Those of [`Ingest::ingest`].
    pub async fn import(&self, upload: Upload) -> Result<Imported, IngestError> {
        let file = upload.imported.clone();
        if let Some(id) = self.find_if_named(file.as_ref()).await? {
            return Ok(Imported::Present(id));
        }
        match self.ingest.ingest(upload).await {
            Ok(image) => Ok(Imported::New(image.id)),
            // Another import was faster.
            Err(error @ IngestError::Store(ImageStoreError::AlreadyImported)) => {
                let found = self.find_if_named(file.as_ref()).await?;
                found.map(Imported::Present).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Imports a picture of another program under its own id, unless that was done before.
    ///
    /// # Errors
    /// [`AdoptError::OtherPicture`] if the id is that of an image with other bytes.
    pub async fn adopt(&self, mut picture: ForeignPicture) -> Result<Imported, AdoptError> {
        if let Some(image) = self.images.find(&picture.id).await? {
            return if image.digest == picture.digest {
                Ok(Imported::Present(image.id))
            } else {
                Err(AdoptError::OtherPicture(image.id))
            };
        }
        if self
            .find_if_named(picture.imported.as_ref())
            .await?
            .is_some()
        {
            // The file stays that of the image that was imported from it; this one has an id to keep.
            picture.imported = None;
        }
        let image = self.ingest.adopt(&picture).await?;
        Ok(Imported::New(image.id))
    }

    /// Writes the providers' answers that failed imports could not write, and returns their number.
    ///
    /// # Errors
    /// Answers that could not be written are lost with this process.
    pub async fn save_answers(&self) -> Result<usize, ImageStoreError> {
        self.ingest.save_answers().await
    }

    async fn find_if_named(
        &self,
        file: Option<&ImportedFile>,
    ) -> Result<Option<ImageId>, ImageStoreError> {
        match file {
            Some(file) => self.find(file).await,
            None => Ok(None),
        }
    }
}
