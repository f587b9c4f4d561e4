//! Forms that providers pull are made once, and released.

use std::{
    num::NonZeroU32,
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    DecodedPicture, EncodedPicture, Lease, MediaType, Picture, ProviderIdentity, Tags,
    ports::{
        CallContext, CodecError, ImageCodec, MockImageCodec, PictureSource, Prediction, Quota,
        TagProvider, UpstreamError,
    },
    service::{Tagger, TaggerError, TaggerPorts},
};
use domain_testing::{FakeBlobHost, FakeImageCodec, FakeReleaseQueue, FakeTagProvider, Pull, tags};
use futures_util::{FutureExt, future::join_all, pin_mut};

/// A provider that merges the tags of several others.
struct Merged {
    identity: ProviderIdentity,
    parts: Vec<FakeTagProvider>,
}

impl Merged {
    fn new(pulls: impl IntoIterator<Item = Pull>) -> Self {
        let parts = pulls.into_iter().zip(["car", "cab", "road", "sky", "sea"]);
        Self {
            identity: ProviderIdentity::parse("merged", "1", "en").unwrap(),
            parts: parts
                .map(|(pull, label)| FakeTagProvider::new(pull).with_tags(tags(&[(label, 90.0)])))
                .collect(),
        }
    }
}

#[async_trait]
impl TagProvider for Merged {
    fn identity(&self) -> &ProviderIdentity {
        &self.identity
    }

    fn max_side(&self) -> u32 {
        0
    }

    async fn prepare(&self, picture: &dyn PictureSource) -> Result<(), UpstreamError> {
        let prepared = self.parts.iter().map(|part| part.prepare(picture));
        join_all(prepared).await.into_iter().collect()
    }

    async fn tag(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Prediction, UpstreamError> {
        let calls = self.parts.iter().map(|part| part.tag(picture, context));
        let found: Result<Vec<Prediction>, _> = join_all(calls).await.into_iter().collect();
        let tags = found?.into_iter().flat_map(|found| {
            let tags: Vec<_> = found.tags.iter().cloned().collect();
            tags
        });
        Ok(tags.collect::<Tags>().into())
    }

    async fn ready(&self) -> Result<(), UpstreamError> {
        Ok(())
    }

    fn quota(&self) -> Option<Quota> {
        None
    }
}

/// The surroundings of a tagger, in memory.
#[derive(Default)]
struct Fixture {
    codec: Arc<FakeImageCodec>,
    host: Arc<FakeBlobHost>,
    releases: Arc<FakeReleaseQueue>,
}

impl Fixture {
    fn tagger(&self, provider: impl TagProvider + 'static) -> Tagger {
        tagger(self.codec.clone(), Arc::new(provider), self)
    }
}

fn tagger(codec: Arc<dyn ImageCodec>, provider: Arc<dyn TagProvider>, fixture: &Fixture) -> Tagger {
    Tagger::new(TaggerPorts {
        codec,
        provider,
        host: Some(fixture.host.clone()),
        releases: fixture.releases.clone(),
    })
}

fn side(pixels: u32) -> NonZeroU32 {
    NonZeroU32::new(pixels).unwrap()
}

fn picture() -> Bytes {
    FakeImageCodec::picture(640, 480, "a car")
}

#[tokio::test]
async fn providers_that_pull_the_same_share_what_is_made() {
    let fixture = Fixture::default();
    let pulls = [
        Pull::Pixels(side(64)),
        Pull::Jpeg(16),
        Pull::Pixels(side(64)),
        Pull::PublicUrl(16),
        Pull::PublicUrl(16),
    ];
    let found = fixture.tagger(Merged::new(pulls)).tag_file(picture()).await;
    assert_eq!(found.unwrap().iter().count(), 5);
    assert_eq!(fixture.codec.sides(), [side(64), side(16)]);
    assert_eq!((fixture.codec.encodes(), fixture.host.hosted()), (1, 1));
    assert_eq!(fixture.releases.handed_over(), fixture.host.alive());
}

#[tokio::test]
async fn a_copy_is_encoded_from_pixels_that_are_there() {
    let fixture = Fixture::default();
    let pulls = [Pull::Pixels(side(16)), Pull::Jpeg(16)];
    let found = fixture.tagger(Merged::new(pulls)).tag_file(picture()).await;
    found.unwrap();
    assert_eq!((fixture.codec.decodes(), fixture.codec.encodes()), (1, 1));
}

#[tokio::test]
async fn every_size_is_hosted_and_released_separately() {
    let fixture = Fixture::default();
    let pulls = [Pull::PublicUrl(16), Pull::PublicUrl(8), Pull::PublicUrl(0)];
    let found = fixture.tagger(Merged::new(pulls)).tag_file(picture()).await;
    found.unwrap();
    assert_eq!(fixture.host.hosted(), 3);
    let mut released = fixture.releases.handed_over();
    released.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(released, fixture.host.alive());
}

/// The original is not sent before it is known to be a picture.
#[tokio::test]
async fn invalid_picture_is_not_hosted() {
    for max_side in [0, 16] {
        let fixture = Fixture::default();
        let provider = Arc::new(FakeTagProvider::new(Pull::PublicUrl(max_side)));
        let tagger = tagger(fixture.codec.clone(), provider.clone(), &fixture);
        let error = tagger
            .tag_file(Bytes::from_static(b"text"))
            .await
            .unwrap_err();
        let is_refused = matches!(error, TaggerError::Picture(CodecError::NotAnImage { .. }));
        assert!(is_refused, "{error:?}");
        assert_eq!((fixture.host.hosted(), provider.calls()), (0, 0));
    }
}

/// A codec whose pictures hold a lease that can be observed.
fn leasing() -> (MockImageCodec, Weak<()>) {
    let lease = Arc::new(());
    let watched = Arc::downgrade(&lease);
    let mut lease = Some(lease);
    let mut codec = MockImageCodec::new();
    codec.expect_decode().times(1).returning(move |_, _, _| {
        let picture = Picture {
            media_type: MediaType::Png,
            width: 2,
            height: 1,
            scaled_width: 2,
            scaled_height: 1,
            pixels: vec![0; 6],
            as_uploaded: None,
        };
        Ok(DecodedPicture::new(picture, Lease::new(lease.take())))
    });
    codec.expect_encode().returning(|_, _| {
        Ok(EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: Bytes::from_static(b"a copy"),
        })
    });
    (codec, watched)
}

#[tokio::test]
async fn memory_is_held_only_while_pixels_are_looked_at() {
    let cases = [
        (Pull::Pixels(side(16)), 1),
        (Pull::Jpeg(16), 0),
        (Pull::Jpeg(0), 0),
        (Pull::PublicUrl(16), 0),
    ];
    for (pull, held) in cases {
        let (codec, lease) = leasing();
        let provider = Arc::new(FakeTagProvider::new(pull));
        provider.hold();
        let tagger = tagger(Arc::new(codec), provider.clone(), &Fixture::default());
        let call = tagger.tag_file(picture());
        pin_mut!(call);
        assert!(call.as_mut().now_or_never().is_none());
        assert_eq!(provider.calls(), 1);
        assert_eq!(lease.strong_count(), held, "{pull:?}");
        provider.let_go();
        call.await.unwrap();
        assert_eq!(lease.strong_count(), 0, "{pull:?}");
    }
}
