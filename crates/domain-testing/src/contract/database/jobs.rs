//! Jobs: their list, their queue, and what they change.

mod changes;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::{limit, page_key, register, unique};
use crate::{at, label, tag};
use domain::{
    Condition, Confidence, ContentDigest, Fence, IdempotencyKey, IdempotentRequest, ImageId,
    ImageQuery, ItemError, Job, JobAction, JobFilter, JobId, JobKind, JobRequest, JobResult,
    JobState, MAX_ITEM_ERRORS, RequestFingerprint, RequestKey, TagEdit, Threshold, UploadSource,
    ports::{
        Advanced, Begun, ClaimedJob, Database, ImageStoreError, JobLease, JobStep, NewJob, StepEnd,
    },
};

chapter!(
    a_job_is_kept_as_it_was_made,
    jobs_are_listed_newest_first,
    only_so_many_jobs_have_not_ended,
    a_request_makes_one_job,
    jobs_are_claimed_oldest_first_and_once,
    a_claim_expires_and_the_older_one_is_void,
    a_paused_job_rests_and_a_released_one_goes_on,
    progress_is_kept,
    a_cancelled_job_changes_nothing_more,
    only_the_first_errors_are_kept,
    old_jobs_are_removed_and_no_others,
    jobs_are_counted_by_their_state,
    changes::an_edit_is_made_once_and_counted,
    changes::a_retagging_notes_its_provider,
    changes::deletions_abandon_their_originals,
    changes::a_dry_run_changes_nothing,
    changes::images_that_do_not_match_are_left_alone,
    changes::images_recorded_later_are_left_alone,
    changes::an_image_with_too_many_tags_is_an_error,
    changes::a_result_has_a_bound_of_labels,
    changes::steps_and_edits_at_once_are_all_made,
);

/// Longer than any of these rules takes.
const LONG: TimeDelta = TimeDelta::hours(1);

/// A lease that has expired when it is granted.
const EXPIRED: TimeDelta = TimeDelta::zero();

fn edit(add: &[(&str, f64)], remove: &[&str]) -> TagEdit {
    let add: Vec<_> = add.iter().map(|(name, value)| tag(name, *value)).collect();
    let remove: Vec<_> = remove.iter().map(|name| label(name)).collect();
    TagEdit::new(&add, &remove).unwrap()
}

fn request(action: JobAction) -> JobRequest {
    JobRequest {
        action,
        filter: JobFilter::new(Some(ImageQuery::default()), None),
        dry_run: false,
    }
}

fn new_job(request: JobRequest, total: u64) -> NewJob {
    NewJob {
        id: JobId::random(),
        request,
        total,
        last: None,
        lease: None,
    }
}

async fn enqueue(store: &dyn Database, new: &NewJob) -> Job {
    store.enqueue_job(new, 1000).await.unwrap().unwrap()
}

async fn enqueued(store: &dyn Database, action: JobAction, total: u64) -> Job {
    enqueue(store, &new_job(request(action), total)).await
}

async fn claim(store: &dyn Database, lease: TimeDelta) -> Option<ClaimedJob> {
    store.claim_job(lease).await.unwrap()
}

async fn advance(store: &dyn Database, lease: &JobLease, step: &JobStep) -> Advanced {
    store.advance_job(lease, LONG, step).await.unwrap()
}

async fn end(store: &dyn Database, lease: &JobLease, end: StepEnd) -> Advanced {
    let step = JobStep {
        end: Some(end),
        ..JobStep::default()
    };
    advance(store, lease, &step).await
}

async fn found(store: &dyn Database, id: &JobId) -> Job {
    store.job(id).await.unwrap().unwrap()
}

fn is_recent(at: DateTime<Utc>) -> bool {
    let now: DateTime<Utc> = std::time::SystemTime::now().into();
    (now - at).abs() < TimeDelta::minutes(5)
}

