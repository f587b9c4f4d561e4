use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use mockall::Sequence;

use std::sync::Arc;

use chrono::TimeDelta;
use domain::{
    ContentDigest, Fence, Image, ImageFacts, NewImage,
    ports::{
        Fate, MockDatabaseRegistry, MockInspector, MockOriginalLedger, MockOriginalRemoval,
        MockOriginalStore, MockRemovalLedger, PutMode, RecordedOriginal, Segment, SegmentFault,
        SetAside, StoredObject, StoredOriginal, cause,
    },
};
use domain::{
    DatabaseId,
    ports::{
        Clock, DatabaseRegistry, ImageStore, OriginalLedger, OriginalRemoval, OriginalStore,
        OriginalStoreError,
    },
    service::{
        Check, CheckError, CheckPorts, CheckSettings, Depth, Event, Finding, FindingKind,
        Forgotten, Part, RemovalPorts, Summary, UnknownOriginals,
    },
};
use domain_testing::{FakeDatabase, FakeOriginalStore, TestClock, at, image};

const SETTINGS: CheckSettings = CheckSettings {
    depth: Depth::Digests,
    repair: false,
    unknown_originals: UnknownOriginals::Tell,
    original_age: TimeDelta::hours(1),
};

const REPAIRING: CheckSettings = CheckSettings {
    repair: true,
    ..SETTINGS
};

/// A damaged store; its clock is a day ahead.
struct Fixture {
    store: Arc<FakeDatabase>,
    originals: Arc<FakeOriginalStore>,
    clock: Arc<TestClock>,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::<TestClock>::default();
        Self {
            store: Arc::default(),
            originals: Arc::new(FakeOriginalStore::new(clock.clone())),
            clock,
        }
    }

    async fn claim(&self, content: &[u8]) -> Image {
        let now = self.clock.now();
        let image = image(content, now, &[("car", 90.0)]);
        let until = now + TimeDelta::hours(1);
        self.store
            .claim(&image.digest, &image.facts, now, until)
            .await
            .unwrap();
        self.put(content).await;
        image
    }

    async fn put(&self, content: &[u8]) -> ContentDigest {
        let digest = ContentDigest::of(content);
        let bytes = content.to_vec().into();
        self.originals
            .put(&digest, bytes, PutMode::KeepExisting)
            .await
            .unwrap();
        digest
    }

    async fn register(&self, content: &[u8]) -> Image {
        let image = self.claim(content).await;
        self.record(&image).await;
        image
    }

    async fn record(&self, image: &Image) {
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image.clone(),
            said: None,
            taggings: Vec::new(),
        };
        self.store.record(&new).await.unwrap();
    }

    fn later(&self) {
        self.clock.advance(TimeDelta::days(1));
    }

    fn check(&self, settings: CheckSettings) -> Check {
        let ports = CheckPorts {
            inspector: self.store.clone(),
            statistics: self.store.clone(),
            originals: self.originals.clone(),
            removal: RemovalPorts {
                ledger: self.store.clone(),
                claims: self.store.clone(),
                originals: self.originals.clone(),
                registry: self.originals.clone(),
            },
            clock: self.clock.clone(),
        };
        Check::new(ports, settings)
    }

    async fn summary(&self, settings: CheckSettings) -> (Summary, Vec<Finding>) {
        let events: Vec<Event> = self.check(settings).events().try_collect().await.unwrap();
        let mut summary = Summary::default();
        for event in &events {
            summary.note(event);
        }
        let found = events.into_iter().filter_map(|event| match event {
            Event::Found(finding) => Some(finding),
            _ => None,
        });
        (summary, found.collect())
    }

    async fn findings(&self, settings: CheckSettings) -> Vec<Finding> {
        self.summary(settings).await.1
    }

    /// The findings, by kind and original.
    async fn kinds(&self, settings: CheckSettings) -> Vec<(FindingKind, Option<ContentDigest>)> {
        let findings = self.findings(settings).await;
        findings.iter().map(|f| (f.kind, f.digest)).collect()
    }
}

