//! The statements, and the port made of them.
//!
//! This module is compiled twice, as a child of `mysql` and of `sqlite`. What it says in its parent's
//! dialect it takes from the parent: the connection, `DatabaseFile`, `BEGIN`, `BY_IMAGE`, `BY_LABEL`, `BY_TIME`,
//! `HASTE` and `PATIENCE`, `HELD_ALONE` and `HELD_SHARED`, `INSERT_IF_NEW`, `JOIN_IN_ORDER`, `SNAPSHOT`,
//! `load` and `holding!`.
//!
//! A method that writes is one statement, or one transaction, which the loss of its connection rolls
//! back. One that reads images may be several
//! statements: images are never changed once they are committed, with all their tags at once, so what
//! the second statement sees is at least what the first one saw. Summaries do change, and are read from
//! one snapshot.

mod claims;
mod identity;
mod images;
mod inspection;
mod labels;
pub(super) mod migrations;
mod names;
mod orphans;
pub(super) mod pages;
mod sealing;
mod segments;
#[cfg(test)]
mod small_segments;
mod statement;
mod statistics;
mod summaries;
mod taggings;
pub(super) mod tags;

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::pooled_connection::deadpool::Pool;
use domain::{
    ContentDigest, DatabaseId, Fence, Image, ImageFacts, ImageId, ImageQuery, NewImage, PageKey,
    TagSummary, Tagging, TaggingKey, TimeWindow, UntaggedImage,
    ports::{Claimed, ImageStore, ImageStoreError, Known, cause},
};

#[cfg(test)]
pub(super) use self::statement::Statement;
pub(super) use self::{names::Names, sealing::Sizes, statement::Typed};
use super::{
    BEGIN, BY_IMAGE, BY_LABEL, BY_TIME, Backend, Connection, DatabaseFile, HASTE, HELD_ALONE,
    HELD_SHARED, INSERT_IF_NEW, JOIN_IN_ORDER, MIGRATIONS, PATIENCE, SNAPSHOT, load,
};
use crate::{connections::Lease, values::micros};

/// The most rows of one statement; databases have limits on its parameters.
const ROWS: usize = 1000;

/// How old images are before they are sealed. Those that are committed later than this after their
/// time are added to what is sealed, which takes longer; so do those of a clock that is behind by more.
const LAG: TimeDelta = TimeDelta::seconds(10);

/// An image store on one kind of database.
pub(crate) struct Store {
    /// Connections for reading.
    pub(super) reading: Pool<Connection>,
    /// Connections for writing.
    pub(super) writing: Pool<Connection>,
    /// The labels that were read.
    pub(super) names: Names,
    /// How large segments of the summaries are.
    pub(super) sizes: Sizes,
    /// Where the database is a file.
    pub(super) file: DatabaseFile,
}

impl Store {
    /// Something was committed: only what is in the right file is there after the next start.
    async fn committed(&self, connection: Lease<Connection>) -> Result<(), ImageStoreError> {
        connection.give_back();
        Ok(self.file.check().await?)
    }
}

#[async_trait]
impl ImageStore for Store {
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError> {
        // What could not be kept should not be paid for.
        self.file.check().await?;
        let mut connection = Lease::from_pool(&self.reading).await?;
        let known = Known {
            facts: claims::facts(&mut connection, &key.digest).await?,
            tagging: taggings::find(&mut connection, key).await?,
        };
        connection.give_back();
        Ok(known)
    }

    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let claimed = claims::claim(&mut connection, digest, facts, now, until).await?;
        self.committed(connection).await?;
        claimed.ok_or_else(|| ImageStoreError::Contended(cause("the original is being removed")))
    }

    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        claims::note_damage(&mut connection, digest, at).await?;
        self.committed(connection).await?;
        Ok(())
    }

    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        claims::clear_damage(&mut connection, digest).await?;
        self.committed(connection).await?;
        Ok(())
    }

    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let is_recorded = images::record(&mut connection, image).await?;
        self.committed(connection).await?;
        if is_recorded {
            Ok(())
        } else {
            Err(ImageStoreError::ClaimLost)
        }
    }

    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        taggings::keep(&mut connection, key, tagging).await?;
        self.committed(connection).await?;
        Ok(())
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let image = images::find(&mut connection, &self.names, id).await?;
        connection.give_back();
        Ok(image)
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let page = pages::page(&mut connection, &self.names, query, after, limit).await?;
        let page = images::with_tags(&mut connection, &self.names, &page).await?;
        connection.give_back();
        Ok(page)
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let page = pages::page(&mut connection, &self.names, query, after, limit).await?;
        connection.give_back();
        Ok(page)
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let images = images::with_tags(&mut connection, &self.names, images).await?;
        connection.give_back();
        Ok(images)
    }

    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let summaries = summaries::summaries(&mut connection, &self.names, window).await?;
        connection.give_back();
        Ok(summaries)
    }

    async fn condense(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        let before = micros(now - LAG);
        let mut connection = Lease::from_pool(&self.reading).await?;
        // Mostly not, and looking is in nobody's way.
        let is_due = sealing::is_due(&mut connection, before, self.sizes).await?;
        connection.give_back();
        if !is_due {
            return Ok(false);
        }
        let mut connection = Lease::from_pool(&self.writing).await?;
        let is_sealed = sealing::seal(&mut connection, before, self.sizes).await?;
        self.committed(connection).await?;
        Ok(is_sealed)
    }

    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let digests = claims::abandoned(&mut connection, before, limit).await?;
        connection.give_back();
        Ok(digests)
    }

    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let claimed = claims::claim_for_removal(&mut connection, digest, fence, now, until).await?;
        self.committed(connection).await?;
        Ok(claimed)
    }

    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let claimed = orphans::claim(&mut connection, digest, fence, now, until).await?;
        self.committed(connection).await?;
        Ok(claimed)
    }

    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.reading).await?;
        let is_needed = claims::is_needed(&mut connection, digest, now).await?;
        connection.give_back();
        Ok(is_needed)
    }

    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let is_forgotten = claims::forget(&mut connection, digest, fence).await?;
        self.committed(connection).await?;
        Ok(is_forgotten)
    }

    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        claims::postpone(&mut connection, digest, fence, until).await?;
        self.committed(connection).await?;
        Ok(())
    }

    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError> {
        let mut connection = Lease::from_pool(&self.writing).await?;
        let id = identity::find_or_make(&mut connection).await?;
        self.committed(connection).await?;
        Ok(id)
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        self.file.check().await?;
        let mut connection = Lease::from_pool(&self.reading).await?;
        let pending = migrations::pending(&mut connection).await?;
        connection.give_back();
        if pending.is_empty() {
            Ok(())
        } else {
            let reason = cause(format!("{} migrations have not run", pending.len()));
            Err(ImageStoreError::Unavailable(reason))
        }
    }
}
