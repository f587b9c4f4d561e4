//! `cargo bench -p etiqueta`: the bodies of requests and answers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail loudly"
)]

use std::hint::black_box;

use base64::prelude::*;
use bytes::Bytes;
use chrono_tz::Tz;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use domain::{
    Image,
    testing::{at, image},
};
use etiqueta::http::bodies;
use tokio::runtime::Runtime;

/// How much of a body arrives at a time.
const PIECE: usize = 32 << 10;

fn noise(size: u32) -> Vec<u8> {
    (0..size)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Base64 in, as it arrives, with the digest.
fn uploads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read an upload");
    for (name, size) in [("50 KB", 50_000), ("3 MB", 3_000_000)] {
        let text = BASE64_STANDARD.encode(noise(size));
        let body = format!("{{\"data\":\"{text}\"}}");
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(76)
            .map(String::from_utf8_lossy)
            .collect();
        let wrapped = format!("{{\"data\":\"{}\"}}", lines.join("\\n"));
        group.throughput(Throughput::Bytes(size.into()));
        for (form, body) in [("in one line", body), ("in lines of 76", wrapped)] {
            group.bench_function(format!("{name}, {form}"), |bencher| {
                bencher.iter(|| black_box(bodies::read(body.as_bytes(), PIECE).unwrap()));
            });
        }
    }
    group.finish();
}

/// Base64 out.
fn images(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = criterion.benchmark_group("write an image");
    for (name, size) in [("50 KB", 50_000), ("3 MB", 3_000_000)] {
        let data = Bytes::from(noise(size));
        let image = tagged(0, &data);
        group.throughput(Throughput::Bytes(size.into()));
        group.bench_function(name, |bencher| {
            let write = || bodies::image(&image, data.clone(), Tz::UTC);
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

/// JSON out.
fn lists(criterion: &mut Criterion) {
    let images: Vec<Image> = (0..1000).map(|n| tagged(n, &n.to_le_bytes())).collect();
    let mut group = criterion.benchmark_group("write a list");
    group.throughput(Throughput::Elements(images.len() as u64));
    group.bench_function("of 1000 images with 8 tags", |bencher| {
        bencher.iter(|| black_box(bodies::list(&images, Tz::UTC).unwrap()));
    });
    group.finish();
}

criterion_group!(benches, uploads, images, lists);
criterion_main!(benches);
