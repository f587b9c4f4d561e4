//! The pass over images that earlier versions registered.
//!
//! Whoever works under the lease writes its row, so that every engine, and every node of a cluster, notices a conflict
//! at the latest when it commits. Times are those of the database.

use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::TimeDelta;
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, sql_query,
    sql_types::{BigInt, Binary, Double, Nullable, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Fence, ImageId, Location,
    ports::{BackfillBegun, BackfillImage, FilledImage, ImageBackfill, ImageStoreError},
};

use super::{
    BEGIN, BY_IMAGE, Connection, INSERT_IF_NEW, JOIN_IN_ORDER, NOW, Store, images::ImageColumns,
    load, statement::Statement,
};
use crate::{
    error::StoreError,
    schema::backfill,
    values::{self, ImageRow, local_micros},
};

/// The place of a pass that has not come to any image.
const NOWHERE: [u8; 16] = [0; 16];

#[async_trait]
impl ImageBackfill for Store {
    async fn begin_backfill(&self, lease: TimeDelta) -> Result<BackfillBegun, ImageStoreError> {
        let state = self
            .read(|mut connection| async move { state(&mut connection).await })
            .await?;
        // Mostly it is done, and nothing is written.
        if state.is_some_and(|(_, is_done)| is_done) {
            return Ok(BackfillBegun::Done);
        }
        self.write(|mut connection| async move { begin(&mut connection, lease).await })
            .await
    }

    async fn backfill_images(
        &self,
        after: &ImageId,
        age: TimeDelta,
        limit: NonZeroU32,
    ) -> Result<Vec<BackfillImage>, ImageStoreError> {
        self.read(|mut connection| async move {
            let statement = next(after, age, limit).with_columns::<Columns>();
            let rows: Vec<Row> = load(&mut connection, statement).await?;
            rows.into_iter().map(image).collect()
        })
        .await
    }

    async fn fill_images(
        &self,
        lease: Fence,
        filled: &[FilledImage],
        place: &ImageId,
        duration: TimeDelta,
    ) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move {
            connection.batch_execute(BEGIN).await?;
            let is_held = renew(&mut connection, lease, duration).await?;
            if is_held {
                for image in filled {
                    fill(&mut connection, image).await?;
                }
                diesel::update(backfill::table.find(1))
                    .set(backfill::place.eq(place.as_bytes().as_slice()))
                    .execute(&mut connection)
                    .await?;
            }
            connection.batch_execute("COMMIT").await?;
            Ok(is_held)
        })
        .await
    }

    async fn end_backfill(&self, lease: Fence, age: TimeDelta) -> Result<bool, ImageStoreError> {
        self.write(|mut connection| async move {
            connection.batch_execute(BEGIN).await?;
            let is_held = renew(&mut connection, lease, TimeDelta::zero()).await?;
            let is_done = is_held && end(&mut connection, age).await?;
            connection.batch_execute("COMMIT").await?;
            Ok(is_done)
        })
        .await
    }
}

fn micros(duration: TimeDelta) -> i64 {
    duration.num_microseconds().unwrap_or(i64::MAX / 2)
}

/// The place of the pass, and whether it is done.
async fn state(connection: &mut Connection) -> Result<Option<(ImageId, bool)>, StoreError> {
    let row: Option<(Vec<u8>, Option<i64>)> = backfill::table
        .find(1)
        .select((backfill::place, backfill::done_at))
        .first(connection)
        .await
        .optional()?;
    row.map(|(place, done_at)| Ok((values::image_id(&place)?, done_at.is_some())))
        .transpose()
}

async fn begin(connection: &mut Connection, lease: TimeDelta) -> Result<BackfillBegun, StoreError> {
    let fence = Fence::random();
    if !take(connection, fence, lease).await? {
        return Ok(BackfillBegun::InProgress);
    }
    let first = format!(
        "{INSERT_IF_NEW} INTO etiqueta_backfill (id, place, begun_at) VALUES (1, ?, {NOW})"
    );
    sql_query(first)
        .bind::<Binary, _>(NOWHERE.as_slice())
        .execute(connection)
        .await?;
    Ok(match state(connection).await? {
        Some((_, true)) => BackfillBegun::Done,
        Some((place, false)) => BackfillBegun::Started(fence, place),
        None => BackfillBegun::InProgress,
    })
}

