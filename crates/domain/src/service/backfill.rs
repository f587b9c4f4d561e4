//! Fills what is not known of images that earlier versions registered: once, in the background.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt, stream};
use thiserror::Error;

use super::{Catalog, CatalogError};
use crate::{
    CameraData, Fence, ImageId, Tags, UntaggedImage,
    ports::{
        BackfillBegun, BackfillImage, Clock, FilledImage, ImageBackfill, ImageCodec,
        ImageStoreError, OriginalStore, OriginalStoreError, in_words,
    },
};

/// How many images are filled in one transaction: what a server that is killed has to repeat.
const BATCH: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// How many images are looked at for one batch.
const LOOKED_AT: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// How many originals are read at a time. Each is in memory meanwhile.
const READ_AT_ONCE: usize = 2;

/// How long the lease lasts without a batch. Longer than a batch takes.
const LEASE: TimeDelta = TimeDelta::minutes(3);

/// The age at which the pass comes to an image: by then those with smaller ids are recorded.
const SETTLED: TimeDelta = TimeDelta::minutes(10);

/// How long after its beginning the pass is over at the earliest: until then servers of an earlier version may
/// register images.
const SHORTEST: TimeDelta = TimeDelta::days(1);

/// How often an original is tried that cannot be read though others can.
const ATTEMPTS: u32 = 3;

/// Why the pass stopped. The next step goes on.
#[derive(Debug, Clone, Error)]
pub enum BackfillError {
    /// The image store failed, or is unavailable.
    #[error("the image store: {0}")]
    Store(#[from] ImageStoreError),
    /// The store of originals failed.
    #[error("the store of originals: {0}")]
    Originals(#[from] OriginalStoreError),
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackfillStep {
    /// So many images were filled. There may be more.
    Filled(usize),
    /// Nothing is to be done now: another server is at it, or all settled images are filled.
    Resting,
    /// The pass is over for good.
    Done,
}

/// The ports of the pass.
#[derive(Clone)]
pub struct BackfillPorts {
    /// Keeps the place of the pass.
    pub images: Arc<dyn ImageBackfill>,
    /// Tells whether the store as a whole is failing.
    pub originals: Arc<dyn OriginalStore>,
    /// Reads what cameras wrote.
    pub codec: Arc<dyn ImageCodec>,
    /// Knows the server's time zone.
    pub clock: Arc<dyn Clock>,
}

/// Fills what is not known of images, batch by batch.
pub struct Backfill {
    ports: BackfillPorts,
    catalog: Catalog,
    held: Mutex<Option<Held>>,
}

/// The lease of this server.
#[derive(Debug, Clone, Copy)]
struct Held {
    fence: Fence,
    place: ImageId,
    /// How often the next batch failed.
    failures: u32,
}

impl Backfill {
    /// Creates the service on its ports. Originals are read with the catalog, which notes damage.
    pub fn new(ports: BackfillPorts, catalog: Catalog) -> Self {
        Self {
            ports,
            catalog,
            held: Mutex::default(),
        }
    }

    /// Fills a batch of images, if this server holds the lease or can take it.
    ///
    /// An original that is damaged is set aside, with what is known of its image; so is one that cannot be read in
    /// several attempts while the store of originals is well.
    pub async fn step(&self) -> Result<BackfillStep, BackfillError> {
        let held = match self.held() {
            Some(held) => held,
            None => match self.ports.images.begin_backfill(LEASE).await? {
                BackfillBegun::Done => return Ok(BackfillStep::Done),
                BackfillBegun::InProgress => return Ok(BackfillStep::Resting),
                BackfillBegun::Started(fence, place) => Held {
                    fence,
                    place,
                    failures: 0,
                },
            },
        };
        self.hold(Some(held));
        let found = self
            .ports
            .images
            .backfill_images(&held.place, SETTLED, LOOKED_AT)
            .await?;
        if found.is_empty() {
            self.hold(None);
            let is_done = self.ports.images.end_backfill(held.fence, SHORTEST).await?;
            return Ok(if is_done {
                BackfillStep::Done
            } else {
                BackfillStep::Resting
            });
        }
        self.fill(held, &found).await
    }

    async fn fill(
        &self,
        held: Held,
        found: &[BackfillImage],
    ) -> Result<BackfillStep, BackfillError> {
        let (batch, place) = batch(held.place, found);
        let filled = match self.read(&batch, held.failures).await {
            Ok(filled) => filled,
            Err(error) => {
                let failures = held.failures + 1;
                self.hold(Some(Held { failures, ..held }));
                return Err(error);
            }
        };
        let images = &self.ports.images;
        let is_held = images
            .fill_images(held.fence, &filled, &place, LEASE)
            .await?;
        let (fence, failures) = (held.fence, 0);
        self.hold(is_held.then_some(Held {
            fence,
            place,
            failures,
        }));
        Ok(if is_held {
            BackfillStep::Filled(filled.len())
        } else {
            BackfillStep::Resting
        })
    }

    async fn read(
        &self,
        batch: &[UntaggedImage],
        failures: u32,
    ) -> Result<Vec<FilledImage>, BackfillError> {
        let read = batch.iter().map(|image| async move {
            let camera = self.camera(image, failures).await?;
            Ok::<_, BackfillError>(FilledImage {
                id: image.id,
                registered_local: self.ports.clock.local(image.registered_at),
                camera,
            })
        });
        stream::iter(read)
            .buffered(READ_AT_ONCE)
            .try_collect()
            .await
    }

    /// What a camera wrote into an original; nothing of one that is set aside.
    async fn camera(
        &self,
        image: &UntaggedImage,
        failures: u32,
    ) -> Result<CameraData, BackfillError> {
        let error = match self.catalog.bytes(&image.with(Tags::default())).await {
            Ok(bytes) => return Ok(self.ports.codec.camera_data(&bytes)),
            Err(CatalogError::Store(error)) => return Err(error.into()),
            Err(CatalogError::Originals(error)) => error,
        };
        if matches!(error, OriginalStoreError::Unavailable(_)) {
            if failures + 1 < ATTEMPTS {
                return Err(error.into());
            }
            self.ports.originals.ready().await?;
        }
        tracing::warn!(image = %image.id, cause = in_words(&error), "when it was taken is not filled in");
        Ok(CameraData::default())
    }

    fn held(&self) -> Option<Held> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, held: Option<Held>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// The first images that are not filled, and the place behind them and all that need nothing.
fn batch(mut place: ImageId, found: &[BackfillImage]) -> (Vec<UntaggedImage>, ImageId) {
    let mut batch = Vec::new();
    for BackfillImage { image, is_filled } in found {
        if !is_filled {
            if batch.len() == BATCH.get() as usize {
                break;
            }
            batch.push(*image);
        }
        place = image.id;
    }
    (batch, place)
}
