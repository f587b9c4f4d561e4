//! What steps of jobs change.

use futures_util::future::{join, join_all};

use domain::{
    Confidence, Image, ImageId, ImageQuery, JobAction, JobId, JobRequest, ProviderIdentity, Tag,
    TagEdit, TagSource, TaggerVersion, Tags, Threshold, TimeWindow, UntaggedImage,
    ports::{
        Advanced, ClaimedJob, Database, ImageChange, ImageStoreError, JobChange, JobStep, StepEnd,
        TagChange, TagStatistics as _, TagsChanged,
    },
};

use super::{
    super::{abandoned, all, page_key, register, unique},
    LONG, advance, claim, edit, end, enqueue, found, new_job, request,
};
use crate::{FakeDatabase, at, image, label};

fn changed(images: &[&Image], change: &ImageChange) -> JobStep {
    let changes = images.iter().map(|image| JobChange {
        image: UntaggedImage::from(*image),
        change: change.clone(),
    });
    JobStep {
        changes: changes.collect(),
        position: images.last().map(|image| page_key(image)),
        ..JobStep::default()
    }
}

pub(super) fn deletion(images: &[&Image]) -> JobStep {
    changed(images, &ImageChange::Delete(at(5)))
}

fn edition(images: &[&Image], edit: &TagEdit) -> JobStep {
    let change = TagChange::Edit(edit.clone());
    changed(images, &ImageChange::Tags(change))
}

/// A job of any kind, claimed: steps say what is done.
async fn running(store: &dyn Database, dry_run: bool) -> ClaimedJob {
    let asked = JobRequest {
        dry_run,
        ..request(JobAction::Delete)
    };
    enqueue(store, &new_job(asked, 1000)).await;
    claim(store, LONG).await.unwrap()
}

async fn registered(store: &dyn Database, count: u32, tags: &[(&str, f64)]) -> Vec<Image> {
    let mut images = Vec::new();
    for number in 0..count {
        let image = image(&number.to_be_bytes(), at(number.into()), tags);
        register(store, &image).await;
        images.push(image);
    }
    images
}

/// The label, images that gained, lost and moved it, and the mean move.
type Counted = (String, u64, u64, u64, f64);

async fn counted(store: &dyn Database, id: &JobId) -> Vec<Counted> {
    let result = store.job_result(id).await.unwrap();
    let tallies = result.tags.iter().map(|tally| {
        let name = tally.label.as_str().to_owned();
        let mean = tally.mean_move();
        (name, tally.gained, tally.lost, tally.moved, mean)
    });
    tallies.collect()
}

async fn tags_of(store: &dyn Database, image: &Image) -> Tags {
    store.find(&image.id).await.unwrap().unwrap().tags
}

/// Statistics are those of the images that are there.
async fn assert_counted(store: &dyn Database) {
    let images = all(store, &ImageQuery::default()).await;
    let fake = FakeDatabase::default();
    for image in &images {
        register(&fake, image).await;
    }
    let window = TimeWindow::default();
    let expected = fake.tag_summaries(&window).await.unwrap();
    let found = store.tag_summaries(&window).await.unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(
            (&found.label, found.images, found.min_confidence),
            (&expected.label, expected.images, expected.min_confidence)
        );
        assert_eq!(found.max_confidence, expected.max_confidence);
        assert!((found.mean_confidence - expected.mean_confidence).abs() < 1e-9);
    }
    assert_eq!(found.len(), expected.len());
}

pub(super) async fn an_edit_is_made_once_and_counted(store: &dyn Database) {
    let images = registered(store, 3, &[("cat", 80.0), ("dog", 90.0)]).await;
    let claimed = running(store, false).await;
    let edit = edit(&[("cat", 100.0), ("mia", 70.0)], &["dog"]);
    let images: Vec<&Image> = images.iter().collect();
    // The last one twice, as after an interruption.
    for some in [&images[..2], &images[1..]] {
        let step = edition(some, &edit);
        assert_eq!(advance(store, &claimed.lease, &step).await, Advanced::Made);
        assert_counted(store).await;
    }
    let job = found(store, &claimed.job.id).await;
    assert_eq!((job.changed, job.done, job.failed), (3, 4, 0));
    let expected = [
        ("cat".to_owned(), 0, 0, 3, 20.0),
        ("dog".to_owned(), 0, 3, 0, 0.0),
        ("mia".to_owned(), 3, 0, 0, 0.0),
    ];
    assert_eq!(counted(store, &job.id).await, expected);
    for image in images {
        let known = store.tags_of(&image.id).await.unwrap().unwrap();
        assert_eq!(known.version.0, 1);
        let shown = known.tags.shown();
        assert!(shown.iter().all(|shown| shown.source == TagSource::Person));
        assert_eq!(
            tags_of(store, image).await,
            crate::tags(&[("cat", 100.0), ("mia", 70.0)])
        );
        let rejected: Vec<_> = known.tags.rejected().cloned().collect();
        assert_eq!(rejected, [label("dog")]);
    }
}

