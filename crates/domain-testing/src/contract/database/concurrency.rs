//! Concurrent calls: all permitted calls succeed, and none waits forever.

use futures_util::future::{join, join_all};

use super::{all, claim, claim_removal, key, known_tagging, new, tagging};
use crate::{at, image, tag};
use domain::{
    ContentDigest, Image, ImageQuery, NewImage, Tagging, TimeWindow,
    ports::{Database, ImageStoreError},
};

const UPLOADS: u32 = 32;

chapter!(
    images_with_the_same_labels_are_recorded_at_once,
    uploads_of_the_same_bytes_are_recorded_at_once,
    the_same_tagging_is_kept_at_once,
    one_of_several_removals_at_once_wins,
    claims_and_removals_at_once_exclude_each_other,
);

/// New labels, in another order in every image.
async fn images_with_the_same_labels_are_recorded_at_once(store: &dyn Database) {
    let images: Vec<Image> = (0..UPLOADS)
        .map(|n| {
            let mut image = image(&n.to_be_bytes(), at(i64::from(n)), &[]);
            image.tags = (0..10)
                .map(|label| tag(&format!("label {label}"), f64::from((label + n) % 10)))
                .collect();
            image
        })
        .collect();
    join_all(images.iter().map(|image| async {
        claim(store, image).await;
        store.record(&new(image)).await.unwrap();
    }))
    .await;
    assert_eq!(all(store, &ImageQuery::default()).await.len(), images.len());
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let counts: Vec<u64> = summaries.iter().map(|summary| summary.images).collect();
    assert_eq!(counts, [u64::from(UPLOADS); 10]);
}

/// Each becomes an image of its own; one of their answers is kept.
async fn uploads_of_the_same_bytes_are_recorded_at_once(store: &dyn Database) {
    let uploads: Vec<NewImage> = (0..UPLOADS)
        .map(|n| {
            let image = image(b"a", at(i64::from(n)), &[("car", 90.0), ("cab", 80.0)]);
            let key = key(&image.digest);
            let tagging = answer(n);
            NewImage {
                codes: Vec::new(),
                request: None,
                info: domain::ImageInfo::default(),
                fence: None,
                image,
                said: None,
                taggings: vec![(key, tagging)],
            }
        })
        .collect();
    join_all(uploads.iter().map(|upload| async {
        claim(store, &upload.image).await;
        store.record(upload).await.unwrap();
    }))
    .await;
    let images = all(store, &ImageQuery::default()).await;
    assert_eq!(images.len(), uploads.len());
    let kept = known_tagging(store, &key(&uploads[0].image.digest)).await;
    assert!((0..UPLOADS).any(|n| kept.as_ref() == Some(&answer(n))));
}

fn answer(n: u32) -> Tagging {
    tagging([tag("car", f64::from(n))].into_iter().collect())
}

/// All succeed, one is kept.
async fn the_same_tagging_is_kept_at_once(store: &dyn Database) {
    let key = key(&ContentDigest::of(b"a"));
    join_all((0..UPLOADS).map(|n| {
        let key = &key;
        async move { store.keep_tagging(key, &answer(n)).await.unwrap() }
    }))
    .await;
    let kept = known_tagging(store, &key).await;
    assert!((0..UPLOADS).any(|n| kept.as_ref() == Some(&answer(n))));
}

/// Exactly one.
async fn one_of_several_removals_at_once_wins(store: &dyn Database) {
    let image = image(b"a", at(0), &[]);
    store
        .claim(&image.digest, &image.facts, at(0), at(1))
        .await
        .unwrap();
    let outcomes = join_all((0..8).map(|_| claim_removal(store, &image.digest, at(1)))).await;
    assert_eq!(outcomes.into_iter().filter(|won| *won).count(), 1);
}

/// Either the upload or the removal gets the original, never both and never neither.
async fn claims_and_removals_at_once_exclude_each_other(store: &dyn Database) {
    for n in 0..16_u8 {
        let image = image(&[n], at(10), &[]);
        let (digest, facts) = (&image.digest, &image.facts);
        store.claim(digest, facts, at(0), at(10)).await.unwrap();
        let upload = store.claim(digest, facts, at(10), at(100));
        let (claimed, removing) = join(upload, claim_removal(store, digest, at(10))).await;
        match claimed {
            Ok(_) => assert!(!removing),
            Err(ImageStoreError::Contended(_)) => assert!(removing),
            Err(error) => panic!("{error:?}"),
        }
    }
}
