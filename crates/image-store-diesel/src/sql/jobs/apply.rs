//! The changes of a step, in the transaction that makes it.
//!
//! The rows of all images are read at once. Each image that changes is then written on condition that its tags are still
//! of the version that was read: an edit that came in between makes the step begin again.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, Queryable};
use diesel_async::RunQueryDsl;
use domain::{
    ImageId, ImageTags, ItemError, Label, MAX_SHOWN, Taggers, Tags, Tallies, Threshold,
    WebhookEvent,
    ports::{
        ImageChange, ImageStoreError, ItemOutcome, JobChange, JobStep, KeptTags, TagChange, cause,
    },
};

use super::super::{
    Connection, changes, claims, edits, events,
    label_cache::LabelCache,
    labels::LabelIds,
    said::{self, Said, TagRows},
    statement::LISTED,
};
use crate::{
    error::StoreError,
    schema::{image, image_tag, tag_source},
    tagger_columns::{self, TaggerColumns},
    values,
};

/// What a job's row says of its changes.
pub(super) struct Terms {
    /// Images recorded when a job of this number had been made are left alone.
    pub(super) number: i64,
    pub(super) is_dry: bool,
}

/// What a step changed, or would change.
#[derive(Default)]
pub(super) struct Applied {
    pub(super) changed: u64,
    pub(super) tallies: Tallies,
    pub(super) errors: Vec<ItemError>,
    /// The numbers of all labels counted.
    pub(super) labels: HashMap<Label, i32>,
    /// The times of images that changed.
    times: Vec<i64>,
    /// What tells of these changes.
    events: Vec<WebhookEvent>,
}

/// The row of an image, as far as a job needs it.
#[derive(Queryable)]
struct Row {
    id: Vec<u8>,
    original_id: i64,
    registered_at: i64,
    taggers: TaggerColumns,
    min_confidence: Option<f64>,
    tags_version: i64,
    job_number: Option<i64>,
}

impl Row {
    fn taggers(&self) -> Taggers {
        tagger_columns::read(self.taggers.clone())
    }
}

/// Makes the changes of a step.
///
/// # Errors
/// The labels that images get and whose numbers are not known, if there are any. Nothing was written then.
pub(super) async fn apply(
    connection: &mut Connection,
    cache: &LabelCache,
    labels: &LabelIds,
    terms: &Terms,
    step: &JobStep,
) -> Result<Result<Applied, BTreeSet<Label>>, StoreError> {
    let mut items = Vec::new();
    for changes in step.changes.chunks(LISTED) {
        items.extend(judged(connection, cache, terms, step, changes).await?);
    }
    let missing: BTreeSet<Label> = items.iter().flat_map(|item| item.missing(labels)).collect();
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let mut applied = Applied::default();
    for item in items {
        item.apply(connection, labels, terms, &mut applied).await?;
    }
    changes::note_all(connection, &applied.times).await?;
    events::write(connection, &applied.events).await?;
    Ok(Ok(applied))
}

/// Judges some changes by what is kept of their images.
async fn judged<'s>(
    connection: &mut Connection,
    cache: &LabelCache,
    terms: &Terms,
    step: &JobStep,
    changes: &'s [JobChange],
) -> Result<Vec<Item<'s>>, StoreError> {
    let ids: Vec<&[u8]> = changes
        .iter()
        .map(|change| change.image.id.as_bytes().as_slice())
        .collect();
    let mut rows = rows(connection, &ids).await?;
    let kept = TagRows::read(connection, cache, &ids).await?;
    let mut items = Vec::new();
    for change in changes {
        // One that is gone is done.
        let Some(row) = rows.remove(&change.image.id) else {
            continue;
        };
        if row.job_number.is_some_and(|number| number >= terms.number) {
            continue;
        }
        let before = kept.of(&change.image.id, row.taggers().own())?;
        items.push(Item::judged(change, row, before, step)?);
    }
    Ok(items)
}

async fn rows(
    connection: &mut Connection,
    ids: &[&[u8]],
) -> Result<HashMap<ImageId, Row>, StoreError> {
    let rows: Vec<Row> = image::table
        .filter(image::id.eq_any(ids))
        .select((
            image::id,
            image::original_id,
            image::registered_at,
            (image::provider, image::provider_version, image::taggers),
            image::min_confidence,
            image::tags_version,
            image::job_number,
        ))
        .load(connection)
        .await?;
    let rows = rows.into_iter();
    rows.map(|row| Ok((values::image_id(&row.id)?, row)))
        .collect()
}

/// An image of a step, what is kept of it, and what comes of its change.
struct Item<'s> {
    change: &'s JobChange,
    row: Row,
    before: Said,
    outcome: ItemOutcome,
}

impl<'s> Item<'s> {
    fn judged(
        change: &'s JobChange,
        row: Row,
        before: Said,
        step: &JobStep,
    ) -> Result<Self, StoreError> {
        let threshold = row.min_confidence.map(values::confidence).transpose()?;
        let kept = KeptTags {
            tags: before.tags.clone(),
            taggers: row.taggers(),
            threshold: threshold.map(Threshold::new),
        };
        let outcome = change.outcome(&step.query, &kept);
        Ok(Self {
            change,
            row,
            before,
            outcome,
        })
    }

