//! Why a file cannot be decoded.

use std::{borrow::Cow, io};

use domain::{
    MediaType,
    ports::{CodecError, cause},
};
use image::ImageError;
use thiserror::Error;

/// The formats that are read.
const FORMATS: &str = if cfg!(feature = "heic") {
    "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC"
} else {
    "JPEG, PNG, WebP, GIF, BMP, TIFF"
};

/// Why a file cannot be decoded. The texts are for the client that sent it.
#[derive(Debug, Error)]
pub(crate) enum DecodeError {
    #[error("not an image in a supported format ({FORMATS})")]
    UnknownFormat,
    #[error("not an image in a supported format ({FORMATS}) but {0}")]
    OtherFormat(&'static str),
    #[error("the {} is truncated", name(*.0))]
    Truncated(MediaType),
    #[error("the {} is corrupt: {what}", name(*.media_type))]
    Malformed {
        media_type: MediaType,
        what: &'static str,
    },
    #[error("the {} is corrupt", name(*.media_type))]
    Corrupt {
        media_type: MediaType,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("this kind of {} is not supported: {what}; {}", name(*.media_type), advice(*.media_type))]
    Unsupported {
        media_type: MediaType,
        what: Cow<'static, str>,
    },
    #[error("this kind of {} is not supported; {}", name(*.media_type), advice(*.media_type))]
    UnsupportedKind {
        media_type: MediaType,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the image has {width} x {height} pixels, more than the {limit} allowed")]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("{format} is not supported; {advice}")]
    UnsupportedFormat {
        format: &'static str,
        advice: &'static str,
    },
    #[error("the image has a side of {side} pixels, more than the {limit} allowed")]
    SideTooLong { side: u32, limit: u32 },
    #[error(
        "decoding the image takes {needed} bytes of memory, more than the {limit} of limits.pixel_bytes"
    )]
    TooMuchMemory { needed: u64, limit: u64 },
    #[error("the image takes {work} units of work or more, of {limit} allowed")]
    TooComplex { work: u64, limit: u64 },
    #[error("the image was not decoded in time")]
    TimedOut,
    #[error("the caller has gone")]
    Cancelled,
    #[error("the codec failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The common name of the format.
fn name(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Jpeg => "JPEG",
        MediaType::Png => "PNG",
        MediaType::WebP => "WebP",
        MediaType::Gif => "GIF",
        MediaType::Bmp => "BMP",
        MediaType::Tiff => "TIFF",
        MediaType::Heic => "HEIC",
    }
}

/// Advice for a picture of an unsupported variant.
fn advice(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Jpeg => "save it as an ordinary JPEG",
        _ => "convert it to JPEG",
    }
}

impl DecodeError {
    pub(crate) fn malformed(media_type: MediaType, what: &'static str) -> Self {
        Self::Malformed { media_type, what }
    }

    pub(crate) fn corrupt(
        media_type: MediaType,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Corrupt {
            media_type,
            source: source.into(),
        }
    }

    pub(crate) fn unsupported(media_type: MediaType, what: impl Into<Cow<'static, str>>) -> Self {
        let what = what.into();
        Self::Unsupported { media_type, what }
    }

    /// The error of a decoder of the `image` crate.
    pub(crate) fn of_image_error(media_type: MediaType, error: ImageError) -> Self {
        match error {
            ImageError::IoError(error) => Self::of_io_error(media_type, error),
            ImageError::Unsupported(error) => Self::UnsupportedKind {
                media_type,
                source: error.into(),
            },
            error => Self::corrupt(media_type, error),
        }
    }

    /// Reading from memory fails only at its end.
    pub(crate) fn of_io_error(media_type: MediaType, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated(media_type)
        } else {
            Self::corrupt(media_type, error)
        }
    }
}

impl From<DecodeError> for CodecError {
    fn from(error: DecodeError) -> Self {
        let reason = error.to_string();
        match error {
            DecodeError::TooManyPixels {
                width,
                height,
                limit,
            } => Self::TooManyPixels {
                width,
                height,
                limit,
            },
            DecodeError::SideTooLong { .. } | DecodeError::TooMuchMemory { .. } => {
                Self::TooLarge { reason }
            }
            DecodeError::UnsupportedFormat { format, .. } => Self::UnsupportedFormat {
                format: format.to_owned(),
                reason,
            },
            DecodeError::Unsupported { media_type, .. }
            | DecodeError::UnsupportedKind { media_type, .. } => {
                log(&error);
                Self::UnsupportedFormat {
                    format: name(media_type).to_owned(),
                    reason,
                }
            }
            DecodeError::TooComplex { work, limit } => Self::TooComplex { work, limit },
            DecodeError::TimedOut => Self::TimedOut,
            DecodeError::Cancelled => Self::Cancelled,
            DecodeError::Failed(source) => Self::Failed(cause(source)),
            DecodeError::UnknownFormat
            | DecodeError::OtherFormat(_)
            | DecodeError::Truncated(_)
            | DecodeError::Malformed { .. }
            | DecodeError::Corrupt { .. } => {
                log(&error);
                Self::NotAnImage { reason }
            }
        }
    }
}

fn log(error: &DecodeError) {
    let detail = std::error::Error::source(error);
    tracing::debug!(%error, detail, "refused an upload");
}
