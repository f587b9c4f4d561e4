//! Reads registered images.

mod names;
mod verify;

use std::{collections::HashMap, num::NonZeroU32, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, future::join, stream, stream::BoxStream};
use thiserror::Error;

use self::verify::Verified;
use super::shared_vocabulary::SharedVocabulary;
use crate::{
    ConfidenceHistogram, Image, ImageId, ImageInfo, ImageOrder, ImageQuery, Label, LabelFilter,
    PageKey, TagQuery, TagSummary, TimeWindow, UntaggedImage,
    ports::{
        CallContext, Clock, ImageCounter, ImageInfoStore, ImageStore, ImageStoreError,
        OriginalContent, OriginalLedger, OriginalStore, OriginalStoreError, TagStatistics, cause,
    },
};

/// How many images are read from the store at a time: few enough to be held in memory for every reader,
/// enough to make the round trips cheap.
const PAGE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// Errors of the catalog.
#[derive(Debug, Clone, Error)]
pub enum CatalogError {
    /// The image store failed, or is unavailable.
    #[error(transparent)]
    Store(#[from] ImageStoreError),
    /// The bytes cannot be read.
    #[error(transparent)]
    Originals(#[from] OriginalStoreError),
}

/// A list of images, newest first in its order, in pages. Read lazily, so its size does not matter.
pub type ImagePages = BoxStream<'static, Result<Vec<Image>, CatalogError>>;

/// A page of a list of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImagePage {
    /// The images, newest first.
    pub images: Vec<Image>,
    /// The cursor of the next page; `None` if this is the last.
    pub next: Option<PageKey>,
}

/// An image with its bytes.
pub struct Found {
    /// The image.
    pub image: Image,
    /// Its original.
    pub content: OriginalContent,
}

/// Reads registered images and their statistics.
#[derive(Clone)]
pub struct Catalog {
    ports: CatalogPorts,
    verified: Verified,
    vocabulary: SharedVocabulary,
}

/// The ports of the catalog.
#[derive(Clone)]
pub struct CatalogPorts {
    /// Reads images and their tags.
    pub images: Arc<dyn ImageStore>,
    /// Counts images.
    pub counter: Arc<dyn ImageCounter>,
    /// Has what is kept of images beside their tags.
    pub infos: Arc<dyn ImageInfoStore>,
    /// Reads the usage of labels.
    pub statistics: Arc<dyn TagStatistics>,
    /// Records damage found by reads.
    pub ledger: Arc<dyn OriginalLedger>,
    /// Reads the originals themselves.
    pub originals: Arc<dyn OriginalStore>,
    /// Dates notes of damage.
    pub clock: Arc<dyn Clock>,
}

impl Catalog {
    /// Creates the service on its ports.
    pub fn new(ports: CatalogPorts) -> Self {
        Self {
            ports,
            verified: Verified::default(),
            vocabulary: SharedVocabulary::default(),
        }
    }

    /// The image with that id, without its bytes.
    pub async fn image(&self, id: &ImageId) -> Result<Option<Image>, CatalogError> {
        Ok(self.ports.images.find(id).await?)
    }

    /// What is known of images beside their tags, at most 1000 of them.
    pub async fn infos(
        &self,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, ImageInfo>, CatalogError> {
        if images.is_empty() {
            return Ok(HashMap::new());
        }
        Ok(self.ports.infos.infos(images).await?)
    }

    /// The image with that id, and its bytes.
    ///
    /// Damage is recorded with the original, so that the next upload of the same bytes replaces it.
    ///
    /// # Errors
    /// [`OriginalStoreError::Altered`] if the bytes are missing or of another length than recorded. The
    /// content's stream ends in that error if the bytes do not match the image's digest, which is verified
    /// unless they were read before and not written since.
    pub async fn find(&self, id: &ImageId) -> Result<Option<Found>, CatalogError> {
        let Some(image) = self.ports.images.find(id).await? else {
            return Ok(None);
        };
        let content = self.content(&image).await?;
        Ok(Some(Found { image, content }))
    }

    /// The bytes of an image.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn content(&self, image: &Image) -> Result<OriginalContent, CatalogError> {
        let content = self.open(image, None).await?;
        let damages = verify::Damages::new(self, image.digest);
        Ok(self.verified.check(content, damages))
    }

    /// The bytes of an image, in memory. Callers bound how many of them are there at a time.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub async fn bytes(&self, image: &Image) -> Result<Bytes, CatalogError> {
        let content = self.content(image).await?;
        // The length is that of an upload, which was bounded.
        let room = BytesMut::with_capacity(usize::try_from(content.len).unwrap_or(0));
        let read = content.stream.try_fold(room, |mut read, piece| {
            read.extend_from_slice(&piece);
            std::future::ready(Ok(read))
        });
        Ok(read.await?.freeze())
    }

    /// A range of the bytes of an image. Nothing else is read, so that they are not compared with the digest.
    ///
    /// # Errors
    /// [`OriginalStoreError::Altered`] if the bytes are missing or of another length than recorded.
    pub async fn part(
        &self,
        image: &Image,
        range: Range<u64>,
    ) -> Result<OriginalContent, CatalogError> {
        self.open(image, Some(range)).await
    }

    /// Opens an original that has the recorded length, and notes damage if it has not.
    async fn open(
        &self,
        image: &Image,
        range: Option<Range<u64>>,
    ) -> Result<OriginalContent, CatalogError> {
        let damages = verify::Damages::new(self, image.digest);
        match self.ports.originals.get(&image.digest, range).await? {
            None => Err(damages.note(altered(image, "is missing")).await.into()),
            Some(content) if content.len != image.facts.byte_size => {
                let how = format!("has {} bytes", content.len);
                Err(damages.note(altered(image, &how)).await.into())
            }
            Some(content) => Ok(content),
        }
    }

