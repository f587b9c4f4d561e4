//! The contract with segments so small that a few images make many of them, and behaviour that no port
//! exposes.

use std::{
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use diesel::QueryDsl;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{
    Confidence, Image, ImageId, NewImage, ProviderAnswers, ProviderIdentity, TagEdit, Threshold,
    TimeWindow, Vocabulary, VocabularyEntry,
    ports::{
        Database, ImageStoreError, Repair, Revision, Segment, SegmentFault, TagChange, TagsChanged,
        VerifiedSegment,
    },
};
use domain_testing::{
    at,
    contract::database::{concurrency, edits, rollups, summaries as contract_of_summaries},
    image, label, tag,
};

use super::{
    super::test_database::TestDatabase,
    Connection, Sizes, changes,
    rollup::is_due,
    segments::{self, highest, sealed_until},
    span::Span,
    summaries::{self, begin},
    tags,
};
use crate::{error::StoreError, schema::summary_segment as segment, usage::Usage, values::micros};

const SMALL: [Sizes; 2] = [
    Sizes {
        images: 3,
        segments: 2,
    },
    Sizes {
        images: 1,
        segments: 3,
    },
];

async fn register(store: &dyn Database, number: u8) {
    register_at(store, &[number], number.into()).await;
}

async fn register_at(store: &dyn Database, bytes: &[u8], second: i64) {
    record(store, image(bytes, at(second), &[("car", 50.0)])).await;
}

async fn record(store: &dyn Database, image: Image) {
    let (now, until) = (at(0), at(1000));
    store
        .claim(&image.digest, &image.facts, now, until)
        .await
        .unwrap();
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        info: domain::ImageInfo::default(),
        fence: None,
        image,
        said: None,
        taggings: Vec::new(),
    };
    store.record(&new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_kept() {
    for sizes in SMALL {
        let databases = Mutex::new(Vec::new());
        let make = async || -> Arc<dyn Database> {
            let database = TestDatabase::create().await;
            let store = database.store(sizes);
            databases.lock().unwrap().push(database);
            store
        };
        contract_of_summaries::run(&make).await;
        rollups::run(&make).await;
        edits::run(&make).await;
        concurrency::run(&make).await;
        for database in databases.into_inner().unwrap() {
            database.remove().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_roll_up_at_once() {
    for sizes in SMALL {
        let database = TestDatabase::create().await;
        let (one, other) = (database.store(sizes), database.store(sizes));
        rollups::run_on_two(&*one, &*other).await;
        database.remove().await;
    }
}

/// The number of segments of each level.
async fn levels(connection: &mut Connection) -> Vec<i64> {
    let levels = segment::table
        .group_by(segment::level)
        .order(segment::level)
        .select(diesel::dsl::count_star());
    levels.load(connection).await.unwrap()
}

/// Sixteen of seventeen images: the last one could be followed by others of its time.
#[tokio::test(flavor = "multi_thread")]
async fn levels_are_merged_when_complete() {
    let database = TestDatabase::create().await;
    let sizes = Sizes {
        images: 2,
        segments: 2,
    };
    let store = database.store(sizes);
    for number in 0..17 {
        register(&*store, number).await;
    }
    // The last one is too young.
    assert!(store.roll_up(at(11)).await.is_ok_and(|is_more| !is_more));
    while store.roll_up(at(26)).await.unwrap() {}
    let mut connection = database.connection().await;
    assert_eq!(levels(&mut connection).await, [7, 3, 1]);
    while store.roll_up(at(27)).await.unwrap() {}
    assert_eq!(levels(&mut connection).await, [8, 4, 2, 1]);
    let before = micros(at(1000));
    assert!(!is_due(&mut connection, before, sizes).await.unwrap());
    database.remove().await;
}

/// A rollup between two statements must not change the result.
#[tokio::test(flavor = "multi_thread")]
async fn summaries_are_read_from_one_snapshot() {
    let database = TestDatabase::create().await;
    let store = database.store(SMALL[0]);
    for number in 0..10 {
        register(&*store, number).await;
    }
    let mut connection = database.connection().await;
    begin(&mut connection).await.unwrap();
    assert_eq!(sealed_until(&mut connection).await.unwrap(), i64::MIN);
    while store.roll_up(at(1000)).await.unwrap() {}
    assert_eq!(sealed_until(&mut connection).await.unwrap(), i64::MIN);
    assert_eq!(highest(&mut connection).await.unwrap(), None);
    connection.batch_execute("COMMIT").await.unwrap();
    assert!(sealed_until(&mut connection).await.unwrap() > i64::MIN);
    assert!(highest(&mut connection).await.unwrap().is_some());
    database.remove().await;
}

/// Changes before the end of what is rolled up.
async fn stale(connection: &mut Connection) -> usize {
    let until = sealed_until(connection).await.unwrap();
    let past = Span {
        from: i64::MIN,
        until,
    };
    changes::inside(connection, past).await.unwrap().len()
}

/// Until they are counted again, which needs no other occasion.
#[tokio::test(flavor = "multi_thread")]
async fn late_image_makes_segments_stale() {
    let (database, store) = rolled_up().await;
    let mut connection = database.connection().await;
    assert_eq!(stale(&mut connection).await, 0);
    assert!(!is_due(&mut connection, 0, EIGHTS).await.unwrap());
    register_at(&*store, b"late", 3).await;
    assert_eq!(stale(&mut connection).await, 1);
    assert!(is_due(&mut connection, 0, EIGHTS).await.unwrap());
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 18);
    assert!(!store.roll_up(at(0)).await.unwrap(), "there is one of them");
    assert_eq!(stale(&mut connection).await, 0);
    assert_eq!(faults(&*store).await, []);
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 18);
    database.remove().await;
}

/// A step has a bound, and the next one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn many_stale_segments_are_counted_in_several_steps() {
    let database = TestDatabase::create().await;
    let store = database.store(SMALL[1]);
    for number in 0..40 {
        register(&*store, number).await;
    }
    while store.roll_up(at(1000)).await.unwrap() {}
    for number in 0..30 {
        register_at(&*store, &[number, 1], number.into()).await;
    }
    let mut connection = database.connection().await;
    let mut steps = 1;
    while store.roll_up(at(0)).await.unwrap() {
        steps += 1;
    }
    assert_eq!(steps, 4);
    assert_eq!(stale(&mut connection).await, 0);
    assert_eq!(faults(&*store).await, []);
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 70);
    database.remove().await;
}

/// Of two transactions with one version, which several nodes of a cluster may begin, one is refused.
#[tokio::test(flavor = "multi_thread")]
async fn segments_are_written_under_the_version_that_was_read() {
    let (database, _store) = rolled_up().await;
    let mut connection = database.connection().await;
    let state = segments::begin(&mut connection).await.unwrap();
    let until = state.sealed_until;
    segments::commit(&mut connection, state, until)
        .await
        .unwrap();
    segments::begin(&mut connection).await.unwrap();
    let refused = segments::commit(&mut connection, state, until).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Known(ImageStoreError::Contended(_)))
        ),
        "{refused:?}"
    );
    drop(connection);
    database.remove().await;
}

