//! The in-memory [`Database`](domain::ports::Database).

mod backfill;
mod edits;
mod features;
mod inspection;
mod jobs;
mod keys;
mod requests;
mod statistics;
mod transfer;
mod vocabulary;
mod webhooks;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    ApiKey, Confidence, ConfidenceHistogram, ContentDigest, DatabaseId, Fence, Image, ImageFacts,
    ImageId, ImageInfo, ImageOrder, ImageQuery, ImportKey, Label, NewImage, PageKey, RequestKey,
    Session, TagSummary, Tagging, TaggingKey, TimeWindow, UntaggedImage, WebhookEvent,
    ports::{
        Claimed, Counted, ImageCounter, ImageInfoStore, ImageStore, ImageStoreError, Known,
        OriginalLedger, RemovalLedger, StoredBytes, StoredVocabulary, TagStatistics, TaggingCache,
        VersionedTags, cause,
    },
};

/// A working database in memory.
#[derive(Debug, Default)]
pub struct FakeDatabase {
    state: Mutex<State>,
    is_stalled: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    originals: HashMap<ContentDigest, Original>,
    /// The position of the last original.
    position: u64,
    id: Option<DatabaseId>,
    /// In reverse list order.
    images: BTreeMap<(DateTime<Utc>, ImageId), Image>,
    infos: HashMap<ImageId, ImageInfo>,
    /// The tags of images that were edited or tagged again.
    edited: HashMap<ImageId, VersionedTags>,
    taggings: HashMap<TaggingKey, Tagging>,
    codes: features::FakeCodes,
    /// Images whose rows the inspector reports as unreadable.
    spoilt: HashSet<ImageId>,
    segments: BTreeMap<(i32, i64), statistics::FakeSegment>,
    keys: Vec<ApiKey>,
    /// Oldest first.
    sessions: Vec<Session>,
    requests: HashMap<RequestKey, requests::Request>,
    pass: backfill::Pass,
    /// Oldest first.
    jobs: Vec<jobs::FakeJob>,
    /// The number of the last job, and what it was when each image was recorded.
    job_number: u64,
    job_numbers: HashMap<ImageId, u64>,
    vocabulary: StoredVocabulary,
    webhooks: webhooks::FakeWebhooks,
    /// How long the stretches of the statistics are; none are rolled up without it.
    stretch: Option<TimeDelta>,
}

#[derive(Debug)]
struct Original {
    /// `None` if only a check ever claimed it.
    facts: Option<ImageFacts>,
    /// `None` once an image refers to it.
    claimed_until: Option<DateTime<Utc>>,
    removing_until: Option<DateTime<Utc>>,
    damaged_at: Option<DateTime<Utc>>,
    fence: Fence,
    /// Its position among all that have ever been known, from 1.
    position: u64,
}

impl FakeDatabase {
    /// Every image, newest first.
    pub fn images(&self) -> Vec<Image> {
        self.state().images.values().rev().cloned().collect()
    }

    /// Every known original, in the order of their digests.
    pub fn originals(&self) -> Vec<ContentDigest> {
        let mut digests: Vec<_> = self.state().originals.keys().copied().collect();
        digests.sort_unstable();
        digests
    }

    /// Until when an original is claimed for an upload; `None` if it is unknown, or safe because an image
    /// refers to it.
    pub fn claimed_until(&self, digest: &ContentDigest) -> Option<DateTime<Utc>> {
        self.state().originals.get(digest)?.claimed_until
    }

    /// When an original was marked as damaged.
    pub fn damaged_at(&self, digest: &ContentDigest) -> Option<DateTime<Utc>> {
        self.state().originals.get(digest)?.damaged_at
    }

    /// Every answer of a provider, in no particular order.
    pub fn taggings(&self) -> Vec<(TaggingKey, Tagging)> {
        let taggings = &self.state().taggings;
        taggings
            .iter()
            .map(|(key, tagging)| (key.clone(), tagging.clone()))
            .collect()
    }

    /// Deletes an image and leaves its original, as an external client might.
    pub fn lose(&self, id: &ImageId) {
        let mut state = self.state();
        state.images.retain(|_, image| image.id != *id);
        state.infos.remove(id);
    }

    /// Makes the row of an image unreadable for the inspector.
    pub fn spoil(&self, id: &ImageId) {
        self.state().spoilt.insert(*id);
    }

    /// Tells of stretches of that length, as if all images were rolled up.
    pub fn roll_up_in(&self, stretch: TimeDelta) {
        self.state().stretch = Some(stretch);
    }