    /// The images of a window that match the filter, after a cursor. The first page is read before this
    /// returns.
    pub async fn list(
        &self,
        window: TimeWindow,
        filter: LabelFilter,
        after: Option<PageKey>,
    ) -> Result<ImagePages, CatalogError> {
        let Some(query) = filter.within(window) else {
            return Ok(stream::empty().boxed());
        };
        let first = self.ports.images.page(&query, after, PAGE).await?;
        let next = next_key(query.order, &first);
        let rest = following(Arc::clone(&self.ports.images), query, next);
        Ok(stream::once(async { Ok(first) })
            .chain(rest.map_err(Into::into))
            .boxed())
    }

    /// One page of that list: at most `limit` images after a cursor.
    pub async fn page(
        &self,
        window: TimeWindow,
        filter: LabelFilter,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<ImagePage, CatalogError> {
        let Some(query) = filter.within(window) else {
            return Ok(ImagePage::default());
        };
        // One more than requested shows whether there are more.
        let asked = limit.saturating_add(1);
        let mut images = self.ports.images.page(&query, after, asked).await?;
        let limit = limit.get() as usize;
        let has_more = images.len() > limit;
        images.truncate(limit);
        let last = images.last().filter(|_| has_more);
        Ok(ImagePage {
            next: last.map(|image| PageKey::after(query.order, image)),
            images,
        })
    }

    /// How many images of a window match the filter. Counted in strides; `None` if the caller has gone before the
    /// last one.
    pub async fn count(
        &self,
        window: TimeWindow,
        filter: LabelFilter,
        context: &CallContext,
    ) -> Result<Option<u64>, CatalogError> {
        // The order does not matter; in this one more can be read from an index.
        let filter = filter.in_order(ImageOrder::Registered);
        let Some(query) = filter.within(window) else {
            return Ok(Some(0));
        };
        let mut images = 0;
        let mut after = None;
        while !context.is_cancelled() {
            let counted = self.ports.counter.count_images(&query, after).await?;
            images += counted.images;
            if counted.next.is_none() {
                return Ok(Some(images));
            }
            after = counted.next;
        }
        Ok(None)
    }

    /// Usage of the labels in the images of a window: most used first, then by label.
    pub async fn tags(&self, query: TagQuery) -> Result<Vec<TagSummary>, CatalogError> {
        if query.window.is_empty() {
            return Ok(Vec::new());
        }
        let tags = self.ports.statistics.tag_summaries(&query.window).await?;
        Ok(query.pick(tags, &self.names().await))
    }

    /// The images of a window with a tag, by confidence. Counted in strides, so images that are changed
    /// while it runs are counted as before or after the change.
    ///
    /// Labels that are aliases of the tag count as well; an image that carries several of them counts for each.
    pub async fn confidences(
        &self,
        tag: &Label,
        window: TimeWindow,
    ) -> Result<ConfidenceHistogram, CatalogError> {
        let mut histogram = ConfidenceHistogram::default();
        if window.is_empty() {
            return Ok(histogram);
        }
        for label in self.carried_synonyms(tag).await? {
            histogram.add(&self.confidences_of(&label, window).await?);
        }
        Ok(histogram)
    }

    async fn confidences_of(
        &self,
        label: &Label,
        window: TimeWindow,
    ) -> Result<ConfidenceHistogram, CatalogError> {
        let mut histogram = ConfidenceHistogram::default();
        let mut after = None;
        loop {
            let statistics = &self.ports.statistics;
            let (counted, next) = statistics.confidences(label, &window, after).await?;
            histogram.add(&counted);
            if next.is_none() {
                return Ok(histogram);
            }
            after = next;
        }
    }
}

/// What is known of the next page.
enum Ahead {
    /// Its cursor; `None` if there is no such page.
    Cursor(Option<PageKey>),
    /// Its images, without their tags.
    Found(Result<Vec<UntaggedImage>, ImageStoreError>),
}

/// The pages after a cursor. While the tags of one page are read, the next page is prefetched; nothing is
/// in flight while the stream is not polled, so slow readers hold no connection.
fn following(
    images: Arc<dyn ImageStore>,
    query: ImageQuery,
    after: Option<PageKey>,
) -> impl stream::Stream<Item = Result<Vec<Image>, ImageStoreError>> + Send {
    stream::try_unfold(Ahead::Cursor(after), move |ahead| {
        let (images, query) = (Arc::clone(&images), query.clone());
        async move {
            let found = match ahead {
                Ahead::Cursor(None) => return Ok(None),
                Ahead::Cursor(after) => images.untagged_page(&query, after, PAGE).await,
                Ahead::Found(found) => found,
            }?;
            let next = next_key(query.order, &found);
            let ahead = async {
                match next {
                    None => Ahead::Cursor(None),
                    Some(_) => Ahead::Found(images.untagged_page(&query, next, PAGE).await),
                }
            };
            let (page, ahead) = join(images.with_tags(&found), ahead).await;
            Ok(Some((page?, ahead)))
        }
    })
}

/// The cursor after this page; `None` if it is the last.
fn next_key<'a, T>(order: ImageOrder, page: &'a [T]) -> Option<PageKey>
where
    &'a T: Into<UntaggedImage>,
{
    let is_full = page.len() >= PAGE.get() as usize;
    let last = page.last().filter(|_| is_full)?;
    Some(PageKey::after(order, last))
}

fn altered(image: &Image, how: &str) -> OriginalStoreError {
    let expected = image.facts.byte_size;
    OriginalStoreError::Altered(cause(format!(
        "the original {} of image {} {how}; {expected} bytes were recorded",
        image.digest, image.id
    )))
}
