//! `cargo bench -p upload-body`: reading the body of an upload.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail loudly"
)]

use std::hint::black_box;

use base64::prelude::*;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use upload_body::{Body, BodyKind, BodyLimits, Content, Received, StreamedBody};

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
                bencher.iter(|| black_box(read(body.as_bytes())));
            });
        }
    }
    group.finish();
}

fn read(document: &[u8]) -> Received {
    let limits = BodyLimits {
        image_bytes: 16 << 20,
    };
    let mut body = Body::new(BodyKind::Json, limits, None);
    for piece in document.chunks(PIECE) {
        body.push(piece).unwrap();
    }
    match body.finish().unwrap() {
        Content::Image(image) => image,
        Content::Url(url) => panic!("{url} in place of an image"),
    }
}

criterion_group!(benches, uploads);
criterion_main!(benches);
