//! What is kept of images beside their tags.

use std::{collections::HashMap, num::NonZeroU32};

use chrono::NaiveDate;

use super::{claim, new, register, unique};
use crate::{at, image};
use domain::{
    CameraData, Confidence, ContentDigest, Image, ImageId, ImageInfo, ImportKey, ImportedFile,
    Location, NewImage, TaggerVersion, Taggers, Threshold,
    ports::{Database, ImageStoreError},
};

chapter![
    keeps_what_is_known,
    keeps_that_nothing_is_known,
    tells_of_images_that_are_there,
    tells_of_a_thousand,
    a_file_is_imported_once,
    a_file_whose_image_was_deleted_is_imported_again,
    tells_the_newest_images_of_an_original,
];

/// A file whose content is that number.
fn file(content: u32, path: &str) -> ImportedFile {
    ImportedFile::new(&ContentDigest::of(&content.to_be_bytes()), path.as_bytes())
}

/// Claims the original of an image, and records it as imported.
async fn import(
    store: &dyn Database,
    image: &Image,
    file: &ImportedFile,
) -> Result<(), ImageStoreError> {
    claim(store, image).await;
    let new = NewImage {
        info: ImageInfo {
            imported: Some(file.clone()),
            ..ImageInfo::default()
        },
        ..new(image)
    };
    store.record(&new).await
}

async fn keep(store: &dyn Database, image: &Image, info: &ImageInfo) {
    claim(store, image).await;
    let new = NewImage {
        info: info.clone(),
        ..new(image)
    };
    store.record(&new).await.unwrap();
}

/// A provider with the longest name and version.
fn long(text: &str) -> TaggerVersion {
    TaggerVersion::known(text.repeat(64), text.repeat(64))
}

/// Everything comes back as it was recorded, to the last bit, and the longest texts whole.
async fn keeps_what_is_known(store: &dyn Database) {
    let taken = NaiveDate::from_ymd_opt(1899, 12, 31).unwrap();
    let info = ImageInfo {
        threshold: Some(Threshold::new(
            Confidence::new(69.437_355_041_503_9).unwrap(),
        )),
        taggers: Taggers::new(long("p"), ["q", "😀", "\\"].map(long)),
        file_name: Some("Niño 😀'\"\\%_.JPG ".repeat(10)),
        camera: CameraData {
            taken_at: taken.and_hms_opt(23, 59, 59),
            camera: Some("c".repeat(255)),
            location: Location::new(-33.51, 151.205),
        },
        registered_local: taken.and_hms_micro_opt(1, 2, 3, 456_789),
        imported: Some(file(1, &"ñ/".repeat(1000))),
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

/// Of two images of one file the second is refused, and leaves no trace; the same bytes under another path are not.
async fn a_file_is_imported_once(store: &dyn Database) {
    let (one, other) = (file(1, "/a.jpg"), file(1, "/b.jpg"));
    assert!(store.imported(&[]).await.unwrap().is_empty());
    assert!(store.imported(&[one.key]).await.unwrap().is_empty());
    let first = unique(1, at(0), &["a"]);
    import(store, &first, &one).await.unwrap();
    let second = image(b"1", at(1), &[("b", 90.0)]);
    let refused = import(store, &second, &one).await;
    assert!(
        matches!(refused, Err(ImageStoreError::AlreadyImported)),
        "{refused:?}"
    );
    assert_eq!(store.find(&second.id).await.unwrap(), None);
    import(store, &second, &other).await.unwrap();
    let unknown = (0..998u128).map(|n| {
        let mut key = [0; 32];
        key[..16].copy_from_slice(&n.to_be_bytes());
        ImportKey::from_bytes(key)
    });
    let asked: Vec<_> = unknown.chain([one.key, other.key]).collect();
    let expected = HashMap::from([(one.key, first.id), (other.key, second.id)]);
    assert_eq!(store.imported(&asked).await.unwrap(), expected);
}

/// The deletion of an image frees its file.
async fn a_file_whose_image_was_deleted_is_imported_again(store: &dyn Database) {
    let file = file(1, "/a.jpg");
    let first = unique(1, at(0), &["a"]);
    import(store, &first, &file).await.unwrap();
    assert!(store.delete(&first.id, at(1)).await.unwrap());
    assert!(store.imported(&[file.key]).await.unwrap().is_empty());
    let second = unique(1, at(2), &["a"]);
    import(store, &second, &file).await.unwrap();
    let expected = HashMap::from([(file.key, second.id)]);
    assert_eq!(store.imported(&[file.key]).await.unwrap(), expected);
}

/// Those of other bytes, and those that were deleted, are not among them.
async fn tells_the_newest_images_of_an_original(store: &dyn Database) {
    let images = [
        image(b"a", at(2), &[("cat", 90.0)]),
        image(b"a", at(3), &[]),
        image(b"a", at(1), &[]),
        image(b"b", at(4), &[]),
    ];
    let digest = images[0].digest;
    let of = |limit| store.images_of(&digest, NonZeroU32::new(limit).unwrap());
    assert_eq!(of(10).await.unwrap(), []);
    for image in &images {
        register(store, image).await;
    }
    let [second, newest, oldest, _] = images.map(|image| image.id);
    assert_eq!(of(10).await.unwrap(), [newest, second, oldest]);
    assert_eq!(of(2).await.unwrap(), [newest, second]);
    assert!(store.delete(&newest, at(5)).await.unwrap());
    assert_eq!(of(10).await.unwrap(), [second, oldest]);
}
