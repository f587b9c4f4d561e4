//! The statements, and the ports built on them.
//!
//! This module is compiled twice, as a child of `mysql` and of `sqlite`. The parent provides the dialect:
//! the connection, `Database`, `BEGIN`, `BY_IMAGE`, `BY_LABEL`, `BY_TAKEN`, `BY_TIME`, `SHORT_LOCK_WAIT` and
//! `RESTORE_LOCK_WAIT`, `FOR_UPDATE`, `ADD_TALLY`, `INSERT_IF_NEW`, `JOIN_IN_ORDER`, `NOW`, `SNAPSHOT`,
//! `SNAPSHOT_TO_WRITE`, `load` and `locking!`.
//!
//! A method that writes is one statement, or one transaction, which is rolled back if the connection is
//! lost. One that lists images may be several statements: images are committed with all their tags at once, so
//! the second statement sees at least what the first one saw, unless the image was deleted in between: then it
//! is left out. Summaries, and who said what of an image, are read from one snapshot.

mod backfill;
mod carried;
pub(super) mod changes;
mod claims;
mod codes;
mod counted;
mod edits;
mod events;
mod export;
mod features;
mod figures;
mod identity;
mod images;
mod infos;
mod inspection;
mod jobs;
mod keys;
mod label_cache;
mod labels;
pub(super) mod migrations;
mod orphans;
pub(super) mod pages;
mod record;
mod recount;
mod requests;
mod restore;
mod rollup;
#[cfg(test)]
mod rollup_tests;
mod said;
mod segments;
mod sessions;
mod span;
mod statement;
mod statistics;
mod summaries;
mod taggings;
pub(super) mod tags;
mod vocabulary;
mod webhooks;

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    ptr,
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::pooled_connection::deadpool::Pool;
use domain::{
    ConfidenceHistogram, ContentDigest, DatabaseId, Fence, Image, ImageFacts, ImageId, ImageInfo,
    ImageQuery, ImportKey, Label, NewImage, PageKey, TagSummary, Tagging, TaggingKey, TimeWindow,
    UntaggedImage,
    ports::{
        Claimed, Counted, ImageCounter, ImageInfoStore, ImageStore, ImageStoreError, Known,
        OriginalLedger, RemovalLedger, StoredBytes, TagStatistics, TaggingCache, cause,
    },
};

#[cfg(test)]
pub(super) use self::statement::Statement;
pub(super) use self::{label_cache::LabelCache, rollup::Sizes, statement::Typed};
use super::{
    ADD_TALLY, BEGIN, BY_IMAGE, BY_LABEL, BY_TAKEN, BY_TIME, Backend, Connection, Database,
    FOR_UPDATE, INSERT_IF_NEW, JOIN_IN_ORDER, MIGRATIONS, NOW, RESTORE_LOCK_WAIT, SHORT_LOCK_WAIT,
    SNAPSHOT, SNAPSHOT_TO_WRITE, load,
};
use crate::{
    calls::{Calls, Operation},
    connections::{Lease, Loan},
    error::StoreError,
    retry::{in_time, with_retries},
    signals::Signals,
    values::micros,
};

/// The most rows in one statement; databases limit its parameters.
const ROWS: usize = 1000;

/// The age at which images are rolled up. One that is committed later than this after its time makes its
/// segment stale, which is then counted again; so does one of a clock that is behind by more.
const LAG: TimeDelta = TimeDelta::seconds(10);

/// An image store on one kind of database.
pub(crate) struct Store {
    /// Connections for readers; see [`Store::read`] and [`Store::read_here`].
    pub(super) reading: Pool<Connection>,
    /// Connections for writers.
    pub(super) writing: Pool<Connection>,
    /// The deadline of a call.
    pub(super) call_timeout: Duration,
    /// Measures the calls.
    pub(super) calls: Calls,
    /// Signals from and to the program.
    pub(super) signals: Signals,
    pub(super) label_cache: LabelCache,
    /// The sizes of rollup segments.
    pub(super) sizes: Sizes,
    /// State of the database apart from its connections.
    pub(super) database: Database,
}

