//! Sends lists and statistics to a replica of the database.

use std::{collections::HashSet, num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::{
    ConfidenceHistogram, Image, ImageId, ImageQuery, Label, NewImage, PageKey, TagSummary,
    TimeWindow, UntaggedImage,
    ports::{Counted, Database, ImageCounter, ImageStore, ImageStoreError, TagStatistics},
};

/// A database, lists and statistics of which come from a replica. They may be older than what was just recorded;
/// single images never are.
pub struct WithReplica {
    database: Arc<dyn Database>,
    replica: Arc<dyn Database>,
}

impl WithReplica {
    /// The database, and its replica.
    pub fn new(database: Arc<dyn Database>, replica: Arc<dyn Database>) -> Self {
        Self { database, replica }
    }
}

#[async_trait]
impl ImageStore for WithReplica {
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError> {
        self.database.record(image).await
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        self.database.find(id).await
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        self.replica.page(query, after, limit).await
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        self.replica.untagged_page(query, after, limit).await
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        self.replica.with_tags(images).await
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        self.database.ready().await
    }
}

#[async_trait]
impl ImageCounter for WithReplica {
    async fn count_images(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
    ) -> Result<Counted, ImageStoreError> {
        self.replica.count_images(query, after).await
    }
}

#[async_trait]
impl TagStatistics for WithReplica {
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        self.replica.tag_summaries(window).await
    }

    async fn carried(&self, labels: &[Label]) -> Result<HashSet<Label>, ImageStoreError> {
        self.replica.carried(labels).await
    }

    async fn confidences(
        &self,
        label: &Label,
        window: &TimeWindow,
        after: Option<PageKey>,
    ) -> Result<(ConfidenceHistogram, Option<PageKey>), ImageStoreError> {
        self.replica.confidences(label, window, after).await
    }

    async fn stretch(&self, at: DateTime<Utc>) -> Result<Option<TimeWindow>, ImageStoreError> {
        self.database.stretch(at).await
    }

    async fn roll_up(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        self.database.roll_up(now).await
    }
}

#[cfg(test)]
mod tests {
    use domain_testing::{FakeDatabase, at, image};

    use super::*;

    #[tokio::test]
    async fn single_images_are_the_databases_and_lists_the_replicas() {
        let (database, replica) = (FakeDatabase::default(), FakeDatabase::default());
        let recorded = NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image(b"bytes", at(0), &[("car", 90.0)]),
            said: None,
            taggings: Vec::new(),
        };
        let store = WithReplica::new(Arc::new(database), Arc::new(replica));
        let (digest, facts) = (&recorded.image.digest, &recorded.image.facts);
        store
            .database
            .claim(digest, facts, at(0), at(1))
            .await
            .unwrap();
        store.record(&recorded).await.unwrap();
        let found = store.find(&recorded.image.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&recorded.image));
        let limit = 10.try_into().unwrap();
        let query = ImageQuery::default();
        assert_eq!(store.page(&query, None, limit).await.unwrap(), []);
        let untagged = store.untagged_page(&query, None, limit).await.unwrap();
        assert!(untagged.is_empty());
        let counted = store.count_images(&query, None).await.unwrap();
        assert_eq!(counted.images, 0);
        let window = TimeWindow::default();
        let (histogram, _) = store
            .confidences(&domain_testing::label("car"), &window, None)
            .await
            .unwrap();
        assert_eq!(histogram, ConfidenceHistogram::default());
        assert_eq!(store.tag_summaries(&window).await.unwrap(), []);
        let replicated = store.database.tag_summaries(&window).await.unwrap();
        assert_eq!(replicated.len(), 1);
    }
}
