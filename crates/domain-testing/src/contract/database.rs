//! The contract of the ports of a [`Database`].
//!
//! Each rule is a function that takes an empty store; a chapter's `run` runs its rules, [`run`] all of
//! them. Rules need no runtime: concurrent calls are joined, not spawned.

use std::{num::NonZeroU32, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{at, image};
use domain::{
    ContentDigest, Fence, Image, ImageInfo, ImageOrder, ImageQuery, Label, NewImage, PageKey,
    ProviderIdentity, Tagging, TaggingKey, Tags,
    ports::{Database, ImageStoreError},
};

/// Defines the function that runs the rules of a chapter, each on a new store.
///
/// Rules are private, so that the compiler warns of one missing from the list.
macro_rules! chapter {
    ($($rule:path),* $(,)?) => {
        /// Runs every rule of this chapter, each on a new empty store from `make`.
        pub async fn run(make: &impl AsyncFn() -> std::sync::Arc<dyn domain::ports::Database>) {
            $(
                // Shown on failure only.
                println!("rule: {}", stringify!($rule));
                $rule(&*make().await).await;
            )*
        }
    };
}

pub mod backfill;
pub mod claims;
pub mod concurrency;
pub mod damage;
pub mod edits;
pub mod features;
pub mod fencing;
pub mod filters;
pub mod images;
pub mod infos;
pub mod jobs;
pub mod keys;
pub mod labels;
pub mod pages;
pub mod removal;
pub mod requests;
pub mod rollups;
pub mod sessions;
pub mod sizes;
pub mod summaries;
pub mod taggings;
pub mod taken;
pub mod transfers;
pub mod vocabulary;
pub mod webhooks;

/// Runs every rule of every chapter, each on a new empty store from `make`.
pub async fn run(make: impl AsyncFn() -> Arc<dyn Database>) {
    claims::run(&make).await;
    removal::run(&make).await;
    fencing::run(&make).await;
    damage::run(&make).await;
    edits::run(&make).await;
    images::run(&make).await;
    infos::run(&make).await;
    labels::run(&make).await;
    taggings::run(&make).await;
    pages::run(&make).await;
    filters::run(&make).await;
    taken::run(&make).await;
    backfill::run(&make).await;
    summaries::run(&make).await;
    rollups::run(&make).await;
    keys::run(&make).await;
    sessions::run(&make).await;
    requests::run(&make).await;
    jobs::run(&make).await;
    vocabulary::run(&make).await;
    webhooks::run(&make).await;
    transfers::run(&make).await;
    features::run(&make).await;
    sizes::run(&make).await;
    concurrency::run(&make).await;
}

const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

fn limit(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

fn new(image: &Image) -> NewImage {
    NewImage {
        codes: Vec::new(),
        info: domain::ImageInfo::default(),
        fence: None,
        image: image.clone(),
        said: None,
        taggings: Vec::new(),
        request: None,
    }
}

/// Claims the original of an image, from the image's time on, for an hour.
async fn claim(store: &dyn Database, image: &Image) {
    let now = image.registered_at;
    let until = now + TimeDelta::hours(1);
    store
        .claim(&image.digest, &image.facts, now, until)
        .await
        .unwrap();
}

/// Claims the original and records the image.
async fn register(store: &dyn Database, image: &Image) {
    claim(store, image).await;
    store.record(&new(image)).await.unwrap();
}

/// An image with unique content.
fn unique(number: u32, registered_at: DateTime<Utc>, labels: &[&str]) -> Image {
    let tags: Vec<(&str, f64)> = labels.iter().map(|label| (*label, 90.0)).collect();
    image(&number.to_be_bytes(), registered_at, &tags)
}

/// Claims the original and records the image, with what is known of it.
async fn register_with(store: &dyn Database, image: &Image, info: &ImageInfo) {
    claim(store, image).await;
    let new = NewImage {
        info: info.clone(),
        ..new(image)
    };
    store.record(&new).await.unwrap();
}

async fn register_all(store: &dyn Database, images: &[Image]) {
    for image in images {
        register(store, image).await;
    }
}

/// The fence of removals, in rules with only one of them.
const FENCE: Fence = Fence::from_i64(7);

/// Claims for removal at `now`, for a minute, under [`FENCE`].
async fn claim_removal(store: &dyn Database, digest: &ContentDigest, now: DateTime<Utc>) -> bool {
    claim_removal_by(store, digest, FENCE, now).await
}

/// Claims for removal at `now`, for a minute. A database may resolve a deadlock with an upload by failing
/// the removal, which is then retried.
async fn claim_removal_by(
    store: &dyn Database,
    digest: &ContentDigest,
    fence: Fence,
    now: DateTime<Utc>,
) -> bool {
    let until = now + TimeDelta::minutes(1);
    loop {
        match store.claim_for_removal(digest, fence, now, until).await {
            Err(ImageStoreError::Contended(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
}

/// Ends a removal claim under [`FENCE`]. Whether it was still the latest one.
async fn forget(store: &dyn Database, digest: &ContentDigest) -> bool {
    store.forget(digest, FENCE).await.unwrap()
}

async fn abandoned(store: &dyn Database, before: DateTime<Utc>) -> Vec<ContentDigest> {
    store.abandoned(before, limit(1000)).await.unwrap()
}

/// Whether the store has the facts of some bytes.
async fn is_known(store: &dyn Database, digest: &ContentDigest) -> bool {
    store.known(&key(digest)).await.unwrap().facts.is_some()
}

async fn all(store: &dyn Database, query: &ImageQuery) -> Vec<Image> {
    page(store, query, None, 10_000).await
}

/// A page, which must not depend on whether its tags are read with it or later.
async fn page(
    store: &dyn Database,
    query: &ImageQuery,
    after: Option<PageKey>,
    most: u32,
) -> Vec<Image> {
    let page = store.page(query, after, limit(most)).await.unwrap();
    let untagged = store
        .untagged_page(query, after, limit(most))
        .await
        .unwrap();
    assert_eq!(store.with_tags(&untagged).await.unwrap(), page);
    page
}

/// How many images match, counted in strides.
async fn count(store: &dyn Database, query: &ImageQuery) -> usize {
    let mut images = 0;
    let mut after = None;
    loop {
        let counted = store.count_images(query, after).await.unwrap();
        images += counted.images;
        if counted.next.is_none() {
            return usize::try_from(images).unwrap();
        }
        assert_ne!(counted.next, after, "the count does not go on");
        after = counted.next;
    }
}

/// Reads a list page by page.
async fn walk(store: &dyn Database, query: &ImageQuery, page_size: u32) -> Vec<Image> {
    let mut walked: Vec<Image> = Vec::new();
    loop {
        let after = walked
            .last()
            .map(|image| PageKey::after(query.order, image));
        let page = page(store, query, after, page_size).await;
        let is_last = page.len() < page_size as usize;
        assert!(page.len() <= page_size as usize, "a page is too long");
        walked.extend(page);
        if is_last {
            return walked;
        }
    }
}

fn page_key(image: &Image) -> PageKey {
    PageKey::after(ImageOrder::Registered, image)
}

fn carrying(labels: &[&Label]) -> ImageQuery {
    let mut all_of: Vec<Label> = labels.iter().map(|label| (*label).clone()).collect();
    all_of.sort_unstable();
    ImageQuery {
        all_of,
        ..ImageQuery::default()
    }
}

/// Sorts images in the order of a list.
fn in_order(order: ImageOrder, mut images: Vec<Image>) -> Vec<Image> {
    let place = |image: &Image| PageKey::after(order, image);
    images.sort_unstable_by_key(|image| std::cmp::Reverse((place(image).time, image.id)));
    images
}

/// Sorts images in list order.
fn newest_first(mut images: Vec<Image>) -> Vec<Image> {
    images.sort_unstable_by_key(|image| std::cmp::Reverse((image.registered_at, image.id)));
    images
}

fn key(digest: &ContentDigest) -> TaggingKey {
    TaggingKey {
        digest: *digest,
        provider: ProviderIdentity::parse("imagga", "v2", "en").unwrap(),
        max_side: 1024,
    }
}

fn tagging(tags: Tags) -> Tagging {
    Tagging {
        tags,
        tagged_at: at(5) + MICROSECOND,
    }
}

async fn known_tagging(store: &dyn Database, key: &TaggingKey) -> Option<Tagging> {
    store.known(key).await.unwrap().tagging
}

#[track_caller]
fn assert_claim_lost(outcome: &Result<(), ImageStoreError>) {
    assert!(
        matches!(outcome, Err(ImageStoreError::ClaimLost)),
        "{outcome:?}"
    );
}

#[track_caller]
fn assert_contended<T: std::fmt::Debug>(outcome: &Result<T, ImageStoreError>) {
    assert!(
        matches!(outcome, Err(ImageStoreError::Contended(_))),
        "{outcome:?}"
    );
}
