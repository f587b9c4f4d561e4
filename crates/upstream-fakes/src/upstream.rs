//! The interface of a fake to its server.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::Value;

use crate::call::{Call, Reply};
use crate::fault::Route;
use crate::traffic::Traffic;

/// One of the imitated services.
pub(crate) trait Upstream: Send + Sync + 'static {
    fn traffic(&self) -> &Arc<Traffic>;

    fn route(&self, call: &Call) -> Route;

    /// Calls that may be in flight at once.
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn answer(&self, route: Route, call: &Call, http: &reqwest::Client) -> Reply;

    /// The service's own error body for a forced status.
    fn failure(&self, status: StatusCode) -> Reply;

    /// Adds the headers of every response.
    fn sign(&self, reply: Reply) -> Reply;

    /// Applies new settings, a JSON object; unknown ones are an error.
    fn apply(&self, settings: &[u8]) -> Result<(), serde_json::Error>;

    /// The statistics of the control endpoint besides the traffic, a JSON object.
    fn stats(&self) -> Value;

    /// Drops everything that was sent; settings stay.
    fn reset(&self);

    /// Answers actions that only this fake's control endpoint has.
    fn control(&self, call: &Call, action: &str) -> Option<Reply>;
}