/// Versions from before the changes were noted would leave them behind.
#[tokio::test(flavor = "multi_thread")]
async fn segments_of_earlier_versions_are_refused() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    let insert = "INSERT INTO etiqueta_summary_segment (level, from_time, until_time, content) \
                  VALUES (0, 0, 1, x'01')";
    connection.batch_execute(insert).await.unwrap_err();
    drop(connection);
    database.remove().await;
}

/// A number that looks random.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33
}

/// Records images whose times are up to ten minutes early or late, and changes or deletes some of them.
async fn record_scattered(store: Arc<dyn Database>, writer: u64) {
    let mut recorded = Vec::new();
    for number in 0..40 {
        let seed = scattered(writer * 1000 + number);
        let second = i64::try_from(seed % 600).unwrap();
        let labels = ["car", "cab", "cat"];
        let tags: Vec<(&str, f64)> = labels
            .iter()
            .zip(0_u32..)
            .filter(|(_, n)| seed >> (n + 3) & 1 == 1)
            .map(|(label, n)| (*label, f64::from(n * 10) + 0.1))
            .collect();
        let image = image(&seed.to_be_bytes(), at(second), &tags);
        recorded.push(image.id);
        record(&*store, image).await;
        change_one(&*store, &mut recorded, seed).await;
    }
}

/// Edits, tags again or deletes one of some images, or leaves them alone.
async fn change_one(store: &dyn Database, images: &mut Vec<ImageId>, seed: u64) {
    let chosen = usize::try_from(seed >> 8).unwrap() % images.len();
    let tags = [tag("cat", 1.0), tag("new", 100.0)];
    let change = match seed % 5 {
        0 => TagChange::Edit(TagEdit::new(&tags, &[label("car")]).unwrap()),
        1 => TagChange::Retag {
            answers: ProviderAnswers::of(
                ProviderIdentity::parse("local", "1", "en").unwrap(),
                tags.into_iter().collect(),
            )
            .and(
                ProviderIdentity::parse("openai", "1", "en").unwrap(),
                [tag("cat", 50.0), tag("rug", 2.0)].into_iter().collect(),
            ),
            threshold: Threshold::new(Confidence::new(1.0).unwrap()),
            vocabulary: Arc::default(),
        },
        3 => TagChange::Revise(revision(seed)),
        2 => {
            let id = images.remove(chosen);
            assert!(store.delete(&id, at(1000)).await.unwrap());
            return;
        }
        _ => return,
    };
    let changed = store.change_tags(&images[chosen], &change, None).await;
    assert!(matches!(changed, Ok(TagsChanged::Done(_))), "{changed:?}");
}

