//! Pictures sent unchanged except for their metadata.

use std::sync::Arc;

use domain::{
    DecodedPicture, EncodedPicture,
    ports::{CallContext, ImageCodec},
};

use crate::samples::{PHOTOS, codec, decode, jpegs};

async fn sent(file: &[u8]) -> (Arc<DecodedPicture>, EncodedPicture) {
    let picture = Arc::new(decode(file.to_vec()).await.unwrap());
    let copy = codec()
        .encode(Arc::clone(&picture), &CallContext::local())
        .await
        .unwrap();
    (picture, copy)
}

/// The photo with an EXIF segment that has an orientation and a secret.
fn with_exif(photo: &[u8], orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    let exif = [
        b"Exif\0\0II*\0\x08\0\0\0\x01\0".as_slice(),
        &entry,
        &[0; 4],
        b"52.5N 13.4E",
    ]
    .concat();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [
        &photo[..2],
        &[0xFF, 0xE1],
        &length,
        &exif,
        &photo[2..],
        b"appended",
    ]
    .concat()
}

fn holds(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|part| part == text)
}

#[tokio::test]
async fn small_jpeg_loses_only_its_metadata() {
    for photo in PHOTOS {
        let (picture, copy) = sent(&with_exif(photo, 1)).await;
        let again = decode(copy.bytes.clone()).await.unwrap();
        assert_eq!(again.pixels, picture.pixels, "bit by bit");
        for secret in ["Exif", "52.5N", "appended"] {
            assert!(!holds(&copy.bytes, secret.as_bytes()), "{secret}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_jpeg_can_be_sent() {
    for (name, file) in jpegs() {
        let (picture, copy) = sent(&file).await;
        let again = decode(copy.bytes).await.expect(name);
        let differences = again.pixels.iter().zip(&picture.pixels);
        let most = differences.map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most < Some(64), "{name}: {most:?}");
    }
}

#[tokio::test]
async fn rotated_jpeg_is_reencoded() {
    let (picture, copy) = sent(&with_exif(PHOTOS[1], 6)).await;
    let again = decode(copy.bytes.clone()).await.unwrap();
    assert_eq!((again.width, again.height), (picture.width, picture.height));
    assert_ne!(again.pixels, picture.pixels, "it lost a little");
    assert!(!holds(&copy.bytes, b"Exif"));
}

/// The size is bounded: tables and scans can be repeated without end.
#[tokio::test]
async fn bloated_jpeg_is_reencoded() {
    let photo = PHOTOS[1];
    let tables = [&[0xFF, 0xDB, 0, 67, 0][..], &[1; 64]].concat();
    let bloated = [&photo[..2], &tables.repeat(10_000), &photo[2..]].concat();
    let (_, copy) = sent(&bloated).await;
    assert!(copy.bytes.len() < photo.len() * 2, "{}", copy.bytes.len());
}
