//! What a test holds of the Imagga fake.

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

/// What the fake answers for a picture in English, best first: label and confidence (0–100).
/// None when it cannot decode the picture.
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

    /// Counters, record and faults.
    pub fn traffic(&self) -> &Traffic {
        &self.state.traffic
    }

    /// Fixes the answer for every picture: English labels and confidences (0–100). A picture that
    /// cannot be fetched or decoded is refused nevertheless.
    pub fn always_see<L: Into<String>>(&self, labels: impl IntoIterator<Item = (L, f64)>) {
        let labels = labels
            .into_iter()
            .map(|(label, confidence)| (label.into(), confidence));
        self.state.sight.fix(Some(labels.collect()));
    }

    /// Goes back to looking at the pictures.
    pub fn look_again(&self) {
        self.state.sight.fix(None);
    }

    /// Taggings left in this month.
    pub fn quota_remaining(&self) -> u64 {
        self.state.quota().remaining()
    }

    /// Sets what is left of the quota, and the time until the next month when it is given.
    pub fn set_quota(&self, remaining: u64, reset_in: Option<Duration>) {
        self.state.quota().set(remaining, reset_in);
    }

    /// Limits the calls in flight at once; those beyond it get 429.
    pub fn set_max_concurrency(&self, limit: Option<usize>) {
        self.state.set_max_concurrency(limit.unwrap_or(usize::MAX));
    }

    /// Sets how long uploads are kept (a day by default); older ones count too.
    pub fn set_upload_lifetime(&self, lifetime: Duration) {
        self.state.uploads().lifetime = lifetime;
    }

    /// Uploads neither deleted nor expired.
    pub fn alive(&self) -> usize {
        self.state.uploads().alive()
    }

    /// Most uploads that were alive at once.
    pub fn peak_alive(&self) -> usize {
        self.state.uploads().peak_alive
    }

    /// Pictures that were ever uploaded to Imagga itself.
    pub fn uploads(&self) -> u64 {
        self.state.uploads().stored
    }

    /// Uploads that were deleted.
    pub fn releases(&self) -> u64 {
        self.state.uploads().deleted
    }

    /// Pictures uploaded and not deleted yet, in that order.
    pub fn pictures(&self) -> Vec<Bytes> {
        self.state.uploads().pictures()
    }
}
