//! `/keys`: the API keys.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web::{Data, Payload},
};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::{ApiKey, KeyId, KeyName, KeySecret, Scope, Scopes, service::KeyRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::path;
use crate::{
    json_body::{self, JsonBody, Member},
    params,
    problem::{Code, Problem},
    queries,
    response::{self, date},
    state::State,
};

/// The words for [`ScopeBody`].
const SCOPES: &[&str] = &["read", "tag", "upload", "write", "metrics", "admin"];

/// A permission of a key.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scope)]
pub(crate) enum ScopeBody {
    /// Reading.
    Read,
    /// Tagging pictures without registering them.
    Tag,
    /// Registering images.
    Upload,
    /// Changing and removing images and tags; includes `read`, `tag` and `upload`.
    Write,
    /// Reading the metrics.
    Metrics,
    /// Everything.
    Admin,
}

/// A new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct NewKeyBody {
    /// Its name: 1 to 100 characters, no control characters.
    #[schema(min_length = 1, example = "phone")]
    name: String,
    /// Its permissions.
    #[schema(min_items = 1, example = json!(["read", "upload"]))]
    scopes: Vec<ScopeBody>,
    /// The last second, or day, of its validity; a date as in `/images`. Without it, the key does not expire.
    #[schema(nullable = false, example = "2999-12-31 23:59:59")]
    expires: Option<String>,
}

/// A created key, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedKey)]
pub(crate) struct CreatedKeyBody<'a> {
    /// Its id.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// Its name.
    #[schema(example = "phone")]
    name: &'a str,
    /// Its permissions.
    scopes: Vec<ScopeBody>,
    /// The last second of its validity; null if it does not expire.
    #[schema(example = "2999-12-31 23:59:59")]
    expires: Option<String>,
    /// The secret. No other response contains it.
    #[schema(example = "etq_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    key: &'a str,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyBody<'a> {
    /// Its id.
    #[schema(format = Uuid, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777")]
    id: String,
    /// Its name.
    #[schema(example = "phone")]
    name: &'a str,
    /// Its permissions.
    scopes: Vec<ScopeBody>,
    /// When it was created.
    #[schema(example = "2024-01-11 10:04:35")]
    created: String,
    /// The last second of its validity; null if it does not expire.
    #[schema(example = "2999-12-31 23:59:59")]
    expires: Option<String>,
    /// When it was last used, to a minute; null if never.
    #[schema(example = "2024-01-12 08:00:00")]
    last_used: Option<String>,
}

impl JsonBody for NewKeyBody {
    const EXPECTED: &str = "an object with `name`, `scopes` and, if need be, `expires`";
    const MEMBERS: &'static [Member] = &[
        Member::Text("name"),
        Member::Words("scopes", SCOPES),
        Member::OptionalText("expires"),
    ];
    const IS_SECRET: bool = false;
}

/// Create a key.
///
/// Only this response contains the secret; the server stores its digest.
#[utoipa::path(
    post,
    path = "/keys",
    operation_id = "create_key",
    tag = "keys",
    request_body(content = NewKeyBody, content_type = "application/json", description = "The key."),
    responses((status = 201, body = CreatedKeyBody, description = "The key is created.")),
)]
pub(crate) async fn post_key(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let body: NewKeyBody = json_body::read(&request, body, &state.settings).await?;
    let zone = state.settings.timezone;
    let asked = wanted(&body, zone)?;
    let keys = state.keys.clone();
    let (key, secret) = state.read(async move { keys.create(asked).await }).await?;
    Ok(HttpResponse::Created()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(response::to_json(&created(&key, &secret, zone))?))
}

/// List the keys, oldest first, without their secrets.
#[utoipa::path(
    get,
    path = "/keys",
    operation_id = "list_keys",
    tag = "keys",
    responses((status = 200, body = Vec<KeyBody>, description = "The keys, expired ones included.")),
)]
pub(crate) async fn list_keys(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let (keys, zone) = (state.keys.clone(), state.settings.timezone);
    let keys = state.read(async move { keys.list().await }).await?;
    let keys: Vec<_> = keys.iter().map(|key| listed(key, zone)).collect();
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(response::to_json(&keys)?))
}

/// Revoke a key.
///
/// The key and its sessions are refused from the next request on.
#[utoipa::path(
    delete,
    path = "/keys/{id}",
    operation_id = "revoke_key",
    tag = "keys",
    params((
        "id" = Uuid, Path, example = "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777",
        description = "The id of the key: a UUID of 36 characters."
    )),
    responses((status = 204, description = "The key is revoked.")),
)]
pub(crate) async fn delete_key(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let id: KeyId = path::id(&request)?;
    let keys = state.keys.clone();
    if state.read(async move { keys.revoke(&id).await }).await? {
        Ok(HttpResponse::NoContent().finish())
    } else {
        let detail = format!("there is no key {id}");
        Err(Problem::new(Code::KeyNotFound, detail))
    }
}

/// Validates a body.
fn wanted(body: &NewKeyBody, zone: Tz) -> Result<KeyRequest, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidBody, detail);
    let scopes = body.scopes.iter().map(|scope| Scope::from(*scope));
    let expiry = |text| params::last_instant(text, zone);
    let expires_at = body.expires.as_deref().map(expiry).transpose();
    Ok(KeyRequest {
        name: KeyName::parse(&body.name).map_err(|error| wrong(format!("`name`: {error}")))?,
        scopes: Scopes::new(scopes).ok_or_else(|| wrong("`scopes` is empty".to_owned()))?,
        expires_at: expires_at.map_err(|error| wrong(format!("`expires` {error}")))?,
    })
}

fn created<'a>(key: &'a ApiKey, secret: &'a KeySecret, zone: Tz) -> CreatedKeyBody<'a> {
    CreatedKeyBody {
        id: key.id.to_string(),
        name: key.name.as_str(),
        scopes: scopes(key),
        expires: key.expires_at.map(|at| expiry(at, zone)),
        key: secret.expose(),
    }
}

fn listed(key: &ApiKey, zone: Tz) -> KeyBody<'_> {
    KeyBody {
        id: key.id.to_string(),
        name: key.name.as_str(),
        scopes: scopes(key),
        created: date(key.created_at, zone),
        expires: key.expires_at.map(|at| expiry(at, zone)),
        last_used: key.last_used_at.map(|at| date(at, zone)),
    }
}

fn scopes(key: &ApiKey) -> Vec<ScopeBody> {
    key.scopes.iter().map(ScopeBody::from).collect()
}

/// The last second of validity, for an exclusive expiry.
fn expiry(void_at: DateTime<Utc>, zone: Tz) -> String {
    date(void_at - TimeDelta::microseconds(1), zone)
}

impl From<ScopeBody> for Scope {
    fn from(body: ScopeBody) -> Self {
        match body {
            ScopeBody::Read => Self::Read,
            ScopeBody::Tag => Self::Tag,
            ScopeBody::Upload => Self::Upload,
            ScopeBody::Write => Self::Write,
            ScopeBody::Metrics => Self::Metrics,
            ScopeBody::Admin => Self::Admin,
        }
    }
}

impl From<Scope> for ScopeBody {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Tag => Self::Tag,
            Scope::Upload => Self::Upload,
            Scope::Write => Self::Write,
            Scope::Metrics => Self::Metrics,
            Scope::Admin => Self::Admin,
        }
    }
}
