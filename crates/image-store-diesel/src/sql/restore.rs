//! Records images and answers as they were exported, many in a transaction.
//!
//! Originals are written in the order of their digests, so that two restorations do not deadlock.

use std::collections::{BTreeSet, HashSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, QueryDsl,
    result::{DatabaseErrorKind, Error},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    ContentDigest, ImageFacts, ImageId, ImportKey, Label, Tagging, TaggingKey, UntaggedImage,
    ports::{
        Claimed, ImageStoreError, Restoration, RestoredImage, StoreRestore, StoredImage,
        TagsVersion, cause,
    },
};

use super::{
    BEGIN, Connection, Store, changes, claims, infos,
    labels::{self, LabelIds},
    record,
    said::{self, Said},
    statement::LISTED,
    taggings,
};
use crate::{
    error::StoreError,
    schema::image,
    values::{self, micros, signed},
};

#[async_trait]
impl StoreRestore for Store {
    async fn claim_originals(
        &self,
        originals: &[(ContentDigest, ImageFacts)],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Option<Claimed>>, ImageStoreError> {
        self.write(|mut connection| async move {
            claim_all(&mut connection, originals, now, until).await
        })
        .await
    }

    async fn restore_images(
        &self,
        images: &[RestoredImage],
    ) -> Result<Vec<Restoration>, ImageStoreError> {
        let restored = self
            .write(|mut connection| async move { restore_all(&mut connection, images).await })
            .await?;
        self.signals.recorded.notify_one();
        Ok(restored)
    }

    async fn restore_answers(
        &self,
        answers: &[(TaggingKey, Tagging)],
    ) -> Result<(), ImageStoreError> {
        self.write(|mut connection| async move {
            connection.batch_execute(BEGIN).await?;
            for (key, answer) in answers {
                taggings::keep(&mut connection, key, answer).await?;
            }
            connection.batch_execute("COMMIT").await?;
            Ok(())
        })
        .await
    }
}

/// The items with their positions, by their digests.
fn by_digest<T>(items: &[T], digest: impl Fn(&T) -> ContentDigest) -> Vec<(usize, &T)> {
    let mut sorted: Vec<(usize, &T)> = items.iter().enumerate().collect();
    sorted.sort_by_key(|(_, item)| digest(item));
    sorted
}

/// What came of items, in the order of their positions.
fn in_place<T>(mut outcomes: Vec<(usize, T)>) -> Vec<T> {
    outcomes.sort_by_key(|(position, _)| *position);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

async fn claim_all(
    connection: &mut Connection,
    originals: &[(ContentDigest, ImageFacts)],
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Vec<Option<Claimed>>, StoreError> {
    let mut claimed = Vec::with_capacity(originals.len());
    connection.batch_execute(BEGIN).await?;
    for (position, (digest, facts)) in by_digest(originals, |(digest, _)| *digest) {
        let claim = claims::claim(connection, digest, facts, now, until).await?;
        claimed.push((position, claim));
    }
    connection.batch_execute("COMMIT").await?;
    Ok(in_place(claimed))
}

async fn restore_all(
    connection: &mut Connection,
    images: &[RestoredImage],
) -> Result<Vec<Restoration>, StoreError> {
    let labels = labels_of(connection, images).await?;
    let mut restored = Vec::with_capacity(images.len());
    let mut times = Vec::new();
    connection.batch_execute(BEGIN).await?;
    let mut taken = Taken::read(connection, images).await?;
    for (position, image) in by_digest(images, |image| image.image.digest) {
        let outcome = restore(connection, image, &mut taken, &labels).await?;
        if outcome == Restoration::Recorded {
            times.push(micros(image.image.registered_at));
        }
        restored.push((position, outcome));
    }
    changes::note_all(connection, &times).await?;
    connection.batch_execute("COMMIT").await?;
    Ok(in_place(restored))
}

/// The numbers of all labels of the images.
async fn labels_of(
    connection: &mut Connection,
    images: &[RestoredImage],
) -> Result<LabelIds, StoreError> {
    let mut names: BTreeSet<Label> = BTreeSet::new();
    for RestoredImage { image, .. } in images {
        names.extend(image.tags.said().map(|said| said.tag.label));
        names.extend(image.tags.rejected().cloned());
    }
    let names: Vec<&str> = names.iter().map(Label::as_str).collect();
    labels::find_or_insert(connection, &names).await
}

/// The ids and files that other images have.
struct Taken {
    ids: HashSet<ImageId>,
    files: HashSet<ImportKey>,
}

impl Taken {
    async fn read(
        connection: &mut Connection,
        images: &[RestoredImage],
    ) -> Result<Self, StoreError> {
        let mut ids = HashSet::new();
        for images in images.chunks(LISTED) {
            let keys = images
                .iter()
                .map(|image| image.image.id.as_bytes().as_slice());
            let found: Vec<Vec<u8>> = image::table
                .filter(image::id.eq_any(keys))
                .select(image::id)
                .load(connection)
                .await?;
            for id in found {
                ids.insert(values::image_id(&id)?);
            }
        }
        let files: Vec<ImportKey> = images.iter().filter_map(|it| file_of(&it.image)).collect();
        let files = infos::imported(connection, &files).await?;
        Ok(Self {
            ids,
            files: files.into_keys().collect(),
        })
    }
}

fn file_of(image: &StoredImage) -> Option<ImportKey> {
    image.info.imported.as_ref().map(|file| file.key)
}

/// Records an image in the transaction.
async fn restore(
    connection: &mut Connection,
    restored: &RestoredImage,
    taken: &mut Taken,
    labels: &LabelIds,
) -> Result<Restoration, StoreError> {
    let image = &restored.image;
    let file = file_of(image);
    if taken.ids.contains(&image.id) {
        return Ok(Restoration::IdTaken);
    }
    if file.is_some_and(|file| taken.files.contains(&file)) {
        return Ok(Restoration::FileTaken);
    }
    let claim = claims::end(connection, &image.digest, Some(restored.fence)).await?;
    let Some(original) = claim else {
        return Ok(Restoration::ClaimLost);
    };
    let untagged = UntaggedImage {
        id: image.id,
        digest: image.digest,
        facts: image.facts,
        registered_at: image.registered_at,
        taken_order: image.info.taken_order(image.registered_at),
    };
    let inserted = record::insert(connection, &untagged, &image.info, original).await;
    inserted.map_err(contended)?;
    if image.version != TagsVersion::default() {
        diesel::update(image::table.find(image.id.as_bytes().as_slice()))
            .set(image::tags_version.eq(signed(image.version.0)))
            .execute(connection)
            .await?;
    }
    let own = image.info.taggers.own();
    let key = (&image.id, micros(image.registered_at));
    let nothing = Said::default();
    said::write(connection, key, &nothing, &image.tags, own, labels).await?;
    taken.ids.insert(image.id);
    taken.files.extend(file);
    Ok(Restoration::Recorded)
}

/// Another transaction recorded an image of the same id or file meanwhile: the next attempt sees it.
fn contended(error: StoreError) -> StoreError {
    let is_taken = matches!(
        &error,
        StoreError::Known(ImageStoreError::AlreadyImported)
            | StoreError::Statement(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
    );
    if is_taken {
        let reason = cause("the same image is being recorded");
        return ImageStoreError::Contended(reason).into();
    }
    error
}