#[tokio::test]
async fn intact_rows_and_originals_are_counted() {
    let fixture = Fixture::new();
    fixture.register(b"one").await;
    let second = fixture.register(b"second").await;
    fixture.record(&image(b"second", at(5), &[])).await;
    fixture.later();
    let (summary, findings) = fixture.summary(REPAIRING).await;
    assert_eq!(findings, []);
    let expected = Summary {
        labels: 1,
        images: 3,
        originals: 2,
        objects: 2,
        bytes: 9,
        ..Summary::default()
    };
    assert_eq!(summary, expected);
    assert!(fixture.store.find(&second.id).await.unwrap().is_some());
}

#[tokio::test]
async fn every_damage_has_its_name() {
    let fixture = Fixture::new();
    let lost = fixture.register(b"lost").await;
    let cut = fixture.register(b"cut off").await;
    let changed = fixture.register(b"changed").await;
    let bad = fixture.register(b"on a bad block").await;
    let garbled = fixture.register(b"of a garbled row").await;
    fixture.originals.lose(&lost.digest);
    fixture.originals.tamper(&cut.digest, "cut");
    fixture.originals.tamper(&changed.digest, "CHANGED");
    fixture.originals.spoil(&bad.digest);
    fixture.store.spoil(&garbled.id);
    fixture.originals.add_foreign("holiday.jpg");
    let (summary, findings) = fixture.summary(SETTINGS).await;
    let of = |kind| findings.iter().find(|f| f.kind == kind).unwrap();
    for (kind, image) in [
        (FindingKind::MissingOriginal, &lost),
        (FindingKind::TruncatedOriginal, &cut),
        (FindingKind::AlteredOriginal, &changed),
        (FindingKind::UnreadableOriginal, &bad),
    ] {
        let finding = of(kind);
        assert_eq!(finding.digest, Some(image.digest), "{kind}");
        assert_eq!(finding.image, Some(image.id), "{kind}");
        let noted = fixture.store.damaged_at(&image.digest);
        assert_eq!(noted, Some(fixture.clock.now()), "{kind}");
    }
    assert_eq!(fixture.store.damaged_at(&garbled.digest), None);
    let row = of(FindingKind::UnreadableRow);
    assert_eq!(
        (row.image, &*row.detail),
        (Some(garbled.id), "it was spoilt")
    );
    let foreign = of(FindingKind::ForeignFile);
    assert_eq!(foreign.file.as_deref(), Some("holiday.jpg"));
    assert_eq!(findings.len(), 6);
    assert_eq!(
        (summary.left, summary.repaired),
        (5, 0),
        "a foreign file does no harm"
    );
    let cut = of(FindingKind::TruncatedOriginal);
    assert_eq!(cut.detail, "it has 3 bytes, and 7 were recorded");
}

#[tokio::test]
async fn quick_check_misses_altered_bytes() {
    let fixture = Fixture::new();
    let cut = fixture.register(b"cut off").await;
    let changed = fixture.register(b"changed").await;
    fixture.originals.tamper(&cut.digest, "cut");
    fixture.originals.tamper(&changed.digest, "CHANGED");
    let quick = CheckSettings {
        depth: Depth::Lengths,
        ..SETTINGS
    };
    let (summary, findings) = fixture.summary(quick).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, FindingKind::TruncatedOriginal);
    assert_eq!((summary.originals, summary.bytes), (2, 0));
}

#[tokio::test]
async fn whole_bytes_of_another_length_are_the_rows_fault() {
    let fixture = Fixture::new();
    let image = fixture.register(b"whole").await;
    let facts = ImageFacts {
        byte_size: 6,
        ..image.facts
    };
    fixture
        .store
        .claim(&image.digest, &facts, at(0), at(1))
        .await
        .unwrap();
    let expected = [(FindingKind::WrongSize, Some(image.digest))];
    assert_eq!(fixture.kinds(SETTINGS).await, expected);
    assert_eq!(fixture.store.damaged_at(&image.digest), None);
}

