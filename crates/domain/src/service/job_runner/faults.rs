//! Why an image of a job failed, and whether that is a matter of the image or of a service that all images need.

use std::time::Duration;

use crate::{
    ImageId, ItemError,
    ports::{CodecError, ImageStoreError, OriginalStoreError, UpstreamError},
    service::{CatalogError, IngestError, RetagError},
};

/// What a failure means for the job.
#[derive(Debug)]
pub(super) enum Fault {
    /// The image is set aside.
    Image(ItemError),
    /// A call failed: of this image, or of all of them.
    Call(ItemError),
    /// No image can be done for now.
    Service(ItemError, Option<Duration>),
    /// The caller has gone.
    Cancelled,
    /// The database failed.
    Store(ImageStoreError),
}

/// An error of the server itself, whose log says more.
pub(super) fn internal(image: ImageId, error: &dyn std::error::Error) -> ItemError {
    ItemError::new(image, "internal", &error.to_string())
}

impl Fault {
    pub(super) fn of(image: ImageId, error: &RetagError) -> Self {
        let text = error.to_string();
        let of_image = |code: &str| Self::Image(ItemError::new(image, code, &text));
        match error {
            RetagError::UnknownProvider { .. } => of_image("invalid-parameter"),
            RetagError::Catalog(CatalogError::Originals(error))
            | RetagError::Tagging(IngestError::Originals(error)) => Self::originals(image, error),
            RetagError::Catalog(CatalogError::Store(error))
            | RetagError::Tagging(IngestError::Store(error))
            | RetagError::Store(error) => Self::store(image, error),
            RetagError::Tagging(IngestError::Picture(error)) => Self::picture(image, error),
            RetagError::Tagging(IngestError::Tagging(error)) => Self::upstream(image, error),
            RetagError::Tagging(IngestError::StoreFull { .. }) => of_image("store-full"),
        }
    }

    fn store(image: ImageId, error: &ImageStoreError) -> Self {
        match error {
            ImageStoreError::Corrupt(_) => Self::Image(internal(image, error)),
            other => Self::Store(other.clone()),
        }
    }

    fn originals(image: ImageId, error: &OriginalStoreError) -> Self {
        let text = error.to_string();
        match error {
            OriginalStoreError::Altered(_) => Self::Image(internal(image, error)),
            OriginalStoreError::Unavailable(_) => {
                Self::Service(ItemError::new(image, "storage-unavailable", &text), None)
            }
        }
    }

    fn picture(image: ImageId, error: &CodecError) -> Self {
        let code = match error {
            CodecError::Cancelled => return Self::Cancelled,
            CodecError::Overloaded | CodecError::TimedOut => {
                let error = ItemError::new(image, "overloaded", &error.to_string());
                return Self::Call(error);
            }
            CodecError::NotAnImage { .. } => "not-an-image",
            CodecError::UnsupportedFormat { .. } => "unsupported-format",
            CodecError::TooManyPixels { .. } | CodecError::TooLarge { .. } => "image-too-large",
            CodecError::TooComplex { .. } => "image-too-complex",
            CodecError::Failed(_) => "internal",
        };
        Self::Image(ItemError::new(image, code, &error.to_string()))
    }

    fn upstream(image: ImageId, error: &UpstreamError) -> Self {
        let of = |code: &str| ItemError::new(image, code, &error.to_string());
        let wait = error.retry_after();
        match error {
            UpstreamError::Picture(error) => Self::picture(image, error),
            UpstreamError::Unreadable(_) | UpstreamError::Malformed(_) => {
                Self::Image(of("tagging-failed"))
            }
            UpstreamError::Refused(_) => Self::Service(of("tagging-failed"), wait),
            UpstreamError::QuotaExhausted { .. } => Self::Service(of("quota-exhausted"), wait),
            UpstreamError::Busy { .. } => Self::Service(of("upstream-busy"), wait),
            UpstreamError::TimedOut => Self::Call(of("tagging-timeout")),
            UpstreamError::Unavailable { .. } => Self::Call(of("tagging-failed")),
            UpstreamError::Cancelled => Self::Cancelled,
        }
    }
}