pub(super) async fn a_retagging_notes_its_provider(store: &dyn Database) {
    let images = registered(store, 2, &[("cat", 80.0), ("dog", 90.0)]).await;
    let kept = edit(&[("mia", 100.0)], &["dog"]);
    let by_hand = TagChange::Edit(kept);
    store
        .change_tags(&images[0].id, &by_hand, None)
        .await
        .unwrap();
    let claimed = running(store, false).await;
    let threshold = Threshold::new(Confidence::new(30.0).unwrap());
    let change = TagChange::Retag {
        answers: domain::ProviderAnswers::of(
            ProviderIdentity::parse("local", "v7", "en").unwrap(),
            crate::tags(&[("cat", 90.0), ("dog", 91.0), ("new", 40.0)]),
        )
        .and(
            ProviderIdentity::parse("openai", "q", "en").unwrap(),
            crate::tags(&[("cat", 35.0)]),
        ),
        threshold,
        vocabulary: std::sync::Arc::default(),
    };
    let images: Vec<&Image> = images.iter().collect();
    let step = changed(&images, &ImageChange::Tags(change));
    for changed in [2, 2] {
        advance(store, &claimed.lease, &step).await;
        assert_eq!(found(store, &claimed.job.id).await.changed, changed);
    }
    assert_counted(store).await;
    let first = tags_of(store, images[0]).await;
    assert_eq!(
        first,
        crate::tags(&[("mia", 100.0), ("cat", 90.0), ("new", 40.0)])
    );
    let ids: Vec<ImageId> = images.iter().map(|image| image.id).collect();
    let infos = store.infos(&ids).await.unwrap();
    for id in &ids {
        let info = &infos[id];
        assert_eq!(info.taggers.names().as_deref(), Some("local, openai"));
        assert_eq!(info.taggers.own(), &TaggerVersion::known("local", "v7"));
        assert_eq!(info.threshold, Some(threshold));
    }
    let expected = [
        ("cat".to_owned(), 0, 0, 2, 10.0),
        ("new".to_owned(), 2, 0, 0, 0.0),
        ("dog".to_owned(), 0, 0, 1, 1.0),
    ];
    assert_eq!(counted(store, &claimed.job.id).await, expected);
}

pub(super) async fn deletions_abandon_their_originals(store: &dyn Database) {
    let images = registered(store, 2, &[("cat", 80.0)]).await;
    let twin = Image {
        id: ImageId::from_bytes([7; 16]),
        ..images[0].clone()
    };
    register(store, &twin).await;
    let claimed = running(store, false).await;
    let step = deletion(&[&images[0], &images[1]]);
    for _ in 0..2 {
        advance(store, &claimed.lease, &step).await;
        let left = all(store, &ImageQuery::default()).await;
        assert_eq!(left, std::slice::from_ref(&twin));
        assert_counted(store).await;
    }
    assert_eq!(abandoned(store, at(6)).await, [images[1].digest]);
    let job = found(store, &claimed.job.id).await;
    assert_eq!((job.changed, job.done), (2, 4));
    let expected = [("cat".to_owned(), 0, 2, 0, 0.0)];
    assert_eq!(counted(store, &job.id).await, expected);
    advance(store, &claimed.lease, &deletion(&[&twin])).await;
    assert_eq!(abandoned(store, at(6)).await.len(), 2);
}

pub(super) async fn a_dry_run_changes_nothing(store: &dyn Database) {
    let images = registered(store, 3, &[("cat", 80.0), ("dog", 90.0)]).await;
    let before = all(store, &ImageQuery::default()).await;
    let of_first = store.tags_of(&images[0].id).await.unwrap();
    let images: Vec<&Image> = images.iter().collect();
    let claimed = running(store, true).await;
    let edit = edit(&[("cat", 70.0)], &[]);
    advance(store, &claimed.lease, &edition(&images[..2], &edit)).await;
    advance(store, &claimed.lease, &deletion(&images[2..])).await;
    end(store, &claimed.lease, StepEnd::Done).await;
    assert_eq!(all(store, &ImageQuery::default()).await, before);
    assert_eq!(store.tags_of(&images[0].id).await.unwrap(), of_first);
    assert!(abandoned(store, at(6)).await.is_empty());
    assert_counted(store).await;
    let expected = [
        ("cat".to_owned(), 0, 1, 2, -10.0),
        ("dog".to_owned(), 0, 1, 0, 0.0),
    ];
    assert_eq!(counted(store, &claimed.job.id).await, expected);
    assert_eq!(found(store, &claimed.job.id).await.changed, 3);
}

