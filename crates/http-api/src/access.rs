//! Authorization of requests, and their rate limit.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpMessage as _, HttpRequest, web::Data};
use domain::{Scope, service::Caller};

use crate::{
    credentials::{Credential, basic_password, has_key, unauthenticated},
    forwarded::Forwarded,
    problem::{Code, Dialect, Problem},
    rate_limit::Client,
    rights::Right,
    state::State,
};

/// Authenticates and authorizes a request, and counts it against its rate limit. The handler finds the [`Caller`], if
/// there is one, in the extensions of the request.
///
/// A key in a header must be valid even where none is required, so that its sender learns of a revocation. An expired
/// session counts as no credential, as browsers keep sending the cookie. HTTP Basic counts in Imagga's dialect alone:
/// elsewhere it belongs to a proxy.
pub(crate) async fn authorize(
    state: &Data<State>,
    request: &HttpRequest,
    right: Right,
    dialect: Dialect,
) -> Result<(), Problem> {
    if right == Right::Probe {
        return Ok(());
    }
    let scope = right.scope(state.settings.keys);
    let caller = match right {
        Right::Open => Ok(None),
        _ if dialect == Dialect::Imagga && !has_key(request.headers()) => {
            caller_by_password(state, request, scope).await
        }
        _ => caller(state, request, scope).await,
    };
    count(
        state,
        request,
        caller.as_ref().ok().and_then(Option::as_ref),
    )?;
    let caller = caller?;
    if let Some(caller) = &caller {
        note_use(state, caller);
    }
    if let Some(scope) = scope {
        require(caller.as_ref(), scope)?;
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    Ok(())
}

/// The caller with a key as the password of HTTP Basic. Another password counts only if a scope is required: programs
/// send what they have for Imagga.
async fn caller_by_password(
    state: &Data<State>,
    request: &HttpRequest,
    scope: Option<Scope>,
) -> Result<Option<Caller>, Problem> {
    let Some(password) = basic_password(request.headers()) else {
        return caller(state, request, scope).await;
    };
    let access = Arc::clone(&state.access);
    let found = state.read(async move { access.by_key(&password).await });
    match (found.await?, scope) {
        (None, Some(_)) => Err(unknown_key()),
        (found, _) => Ok(found),
    }
}

/// The caller. A session is looked up only if a scope is required.
async fn caller(
    state: &Data<State>,
    request: &HttpRequest,
    scope: Option<Scope>,
) -> Result<Option<Caller>, Problem> {
    let access = Arc::clone(&state.access);
    match Credential::from_headers(request.headers())? {
        Credential::Key(key) => {
            let caller = state.read(async move { access.by_key(&key).await }).await?;
            caller.map(Some).ok_or_else(unknown_key)
        }
        Credential::Session(token) if scope.is_some() => {
            state
                .read(async move { access.by_session(&token).await })
                .await
        }
        Credential::Session(_) | Credential::None => Ok(None),
    }
}

/// The problem of an invalid key. It does not say which reason applies.
pub(crate) fn unknown_key() -> Problem {
    unauthenticated("the key is not known, has expired or was revoked")
}

/// Requires a right beyond the one of the route. The request must have been authorized.
pub(crate) fn require_further(
    state: &State,
    request: &HttpRequest,
    right: Right,
) -> Result<(), Problem> {
    match right.scope(state.settings.keys) {
        None => Ok(()),
        Some(scope) => require(request.extensions().get::<Caller>(), scope),
    }
}

fn require(caller: Option<&Caller>, scope: Scope) -> Result<(), Problem> {
    match caller {
        Some(caller) if caller.may(scope) => Ok(()),
        Some(_) => Err(forbidden(scope)),
        None => Err(unauthenticated(&format!(
            "this request requires a key with the scope `{scope}`: send it as `Authorization: Bearer …` or `X-API-Key: …`"
        ))),
    }
}

fn forbidden(scope: Scope) -> Problem {
    let detail = format!("the key lacks the scope `{scope}`");
    Problem::new(Code::Forbidden, detail).scope(scope.as_str())
}

/// Counts a request against the limit of its key, or of its address without one.
fn count(state: &State, request: &HttpRequest, caller: Option<&Caller>) -> Result<(), Problem> {
    let client = match caller {
        Some(caller) => Client::Key(caller.holder),
        None => Client::Address(Forwarded::of(request, &state.settings.trusted_proxies).client),
    };
    let admitted = state.rate_limit.admit(client, Instant::now());
    admitted.map_err(|wait| {
        let limit = state.settings.requests_per_minute;
        let detail = format!("more than {limit} requests a minute");
        Problem::new(Code::TooManyRequests, detail)
            .limit(limit.into())
            .setting("limits.requests_per_minute")
            .retry_after(Some(wait))
    })
}

/// Records the use of a key in the background: the request does not wait for it.
fn note_use(state: &Data<State>, caller: &Caller) {
    let Some(id) = state.access.due(caller) else {
        return;
    };
    let access = Arc::clone(&state.access);
    let work = async move {
        if let Err(error) = access.note_use(&id).await {
            tracing::warn!(key = %id, %error, "the use of a key was not recorded");
        }
    };
    state.under_way.spawn_on(work, &state.runtime);
}
