//! Security schemes and requirements.

use actix_web::http::Method;
use utoipa::{
    Modify,
    openapi::{
        OpenApi as Document,
        path::{Operation, PathItem},
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
    },
};

use crate::{
    credentials::COOKIE,
    rights::{self, Right},
};

/// Adds the security requirements of each operation, from the table of rights.
pub(super) struct Security;

/// Names and schemes.
fn schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key."))
        .build();
    let header = ApiKeyValue::with_description("X-API-Key", "An API key.");
    let cookie = ApiKeyValue::with_description(COOKIE, "A session, from `POST /session`.");
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("header", SecurityScheme::ApiKey(ApiKey::Header(header))),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        for (name, scheme) in schemes() {
            components.add_security_scheme(name, scheme);
        }
        for (path, item) in &mut document.paths.paths {
            for (method, operation) in operations(item) {
                operation.security = rights::right(path, &method).map(requirements);
            }
        }
    }
}

/// The operations of a path, with their methods.
pub(super) fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let operations = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    operations
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// The alternatives. An empty one is added if the setting `auth.required` decides.
fn requirements(right: Right) -> Vec<SecurityRequirement> {
    let (scope, is_optional) = match right {
        Right::Probe | Right::Open => return Vec::new(),
        Right::Common(scope) | Right::Change(scope) => (scope, true),
        Right::Always(scope) => (scope, false),
    };
    let nothing = is_optional.then(SecurityRequirement::default);
    let keys = schemes().map(|(name, _)| SecurityRequirement::new(name, [scope.as_str()]));
    nothing.into_iter().chain(keys).collect()
}
