//! The codes of all originals, for those who search them.

use std::{collections::HashMap, num::NonZeroU32};

use async_trait::async_trait;

use super::ImageStoreError;
use crate::{Code, FeatureModel, Features, UntaggedImage};

/// The number of a code that is kept. Each code that is kept gets another one, greater than those before it; but codes
/// that are kept at the same time may become visible in another order than that of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CodeNumber(pub u64);

/// Reads the codes of all originals, in the order in which they were kept.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// The codes of a model with numbers greater than `after`, in the order of their numbers, at most `limit`. Fewer
    /// than `limit` means that there are no more. Originals without a code are left out.
    async fn codes(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, Code)>, ImageStoreError>;

    /// Like [`codes`](Self::codes), their numbers alone, which costs less.
    async fn code_numbers(
        &self,
        model: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<CodeNumber>, ImageStoreError>;

    /// The features behind codes, at most 1000 of them. Codes that are gone or have none are left out.
    async fn features(
        &self,
        codes: &[CodeNumber],
    ) -> Result<HashMap<CodeNumber, Features>, ImageStoreError>;

    /// The images of the originals that have these codes, at most 1000 codes and `limit` images, in no particular
    /// order. Fewer than `limit` means that these are all.
    async fn coded_images(
        &self,
        codes: &[CodeNumber],
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, UntaggedImage)>, ImageStoreError>;
}
