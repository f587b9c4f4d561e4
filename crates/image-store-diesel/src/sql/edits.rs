//! Changes of the tags of images, and the deletion of images.
//!
//! Each transaction writes the image's row first, so that two at once conflict, and notes its change for the
//! statistics.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ImageId, Label, Taggers, Threshold, WebhookEvent,
    ports::{ImageEdits, ImageStoreError, TagChange, TagsChanged, TagsVersion, VersionedTags},
};

use super::{
    BEGIN, Connection, Store, changes, claims, events,
    label_cache::LabelCache,
    labels::{self, LabelIds},
    said, summaries,
};
use crate::{
    error::StoreError,
    schema::{image, image_tag, original, tag_source},
    tagger_columns::{self, TaggerColumns},
    values::{self, micros},
};

#[async_trait]
impl ImageEdits for Store {
    async fn tags_of(&self, id: &ImageId) -> Result<Option<VersionedTags>, ImageStoreError> {
        self.read(
            |mut connection| async move { tags_of(&mut connection, &self.label_cache, id).await },
        )
        .await
    }

    async fn change_tags(
        &self,
        id: &ImageId,
        change: &TagChange,
        version: Option<TagsVersion>,
    ) -> Result<TagsChanged, ImageStoreError> {
        let changed = self
            .edit(|mut connection| async move {
                change_tags(&mut connection, &self.label_cache, id, change, version).await
            })
            .await?;
        self.signals.recorded.notify_one();
        Ok(changed)
    }

    async fn delete(&self, id: &ImageId, now: DateTime<Utc>) -> Result<bool, ImageStoreError> {
        let is_deleted = self
            .edit(|mut connection| async move { delete(&mut connection, id, now).await })
            .await?;
        self.signals.recorded.notify_one();
        Ok(is_deleted)
    }
}

/// The row of an image, as far as its tags need it.
#[derive(diesel::Queryable)]
struct EditedImage {
    registered_at: i64,
    taggers: TaggerColumns,
    tags_version: i64,
}

impl EditedImage {
    fn taggers(&self) -> Taggers {
        tagger_columns::read(self.taggers.clone())
    }
}

async fn row(connection: &mut Connection, id: &ImageId) -> Result<Option<EditedImage>, StoreError> {
    let row = image::table
        .find(id.as_bytes().as_slice())
        .select((
            image::registered_at,
            (image::provider, image::provider_version, image::taggers),
            image::tags_version,
        ))
        .first(connection)
        .await;
    Ok(row.optional()?)
}

async fn tags_of(
    connection: &mut Connection,
    cache: &LabelCache,
    id: &ImageId,
) -> Result<Option<VersionedTags>, StoreError> {
    summaries::begin(connection).await?;
    let found = match row(connection, id).await? {
        None => None,
        Some(row) => {
            let tags = said::read(connection, cache, id, row.taggers().own())
                .await?
                .tags;
            let version = version(row.tags_version)?;
            Some(VersionedTags { tags, version })
        }
    };
    connection.batch_execute("COMMIT").await?;
    Ok(found)
}

fn version(number: i64) -> Result<TagsVersion, StoreError> {
    u64::try_from(number)
        .map(TagsVersion)
        .map_err(StoreError::corrupt)
}

async fn change_tags(
    connection: &mut Connection,
    cache: &LabelCache,
    id: &ImageId,
    change: &TagChange,
    expected: Option<TagsVersion>,
) -> Result<TagsChanged, StoreError> {
    let mut names = change.labels();
    loop {
        let texts: Vec<&str> = names.iter().map(Label::as_str).collect();
        let labels = labels::find_or_insert(connection, &texts).await?;
        connection.batch_execute(BEGIN).await?;
        match change_locked(connection, cache, &labels, id, change, expected).await? {
            Locked::Unchanged(outcome) => {
                connection.batch_execute("ROLLBACK").await?;
                return Ok(outcome);
            }
            Locked::Changed(outcome) => {
                connection.batch_execute("COMMIT").await?;
                return Ok(outcome);
            }
            // At most twice, unless the image changes meanwhile.
            Locked::Missing(missing) => {
                connection.batch_execute("ROLLBACK").await?;
                names.extend(missing);
            }
        }
    }
}

/// What came of a change in its transaction.
enum Locked {
    /// Nothing was written.
    Unchanged(TagsChanged),
    /// The change was written.
    Changed(TagsChanged),
    /// The image gets further labels, which need numbers first.
    Missing(Vec<Label>),
}

