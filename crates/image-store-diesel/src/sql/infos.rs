//! What is kept of images beside their tags.

use std::collections::HashMap;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use domain::{CameraData, ImageId, ImageInfo, Location, Threshold};

use super::{Connection, statement::LISTED};
use crate::{error::StoreError, schema::image, values};

type InfoRow = (
    Vec<u8>,
    Option<f64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<f64>,
    Option<f64>,
    Option<i64>,
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
                image::provider,
                image::provider_version,
                image::file_name,
                image::taken_at,
                image::camera,
                image::latitude,
                image::longitude,
                image::registered_local,
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
        provider,
        provider_version,
        file_name,
        taken_at,
        camera,
        latitude,
        longitude,
        registered_local,
    ) = row;
    let place = latitude.zip(longitude);
    Ok(ImageInfo {
        threshold: lowest
            .map(|lowest| values::confidence(lowest).map(Threshold::new))
            .transpose()?,
        provider,
        provider_version,
        file_name,
        camera: CameraData {
            taken_at: taken_at.map(values::local_time).transpose()?,
            camera,
            location: place.and_then(|(north, east)| Location::new(north, east)),
        },
        registered_local: registered_local.map(values::local_time).transpose()?,
    })
}
