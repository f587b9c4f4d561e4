//! Measures a store's throughput in images a second, and the processor time it costs this process.
//!
//! `cargo run --release -p image-store-diesel --example measure -- URL [IMAGES [AT ONCE]]`
//!
//! Each image is claimed, then all are recorded, with ten tags out of a thousand labels and a tagging of
//! forty: two transactions each. Use a throw-away database: the images stay in it.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::{
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::{
    Confidence, ContentDigest, Image, ImageFacts, ImageId, Label, MediaType, NewImage,
    ProviderIdentity, Tag, Tagging, TaggingKey, Tags,
    ports::{Database, ImageStoreError},
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
    // Opens the connections, and inserts the labels.
    let first = new_images(100);
    each(&store, &first, at_once, Step::Claim).await?;
    each(&store, &first, at_once, Step::Record).await?;
    let images = new_images(images);
    for (name, step) in [("claims", Step::Claim), ("records", Step::Record)] {
        let (start, before) = (Instant::now(), processor_time()?);
        each(&store, &images, at_once, step).await?;
        report(
            name,
            images.len(),
            start.elapsed(),
            processor_time()? - before,
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn report(name: &str, count: usize, elapsed: Duration, busy: f64) {
    let (seconds, count) = (elapsed.as_secs_f64(), count as f64);
    let (rate, micros) = (count / seconds, busy * 1e6 / count);
    println!("{name}: {rate:.0} a second; processor time {micros:.1} us each");
}

/// The processor time used by this process, in seconds, to a resolution of a hundredth: the fields utime
/// and stime of `proc_pid_stat(5)`.
fn processor_time() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/self/stat")?;
    let mut ticks = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<u32>()?;
    }
    Ok(f64::from(ticks) / 100.0)
}

#[derive(Clone, Copy)]
enum Step {
    Claim,
    Record,
}

async fn each(
    store: &Arc<dyn Database>,
    images: &[Arc<NewImage>],
    at_once: usize,
    step: Step,
) -> Result<(), Failure> {
    stream::iter(images)
        .map(|new| {
            let (store, new) = (Arc::clone(store), Arc::clone(new));
            // One task each, so that all cores are used.
            tokio::spawn(async move { one(&*store, &new, step).await })
        })
        .buffer_unordered(at_once)
        .map(|outcome| outcome?.map_err(Failure::from))
        .try_collect()
        .await
}

async fn one(store: &dyn Database, new: &NewImage, step: Step) -> Result<(), ImageStoreError> {
    let Image {
        digest,
        facts,
        registered_at: now,
        ..
    } = &new.image;
    let until = *now + chrono::TimeDelta::hours(1);
    match step {
        Step::Claim => store.claim(digest, facts, *now, until).await.map(drop),
        Step::Record => store.record(new).await,
    }
}

fn new_images(count: u64) -> Vec<Arc<NewImage>> {
    (0..count)
        .map(|number| Arc::new(new_image(number)))
        .collect()
}

#[expect(clippy::unwrap_used, reason = "the identity is a constant")]
fn new_image(number: u64) -> NewImage {
    let now = chrono::DateTime::from(SystemTime::now());
    let id = ImageId::new(now);
    // New bytes in each run.
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
        taken_order: now.naive_utc(),
        tags: all.iter().take(10).cloned().collect(),
    };
    let key = TaggingKey {
        digest,
        provider: ProviderIdentity::parse("measured", "1", "en").unwrap(),
        max_side: 1024,
    };
    let tagging = Tagging {
        tags: all,
        tagged_at: now,
    };
    NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image,
        said: None,
        taggings: vec![(key, tagging)],
    }
}

/// `count` tags; the higher a label's number, the rarer it is.
fn tags(number: u64, count: u64) -> Tags {
    let tags = (0..count).filter_map(|n| {
        let step = number.wrapping_mul(2_654_435_761).wrapping_add(n * 7919) % 1000;
        let label = Label::parse(&format!("label {}", step * step / 1000)).ok()?;
        let confidence = Confidence::new(f64::from(u32::try_from(step).ok()?) / 10.7).ok()?;
        Some(Tag { label, confidence })
    });
    tags.collect()
}
