//! Everything that is kept of images, and all answers, for exports.

use std::num::NonZeroU32;

use async_trait::async_trait;
use diesel::{
    ExpressionMethods, QueryDsl,
    sql_types::{BigInt, Binary},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ContentDigest, ImageId, Tagging, TaggingKey,
    ports::{ExportPosition, ImageStoreError, StoreExport, StoredImage, TagsVersion},
};
use thiserror::Error;

use super::{
    BY_TIME, Connection, Store, infos,
    label_cache::LabelCache,
    load,
    said::TagRows,
    statement::{LISTED, Statement},
    summaries, taggings,
};
use crate::{
    error::StoreError,
    schema::{image, original},
    values::{self, DigestBytes, FactsRow, IdBytes, micros},
};

#[derive(Debug, Error)]
#[error("the original of an image is not recorded")]
struct Orphan;

#[async_trait]
impl StoreExport for Store {
    async fn export_images(
        &self,
        after: Option<ExportPosition>,
        limit: NonZeroU32,
    ) -> Result<Vec<StoredImage>, ImageStoreError> {
        self.read(|mut connection| async move {
            page(&mut connection, &self.label_cache, after, limit).await
        })
        .await
    }

    async fn stored_images(&self, ids: &[ImageId]) -> Result<Vec<StoredImage>, ImageStoreError> {
        self.read(|mut connection| async move {
            summaries::begin(&mut connection).await?;
            let images = stored(&mut connection, &self.label_cache, ids).await?;
            connection.batch_execute("COMMIT").await?;
            Ok(images)
        })
        .await
    }

    async fn export_answers(
        &self,
        after: Option<ContentDigest>,
        limit: NonZeroU32,
    ) -> Result<Vec<(TaggingKey, Tagging)>, ImageStoreError> {
        self.read(|mut connection| async move { answers(&mut connection, after, limit).await })
            .await
    }
}

/// A page of images, in order.
async fn page(
    connection: &mut Connection,
    cache: &LabelCache,
    after: Option<ExportPosition>,
    limit: NonZeroU32,
) -> Result<Vec<StoredImage>, StoreError> {
    summaries::begin(connection).await?;
    let statement = listing(after, limit).with_columns::<(Binary, BigInt)>();
    let keys: Vec<(IdBytes, i64)> = load(connection, statement).await?;
    let ids = keys
        .iter()
        .map(|(id, _)| Ok(ImageId::from_bytes(id.get()?)));
    let ids = ids.collect::<Result<Vec<ImageId>, StoreError>>()?;
    let mut images = stored(connection, cache, &ids).await?;
    connection.batch_execute("COMMIT").await?;
    // An image must not be missing from an export without a word.
    if images.len() < ids.len() {
        return Err(StoreError::corrupt(Orphan));
    }
    images.sort_unstable_by_key(StoredImage::position);
    Ok(images)
}

fn listing(after: Option<ExportPosition>, limit: NonZeroU32) -> Statement {
    let statement = Statement::new(&format!(
        "SELECT id, registered_at FROM etiqueta_image {BY_TIME}"
    ));
    let statement = match after {
        None => statement,
        Some(ExportPosition { registered_at, id }) => statement
            .sql(" WHERE registered_at >= ")
            .long(micros(registered_at))
            .sql(" AND (registered_at > ")
            .long(micros(registered_at))
            .sql(" OR id > ")
            .bytes(id.as_bytes())
            .sql(")"),
    };
    statement
        .sql(" ORDER BY registered_at, id LIMIT ")
        .long(i64::from(limit.get()))
}

/// An image: id, time, version of its tags, digest, facts.
type Row = (IdBytes, i64, i64, DigestBytes, FactsRow);

/// The images with these ids that are there, within a snapshot.
async fn stored(
    connection: &mut Connection,
    cache: &LabelCache,
    ids: &[ImageId],
) -> Result<Vec<StoredImage>, StoreError> {
    let mut images = Vec::with_capacity(ids.len());
    for ids in ids.chunks(LISTED) {
        let keys: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let rows: Vec<Row> = image::table
            .inner_join(original::table)
            .filter(image::id.eq_any(&keys))
            .select((
                image::id,
                image::registered_at,
                image::tags_version,
                original::digest,
                (
                    original::media_type,
                    original::width,
                    original::height,
                    original::byte_size,
                ),
            ))
            .load(connection)
            .await?;
        let mut infos = infos::infos(connection, ids).await?;
        let tags = TagRows::read(connection, cache, &keys).await?;
        for (id, registered_at, version, digest, facts) in rows {
            let id = ImageId::from_bytes(id.get()?);
            let info = infos.remove(&id).unwrap_or_default();
            images.push(StoredImage {
                id,
                registered_at: values::time(registered_at)?,
                digest: ContentDigest::from_bytes(digest.get()?),
                facts: values::facts(facts)?,
                tags: tags.of(&id, info.taggers.own())?.tags,
                info,
                version: u64::try_from(version)
                    .map(TagsVersion)
                    .map_err(StoreError::corrupt)?,
            });
        }
    }
    Ok(images)
}

async fn answers(
    connection: &mut Connection,
    after: Option<ContentDigest>,
    limit: NonZeroU32,
) -> Result<Vec<(TaggingKey, Tagging)>, StoreError> {
    summaries::begin(connection).await?;
    let digests = taggings::digests(connection, after, limit).await?;
    let mut answers = taggings::of(connection, &digests).await?;
    connection.batch_execute("COMMIT").await?;
    answers.sort_unstable_by(|(a, _), (b, _)| a.position().cmp(&b.position()));
    Ok(answers)
}
