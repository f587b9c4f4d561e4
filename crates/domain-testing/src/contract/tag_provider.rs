//! The contract of [`TagProvider`].

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use domain::{
    EncodedPicture, Lease, MediaType, Picture,
    ports::{CallContext, ImageAccess, TagProvider, TagSource, UpstreamError},
};

/// What the suite shows the provider.
#[derive(Debug)]
pub struct Samples {
    /// A picture in the form that the provider wants, in which it finds something.
    pub readable: TagSource,
    /// Something in the form that the provider wants which is no picture; `None` where the form is
    /// pixels.
    pub unreadable: Option<TagSource>,
}

/// Runs the whole suite.
pub async fn all(provider: &dyn TagProvider, samples: &Samples) {
    it_has_an_identity(provider);
    it_finds_tags(provider, samples).await;
    it_takes_several_calls_at_a_time(provider, samples).await;
    it_says_what_it_cannot_read(provider, samples).await;
    it_refuses_other_forms(provider).await;
    it_starts_no_call_for_a_caller_that_has_gone(provider, samples).await;
    it_is_ready_after_it_tagged(provider, samples).await;
}

/// Name, version and language are there, short, and always the same.
pub fn it_has_an_identity(provider: &dyn TagProvider) {
    let identity = provider.identity().clone();
    for (part, longest) in [
        (&identity.name, 64),
        (&identity.version, 64),
        (&identity.language, 16),
    ] {
        assert!((1..=longest).contains(&part.chars().count()), "{part:?}");
    }
    assert_eq!(provider.identity(), &identity);
    assert_eq!(provider.wants(), provider.wants());
}

/// A picture that can be read is tagged, the same way each time.
pub async fn it_finds_tags(provider: &dyn TagProvider, samples: &Samples) {
    let tags = provider
        .tag(&samples.readable, &local())
        .await
        .expect("tags");
    assert!(!tags.is_empty());
    let again = provider
        .tag(&samples.readable, &local())
        .await
        .expect("tags");
    assert_eq!(again, tags);
}

/// Calls do not get in each other's way.
pub async fn it_takes_several_calls_at_a_time(provider: &dyn TagProvider, samples: &Samples) {
    let context = local();
    let alone = provider
        .tag(&samples.readable, &local())
        .await
        .expect("tags");
    for tags in join_all((0..3).map(|_| provider.tag(&samples.readable, &context))).await {
        assert_eq!(tags.expect("tags"), alone);
    }
}

/// What is no picture is [`UpstreamError::Unreadable`], and the next picture is tagged as ever.
pub async fn it_says_what_it_cannot_read(provider: &dyn TagProvider, samples: &Samples) {
    let Some(unreadable) = &samples.unreadable else {
        assert_eq!(provider.wants(), ImageAccess::Pixels, "a sample is missing");
        return;
    };
    let error = provider
        .tag(unreadable, &local())
        .await
        .expect_err("no picture");
    assert!(matches!(error, UpstreamError::Unreadable(_)), "{error:?}");
    provider
        .tag(&samples.readable, &local())
        .await
        .expect("tags");
}

/// A source in another form than the one it wants is [`UpstreamError::Refused`].
pub async fn it_refuses_other_forms(provider: &dyn TagProvider) {
    for (access, source) in one_of_each_form() {
        if access != provider.wants() {
            let error = provider
                .tag(&source, &local())
                .await
                .expect_err("another form");
            assert!(matches!(error, UpstreamError::Refused(_)), "{error:?}");
        }
    }
}

/// A call of a caller that has gone is [`UpstreamError::Cancelled`].
pub async fn it_starts_no_call_for_a_caller_that_has_gone(
    provider: &dyn TagProvider,
    samples: &Samples,
) {
    let gone = CallContext::cancelled_when(|| true);
    let error = provider.tag(&samples.readable, &gone).await;
    let error = error.expect_err("the caller has gone");
    assert!(matches!(error, UpstreamError::Cancelled), "{error:?}");
}

/// A provider that has just tagged is ready.
pub async fn it_is_ready_after_it_tagged(provider: &dyn TagProvider, samples: &Samples) {
    provider
        .tag(&samples.readable, &local())
        .await
        .expect("tags");
    provider.ready().await.expect("ready");
}

fn local() -> CallContext {
    CallContext::local()
}

fn one_of_each_form() -> [(ImageAccess, TagSource); 3] {
    let pixels = Picture {
        media_type: MediaType::Png,
        width: 1,
        height: 1,
        scaled_width: 1,
        scaled_height: 1,
        pixels: vec![0; 3],
        as_uploaded: None,
        lease: Lease::default(),
    };
    let file = EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: Bytes::from_static(b"\xff\xd8\xff"),
    };
    let url = "https://blobs.example/picture.jpg".to_owned();
    [
        (ImageAccess::Pixels, TagSource::Pixels(Arc::new(pixels))),
        (ImageAccess::Bytes, TagSource::Bytes(file)),
        (ImageAccess::PublicUrl, TagSource::PublicUrl(url)),
    ]
}
