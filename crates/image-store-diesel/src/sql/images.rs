//! Images with their tags.

use std::collections::{BTreeSet, HashSet};

use diesel::{
    ExpressionMethods, QueryDsl,
    dsl::sql,
    result::{DatabaseErrorKind, Error},
    sql_query,
    sql_types::{BigInt, Binary, Double, Integer, Nullable, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Image, ImageId, ImageInfo, Location, NewImage, Tag, Tags, UntaggedImage, WebhookEvent,
    ports::ImageStoreError,
};

use super::{
    BEGIN, BY_IMAGE, Backend, Connection, ROWS, changes, claims, events, features,
    label_cache::{Known, LabelCache},
    labels::{self, LabelIds},
    load, requests,
    said::{self, Said},
    statement::{LISTED, Statement},
    taggings,
};
use crate::{
    error::StoreError,
    schema::image,
    tagger_columns,
    values::{self, IdBytes, ImageRow, local_micros, micros},
};

/// The number of the last job. Jobs that are made while an image is recorded may change it or not.
const LAST_JOB: &str = "(SELECT number FROM etiqueta_job_counter WHERE id = 1)";

/// The columns of an [`ImageRow`].
pub(super) type ImageColumns = (
    Binary,
    BigInt,
    BigInt,
    Binary,
    (Text, BigInt, BigInt, BigInt),
);

/// Records an image. `false` if its original is not claimed.
///
/// # Errors
/// [`ImageStoreError::LeaseLost`] and [`ImageStoreError::AlreadyImported`]; the connection is closed then, which rolls
/// back.
pub(super) async fn record(
    connection: &mut Connection,
    new: &NewImage,
) -> Result<bool, StoreError> {
    let names = names(new);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let labels = labels::find_or_insert(connection, &names).await?;
    connection.batch_execute(BEGIN).await?;
    // First the original: its lock excludes all other writers of these bytes.
    let claim = claims::end(connection, &new.image.digest, new.fence).await?;
    let Some(original) = claim else {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    insert(connection, &(&new.image).into(), &new.info, original).await?;
    let time = micros(new.image.registered_at);
    match &new.said {
        None => {
            for tags in numbered(new.image.tags.as_slice(), &labels)?.chunks(ROWS) {
                insert_tags(connection, &new.image.id, time, tags).await?;
            }
        }
        Some(said) => {
            let (image, own) = ((&new.image.id, time), new.info.taggers.own());
            said::write(connection, image, &Said::default(), said, own, &labels).await?;
        }
    }
    for (key, tagging) in &new.taggings {
        taggings::keep(connection, key, tagging).await?;
    }
    features::keep(connection, &new.image.digest, &new.codes).await?;
    changes::note(connection, time, new.image.id.as_bytes()).await?;
    let id = new.image.id;
    events::write(
        connection,
        &[
            WebhookEvent::ImageCreated(id),
            WebhookEvent::ImageTagged(id),
        ],
    )
    .await?;
    // Last, so that others with this key wait for the commit alone.
    if let Some(lease) = &new.request
        && !requests::complete(connection, lease, &new.image.id).await?
    {
        return Err(ImageStoreError::LeaseLost.into());
    }
    connection.batch_execute("COMMIT").await?;
    Ok(true)
}

/// The names of all labels that are said of an image.
fn names(new: &NewImage) -> Vec<String> {
    match &new.said {
        None => {
            let tags = new.image.tags.iter();
            tags.map(|tag| tag.label.to_string()).collect()
        }
        Some(said) => {
            let labels: BTreeSet<String> =
                said.said().map(|said| said.tag.label.to_string()).collect();
            labels.into_iter().collect()
        }
    }
}

/// The tags with the numbers of their labels.
fn numbered(tags: &[Tag], labels: &LabelIds) -> Result<Vec<(i32, f64)>, StoreError> {
    let numbered = |tag: &Tag| {
        let label = labels::id_of(labels, tag.label.as_str())?;
        Ok((label, tag.confidence.get()))
    };
    tags.iter().map(numbered).collect()
}

/// Inserts the row of an image. Its tags have rows of their own.
///
/// # Errors
/// [`ImageStoreError::AlreadyImported`] if another image was imported from the same file.
pub(super) async fn insert(
    connection: &mut Connection,
    new: &UntaggedImage,
    info: &ImageInfo,
    original: i64,
) -> Result<(), StoreError> {
    let place = info.camera.location;
    let file = info.imported.as_ref();
    let inserted = diesel::insert_into(image::table)
        .values((
            image::id.eq(new.id.as_bytes().as_slice()),
            image::original_id.eq(original),
            image::registered_at.eq(micros(new.registered_at)),
            image::min_confidence.eq(info.threshold.map(|threshold| threshold.lowest().get())),
            image::provider.eq(info.taggers.own().name.as_deref()),
            image::provider_version.eq(info.taggers.own().version.as_deref()),
            image::taggers.eq(tagger_columns::several(&info.taggers)),
            image::file_name.eq(info.file_name.as_deref()),
            image::taken_at.eq(info.camera.taken_at.map(local_micros)),
            image::registered_local.eq(info.registered_local.map(local_micros)),
            image::camera.eq(info.camera.camera.as_deref()),
            image::latitude.eq(place.map(Location::latitude)),
            image::longitude.eq(place.map(Location::longitude)),
            image::job_number.eq(sql::<Nullable<BigInt>>(LAST_JOB)),
            image::import_key.eq(file.map(|file| file.key.as_bytes().as_slice())),
            image::import_path.eq(file.map(|file| file.path.as_str())),
        ))
        .execute(connection)
        .await;
    match inserted {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) if file.is_some() => {
            Err(ImageStoreError::AlreadyImported.into())
        }
        inserted => Ok(inserted.map(drop)?),
    }
}

/// Inserts tags of an image registered at that time: labels by their numbers, with their confidences.
pub(super) async fn insert_tags(
    connection: &mut Connection,
    image: &ImageId,
    time: i64,
    tags: &[(i32, f64)],
) -> Result<(), StoreError> {
    let rows = vec!["(?, ?, ?, ?)"; tags.len()].join(", ");
    let mut statement = sql_query(format!(
        "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) VALUES {rows}"
    ))
    .into_boxed::<Backend>();
    for (label, confidence) in tags {
        statement = statement
            .bind::<Binary, _>(image.as_bytes().as_slice())
            .bind::<Integer, _>(*label)
            .bind::<BigInt, _>(time)
            .bind::<Double, _>(*confidence);
    }
    statement.execute(connection).await?;
    Ok(())
}

/// The columns of an image with one of its tags, if it has any.
type FoundColumns = (ImageColumns, Nullable<Integer>, Nullable<Double>);

pub(super) async fn find(
    connection: &mut Connection,
    cache: &LabelCache,
    id: &ImageId,
) -> Result<Option<Image>, StoreError> {
    let statement = found(id).with_columns::<FoundColumns>();
    let rows: Vec<(ImageRow, Option<i32>, Option<f64>)> = load(connection, statement).await?;
    let Some((row, ..)) = rows.as_slice().first().cloned() else {
        return Ok(None);
    };
    let tags: Vec<(i32, f64)> = rows
        .into_iter()
        .filter_map(|(_, label, confidence)| label.zip(confidence))
        .collect();
    let labels = cache
        .labels(connection, tags.iter().map(|(label, _)| *label))
        .await?;
    let tags = self::tags(tags.into_iter(), &labels)?;
    Ok(Some(values::untagged(row)?.with(tags)))
}

fn found(id: &ImageId) -> Statement {
    Statement::new(&format!(
        "SELECT image.id, image.registered_at, image.taken_order, original.digest, original.media_type, \
         original.width, original.height, original.byte_size, tag.label_id, tag.confidence \
         FROM etiqueta_image AS image \
         JOIN etiqueta_original AS original ON original.id = image.original_id \
         LEFT JOIN etiqueta_image_tag AS tag {BY_IMAGE} ON tag.image_id = image.id \
         WHERE image.id = "
    ))
    .bytes(id.as_bytes())
}

/// A tag of an image: the image, the label, the confidence.
type TagRow = (IdBytes, i32, f64);

/// Reads the tags of images, by one statement for some hundred of them. Those that were deleted since are left
/// out.
pub(super) async fn with_tags(
    connection: &mut Connection,
    cache: &LabelCache,
    images: &[UntaggedImage],
) -> Result<Vec<Image>, StoreError> {
    let mut found: Vec<([u8; 16], i32, f64)> = Vec::new();
    for images in images.chunks(LISTED) {
        let ids = images.iter().map(|image| image.id.as_bytes().as_slice());
        found.extend(shown(connection, ids).await?);
    }
    // The databases return this order anyway.
    found.sort_unstable_by_key(|(id, label, _)| (*id, *label));
    let labels = found.iter().map(|(_, label, _)| *label);
    let labels = cache.labels(connection, labels).await?;
    let is_untagged = |image: &&UntaggedImage| {
        let id = image.id.as_bytes();
        found.binary_search_by(|(other, ..)| other.cmp(id)).is_err()
    };
    let deleted = deleted(connection, images.iter().filter(is_untagged)).await?;
    let is_there = |image: &&UntaggedImage| !deleted.contains(&image.id);
    let images = images.iter().filter(is_there).map(|image| {
        let id = image.id.as_bytes();
        let from = found.partition_point(|(other, ..)| other < id);
        let rest = found.get(from..).unwrap_or_default();
        let own = rest.iter().take_while(|(other, ..)| other == id);
        let own = own.map(|(_, label, confidence)| (*label, *confidence));
        Ok(image.with(tags(own, &labels)?))
    });
    images.collect()
}

/// The shown tags of some hundred images.
pub(super) async fn shown<'b>(
    connection: &mut Connection,
    ids: impl Iterator<Item = &'b [u8]>,
) -> Result<Vec<([u8; 16], i32, f64)>, StoreError> {
    let statement = tags_of(ids).with_columns::<(Binary, Integer, Double)>();
    let rows: Vec<TagRow> = load(connection, statement).await?;
    let rows = rows.into_iter();
    rows.map(|(id, label, confidence)| Ok((id.get()?, label, confidence)))
        .collect()
}

