//! What can go wrong on the routes that are compatible with other services.

use crate::problem::Code;

/// What can go wrong with a picture that is tagged for PhotoPrism.
const TAGGING: &[Code] = &[
    Code::InvalidBody,
    Code::FetchingNotAllowed,
    Code::RequestTimeout,
    Code::PayloadTooLarge,
    Code::UnsupportedMediaType,
    Code::FetchingFailed,
    Code::NotAnImage,
    Code::UnsupportedFormat,
    Code::ImageTooLarge,
    Code::ImageTooComplex,
    Code::TaggingFailed,
    Code::QuotaExhausted,
    Code::UpstreamBusy,
    Code::StorageUnavailable,
    Code::Overloaded,
    Code::TaggingTimeout,
];

/// What can go wrong with a picture that is tagged for a program for Imagga.
const IMAGGA_TAGS: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidParameter,
    Code::UploadNotFound,
    Code::UploadExpired,
    Code::FetchingNotAllowed,
    Code::RequestTimeout,
    Code::PayloadTooLarge,
    Code::UnsupportedMediaType,
    Code::FetchingFailed,
    Code::NotAnImage,
    Code::UnsupportedFormat,
    Code::ImageTooLarge,
    Code::ImageTooComplex,
    Code::TaggingFailed,
    Code::QuotaExhausted,
    Code::UpstreamBusy,
    Code::StorageUnavailable,
    Code::Overloaded,
    Code::TaggingTimeout,
];

/// What can go wrong on such a route, beside what can everywhere.
pub(super) fn problems_of(path: &str) -> &'static [Code] {
    match path {
        "/v2/tags" => IMAGGA_TAGS,
        "/api/v1/vision/labels" => TAGGING,
        "/v2/uploads" => &[
            Code::InvalidBody,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
            Code::StorageUnavailable,
            Code::Overloaded,
            Code::StoreFull,
        ],
        "/v2/uploads/{id}" => &[
            Code::UploadNotFound,
            Code::UploadExpired,
            Code::StorageUnavailable,
        ],
        _ => &[],
    }
}
