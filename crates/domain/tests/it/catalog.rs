use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use mockall::predicate::{always, eq};

use std::sync::Arc;

use domain::{
    Image, ImageId, ImageOrder, LabelFilter, PageKey, TagOrder, TagQuery, TimeWindow,
    UntaggedImage,
    ports::{
        CallContext, Counted, ImageStore, ImageStoreError, OriginalContent, OriginalLedger,
        OriginalStore, OriginalStoreError, cause,
    },
    service::{Catalog, CatalogError, CatalogPorts, ImagePage},
};
use domain::{
    NewImage,
    ports::{
        MockImageCounter, MockImageInfoStore, MockImageStore, MockOriginalLedger,
        MockOriginalStore, MockTagStatistics, PutMode, Stamp,
    },
};
use domain_testing::{FakeDatabase, FakeOriginalStore, TestClock, at, image};

const PAGE: NonZeroU32 = NonZeroU32::new(500).unwrap();

fn down() -> ImageStoreError {
    ImageStoreError::Unavailable(cause("down"))
}

/// Mocks that expect no call.
fn mocks() -> CatalogPorts {
    CatalogPorts {
        images: Arc::new(MockImageStore::new()),
        counter: Arc::new(MockImageCounter::new()),
        infos: Arc::new(MockImageInfoStore::new()),
        statistics: Arc::new(MockTagStatistics::new()),
        ledger: Arc::new(MockOriginalLedger::new()),
        originals: Arc::new(MockOriginalStore::new()),
        clock: Arc::<TestClock>::default(),
    }
}

fn catalog(images: MockImageStore) -> Catalog {
    Catalog::new(CatalogPorts {
        images: Arc::new(images),
        ..mocks()
    })
}

fn full_page(newest: i64) -> Vec<Image> {
    (0..i64::from(PAGE.get()))
        .map(|n| image(b"x", at(newest - n), &[]))
        .collect()
}

fn key(image: &Image) -> PageKey {
    PageKey::after(ImageOrder::Registered, image)
}

/// A catalog over the fakes, with one image.
struct Fixture {
    catalog: Catalog,
    image: Image,
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
}

impl Fixture {
    async fn read(&self) -> Result<Vec<u8>, CatalogError> {
        let found = self.catalog.find(&self.image.id).await?.unwrap();
        let pieces: Vec<bytes::Bytes> = found.content.stream.try_collect().await?;
        Ok(pieces.concat())
    }

    /// Asserts that the image cannot be read, and that the damage is recorded.
    async fn assert_damaged(&self) {
        let error = self.read().await.unwrap_err();
        assert!(
            matches!(
                error,
                CatalogError::Originals(OriginalStoreError::Altered(_))
            ),
            "{error:?}"
        );
        assert_eq!(self.store.damaged_at(&self.image.digest), Some(at(0)));
    }
}

fn ports(store: &Arc<FakeDatabase>, originals: Arc<dyn OriginalStore>) -> CatalogPorts {
    CatalogPorts {
        images: store.clone(),
        counter: store.clone(),
        infos: store.clone(),
        statistics: store.clone(),
        ledger: store.clone(),
        originals,
        clock: Arc::<TestClock>::default(),
    }
}

/// A catalog over the fakes, with one image of these bytes.
async fn with_one_image(bytes: &'static [u8]) -> Fixture {
    let store = Arc::new(FakeDatabase::default());
    let clock = Arc::<TestClock>::default();
    let originals = Arc::new(FakeOriginalStore::new(clock.clone()));
    let image = image(bytes, at(0), &[("car", 90.0)]);
    store
        .claim(&image.digest, &image.facts, at(0), at(60))
        .await
        .unwrap();
    originals
        .put(&image.digest, bytes.into(), PutMode::KeepExisting)
        .await
        .unwrap();
    store
        .record(&NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image.clone(),
            said: None,
            taggings: Vec::new(),
        })
        .await
        .unwrap();
    Fixture {
        catalog: Catalog::new(ports(&store, originals.clone())),
        image,
        store,
        originals,
    }
}

