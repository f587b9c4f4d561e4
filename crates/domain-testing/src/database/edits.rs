//! Changes of images.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use domain::{
    Image, ImageId, ImageTags, SourceKind, SourcedTag, Taggers, WebhookEvent,
    ports::{ImageEdits, ImageStoreError, TagChange, TagsChanged, TagsVersion, VersionedTags},
};

use super::{FakeDatabase, State};

impl FakeDatabase {
    /// Adds a tag to what was said of an image, by any source.
    pub fn say(&self, id: &ImageId, said: SourcedTag) {
        let mut state = self.state();
        let Some(known) = state.versioned(id) else {
            return;
        };
        let all = known.tags.said().chain([said]);
        let tags = ImageTags::new(all, known.tags.rejected().cloned());
        state.set_tags(id, tags, known.version);
    }
}

impl State {
    pub(super) fn versioned(&self, id: &ImageId) -> Option<VersionedTags> {
        let image = self.images.values().find(|image| image.id == *id)?;
        let known = self.edited.get(id).cloned();
        Some(known.unwrap_or_else(|| VersionedTags {
            tags: ImageTags::of_provider(self.taggers(image).own(), &image.tags),
            version: TagsVersion::default(),
        }))
    }

    fn taggers(&self, image: &Image) -> Taggers {
        let info = self.infos.get(&image.id).cloned();
        info.unwrap_or_default().taggers
    }

    /// The kinds of sources of the tags that an image shows.
    pub(super) fn sources(&self, id: &ImageId) -> Vec<SourceKind> {
        let shown = self.versioned(id).map(|known| known.tags.shown());
        let shown = shown.unwrap_or_default();
        shown.iter().map(|shown| shown.source.kind()).collect()
    }

    pub(super) fn set_tags(&mut self, id: &ImageId, tags: ImageTags, version: TagsVersion) {
        if let Some(image) = self.images.values_mut().find(|image| image.id == *id) {
            image.tags = tags.tags();
        }
        self.edited.insert(*id, VersionedTags { tags, version });
    }

    /// Keeps what a change says of providers.
    pub(super) fn note_taggers(&mut self, id: &ImageId, change: &TagChange) {
        if let TagChange::Retag {
            answers, threshold, ..
        } = change
        {
            let info = self.infos.entry(*id).or_default();
            info.taggers = answers.taggers();
            info.threshold = Some(*threshold);
        }
    }

    pub(super) fn delete(&mut self, id: &ImageId, now: DateTime<Utc>) -> bool {
        let found = self.images.values().find(|image| image.id == *id).cloned();
        let Some(image) = found else {
            return false;
        };
        self.images.remove(&(image.registered_at, image.id));
        self.infos.remove(id);
        self.edited.remove(id);
        let is_used = self.first_image(&image.digest).is_some();
        if let Some(original) = self.originals.get_mut(&image.digest)
            && !is_used
        {
            original.claimed_until.get_or_insert(now);
        }
        self.webhooks.emit(WebhookEvent::ImageDeleted(*id));
        true
    }
}

#[async_trait]
impl ImageEdits for FakeDatabase {
    async fn tags_of(&self, id: &ImageId) -> Result<Option<VersionedTags>, ImageStoreError> {
        Ok(self.call().await.versioned(id))
    }

    async fn change_tags(
        &self,
        id: &ImageId,
        change: &TagChange,
        version: Option<TagsVersion>,
    ) -> Result<TagsChanged, ImageStoreError> {
        let mut state = self.call().await;
        let Some(known) = state.versioned(id) else {
            return Ok(TagsChanged::NotFound);
        };
        if version.is_some_and(|version| version != known.version) {
            return Ok(TagsChanged::Outdated(known.version));
        }
        let Ok(tags) = change.apply(&known.tags) else {
            return Ok(TagsChanged::TooMany);
        };
        if tags == known.tags && change.taggers().is_none() {
            return Ok(TagsChanged::Done(known));
        }
        let version = TagsVersion(known.version.0 + 1);
        state.set_tags(id, tags.clone(), version);
        state.note_taggers(id, change);
        state.webhooks.emit(change.event(*id));
        Ok(TagsChanged::Done(VersionedTags { tags, version }))
    }

    async fn delete(&self, id: &ImageId, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        Ok(self.call().await.delete(id, now))
    }
}
