//! Images with their tags.

use std::collections::HashMap;

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, sql_query,
    sql_types::{BigInt, Binary, Double, Integer},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{Image, ImageId, NewImage, Tag, Tags};

use super::{
    Backend, Connection, ROWS, claims,
    labels::{self, LabelIds},
    names::Names,
    segments, taggings,
};
use crate::{
    fault::Fault,
    schema::{image, image_tag, original},
    usage::Usage,
    values::{self, ImageRow, micros},
};

/// Records an image. `false` if its original is not claimed.
pub(super) async fn record(connection: &mut Connection, new: &NewImage) -> Result<bool, Fault> {
    let tags = new.image.tags.as_slice();
    let names: Vec<&str> = tags.iter().map(|tag| tag.label.as_str()).collect();
    let labels = labels::find_or_insert(connection, &names).await?;
    let time = micros(new.image.registered_at);
    let is_sealed = segments::begin_recording(connection, time).await?;
    // Then the original: who holds it is alone with these bytes.
    let Some(original) = claims::end(connection, &new.image.digest).await? else {
        connection.batch_execute("ROLLBACK").await?;
        return Ok(false);
    };
    insert(connection, &new.image, original).await?;
    for tags in tags.chunks(ROWS) {
        insert_tags(connection, &new.image, tags, &labels).await?;
    }
    if let Some((key, tagging)) = &new.tagging {
        taggings::keep(connection, key, tagging).await?;
    }
    if is_sealed {
        segments::add(connection, time, &usages(tags, &labels)?).await?;
    }
    connection.batch_execute("COMMIT").await?;
    Ok(true)
}

fn usages(tags: &[Tag], labels: &LabelIds) -> Result<Vec<Usage>, Fault> {
    let usage = |tag: &Tag| {
        let label = labels::id_of(labels, tag.label.as_str())?;
        Ok(Usage::once(label, tag.confidence.get()))
    };
    tags.iter().map(usage).collect()
}

async fn insert(connection: &mut Connection, new: &Image, original: i64) -> Result<(), Fault> {
    diesel::insert_into(image::table)
        .values((
            image::id.eq(new.id.as_bytes().as_slice()),
            image::original_id.eq(original),
            image::registered_at.eq(micros(new.registered_at)),
        ))
        .execute(connection)
        .await?;
    Ok(())
}

async fn insert_tags(
    connection: &mut Connection,
    image: &Image,
    tags: &[Tag],
    labels: &LabelIds,
) -> Result<(), Fault> {
    let rows = vec!["(?, ?, ?, ?)"; tags.len()].join(", ");
    let mut statement = sql_query(format!(
        "INSERT INTO etiqueta_image_tag (image_id, label_id, registered_at, confidence) VALUES {rows}"
    ))
    .into_boxed::<Backend>();
    for tag in tags {
        statement = statement
            .bind::<Binary, _>(image.id.as_bytes().as_slice())
            .bind::<Integer, _>(labels::id_of(labels, tag.label.as_str())?)
            .bind::<BigInt, _>(micros(image.registered_at))
            .bind::<Double, _>(tag.confidence.get());
    }
    statement.execute(connection).await?;
    Ok(())
}

pub(super) async fn find(
    connection: &mut Connection,
    names: &Names,
    id: &ImageId,
) -> Result<Option<Image>, Fault> {
    let row: Option<ImageRow> = image::table
        .inner_join(original::table)
        .filter(image::id.eq(id.as_bytes().as_slice()))
        .select((
            image::id,
            image::registered_at,
            original::digest,
            (
                original::media_type,
                original::width,
                original::height,
                original::byte_size,
            ),
        ))
        .first(connection)
        .await
        .optional()?;
    Ok(with_tags(connection, names, row.into_iter().collect())
        .await?
        .pop())
}

/// Puts the tags to images, by one statement for all of them.
pub(super) async fn with_tags(
    connection: &mut Connection,
    names: &Names,
    rows: Vec<ImageRow>,
) -> Result<Vec<Image>, Fault> {
    let mut found: Vec<(Vec<u8>, i32, f64)> = Vec::new();
    for rows in rows.chunks(ROWS) {
        let ids = rows.iter().map(|row| row.0.as_slice());
        let tags = image_tag::table
            .filter(image_tag::image_id.eq_any(ids))
            .select((
                image_tag::image_id,
                image_tag::label_id,
                image_tag::confidence,
            ));
        found.extend(tags.load::<(Vec<u8>, i32, f64)>(connection).await?);
    }
    let labels = names
        .labels(connection, found.iter().map(|(_, label, _)| *label))
        .await?;
    let mut tags: HashMap<Vec<u8>, Vec<Tag>> = HashMap::new();
    for (id, label, confidence) in found {
        let tag = Tag {
            label: labels.of(label)?,
            confidence: values::confidence(confidence)?,
        };
        tags.entry(id).or_default().push(tag);
    }
    rows.into_iter()
        .map(|row| {
            let tags: Tags = tags
                .remove(&row.0)
                .unwrap_or_default()
                .into_iter()
                .collect();
            values::image(row, tags)
        })
        .collect()
}
