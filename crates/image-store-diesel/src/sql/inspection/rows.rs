//! Scans labels, images with their tags, and providers' answers.

use std::{fmt::Write, num::NonZeroU32};

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Double, Integer, Nullable},
};
use diesel_async::RunQueryDsl;
use domain::{
    ImageId,
    ports::{Inspected, Rows, UnreadableRow, cause},
};

use super::{Backend, Connection, ROWS, RowError, inspected, mark, number, text, unreadable};
use crate::{error::StoreError, values};

#[derive(QueryableByName)]
struct LabelRow {
    #[diesel(sql_type = Integer)]
    id: i32,
    #[diesel(sql_type = Binary)]
    name: Vec<u8>,
}

pub(super) async fn labels(
    connection: &mut Connection,
    after: Option<Vec<u8>>,
    limit: NonZeroU32,
) -> Result<Inspected, StoreError> {
    let rows: Vec<LabelRow> =
        sql_query("SELECT id, name FROM etiqueta_label WHERE id > ? ORDER BY id LIMIT ?")
            .bind::<BigInt, _>(number(after))
            .bind::<BigInt, _>(i64::from(limit.get()))
            .load(connection)
            .await?;
    let last = rows.last().map(|row| mark(i64::from(row.id)));
    let mut page = inspected(rows.len(), limit, last);
    for row in rows {
        if let Err(fault) = label(row.name) {
            page.unreadable
                .push(unreadable(Rows::Labels, row.id, fault.into_cause()));
        }
    }
    Ok(page)
}

fn label(name: Vec<u8>) -> Result<(), StoreError> {
    let name = text(name)?;
    if values::label(&name)?.as_str() == name {
        Ok(())
    } else {
        Err(StoreError::corrupt(RowError::Label(name)))
    }
}

#[derive(QueryableByName)]
struct ImageRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    registered_at: i64,
    #[diesel(sql_type = BigInt)]
    original_id: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    found: Option<i64>,
}

pub(super) async fn images(
    connection: &mut Connection,
    after: Option<Vec<u8>>,
    limit: NonZeroU32,
) -> Result<Inspected, StoreError> {
    let rows: Vec<ImageRow> = sql_query(
        "SELECT image.id AS id, image.registered_at AS registered_at, \
         image.original_id AS original_id, original.id AS found \
         FROM etiqueta_image AS image \
         LEFT JOIN etiqueta_original AS original ON original.id = image.original_id \
         WHERE image.id > ? ORDER BY image.id LIMIT ?",
    )
    // No id is empty.
    .bind::<Binary, _>(after.unwrap_or_default())
    .bind::<BigInt, _>(i64::from(limit.get()))
    .load(connection)
    .await?;
    let last = rows.last().map(|row| row.id.clone());
    let mut page = inspected(rows.len(), limit, last);
    page.unreadable.extend(rows.iter().flat_map(image));
    for rows in rows.chunks(ROWS) {
        page.unreadable.extend(tags(connection, rows).await?);
    }
    Ok(page)
}

fn image(row: &ImageRow) -> Vec<UnreadableRow> {
    let lost = row.found.is_none().then_some(row.original_id);
    let faults = [
        values::image_id(&row.id).err(),
        values::time(row.registered_at).err(),
        lost.map(|original| StoreError::corrupt(RowError::Original(original))),
    ];
    let unreadable_row = |fault: StoreError| UnreadableRow {
        image: values::image_id(&row.id).ok(),
        ..unreadable(Rows::Images, shown(&row.id), fault.into_cause())
    };
    faults.into_iter().flatten().map(unreadable_row).collect()
}

#[derive(QueryableByName)]
struct TagRow {
    #[diesel(sql_type = Binary)]
    image_id: Vec<u8>,
    #[diesel(sql_type = Integer)]
    label_id: i32,
    #[diesel(sql_type = Double)]
    confidence: f64,
    #[diesel(sql_type = Nullable<Integer>)]
    found: Option<i32>,
}

/// The problems of the tags of images.
async fn tags(
    connection: &mut Connection,
    images: &[ImageRow],
) -> Result<Vec<UnreadableRow>, StoreError> {
    let ids = vec!["?"; images.len()].join(", ");
    let mut statement = sql_query(format!(
        "SELECT tag.image_id AS image_id, tag.label_id AS label_id, \
         tag.confidence AS confidence, label.id AS found \
         FROM etiqueta_image_tag AS tag \
         LEFT JOIN etiqueta_label AS label ON label.id = tag.label_id \
         WHERE tag.image_id IN ({ids})"
    ))
    .into_boxed::<Backend>();
    for image in images {
        statement = statement.bind::<Binary, _>(image.id.as_slice());
    }
    let rows: Vec<TagRow> = statement.load(connection).await?;
    Ok(rows.iter().filter_map(tag).collect())
}

fn tag(row: &TagRow) -> Option<UnreadableRow> {
    let reason = match (values::confidence(row.confidence), row.found) {
        (Err(fault), _) => fault.into_cause(),
        (Ok(_), None) => cause(RowError::Unlabelled(row.label_id)),
        (Ok(_), Some(_)) => return None,
    };
    Some(UnreadableRow {
        name: format!(
            "etiqueta_image_tag {} {}",
            shown(&row.image_id),
            row.label_id
        ),
        image: values::image_id(&row.image_id).ok(),
        digest: None,
        reason,
    })
}

/// An id in its usual form, or its bytes if it is invalid.
fn shown(id: &[u8]) -> String {
    values::image_id(id).as_ref().map_or_else(
        |_| {
            id.iter().fold("0x".to_owned(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        },
        ImageId::to_string,
    )
}

#[derive(QueryableByName)]
struct TaggingRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Binary)]
    digest: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    tagged_at: i64,
    #[diesel(sql_type = Binary)]
    tags: Vec<u8>,
}

pub(super) async fn taggings(
    connection: &mut Connection,
    after: Option<Vec<u8>>,
    limit: NonZeroU32,
) -> Result<Inspected, StoreError> {
    let rows: Vec<TaggingRow> = sql_query(
        "SELECT id, digest, tagged_at, tags FROM etiqueta_tagging \
         WHERE id > ? ORDER BY id LIMIT ?",
    )
    .bind::<BigInt, _>(number(after))
    .bind::<BigInt, _>(i64::from(limit.get()))
    .load(connection)
    .await?;
    let last = rows.last().map(|row| mark(row.id));
    let mut page = inspected(rows.len(), limit, last);
    for row in rows {
        let digest = values::digest(&row.digest);
        let tagging = values::tagging(row.tagged_at, &row.tags);
        let known = digest.as_ref().ok().copied();
        for fault in [digest.err(), tagging.err()].into_iter().flatten() {
            page.unreadable.push(UnreadableRow {
                digest: known,
                ..unreadable(Rows::Taggings, row.id, fault.into_cause())
            });
        }
    }
    Ok(page)
}
