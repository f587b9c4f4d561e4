//! Fills what is not known of images that earlier versions registered.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{NaiveDateTime, TimeDelta};

use super::ImageStoreError;
use crate::{CameraData, Fence, ImageId, UntaggedImage};

/// A pass over all images, once in the life of a database.
///
/// One server at a time holds its lease, by the clock of the database. Its place is stored with what was filled, so
/// that a pass that was interrupted goes on there.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
#[async_trait]
pub trait ImageBackfill: Send + Sync {
    /// Takes the lease for that long, under a new fence. Of concurrent calls one gets it.
    async fn begin_backfill(&self, lease: TimeDelta) -> Result<BackfillBegun, ImageStoreError>;

    /// The next images after an id, in the order of ids, at most `limit`. Those registered less than `age` ago are
    /// left out with all that follow: images with smaller ids may still be recorded.
    async fn backfill_images(
        &self,
        after: &ImageId,
        age: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<BackfillImage>, ImageStoreError>;

    /// Fills what is unknown of images, moves the place of the pass, and renews the lease, at once. Images that were
    /// deleted or filled meanwhile are left as they are. `false`, and nothing is changed, if the lease was taken
    /// over.
    async fn fill_images(
        &self,
        lease: Fence,
        filled: &[FilledImage],
        place: &ImageId,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError>;

    /// Gives the lease back. If the pass was begun at least `age` ago, it is done for good; `true` then. Does
    /// nothing if the lease was taken over.
    async fn end_backfill(&self, lease: Fence, age: TimeDelta) -> Result<bool, ImageStoreError>;
}

/// The state of the pass when it is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillBegun {
    /// The lease is held, under this fence. The pass goes on after the image.
    Started(Fence, ImageId),
    /// Another server holds the lease.
    InProgress,
    /// The pass is done for good.
    Done,
}

/// An image that the pass comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackfillImage {
    /// The image.
    pub image: UntaggedImage,
    /// Whether it is known when it was registered by the server's clock: then everything else was kept, too.
    pub is_filled: bool,
}

/// What is filled of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct FilledImage {
    /// The image.
    pub id: ImageId,
    /// When it was registered, by a clock in the server's time zone.
    pub registered_local: NaiveDateTime,
    /// What its camera wrote into the file.
    pub camera: CameraData,
}