/// A change by one of two vocabularies.
fn revision(seed: u64) -> Revision {
    let entry = VocabularyEntry {
        aliases: [label(if seed.is_multiple_of(2) { "cat" } else { "new" })].into(),
        parents: [label(&format!("animal {}", seed % 3))].into(),
        ..VocabularyEntry::new(label("pet"))
    };
    Revision {
        vocabulary: Arc::new(Vocabulary::new([entry]).unwrap()),
        answers: Vec::new(),
        lowest: Threshold::NONE,
    }
}

/// Rolls up as another server does.
async fn roll_up_until(store: Arc<dyn Database>, done: CancellationFlag) {
    let mut second = 0;
    while !AtomicBool::load(&done, Ordering::Relaxed) {
        match store.roll_up(at(second % 700)).await {
            Ok(_) | Err(ImageStoreError::Contended(_)) => second += 7,
            Err(error) => panic!("{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

type CancellationFlag = Arc<AtomicBool>;

/// Statistics and rows of one snapshot.
async fn assert_exact(connection: &mut Connection, window: TimeWindow) {
    begin(connection).await.unwrap();
    let found = summaries::usages(connection, &window).await.unwrap();
    let counted = tags::all(connection, &window).await;
    connection.batch_execute("COMMIT").await.unwrap();
    let numbers = |usages: &[Usage]| -> Vec<_> {
        let number = |usage: &Usage| {
            let sum = format!("{:.6}", usage.sum);
            (usage.label, usage.images, usage.lowest, usage.highest, sum)
        };
        usages.iter().map(number).collect()
    };
    assert_eq!(numbers(&found), numbers(&counted), "{window:?}");
}

fn window(number: u64) -> TimeWindow {
    let edge = |number: u64| {
        let second = i64::try_from(scattered(number) % 800).unwrap();
        (second < 600).then(|| at(second))
    };
    let (one, other) = (edge(2 * number), edge(2 * number + 1));
    match (one, other) {
        (Some(one), Some(other)) if one > other => TimeWindow {
            from: Some(other),
            until: Some(one),
        },
        (from, until) => TimeWindow { from, until },
    }
}

/// With late images, clocks that are wrong by minutes, edits, deletions, and several servers that roll up.
#[tokio::test(flavor = "multi_thread")]
async fn summaries_are_exact_at_every_moment() {
    for sizes in SMALL {
        let database = TestDatabase::create().await;
        let done = CancellationFlag::default();
        let stores = [database.store(sizes), database.store(sizes)];
        let writers: Vec<_> = (0..)
            .zip(&stores)
            .map(|(writer, store)| tokio::spawn(record_scattered(Arc::clone(store), writer)))
            .collect();
        let rollups: Vec<_> = stores
            .iter()
            .map(|store| tokio::spawn(roll_up_until(Arc::clone(store), Arc::clone(&done))))
            .collect();
        let mut connection = database.connection().await;
        let mut number = 0;
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            assert_exact(&mut connection, window(number)).await;
            number += 1;
        }
        AtomicBool::store(&done, true, Ordering::Relaxed);
        for task in writers.into_iter().chain(rollups) {
            task.await.unwrap();
        }
        while stores[0].roll_up(at(1000)).await.unwrap() {}
        assert_eq!(stale(&mut connection).await, 0);
        for number in 0..20 {
            assert_exact(&mut connection, window(number)).await;
        }
        assert_eq!(faults(&*stores[0]).await, []);
        drop((stores, connection));
        database.remove().await;
    }
}

/// As by a crash: a step is atomic, and leaves no locks behind.
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_step_has_no_effect() {
    let database = TestDatabase::create().await;
    let store = database.store(SMALL[0]);
    for number in 0..60 {
        register(&*store, number).await;
        let time = Duration::from_micros(100 * u64::from(number));
        let _ = tokio::time::timeout(time, store.roll_up(at(1000))).await;
        let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
        assert_eq!(found[0].images, u64::from(number) + 1);
    }
    while store.roll_up(at(1000)).await.unwrap() {}
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 60);
    database.remove().await;
}

/// A broken segment is an error, and never part of a result.
#[tokio::test(flavor = "multi_thread")]
async fn broken_segment_is_an_error() {
    let database = TestDatabase::create().await;
    let store = database.store(SMALL[0]);
    for number in 0..10 {
        register(&*store, number).await;
    }
    while store.roll_up(at(100)).await.unwrap() {}
    let mut connection = database.connection().await;
    diesel::update(segment::table)
        .set(diesel::ExpressionMethods::eq(segment::content, vec![9_u8]))
        .execute(&mut connection)
        .await
        .unwrap();
    let found = store.tag_summaries(&TimeWindow::default()).await;
    assert!(
        matches!(found, Err(ImageStoreError::Corrupt(_))),
        "{found:?}"
    );
    database.remove().await;
}

/// All segments, as they are verified.
async fn verified(inspector: &dyn Database) -> Vec<VerifiedSegment> {
    let mut verified: Vec<VerifiedSegment> = Vec::new();
    loop {
        let after = verified.last().map(|last| last.next.clone());
        match inspector.verify_segment(after).await.unwrap() {
            Some(segment) => verified.push(segment),
            None => return verified,
        }
        assert!(verified.len() < 1000, "the walk does not end");
    }
}

async fn faults(inspector: &dyn Database) -> Vec<(Segment, SegmentFault)> {
    let verified = verified(inspector).await;
    let wrong = verified.into_iter().filter_map(|verified| {
        let (fault, _) = verified.fault?;
        Some((verified.segment, fault))
    });
    wrong.collect()
}

/// Repairs every segment, lower levels first.
async fn repair_all(inspector: &dyn Database) {
    let mut after = None;
    while let Some(verified) = inspector.verify_segment(after).await.unwrap() {
        if let Some((fault, _)) = verified.fault {
            let mut repair = Repair::More;
            while repair == Repair::More {
                let step = inspector.repair_segment(&verified.segment, fault);
                repair = step.await.unwrap();
            }
            assert_eq!(repair, Repair::Done, "{verified:?}");
        }
        after = Some(verified.next);
    }
}

const EIGHTS: Sizes = Sizes {
    images: 2,
    segments: 2,
};

/// A store whose levels have eight, four, two and one segments, of sixteen images.
async fn rolled_up() -> (TestDatabase, Arc<dyn Database>) {
    let database = TestDatabase::create().await;
    let store = database.store(EIGHTS);
    for number in 0..17 {
        register(&*store, number).await;
    }
    while store.roll_up(at(1000)).await.unwrap() {}
    (database, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_segments_are_verified_each_once() {
    let database = TestDatabase::create().await;
    let store = database.store(EIGHTS);
    assert!(verified(&*store).await.is_empty());
    database.remove().await;
    let (database, store) = rolled_up().await;
    let found = verified(&*store).await;
    assert!(
        found.iter().all(|segment| segment.fault.is_none()),
        "{found:?}"
    );
    let levels: Vec<i32> = found.iter().map(|found| found.segment.level).collect();
    assert_eq!(levels, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3]);
    assert_eq!(store.count_segments().await.unwrap(), 15);
    // An image recorded late makes a segment of each level stale.
    register_at(&*store, b"late", 3).await;
    assert_eq!(faults(&*store).await, []);
    while store.roll_up(at(1000)).await.unwrap() {}
    assert_eq!(faults(&*store).await, []);
    database.remove().await;
}

/// Damages a segment by a statement, and asserts that it is found and repaired.
async fn assert_found_and_repaired(statement: &str, expected: &[(i32, SegmentFault)]) {
    let (database, store) = rolled_up().await;
    let before = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    let mut connection = database.connection().await;
    connection.batch_execute(statement).await.unwrap();
    let found: Vec<_> = faults(&*store)
        .await
        .iter()
        .map(|(segment, fault)| (segment.level, *fault))
        .collect();
    assert_eq!(found, expected, "{statement}");
    repair_all(&*store).await;
    assert_eq!(faults(&*store).await, [], "{statement}");
    let after = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(after, before, "{statement}");
    database.remove().await;
}

/// The content of a segment of two images with the first label.
fn content(images: u8, lowest: f64, highest: f64, sum: f64) -> String {
    let mut bytes = vec![1, 1, images];
    for number in [lowest, highest, sum] {
        bytes.extend(number.to_le_bytes());
    }
    hex(&bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Sets the content of the third segment of level 0, or of the first of another level.
fn set(level: u8, content: &str) -> String {
    let from = if level == 0 {
        format!("= {}", micros(at(4)))
    } else {
        format!("= {}", i64::MIN)
    };
    format!(
        "UPDATE etiqueta_summary_segment SET content = x'{content}' \
         WHERE level = {level} AND from_time {from}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_segments_are_found_and_counted_again() {
    use SegmentFault::Altered;
    let altered = [
        content(3, 50.0, 50.0, 100.0),
        content(2, 49.0, 50.0, 100.0),
        content(2, 50.0, 51.0, 100.0),
        content(2, 50.0, 50.0, 100.01),
        // No label, another label, an additional label, garbage.
        "01".to_owned(),
        content(2, 50.0, 50.0, 100.0).replacen("0101", "0102", 1),
        format!(
            "{}{}",
            content(2, 50.0, 50.0, 100.0),
            &content(2, 50.0, 50.0, 100.0)[2..]
        ),
        "09".to_owned(),
    ];
    for content in altered {
        let readable = content != "09";
        let mut expected = vec![(0, Altered)];
        // Those above were right, and no longer match those below.
        if readable {
            expected.push((1, Altered));
        }
        assert_found_and_repaired(&set(0, &content), &expected).await;
    }
    let number = format!(
        "UPDATE etiqueta_summary_segment SET images = 3 WHERE level = 0 AND from_time = {}",
        micros(at(4))
    );
    assert_found_and_repaired(&number, &[(0, Altered)]).await;
    let statement = set(2, &content(3, 50.0, 50.0, 100.0));
    assert_found_and_repaired(&statement, &[(2, Altered), (3, Altered)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_segments_are_found_and_filled() {
    use SegmentFault::Missing;
    let delete =
        |condition: &str| format!("DELETE FROM etiqueta_summary_segment WHERE {condition}");
    let (third, twelfth) = (micros(at(4)), micros(at(12)));
    for (condition, expected) in [
        (
            format!("level = 0 AND from_time = {third}"),
            vec![(0, Missing)],
        ),
        (
            format!("level = 0 AND from_time < {twelfth}"),
            vec![(0, Missing)],
        ),
        (
            format!("level = 0 AND from_time >= {third}"),
            vec![(0, Missing)],
        ),
        ("level = 0".to_owned(), vec![(0, Missing)]),
        (
            format!("level = 1 AND from_time = {third}"),
            vec![(1, Missing)],
        ),
        (
            format!("level < 2 AND from_time < {twelfth}"),
            vec![(0, Missing), (1, Missing)],
        ),
        (
            format!("level = 2 AND from_time = {}", i64::MIN),
            vec![(2, Missing)],
        ),
        // Merged by the next step.
        ("level = 3".to_owned(), vec![]),
    ] {
        assert_found_and_repaired(&delete(&condition), &expected).await;
    }
    assert_found_and_repaired(&delete("1 = 1"), &[(0, Missing)]).await;
}

/// One over two others, and one where nothing is rolled up.
#[tokio::test(flavor = "multi_thread")]
async fn misplaced_segments_are_found_and_removed() {
    use SegmentFault::{Altered, Misplaced, Missing};
    let (third, fifth, later) = (micros(at(4)), micros(at(8)), micros(at(500)));
    let longer = format!(
        "UPDATE etiqueta_summary_segment SET until_time = {} WHERE level = 0 AND from_time = {third}",
        fifth - 1
    );
    let expected = [(0, Altered), (0, Misplaced), (0, Missing)];
    assert_found_and_repaired(&longer, &expected).await;
    let beyond = format!(
        "INSERT INTO etiqueta_summary_segment (level, from_time, until_time, content, images) \
         VALUES (0, {later}, {}, x'01', 0)",
        later + 1
    );
    assert_found_and_repaired(&beyond, &[(0, Misplaced)]).await;
}

/// Missing segments change no result, and late recordings still succeed.
#[tokio::test(flavor = "multi_thread")]
async fn images_of_missing_segments_are_counted() {
    let (database, store) = rolled_up().await;
    let mut connection = database.connection().await;
    let delete = format!(
        "DELETE FROM etiqueta_summary_segment WHERE level <> 1 AND from_time < {}",
        micros(at(10))
    );
    connection.batch_execute(&delete).await.unwrap();
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 17);
    register_at(&*store, b"late", 5).await;
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 18);
    repair_all(&*store).await;
    while store.roll_up(at(0)).await.unwrap() {}
    assert_eq!(faults(&*store).await, []);
    let found = store.tag_summaries(&TimeWindow::default()).await.unwrap();
    assert_eq!(found[0].images, 18);
    database.remove().await;
}
