//! What is kept of images beside their tags.

use std::collections::HashMap;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{
    CameraData, ContentDigest, ImageId, ImageInfo, ImportKey, ImportedFile, Location, Threshold,
};

use super::{Connection, statement::LISTED};
use crate::{
    error::StoreError,
    schema::{image, original},
    tagger_columns::{self, TaggerColumns},
    values::{self, DigestBytes},
};

type InfoRow = (
    Vec<u8>,
    Option<f64>,
    TaggerColumns,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<f64>,
    Option<f64>,
    Option<i64>,
    Option<DigestBytes>,
    Option<String>,
);

pub(super) async fn infos(
    connection: &mut Connection,
    images: &[ImageId],
) -> Result<HashMap<ImageId, ImageInfo>, StoreError> {
    let mut infos = HashMap::with_capacity(images.len());
    for images in images.chunks(LISTED) {
        let ids = images.iter().map(|id| id.as_bytes().as_slice());
        let rows: Vec<InfoRow> = image::table
            .filter(image::id.eq_any(ids))
            .select((
                image::id,
                image::min_confidence,
                (image::provider, image::provider_version, image::taggers),
                image::file_name,
                image::taken_at,
                image::camera,
                image::latitude,
                image::longitude,
                image::registered_local,
                image::import_key,
                image::import_path,
            ))
            .load(connection)
            .await?;
        for row in rows {
            infos.insert(values::image_id(&row.0)?, info(row)?);
        }
    }
    Ok(infos)
}

fn info(row: InfoRow) -> Result<ImageInfo, StoreError> {
    let (
        _,
        lowest,
        taggers,
        file_name,
        taken_at,
        camera,
        latitude,
        longitude,
        registered_local,
        import_key,
        import_path,
    ) = row;
    let place = latitude.zip(longitude);
    Ok(ImageInfo {
        threshold: lowest
            .map(|lowest| values::confidence(lowest).map(Threshold::new))
            .transpose()?,
        taggers: tagger_columns::read(taggers),
        file_name,
        camera: CameraData {
            taken_at: taken_at.map(values::local_time).transpose()?,
            camera,
            location: place.and_then(|(north, east)| Location::new(north, east)),
        },
        registered_local: registered_local.map(values::local_time).transpose()?,
        imported: import_key
            .map(|key| imported_file(key, import_path))
            .transpose()?,
    })
}

fn imported_file(key: DigestBytes, path: Option<String>) -> Result<ImportedFile, StoreError> {
    Ok(ImportedFile {
        key: ImportKey::from_bytes(key.get()?),
        path: path.unwrap_or_default(),
    })
}

/// The images that were imported from some files.
pub(super) async fn imported(
    connection: &mut Connection,
    files: &[ImportKey],
) -> Result<HashMap<ImportKey, ImageId>, StoreError> {
    let mut found = HashMap::with_capacity(files.len());
    for files in files.chunks(LISTED) {
        let keys: Vec<&[u8]> = files.iter().map(|key| key.as_bytes().as_slice()).collect();
        let rows: Vec<(Option<DigestBytes>, Vec<u8>)> = image::table
            .filter(image::import_key.eq_any(keys))
            .select((image::import_key, image::id))
            .load(connection)
            .await?;
        for (key, id) in rows {
            if let Some(key) = key {
                found.insert(ImportKey::from_bytes(key.get()?), values::image_id(&id)?);
            }
        }
    }
    Ok(found)
}

/// The newest images of an original.
pub(super) async fn images_of(
    connection: &mut Connection,
    digest: &ContentDigest,
    limit: u32,
) -> Result<Vec<ImageId>, StoreError> {
    let number: Option<i64> = original::table
        .filter(original::digest.eq(digest.as_bytes().as_slice()))
        .select(original::id)
        .first(connection)
        .await
        .optional()?;
    let Some(number) = number else {
        return Ok(Vec::new());
    };
    let ids: Vec<Vec<u8>> = image::table
        .filter(image::original_id.eq(number))
        .order((image::registered_at.desc(), image::id.desc()))
        .limit(i64::from(limit))
        .select(image::id)
        .load(connection)
        .await?;
    ids.iter().map(|id| values::image_id(id)).collect()
}
