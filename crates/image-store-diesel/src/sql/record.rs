//! Records images.

use std::collections::BTreeSet;

use diesel::{
    ExpressionMethods,
    dsl::sql,
    result::{DatabaseErrorKind, Error},
    sql_types::{BigInt, Nullable},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ImageInfo, Location, NewImage, Tag, UntaggedImage, WebhookEvent, ports::ImageStoreError,
};

use super::{
    BEGIN, Connection, ROWS, changes, claims, events, features, images,
    labels::{self, LabelIds},
    requests,
    said::{self, Said},
    taggings,
};
use crate::{
    error::StoreError,
    schema::image,
    tagger_columns,
    values::{local_micros, micros},
};

/// The number of the last job. Jobs that are made while an image is recorded may change it or not.
const LAST_JOB: &str = "(SELECT number FROM etiqueta_job_counter WHERE id = 1)";

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
                images::insert_tags(connection, &new.image.id, time, tags).await?;
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
