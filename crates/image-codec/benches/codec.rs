//! `cargo bench -p image-codec`: decoding, downscaling, encoding.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail loudly"
)]

use std::{hint::black_box, num::NonZeroU32, sync::Arc};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::ports::{CallContext, ImageCodec};
use image_codec::{CodecSettings, PictureCodec};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tokio::runtime::Runtime;

const PHOTO: &[u8] = include_bytes!("../tests/photos/rocket.jpg");

/// Longest side of copies: the default of `tagging.max_side`.
const SIDE: NonZeroU32 = NonZeroU32::MIN.saturating_add(1023);

/// 12 megapixels, in rows of a multiple of four bytes.
const WIDTH: u16 = 4000;
const HEIGHT: u16 = 3000;

/// Detail everywhere, over a slow gradient.
fn pixels() -> Vec<u8> {
    let samples = u32::from(WIDTH) * u32::from(HEIGHT) * 3;
    let sample = |at: u32| {
        let [.., grain] = at.wrapping_mul(2_654_435_761).to_le_bytes();
        let [_, _, slow, _] = at.to_le_bytes();
        grain / 8 + slow / 2
    };
    (0..samples).map(sample).collect()
}

fn jpeg(pixels: &[u8]) -> Bytes {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 85);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder
        .encode(pixels, WIDTH, HEIGHT, ColorType::Rgb)
        .unwrap();
    file.into()
}

/// A file of raw pixels: decoding it costs only the downscaling.
fn bmp(pixels: &[u8]) -> Bytes {
    let (header, size) = (54_u32, u32::try_from(pixels.len()).unwrap());
    let mut file = b"BM".to_vec();
    for field in [header + size, 0, header, 40, WIDTH.into(), HEIGHT.into()] {
        file.extend(field.to_le_bytes());
    }
    // One plane, 24 bits a pixel, uncompressed.
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    file.extend(pixels);
    file.into()
}

fn codec(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let codec = PictureCodec::new(CodecSettings::default());
    let context = CallContext::local();
    let pixels = pixels();
    let mut group = criterion.benchmark_group("codec");
    for (name, file) in [
        ("decode a photo of 50 KB", Bytes::from_static(PHOTO)),
        ("decode a JPEG of 4000 x 3000", jpeg(&pixels)),
        ("downscale 4000 x 3000", bmp(&pixels)),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                black_box(
                    runtime
                        .block_on(codec.decode(file.clone(), SIDE, &context))
                        .unwrap(),
                )
            });
        });
    }
    let picture = Arc::new(
        runtime
            .block_on(codec.decode(jpeg(&pixels), SIDE, &context))
            .unwrap(),
    );
    group.bench_function("encode a copy of 1024 x 768", |bencher| {
        bencher.iter(|| {
            let encoded = runtime.block_on(codec.encode(Arc::clone(&picture), &context));
            black_box(encoded.unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
