//! Rollups change no result.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};

use super::{claim, new, register};
use crate::{FakeDatabase, at, image, label, tag};
use domain::{
    Image, TagSummary, TimeWindow,
    ports::{Database, ImageStoreError, TagStatistics},
};

chapter!(
    rolling_up_changes_no_summary,
    late_images_are_counted,
    images_of_one_time_are_kept_together,
    rolling_up_blocks_no_other_call,
);

/// A time long after all images.
const LATER: i64 = 100_000;

/// A deterministic pseudo-random sequence.
struct Lcg(u64);

impl Lcg {
    fn roll(&mut self, sides: u64) -> u64 {
        // Knuth's MMIX constants.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let sides = u64::try_from(from.len()).unwrap();
        from[usize::try_from(self.roll(sides)).unwrap()]
    }
}

/// A store, and one that counts image by image.
struct Compared<'a> {
    store: &'a dyn Database,
    counted: FakeDatabase,
    times: Vec<DateTime<Utc>>,
    dice: Lcg,
}

impl<'a> Compared<'a> {
    fn new(store: &'a dyn Database) -> Self {
        Self {
            store,
            counted: FakeDatabase::default(),
            times: Vec::new(),
            dice: Lcg(1),
        }
    }

    /// Registers an image with some of a few labels.
    async fn register(&mut self, time: DateTime<Utc>) {
        let number = self.times.len();
        let mut image = image(&number.to_be_bytes(), time, &[]);
        let labels = 0..self.dice.roll(5);
        image.tags = labels
            .map(|_| {
                let label = format!("label {}", self.dice.roll(7));
                let millionths = u32::try_from(self.dice.roll(100_000_001)).unwrap();
                tag(&label, f64::from(millionths) / 1e6)
            })
            .collect();
        register(self.store, &image).await;
        register(&self.counted, &image).await;
        self.times.push(time);
    }

    /// Compares all of time, and windows whose bounds fall on and beside the times of images.
    async fn compare(&mut self, windows: u32) {
        self.compare_one(TimeWindow::default()).await;
        for _ in 0..windows {
            let (one, other) = (self.edge(), self.edge());
            let is_turned = one.zip(other).is_some_and(|(one, other)| one > other);
            let (from, until) = if is_turned {
                (other, one)
            } else {
                (one, other)
            };
            self.compare_one(TimeWindow { from, until }).await;
        }
    }

    fn edge(&mut self) -> Option<DateTime<Utc>> {
        let beside = [-1000, -1, 0, 0, 1, 1000].map(TimeDelta::nanoseconds);
        match self.dice.roll(8) {
            0 => None,
            1 => Some(at(-LATER)),
            2 => Some(at(LATER)),
            _ => Some(self.dice.pick(&self.times) + self.dice.pick(&beside)),
        }
    }

    async fn compare_one(&self, window: TimeWindow) {
        assert_counted(self.store, &self.counted, &window).await;
    }
}

/// Compares a store with one that counts image by image.
pub(super) async fn assert_counted(
    store: &dyn Database,
    counted: &FakeDatabase,
    window: &TimeWindow,
) {
    let found = store.tag_summaries(window).await.unwrap();
    let expected = counted.tag_summaries(window).await.unwrap();
    assert_alike(&found, &expected, window);
}

fn assert_alike(found: &[TagSummary], expected: &[TagSummary], window: &TimeWindow) {
    assert_eq!(found.len(), expected.len(), "{window:?}");
    for (found, expected) in found.iter().zip(expected) {
        let (mean, exact) = (found.mean_confidence, expected.mean_confidence);
        assert!((mean - exact).abs() <= 1e-11 * exact, "{found:?}, {exact}");
        let expected = TagSummary {
            mean_confidence: mean,
            ..expected.clone()
        };
        assert_eq!(*found, expected, "{window:?}");
    }
}

async fn roll_up(store: &dyn Database, now: DateTime<Utc>) {
    while store.roll_up(now).await.unwrap() {}
}

