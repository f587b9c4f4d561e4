//! Requests that may be repeated under an idempotency key.

use actix_web::{HttpMessage as _, HttpRequest};
use domain::{IdempotencyKey, ImageId, RequestFingerprint, ports::Begun, service::Caller};

use crate::{
    idempotency::{Attempt, HEADER},
    problem::{Code, Problem},
    state::State,
};

/// What becomes of a request under its key.
pub(super) enum Request {
    /// It is carried out.
    New(Attempt),
    /// It was carried out before, and registered this image.
    Done(ImageId),
}

/// Begins a request under its key.
///
/// # Errors
/// `idempotency-mismatch` and `idempotency-in-progress`.
pub(super) async fn begin(
    state: &State,
    request: &HttpRequest,
    key: IdempotencyKey,
    fingerprint: RequestFingerprint,
) -> Result<Request, Problem> {
    let holder = request
        .extensions()
        .get::<Caller>()
        .map(|caller| caller.holder);
    let service = state.idempotency.clone();
    let begun = state
        .read(async move { service.begin(holder, &key, fingerprint).await })
        .await?;
    match begun {
        Begun::Started(lease) => Ok(Request::New(Attempt::new(
            state.idempotency.clone(),
            lease,
            state.under_way.clone(),
            state.runtime.clone(),
        ))),
        Begun::Done(image) => Ok(Request::Done(image)),
        Begun::InProgress => Err(Problem::in_progress()),
        Begun::Mismatch => Err(Problem::new(
            Code::IdempotencyMismatch,
            format!("`{HEADER}` was used for another request; use a new key for this one"),
        )),
    }
}
