//! The search for codes.

use std::num::NonZeroUsize;

use async_trait::async_trait;

use super::{CodeNumber, ImageStoreError};
use crate::{Code, FeatureModel};

/// Finds the codes that are nearest to one.
#[async_trait]
pub trait SimilarityIndex: Send + Sync {
    /// The codes of a model that differ least from `code`, nearest first (ties: the latest first), at most `count`.
    /// Fewer than `count` means that these are all of that length.
    ///
    /// Everything is found that was kept before the call, by whatever server. What was removed since may be among
    /// the codes: callers look up what a code stands for.
    ///
    /// # Errors
    /// Those of the store of codes, and [`ImageStoreError::Unavailable`] while too many callers wait.
    async fn nearest(
        &self,
        model: &FeatureModel,
        code: &Code,
        count: NonZeroUsize,
    ) -> Result<Vec<Neighbour>, ImageStoreError>;
}

/// A code that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Its number.
    pub code: CodeNumber,
    /// In how many bits it differs.
    pub distance: u32,
}
