//! `/session`: session cookies for web pages.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    access::unknown_key,
    credentials::{cookie, no_cookie, session},
    forwarded::Forwarded,
    json_body::{self, JsonBody, Member},
    problem::Problem,
    queries,
    state::State,
};

/// The credential of a new session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSession)]
pub(crate) struct NewSessionBody {
    /// The key.
    #[schema(example = "etq_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    key: String,
}

impl JsonBody for NewSessionBody {
    const EXPECTED: &str = "an object with a text `key` and nothing else";
    const MEMBERS: &'static [Member] = &[Member::Text("key")];
    const IS_SECRET: bool = true;
}

/// Start a session.
///
/// The cookie grants what the key grants, for 30 days or until the key expires or is revoked. It replaces the session
/// of the request, if there is one.
#[utoipa::path(
    post,
    path = "/session",
    operation_id = "begin_session",
    tag = "keys",
    request_body(content = NewSessionBody, content_type = "application/json", description = "The key."),
    responses((
        status = 204, description = "The session is started.",
        headers(("Set-Cookie" = String, description = "The session cookie."))
    )),
)]
pub(crate) async fn post_session(
    request: HttpRequest,
    body: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    let body: NewSessionBody = json_body::read(&request, body, &state.settings).await?;
    let access = Arc::clone(&state.access);
    let token = state
        .read(async move { access.begin_session(&body.key).await })
        .await?
        .ok_or_else(unknown_key)?;
    end(&request, &state).await?;
    let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
    let cookie = cookie(token.expose(), &origin.prefix, origin.is_https);
    Ok(answer(cookie))
}

/// End the session, if there is one.
#[utoipa::path(
    delete,
    path = "/session",
    operation_id = "end_session",
    tag = "keys",
    responses((
        status = 204, description = "There is no session.",
        headers(("Set-Cookie" = String, description = "Removes the cookie."))
    )),
)]
pub(crate) async fn delete_session(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    queries::nothing(request.query_string())?;
    end(&request, &state).await?;
    let origin = Forwarded::of(&request, &state.settings.trusted_proxies);
    Ok(answer(no_cookie(&origin.prefix, origin.is_https)))
}

/// Ends the session of a request.
async fn end(request: &HttpRequest, state: &State) -> Result<(), Problem> {
    let Some(token) = session(request.headers()).map(str::to_owned) else {
        return Ok(());
    };
    let access = Arc::clone(&state.access);
    state
        .read(async move { access.end_session(&token).await })
        .await
}

fn answer(cookie: String) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::SET_COOKIE, cookie))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
