//! Who said what of an image.
//!
//! Mostly nothing is kept but the shown tags: they are what the image's own provider gave. For each label of
//! which that is not all, everything is kept in rows of their own.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use diesel::{
    ExpressionMethods, QueryDsl, Queryable, sql_query,
    sql_types::{Binary, Double, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use domain::{
    ImageId, ImageTags, Label, SourcedTag, Tag, TagSource, TaggerVersion,
    ports::{ImageStoreError, cause},
};

use super::{
    Backend, Connection, ROWS, images,
    label_cache::{Known, LabelCache},
    labels::LabelIds,
};
use crate::{
    error::StoreError,
    schema::{image_tag, tag_source},
    values::{self, IdBytes},
};

/// What is kept of an image's tags.
#[derive(Default)]
pub(super) struct Said {
    pub(super) tags: ImageTags,
    /// The confidences of the shown tags, by the numbers of their labels.
    shown: HashMap<i32, f64>,
    /// The numbers of all labels mentioned.
    pub(super) ids: HashMap<Label, i32>,
    /// Whether there are rows of who said what.
    has_rows: bool,
}

impl Said {
    /// The labels of other tags whose numbers are not known.
    pub(super) fn missing(&self, tags: &ImageTags, labels: &LabelIds) -> Vec<Label> {
        let said = tags.said().map(|said| said.tag.label);
        let all = said.chain(tags.rejected().cloned());
        let missing = all
            .filter(|label| !self.ids.contains_key(label) && !labels.contains_key(label.as_str()));
        missing.collect()
    }
}

/// The rows of several images, as far as they say something of their tags.
#[derive(Default)]
pub(super) struct TagRows {
    shown: HashMap<[u8; 16], Vec<(i32, f64)>>,
    sources: HashMap<[u8; 16], Vec<SourceRow>>,
    labels: Arc<Known>,
}

impl TagRows {
    /// Reads the rows of some hundred images.
    pub(super) async fn read(
        connection: &mut Connection,
        cache: &LabelCache,
        ids: &[&[u8]],
    ) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        let mut numbers = Vec::new();
        for (id, label, confidence) in images::shown(connection, ids.iter().copied()).await? {
            numbers.push(label);
            rows.shown.entry(id).or_default().push((label, confidence));
        }
        let sources: Vec<SourceRow> = tag_source::table
            .filter(tag_source::image_id.eq_any(ids))
            .order((tag_source::image_id, tag_source::number))
            .load(connection)
            .await?;
        for row in sources {
            numbers.push(row.label_id);
            let id = IdBytes::from(row.image_id.as_slice()).get()?;
            rows.sources.entry(id).or_default().push(row);
        }
        rows.labels = cache.labels(connection, numbers.into_iter()).await?;
        Ok(rows)
    }

    /// What is kept of the tags of one of the images.
    pub(super) fn of(&self, id: &ImageId, tagger: &TaggerVersion) -> Result<Said, StoreError> {
        let shown = self.shown.get(id.as_bytes()).map(Vec::as_slice);
        let sources = self.sources.get(id.as_bytes()).map(Vec::as_slice);
        said(
            shown.unwrap_or_default(),
            sources.unwrap_or_default(),
            tagger,
            &self.labels,
        )
    }
}

/// A row of what was said.
#[derive(Queryable)]
struct SourceRow {
    image_id: Vec<u8>,
    number: i32,
    label_id: i32,
    source: i32,
    provider: Option<Vec<u8>>,
    version: Option<Vec<u8>>,
    confidence: f64,
    is_shown: i32,
}

const PROVIDER: i32 = 0;
const PERSON: i32 = 1;
const FILE: i32 = 2;
const REJECTED: i32 = 3;