#[tokio::test]
async fn work_in_progress_is_left_alone() {
    let fixture = Fixture::new();
    let all = CheckSettings {
        unknown_originals: UnknownOriginals::Repair,
        ..REPAIRING
    };
    fixture.put(b"an old stranger, uploaded just now").await;
    fixture.later();
    fixture.put(b"a young stranger").await;
    fixture.claim(b"an old stranger, uploaded just now").await;
    fixture.claim(b"an upload").await;
    assert_eq!(fixture.findings(all).await, []);
    assert_eq!(fixture.originals.digests().len(), 3);
}

#[tokio::test]
async fn repair_moves_unreferenced_originals_away() {
    let fixture = Fixture::new();
    let kept = fixture.register(b"kept").await;
    let abandoned = fixture.claim(b"abandoned").await.digest;
    let orphan = fixture.register(b"orphan").await;
    fixture.store.lose(&orphan.id);
    let stranger = fixture.put(b"stranger").await;
    fixture.later();
    let found = fixture.kinds(SETTINGS).await;
    assert_eq!(found.len(), 3);
    for digest in [abandoned, orphan.digest] {
        assert!(found.contains(&(FindingKind::UnreferencedOriginal, Some(digest))));
    }
    assert!(found.contains(&(FindingKind::UnknownOriginal, Some(stranger))));
    assert_eq!(fixture.originals.quarantined(), []);

    let (summary, _) = fixture.summary(REPAIRING).await;
    assert_eq!((summary.repaired, summary.left), (2, 1));
    let mut moved = [abandoned, orphan.digest];
    moved.sort_unstable();
    assert_eq!(fixture.originals.quarantined(), moved);
    assert_eq!(fixture.store.originals(), [kept.digest]);

    let mine = CheckSettings {
        unknown_originals: UnknownOriginals::Repair,
        ..REPAIRING
    };
    let findings = fixture.findings(mine).await;
    assert_eq!(findings.len(), 1);
    assert!(findings[0].is_repaired);
    assert_eq!(fixture.originals.digests(), [kept.digest]);
    assert_eq!(fixture.store.originals(), [kept.digest]);
    assert_eq!(fixture.findings(mine).await, []);
}

#[tokio::test]
async fn originals_of_another_database_are_passed_over_on_demand() {
    let fixture = Fixture::new();
    fixture.put(b"stranger").await;
    fixture.later();
    let shared = CheckSettings {
        unknown_originals: UnknownOriginals::PassOver,
        ..REPAIRING
    };
    assert_eq!(fixture.findings(shared).await, []);
    assert_eq!(fixture.originals.digests().len(), 1);
}

#[tokio::test]
async fn more_than_a_page_is_walked() {
    let fixture = Fixture::new();
    for number in 0..1203_u32 {
        fixture.register(&number.to_be_bytes()).await;
    }
    let last = ContentDigest::of(&1202_u32.to_be_bytes());
    fixture.originals.lose(&last);
    let (summary, findings) = fixture.summary(SETTINGS).await;
    assert_eq!((summary.images, summary.originals), (1203, 1203));
    assert_eq!(summary.objects, 1202);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].digest, Some(last));
}

