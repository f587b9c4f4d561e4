//! The local tagger keeps the contract of its port.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

use std::sync::Arc;

use domain::{Lease, MediaType, Picture, ports::TagSource};
use domain_testing::contract::tag_provider::{Samples, all};
use tag_provider_local::{LocalTagger, ModelFiles, Startup};

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let tagger = LocalTagger::start(ModelFiles::embedded(), Startup::Background).unwrap();
    let (width, height) = (300, 200);
    let pixels = (0..width * height * 3).map(|at| u8::try_from(at % 251).unwrap());
    let picture = Picture {
        media_type: MediaType::Png,
        width,
        height,
        scaled_width: width,
        scaled_height: height,
        pixels: pixels.collect(),
        as_uploaded: None,
        lease: Lease::default(),
    };
    let samples = Samples {
        readable: TagSource::Pixels(Arc::new(picture)),
        unreadable: None,
    };
    all(&tagger, &samples).await;
}
