//! Tags pictures by their content, after decoding them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use actix_web::rt::task;
use bytes::Bytes;

use crate::imagga::vocabulary;
use crate::picture::{self, Colour};

/// Pictures whose colour is cached, so that a load test with few pictures decodes few.
const COLOURS_KEPT: usize = 10_000;

/// Labels with confidences, best first.
pub(crate) type Labels = Vec<(String, f64)>;

/// The cache of colours, and the fixed tags.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    fixed: Mutex<Option<Labels>>,
    /// Mean colour by the digest of the bytes; `None` for undecodable ones.
    colours: Mutex<HashMap<u64, Option<Colour>>>,
}

impl Sight {
    /// Fixes the tags of every picture; `None` tags by content again.
    pub(crate) fn fix(&self, labels: Option<Labels>) {
        let sorted = labels.map(|mut labels| {
            labels.sort_by(|left, right| right.1.total_cmp(&left.1));
            labels
        });
        *self.fixed.lock().unwrap_or_else(PoisonError::into_inner) = sorted;
    }

    /// The tags of a picture; `None` if it cannot be decoded, even if the tags are fixed.
    pub(crate) async fn see(&self, bytes: Bytes) -> Option<Labels> {
        let colour = self.colour(bytes).await?;
        let fixed = self
            .fixed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Some(fixed.unwrap_or_else(|| vocabulary::see(colour)))
    }

    /// Decodes a picture, unless the same bytes were decoded before.
    async fn colour(&self, bytes: Bytes) -> Option<Colour> {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let digest = hasher.finish();
        if let Some(known) = self.known(digest) {
            return known;
        }
        let decoding = task::spawn_blocking(move || picture::mean_colour(&bytes));
        let colour = decoding.await.ok().flatten();
        self.remember(digest, colour);
        colour
    }

    #[expect(
        clippy::option_option,
        reason = "an unknown picture, and one known to be undecodable"
    )]
    fn known(&self, digest: u64) -> Option<Option<Colour>> {
        self.colours
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&digest)
            .copied()
    }

    fn remember(&self, digest: u64, colour: Option<Colour>) {
        let mut colours = self.colours.lock().unwrap_or_else(PoisonError::into_inner);
        if colours.len() >= COLOURS_KEPT {
            colours.clear();
        }
        colours.insert(digest, colour);
    }
}