async fn a_job_is_kept_as_it_was_made(store: &dyn Database) {
    let image = unique(1, at(0), &["cat"]);
    register(store, &image).await;
    let wants = ImageQuery {
        all_of: vec![label("cat")],
        threshold: Some(Threshold::new(Confidence::new(80.5).unwrap())),
        conditions: vec![Condition::Not(Box::new(Condition::Untagged))],
        ..ImageQuery::default()
    };
    let ids = vec![image.id, ImageId::from_bytes([9; 16])];
    let made = NewJob {
        last: Some(page_key(&image)),
        ..new_job(
            JobRequest {
                action: JobAction::Edit(edit(&[("salt, pepper", 69.5)], &["dog"])),
                filter: JobFilter::new(Some(wants), Some(ids)),
                dry_run: true,
            },
            2,
        )
    };
    let job = enqueue(store, &made).await;
    assert_eq!(found(store, &made.id).await, job);
    assert_eq!((job.id, job.kind), (made.id, JobKind::Edit));
    assert_eq!((job.state, job.dry_run), (JobState::Queued, true));
    assert_eq!((job.total, job.done, job.failed, job.changed), (2, 0, 0, 0));
    assert!(is_recent(job.created_at));
    assert_eq!((job.started_at, job.finished_at), (None, None));
    let result = store.job_result(&made.id).await.unwrap();
    assert_eq!(result, JobResult::default());

    let claimed = claim(store, LONG).await.unwrap();
    assert_eq!(claimed.request, made.request);
    assert_eq!(claimed.last, made.last);
    assert_eq!((claimed.position, claimed.pauses), (None, 0));
    assert_eq!(claimed.job.state, JobState::Running);
    assert!(is_recent(claimed.job.started_at.unwrap()));
    assert_eq!(found(store, &made.id).await, claimed.job);

    let unknown = JobId::random();
    assert_eq!(store.job(&unknown).await.unwrap(), None);
    assert_eq!(store.cancel_job(&unknown).await.unwrap(), None);
}

async fn jobs_are_listed_newest_first(store: &dyn Database) {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(enqueued(store, JobAction::Delete, 0).await);
    }
    made.reverse();
    assert!(made.windows(2).all(|pair| pair[0].number > pair[1].number));
    assert_eq!(store.jobs(None, limit(10)).await.unwrap(), made);
    let page = store.jobs(Some(made[1].number), limit(2)).await.unwrap();
    assert_eq!(page, made[2..4]);
    let last = store.jobs(Some(made[4].number), limit(2)).await.unwrap();
    assert!(last.is_empty());
}

async fn only_so_many_jobs_have_not_ended(store: &dyn Database) {
    let enqueue = async || {
        let new = new_job(request(JobAction::Delete), 0);
        let made = store.enqueue_job(&new, 3).await.unwrap();
        made.map(|job| job.id)
    };
    let at_once = join_all((0..8).map(|_| enqueue())).await;
    let made: Vec<JobId> = at_once.into_iter().flatten().collect();
    assert_eq!(made.len(), 3);
    store.cancel_job(&made[0]).await.unwrap();
    assert!(enqueue().await.is_some());
    assert!(enqueue().await.is_none());
}

async fn a_request_makes_one_job(store: &dyn Database) {
    let key = IdempotencyKey::parse(b"k").unwrap();
    let digest = ContentDigest::of(b"a");
    let asked = IdempotentRequest {
        key: RequestKey::new("somebody", &key),
        fingerprint: RequestFingerprint::of_upload(UploadSource::Bytes(&digest), None),
    };
    let Begun::Started(lease) = store.begin_request(&asked, LONG).await.unwrap() else {
        panic!("the request is new");
    };
    let new = || NewJob {
        lease: Some(lease),
        ..new_job(request(JobAction::Delete), 0)
    };
    let first = new();
    enqueue(store, &first).await;
    let outcome = ImageId::from_bytes(*first.id.as_bytes());
    let begun = store.begin_request(&asked, LONG).await.unwrap();
    assert_eq!(begun, Begun::Done(outcome));
    // It has its outcome: nothing else is made of it.
    let second = store.enqueue_job(&new(), 1000).await;
    assert!(matches!(second, Err(ImageStoreError::LeaseLost)));
    assert_eq!(store.jobs(None, limit(10)).await.unwrap().len(), 1);
}