pub(super) async fn images_that_do_not_match_are_left_alone(store: &dyn Database) {
    let images = registered(store, 2, &[("cat", 80.0)]).await;
    let by_hand = TagChange::Edit(edit(&[], &["cat"]));
    store
        .change_tags(&images[0].id, &by_hand, None)
        .await
        .unwrap();
    let claimed = running(store, false).await;
    let step = JobStep {
        query: ImageQuery {
            all_of: vec![label("cat")],
            ..ImageQuery::default()
        },
        ..deletion(&[&images[0], &images[1]])
    };
    advance(store, &claimed.lease, &step).await;
    let left = all(store, &ImageQuery::default()).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, images[0].id);
    let job = found(store, &claimed.job.id).await;
    assert_eq!((job.changed, job.done), (1, 2));
}

/// Whatever their time: the clock of another server may be slow.
pub(super) async fn images_recorded_later_are_left_alone(store: &dyn Database) {
    let before = unique(1, at(100), &["cat"]);
    register(store, &before).await;
    let claimed = running(store, false).await;
    let after = unique(2, at(50), &["cat"]);
    register(store, &after).await;
    advance(store, &claimed.lease, &deletion(&[&before, &after])).await;
    let left = all(store, &ImageQuery::default()).await;
    assert_eq!(left, std::slice::from_ref(&after));
    // A later job may change it.
    end(store, &claimed.lease, StepEnd::Done).await;
    let claimed = running(store, false).await;
    advance(store, &claimed.lease, &deletion(&[&after])).await;
    assert!(all(store, &ImageQuery::default()).await.is_empty());
}

pub(super) async fn an_image_with_too_many_tags_is_an_error(store: &dyn Database) {
    let names: Vec<String> = (0..1000).map(|number| format!("l{number}")).collect();
    let many: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 50.0)).collect();
    let full = image(b"full", at(0), &many);
    let other = unique(1, at(1), &["cat"]);
    for image in [&full, &other] {
        register(store, image).await;
    }
    let claimed = running(store, false).await;
    let step = edition(&[&full, &other], &edit(&[("more", 1.0)], &[]));
    advance(store, &claimed.lease, &step).await;
    assert_eq!(tags_of(store, &full).await, full.tags);
    assert_eq!(tags_of(store, &other).await.len(), 2);
    let job = found(store, &claimed.job.id).await;
    assert_eq!((job.changed, job.done, job.failed), (1, 2, 1));
    let result = store.job_result(&job.id).await.unwrap();
    let [error] = result.errors.as_slice() else {
        panic!("{:?}", result.errors);
    };
    assert_eq!((error.image, error.code.as_str()), (full.id, "too-many"));
}

pub(super) async fn a_result_has_a_bound_of_labels(store: &dyn Database) {
    let names: Vec<String> = (0..600).map(|number| format!("l{number:03}")).collect();
    let labels: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 50.0)).collect();
    let others: Vec<String> = (0..600).map(|number| format!("m{number:03}")).collect();
    let others: Vec<(&str, f64)> = others.iter().map(|name| (name.as_str(), 50.0)).collect();
    let mut images = Vec::new();
    for (content, tags) in [(b"a", &labels), (b"b", &others), (b"c", &others)] {
        let image = image(content, at(0), tags);
        register(store, &image).await;
        images.push(image);
    }
    let images: Vec<&Image> = images.iter().collect();
    let claimed = running(store, false).await;
    advance(store, &claimed.lease, &deletion(&images)).await;
    let before = store.job_result(&claimed.job.id).await.unwrap();
    assert_eq!((before.tags.len(), before.more), (1000, 200));
    assert_eq!(before.tags[0].label, label("m000"));
    assert_eq!(before.tags[600].label, label("l000"));
    end(store, &claimed.lease, StepEnd::Done).await;
    assert_eq!(store.job_result(&claimed.job.id).await.unwrap(), before);
}

pub(super) async fn steps_and_edits_at_once_are_all_made(store: &dyn Database) {
    let images = registered(store, 8, &[("cat", 80.0)]).await;
    let refs: Vec<&Image> = images.iter().collect();
    let claimed = running(store, false).await;
    let step = edition(&refs, &edit(&[("job", 50.0)], &[]));
    let stepping = async {
        loop {
            match store.advance_job(&claimed.lease, LONG, &step).await {
                Err(ImageStoreError::Contended(_)) => {}
                outcome => return outcome.unwrap(),
            }
        }
    };
    let edits = images.iter().map(async |image| {
        let by_hand = TagChange::Edit(edit(&[("hand", 60.0)], &["cat"]));
        loop {
            match store.change_tags(&image.id, &by_hand, None).await {
                Err(ImageStoreError::Contended(_)) => {}
                Ok(TagsChanged::Done(_)) => return,
                other => panic!("{other:?}"),
            }
        }
    });
    let (advanced, _) = join(stepping, join_all(edits)).await;
    assert_eq!(advanced, Advanced::Made);
    for image in &images {
        let tags = tags_of(store, image).await;
        let names: Vec<&str> = tags.iter().map(|tag: &Tag| tag.label.as_str()).collect();
        assert_eq!(names, ["hand", "job"]);
    }
    assert_counted(store).await;
    assert_eq!(found(store, &claimed.job.id).await.changed, 8);
}
