//! The local tagger keeps the contract of its port.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail loudly")]

use domain::{
    MediaType, Picture,
    ports::{CallContext, FeatureExtractor, TagProvider},
};
use domain_testing::{
    FakePictureSource,
    contract::{
        feature_extractor,
        tag_provider::{Samples, all},
    },
};
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
    };
    let samples = Samples {
        readable: FakePictureSource::of_pixels(picture),
        unreadable: None,
    };
    all(&tagger, &samples).await;
    feature_extractor::all(&tagger, &samples.readable).await;
    let context = CallContext::local();
    let found = tagger.tag(&samples.readable, &context).await.unwrap();
    let alone = FeatureExtractor::features(&tagger, &samples.readable, &context).await;
    assert_eq!(found.features.unwrap().features, alone.unwrap());
}