impl Store {
    /// Reads with a connection, retrying on conflicts. Sees what was committed before, on a cluster through any
    /// node, unless the settings say otherwise.
    async fn read<T, F>(&self, work: impl Fn(Lease<Connection>) -> F) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.repeat(Operation::Read, || async {
            self.run(self.lend_consistent().await?, &work).await
        })
        .await
    }

    /// Like [`read`](Self::read), but on a cluster sees what its node has applied, which spares a wait.
    async fn read_here<T, F>(
        &self,
        work: impl Fn(Lease<Connection>) -> F,
    ) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.repeat(Operation::Read, || {
            self.with_connection(&self.reading, &work)
        })
        .await
    }

    /// A connection for [`read`](Self::read).
    async fn lend_consistent(&self) -> Result<Loan<Connection>, ImageStoreError> {
        let pool = self.database.consistent(&self.reading);
        let loan = Loan::from_pool(pool).await?;
        // Only the first connection shows whether there is a cluster.
        let known = self.database.consistent(&self.reading);
        if ptr::eq(pool, known) {
            return Ok(loan);
        }
        loan.give_back();
        Loan::from_pool(known).await
    }

    /// Like [`write`](Self::write), and sees what [`read`](Self::read) sees.
    async fn edit<T, F>(&self, work: impl Fn(Lease<Connection>) -> F) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.repeat(Operation::Write, || async {
            let pool = self.database.consistent(&self.writing);
            let value = self.with_connection(pool, &work).await?;
            self.database.check().await?;
            Ok(value)
        })
        .await
    }

    /// Writes with a connection, retrying on conflicts.
    async fn write<T, F>(&self, work: impl Fn(Lease<Connection>) -> F) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.repeat(Operation::Write, || self.write_once(&work))
            .await
    }

    /// Retries a call on conflicts with other transactions, and aborts it at its deadline.
    async fn repeat<T, F>(
        &self,
        operation: Operation,
        attempt: impl FnMut() -> F,
    ) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, ImageStoreError>>,
    {
        self.signals.require_schema()?;
        let call = self.calls.begin(operation);
        let outcome = with_retries(self.call_timeout, attempt).await;
        call.ended(&outcome);
        outcome
    }

    /// One attempt to write. Fails if the database file was replaced, as the commit would be lost at the
    /// next start.
    async fn write_once<T, F>(
        &self,
        work: &impl Fn(Lease<Connection>) -> F,
    ) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let value = self.with_connection(&self.writing, work).await?;
        self.database.check().await?;
        Ok(value)
    }

    /// One attempt with a connection, which returns to its pool only on success.
    pub(super) async fn with_connection<T, F>(
        &self,
        pool: &Pool<Connection>,
        work: &impl Fn(Lease<Connection>) -> F,
    ) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.run(Loan::from_pool(pool).await?, work).await
    }

    /// The same with a connection of a pool.
    async fn run<T, F>(
        &self,
        loan: Loan<Connection>,
        work: &impl Fn(Lease<Connection>) -> F,
    ) -> Result<T, ImageStoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        match work(loan.lease()?).await {
            Ok(value) => {
                loan.give_back();
                Ok(value)
            }
            Err(StoreError::Known(error)) => Err(error),
            Err(StoreError::Statement(error)) => {
                let class = self.database.classify(&mut *loan.lease()?, &error).await;
                Err(class.of(error))
            }
        }
    }
}

#[async_trait]
impl ImageStore for Store {
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError> {
        let is_recorded = self
            .write(|mut connection| async move { record::record(&mut connection, image).await })
            .await?;
        if is_recorded {
            self.signals.recorded.notify_one();
            Ok(())
        } else {
            Err(ImageStoreError::ClaimLost)
        }
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        self.read(|mut connection| async move {
            images::find(&mut connection, &self.label_cache, id).await
        })
        .await
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        self.read(|mut connection| async move {
            let page = pages::page(&mut connection, &self.label_cache, query, after, limit).await?;
            let images = images::with_tags(&mut connection, &self.label_cache, &page).await?;
            // A short page would be taken for the last one.
            if images.len() < page.len() {
                let reason = cause("images of the page were deleted while it was read");
                return Err(ImageStoreError::Contended(reason).into());
            }
            Ok(images)
        })
        .await
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        self.read(|mut connection| async move {
            pages::page(&mut connection, &self.label_cache, query, after, limit).await
        })
        .await
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        self.read(|mut connection| async move {
            images::with_tags(&mut connection, &self.label_cache, images).await
        })
        .await
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        let work = |mut connection: Lease<Connection>| async move {
            migrations::pending(&mut connection, &self.database).await
        };
        let pending = self
            .repeat(Operation::Read, || async {
                self.database.check().await?;
                self.with_connection(&self.reading, &work).await
            })
            .await?;
        if pending.is_empty() {
            Ok(())
        } else {
            let reason = cause(format!("{} migrations have not run", pending.len()));
            Err(ImageStoreError::Unavailable(reason))
        }
    }
}

#[async_trait]
impl ImageCounter for Store {
    async fn count_images(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
    ) -> Result<Counted, ImageStoreError> {
        self.read(|mut connection| async move {
            pages::count(&mut connection, &self.label_cache, query, after).await
        })
        .await
    }
}