#[tokio::test]
async fn finds_an_image_with_its_bytes() {
    let fixture = with_one_image(b"some bytes").await;
    let found = fixture.catalog.find(&fixture.image.id).await;
    let found = found.unwrap().unwrap();
    assert_eq!(found.image, fixture.image);
    assert_eq!(found.content.len, 10);
    assert_eq!(fixture.read().await.unwrap(), b"some bytes");
    assert_eq!(fixture.store.damaged_at(&fixture.image.digest), None);
}

#[tokio::test]
async fn finds_nothing_under_an_unknown_id() {
    let Fixture { catalog, .. } = with_one_image(b"some bytes").await;
    assert!(catalog.find(&ImageId::new(at(1))).await.unwrap().is_none());
}

#[tokio::test]
async fn truncated_bytes_are_noted_as_damage() {
    let fixture = with_one_image(b"some bytes").await;
    fixture.originals.tamper(&fixture.image.digest, "some");
    fixture.assert_damaged().await;
}

#[tokio::test]
async fn missing_bytes_are_noted_as_damage() {
    let fixture = with_one_image(b"some bytes").await;
    fixture.originals.lose(&fixture.image.digest);
    fixture.assert_damaged().await;
}

#[tokio::test]
async fn altered_bytes_of_the_same_length_are_noted_as_damage() {
    let fixture = with_one_image(b"some bytes").await;
    fixture
        .originals
        .tamper(&fixture.image.digest, "some bites");
    fixture.assert_damaged().await;
}

#[tokio::test]
async fn a_store_that_is_down_is_not_noted_as_damage() {
    let fixture = with_one_image(b"some bytes").await;
    fixture.originals.set_down(true);
    fixture.read().await.unwrap_err();
    assert_eq!(fixture.store.damaged_at(&fixture.image.digest), None);
}

#[tokio::test]
async fn damage_that_cannot_be_noted_is_still_an_error() {
    let damaged = image(b"some bytes", at(0), &[]);
    let (mut images, mut ledger) = (MockImageStore::new(), MockOriginalLedger::new());
    let found = damaged.clone();
    images.expect_find().return_once(|_| Ok(Some(found)));
    ledger
        .expect_note_damage()
        .times(1)
        .returning(|_, _| Err(down()));
    let catalog = Catalog::new(CatalogPorts {
        images: Arc::new(images),
        ledger: Arc::new(ledger),
        originals: Arc::<FakeOriginalStore>::default(),
        ..mocks()
    });
    let error = catalog.find(&damaged.id).await.err().unwrap();
    assert!(matches!(error, CatalogError::Originals(_)), "{error:?}");
}

/// Expects one read of the page after a cursor, and one of its tags.
fn expect_page(store: &mut MockImageStore, after: PageKey, page: &[Image]) {
    let untagged: Vec<UntaggedImage> = page.iter().map(Into::into).collect();
    let returned = untagged.clone();
    store
        .expect_untagged_page()
        .with(always(), eq(Some(after)), eq(PAGE))
        .times(1)
        .returning(move |_, _, _| Ok(returned.clone()));
    let page = page.to_vec();
    store
        .expect_with_tags()
        .withf(move |images| *images == untagged)
        .times(1)
        .returning(move |_| Ok(page.clone()));
}

#[tokio::test]
async fn a_list_walks_the_pages_by_their_last_image() {
    let (first, second) = (full_page(10_000), full_page(9_000));
    let last = vec![image(b"x", at(0), &[])];
    let mut store = MockImageStore::new();
    let page = first.clone();
    store
        .expect_page()
        .with(always(), eq(None), eq(PAGE))
        .times(1)
        .returning(move |_, _, _| Ok(page.clone()));
    expect_page(&mut store, key(&first[499]), &second);
    expect_page(&mut store, key(&second[499]), &last);
    let pages = catalog(store)
        .list(TimeWindow::default(), LabelFilter::default(), None)
        .await
        .unwrap();
    let listed: Vec<Vec<Image>> = pages.try_collect().await.unwrap();
    assert_eq!(listed, [first, second, last]);
}