/// Takes the lease if it is free. `false` if another session holds it.
async fn take(
    connection: &mut Connection,
    fence: Fence,
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let until = format!("{NOW} + {}", micros(lease));
    let taken = sql_query(format!(
        "UPDATE etiqueta_lease SET fence = ?, expires_at = {until} \
         WHERE name = 'backfill' AND expires_at <= {NOW}"
    ))
    .bind::<BigInt, _>(fence.as_i64())
    .execute(connection)
    .await?;
    if taken > 0 {
        return Ok(true);
    }
    let made = sql_query(format!(
        "{INSERT_IF_NEW} INTO etiqueta_lease (name, fence, expires_at) \
         VALUES ('backfill', ?, {until})"
    ))
    .bind::<BigInt, _>(fence.as_i64())
    .execute(connection)
    .await?;
    Ok(made > 0)
}

/// Lets the lease expire that long from now. `false` if it was taken over.
async fn renew(
    connection: &mut Connection,
    fence: Fence,
    lease: TimeDelta,
) -> Result<bool, StoreError> {
    let renewed = sql_query(format!(
        "UPDATE etiqueta_lease SET expires_at = {NOW} + {} WHERE name = 'backfill' AND fence = ?",
        micros(lease)
    ))
    .bind::<BigInt, _>(fence.as_i64())
    .execute(connection)
    .await?;
    Ok(renewed > 0)
}

async fn end(connection: &mut Connection, age: TimeDelta) -> Result<bool, StoreError> {
    let ended = sql_query(format!(
        "UPDATE etiqueta_backfill SET done_at = {NOW} WHERE id = 1 AND begun_at <= {NOW} - {}",
        micros(age)
    ))
    .execute(connection)
    .await?;
    Ok(ended > 0)
}

type Columns = (ImageColumns, Nullable<BigInt>);
type Row = (ImageRow, Option<i64>);

fn next(after: &ImageId, age: TimeDelta, limit: NonZeroU32) -> Statement {
    Statement::new(&format!(
        "SELECT image.id, image.registered_at, image.taken_order, original.digest, \
         original.media_type, original.width, original.height, original.byte_size, \
         image.registered_local \
         FROM etiqueta_image AS image {BY_IMAGE} \
         {JOIN_IN_ORDER} etiqueta_original AS original ON original.id = image.original_id \
         WHERE image.registered_at <= {NOW} - {} AND image.id > ",
        micros(age)
    ))
    .bytes(after.as_bytes())
    .sql(" ORDER BY image.id LIMIT ")
    .long(limit.get().into())
}

fn image((row, registered_local): Row) -> Result<BackfillImage, StoreError> {
    Ok(BackfillImage {
        image: values::untagged(row)?,
        is_filled: registered_local.is_some(),
    })
}

async fn fill(connection: &mut Connection, filled: &FilledImage) -> Result<(), StoreError> {
    let (camera, place) = (&filled.camera, filled.camera.location);

    sql_query(
        "UPDATE etiqueta_image SET registered_local = ?, taken_at = COALESCE(taken_at, ?), \
         camera = COALESCE(camera, ?), latitude = COALESCE(latitude, ?), \
         longitude = COALESCE(longitude, ?) WHERE id = ? AND registered_local IS NULL",
    )
    .bind::<BigInt, _>(local_micros(filled.registered_local))
    .bind::<Nullable<BigInt>, _>(camera.taken_at.map(local_micros))
    .bind::<Nullable<Text>, _>(camera.camera.as_deref())
    .bind::<Nullable<Double>, _>(place.map(Location::latitude))
    .bind::<Nullable<Double>, _>(place.map(Location::longitude))
    .bind::<Binary, _>(filled.id.as_bytes().as_slice())
    .execute(connection)
    .await?;
    Ok(())
}