async fn jobs_are_claimed_oldest_first_and_once(store: &dyn Database) {
    assert_eq!(claim(store, LONG).await, None);
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(enqueued(store, JobAction::Delete, 0).await.id);
    }
    let first = claim(store, LONG).await.unwrap();
    assert_eq!(first.job.id, made[0]);
    let others = join_all((0..8).map(|_| claim(store, LONG))).await;
    let mut claimed: Vec<JobId> = others.into_iter().flatten().map(|it| it.job.id).collect();
    // Of several at once that want the same job, some may go without.
    while let Some(further) = claim(store, LONG).await {
        claimed.push(further.job.id);
    }
    claimed.sort_unstable();
    let mut expected = made[1..].to_vec();
    expected.sort_unstable();
    assert_eq!(claimed, expected);
}

async fn a_claim_expires_and_the_older_one_is_void(store: &dyn Database) {
    let job = enqueued(store, JobAction::Delete, 1).await;
    let older = claim(store, EXPIRED).await.unwrap();
    let newer = claim(store, LONG).await.unwrap();
    assert_ne!(older.lease.fence, newer.lease.fence);
    assert_eq!(older.job.started_at, newer.job.started_at);
    let step = JobStep::default();
    assert_eq!(advance(store, &older.lease, &step).await, Advanced::Lost);
    let ended = end(store, &older.lease, StepEnd::Done).await;
    assert_eq!(ended, Advanced::Lost);
    assert_eq!(advance(store, &newer.lease, &step).await, Advanced::Made);
    assert_eq!(found(store, &job.id).await.state, JobState::Running);
    // One that has expired is renewed, unless it was taken over.
    let renewed = store.advance_job(&newer.lease, EXPIRED, &step).await;
    assert_eq!(renewed.unwrap(), Advanced::Made);
    assert_eq!(advance(store, &newer.lease, &step).await, Advanced::Made);
    assert_eq!(claim(store, LONG).await, None);
    let unknown = JobLease {
        id: JobId::random(),
        fence: Fence::random(),
    };
    assert_eq!(advance(store, &unknown, &step).await, Advanced::Ended);
}

async fn a_paused_job_rests_and_a_released_one_goes_on(store: &dyn Database) {
    let job = enqueued(store, JobAction::Delete, 1).await;
    let first = claim(store, LONG).await.unwrap();
    let paused = end(store, &first.lease, StepEnd::Paused(EXPIRED)).await;
    assert_eq!(paused, Advanced::Made);
    let again = advance(store, &first.lease, &JobStep::default()).await;
    assert_eq!(again, Advanced::Lost);
    let second = claim(store, LONG).await.unwrap();
    assert_eq!(second.pauses, 1);
    end(store, &second.lease, StepEnd::Released).await;
    let third = claim(store, LONG).await.unwrap();
    assert_eq!((third.pauses, third.job.id), (1, job.id));
    end(store, &third.lease, StepEnd::Paused(LONG)).await;
    assert_eq!(claim(store, LONG).await, None);
    assert_eq!(found(store, &job.id).await.state, JobState::Running);
}

async fn progress_is_kept(store: &dyn Database) {
    let image = unique(1, at(0), &[]);
    register(store, &image).await;
    let job = enqueued(store, JobAction::Delete, 3).await;
    let claimed = claim(store, EXPIRED).await.unwrap();
    end(store, &claimed.lease, StepEnd::Paused(EXPIRED)).await;
    let claimed = claim(store, EXPIRED).await.unwrap();
    let step = JobStep {
        errors: vec![ItemError::new(image.id, "internal", "x")],
        position: Some(page_key(&image)),
        ..JobStep::default()
    };
    let made = store.advance_job(&claimed.lease, EXPIRED, &step).await;
    assert_eq!(made.unwrap(), Advanced::Made);
    let claimed = claim(store, LONG).await.unwrap();
    assert_eq!(claimed.position, Some(page_key(&image)));
    assert_eq!(claimed.pauses, 0, "it got on");
    assert_eq!((claimed.job.done, claimed.job.failed), (1, 1));
    end(store, &claimed.lease, StepEnd::Done).await;
    let ended = found(store, &job.id).await;
    assert_eq!((ended.state, ended.done), (JobState::Done, 3));
    assert!(is_recent(ended.finished_at.unwrap()));
    assert_eq!(store.cancel_job(&job.id).await.unwrap(), Some(ended));
    assert_eq!(claim(store, LONG).await, None);
    let over = advance(store, &claimed.lease, &JobStep::default()).await;
    assert_eq!(over, Advanced::Ended);
}