/// While the tags of a page are read, one page is prefetched, and no more.
#[tokio::test]
async fn a_list_is_looked_up_one_page_ahead() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let mut store = MockImageStore::new();
    store
        .expect_page()
        .returning(|_, _, _| Ok(full_page(10_000)));
    store.expect_untagged_page().returning(move |_, _, _| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(full_page(9_000).iter().map(Into::into).collect())
    });
    store.expect_with_tags().returning(|_| Ok(full_page(9_000)));
    let mut pages = catalog(store)
        .list(TimeWindow::default(), LabelFilter::default(), None)
        .await
        .unwrap();
    for ahead in [0, 2, 3, 4] {
        pages.next().await.unwrap().unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), ahead);
    }
}

#[tokio::test]
async fn a_list_that_is_not_walked_reads_one_page() {
    let mut store = MockImageStore::new();
    store
        .expect_page()
        .times(1)
        .returning(|_, _, _| Ok(full_page(10_000)));
    drop(
        catalog(store)
            .list(TimeWindow::default(), LabelFilter::default(), None)
            .await
            .unwrap(),
    );
}

#[tokio::test]
async fn list_fails_at_once_on_the_first_page_only() {
    let mut store = MockImageStore::new();
    store
        .expect_page()
        .times(1)
        .returning(|_, _, _| Err(down()));
    assert!(
        catalog(store)
            .list(TimeWindow::default(), LabelFilter::default(), None)
            .await
            .is_err()
    );

    let mut store = MockImageStore::new();
    let (first, second) = (full_page(10_000), full_page(9_000));
    let page = first.clone();
    store
        .expect_page()
        .times(1)
        .returning(move |_, _, _| Ok(page.clone()));
    expect_page(&mut store, key(&first[499]), &second);
    store
        .expect_untagged_page()
        .times(1)
        .returning(|_, _, _| Err(down()));
    let mut pages = catalog(store)
        .list(TimeWindow::default(), LabelFilter::default(), None)
        .await
        .unwrap();
    assert!(pages.next().await.unwrap().is_ok());
    assert_eq!(pages.next().await.unwrap().unwrap(), second);
    assert!(pages.next().await.unwrap().is_err());
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_list_fails_where_its_tags_cannot_be_read() {
    let mut store = MockImageStore::new();
    store
        .expect_page()
        .returning(|_, _, _| Ok(full_page(10_000)));
    store
        .expect_untagged_page()
        .returning(|_, _, _| Ok(vec![(&image(b"x", at(0), &[])).into()]));
    store.expect_with_tags().returning(|_| Err(down()));
    let mut pages = catalog(store)
        .list(TimeWindow::default(), LabelFilter::default(), None)
        .await
        .unwrap();
    assert!(pages.next().await.unwrap().is_ok());
    assert!(pages.next().await.unwrap().is_err());
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn a_list_may_begin_at_a_place() {
    let place = key(&image(b"x", at(9), &[]));
    let mut store = MockImageStore::new();
    store
        .expect_page()
        .with(always(), eq(Some(place)), always())
        .times(1)
        .returning(|_, _, _| Ok(Vec::new()));
    let catalog = catalog(store);
    let list = catalog.list(TimeWindow::default(), LabelFilter::default(), Some(place));
    let pages: Vec<Vec<Image>> = list.await.unwrap().try_collect().await.unwrap();
    assert_eq!(pages.concat(), []);
}

/// A next page exists if there are more images, not if the page is full.
#[tokio::test]
async fn a_page_says_where_the_next_one_begins() {
    let images: Vec<Image> = (0..4).map(|n| image(b"x", at(100 - n), &[])).collect();
    let limit = NonZeroU32::new(3).unwrap();
    for (found, shown, has_more) in [(0, 0, false), (2, 2, false), (3, 3, false), (4, 3, true)] {
        let answer = images[..found].to_vec();
        let mut store = MockImageStore::new();
        store
            .expect_page()
            .with(
                always(),
                eq(Some(key(&images[3]))),
                eq(NonZeroU32::new(4).unwrap()),
            )
            .times(1)
            .returning(move |_, _, _| Ok(answer.clone()));
        let filter = LabelFilter::default();
        let after = Some(key(&images[3]));
        let catalog = catalog(store);
        let page = catalog.page(TimeWindow::default(), filter, after, limit);
        let page = page.await.unwrap();
        assert_eq!(page.images, images[..shown]);
        assert_eq!(page.next, has_more.then(|| key(&images[2])));
    }
}

#[tokio::test]
async fn impossible_filter_costs_no_query() {
    let nothing = TimeWindow {
        from: Some(at(1)),
        until: Some(at(1)),
    };
    let silent = catalog(MockImageStore::new());
    for (window, filter) in [
        (nothing, LabelFilter::default()),
        (TimeWindow::default(), LabelFilter::default().all_of([""])),
    ] {
        let pages = silent.list(window, filter.clone(), None).await.unwrap();
        assert!(pages.try_collect::<Vec<_>>().await.unwrap().is_empty());
        let page = silent.page(window, filter, None, PAGE).await.unwrap();
        assert_eq!(page, ImagePage::default());
    }
    assert!(silent.tags(within(nothing)).await.unwrap().is_empty());
}

#[tokio::test]
async fn tags_are_summed_up_by_the_store() {
    let mut statistics = MockTagStatistics::new();
    let window = TimeWindow {
        from: Some(at(0)),
        until: None,
    };
    statistics
        .expect_tag_summaries()
        .with(eq(window))
        .times(1)
        .returning(|_| Ok(Vec::new()));
    statistics
        .expect_tag_summaries()
        .times(1)
        .returning(|_| Err(down()));
    let catalog = Catalog::new(CatalogPorts {
        statistics: Arc::new(statistics),
        ..mocks()
    });
    assert!(catalog.tags(within(window)).await.unwrap().is_empty());
    assert!(matches!(
        catalog.tags(within(window)).await,
        Err(CatalogError::Store(_))
    ));
}

fn within(window: TimeWindow) -> TagQuery {
    TagQuery {
        window,
        ..TagQuery::default()
    }
}

#[tokio::test]
async fn tags_are_listed_by_prefix_order_and_limit() {
    let store = FakeDatabase::default();
    let carried: [&[(&str, f64)]; 3] = [
        &[("motor vehicle", 90.0), ("cat", 80.0), ("moth", 70.0)],
        &[("motor vehicle", 60.0), ("motor", 50.0)],
        &[("moth", 60.0), ("motor vehicle", 50.0)],
    ];
    for (n, tags) in (0..).zip(carried) {
        let image = image(&[n], at(0), tags);
        store
            .claim(&image.digest, &image.facts, at(0), at(60))
            .await
            .unwrap();
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            fence: None,
            info: domain::ImageInfo::default(),
            image,
            said: None,
            taggings: Vec::new(),
        };
        store.record(&new).await.unwrap();
    }
    let catalog = Catalog::new(ports(&Arc::new(store), Arc::<FakeOriginalStore>::default()));
    let listed = async |query: TagQuery| -> Vec<String> {
        let tags = catalog.tags(query).await.unwrap();
        tags.iter().map(|tag| tag.label.to_string()).collect()
    };
    let by_name = TagQuery {
        order: TagOrder::Name,
        ..TagQuery::default()
    };
    let all = TagQuery::default();
    assert_eq!(
        listed(all.clone()).await,
        ["motor vehicle", "moth", "cat", "motor"]
    );
    assert_eq!(
        listed(by_name.clone()).await,
        ["cat", "moth", "motor", "motor vehicle"]
    );
    assert_eq!(
        listed(all.clone().starting_with(" MOT")).await,
        ["motor vehicle", "moth", "motor"]
    );
    assert_eq!(
        listed(all.clone().starting_with("motor ")).await,
        ["motor vehicle"]
    );
    assert!(listed(all.starting_with("dog")).await.is_empty());
    let two = TagQuery {
        limit: NonZeroU32::new(2),
        ..by_name.starting_with("mo")
    };
    assert_eq!(listed(two).await, ["moth", "motor"]);
}

const RIGHT: &[u8] = b"some bytes";
const WRONG: &[u8] = b"some bites";

/// A store whose reads return these bytes in turn, with their stamps.
fn rewritten(versions: Vec<(&'static [u8], Option<u8>)>) -> MockOriginalStore {
    let mut originals = MockOriginalStore::new();
    let mut versions = versions.into_iter();
    originals.expect_get().returning(move |_, _| {
        let (bytes, stamp) = versions.next().unwrap();
        Ok(Some(OriginalContent {
            len: bytes.len() as u64,
            stamp: stamp.map(Stamp::of),
            stream: stream::iter([Ok(bytes.into())]).boxed(),
        }))
    });
    originals
}

#[tokio::test]
async fn verified_original_is_not_digested_again_until_rewritten() {
    for (versions, expected) in [
        // The second version is wrong: it shows that nothing was verified.
        (vec![(RIGHT, Some(1)), (WRONG, Some(1))], true),
        (vec![(RIGHT, Some(1)), (WRONG, Some(2))], false),
        (vec![(RIGHT, None), (WRONG, None)], false),
    ] {
        let Fixture { store, image, .. } = with_one_image(RIGHT).await;
        let fixture = Fixture {
            catalog: Catalog::new(ports(&store, Arc::new(rewritten(versions)))),
            image,
            store,
            originals: Arc::default(),
        };
        fixture.read().await.unwrap();
        assert_eq!(fixture.read().await.is_ok(), expected);
    }
}

/// Until a stride is the last one; one may have counted none.
#[tokio::test]
async fn a_count_is_the_sum_of_its_strides() {
    let [first, second] = [2, 1].map(|n| key(&image(b"x", at(n), &[])));
    let mut counter = MockImageCounter::new();
    for (after, images, next) in [
        (None, 3, Some(first)),
        (Some(first), 0, Some(second)),
        (Some(second), 4, None),
    ] {
        counter
            .expect_count_images()
            .withf(move |query, at| query.order == ImageOrder::Registered && *at == after)
            .times(1)
            .returning(move |_, _| Ok(Counted { images, next }));
    }
    let catalog = Catalog::new(CatalogPorts {
        counter: Arc::new(counter),
        ..mocks()
    });
    let filter = LabelFilter::default().in_order(ImageOrder::Taken);
    let here = CallContext::local();
    let all = TimeWindow::default();
    let count = catalog.count(all, filter, &here).await.unwrap();
    assert_eq!(count, Some(7));
    let nothing = LabelFilter::default().all_of([""]);
    let count = catalog.count(all, nothing, &here).await.unwrap();
    assert_eq!(count, Some(0));
}

#[tokio::test]
async fn a_count_fails_with_its_strides() {
    let mut counter = MockImageCounter::new();
    counter
        .expect_count_images()
        .times(1)
        .returning(|_, _| Err(down()));
    let catalog = Catalog::new(CatalogPorts {
        counter: Arc::new(counter),
        ..mocks()
    });
    let filter = LabelFilter::default();
    let here = CallContext::local();
    let count = catalog.count(TimeWindow::default(), filter, &here).await;
    assert!(count.is_err());
}

#[tokio::test]
async fn a_count_ends_with_its_caller() {
    let mut counter = MockImageCounter::new();
    let next = Some(key(&image(b"x", at(0), &[])));
    counter
        .expect_count_images()
        .times(2)
        .returning(move |_, _| Ok(Counted { images: 1, next }));
    let catalog = Catalog::new(CatalogPorts {
        counter: Arc::new(counter),
        ..mocks()
    });
    let looks = AtomicUsize::new(0);
    let context = CallContext::cancelled_when(move || looks.fetch_add(1, Ordering::SeqCst) > 1);
    let filter = LabelFilter::default();
    let count = catalog.count(TimeWindow::default(), filter, &context).await;
    assert_eq!(count.unwrap(), None);
}
