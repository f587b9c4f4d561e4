//! The interface as an OpenAPI document.

mod dates;

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use serde_json::json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, Object, OpenApi as Document, Ref, RefOr, Response,
        ResponseBuilder, Type,
        example::ExampleBuilder,
        path::{Operation, PathItem},
    },
};

use super::{
    problem::{self, Code, ProblemBody},
    routes,
};

/// The interface as an `OpenAPI` 3.1 document.
pub fn openapi() -> Document {
    Interface::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Etiqueta",
        description = "Registers images, finds out what is in them, and answers questions about both.\n\n\
            Every answer carries `X-Request-Id`: the request's own one (1 to 128 of `A-Z a-z 0-9 . _ -`) \
            or a new one. Errors are problem documents (RFC 9457); their `code` never changes its \
            meaning. Every 503 carries `Retry-After`. `HEAD` answers as `GET` does, without the body; \
            `OPTIONS` answers 204 with `Allow`. An unknown or repeated query parameter is an error.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        routes::post_image,
        routes::get_image,
        routes::list_images,
        routes::list_tags,
        routes::livez,
        routes::readyz,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "images", description = "Images and their tags"),
        (name = "tags", description = "How tags are used"),
        (name = "operations", description = "For those who run the server"),
    ),
    modifiers(&Problems, &Dates),
)]
struct Interface;

/// Adds the problems of each route.
struct Problems;

/// Says what dates look like.
struct Dates;

impl Modify for Dates {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            operations(item).for_each(dates::describe);
        }
    }
}

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
            let own = problems_of(path);
            for operation in operations(item) {
                add(operation, own);
            }
        }
    }
}

/// What can go wrong on a route, beside what can everywhere.
fn problems_of(path: &str) -> &'static [Code] {
    match path {
        "/image" => &[
            Code::InvalidBody,
            Code::InvalidBase64,
            Code::InvalidParameter,
            Code::RequestTimeout,
            Code::PayloadTooLarge,
            Code::UnsupportedMediaType,
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
        "/image/{id}" => &[
            Code::InvalidId,
            Code::InvalidParameter,
            Code::ImageNotFound,
            Code::StorageUnavailable,
        ],
        "/images" | "/tags" => &[Code::InvalidParameter, Code::StorageUnavailable],
        _ => &[],
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

fn add(operation: &mut Operation, own: &[Code]) {
    let mut by_status: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in own.iter().chain(EVERYWHERE) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    for (status, codes) in by_status {
        let problems = response(status, &codes);
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
fn response(status: StatusCode, codes: &[Code]) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
        .collect();
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().summary(code.title());
        (
            code.as_str(),
            example.value(Some(example_of(*code))).build(),
        )
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(problem::MEDIA_TYPE, content);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let header = HeaderBuilder::new()
            .schema(Some(Object::with_type(Type::Integer)))
            .description(Some("How long to wait before the next try, in seconds."));
        response = response.header("Retry-After", header.build());
    }
    response.build()
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
        Code::PayloadTooLarge => ("limit", json!(26_214_400)),
        Code::UriTooLong => ("limit", json!(16_384)),
        Code::HeadersTooLarge => ("limit", json!(32_768)),
        Code::ImageTooLarge => ("limit", json!(100_000_000)),
        Code::ImageTooComplex => ("limit", json!(1_000_000)),
        Code::UnsupportedFormat => ("format", json!("HEIC")),
        Code::MisdirectedRequest => ("setting", json!("server.allowed_hosts")),
        _ if code.status() == StatusCode::SERVICE_UNAVAILABLE => ("retry_after", json!(5)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::to_value(openapi()).unwrap()
    }

    #[test]
    fn the_committed_document_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let current = openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &current).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == current,
            "docs/openapi.json is not what the program says. To update it, run\n    \
             UPDATE_OPENAPI=1 cargo test -p etiqueta the_committed_document_is_this_one"
        );
    }

    #[test]
    fn every_problem_is_documented() {
        let mut documented = BTreeSet::new();
        let text = document()["paths"].to_string();
        for code in Code::ALL {
            if text.contains(&format!("\"code\":\"{}\"", code.as_str())) {
                documented.insert(code.as_str());
            }
        }
        let all: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let beside_routes = ["method-not-allowed", "route-not-found"];
        let missing: Vec<_> = all.difference(&documented).copied().collect();
        assert_eq!(missing, beside_routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(Value::String(reference)) = members.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    members.values().for_each(|member| walk(member, document));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, document)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
        assert_eq!(document["openapi"], "3.1.0");
    }
}
