//! The pass over images that earlier versions registered.

use std::time::SystemTime;

use chrono::{NaiveDateTime, TimeDelta};
use futures_util::future::join_all;

use super::{limit, register, register_with, unique};
use crate::at;
use domain::{
    CameraData, Fence, Image, ImageId, ImageInfo, Location,
    ports::{BackfillBegun, Database, FilledImage},
};

chapter![
    the_pass_comes_to_all_images_in_the_order_of_their_ids,
    images_that_were_just_registered_are_left_out,
    what_is_unknown_is_filled_and_nothing_else,
    images_that_are_gone_are_not_filled,
    one_server_has_the_lease,
    who_lost_the_lease_changes_nothing,
    the_pass_goes_on_at_its_place,
    the_pass_is_over_for_good,
    the_pass_is_not_over_before_its_age,
];

/// Longer than any of these rules takes.
const LONG: TimeDelta = TimeDelta::hours(1);

/// A lease that has expired when it is granted, and an age that everything has.
const NONE: TimeDelta = TimeDelta::zero();

fn local(seconds: i64) -> NaiveDateTime {
    at(seconds).naive_utc()
}

async fn begin(store: &dyn Database, lease: TimeDelta) -> Option<(Fence, ImageId)> {
    match store.begin_backfill(lease).await.unwrap() {
        BackfillBegun::Started(fence, place) => Some((fence, place)),
        BackfillBegun::InProgress | BackfillBegun::Done => None,
    }
}

fn filled(image: &Image) -> FilledImage {
    FilledImage {
        id: image.id,
        registered_local: local(7200),
        camera: CameraData {
            taken_at: Some(local(-5)),
            camera: Some("Canon EOS 5D".to_owned()),
            location: Location::new(1.5, -2.5),
        },
    }
}

async fn fill(store: &dyn Database, lease: Fence, images: &[&Image]) -> bool {
    let filled: Vec<FilledImage> = images.iter().map(|image| self::filled(image)).collect();
    let place = images.last().unwrap().id;
    store
        .fill_images(lease, &filled, &place, LONG)
        .await
        .unwrap()
}

async fn info(store: &dyn Database, image: &Image) -> ImageInfo {
    let mut infos = store.infos(&[image.id]).await.unwrap();
    infos.remove(&image.id).unwrap()
}

/// Filled or not, a page at a time.
async fn the_pass_comes_to_all_images_in_the_order_of_their_ids(store: &dyn Database) {
    let images: Vec<Image> = (0..5)
        .map(|n| unique(n, at(i64::from(n)), &["car"]))
        .collect();
    for (n, image) in images.iter().enumerate() {
        let registered_local = (n % 2 == 0).then_some(local(1));
        let info = ImageInfo {
            registered_local,
            ..ImageInfo::default()
        };
        register_with(store, image, &info).await;
    }
    let (_, mut place) = begin(store, LONG).await.unwrap();
    let mut found = Vec::new();
    loop {
        let next = store.backfill_images(&place, NONE, limit(2)).await.unwrap();
        let Some(last) = next.last() else { break };
        place = last.image.id;
        found.extend(next);
    }
    let seen: Vec<(ImageId, bool)> = found.iter().map(|it| (it.image.id, it.is_filled)).collect();
    let expected = images.iter().enumerate().map(|(n, i)| (i.id, n % 2 == 0));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    assert_eq!(found[1].image, (&images[1]).into());
}

/// Those with smaller ids may not be there yet.
async fn images_that_were_just_registered_are_left_out(store: &dyn Database) {
    let old = unique(0, at(0), &[]);
    let young = unique(1, SystemTime::now().into(), &[]);
    register(store, &old).await;
    register(store, &young).await;
    let (_, place) = begin(store, LONG).await.unwrap();
    for (age, count) in [(LONG, 1), (-LONG, 2)] {
        let found = store.backfill_images(&place, age, limit(9)).await.unwrap();
        assert_eq!(found.len(), count);
        assert_eq!(found[0].image.id, old.id);
    }
}

