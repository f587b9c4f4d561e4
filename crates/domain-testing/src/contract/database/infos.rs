//! What is kept of images beside their tags.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{claim, new, register, unique};
use crate::at;
use domain::{
    CameraData, Confidence, Image, ImageId, ImageInfo, Location, NewImage, Threshold,
    ports::Database,
};

chapter![
    keeps_what_is_known,
    keeps_that_nothing_is_known,
    tells_of_images_that_are_there,
    tells_of_a_thousand,
];

async fn keep(store: &dyn Database, image: &Image, info: &ImageInfo) {
    claim(store, image).await;
    let new = NewImage {
        info: info.clone(),
        ..new(image)
    };
    store.record(&new).await.unwrap();
}

/// Everything comes back as it was recorded, to the last bit, and the longest texts whole.
async fn keeps_what_is_known(store: &dyn Database) {
    let taken = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
    let info = ImageInfo {
        threshold: Some(Threshold::new(
            Confidence::new(69.437_355_041_503_9).unwrap(),
        )),
        provider: Some("p".repeat(64)),
        provider_version: Some("v".repeat(64)),
        file_name: Some("Niño 😀'\"\\%_.JPG ".repeat(10)),
        camera: CameraData {
            taken_at: taken.and_hms_opt(23, 59, 59),
            camera: Some("c".repeat(255)),
            location: Location::new(-33.51, 151.205),
        },
        registered_local: taken.and_hms_micro_opt(1, 2, 3, 456_789),
    };
    let image = unique(1, at(0), &["a"]);
    keep(store, &image, &info).await;
    let infos = store.infos(&[image.id]).await.unwrap();
    assert_eq!(infos, HashMap::from([(image.id, info)]));
}

/// What is unknown stays unknown.
async fn keeps_that_nothing_is_known(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register(store, &image).await;
    let infos = store.infos(&[image.id]).await.unwrap();
    assert_eq!(infos, HashMap::from([(image.id, ImageInfo::default())]));
}

/// Images that are not there are left out.
async fn tells_of_images_that_are_there(store: &dyn Database) {
    assert!(store.infos(&[]).await.unwrap().is_empty());
    let image = unique(1, at(0), &[]);
    register(store, &image).await;
    let missing = ImageId::from_bytes([7; 16]);
    let infos = store.infos(&[missing, image.id]).await.unwrap();
    assert_eq!(infos.into_keys().collect::<Vec<_>>(), [image.id]);
}

/// As many as a page has at most.
async fn tells_of_a_thousand(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register(store, &image).await;
    let missing = (0..999u128).map(|n| ImageId::from_bytes(n.to_be_bytes()));
    let asked: Vec<_> = missing.chain([image.id]).collect();
    assert_eq!(store.infos(&asked).await.unwrap().len(), 1);
}
