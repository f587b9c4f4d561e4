//! Counts images.

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{ImageQuery, PageKey};

/// Some of the images that match a query, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// How many they are.
    pub images: u64,
    /// The cursor behind them; `None` if there are no others.
    pub next: Option<PageKey>,
}

/// Counts the images that match a query, in strides: each call does a bounded amount of work, however many images
/// there are, so that a count can be given up between two calls.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageCounter: Send + Sync {
    /// Counts the next images of the list after a cursor. There may be none of them in a stride that is not the
    /// last one.
    async fn count_images(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
    ) -> Result<Counted, ImageStoreError>;
}
