//! What the server asks of a fake.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde_json::Value;

use crate::call::{Call, Reply};
use crate::fault::Route;
use crate::traffic::Traffic;

/// One of the services that are imitated.
pub(crate) trait Upstream: Send + Sync + 'static {
    fn traffic(&self) -> &Arc<Traffic>;

    fn route(&self, call: &Call) -> Route;

    /// Calls that may be in flight at once.
    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn answer(&self, route: Route, call: &Call, http: &reqwest::Client) -> Reply;

    /// The service's own error body for a status that is forced upon it.
    fn failure(&self, status: StatusCode) -> Reply;

    /// Adds the headers that every answer carries.
    fn sign(&self, reply: Reply) -> Reply;

    /// Takes new settings, a JSON object; one that it does not know is an error.
    fn apply(&self, settings: &[u8]) -> Result<(), serde_json::Error>;

    /// What the control endpoint tells beside the traffic, a JSON object.
    fn stats(&self) -> Value;

    /// Forgets everything that was sent here; settings stay.
    fn reset(&self);

    /// Answers what only this fake's control endpoint knows.
    fn control(&self, call: &Call, action: &str) -> Option<Reply>;
}