/// Changes an image in the transaction.
async fn change_locked(
    connection: &mut Connection,
    cache: &LabelCache,
    labels: &LabelIds,
    id: &ImageId,
    change: &TagChange,
    expected: Option<TagsVersion>,
) -> Result<Locked, StoreError> {
    let Some(row) = lock(connection, id).await? else {
        return Ok(Locked::Unchanged(TagsChanged::NotFound));
    };
    let known = version(row.tags_version - 1)?;
    if expected.is_some_and(|expected| expected != known) {
        return Ok(Locked::Unchanged(TagsChanged::Outdated(known)));
    }
    let before = said::read(connection, cache, id, row.taggers().own()).await?;
    let Ok(tags) = change.apply(&before.tags) else {
        return Ok(Locked::Unchanged(TagsChanged::TooMany));
    };
    let retagged = change.taggers();
    if tags == before.tags && retagged.is_none() {
        let version = known;
        let unchanged = TagsChanged::Done(VersionedTags { tags, version });
        return Ok(Locked::Unchanged(unchanged));
    }
    let missing = before.missing(&tags, labels);
    if !missing.is_empty() {
        return Ok(Locked::Missing(missing));
    }
    let taggers = retagged.unwrap_or_else(|| row.taggers());
    let image = (id, row.registered_at);
    said::write(connection, image, &before, &tags, taggers.own(), labels).await?;
    if let TagChange::Retag { threshold, .. } = change {
        note_taggers(connection, id, &taggers, *threshold).await?;
    }
    note_change(connection, row.registered_at).await?;
    events::write(connection, &[change.event(*id)]).await?;
    let version = version(row.tags_version)?;
    let changed = TagsChanged::Done(VersionedTags { tags, version });
    Ok(Locked::Changed(changed))
}

/// Writes the row of an image, and returns it. `None` if there is no such image.
async fn lock(
    connection: &mut Connection,
    id: &ImageId,
) -> Result<Option<EditedImage>, StoreError> {
    let found = diesel::update(image::table.find(id.as_bytes().as_slice()))
        .set(image::tags_version.eq(image::tags_version + 1))
        .execute(connection)
        .await?;
    if found == 0 {
        return Ok(None);
    }
    row(connection, id).await
}

async fn note_taggers(
    connection: &mut Connection,
    id: &ImageId,
    taggers: &Taggers,
    threshold: Threshold,
) -> Result<(), StoreError> {
    diesel::update(image::table.find(id.as_bytes().as_slice()))
        .set((
            image::provider.eq(taggers.own().name.as_deref()),
            image::provider_version.eq(taggers.own().version.as_deref()),
            image::taggers.eq(tagger_columns::several(taggers)),
            image::min_confidence.eq(Some(threshold.lowest().get())),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes for the statistics that an image of that time changed.
async fn note_change(connection: &mut Connection, time: i64) -> Result<(), StoreError> {
    let change = ImageId::new(values::time(time)?);
    changes::note(connection, time, change.as_bytes()).await
}

async fn delete(
    connection: &mut Connection,
    id: &ImageId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let key = id.as_bytes().as_slice();
    let number: Option<i64> = image::table
        .find(key)
        .select(image::original_id)
        .first(connection)
        .await
        .optional()?;
    let Some(number) = number else {
        return Ok(false);
    };
    connection.batch_execute(BEGIN).await?;
    // First the original, as recordings do: whether this is its last image is decided under its lock.
    touch(connection, number).await?;
    let Some(row) = lock(connection, id).await? else {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    diesel::delete(image_tag::table.filter(image_tag::image_id.eq(key)))
        .execute(connection)
        .await?;
    diesel::delete(tag_source::table.filter(tag_source::image_id.eq(key)))
        .execute(connection)
        .await?;
    diesel::delete(image::table.find(key))
        .execute(connection)
        .await?;
    if !claims::is_used(connection, number).await? {
        abandon(connection, number, now).await?;
    }
    note_change(connection, row.registered_at).await?;
    events::write(connection, &[WebhookEvent::ImageDeleted(*id)]).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(true)
}

/// Writes the row of an original: see [`claims::end`].
pub(super) async fn touch(connection: &mut Connection, number: i64) -> Result<(), StoreError> {
    diesel::update(original::table.find(number))
        .set(original::revision.eq(original::revision + 1))
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets upkeep remove an original that no image refers to, unless an upload claims it for longer.
pub(super) async fn abandon(
    connection: &mut Connection,
    number: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::update(original::table.find(number))
        .filter(original::claimed_until.is_null())
        .set(original::claimed_until.eq(Some(micros(now))))
        .execute(connection)
        .await?;
    Ok(())
}