    /// Makes every call hang from now on.
    pub fn stall(&self) {
        self.is_stalled.store(true, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no test panicked holding the state")
    }

    /// Locks the state for a call of a port.
    async fn call(&self) -> MutexGuard<'_, State> {
        if self.is_stalled.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.state()
    }
}

impl Original {
    fn is_being_removed(&self, now: DateTime<Utc>) -> bool {
        self.removing_until.is_some_and(|until| until > now)
    }

    /// Whether the latest claim is an upload's with that fence.
    fn stands(&self, fence: Option<Fence>) -> bool {
        self.removing_until.is_none() && fence.is_none_or(|fence| fence == self.fence)
    }

    fn is_claimed(&self, now: DateTime<Utc>) -> bool {
        self.claimed_until.is_some_and(|until| until > now)
    }

    fn claim_removal(&mut self, fence: Fence, until: DateTime<Utc>) {
        self.removing_until = Some(until);
        self.fence = fence;
    }

    fn is_removable(&self, now: DateTime<Utc>) -> bool {
        self.claimed_until.is_some_and(|until| until <= now) && !self.is_being_removed(now)
    }
}

impl State {
    /// Whether the latest claim on an original is a removal's with that fence.
    fn is_held(&self, digest: &ContentDigest, fence: Fence) -> bool {
        self.originals
            .get(digest)
            .is_some_and(|original| original.removing_until.is_some() && original.fence == fence)
    }

    /// The image that was imported from a file.
    fn image_of(&self, file: &ImportKey) -> Option<ImageId> {
        let is_of = |info: &ImageInfo| info.imported.as_ref().is_some_and(|it| it.key == *file);
        let found = self.infos.iter().find(|(_, info)| is_of(info));
        found.map(|(id, _)| *id)
    }

    fn keep(&mut self, key: &TaggingKey, tagging: &Tagging) {
        self.taggings
            .entry(key.clone())
            .or_insert_with(|| tagging.clone());
    }

    /// Claims an original for an upload. `None` while a removal holds it.
    fn claim(
        &mut self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<Claimed> {
        let is_new = !self.originals.contains_key(digest);
        self.position += 1;
        let position = self.position;
        let original = self.originals.entry(*digest).or_insert(Original {
            facts: Some(*facts),
            claimed_until: Some(until),
            removing_until: None,
            damaged_at: None,
            fence: Fence::random(),
            position,
        });
        if original.is_being_removed(now) {
            return None;
        }
        if original.removing_until.take().is_some() {
            original.damaged_at.get_or_insert(now);
            original.fence = Fence::random();
        }
        original.facts = Some(*facts);
        original.claimed_until = original.claimed_until.map(|known| known.max(until));
        let is_damaged = original.damaged_at.is_some();
        Some(Claimed {
            fence: original.fence,
            rewrite: is_new || is_damaged,
            is_damaged,
        })
    }

    /// The images of a window, newest first.
    fn within<'a>(&'a self, window: &'a TimeWindow) -> impl Iterator<Item = &'a Image> {
        self.images
            .values()
            .rev()
            .filter(|image| window.contains(image.registered_at))
    }

    /// A page of images, with the current facts of their originals.
    fn page(&self, query: &ImageQuery, after: Option<PageKey>, limit: NonZeroU32) -> Vec<Image> {
        let place = |image: &Image| {
            let key = PageKey::after(query.order, image);
            (key.time, key.id)
        };
        let images = self.within(&query.window).map(|image| self.read(image));
        let mut images: Vec<Image> = images
            .filter(|image| after.is_none_or(|key| place(image) < (key.time, key.id)))
            .filter(|image| query.admits_of(image, &self.sources(&image.id)))
            .collect();
        images.sort_unstable_by_key(|image| std::cmp::Reverse(place(image)));
        images.truncate(limit.get() as usize);
        images
    }

    fn read(&self, image: &Image) -> Image {
        Image {
            facts: self.originals[&image.digest].facts.unwrap_or(image.facts),
            taken_order: self.infos[&image.id].taken_order(image.registered_at),
            ..image.clone()
        }
    }
}

#[async_trait]
impl ImageStore for FakeDatabase {
    async fn record(&self, new: &NewImage) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        let image = &new.image;
        if state.images.values().any(|known| known.id == image.id) {
            return Err(ImageStoreError::Failed(cause("the id is taken")));
        }
        if new.request.is_some_and(|lease| !state.holds(&lease)) {
            return Err(ImageStoreError::LeaseLost);
        }
        if let Some(file) = &new.info.imported
            && state.image_of(&file.key).is_some()
        {
            return Err(ImageStoreError::AlreadyImported);
        }
        match state.originals.get_mut(&image.digest) {
            Some(original) if original.stands(new.fence) => original.claimed_until = None,
            _ => return Err(ImageStoreError::ClaimLost),
        }
        state
            .images
            .insert((image.registered_at, image.id), image.clone());
        state.infos.insert(image.id, new.info.clone());
        let number = state.job_number;
        state.job_numbers.insert(image.id, number);
        if let Some(said) = &new.said {
            state.set_tags(
                &image.id,
                said.clone(),
                domain::ports::TagsVersion::default(),
            );
        }
        for (key, tagging) in &new.taggings {
            state.keep(key, tagging);
        }
        state.codes.keep(&image.digest, &new.codes);
        if let Some(lease) = &new.request {
            state.complete(lease, image.id);
        }
        state.webhooks.emit(WebhookEvent::ImageCreated(image.id));
        state.webhooks.emit(WebhookEvent::ImageTagged(image.id));
        Ok(())
    }

