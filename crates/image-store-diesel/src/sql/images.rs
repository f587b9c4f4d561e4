//! Images with their tags.

use std::collections::HashSet;

use diesel::{
    ExpressionMethods, QueryDsl, sql_query,
    sql_types::{BigInt, Binary, Double, Integer, Nullable, Text},
};
use diesel_async::RunQueryDsl;
use domain::{Image, ImageId, Tag, Tags, UntaggedImage};

use super::{
    BY_IMAGE, Backend, Connection,
    label_cache::{Known, LabelCache},
    load,
    statement::{LISTED, Statement},
};
use crate::{
    error::StoreError,
    schema::image,
    values::{self, IdBytes, ImageRow},
};

/// The columns of an [`ImageRow`].
pub(super) type ImageColumns = (
    Binary,
    BigInt,
    BigInt,
    Binary,
    (Text, BigInt, BigInt, BigInt),
);

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
