//! `cargo bench -p http-api`: writing response bodies.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail loudly"
)]

use std::hint::black_box;

use bytes::Bytes;
use chrono_tz::Tz;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::Image;
use domain_testing::{at, image};
use http_api::internals;
use tokio::runtime::Runtime;

fn noise(size: u32) -> Vec<u8> {
    (0..size)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Base64 encoding.
fn images(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("write an image");
    for (name, size) in [("50 KB", 50_000), ("3 MB", 3_000_000)] {
        let data = Bytes::from(noise(size));
        let image = tagged(0, &data);
        group.throughput(Throughput::Bytes(size.into()));
        group.bench_function(name, |bencher| {
            let write = || internals::image(&image, data.clone(), Tz::UTC);
            bencher.iter(|| black_box(runtime.block_on(write()).unwrap()));
        });
    }
    group.finish();
}

fn tagged(n: i64, content: &[u8]) -> Image {
    let names: Vec<String> = (0..8)
        .map(|label| format!("label-{:04}", n % 90 + label))
        .collect();
    let tags: Vec<(&str, f64)> = names
        .iter()
        .map(|name| (name.as_str(), 69.437_355_041_503_9))
        .collect();
    image(content, at(n), &tags)
}

fn lists(criterion: &mut Criterion) {
    let images: Vec<Image> = (0..1000).map(|n| tagged(n, &n.to_le_bytes())).collect();
    let mut group = criterion.benchmark_group("write a list");
    group.throughput(Throughput::Elements(images.len() as u64));
    group.bench_function("of 1000 images with 8 tags", |bencher| {
        bencher.iter(|| black_box(internals::list(&images, Tz::UTC).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, images, lists);
criterion_main!(benches);