/// What a server of an earlier version kept stays, and the image has its place in the order.
async fn what_is_unknown_is_filled_and_nothing_else(store: &dyn Database) {
    let (unknown, known, new) = (
        unique(0, at(0), &["car"]),
        unique(1, at(1), &["car"]),
        unique(2, at(2), &["car"]),
    );
    register(store, &unknown).await;
    let kept = ImageInfo {
        file_name: Some("a.jpg".to_owned()),
        camera: CameraData {
            taken_at: Some(local(77)),
            camera: Some("Leica".to_owned()),
            location: None,
        },
        ..ImageInfo::default()
    };
    register_with(store, &known, &kept).await;
    let complete = ImageInfo {
        registered_local: Some(local(3600)),
        ..ImageInfo::default()
    };
    register_with(store, &new, &complete).await;
    let (lease, _) = begin(store, LONG).await.unwrap();
    assert!(fill(store, lease, &[&unknown, &known, &new]).await);
    let expected = filled(&unknown);
    let info = async |image| info(store, image).await;
    let registered_local = Some(expected.registered_local);
    assert_eq!(
        info(&unknown).await,
        ImageInfo {
            camera: expected.camera.clone(),
            registered_local,
            ..ImageInfo::default()
        }
    );
    let camera = CameraData {
        location: expected.camera.location,
        ..kept.camera.clone()
    };
    assert_eq!(
        info(&known).await,
        ImageInfo {
            camera,
            registered_local,
            ..kept
        }
    );
    assert_eq!(info(&new).await, complete);
    let found = store.find(&unknown.id).await.unwrap().unwrap();
    assert_eq!(found.taken_order, local(-5));
}

/// Nor does it matter to the others.
async fn images_that_are_gone_are_not_filled(store: &dyn Database) {
    let (image, gone) = (unique(0, at(0), &[]), unique(1, at(1), &[]));
    register(store, &image).await;
    let (lease, _) = begin(store, LONG).await.unwrap();
    assert!(fill(store, lease, &[&image, &gone]).await);
    assert!(info(store, &image).await.registered_local.is_some());
    assert!(store.infos(&[gone.id]).await.unwrap().is_empty());
}

async fn one_server_has_the_lease(store: &dyn Database) {
    let begun = join_all((0..8).map(|_| begin(store, LONG))).await;
    assert_eq!(begun.iter().flatten().count(), 1);
    let again = store.begin_backfill(LONG).await.unwrap();
    assert_eq!(again, BackfillBegun::InProgress);
    let (lease, _) = begun.into_iter().flatten().next().unwrap();
    assert!(!store.end_backfill(lease, LONG).await.unwrap());
    assert!(begin(store, LONG).await.is_some());
}

/// Another server took it over when it had expired.
async fn who_lost_the_lease_changes_nothing(store: &dyn Database) {
    let image = unique(0, at(0), &[]);
    register(store, &image).await;
    let (lost, _) = begin(store, NONE).await.unwrap();
    let (lease, place) = begin(store, LONG).await.unwrap();
    assert!(!fill(store, lost, &[&image]).await);
    assert!(!store.end_backfill(lost, NONE).await.unwrap());
    assert_eq!(info(store, &image).await, ImageInfo::default());
    assert_eq!(place, ImageId::from_bytes([0; 16]));
    assert!(fill(store, lease, &[&image]).await);
}

async fn the_pass_goes_on_at_its_place(store: &dyn Database) {
    let image = unique(0, at(0), &[]);
    register(store, &image).await;
    let (lease, _) = begin(store, LONG).await.unwrap();
    assert!(fill(store, lease, &[&image]).await);
    assert!(!store.end_backfill(lease, LONG).await.unwrap());
    let (_, place) = begin(store, LONG).await.unwrap();
    assert_eq!(place, image.id);
    let left = store.backfill_images(&place, NONE, limit(9)).await.unwrap();
    assert_eq!(left, []);
}

async fn the_pass_is_over_for_good(store: &dyn Database) {
    let (lease, _) = begin(store, LONG).await.unwrap();
    assert!(store.end_backfill(lease, NONE).await.unwrap());
    for _ in 0..2 {
        let begun = store.begin_backfill(LONG).await.unwrap();
        assert_eq!(begun, BackfillBegun::Done);
    }
}

/// Whoever begins it again does not begin it anew.
async fn the_pass_is_not_over_before_its_age(store: &dyn Database) {
    for _ in 0..2 {
        let (lease, _) = begin(store, LONG).await.unwrap();
        assert!(!store.end_backfill(lease, LONG).await.unwrap());
    }
}
