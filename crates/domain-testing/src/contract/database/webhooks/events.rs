//! Which transactions write which events.

use std::sync::Arc;

use domain::{
    Confidence, EventKind, Image, ImageQuery, JobAction, JobFilter, JobId, JobRequest,
    ProviderAnswers, ProviderIdentity, TagEdit, Threshold, UntaggedImage, Webhook, WebhookEvent,
    ports::{
        Database, DeliveryOutcome, ImageChange, JobChange, JobStep, NewJob, StepEnd, TagChange,
        TagsVersion,
    },
};

use super::{
    super::{new, register, unique},
    LONG, add, claim, due, events, report, settle, told_of,
};
use crate::{at, tag};

fn edit() -> TagChange {
    TagChange::Edit(TagEdit::new(&[tag("mia", 100.0)], &[]).unwrap())
}

fn retagging() -> TagChange {
    TagChange::Retag {
        answers: ProviderAnswers::of(
            ProviderIdentity::parse("other", "2", "en").unwrap(),
            crate::tags(&[("dog", 90.0)]),
        ),
        threshold: Threshold::new(Confidence::new(0.0).unwrap()),
        vocabulary: Arc::default(),
    }
}

pub(super) async fn an_image_is_created_tagged_updated_and_deleted(store: &dyn Database) {
    let webhook = add(store, &EventKind::ALL).await;
    let image = unique(1, at(0), &["cat"]);
    let id = image.id;
    register(store, &image).await;
    let created = [
        WebhookEvent::ImageCreated(id),
        WebhookEvent::ImageTagged(id),
    ];
    assert_eq!(events(store, &webhook.id).await, created);
    store.change_tags(&id, &edit(), None).await.unwrap();
    assert_eq!(
        events(store, &webhook.id).await,
        [WebhookEvent::ImageUpdated(id)]
    );
    store.change_tags(&id, &retagging(), None).await.unwrap();
    assert_eq!(
        events(store, &webhook.id).await,
        [WebhookEvent::ImageTagged(id)]
    );
    assert!(store.delete(&id, at(9)).await.unwrap());
    assert_eq!(
        events(store, &webhook.id).await,
        [WebhookEvent::ImageDeleted(id)]
    );
}

pub(super) async fn what_changes_nothing_is_no_event(store: &dyn Database) {
    let image = unique(1, at(0), &["cat"]);
    register(store, &image).await;
    store.change_tags(&image.id, &edit(), None).await.unwrap();
    let webhook = add(store, &EventKind::ALL).await;
    store.change_tags(&image.id, &edit(), None).await.unwrap();
    let outdated = Some(TagsVersion(77));
    store
        .change_tags(&image.id, &retagging(), outdated)
        .await
        .unwrap();
    let unknown = unique(2, at(1), &[]).id;
    store.change_tags(&unknown, &edit(), None).await.unwrap();
    assert!(!store.delete(&unknown, at(9)).await.unwrap());
    // Its original is not claimed.
    store
        .record(&new(&unique(3, at(2), &[])))
        .await
        .unwrap_err();
    assert_eq!(store.cancel_job(&JobId::random()).await.unwrap(), None);
    assert_eq!(report(store, &webhook.id).await.waiting, 0);
}

fn job(dry_run: bool) -> NewJob {
    NewJob {
        id: JobId::random(),
        request: JobRequest {
            action: JobAction::Delete,
            filter: JobFilter::new(Some(ImageQuery::default()), None),
            dry_run,
        },
        total: 3,
        last: None,
        lease: None,
    }
}

fn step(changes: &[(&Image, ImageChange)], end: Option<StepEnd>) -> JobStep {
    let changes = changes.iter().map(|(image, change)| JobChange {
        image: UntaggedImage::from(*image),
        change: change.clone(),
    });
    JobStep {
        changes: changes.collect(),
        end,
        ..JobStep::default()
    }
}

pub(super) async fn jobs_tell_of_what_they_change_and_of_their_end(store: &dyn Database) {
    let images: Vec<Image> = (0..3).map(|n| unique(n, at(n.into()), &["cat"])).collect();
    for image in &images {
        register(store, image).await;
    }
    let webhook = add(store, &EventKind::ALL).await;
    let changes = [
        (&images[0], ImageChange::Tags(edit())),
        (&images[1], ImageChange::Tags(retagging())),
        (&images[2], ImageChange::Delete(at(9))),
    ];
    for (dry_run, end) in [
        (true, StepEnd::Failed),
        (false, StepEnd::Released),
        (false, StepEnd::Done),
    ] {
        let job = store.enqueue_job(&job(dry_run), 9).await.unwrap().unwrap();
        let claimed = store.claim_job(LONG).await.unwrap().unwrap();
        assert_eq!(claimed.job.id, job.id);
        let step = step(&changes, Some(end));
        store
            .advance_job(&claimed.lease, LONG, &step)
            .await
            .unwrap();
        let told = events(store, &webhook.id).await;
        let has = |event| told.contains(&event);
        let is_first = !dry_run && end == StepEnd::Released;
        assert_eq!(has(WebhookEvent::ImageUpdated(images[0].id)), is_first);
        assert_eq!(has(WebhookEvent::ImageDeleted(images[2].id)), is_first);
        assert_eq!(has(WebhookEvent::ImageTagged(images[1].id)), is_first);
        assert_eq!(has(WebhookEvent::JobFinished(job.id)), !is_first);
        if is_first {
            store.cancel_job(&job.id).await.unwrap();
            store.cancel_job(&job.id).await.unwrap();
            let told = events(store, &webhook.id).await;
            assert_eq!(told, [WebhookEvent::JobFinished(job.id)]);
        }
    }
}

pub(super) async fn only_active_webhooks_that_asked_are_told(store: &dyn Database) {
    let told = told_of(store, 1).await;
    let other = add(store, &[EventKind::ImageDeleted, EventKind::JobFinished]).await;
    let gone = add(store, &[EventKind::ImageCreated]).await;
    register(store, &unique(7, at(7), &[])).await;
    let gone_error = DeliveryOutcome::Gone {
        error: "410".to_owned(),
    };
    let claimed = claim(store, &gone.id, 1).await;
    assert!(settle(store, &claimed[0], &gone_error).await);
    register(store, &unique(8, at(8), &[])).await;
    let waiting = async |webhook: &Webhook| report(store, &webhook.id).await.waiting;
    assert_eq!(waiting(&told).await, 3);
    assert_eq!(waiting(&other).await, 0);
    assert_eq!(waiting(&gone).await, 0);
    assert_eq!(due(store).await, [told.id]);
}
