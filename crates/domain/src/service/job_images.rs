//! The images of a job, in the order in which it comes to them: newest first.

use std::{num::NonZeroU32, sync::Arc};

use chrono::NaiveDateTime;
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};

use crate::{
    ImageId, ImageOrder, ImageQuery, JobFilter, PageKey, SourceKind, UntaggedImage,
    ports::{ImageEdits, ImageStore, ImageStoreError},
};

/// How many images are counted at a time.
const COUNTED: NonZeroU32 = NonZeroU32::new(2000).unwrap();

/// How many images are looked up at a time.
const LOOKED_UP: usize = 4;

/// Finds the images of jobs.
#[derive(Clone)]
pub(super) struct JobImages {
    images: Arc<dyn ImageStore>,
    edits: Arc<dyn ImageEdits>,
}

/// Some images of a job.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The images.
    pub(super) images: Vec<UntaggedImage>,
    /// Where the next chunk begins; `None` if there is none.
    pub(super) next: Option<PageKey>,
}

impl JobImages {
    pub(super) fn new(images: Arc<dyn ImageStore>, edits: Arc<dyn ImageEdits>) -> Self {
        Self { images, edits }
    }

    /// The last image of the list of all images.
    pub(super) async fn last(&self) -> Result<Option<PageKey>, ImageStoreError> {
        let all = ImageQuery::default();
        let newest = self.images.untagged_page(&all, None, NonZeroU32::MIN);
        Ok(newest.await?.first().map(registered))
    }

    /// How many images match, of those up to the last one.
    pub(super) async fn count(
        &self,
        filter: &JobFilter,
        last: Option<PageKey>,
    ) -> Result<u64, ImageStoreError> {
        let (Some(query), Some(last)) = (&filter.query, last) else {
            return Ok(0);
        };
        if let Some(ids) = &filter.ids {
            return self.count_of(ids, query).await;
        }
        let (mut count, mut after) = (0, Some(up_to(last)));
        while let Some(position) = after {
            let chunk = self.chunk(filter, position, COUNTED).await?;
            count += chunk.images.len() as u64;
            after = chunk.next;
        }
        Ok(count)
    }

    /// The images after a position. Of a filter with ids they need not match.
    pub(super) async fn chunk(
        &self,
        filter: &JobFilter,
        after: PageKey,
        limit: NonZeroU32,
    ) -> Result<Chunk, ImageStoreError> {
        let Some(query) = &filter.query else {
            return Ok(Chunk::default());
        };
        if let Some(ids) = &filter.ids {
            return self.of_ids(ids, after, limit).await;
        }
        let images = self.images.untagged_page(query, Some(after), limit).await?;
        let is_last = images.len() < limit.get() as usize;
        let next = images.last().filter(|_| !is_last).map(registered);
        Ok(Chunk { images, next })
    }

    async fn of_ids(
        &self,
        ids: &[ImageId],
        after: PageKey,
        limit: NonZeroU32,
    ) -> Result<Chunk, ImageStoreError> {
        let from = ids.partition_point(|id| *id >= after.id);
        let rest = ids.get(from..).unwrap_or_default();
        let limit = limit.get() as usize;
        let asked = rest.get(..limit).unwrap_or(rest);
        let looking: Vec<BoxFuture<'_, _>> = asked.iter().map(|id| self.images.find(id)).collect();
        let found = stream::iter(looking).buffered(LOOKED_UP);
        let found: Vec<_> = found.try_collect().await?;
        let is_last = asked.len() == rest.len();
        Ok(Chunk {
            images: found.iter().flatten().map(UntaggedImage::from).collect(),
            next: asked.last().filter(|_| !is_last).map(|id| at_id(*id)),
        })
    }

    async fn count_of(&self, ids: &[ImageId], query: &ImageQuery) -> Result<u64, ImageStoreError> {
        let mut count = 0;
        for ids in ids.chunks(COUNTED.get() as usize) {
            let looking: Vec<BoxFuture<'_, _>> = ids
                .iter()
                .map(|id| self.matches(id, query).boxed())
                .collect();
            let found = stream::iter(looking).buffered(LOOKED_UP);
            let found: Vec<bool> = found.try_collect().await?;
            count += found.iter().filter(|is_match| **is_match).count() as u64;
        }
        Ok(count)
    }

    async fn matches(&self, id: &ImageId, query: &ImageQuery) -> Result<bool, ImageStoreError> {
        let Some(image) = self.images.find(id).await? else {
            return Ok(false);
        };
        if *query == ImageQuery::default() {
            return Ok(true);
        }
        let known = self.edits.tags_of(id).await?;
        let shown = known.map(|known| known.tags.shown()).unwrap_or_default();
        let sources: Vec<SourceKind> = shown.iter().map(|tag| tag.source.kind()).collect();
        Ok(query.admits_of(&image, &sources))
    }
}

/// The position from which a walk begins with that image. Images of its very microsecond may come before it.
pub(super) fn up_to(last: PageKey) -> PageKey {
    PageKey {
        id: ImageId::from_bytes([0xff; 16]),
        ..last
    }
}

/// The position after an id in a list of ids.
pub(super) fn at_id(id: ImageId) -> PageKey {
    PageKey {
        order: ImageOrder::Registered,
        time: NaiveDateTime::default(),
        id,
    }
}

/// The position after an image in the order of registration, which is that of jobs.
pub(super) fn registered(image: &UntaggedImage) -> PageKey {
    PageKey::after(ImageOrder::Registered, image)
}
