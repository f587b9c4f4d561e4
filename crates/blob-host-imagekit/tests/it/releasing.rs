use std::time::Duration;

use domain::ports::{BlobHost, HostedBlob};
use upstream_fakes::{Fault, Route};

use crate::support::{Stage, kind};

fn calls(stage: &Stage) -> (u64, u64) {
    let traffic = stage.kit().traffic();
    (
        traffic.calls(Route::Delete),
        traffic.calls(Route::BulkDelete),
    )
}

#[tokio::test]
async fn one_is_deleted_alone_and_many_by_the_hundred() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(231).await;
    stage.host.release(&blobs[..1]).await.unwrap();
    assert_eq!(calls(&stage), (1, 0));
    stage.host.release(&blobs[1..230]).await.unwrap();
    assert_eq!(calls(&stage), (1, 3));
    stage.host.release(&[]).await.unwrap();
    assert_eq!(calls(&stage), (1, 3));
    let last = &blobs[230];
    let twice = [last.clone(), last.clone()];
    stage.host.release(&twice).await.unwrap();
    assert_eq!(calls(&stage), (2, 3));
    assert_eq!(stage.kit().alive(), 0);
}

#[tokio::test]
async fn missing_ones_do_not_keep_the_others() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(6).await;
    stage.kit().remove(&blobs[0].id);
    stage.kit().remove(&blobs[4].id);
    stage.host.release(&blobs).await.unwrap();
    assert_eq!(calls(&stage), (0, 2));
    assert_eq!(stage.kit().alive(), 0);
}

#[tokio::test]
async fn where_all_are_missing_nothing_is_left_to_do() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(3).await;
    for blob in &blobs {
        stage.kit().remove(&blob.id);
    }
    stage.host.release(&blobs).await.unwrap();
    stage.host.release(&blobs[..1]).await.unwrap();
    assert_eq!(calls(&stage), (1, 1));
}

fn deleted(blobs: &[HostedBlob]) -> String {
    let ids: Vec<_> = blobs.iter().map(|blob| blob.id.as_str()).collect();
    format!(
        r#"{{"successfullyDeletedFileIds": {ids:?}, "errors": [{{"fileId": "x", "error": "no"}}]}}"#
    )
}

#[tokio::test]
async fn files_left_over_are_requested_again() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(4).await;
    let partly = Fault::status(207).with_body(&deleted(&blobs[..1]));
    stage.kit().traffic().fail_next(Route::BulkDelete, partly);
    stage.kit().remove(&blobs[0].id);
    stage.host.release(&blobs).await.unwrap();
    assert_eq!(calls(&stage), (0, 2));
    assert_eq!(stage.kit().alive(), 0);
}

#[tokio::test]
async fn call_without_progress_fails() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(3).await;
    let traffic = stage.kit().traffic();
    let others = r#"{"message": "gone", "missingFileIds": ["6673f88237b244ef54d60180"]}"#;
    for fault in [
        Fault::status(207).with_body(&deleted(&[])),
        Fault::status(404).with_body(others),
    ] {
        traffic.fail_next(Route::BulkDelete, fault);
        let error = stage.host.release(&blobs).await.unwrap_err();
        assert_eq!(kind(&error), ("unavailable", None));
    }
    assert_eq!(calls(&stage), (0, 2));
    stage.host.release(&blobs).await.unwrap();
    assert_eq!(stage.kit().alive(), 0);
}

#[tokio::test]
async fn not_found_counts_only_from_imagekit() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(2).await;
    let traffic = stage.kit().traffic();
    for (route, blobs) in [
        (Route::Delete, &blobs[..1]),
        (Route::BulkDelete, &blobs[..]),
    ] {
        traffic.fail_next(route, Fault::status(404).with_body("<h1>404</h1>"));
        let error = stage.host.release(blobs).await.unwrap_err();
        assert_eq!(kind(&error), ("malformed", None));
    }
    assert_eq!(stage.kit().alive(), 2);
}

#[tokio::test]
async fn a_release_whose_answer_was_lost_can_be_repeated() {
    let stage = Stage::new().await;
    let blobs = stage.host_many(3).await;
    let traffic = stage.kit().traffic();
    traffic.fail_next(Route::Delete, Fault::reset().after_effect());
    traffic.fail_next(Route::BulkDelete, Fault::reset().after_effect());
    for blobs in [&blobs[..1], &blobs[1..]] {
        let error = stage.host.release(blobs).await.unwrap_err();
        assert_eq!(kind(&error), ("unavailable", None));
        stage.host.release(blobs).await.unwrap();
    }
    assert_eq!(stage.kit().alive(), 0);
}

#[tokio::test]
async fn the_limit_of_writes_is_reported_with_its_wait() {
    let stage = Stage::new().await;
    stage.kit().set_writes_per_second(Some(1));
    let blobs = stage.host_many(2).await;
    stage.host.release(&blobs[..1]).await.unwrap();
    let error = stage.host.release(&blobs[1..]).await.unwrap_err();
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    assert_eq!(kind(&error).0, "busy");
    tokio::time::sleep(wait).await;
    stage.host.release(&blobs[1..]).await.unwrap();
}
