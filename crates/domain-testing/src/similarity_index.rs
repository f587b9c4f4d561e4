//! The in-memory [`SimilarityIndex`](domain::ports::SimilarityIndex).

use std::{
    cmp::Reverse,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use async_trait::async_trait;
use domain::{
    Code, FeatureModel,
    ports::{CodeNumber, CodeStore, ImageStoreError, Neighbour, SimilarityIndex},
};

/// Reads all codes for each search.
pub struct FakeSimilarityIndex(Arc<dyn CodeStore>);

impl FakeSimilarityIndex {
    /// An index over the codes of a store.
    pub fn new(store: Arc<dyn CodeStore>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl SimilarityIndex for FakeSimilarityIndex {
    async fn nearest(
        &self,
        model: &FeatureModel,
        code: &Code,
        count: NonZeroUsize,
    ) -> Result<Vec<Neighbour>, ImageStoreError> {
        let all = self.0.codes(model, CodeNumber(0), NonZeroU32::MAX).await?;
        let mut found: Vec<Neighbour> = all
            .iter()
            .filter_map(|(number, other)| {
                Some(Neighbour {
                    code: *number,
                    distance: code.distance(other)?,
                })
            })
            .collect();
        found.sort_unstable_by_key(|found| (found.distance, Reverse(found.code)));
        found.truncate(count.get());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::similarity_index::run;

    #[tokio::test]
    async fn keeps_the_contract() {
        run(|store| Arc::new(FakeSimilarityIndex::new(store))).await;
    }
}
