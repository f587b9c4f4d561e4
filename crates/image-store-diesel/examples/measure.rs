//! Measures how many images a store takes in a second.
//!
//! `cargo run --release -p image-store-diesel --example measure -- URL [IMAGES [AT ONCE]]`
//!
//! Each image is claimed and recorded, with ten tags out of a thousand labels and a tagging of forty.
//! The database must be one to throw away: what is measured stays in it.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{
    error::Error,
    sync::Arc,
    time::{Instant, SystemTime},
};

use domain::{
    Confidence, ContentDigest, Image, ImageFacts, ImageId, Label, MediaType, NewImage,
    ProviderIdentity, Tag, Tagging, TaggingKey, Tags,
    ports::{ImageStore, ImageStoreError},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use image_store_diesel::{Migrator, PoolSettings, StoreUrl, connect};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let url: StoreUrl = arguments.next().ok_or("which URL?")?.parse()?;
    let images: u64 = arguments.next().map_or(Ok(5000), |text| text.parse())?;
    let at_once: usize = arguments.next().map_or(Ok(16), |text| text.parse())?;
    Migrator::new(&url).run().await?;
    let settings = PoolSettings {
        max_connections: at_once,
        ..PoolSettings::default()
    };
    let store = connect(&url, settings)?;
    // Opens the connections, and gives the labels their numbers.
    register(&store, 0..100, at_once).await?;
    let start = Instant::now();
    register(&store, 0..images, at_once).await?;
    let seconds = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let rate = images as f64 / seconds;
    println!("{images} images in {seconds:.2} s, {at_once} at once: {rate:.0} a second");
    Ok(())
}

async fn register(
    store: &Arc<dyn ImageStore>,
    numbers: std::ops::Range<u64>,
    at_once: usize,
) -> Result<(), Failure> {
    stream::iter(numbers)
        .map(|number| {
            let store = Arc::clone(store);
            // A task each, so that all processors take part.
            tokio::spawn(async move { register_one(&*store, number).await })
        })
        .buffer_unordered(at_once)
        .map(|outcome| outcome?.map_err(Failure::from))
        .try_collect()
        .await
}

async fn register_one(store: &dyn ImageStore, number: u64) -> Result<(), ImageStoreError> {
    let new = new_image(number);
    let Image {
        digest,
        facts,
        registered_at: now,
        ..
    } = &new.image;
    let until = *now + chrono::TimeDelta::hours(1);
    store.claim(digest, facts, *now, until).await?;
    store.record(&new).await
}

fn new_image(number: u64) -> NewImage {
    let now = chrono::DateTime::from(SystemTime::now());
    let id = ImageId::new(now);
    // New bytes each time the program runs.
    let digest = ContentDigest::of(id.as_bytes());
    let all = tags(number, 40);
    let image = Image {
        id,
        digest,
        facts: ImageFacts {
            media_type: MediaType::Jpeg,
            width: 1920,
            height: 1080,
            byte_size: 1 << 20,
        },
        registered_at: now,
        tags: all.iter().take(10).cloned().collect(),
    };
    let key = TaggingKey {
        digest,
        provider: ProviderIdentity {
            name: "measured".into(),
            version: "1".into(),
            language: "en".into(),
        },
        max_side: 1024,
    };
    let tagging = Tagging {
        tags: all,
        tagged_at: now,
    };
    NewImage {
        image,
        tagging: Some((key, tagging)),
    }
}

/// So many tags, of labels that are the rarer the higher their number.
fn tags(number: u64, count: u64) -> Tags {
    let tags = (0..count).filter_map(|n| {
        let step = number.wrapping_mul(2_654_435_761).wrapping_add(n * 7919) % 1000;
        let label = Label::parse(&format!("label {}", step * step / 1000)).ok()?;
        let confidence = Confidence::new(f64::from(u32::try_from(step).ok()?) / 10.7).ok()?;
        Some(Tag { label, confidence })
    });
    tags.collect()
}
