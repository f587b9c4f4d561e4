//! Small copies of pictures: made when they are first asked for, and kept.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use thiserror::Error;

use super::{
    catalog::{Catalog, CatalogError},
    lanes::Lanes,
    single_flight::SingleFlight,
};
use crate::{
    Image, RenditionKey, RenditionSize,
    ports::{CallContext, CodecError, ImageCodec, OriginalStore, RenditionStore, in_words},
};

/// What renditions are made with.
#[derive(Clone)]
pub struct RenditionPorts {
    /// Makes them.
    pub codec: Arc<dyn ImageCodec>,
    /// Knows which originals are there.
    pub originals: Arc<dyn OriginalStore>,
    /// Keeps them.
    pub renditions: Arc<dyn RenditionStore>,
}

/// Why there is no rendition.
#[derive(Debug, Clone, Error)]
pub enum RenditionError {
    /// The image cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The original is not decoded, for instance because a limit was lowered since it was uploaded.
    #[error(transparent)]
    Picture(#[from] CodecError),
}

type Rendered = Result<Bytes, RenditionError>;

/// Makes and keeps renditions. Clones share the work.
#[derive(Clone)]
pub struct Renditions {
    workshop: Workshop,
    flights: Arc<SingleFlight<RenditionKey, Rendered>>,
}

#[derive(Clone)]
struct Workshop {
    catalog: Catalog,
    ports: RenditionPorts,
    /// The most bytes kept; 0 keeps none.
    limit: u64,
    /// How many bytes are kept, as far as this process knows; none before it has looked.
    used: Arc<Mutex<Option<u64>>>,
    lanes: Lanes,
}

impl Renditions {
    /// Puts the service together. At most `limit` bytes are kept, measured when the first is put; of several
    /// servers each measures for itself.
    pub fn new(catalog: Catalog, ports: RenditionPorts, limit: u64) -> Self {
        Self {
            workshop: Workshop {
                catalog,
                ports,
                limit,
                used: Arc::default(),
                lanes: Lanes::default(),
            },
            flights: Arc::default(),
        }
    }

    /// The bytes that are kept, as far as this process knows; `None` before the first was put.
    pub fn kept_bytes(&self) -> Option<u64> {
        let used = self.workshop.used.lock();
        *used.unwrap_or_else(PoisonError::into_inner)
    }

    /// The rendition of an image: the one that is kept, else a new one. Callers that ask for the same at the
    /// same time share the work.
    ///
    /// # Errors
    /// A store of renditions that fails is no error: the rendition is made.
    pub async fn rendition(
        &self,
        image: &Image,
        size: RenditionSize,
        context: &CallContext,
    ) -> Rendered {
        let key = RenditionKey {
            digest: image.digest,
            size,
        };
        let flight = self.flights.join(&key, context, |context| {
            let (workshop, image) = (self.workshop.clone(), image.clone());
            async move { workshop.find_or_make(&key, &image, &context).await }.boxed()
        });
        flight.outcome().await
    }
}

impl Workshop {
    async fn find_or_make(
        &self,
        key: &RenditionKey,
        image: &Image,
        context: &CallContext,
    ) -> Rendered {
        match self.ports.renditions.get(key).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(digest = %key.digest, cause = in_words(&error), "no rendition can be read");
            }
        }
        let rendered = self.make(key, image, context).await?;
        if self.limit > 0 {
            self.keep(key, rendered.clone()).await;
        }
        Ok(rendered)
    }

    async fn make(&self, key: &RenditionKey, image: &Image, context: &CallContext) -> Rendered {
        let _turn = self.lanes.turn(&key.digest).await;
        if context.is_cancelled() {
            return Err(CodecError::Cancelled.into());
        }
        let file = self.catalog.bytes(image).await?;
        let side = key.size.pixels();
        Ok(self.ports.codec.render(file, side, context).await?.bytes)
    }

    /// Keeps a rendition. If that fails it is made again when it is asked for.
    async fn keep(&self, key: &RenditionKey, bytes: Bytes) {
        let len = bytes.len() as u64;
        let kept = async {
            let renditions = &self.ports.renditions;
            renditions.put(key, bytes).await?;
            // The original may have been removed meanwhile, and its renditions before this one was put.
            if self.ports.originals.length(&key.digest).await?.is_none() {
                renditions.remove(&key.digest).await?;
            }
            if self.is_over(len) {
                // Some room below the limit, so that this is not needed for each.
                let used = renditions.prune(self.limit - self.limit / 10).await?;
                *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(used);
            }
            Ok::<_, crate::ports::OriginalStoreError>(())
        };
        if let Err(error) = kept.await {
            tracing::warn!(digest = %key.digest, cause = in_words(&error), "a rendition is not kept");
        }
    }

    /// Counts what was put. Whether there may be too much now.
    fn is_over(&self, len: u64) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = used.map(|used| used.saturating_add(len));
        *used = now;
        now.is_none_or(|now| now > self.limit)
    }
}