    async fn find(&self, id: &ImageId) -> Result<Option<Image>, ImageStoreError> {
        let state = self.call().await;
        let found = state.images.values().find(|image| image.id == *id);
        Ok(found.map(|image| state.read(image)))
    }

    async fn page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<Image>, ImageStoreError> {
        Ok(self.call().await.page(query, after, limit))
    }

    async fn untagged_page(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
        limit: NonZeroU32,
    ) -> Result<Vec<UntaggedImage>, ImageStoreError> {
        let page = self.call().await.page(query, after, limit);
        Ok(page.iter().map(Into::into).collect())
    }

    async fn with_tags(&self, images: &[UntaggedImage]) -> Result<Vec<Image>, ImageStoreError> {
        let state = self.call().await;
        let tagged = |image: &UntaggedImage| {
            let kept = state.images.get(&(image.registered_at, image.id))?;
            Some(image.with(kept.tags.clone()))
        };
        Ok(images.iter().filter_map(tagged).collect())
    }

    async fn ready(&self) -> Result<(), ImageStoreError> {
        drop(self.call().await);
        Ok(())
    }
}

#[async_trait]
impl ImageCounter for FakeDatabase {
    async fn count_images(
        &self,
        query: &ImageQuery,
        after: Option<PageKey>,
    ) -> Result<Counted, ImageStoreError> {
        // Few, so that tests take several.
        const STRIDE: NonZeroU32 = NonZeroU32::new(2).unwrap();
        let page = self.call().await.page(query, after, STRIDE);
        let is_full = page.len() == STRIDE.get() as usize;
        let last = page.last().filter(|_| is_full);
        Ok(Counted {
            images: page.len() as u64,
            next: last.map(|image| PageKey::after(query.order, image)),
        })
    }
}

#[async_trait]
impl ImageInfoStore for FakeDatabase {
    async fn infos(
        &self,
        images: &[ImageId],
    ) -> Result<HashMap<ImageId, ImageInfo>, ImageStoreError> {
        let state = self.call().await;
        let info = |id: &ImageId| Some((*id, state.infos.get(id)?.clone()));
        Ok(images.iter().filter_map(info).collect())
    }

    async fn imported(
        &self,
        files: &[ImportKey],
    ) -> Result<HashMap<ImportKey, ImageId>, ImageStoreError> {
        let state = self.call().await;
        let image = |file: &ImportKey| Some((*file, state.image_of(file)?));
        Ok(files.iter().filter_map(image).collect())
    }

    async fn images_of(
        &self,
        digest: &ContentDigest,
        limit: NonZeroU32,
    ) -> Result<Vec<ImageId>, ImageStoreError> {
        let state = self.call().await;
        let images = state.images.values().rev();
        let images = images.filter(|image| image.digest == *digest);
        let limit = limit.get() as usize;
        Ok(images.map(|image| image.id).take(limit).collect())
    }
}

