//! What can go wrong, on each route.

mod compatible;

use std::collections::BTreeMap;

use actix_web::http::{Method, StatusCode};
use serde_json::json;
use utoipa::{
    Modify,
    openapi::{
        ContentBuilder, HeaderBuilder, Object, OpenApi as Document, Ref, RefOr, Response,
        ResponseBuilder, Type, example::ExampleBuilder, path::Operation,
    },
};

use super::operations;
use crate::{
    problem::{Code, Dialect},
    rights::{self, Right},
};

/// Adds the problems of each route.
pub(super) struct Problems;

/// What can go wrong everywhere.
const EVERYWHERE: &[Code] = &[
    Code::MalformedRequest,
    Code::MisdirectedRequest,
    Code::UriTooLong,
    Code::HeadersTooLarge,
    Code::Unavailable,
    Code::Internal,
];

impl Modify for Problems {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                let own = problems_of(path, &method).iter();
                let own = own.chain(compatible::problems_of(path)).copied();
                let codes = own.chain(of_access(path, &method));
                add(operation, Dialect::of_path(path), codes);
            }
        }
    }
}

/// What can go wrong before a request is handled.
fn of_access(path: &str, method: &Method) -> Vec<Code> {
    let right = rights::right(path, method);
    let mut codes = match right {
        None | Some(Right::Probe) => vec![],
        Some(Right::Open) => vec![Code::TooManyRequests],
        Some(_) => vec![
            Code::Unauthenticated,
            Code::Forbidden,
            Code::TooManyRequests,
        ],
    };
    if *method != Method::GET || path == "/v2/tags" {
        codes.push(Code::CrossOrigin);
    }
    codes
}

/// What can go wrong with a thumbnail.
const THUMBNAIL: &[Code] = &[
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::PreconditionFailed,
    Code::NotAnImage,
    Code::UnsupportedFormat,
    Code::ImageTooLarge,
    Code::ImageTooComplex,
    Code::StorageUnavailable,
    Code::Overloaded,
];

/// What can go wrong with an original.
const FILE: &[Code] = &[
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::PreconditionFailed,
    Code::RangeNotSatisfiable,
    Code::StorageUnavailable,
];

/// What can go wrong with a change of tags.
const EDIT: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::RequestTimeout,
    Code::TooMany,
    Code::PreconditionFailed,
    Code::UnsupportedMediaType,
    Code::StorageUnavailable,
];

/// What can go wrong with tagging again.
const RETAG: &[Code] = &[
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::TooMany,
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

/// What can go wrong with look-alikes.
const SIMILAR: &[Code] = &[
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::NoImageModel,
    Code::NotAnImage,
    Code::UnsupportedFormat,
    Code::ImageTooLarge,
    Code::ImageTooComplex,
    Code::TaggingFailed,
    Code::UpstreamBusy,
    Code::StorageUnavailable,
    Code::Overloaded,
];

/// What can go wrong with duplicates.
const DUPLICATES: &[Code] = &[
    Code::InvalidId,
    Code::InvalidParameter,
    Code::ImageNotFound,
    Code::NotAnImage,
    Code::UnsupportedFormat,
    Code::ImageTooLarge,
    Code::ImageTooComplex,
    Code::StorageUnavailable,
    Code::Overloaded,
];

/// What can go wrong with a job that is to be made.
const JOB: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidParameter,
    Code::InvalidQuery,
    Code::JobNotFound,
    Code::RequestTimeout,
    Code::CountChanged,
    Code::TooMany,
    Code::IdempotencyInProgress,
    Code::IdempotencyMismatch,
    Code::UnsupportedMediaType,
    Code::StorageUnavailable,
];

/// What can go wrong with an entry of the vocabulary that is put.
const ENTRY: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidParameter,
    Code::TagNotFound,
    Code::RequestTimeout,
    Code::TooMany,
    Code::VocabularyConflict,
    Code::UnsupportedMediaType,
    Code::StorageUnavailable,
];

