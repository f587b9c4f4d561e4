//! Measures the index with a million made-up codes: `cargo run --release -p similarity-index-memory --example measure_index`.
//!
//! Prints how long the first search takes, which reads all codes; how long the later ones take, each with the reading of
//! what is new; and how much memory the process has then.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::precedence,
    reason = "an example may fail loudly"
)]

use std::{
    collections::HashMap,
    env, fs,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use domain::{
    Code, FeatureModel, Features, UntaggedImage,
    ports::{CodeNumber, CodeStore, ImageStoreError, SimilarityIndex},
};
use similarity_index_memory::MemoryIndex;

const SEARCHES: u64 = 500;
const WORDS: u64 = 13;

/// Codes that look random, but for groups of a hundred that are near to each other.
struct Codes(u64);

fn random(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed >> 31
}

fn code(number: u64) -> Code {
    let word = |at: u64| {
        let group = random(number / 100 << 8 | at);
        let noise = random(number << 8 | at) & random(number << 9 | at) & random(number << 10 | at);
        group ^ noise
    };
    Code::new((0..WORDS).map(word).collect()).unwrap()
}

#[async_trait]
impl CodeStore for Codes {
    async fn codes(
        &self,
        _: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, Code)>, ImageStoreError> {
        let last = self.0.min(after.0 + u64::from(limit.get()));
        let numbers = after.0 + 1..=last;
        Ok(numbers
            .map(|number| (CodeNumber(number), code(number)))
            .collect())
    }

    async fn code_numbers(
        &self,
        _: &FeatureModel,
        after: CodeNumber,
        limit: NonZeroU32,
    ) -> Result<Vec<CodeNumber>, ImageStoreError> {
        let last = self.0.min(after.0 + u64::from(limit.get()));
        Ok((after.0 + 1..=last).map(CodeNumber).collect())
    }

    async fn features(
        &self,
        _: &[CodeNumber],
    ) -> Result<HashMap<CodeNumber, Features>, ImageStoreError> {
        Ok(HashMap::new())
    }

    async fn coded_images(
        &self,
        _: &[CodeNumber],
        _: NonZeroU32,
    ) -> Result<Vec<(CodeNumber, UntaggedImage)>, ImageStoreError> {
        Ok(Vec::new())
    }
}

/// The resident memory of the process, in MB of 10^6 bytes.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes * 1024.0 / 1e6
}

async fn search(index: &MemoryIndex, number: u64) -> Duration {
    let began = Instant::now();
    let model = FeatureModel::parse("made-up").unwrap();
    let count = NonZeroUsize::new(201).unwrap();
    let found = index.nearest(&model, &code(number), count).await.unwrap();
    assert_eq!(found.first().unwrap().code, CodeNumber(number));
    began.elapsed()
}

fn percentile(times: &mut [Duration], share: usize) -> f64 {
    times.sort_unstable();
    times.get(times.len() * share / 100).unwrap().as_secs_f64() * 1000.0
}

#[tokio::main]
async fn main() {
    let count = env::args()
        .nth(1)
        .map_or(1_000_000, |count| count.parse().unwrap());
    let before = resident();
    let index = Arc::new(MemoryIndex::new(Arc::new(Codes(count))));
    let first = search(&index, 7).await;
    println!(
        "{count} codes: first search {first:.1?}, memory {:.0} MB",
        resident() - before
    );
    let mut times = Vec::new();
    for number in 0..SEARCHES {
        times.push(search(&index, 1 + random(number) % count).await);
    }
    let (median, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!("one after the other: median {median:.1} ms, p99 {p99:.1} ms");
    let began = Instant::now();
    let tasks: Vec<_> = (0..8_u64)
        .map(|client| {
            let index = Arc::clone(&index);
            tokio::spawn(async move {
                let mut times = Vec::new();
                for number in 0..SEARCHES / 8 {
                    times.push(search(&index, 1 + random(client << 32 | number) % count).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let p99 = percentile(&mut times, 99);
    println!(
        "8 at a time: {rate:.0} searches/s, p99 {p99:.1} ms, memory {:.0} MB",
        resident() - before
    );
}
