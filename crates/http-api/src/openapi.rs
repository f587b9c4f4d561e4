//! The interface as an OpenAPI document.

mod dates;
mod problems;
mod security;

use utoipa::{Modify, OpenApi, openapi::OpenApi as Document};

use self::{
    problems::Problems,
    security::{Security, operations},
};
use super::{
    problem::{ImaggaErrorBody, PhotoPrismErrorBody, ProblemBody},
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
            meaning. Every 429 and 503 carries `Retry-After`. `HEAD` answers as `GET` does, without the body; \
            `OPTIONS` answers 204 with `Allow`. An unknown or repeated query parameter is an error.\n\n\
            The setting `auth.required` decides which requests take a key: none, those that change or \
            remove something, or all. A key is sent as `Authorization: Bearer …` or `X-API-Key: …`; one \
            that is not valid is refused also where none is needed. What changes something and comes from \
            a page of another site, without a key in a header, is refused.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        routes::post_image,
        routes::post_tag,
        routes::get_image,
        routes::get_file,
        routes::get_info,
        routes::delete_image,
        routes::get_tags,
        routes::edit_tags,
        routes::retag,
        routes::get_thumbnail,
        routes::get_similar,
        routes::get_duplicates,
        routes::list_images,
        routes::list_tags,
        routes::get_confidences,
        routes::list_taggers,
        routes::list_vocabulary,
        routes::get_entry,
        routes::put_entry,
        routes::delete_entry,
        routes::post_job,
        routes::list_jobs,
        routes::get_job,
        routes::delete_job,
        routes::imagga_get_tags,
        routes::imagga_post_tags,
        routes::imagga_post_upload,
        routes::imagga_delete_upload,
        routes::imagga_usage,
        routes::photoprism_labels,
        routes::post_key,
        routes::list_keys,
        routes::delete_key,
        routes::post_webhook,
        routes::list_webhooks,
        routes::delete_webhook,
        routes::replay_webhook,
        routes::post_session,
        routes::delete_session,
        routes::livez,
        routes::readyz,
        routes::metrics,
    ),
    components(schemas(
        ProblemBody,
        ImaggaErrorBody<'static>,
        PhotoPrismErrorBody<'static>,
        routes::ScopeBody,
        routes::EventBody
    )),
    tags(
        (name = "images", description = "Images and their tags"),
        (name = "tags", description = "Tags of pictures, and how tags are used"),
        (name = "vocabulary", description = "Which tags are one and the same, which imply others, and which are not wanted"),
        (name = "jobs", description = "Changes of many images, carried out in the background"),
        (name = "keys", description = "API keys, and the sessions that stand for them"),
        (name = "webhooks", description = "Endpoints that are told of events"),
        (name = "compatible", description = "For programs that were written for Imagga, and for PhotoPrism"),
        (name = "operations", description = "For those who run the server"),
    ),
    modifiers(&Problems, &Dates, &Security),
)]
struct Interface;

/// Says what dates look like.
struct Dates;

impl Modify for Dates {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            operations(item).for_each(|(_, operation)| dates::describe(operation));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use serde_json::Value;

    use super::*;
    use crate::{
        problem::Code,
        rights::{self, Right},
    };

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
             UPDATE_OPENAPI=1 cargo test -p http-api the_committed_document_is_this_one"
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
        // Those of uploads are in Imagga's words, which have no code.
        let beside_routes = [
            "method-not-allowed",
            "route-not-found",
            "upload-expired",
            "upload-not-found",
        ];
        let missing: Vec<_> = all.difference(&documented).copied().collect();
        assert_eq!(missing, beside_routes);
    }

    #[test]
    fn every_operation_says_which_key_it_takes() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let what = format!("{method} {path}");
                let method = method.to_uppercase().parse().unwrap();
                let right = rights::right(path, &method).expect(&what);
                let is_open = matches!(right, Right::Probe | Right::Open);
                let security = operation["security"].as_array().expect(&what);
                assert_eq!(security.is_empty(), is_open, "{what}");
                let refused = operation["responses"]["401"].to_string();
                let is_documented = refused.contains("unauthenticated");
                assert!(is_documented || is_open, "{what}");
            }
        }
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