#[async_trait]
impl TagStatistics for FakeDatabase {
    async fn tag_summaries(&self, window: &TimeWindow) -> Result<Vec<TagSummary>, ImageStoreError> {
        let state = self.call().await;
        let mut confidences: BTreeMap<&Label, Vec<Confidence>> = BTreeMap::new();
        for tag in state.within(window).flat_map(|image| &image.tags) {
            confidences
                .entry(&tag.label)
                .or_default()
                .push(tag.confidence);
        }
        let mut summaries: Vec<TagSummary> = confidences
            .into_iter()
            .map(|(label, confidences)| summary(label, &confidences))
            .collect();
        // Sorted by label already; the stable sort keeps that order among equals.
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.images));
        Ok(summaries)
    }

    /// One image a stride, so that callers have to go on.
    async fn confidences(
        &self,
        label: &Label,
        window: &TimeWindow,
        after: Option<PageKey>,
    ) -> Result<(ConfidenceHistogram, Option<PageKey>), ImageStoreError> {
        let state = self.call().await;
        let mut histogram = ConfidenceHistogram::default();
        let mut images = state.within(window).filter_map(|image| {
            let tag = image.tags.iter().find(|tag| tag.label == *label)?;
            let key = PageKey::after(ImageOrder::Registered, image);
            let is_next = after.is_none_or(|after| (key.time, key.id) < (after.time, after.id));
            is_next.then_some((key, tag.confidence))
        });
        let Some((key, confidence)) = images.next() else {
            return Ok((histogram, None));
        };
        histogram.count(confidence);
        Ok((histogram, Some(key)))
    }

    async fn carried(&self, labels: &[Label]) -> Result<HashSet<Label>, ImageStoreError> {
        let state = self.call().await;
        let window = TimeWindow::default();
        let tags = state.within(&window).flat_map(|image| &image.tags);
        let carried: HashSet<&Label> = tags.map(|tag| &tag.label).collect();
        let asked = labels.iter().filter(|label| carried.contains(label));
        Ok(asked.cloned().collect())
    }

    async fn roll_up(&self, _: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        Ok(false)
    }

    async fn stretch(&self, at: DateTime<Utc>) -> Result<Option<TimeWindow>, ImageStoreError> {
        let Some(length) = self.call().await.stretch else {
            return Ok(None);
        };
        let micros = length.num_microseconds().expect("a short stretch");
        let from = at.timestamp_micros().div_euclid(micros) * micros;
        let time = |micros| DateTime::from_timestamp_micros(micros);
        Ok(Some(TimeWindow {
            from: time(from),
            until: time(from + micros),
        }))
    }
}

#[async_trait]
impl TaggingCache for FakeDatabase {
    async fn known(&self, key: &TaggingKey) -> Result<Known, ImageStoreError> {
        let state = self.call().await;
        Ok(Known {
            facts: state
                .originals
                .get(&key.digest)
                .and_then(|original| original.facts),
            tagging: state.taggings.get(key).cloned(),
        })
    }

    async fn keep_tagging(
        &self,
        key: &TaggingKey,
        tagging: &Tagging,
    ) -> Result<(), ImageStoreError> {
        self.call().await.keep(key, tagging);
        Ok(())
    }

    async fn taggings_of(
        &self,
        digests: &[ContentDigest],
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError> {
        drop(self.call().await);
        let mut all = self.taggings();
        all.retain(|(key, _)| digests.contains(&key.digest));
        Ok(all)
    }
}

#[async_trait]
impl OriginalLedger for FakeDatabase {
    async fn claim(
        &self,
        digest: &ContentDigest,
        facts: &ImageFacts,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Claimed, ImageStoreError> {
        let claimed = self.call().await.claim(digest, facts, now, until);
        claimed.ok_or_else(|| {
            let reason = "the original is being removed";
            ImageStoreError::Contended(cause(reason))
        })
    }

    async fn note_damage(
        &self,
        digest: &ContentDigest,
        at: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        if let Some(original) = self.call().await.originals.get_mut(digest) {
            original.damaged_at.get_or_insert(at);
        }
        Ok(())
    }

    async fn clear_damage(&self, digest: &ContentDigest) -> Result<(), ImageStoreError> {
        if let Some(original) = self.call().await.originals.get_mut(digest) {
            original.damaged_at = None;
        }
        Ok(())
    }

    async fn is_needed(
        &self,
        digest: &ContentDigest,
        now: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let state = self.call().await;
        let original = state.originals.get(digest);
        let is_claimed = original.is_some_and(|original| original.is_claimed(now));
        Ok(is_claimed || state.first_image(digest).is_some())
    }

    async fn stored_bytes(
        &self,
        after: u64,
        limit: NonZeroU32,
    ) -> Result<StoredBytes, ImageStoreError> {
        let state = self.call().await;
        let originals = state.originals.values();
        let mut behind: Vec<&Original> = originals.filter(|it| it.position > after).collect();
        behind.sort_unstable_by_key(|original| original.position);
        behind.truncate(limit.get() as usize);
        let sizes = behind.iter().filter_map(|original| original.facts);
        Ok(StoredBytes {
            bytes: sizes.map(|facts| facts.byte_size).sum(),
            originals: u32::try_from(behind.len()).expect("at most the limit"),
            until: behind.last().map_or(after, |original| original.position),
        })
    }

    async fn database_id(&self) -> Result<DatabaseId, ImageStoreError> {
        Ok(*self.call().await.id.get_or_insert_with(DatabaseId::random))
    }
}

#[async_trait]
impl RemovalLedger for FakeDatabase {
    async fn abandoned(
        &self,
        before: DateTime<Utc>,
        limit: NonZeroU32,
    ) -> Result<Vec<ContentDigest>, ImageStoreError> {
        let state = self.call().await;
        let mut found: Vec<(DateTime<Utc>, ContentDigest)> = state
            .originals
            .iter()
            .filter_map(|(digest, original)| Some((original.claimed_until?, *digest)))
            .filter(|(claimed_until, _)| *claimed_until < before)
            .collect();
        found.sort_unstable();
        found.truncate(limit.get() as usize);
        Ok(found.into_iter().map(|(_, digest)| digest).collect())
    }