/// Reads what is kept of an image's tags. `tagger` is the image's own provider.
pub(super) async fn read(
    connection: &mut Connection,
    cache: &LabelCache,
    id: &ImageId,
    tagger: &TaggerVersion,
) -> Result<Said, StoreError> {
    let key = id.as_bytes().as_slice();
    let shown: Vec<(i32, f64)> = image_tag::table
        .filter(image_tag::image_id.eq(key))
        .select((image_tag::label_id, image_tag::confidence))
        .load(connection)
        .await?;
    let rows: Vec<SourceRow> = tag_source::table
        .filter(tag_source::image_id.eq(key))
        .order(tag_source::number)
        .load(connection)
        .await?;
    let numbers = shown.iter().map(|(label, _)| *label);
    let numbers = numbers.chain(rows.iter().map(|row| row.label_id));
    let labels = cache.labels(connection, numbers).await?;
    said(&shown, &rows, tagger, &labels)
}

fn said(
    shown: &[(i32, f64)],
    rows: &[SourceRow],
    tagger: &TaggerVersion,
    labels: &Known,
) -> Result<Said, StoreError> {
    let (mut given, mut rejected, mut ids) = (Vec::new(), Vec::new(), HashMap::new());
    let mut listed = BTreeSet::new();
    for row in rows {
        let label = labels.of(row.label_id)?;
        ids.insert(label.clone(), row.label_id);
        match source(row)? {
            None => rejected.push(label),
            Some(source) => {
                listed.insert(row.label_id);
                given.push(sourced(label, row.confidence, source)?);
            }
        }
    }
    for (number, confidence) in shown {
        let label = labels.of(*number)?;
        ids.insert(label.clone(), *number);
        if !listed.contains(number) {
            let source = TagSource::Provider(tagger.clone());
            given.push(sourced(label, *confidence, source)?);
        }
    }
    Ok(Said {
        tags: ImageTags::new(given, rejected),
        shown: shown.iter().copied().collect(),
        ids,
        has_rows: !rows.is_empty(),
    })
}

fn sourced(label: Label, confidence: f64, source: TagSource) -> Result<SourcedTag, StoreError> {
    let confidence = values::confidence(confidence)?;
    let tag = Tag { label, confidence };
    Ok(SourcedTag { tag, source })
}

/// Who said it; `None` if it is a rejection.
fn source(row: &SourceRow) -> Result<Option<TagSource>, StoreError> {
    let text = |bytes: &Option<Vec<u8>>| {
        let text = bytes.clone().map(String::from_utf8).transpose();
        text.map_err(StoreError::corrupt)
    };
    Ok(match row.source {
        PROVIDER => Some(TagSource::Provider(TaggerVersion {
            name: text(&row.provider)?,
            version: text(&row.version)?,
        })),
        PERSON => Some(TagSource::Person),
        FILE => Some(TagSource::File),
        REJECTED => None,
        other => {
            let reason = format!("{other} is no source of a tag");
            return Err(StoreError::corrupt(reason));
        }
    })
}

/// Replaces what is kept of an image's tags. `tagger` is the image's own provider from now on; `labels` has
/// the numbers of labels that are new to the image.
pub(super) async fn write(
    connection: &mut Connection,
    image: (&ImageId, i64),
    before: &Said,
    tags: &ImageTags,
    tagger: &TaggerVersion,
    labels: &LabelIds,
) -> Result<(), StoreError> {
    let number = |label: &Label| {
        let known = before.ids.get(label).or_else(|| labels.get(label.as_str()));
        let missing = || ImageStoreError::Failed(cause("a label of an image has no number"));
        known.copied().ok_or_else(missing)
    };
    let mut shown = HashMap::new();
    for SourcedTag { tag, .. } in tags.shown() {
        shown.insert(number(&tag.label)?, tag.confidence.get());
    }
    write_shown(connection, image, &before.shown, &shown).await?;
    let rows = rows(image.0, tags, tagger, number)?;
    if before.has_rows {
        let key = image.0.as_bytes().as_slice();
        diesel::delete(tag_source::table.filter(tag_source::image_id.eq(key)))
            .execute(connection)
            .await?;
    }
    for rows in rows.chunks(ROWS) {
        insert_rows(connection, rows).await?;
    }
    Ok(())
}