/// What can go wrong with an upload that is registered.
const REGISTRATION: &[Code] = &[
    Code::InvalidBody,
    Code::InvalidBase64,
    Code::InvalidParameter,
    Code::FetchingNotAllowed,
    Code::ImageNotFound,
    Code::RequestTimeout,
    Code::IdempotencyInProgress,
    Code::IdempotencyMismatch,
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
    Code::StoreFull,
];

/// What can go wrong on a route, beside what can everywhere.
fn problems_of(path: &str, method: &Method) -> &'static [Code] {
    match path {
        "/image" => REGISTRATION,
        "/tag" => &[
            Code::InvalidBody,
            Code::InvalidBase64,
            Code::InvalidParameter,
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
        ],
        "/image/{id}" | "/image/{id}/info" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::ImageNotFound,
            Code::StorageUnavailable,
        ],
        "/image/{id}/tags" if *method == Method::PATCH => EDIT,
        "/image/{id}/tags" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::ImageNotFound,
            Code::PreconditionFailed,
            Code::StorageUnavailable,
        ],
        "/image/{id}/retag" => RETAG,
        "/image/{id}/similar" | "/image/{id}/duplicates" => problems_of_matches(path),
        "/image/{id}/file" => FILE,
        "/image/{id}/thumbnail" => THUMBNAIL,
        "/images" => &[
            Code::InvalidParameter,
            Code::InvalidQuery,
            Code::StorageUnavailable,
        ],
        "/taggers" => &[Code::InvalidParameter],
        "/jobs" if *method == Method::POST => JOB,
        "/tags" | "/tags/{tag}/confidences" | "/jobs" => {
            &[Code::InvalidParameter, Code::StorageUnavailable]
        }
        "/jobs/{id}" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::JobNotFound,
            Code::StorageUnavailable,
        ],
        "/vocabulary" => &[Code::InvalidParameter, Code::StorageUnavailable],
        "/vocabulary/{tag}" => problems_of_entries(method),
        _ => problems_of_keys(path, method),
    }
}

/// What can go wrong with look-alikes and duplicates.
fn problems_of_matches(path: &str) -> &'static [Code] {
    if path.ends_with("/similar") {
        SIMILAR
    } else {
        DUPLICATES
    }
}

/// What can go wrong with an entry of the vocabulary.
fn problems_of_entries(method: &Method) -> &'static [Code] {
    if *method == Method::PUT {
        return ENTRY;
    }
    &[
        Code::InvalidParameter,
        Code::TagNotFound,
        Code::StorageUnavailable,
    ]
}

/// What can go wrong on the routes of keys, webhooks and sessions.
fn problems_of_keys(path: &str, method: &Method) -> &'static [Code] {
    match path {
        "/keys" if *method == Method::POST => &[
            Code::InvalidBody,
            Code::InvalidParameter,
            Code::RequestTimeout,
            Code::TooMany,
            Code::UnsupportedMediaType,
            Code::StorageUnavailable,
        ],
        "/webhooks" if *method == Method::POST => problems_of_keys("/keys", method),
        "/webhooks/{id}" | "/webhooks/{id}/replay" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::WebhookNotFound,
            Code::StorageUnavailable,
        ],
        "/keys/{id}" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::KeyNotFound,
            Code::StorageUnavailable,
        ],
        "/session" if *method == Method::POST => &[
            Code::InvalidBody,
            Code::InvalidParameter,
            Code::RequestTimeout,
            Code::Unauthenticated,
            Code::UnsupportedMediaType,
            Code::StorageUnavailable,
        ],
        "/keys" | "/session" | "/webhooks" => &[Code::InvalidParameter, Code::StorageUnavailable],
        _ => &[],
    }
}

fn add(operation: &mut Operation, dialect: Dialect, own: impl Iterator<Item = Code>) {
    let mut by_status: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in own.chain(EVERYWHERE.iter().copied()) {
        let codes = by_status.entry(dialect.status(code)).or_default();
        codes.push(code);
    }
    for (status, codes) in by_status {
        let problems = response(dialect, status, &codes);
        let responses = &mut operation.responses.responses;
        match responses.get_mut(status.as_str()) {
            // A route may answer with a document of its own, too.
            Some(RefOr::T(known)) => known.content.extend(problems.content),
            _ => {
                responses.insert(status.as_str().to_owned(), RefOr::T(problems));
            }
        }
    }
}

