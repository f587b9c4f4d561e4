//! Scans originals.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Binary, Nullable},
};
use diesel_async::RunQueryDsl;
use domain::{
    ContentDigest, ImageFacts,
    ports::{Inspected, RecordedOriginal, Rows, UnreadableRow},
};

use super::{Backend, Connection, inspected, mark, number, text, unreadable};
use crate::{error::StoreError, values};

/// The first image is the first entry of its index range.
const SELECT: &str = "SELECT original.id AS id, original.digest AS digest, \
     original.media_type AS media_type, original.width AS width, original.height AS height, \
     original.byte_size AS byte_size, original.claimed_until AS claimed_until, \
     original.removing_until AS removing_until, \
     (SELECT MIN(image.id) FROM etiqueta_image AS image \
     WHERE image.original_id = original.id) AS image_id \
     FROM etiqueta_original AS original";

#[derive(QueryableByName)]
struct OriginalRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Binary)]
    digest: Vec<u8>,
    #[diesel(sql_type = Binary)]
    media_type: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    width: i64,
    #[diesel(sql_type = BigInt)]
    height: i64,
    #[diesel(sql_type = BigInt)]
    byte_size: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    claimed_until: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    removing_until: Option<i64>,
    #[diesel(sql_type = Nullable<Binary>)]
    image_id: Option<Vec<u8>>,
}

pub(super) async fn walk(
    connection: &mut Connection,
    after: Option<Vec<u8>>,
    limit: NonZeroU32,
) -> Result<Inspected, StoreError> {
    let statement = format!("{SELECT} WHERE original.id > ? ORDER BY original.id LIMIT ?");
    let rows: Vec<OriginalRow> = sql_query(statement)
        .bind::<BigInt, _>(number(after))
        .bind::<BigInt, _>(i64::from(limit.get()))
        .load(connection)
        .await?;
    let last = rows.last().map(|row| mark(row.id));
    let mut page = inspected(rows.len(), limit, last);
    for row in rows {
        let (original, unreadable) = recorded(row);
        page.originals.extend(original);
        page.unreadable.extend(unreadable);
    }
    Ok(page)
}

/// The records of these originals, as far as they are readable.
pub(super) async fn find(
    connection: &mut Connection,
    digests: &[ContentDigest],
) -> Result<Vec<RecordedOriginal>, StoreError> {
    let asked = vec!["?"; digests.len()].join(", ");
    let statement = format!("{SELECT} WHERE original.digest IN ({asked})");
    let mut statement = sql_query(statement).into_boxed::<Backend>();
    for digest in digests {
        statement = statement.bind::<Binary, _>(digest.as_bytes().as_slice());
    }
    let rows: Vec<OriginalRow> = statement.load(connection).await?;
    Ok(rows.into_iter().filter_map(|row| recorded(row).0).collect())
}

/// The record in a row, and its unreadable parts.
fn recorded(row: OriginalRow) -> (Option<RecordedOriginal>, Vec<UnreadableRow>) {
    let digest = values::digest(&row.digest);
    let claimed_until = later(row.claimed_until, row.removing_until);
    let image = row.image_id.as_deref().map(values::image_id);
    let is_used = image.is_some();
    // An original that only a check ever claimed has no facts.
    let is_known = !row.media_type.is_empty();
    let facts = is_known.then(|| facts(row.media_type, row.width, row.height, row.byte_size));
    // An image whose id is unreadable is reported with the images.
    let image = image.and_then(Result::ok);
    let original = digest.as_ref().ok().map(|digest| RecordedOriginal {
        digest: *digest,
        facts: facts
            .as_ref()
            .and_then(|facts| facts.as_ref().ok())
            .copied(),
        is_used,
        image,
        claimed_until: match &claimed_until {
            Ok(until) => *until,
            // Unknown, so it must count as needed.
            Err(_) => Some(DateTime::<Utc>::MAX_UTC),
        },
    });
    let known = digest.as_ref().ok().copied();
    let faults = [
        digest.err(),
        facts.and_then(Result::err),
        claimed_until.err(),
    ];
    let unreadable_row = |fault: StoreError| UnreadableRow {
        image,
        digest: known,
        ..unreadable(Rows::Originals, row.id, fault.into_cause())
    };
    (
        original,
        faults.into_iter().flatten().map(unreadable_row).collect(),
    )
}

fn facts(
    media_type: Vec<u8>,
    width: i64,
    height: i64,
    size: i64,
) -> Result<ImageFacts, StoreError> {
    values::facts((text(media_type)?, width, height, size))
}

fn later(one: Option<i64>, other: Option<i64>) -> Result<Option<DateTime<Utc>>, StoreError> {
    one.max(other).map(values::time).transpose()
}