    fn missing(&self, labels: &LabelIds) -> Vec<Label> {
        match &self.outcome {
            ItemOutcome::Tags(tags) => self.before.missing(tags, labels),
            ItemOutcome::Unchanged | ItemOutcome::TooMany | ItemOutcome::Delete => Vec::new(),
        }
    }

    async fn apply(
        &self,
        connection: &mut Connection,
        labels: &LabelIds,
        terms: &Terms,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let nothing = ImageTags::default();
        let after = match &self.outcome {
            ItemOutcome::Unchanged => return Ok(()),
            ItemOutcome::TooMany => {
                applied.errors.push(self.too_many());
                return Ok(());
            }
            ItemOutcome::Tags(tags) => {
                if !terms.is_dry {
                    self.write_tags(connection, labels, tags).await?;
                }
                tags
            }
            ItemOutcome::Delete => {
                if !terms.is_dry {
                    self.delete(connection).await?;
                }
                &nothing
            }
        };
        if !terms.is_dry {
            applied.times.push(self.row.registered_at);
            applied.events.extend(self.event());
        }
        let before = &self.before.tags;
        if after != before || matches!(self.change.change, ImageChange::Delete(_)) {
            applied.changed += 1;
        }
        self.count(&before.tags(), &after.tags(), labels, applied)
    }

    /// Counts the labels that changed, and keeps their numbers.
    fn count(
        &self,
        before: &Tags,
        after: &Tags,
        labels: &LabelIds,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        applied.tallies.count(before, after);
        for tag in before.iter().chain(after) {
            if applied.labels.contains_key(&tag.label) {
                continue;
            }
            let known = self.before.ids.get(&tag.label);
            let known = known.or_else(|| labels.get(tag.label.as_str()));
            let missing = || ImageStoreError::Failed(cause("a label of an image has no number"));
            let number = *known.ok_or_else(missing)?;
            applied.labels.insert(tag.label.clone(), number);
        }
        Ok(())
    }

    /// The event that tells of the change, if it is one.
    fn event(&self) -> Option<WebhookEvent> {
        let id = self.change.image.id;
        match &self.change.change {
            ImageChange::Tags(change) => Some(change.event(id)),
            ImageChange::Delete(_) => Some(WebhookEvent::ImageDeleted(id)),
            ImageChange::Nothing => None,
        }
    }

    fn too_many(&self) -> ItemError {
        let detail = format!("an image has at most {MAX_SHOWN} tags");
        ItemError::new(self.change.image.id, "too-many", &detail)
    }

    async fn write_tags(
        &self,
        connection: &mut Connection,
        labels: &LabelIds,
        tags: &ImageTags,
    ) -> Result<(), StoreError> {
        let next = image::tags_version.eq(self.row.tags_version + 1);
        let row = image::table.find(self.row.id.as_slice());
        let row = diesel::update(row).filter(image::tags_version.eq(self.row.tags_version));
        let (written, taggers) = match &self.change.change {
            ImageChange::Tags(TagChange::Retag {
                answers, threshold, ..
            }) => {
                let taggers = answers.taggers();
                let written = row
                    .set((
                        next,
                        image::provider.eq(taggers.own().name.as_deref()),
                        image::provider_version.eq(taggers.own().version.as_deref()),
                        image::taggers.eq(tagger_columns::several(&taggers)),
                        image::min_confidence.eq(Some(threshold.lowest().get())),
                    ))
                    .execute(connection)
                    .await?;
                (written, taggers)
            }
            _ => (row.set(next).execute(connection).await?, self.row.taggers()),
        };
        require(written)?;
        let id = (&self.change.image.id, self.row.registered_at);
        said::write(connection, id, &self.before, tags, taggers.own(), labels).await
    }

    /// First the original, as recordings do: whether this is its last image is decided under its lock.
    async fn delete(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let (key, original) = (self.row.id.as_slice(), self.row.original_id);
        edits::touch(connection, original).await?;
        let row = diesel::update(image::table.find(key));
        let held = row
            .filter(image::tags_version.eq(self.row.tags_version))
            .set(image::tags_version.eq(self.row.tags_version + 1))
            .execute(connection)
            .await?;
        require(held)?;
        diesel::delete(image_tag::table.filter(image_tag::image_id.eq(key)))
            .execute(connection)
            .await?;
        diesel::delete(tag_source::table.filter(tag_source::image_id.eq(key)))
            .execute(connection)
            .await?;
        diesel::delete(image::table.find(key))
            .execute(connection)
            .await?;
        if !claims::is_used(connection, original).await? {
            edits::abandon(connection, original, self.deleted_at()).await?;
        }
        Ok(())
    }

    fn deleted_at(&self) -> DateTime<Utc> {
        match self.change.change {
            ImageChange::Delete(at) => at,
            ImageChange::Tags(_) | ImageChange::Nothing => DateTime::UNIX_EPOCH,
        }
    }
}

/// Fails if a row was not written: somebody else changed it.
fn require(written: usize) -> Result<(), StoreError> {
    if written > 0 {
        return Ok(());
    }
    let reason = cause("an image of the step is being changed");
    Err(ImageStoreError::Contended(reason).into())
}