async fn insert_rows(connection: &mut Connection, rows: &[SourceRow]) -> Result<(), StoreError> {
    let places = vec!["(?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let mut statement = sql_query(format!(
        "INSERT INTO etiqueta_tag_source \
         (image_id, number, label_id, source, provider, version, confidence, is_shown) \
         VALUES {places}"
    ))
    .into_boxed::<Backend>();
    for row in rows {
        statement = statement
            .bind::<Binary, _>(row.image_id.as_slice())
            .bind::<Integer, _>(row.number)
            .bind::<Integer, _>(row.label_id)
            .bind::<Integer, _>(row.source)
            .bind::<Nullable<Binary>, _>(row.provider.as_deref())
            .bind::<Nullable<Binary>, _>(row.version.as_deref())
            .bind::<Double, _>(row.confidence)
            .bind::<Integer, _>(row.is_shown);
    }
    statement.execute(connection).await?;
    Ok(())
}

/// Writes what differs between shown tags.
async fn write_shown(
    connection: &mut Connection,
    (id, time): (&ImageId, i64),
    before: &HashMap<i32, f64>,
    after: &HashMap<i32, f64>,
) -> Result<(), StoreError> {
    let key = id.as_bytes().as_slice();
    let stale = |(label, confidence): (&i32, &f64)| {
        let is_kept = after.get(label) == Some(confidence);
        (!is_kept).then_some(*label)
    };
    let gone: Vec<i32> = before.iter().filter_map(stale).collect();
    for gone in gone.chunks(ROWS) {
        diesel::delete(image_tag::table)
            .filter(image_tag::image_id.eq(key))
            .filter(image_tag::label_id.eq_any(gone))
            .execute(connection)
            .await?;
    }
    let is_new = |(label, confidence): &(&i32, &f64)| before.get(*label) != Some(*confidence);
    let new: Vec<(i32, f64)> = after
        .iter()
        .filter(is_new)
        .map(|(label, confidence)| (*label, *confidence))
        .collect();
    for new in new.chunks(ROWS) {
        images::insert_tags(connection, id, time, new).await?;
    }
    Ok(())
}

/// The rows for those labels of which the image's own provider did not give the shown tag alone.
fn rows(
    id: &ImageId,
    tags: &ImageTags,
    tagger: &TaggerVersion,
    number: impl Fn(&Label) -> Result<i32, ImageStoreError>,
) -> Result<Vec<SourceRow>, StoreError> {
    let own = TagSource::Provider(tagger.clone());
    let rejected: BTreeSet<&Label> = tags.rejected().collect();
    let mut count: HashMap<Label, usize> = HashMap::new();
    for said in tags.said() {
        *count.entry(said.tag.label).or_default() += 1;
    }
    let mut rows = Vec::new();
    for said in tags.said() {
        let label = &said.tag.label;
        let is_alone = count.get(label) == Some(&1) && said.source == own;
        if is_alone && !rejected.contains(label) {
            continue;
        }
        let is_shown = tags.shown_of(label).as_ref() == Some(&said);
        rows.push(row(id, number(label)?, Some(&said), is_shown));
    }
    for label in rejected {
        rows.push(row(id, number(label)?, None, false));
    }
    for (row, number) in rows.iter_mut().zip(0..) {
        row.number = number;
    }
    Ok(rows)
}

/// A row for a tag, or for a rejected label.
fn row(id: &ImageId, label_id: i32, said: Option<&SourcedTag>, is_shown: bool) -> SourceRow {
    let tagger = match said.map(|said| &said.source) {
        Some(TagSource::Provider(tagger)) => tagger.clone(),
        _ => TaggerVersion::default(),
    };
    let source = match said.map(|said| &said.source) {
        Some(TagSource::Provider(_)) => PROVIDER,
        Some(TagSource::Person) => PERSON,
        Some(TagSource::File) => FILE,
        None => REJECTED,
    };
    SourceRow {
        image_id: id.as_bytes().to_vec(),
        number: 0,
        label_id,
        source,
        provider: tagger.name.map(String::into_bytes),
        version: tagger.version.map(String::into_bytes),
        confidence: said.map_or(0.0, |said| said.tag.confidence.get()),
        is_shown: i32::from(is_shown),
    }
}