/// Before, between and after steps, with images that arrive in order, at the same time, or late.
async fn rolling_up_changes_no_summary(store: &dyn Database) {
    let mut compared = Compared::new(store);
    let mut time = at(0);
    for _ in 0..8 {
        for _ in 0..10 {
            let microseconds = compared.dice.pick(&[0, 0, 1, 1, 2, 1_000_000]);
            time += TimeDelta::microseconds(microseconds);
            compared.register(time).await;
        }
        compared.compare(6).await;
        // Up to a random one of them.
        let now = compared.dice.pick(&compared.times[..]) + TimeDelta::seconds(10);
        roll_up(store, now).await;
        compared.compare(6).await;
        let is_more = store.roll_up(at(LATER)).await.unwrap();
        compared.compare(6).await;
        if is_more && compared.dice.roll(2) == 0 {
            roll_up(store, at(LATER)).await;
        }
        let late = compared.dice.pick(&compared.times[..]);
        compared.register(late).await;
        compared.compare(6).await;
    }
}

/// Long after their time was rolled up; also before the first image of all.
async fn late_images_are_counted(store: &dyn Database) {
    let mut compared = Compared::new(store);
    for second in 0..40 {
        compared.register(at(second)).await;
    }
    roll_up(store, at(LATER)).await;
    for second in [-1, 0, 7, 23, 39, -1000, 39, 40] {
        compared.register(at(second)).await;
        compared.compare(4).await;
    }
    roll_up(store, at(LATER)).await;
    compared.compare(20).await;
}

/// However many they are.
async fn images_of_one_time_are_kept_together(store: &dyn Database) {
    let mut compared = Compared::new(store);
    for second in [
        0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4,
    ] {
        compared.register(at(second)).await;
    }
    loop {
        compared.compare(20).await;
        if !store.roll_up(at(LATER)).await.unwrap() {
            break;
        }
    }
}

const IMAGES: u32 = 48;

/// Images are recorded and counted while others roll up.
async fn rolling_up_blocks_no_other_call(store: &dyn Database) {
    run_on_two(store, store).await;
}

/// Records, rolls up and counts concurrently, by two stores on one database. Half of the images are late,
/// or nearly so.
pub async fn run_on_two(one: &dyn Database, other: &dyn Database) {
    let images: Vec<Image> = (0..IMAGES)
        .map(|n| {
            let pairs = [("car", f64::from(n)), ("cab", 50.0)];
            image(&n.to_be_bytes(), at(i64::from(n * 31 % IMAGES)), &pairs)
        })
        .collect();
    let (first, second) = images.split_at(images.len() / 2);
    join(
        join(record_all(one, first), record_all(other, second)),
        join(watch(one), watch(other)),
    )
    .await;
    roll_up(one, at(LATER)).await;
    for store in [one, other] {
        assert_eq!(count(store).await, u64::from(IMAGES));
        let car = &store.tag_summaries(&TimeWindow::default()).await.unwrap()[1];
        assert_eq!(car.label, label("car"));
        let mean = f64::from(IMAGES - 1) / 2.0;
        assert!((car.mean_confidence - mean).abs() < 1e-9, "{car:?}");
    }
}

async fn record_all(store: &dyn Database, images: &[Image]) {
    join_all(images.iter().map(|image| async {
        claim(store, image).await;
        store.record(&new(image)).await.unwrap();
    }))
    .await;
}

/// Rolls up and counts alternately. Counts never decrease.
async fn watch(store: &dyn Database) {
    let mut before = 0;
    for second in 0..IMAGES {
        match store.roll_up(at(i64::from(second + 10))).await {
            // Another one is at it.
            Ok(_) | Err(ImageStoreError::Contended(_)) => {}
            Err(error) => panic!("{error:?}"),
        }
        let counted = count(store).await;
        assert!(counted >= before, "{counted} after {before}");
        before = counted;
    }
}

/// The number of images, each with all of its labels.
async fn count(store: &dyn Database) -> u64 {
    let summaries = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let counts: Vec<u64> = summaries.iter().map(|summary| summary.images).collect();
    match counts[..] {
        [] => 0,
        [one, other] if one == other => one,
        _ => panic!("half an image: {summaries:?}"),
    }
}