/// Which of these images are not there.
async fn deleted(
    connection: &mut Connection,
    images: impl Iterator<Item = &UntaggedImage>,
) -> Result<HashSet<ImageId>, StoreError> {
    let mut deleted: HashSet<ImageId> = images.map(|image| image.id).collect();
    let asked: Vec<ImageId> = deleted.iter().copied().collect();
    for ids in asked.chunks(LISTED) {
        let found: Vec<Vec<u8>> = image::table
            .filter(image::id.eq_any(ids.iter().map(|id| id.as_bytes().as_slice())))
            .select(image::id)
            .load(connection)
            .await?;
        for id in found {
            deleted.remove(&values::image_id(&id)?);
        }
    }
    Ok(deleted)
}

fn tags(tags: impl Iterator<Item = (i32, f64)>, labels: &Known) -> Result<Tags, StoreError> {
    let tags = tags.map(|(label, confidence)| {
        Ok(Tag {
            label: labels.of(label)?,
            confidence: values::confidence(confidence)?,
        })
    });
    tags.collect()
}

fn tags_of<'b>(ids: impl Iterator<Item = &'b [u8]>) -> Statement {
    Statement::new(&format!(
        "SELECT image_id, label_id, confidence FROM etiqueta_image_tag {BY_IMAGE} WHERE "
    ))
    .one_of_bytes("image_id", ids)
}
