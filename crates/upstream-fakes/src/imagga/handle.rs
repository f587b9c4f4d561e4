//! The test's handle of the Imagga fake.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::imagga::state::State;
use crate::imagga::vocabulary;
use crate::picture;
use crate::traffic::Traffic;

/// A running Imagga fake.
#[derive(Debug, Clone)]
pub struct Imagga {
    state: Arc<State>,
}

/// The fake's tags of a picture in English, best first: label and confidence (0–100). `None` if it cannot
/// decode the picture.
pub fn tags_of(picture: &[u8]) -> Option<Vec<(String, f64)>> {
    picture::mean_colour(picture).map(vocabulary::see)
}

impl Imagga {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// `http://127.0.0.1:port`, for `imagga.base_url`.
    pub fn url(&self) -> &str {
        &self.state.origin
    }

    /// The API key that is accepted.
    pub fn api_key(&self) -> &str {
        &self.state.settings.api_key
    }

    /// The API secret that is accepted.
    pub fn api_secret(&self) -> &str {
        &self.state.settings.api_secret
    }

    /// Counters, recorded requests and faults.
    pub fn traffic(&self) -> &Traffic {
        &self.state.traffic
    }

    /// Fixes the tags of every picture: English labels and confidences (0–100). A picture that cannot be
    /// fetched or decoded is still rejected.
    pub fn always_see<L: Into<String>>(&self, labels: impl IntoIterator<Item = (L, f64)>) {
        let labels = labels
            .into_iter()
            .map(|(label, confidence)| (label.into(), confidence));
        self.state.sight.fix(Some(labels.collect()));
    }

    /// Tags pictures by their content again.
    pub fn look_again(&self) {
        self.state.sight.fix(None);
    }

    /// Taggings left in this month.
    pub fn quota_remaining(&self) -> u64 {
        self.state.quota().remaining()
    }

    /// Sets the rest of the quota, and optionally the time until the next month.
    pub fn set_quota(&self, remaining: u64, reset_in: Option<Duration>) {
        self.state.quota().set(remaining, reset_in);
    }

    /// Limits the calls in flight; excess ones get 429.
    pub fn set_max_concurrency(&self, limit: Option<usize>) {
        self.state.set_max_concurrency(limit.unwrap_or(usize::MAX));
    }

    /// Sets how long uploads are kept (a day by default), including existing ones.
    pub fn set_upload_lifetime(&self, lifetime: Duration) {
        self.state.uploads().lifetime = lifetime;
    }

    /// Uploads neither deleted nor expired.
    pub fn alive(&self) -> usize {
        self.state.uploads().alive()
    }

    /// Most uploads that existed at once.
    pub fn peak_alive(&self) -> usize {
        self.state.uploads().peak_alive
    }

    /// Pictures ever uploaded to Imagga itself.
    pub fn uploads(&self) -> u64 {
        self.state.uploads().stored
    }

    /// Uploads deleted.
    pub fn releases(&self) -> u64 {
        self.state.uploads().deleted
    }

    /// Pictures uploaded and not deleted yet, in that order.
    pub fn pictures(&self) -> Vec<Bytes> {
        self.state.uploads().pictures()
    }
}
