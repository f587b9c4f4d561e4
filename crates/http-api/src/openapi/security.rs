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
    problem::Dialect,
    rights::{self, Right},
};

/// Adds the security requirements of each operation, from the table of rights.
pub(super) struct Security;

/// The scheme of Imagga's clients.
const BASIC: &str = "basic";

/// Names and schemes.
fn schemes() -> [(&'static str, SecurityScheme); 4] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An API key."))
        .build();
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(
            "An API key as the password. The user counts for nothing.",
        ))
        .build();
    let header = ApiKeyValue::with_description("X-API-Key", "An API key.");
    let cookie = ApiKeyValue::with_description(COOKIE, "A session, from `POST /session`.");
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("header", SecurityScheme::ApiKey(ApiKey::Header(header))),
        (BASIC, SecurityScheme::Http(basic)),
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
                let takes_basic = Dialect::of_path(path) == Dialect::Imagga;
                let right = rights::right(path, &method);
                operation.security = right.map(|right| requirements(right, takes_basic));
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
fn requirements(right: Right, takes_basic: bool) -> Vec<SecurityRequirement> {
    let (scope, is_optional) = match right {
        Right::Probe | Right::Open => return Vec::new(),
        Right::Common(scope) | Right::Change(scope) => (scope, true),
        Right::Always(scope) => (scope, false),
    };
    let nothing = is_optional.then(SecurityRequirement::default);
    let schemes = schemes().into_iter().map(|(name, _)| name);
    let keys = schemes
        .filter(|name| takes_basic || *name != BASIC)
        .map(|name| SecurityRequirement::new(name, [scope.as_str()]));
    nothing.into_iter().chain(keys).collect()
}
