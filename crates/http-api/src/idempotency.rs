//! The header `Idempotency-Key`: a request that is repeated has one effect.

use actix_web::http::header::HeaderMap;
use domain::{IdempotencyKey, RequestLease, service::Idempotency};
use tokio::{runtime::Handle, time::sleep};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::Instrument;

use crate::problem::Problem;

/// The name of the header.
pub(crate) const HEADER: &str = "Idempotency-Key";

/// The key in the headers, if there is one.
///
/// # Errors
/// `invalid-parameter`, naming the header.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut lines = headers.get_all(HEADER);
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(Problem::parameter(HEADER, "is given more than once"));
    }
    IdempotencyKey::parse(line.as_bytes())
        .map(Some)
        .map_err(|error| Problem::parameter(HEADER, format!("is not valid: {error}")))
}

/// A request that is carried out under its key. Its lease is renewed until this is dropped, and is cancelled then
/// unless the request was settled.
pub(crate) struct Attempt {
    lease: RequestLease,
    service: Idempotency,
    under_way: TaskTracker,
    runtime: Handle,
    is_settled: bool,
    _renewal: AbortOnDropHandle<()>,
}

impl Attempt {
    /// Begins to renew a lease on that runtime, whose tasks `under_way` counts.
    pub(crate) fn new(
        service: Idempotency,
        lease: RequestLease,
        under_way: TaskTracker,
        runtime: Handle,
    ) -> Self {
        let renewal = runtime.spawn(renew(service.clone(), lease).in_current_span());
        Self {
            lease,
            service,
            under_way,
            runtime,
            is_settled: false,
            _renewal: AbortOnDropHandle::new(renewal),
        }
    }

    /// The lease under which the image is recorded.
    pub(crate) fn lease(&self) -> RequestLease {
        self.lease
    }

    /// The request has its outcome, or it failed and leaves no trace: then its key is free once this returns.
    pub(crate) async fn settle(mut self, has_succeeded: bool) {
        if !has_succeeded {
            cancel(&self.service, &self.lease).await;
        }
        self.is_settled = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let (service, lease) = (self.service.clone(), self.lease);
        let work = async move { cancel(&service, &lease).await };
        self.under_way
            .spawn_on(work.in_current_span(), &self.runtime);
    }
}

async fn renew(service: Idempotency, lease: RequestLease) {
    loop {
        sleep(Idempotency::RENEWAL).await;
        match service.renew(&lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, "the lease of a request was not renewed"),
        }
    }
}

/// Where the database does not answer, the lease ends by itself.
async fn cancel(service: &Idempotency, lease: &RequestLease) {
    if let Err(error) = service.cancel(lease).await {
        tracing::warn!(%error, "the idempotency key of a failed request is free only in some seconds");
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;
    use crate::problem::Code;

    fn read(lines: &[&str]) -> Result<Option<IdempotencyKey>, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(HeaderName::from_static("idempotency-key"), value);
        }
        key(&headers)
    }

    #[test]
    fn the_key_is_visible_ascii_given_once() {
        assert_eq!(read(&[]).unwrap(), None);
        let longest = "k".repeat(255);
        for value in ["k", "\"8e03978e\"", &longest] {
            let expected = IdempotencyKey::parse(value.as_bytes()).unwrap();
            assert_eq!(read(&[value]).unwrap(), Some(expected));
        }
        let longer = "k".repeat(256);
        for lines in [&[""][..], &["a b"], &["ñ"], &[&longer], &["a", "a"]] {
            let problem = read(lines).unwrap_err();
            assert_eq!(problem.code(), Code::InvalidParameter);
            assert!(
                problem.to_string().contains("`Idempotency-Key`"),
                "{problem}"
            );
        }
    }
}
