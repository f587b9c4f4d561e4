//! Where images, their tags and the providers' answers are recorded.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use thiserror::Error;

use super::Cause;
use crate::{
    ContentDigest, DatabaseId, Fence, Image, ImageFacts, ImageId, ImageQuery, NewImage, PageKey,
    TagSummary, Tagging, TaggingKey, TimeWindow, UntaggedImage,
};

/// Records images with their tags, and answers questions about them.
///
/// It also keeps, for each original, the *claims* that hold uploads and upkeep apart: bytes are put
/// only under an upload claim, and removed only under a removal claim; a removal claim is granted
/// only for an original that no image refers to and whose upload claims have all run out. Several
/// uploads of the same bytes may hold a claim at once.
///
/// Times are whole microseconds. Every method is one transaction: it happens wholly or not at all,
/// and once it returned `Ok` it survives a crash.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageStore: Send + Sync {
    /// What is known of these bytes: facts from an earlier upload, and the answer to this key.
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError>;

    /// Claims the original for an upload until that time, and notes its facts.
    ///
    /// Taking over a removal claim that ran out notes the original as damaged: that removal may still
    /// unlink it, so existing bytes prove nothing.
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] while a removal holds the original at time `now`.
    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError>;

    /// Notes that the bytes of an original are missing, altered or unreadable. The first note stays.
    /// Does nothing to an original that is not known.
    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError>;

    /// Drops that note, after the bytes were overwritten and an image of them recorded.
    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError>;

    /// Records an image with its tags and, if given, the provider's answer.
    ///
    /// Ends the upload claim: from here on the image itself protects the original. An answer that
    /// is known already is left as it is.
    ///
    /// # Errors
    /// [`ImageStoreError::ClaimLost`] if the original is not claimed any more, or under another fence: a
    /// removal came in between, and the bytes must be claimed and put again.
    async fn record(&self, image: &NewImage) -> Result<(), ImageStoreError>;

    /// Keeps a provider's answer without an image. One that is known already is left as it is.
    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError>;

    /// The image with that id.
    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError>;

    /// The images that match the query, newest first (ties: greatest id first), starting after a
    /// place in that order, at most `limit`. Fewer than `limit` means that there are no more.
    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError>;

    /// What [`ImageStore::page`] tells, but for the tags. Whoever reads on knows the next place without
    /// waiting for them.
    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError>;

    /// Images that the store told of, in the same order, with their tags.
    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError>;

    /// How each label is used by the images of a window: most used first, ties by label.
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError>;

    /// Does one bounded step of the work that keeps [`ImageStore::tag_summaries`] fast. `true` if there
    /// may be more to do.
    ///
    /// No answer changes by that. Several may do it at once, in several processes.
    ///
    /// # Errors
    /// [`ImageStoreError::Contended`] if something held it up. As others may have waited behind it, it
    /// should be tried again later, not at once.
    async fn condense(&self, now: DateTime<Utc>) -> Result<bool, ImageStoreError>;

    /// Originals that no image refers to and whose upload claims ran out before that time, oldest
    /// first, at most `limit`.
    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError>;

    /// Claims an original for removal until that time, under a fence that no other claim has. `false` if
    /// an image refers to it, an upload claim has not run out at `now`, another removal holds it, or it is
    /// not known.
    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// As [`claim_for_removal`](Self::claim_for_removal), but also an original that is not known, or whose
    /// upload claim was ended by an image that is not there any more.
    ///
    /// While it is claimed the original counts as known, without facts if it had none. If the claim is
    /// never ended, the original is not abandoned by that, so that no upkeep removes it.
    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// Whether an image refers to an original, or an upload claim on it has not run out at `now`. What a
    /// claim for removal finds is what counts; this is a hint.
    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError>;

    /// Ends a removal claim: the original is not known any more. `false`, and nothing happens, unless the
    /// latest claim of all is a removal's, with this fence; whether it ran out does not matter.
    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError>;

    /// Keeps an original that is claimed for removal under this fence from being abandoned before that
    /// time. Does nothing to others.
    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError>;

    /// The id of the database behind the store, which is made when it is asked for the first time.
    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError>;

    /// Whether the store can be reached and has the schema it needs.
    async fn ready(&self) -> Result<(), ImageStoreError>;
}

/// What claiming an original found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claimed {
    /// The fence under which the image is to be recorded.
    pub fence: Fence,
    /// Whether the bytes must be written even if they seem to be there: the original is noted as damaged,
    /// or was not known, so that a removal that is late may still take it away.
    pub rewrite: bool,
    /// Whether the original is noted as damaged. The note stays until [`ImageStore::clear_damage`], so that
    /// every upload writes the bytes until one of them is recorded.
    pub is_damaged: bool,
}

/// What a store knows of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// The facts, if the original was claimed or recorded before and not removed since.
    pub facts: Option<ImageFacts>,
    /// The answer to the key.
    pub tagging: Option<Tagging>,
}

/// Why the image store did not do its work.
#[derive(Debug, Clone, Error)]
pub enum ImageStoreError {
    /// Somebody else holds what was asked for: a removal claim, a lock, a deadlock's other side.
    #[error("another transaction is in the way")]
    Contended(#[source] Cause),
    /// The upload claim does not stand any more.
    #[error("the claim on the original was lost")]
    ClaimLost,
    /// The database cannot be reached, has no room, or gives no connection in time.
    #[error("the database is not available")]
    Unavailable(#[source] Cause),
    /// The database holds something that cannot be read.
    #[error("the database holds something unreadable")]
    Corrupt(#[source] Cause),
    /// Anything else: a fault of the program.
    #[error("the database refused a statement")]
    Failed(#[source] Cause),
}

impl ImageStoreError {
    /// Whether the same call may succeed if it is repeated at once.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Contended(_))
    }
}
