use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use domain::{
    CameraData, Image, ImageInfo, NewImage,
    ports::{ImageBackfill, ImageInfoStore, ImageStore, OriginalLedger, OriginalStore, PutMode},
    service::{Backfill, BackfillPorts, BackfillStep, Catalog, CatalogPorts},
};
use domain_testing::{FakeDatabase, FakeImageCodec, FakeOriginalStore, TestClock, at, image};

/// A pass over the images of a database, on one of its servers.
struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    backfill: Backfill,
}

fn camera() -> CameraData {
    let taken = NaiveDate::from_ymd_opt(2020, 2, 3).unwrap();
    CameraData {
        taken_at: taken.and_hms_opt(4, 5, 6),
        camera: Some("Canon EOS 5D".to_owned()),
        location: None,
    }
}

impl Fixture {
    fn new() -> Self {
        Self::beside(Arc::default(), Arc::default())
    }

    fn beside(store: Arc<FakeDatabase>, originals: Arc<FakeOriginalStore>) -> Self {
        let clock = Arc::<TestClock>::default();
        let catalog = Catalog::new(CatalogPorts {
            images: store.clone(),
            counter: store.clone(),
            infos: store.clone(),
            statistics: store.clone(),
            ledger: store.clone(),
            originals: originals.clone(),
            clock: clock.clone(),
        });
        let ports = BackfillPorts {
            images: store.clone(),
            originals: originals.clone(),
            codec: Arc::new(FakeImageCodec::default().with_camera(camera())),
            clock,
        };
        Self {
            backfill: Backfill::new(ports, catalog),
            store,
            originals,
        }
    }

    /// Registers images as an earlier version did.
    async fn register(&self, count: u32) -> Vec<Image> {
        let mut images = Vec::new();
        for n in 0..count {
            let content = n.to_be_bytes().to_vec();
            let image = image(&content, at(n.into()), &[]);
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
                info: ImageInfo::default(),
                fence: None,
                said: None,
                taggings: Vec::new(),
            };
            self.store.record(&new).await.unwrap();
            images.push(image);
        }
        images
    }

    async fn step(&self) -> BackfillStep {
        self.backfill.step().await.unwrap()
    }

    /// Runs until there is nothing to do for now; returns how many images were filled.
    async fn run(&self) -> usize {
        let mut filled = 0;
        loop {
            match self.step().await {
                BackfillStep::Filled(count) => filled += count,
                BackfillStep::Resting => return filled,
                BackfillStep::Done => panic!("it is not over on its first day"),
            }
        }
    }

    async fn info(&self, image: &Image) -> ImageInfo {
        let mut infos = self.store.infos(&[image.id]).await.unwrap();
        infos.remove(&image.id).unwrap()
    }
}

#[tokio::test]
async fn images_of_earlier_versions_are_filled_from_their_originals() {
    let fixture = Fixture::new();
    let images = fixture.register(40).await;
    assert_eq!(fixture.run().await, 40);
    for image in &images {
        let expected = ImageInfo {
            camera: camera(),
            registered_local: Some(image.registered_at.naive_utc()),
            ..ImageInfo::default()
        };
        assert_eq!(fixture.info(image).await, expected);
    }
    assert_eq!(fixture.run().await, 0);
}

/// Damage is noted as by any other read.
#[tokio::test]
async fn originals_that_are_damaged_are_set_aside() {
    let fixture = Fixture::new();
    let images = fixture.register(5).await;
    fixture.originals.lose(&images[1].digest);
    fixture.originals.tamper(&images[2].digest, "xxxx");
    assert_eq!(fixture.run().await, 5);
    for (n, image) in images.iter().enumerate() {
        let info = fixture.info(image).await;
        let is_read = ![1, 2].contains(&n);
        assert_eq!(info.camera.taken_at.is_some(), is_read, "{n}");
        assert!(info.registered_local.is_some());
        assert_eq!(fixture.store.damaged_at(&image.digest).is_some(), !is_read);
    }
}

/// One of them is no reason to stop for ever; all of them are.
#[tokio::test]
async fn a_store_that_is_down_is_waited_for() {
    let fixture = Fixture::new();
    let images = fixture.register(3).await;
    fixture.originals.set_down(true);
    for _ in 0..5 {
        assert!(fixture.backfill.step().await.is_err());
    }
    assert_eq!(fixture.info(&images[0]).await, ImageInfo::default());
    fixture.originals.set_down(false);
    assert_eq!(fixture.run().await, 3);
    assert_eq!(fixture.info(&images[0]).await.camera, camera());
}

/// The other one goes on where it was, once the lease has expired; at most a batch is read again.
#[tokio::test]
async fn a_pass_that_is_killed_goes_on_at_its_place() {
    let killed = Fixture::new();
    killed.register(40).await;
    let BackfillStep::Filled(first) = killed.step().await else {
        panic!("the first step fills a batch");
    };
    assert!(first > 0 && first < 40);
    let (store, originals) = (killed.store.clone(), killed.originals.clone());
    let other = Fixture::beside(store, originals);
    assert_eq!(other.step().await, BackfillStep::Resting);
    killed.store.expire_backfill();
    assert_eq!(other.run().await, 40 - first);
    // It was not killed but hung.
    assert_eq!(killed.step().await, BackfillStep::Resting);
}

#[tokio::test]
async fn a_pass_that_is_over_does_nothing_any_more() {
    let fixture = Fixture::new();
    let begun = fixture.store.begin_backfill(TimeDelta::hours(1)).await;
    let domain::ports::BackfillBegun::Started(lease, _) = begun.unwrap() else {
        panic!("nobody holds the lease");
    };
    let ended = fixture.store.end_backfill(lease, TimeDelta::zero()).await;
    assert!(ended.unwrap());
    let images = fixture.register(1).await;
    assert_eq!(fixture.step().await, BackfillStep::Done);
    assert_eq!(fixture.info(&images[0]).await, ImageInfo::default());
}