/// The answer with one of these problems.
fn response(dialect: Dialect, status: StatusCode, codes: &[Code]) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| match dialect {
            Dialect::Own => format!("`{}`: {}", code.as_str(), code.title()),
            Dialect::Imagga | Dialect::PhotoPrism => code.title().to_owned(),
        })
        .collect();
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().summary(code.title());
        let value = example_in(dialect, *code);
        (code.as_str(), example.value(Some(value)).build())
    });
    let schema = match dialect {
        Dialect::Own => "Problem",
        Dialect::Imagga => "ImaggaError",
        Dialect::PhotoPrism => "PhotoPrismError",
    };
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .examples_from_iter(examples)
        .build();
    let response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(dialect.media_type(), content);
    with_headers(response, dialect, status, codes).build()
}

fn with_headers(
    mut response: ResponseBuilder,
    dialect: Dialect,
    status: StatusCode,
    codes: &[Code],
) -> ResponseBuilder {
    if status == StatusCode::UNAUTHORIZED {
        let schemes = match dialect {
            Dialect::Imagga => "`Bearer`, and `Basic`.",
            Dialect::Own | Dialect::PhotoPrism => "`Bearer`.",
        };
        let header = HeaderBuilder::new()
            .schema(Some(Object::with_type(Type::String)))
            .description(Some(schemes));
        response = response.header("WWW-Authenticate", header.build());
    }
    if codes.contains(&Code::IdempotencyInProgress)
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    {
        let header = HeaderBuilder::new()
            .schema(Some(Object::with_type(Type::Integer)))
            .description(Some("How long to wait before the next try, in seconds."));
        response = response.header("Retry-After", header.build());
    }
    response
}

fn example_in(dialect: Dialect, code: Code) -> serde_json::Value {
    let text = "what is wrong this time";
    match dialect {
        Dialect::Own => example_of(code),
        Dialect::Imagga => json!({"status": {"text": text, "type": "error"}}),
        Dialect::PhotoPrism => json!({
            "id": "b5d1a9ec-9a54-4b8b-bf84-6b9a0c3f9d10",
            "code": dialect.status(code).as_u16(),
            "error": text,
        }),
    }
}

fn example_of(code: Code) -> serde_json::Value {
    let detail = "what is wrong this time";
    let mut example = json!({
        "type": code.type_uri(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": detail,
        "code": code.as_str(),
        "description": detail,
        "request_id": "0b8f6a52-6f0c-4f8e-9c46-1d9b7b1f7f55",
    });
    if let (Some(members), Some((name, value))) = (example.as_object_mut(), fact_of(code)) {
        members.insert(name.to_owned(), value);
    }
    example
}

/// The fact that a problem gives as a member of its own.
fn fact_of(code: Code) -> Option<(&'static str, serde_json::Value)> {
    Some(match code {
        Code::InvalidParameter => ("parameter", json!("min_confidence")),
        Code::InvalidQuery => ("position", json!(4)),
        Code::FetchingNotAllowed => ("setting", json!("fetch.allow")),
        Code::RangeNotSatisfiable => ("limit", json!(48_895)),
        Code::PayloadTooLarge => ("limit", json!(26_214_400)),
        Code::UriTooLong => ("limit", json!(16_384)),
        Code::HeadersTooLarge => ("limit", json!(32_768)),
        Code::ImageTooLarge => ("limit", json!(100_000_000)),
        Code::ImageTooComplex => ("limit", json!(1_000_000)),
        Code::UnsupportedFormat => ("format", json!("AVIF")),
        Code::CrossOrigin => ("setting", json!("server.cors_origins")),
        Code::Forbidden => ("scope", json!("upload")),
        Code::TooMany => ("limit", json!(1000)),
        Code::TooManyRequests => ("retry_after", json!(1)),
        Code::MisdirectedRequest => ("setting", json!("server.allowed_hosts")),
        _ if code.status() == StatusCode::SERVICE_UNAVAILABLE => ("retry_after", json!(5)),
        _ => return None,
    })
}