async fn a_cancelled_job_changes_nothing_more(store: &dyn Database) {
    let image = unique(1, at(0), &["cat"]);
    register(store, &image).await;
    let queued = enqueued(store, JobAction::Delete, 1).await;
    let cancelled = store.cancel_job(&queued.id).await.unwrap().unwrap();
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert!(is_recent(cancelled.finished_at.unwrap()));
    assert_eq!(claim(store, LONG).await, None);

    let running = enqueued(store, JobAction::Delete, 1).await;
    let claimed = claim(store, LONG).await.unwrap();
    store.cancel_job(&running.id).await.unwrap().unwrap();
    let step = changes::deletion(&[&image]);
    assert_eq!(advance(store, &claimed.lease, &step).await, Advanced::Ended);
    assert_eq!(store.find(&image.id).await.unwrap(), Some(image));
    assert_eq!(found(store, &running.id).await.state, JobState::Cancelled);
}

async fn only_the_first_errors_are_kept(store: &dyn Database) {
    let job = enqueued(store, JobAction::Delete, 1000).await;
    let claimed = claim(store, LONG).await.unwrap();
    let mut all = Vec::new();
    for step in 0..3_u8 {
        let errors: Vec<ItemError> = (0..60)
            .map(|number| {
                let id = ImageId::from_bytes([number; 16]);
                ItemError::new(id, "internal", &format!("ñ {step}.{number}"))
            })
            .collect();
        all.extend(errors.clone());
        let step = JobStep {
            errors,
            ..JobStep::default()
        };
        advance(store, &claimed.lease, &step).await;
    }
    let result = store.job_result(&job.id).await.unwrap();
    assert_eq!(result.errors, all[..MAX_ITEM_ERRORS]);
    let job = found(store, &job.id).await;
    assert_eq!((job.failed, job.done), (180, 180));
}

async fn old_jobs_are_removed_and_no_others(store: &dyn Database) {
    let mut ended = Vec::new();
    for _ in 0..3 {
        let job = enqueued(store, JobAction::Delete, 0).await;
        store.cancel_job(&job.id).await.unwrap();
        ended.push(job.id);
    }
    let open = enqueued(store, JobAction::Delete, 0).await;
    let remove = async |kept| store.remove_old_jobs(kept, limit(2)).await.unwrap();
    assert_eq!(remove(LONG).await, 0);
    for expected in [2, 1, 0] {
        assert_eq!(remove(TimeDelta::zero()).await, expected);
    }
    let left = store.jobs(None, limit(10)).await.unwrap();
    assert_eq!(left, std::slice::from_ref(&open));
    // Numbers are never given out again: images remember them.
    let next = enqueued(store, JobAction::Delete, 0).await;
    assert!(next.number > open.number);
}

async fn jobs_are_counted_by_their_state(store: &dyn Database) {
    let nothing = store.figures().await.unwrap();
    assert_eq!(nothing.jobs, [0; 5]);
    for _ in 0..4 {
        enqueued(store, JobAction::Delete, 0).await;
    }
    let running = claim(store, LONG).await.unwrap();
    let done = claim(store, LONG).await.unwrap();
    assert_eq!(end(store, &done.lease, StepEnd::Done).await, Advanced::Made);
    let cancelled = enqueued(store, JobAction::Delete, 0).await;
    store.cancel_job(&cancelled.id).await.unwrap();
    let queued_running_done_failed_cancelled = store.figures().await.unwrap().jobs;
    assert_eq!(queued_running_done_failed_cancelled, [2, 1, 1, 0, 1]);
    let failed = end(store, &running.lease, StepEnd::Failed).await;
    assert_eq!(failed, Advanced::Made);
    assert_eq!(store.figures().await.unwrap().jobs, [2, 0, 1, 1, 1]);
}