#[tokio::test]
async fn missing_store_is_an_error_and_no_finding() {
    let fixture = Fixture::new();
    for number in 0..10_u32 {
        fixture.register(&number.to_be_bytes()).await;
    }
    fixture.originals.set_down(true);
    let mut events = fixture.check(SETTINGS).events();
    let error = loop {
        match events.try_next().await {
            Ok(event) => assert!(!matches!(event, None | Some(Event::Found(_))), "{event:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CheckError::Originals(_)), "{error:?}");
}

/// A check with mocks; nothing is set aside and no other database is registered.
fn mocked(
    claims: MockRemovalLedger,
    inspector: MockInspector,
    originals: MockOriginalStore,
    mut removal: MockOriginalRemoval,
) -> Check {
    let own = DatabaseId::random();
    let mut ledger = MockOriginalLedger::new();
    ledger.expect_database_id().returning(move || Ok(own));
    removal
        .expect_list_set_aside()
        .returning(|_| Ok(Vec::new()));
    let mut registry = MockDatabaseRegistry::new();
    registry.expect_register().returning(|_| Ok(()));
    registry.expect_databases().returning(move || Ok(vec![own]));
    let ports = CheckPorts {
        inspector: Arc::new(inspector),
        statistics: Arc::<FakeDatabase>::default(),
        originals: Arc::new(originals),
        removal: RemovalPorts {
            ledger: Arc::new(ledger),
            claims: Arc::new(claims),
            originals: Arc::new(removal),
            registry: Arc::new(registry),
        },
        clock: Arc::<TestClock>::default(),
    };
    Check::new(ports, REPAIRING)
}

/// The events of the object phase, without the one that starts it.
fn objects(check: &Check) -> impl Stream<Item = Result<Event, CheckError>> + use<> {
    check.part(Part::Objects).skip(1)
}

/// A store of one original, which is old.
fn holding(digest: ContentDigest) -> MockOriginalStore {
    let mut originals = MockOriginalStore::new();
    originals.expect_list().returning(move || {
        let original = StoredOriginal {
            digest,
            len: 1,
            modified: at(-100_000),
        };
        stream::iter([Ok(StoredObject::Original(original))]).boxed()
    });
    originals
}

fn abandoned(digest: ContentDigest) -> RecordedOriginal {
    RecordedOriginal {
        digest,
        facts: None,
        is_used: false,
        image: None,
        claimed_until: Some(at(-1)),
    }
}

fn aside(digest: &ContentDigest, fence: Fence, fate: Fate) -> SetAside {
    SetAside {
        digest: *digest,
        fence,
        fate,
        is_settled: true,
    }
}

#[tokio::test]
async fn claims_then_sets_aside_then_forgets_then_finishes() {
    let digest = ContentDigest::of(b"x");
    let mut originals = holding(digest);
    let (mut store, mut inspector) = (MockRemovalLedger::new(), MockInspector::new());
    let mut removal = MockOriginalRemoval::new();
    inspector
        .expect_recorded()
        .times(2)
        .returning(move |_| Ok(vec![abandoned(digest)]));
    originals.expect_length().returning(|_| Ok(Some(1)));
    let mut order = Sequence::new();
    store
        .expect_claim_orphan()
        .times(1)
        .in_sequence(&mut order)
        .withf(|_, _, now, until| *now == at(0) && *until == at(60))
        .returning(|_, _, _, _| Ok(true));
    removal
        .expect_set_aside()
        .times(1)
        .in_sequence(&mut order)
        .withf(|_, _, fate| *fate == Fate::Quarantine)
        .returning(|digest, fence, fate| Ok(Some(aside(digest, fence, fate))));
    store
        .expect_forget()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_, _| Ok(true));
    removal
        .expect_finish()
        .times(1)
        .in_sequence(&mut order)
        .returning(|_| Ok(()));
    let check = mocked(store, inspector, originals, removal);
    let events: Vec<Event> = objects(&check).try_collect().await.unwrap();
    assert!(
        matches!(&events[1], Event::Found(finding) if finding.is_repaired),
        "{events:?}"
    );
}

/// An upload took over while the original was moved: its bytes are the moved ones.
#[tokio::test]
async fn reclaimed_original_is_put_back() {
    let digest = ContentDigest::of(b"x");
    let mut originals = holding(digest);
    let (mut store, mut inspector) = (MockRemovalLedger::new(), MockInspector::new());
    let mut removal = MockOriginalRemoval::new();
    inspector
        .expect_recorded()
        .returning(move |_| Ok(vec![abandoned(digest)]));
    originals.expect_length().returning(|_| Ok(Some(1)));
    store.expect_claim_orphan().returning(|_, _, _, _| Ok(true));
    removal
        .expect_set_aside()
        .returning(|digest, fence, fate| Ok(Some(aside(digest, fence, fate))));
    store.expect_forget().times(1).returning(|_, _| Ok(false));
    removal.expect_put_back().times(1).returning(|_| Ok(()));
    let check = mocked(store, inspector, originals, removal);
    let events: Vec<Event> = objects(&check).try_collect().await.unwrap();
    assert_eq!(events.len(), 1, "no finding: {events:?}");
}

#[tokio::test]
async fn concurrent_uploads_and_removals_are_no_findings() {
    let digest = ContentDigest::of(b"x");
    let used = RecordedOriginal {
        is_used: true,
        claimed_until: None,
        ..abandoned(digest)
    };
    for (is_there, second_look, may_claim) in [
        (false, None, None),
        (true, Some(used), None),
        (true, Some(abandoned(digest)), Some(false)),
    ] {
        let mut originals = holding(digest);
        let (mut store, mut inspector) = (MockRemovalLedger::new(), MockInspector::new());
        inspector
            .expect_recorded()
            .times(1)
            .returning(move |_| Ok(vec![abandoned(digest)]));
        originals
            .expect_length()
            .times(1)
            .returning(move |_| Ok(is_there.then_some(1)));
        if let Some(second_look) = second_look {
            inspector
                .expect_recorded()
                .times(1)
                .returning(move |_| Ok(vec![second_look.clone()]));
        }
        if let Some(may_claim) = may_claim {
            store
                .expect_claim_orphan()
                .times(1)
                .returning(move |_, _, _, _| Ok(may_claim));
        }
        let check = mocked(store, inspector, originals, MockOriginalRemoval::new());
        let events: Vec<Event> = objects(&check).try_collect().await.unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
    }
}

/// Moves the one original, whose move fails with `refusal`.
async fn moving(refusal: OriginalStoreError) -> Result<Vec<Event>, CheckError> {
    let digest = ContentDigest::of(b"x");
    let mut originals = holding(digest);
    let (mut store, mut inspector) = (MockRemovalLedger::new(), MockInspector::new());
    inspector
        .expect_recorded()
        .returning(move |_| Ok(vec![abandoned(digest)]));
    store.expect_claim_orphan().returning(|_, _, _, _| Ok(true));
    originals.expect_length().returning(|_| Ok(Some(1)));
    let mut removal = MockOriginalRemoval::new();
    removal
        .expect_set_aside()
        .times(1)
        .return_once(|_, _, _| Err(refusal));
    let check = mocked(store, inspector, originals, removal);
    objects(&check).try_collect().await
}

#[tokio::test]
async fn original_that_cannot_be_moved_is_not_forgotten() {
    let outcome = moving(OriginalStoreError::Unavailable(cause("read-only"))).await;
    assert!(matches!(outcome, Err(CheckError::Originals(_))));
}

#[tokio::test]
async fn original_that_must_not_be_moved_is_left_and_reported() {
    let events = moving(OriginalStoreError::Altered(cause("damaged"))).await;
    let events = events.unwrap();
    let [_, Event::Found(finding)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(!finding.is_repaired);
    assert!(finding.detail.contains("not moved: damaged"), "{finding:?}");
}

#[tokio::test]
async fn nothing_is_moved_while_another_database_is_registered() {
    let fixture = Fixture::new();
    let abandoned = fixture.claim(b"abandoned").await.digest;
    fixture.put(b"stranger").await;
    fixture.later();
    let all = CheckSettings {
        unknown_originals: UnknownOriginals::Repair,
        ..REPAIRING
    };
    let other = DatabaseId::random();
    fixture.originals.register(&other).await.unwrap();
    let (summary, findings) = fixture.summary(all).await;
    assert_eq!((summary.repaired, summary.left), (0, 2));
    assert_eq!(fixture.originals.digests().len(), 2);
    let own = fixture.store.database_id().await.unwrap();
    let shared = findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::SharedOriginals);
    let mut named: Vec<_> = shared.filter_map(|finding| finding.file.clone()).collect();
    named.sort_unstable();
    let mut expected = [own, other].map(|id| id.to_string());
    expected.sort_unstable();
    assert_eq!(named, expected);

    let check = fixture.check(all);
    let forget = async |id| check.forget_database(&id).await.unwrap();
    assert_eq!(forget(own).await, Forgotten::Own);
    assert_eq!(forget(other).await, Forgotten::Done);
    assert_eq!(forget(other).await, Forgotten::Unknown);
    let (summary, _) = fixture.summary(all).await;
    assert_eq!((summary.repaired, summary.left), (2, 0));
    assert!(fixture.originals.quarantined().contains(&abandoned));
}

/// Killed before the claim was checked again, in either way.
#[tokio::test]
async fn next_check_recovers_what_a_killed_one_set_aside() {
    let fixture = Fixture::new();
    let used = fixture.register(b"used").await;
    let orphan = fixture.put(b"orphan").await;
    fixture.later();
    for digest in [used.digest, orphan] {
        let fence = Fence::random();
        let moved = fixture
            .originals
            .set_aside(&digest, fence, Fate::Quarantine);
        assert!(moved.await.unwrap().is_some());
    }
    assert_eq!(fixture.findings(SETTINGS).await, [], "what is used is read");
    assert_eq!(fixture.findings(REPAIRING).await, []);
    assert_eq!(fixture.originals.digests(), [used.digest]);
    assert_eq!(fixture.originals.quarantined(), [orphan]);
    assert_eq!(fixture.store.originals(), [used.digest]);
}

fn segment(level: i32, from: i64, until: i64) -> Segment {
    Segment { level, from, until }
}

/// Two segments of one level, and one above the first.
fn with_segments(faults: [Option<SegmentFault>; 3], steps: Option<u32>) -> Fixture {
    let fixture = Fixture::new();
    let segments = [segment(0, 0, 10), segment(0, 10, 20), segment(1, 0, 10)];
    for (segment, fault) in segments.into_iter().zip(faults) {
        fixture.store.add_segment(segment, fault, steps);
    }
    fixture
}

fn rows(findings: &[Finding]) -> Vec<(&str, bool)> {
    for finding in findings {
        assert_eq!(finding.kind, FindingKind::WrongStatistics);
    }
    findings
        .iter()
        .map(|finding| (finding.row.as_deref().unwrap(), finding.is_repaired))
        .collect()
}

#[tokio::test]
async fn wrong_statistics_are_found() {
    let altered = Some(SegmentFault::Altered);
    let fixture = with_segments([None, altered, altered], Some(1));
    let (summary, findings) = fixture.summary(SETTINGS).await;
    assert_eq!(
        rows(&findings),
        [("segment 0 10", false), ("segment 1 0", false)]
    );
    assert_eq!((summary.segments, summary.left), (3, 2));
}

/// A segment merged from wrong ones proves nothing.
#[tokio::test]
async fn segments_above_wrong_ones_wait_for_the_repair() {
    let altered = Some(SegmentFault::Altered);
    let fixture = with_segments([altered, None, altered], Some(3));
    let findings = fixture.findings(SETTINGS).await;
    assert_eq!(rows(&findings), [("segment 0 0", false)]);
    let (summary, findings) = fixture.summary(REPAIRING).await;
    assert_eq!(
        rows(&findings),
        [("segment 0 0", true), ("segment 1 0", true)]
    );
    assert_eq!((summary.repaired, summary.left), (2, 0));
    assert_eq!(fixture.findings(SETTINGS).await, []);
}

#[tokio::test]
async fn statistics_that_cannot_be_repaired_are_left() {
    let fixture = with_segments([None, Some(SegmentFault::Missing), None], None);
    let (summary, findings) = fixture.summary(REPAIRING).await;
    assert_eq!(rows(&findings), [("segment 0 10", false)]);
    assert_eq!((summary.repaired, summary.left), (0, 1));
}