#[async_trait]
impl ImageInfoStore for Store {
    async fn infos(
        &self,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, ImageInfo>, ImageStoreError> {
        self.read(|mut connection| async move { infos::infos(&mut connection, images).await })
            .await
    }

    async fn imported(
        &self,
        files: &[ImportKey],
    ) -> Result<HashMap<ImportKey, ImageId>, ImageStoreError> {
        self.read(|mut connection| async move { infos::imported(&mut connection, files).await })
            .await
    }

    async fn images_of(
        &self,
        digest: &ContentDigest,
        limit: NonZeroU32,
    ) -> Result<Vec<ImageId>, ImageStoreError> {
        self.read(|mut connection| async move {
            infos::images_of(&mut connection, digest, limit.get()).await
        })
        .await
    }
}

#[async_trait]
impl TagStatistics for Store {
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        self.read(|mut connection| async move {
            summaries::summaries(&mut connection, &self.label_cache, window).await
        })
        .await
    }

    async fn confidences(
        &self,
        label: &Label,
        window: &TimeWindow,
        after: Option<PageKey>,
    ) -> Result<(ConfidenceHistogram, Option<PageKey>), ImageStoreError> {
        self.read(|mut connection| async move {
            let cache = &self.label_cache;
            pages::confidences::confidences(&mut connection, cache, label, window, after).await
        })
        .await
    }

    async fn carried(&self, labels: &[Label]) -> Result<HashSet<Label>, ImageStoreError> {
        self.read(|mut connection| async move {
            carried::carried(&mut connection, &self.label_cache, labels).await
        })
        .await
    }

    async fn stretch(&self, at: DateTime<Utc>) -> Result<Option<TimeWindow>, ImageStoreError> {
        let time = micros(at);
        let span = self
            .read(|mut connection| async move { segments::holding(&mut connection, 0, time).await })
            .await?;
        Ok(span.map(span::Span::window))
    }

    async fn roll_up(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        let before = micros(now - LAG);
        let look = |mut connection: Lease<Connection>| async move {
            rollup::is_due(&mut connection, before, self.sizes).await
        };
        let roll_up = |mut connection: Lease<Connection>| async move {
            rollup::roll_up(&mut connection, before, self.sizes).await
        };
        self.signals.require_schema()?;
        // One attempt: on a conflict another server is at it. Mostly nothing is due, and the check takes no
        // locks.
        let call = self.calls.begin(Operation::Write);
        let outcome = in_time(self.call_timeout, async {
            Ok(self.with_connection(&self.reading, &look).await?
                && self.write_once(&roll_up).await?)
        })
        .await;
        call.ended(&outcome);
        outcome
    }
}

#[async_trait]
impl TaggingCache for Store {
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError> {
        // An answer that could not be kept should not be paid for.
        let work = |mut connection: Lease<Connection>| async move {
            Ok(Known {
                facts: claims::facts(&mut connection, &key.digest).await?,
                tagging: taggings::find(&mut connection, key).await?,
            })
        };
        self.repeat(Operation::Read, || async {
            self.database.check().await?;
            self.with_connection(&self.reading, &work).await
        })
        .await
    }

    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError> {
        self.write(
            |mut connection| async move { taggings::keep(&mut connection, key, tagging).await },
        )
        .await
    }

    async fn taggings_of(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError> {
        self.read_here(|mut connection| async move { taggings::of(&mut connection, digests).await })
            .await
    }
}

#[async_trait]
impl OriginalLedger for Store {
    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError> {
        let claim = |mut connection: Lease<Connection>| async move {
            claims::claim(&mut connection, digest, facts, now, until).await
        };
        let is_removed = || ImageStoreError::Contended(cause("the original is being removed"));
        self.repeat(Operation::Write, || async {
            self.write_once(&claim).await?.ok_or_else(is_removed)
        })
        .await
    }

    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move {
            claims::note_damage(&mut connection, digest, at).await
        })
        .await
    }

    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError> {
        self.write(
            |mut connection| async move { claims::clear_damage(&mut connection, digest).await },
        )
        .await
    }

    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.read_here(|mut connection| async move {
            claims::is_needed(&mut connection, digest, now).await
        })
        .await
    }

    async fn stored_bytes(
        &self,
        after: u64,
        limit: NonZeroU32,
    ) -> Result<StoredBytes, ImageStoreError> {
        self.read_here(|mut connection| async move {
            claims::stored_bytes(&mut connection, after, limit).await
        })
        .await
    }

    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError> {
        self.write(|mut connection| async move { identity::find_or_make(&mut connection).await })
            .await
    }
}

#[async_trait]
impl RemovalLedger for Store {
    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError> {
        self.read_here(|mut connection| async move {
            claims::abandoned(&mut connection, before, limit).await
        })
        .await
    }

    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move {
            claims::claim_for_removal(&mut connection, digest, fence, now, until).await
        })
        .await
    }

    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move {
            orphans::claim(&mut connection, digest, fence, now, until).await
        })
        .await
    }

    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError> {
        self.write(
            |mut connection| async move { claims::forget(&mut connection, digest, fence).await },
        )
        .await
    }

    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move {
            claims::postpone(&mut connection, digest, fence, until).await
        })
        .await
    }
}
