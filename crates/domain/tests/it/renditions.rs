use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use domain::{
    ContentDigest, EncodedPicture, Image, MediaType, NewImage, RenditionSize,
    ports::{
        CallContext, CodecError, ImageStore, MockImageCodec, OriginalLedger, OriginalStore, PutMode,
    },
    service::{Catalog, CatalogPorts, RenditionError, RenditionPorts, Renditions},
};
use domain_testing::{FakeDatabase, FakeOriginalStore, FakeRenditionStore, TestClock, at, image};
use futures_util::future::join_all;

const SIZE: u32 = 256;

/// How many bytes each rendition has.
const LENGTH: usize = 10;

struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    kept: Arc<FakeRenditionStore>,
    /// How many were made.
    made: Arc<AtomicUsize>,
    /// Whether originals are lost while they are rendered.
    is_losing: Arc<AtomicBool>,
    renditions: Renditions,
}

impl Fixture {
    fn new(limit: u64) -> Self {
        let store = Arc::<FakeDatabase>::default();
        let originals = Arc::<FakeOriginalStore>::default();
        let kept = Arc::<FakeRenditionStore>::default();
        let (made, is_losing) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let catalog = Catalog::new(CatalogPorts {
            images: store.clone(),
            counter: store.clone(),
            infos: store.clone(),
            statistics: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            clock: Arc::<TestClock>::default(),
        });
        let mut codec = MockImageCodec::new();
        let (count, losing, lost) = (made.clone(), is_losing.clone(), originals.clone());
        codec.expect_render().returning(move |bytes, side, _| {
            assert_eq!(side.get(), SIZE);
            count.fetch_add(1, Ordering::SeqCst);
            if losing.load(Ordering::SeqCst) {
                lost.lose(&ContentDigest::of(&bytes));
            }
            Ok(EncodedPicture {
                media_type: MediaType::Jpeg,
                bytes: vec![0; LENGTH].into(),
            })
        });
        let ports = RenditionPorts {
            codec: Arc::new(codec),
            originals: originals.clone(),
            renditions: kept.clone(),
        };
        Self {
            renditions: Renditions::new(catalog, ports, limit),
            store,
            originals,
            kept,
            made,
            is_losing,
        }
    }

    async fn register(&self, content: &'static str) -> Image {
        let image = image(content.as_bytes(), at(0), &[]);
        let Image { digest, facts, .. } = &image;
        let claim = self.store.claim(digest, facts, at(0), at(100)).await;
        claim.unwrap();
        let put = self
            .originals
            .put(digest, content.into(), PutMode::Overwrite);
        put.await.unwrap();
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            image: image.clone(),
            info: domain::ImageInfo::default(),
            fence: None,
            said: None,
            taggings: Vec::new(),
        };
        self.store.record(&new).await.unwrap();
        image
    }

    async fn ask(&self, image: &Image, context: &CallContext) -> Result<Bytes, RenditionError> {
        let size = RenditionSize::new(SIZE).unwrap();
        self.renditions.rendition(image, size, context).await
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn callers_at_the_same_time_share_a_rendition_and_later_ones_find_it() {
    let fixture = Fixture::new(1000);
    let image = fixture.register("a").await;
    let local = CallContext::local();
    let asked = join_all((0..8).map(|_| fixture.ask(&image, &local))).await;
    assert!(
        asked
            .iter()
            .all(|bytes| bytes.as_ref().unwrap().len() == LENGTH)
    );
    fixture.ask(&image, &local).await.unwrap();
    assert_eq!(fixture.made(), 1);
}

#[tokio::test]
async fn a_rendition_whose_original_was_removed_meanwhile_is_not_kept() {
    let fixture = Fixture::new(1000);
    let image = fixture.register("a").await;
    fixture.is_losing.store(true, Ordering::SeqCst);
    fixture.ask(&image, &CallContext::local()).await.unwrap();
    assert!(fixture.kept.keys().is_empty());
}

#[tokio::test]
async fn the_oldest_go_where_the_limit_is_passed() {
    // Three fit; a tenth below the limit is freed.
    let fixture = Fixture::new(30);
    let local = CallContext::local();
    let mut images = Vec::new();
    for content in ["a", "b", "c", "d"] {
        let image = fixture.register(content).await;
        fixture.ask(&image, &local).await.unwrap();
        images.push(image.digest);
    }
    let kept: Vec<_> = fixture.kept.keys().iter().map(|key| key.digest).collect();
    assert_eq!(kept, images[2..]);
}

#[tokio::test]
async fn without_room_each_is_made_anew() {
    let fixture = Fixture::new(0);
    let image = fixture.register("a").await;
    for made in 1..3 {
        fixture.ask(&image, &CallContext::local()).await.unwrap();
        assert_eq!(fixture.made(), made);
    }
    assert!(fixture.kept.keys().is_empty());
}

#[tokio::test]
async fn nothing_is_made_for_a_caller_that_has_gone() {
    let fixture = Fixture::new(1000);
    let image = fixture.register("a").await;
    let gone = CallContext::cancelled_when(|| true);
    let refused = fixture.ask(&image, &gone).await;
    assert!(matches!(
        refused,
        Err(RenditionError::Picture(CodecError::Cancelled))
    ));
    assert_eq!(fixture.made(), 0);
}