    async fn claim_for_removal(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let original = state.originals.get_mut(digest);
        let Some(original) = original.filter(|original| original.is_removable(now)) else {
            return Ok(false);
        };
        original.claim_removal(fence, until);
        Ok(true)
    }

    async fn claim_orphan(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let is_used = state.first_image(digest).is_some();
        state.position += 1;
        let position = state.position;
        let original = state.originals.entry(*digest).or_insert(Original {
            facts: None,
            claimed_until: None,
            removing_until: None,
            damaged_at: None,
            fence,
            position,
        });
        if is_used || original.is_claimed(now) || original.is_being_removed(now) {
            return Ok(false);
        }
        original.claim_removal(fence, until);
        Ok(true)
    }

    async fn forget(&self, digest: &ContentDigest, fence: Fence) -> Result<bool, ImageStoreError> {
        let mut state = self.call().await;
        let is_held = state.is_held(digest, fence);
        if is_held {
            state.originals.remove(digest);
            state.codes.forget(digest);
        }
        Ok(is_held)
    }

    async fn postpone(
        &self,
        digest: &ContentDigest,
        fence: Fence,
        until: DateTime<Utc>,
    ) -> Result<(), ImageStoreError> {
        let mut state = self.call().await;
        if state.is_held(digest, fence)
            && let Some(original) = state.originals.get_mut(digest)
        {
            original.claimed_until = original.claimed_until.map(|_| until);
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "no test has 2^52 images")]
fn summary(label: &Label, confidences: &[Confidence]) -> TagSummary {
    let lowest = *confidences.iter().min().expect("at least one");
    let highest = *confidences.iter().max().expect("at least one");
    let sum: f64 = confidences.iter().map(|confidence| confidence.get()).sum();
    TagSummary {
        label: label.clone(),
        images: confidences.len() as u64,
        min_confidence: lowest,
        max_confidence: highest,
        // Rounding must not move the mean of equal numbers past them.
        mean_confidence: (sum / confidences.len() as f64).clamp(lowest.get(), highest.get()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{at, contract, image};
    use domain::ports::Database;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract::database::run(async || Arc::new(FakeDatabase::default()) as Arc<dyn Database>)
            .await;
        contract::inspector::run(&async || Arc::new(FakeDatabase::default()) as Arc<dyn Database>)
            .await;
    }

    #[tokio::test]
    async fn shows_what_it_holds() {
        let store = FakeDatabase::default();
        let image = image(b"a", at(0), &[("car", 90.0)]);
        store
            .claim(&image.digest, &image.facts, at(0), at(9))
            .await
            .unwrap();
        assert_eq!(store.claimed_until(&image.digest), Some(at(9)));
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image.clone(),
            said: None,
            taggings: Vec::new(),
        };
        store.record(&new).await.unwrap();
        assert_eq!(store.claimed_until(&image.digest), None);
        assert_eq!(store.originals(), [image.digest]);
        assert_eq!(store.images(), [image]);
        assert!(store.taggings().is_empty());
    }
}
