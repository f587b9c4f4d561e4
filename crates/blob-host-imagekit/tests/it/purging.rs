use std::time::{Duration, Instant};

use domain::ports::BlobHost;
use upstream_fakes::{Fault, Route};

use crate::support::{Stage, client};

/// A stage with a CDN, with or without purging of released URLs.
async fn stage(purge: bool) -> Stage {
    let stage = Stage::with(|settings| settings.purge = purge).await;
    stage.kit().set_cdn(true);
    stage
}

/// Fetches a picture, so that the CDN has a copy.
async fn fetch(url: &str) -> bool {
    let answer = client(Duration::from_secs(5)).get(url).send().await;
    answer.unwrap().status().is_success()
}

#[tokio::test]
async fn released_urls_are_purged_where_that_is_wanted() {
    for (purge, public) in [(true, false), (false, true)] {
        let stage = stage(purge).await;
        let blobs = stage.host_many(3).await;
        for blob in &blobs {
            assert!(fetch(&blob.url).await);
        }
        stage.host.release(&blobs[..1]).await.unwrap();
        stage.host.release(&blobs[1..]).await.unwrap();
        stage.host.purged().await;
        for blob in &blobs {
            assert_eq!(fetch(&blob.url).await, public);
        }
        assert_eq!(stage.kit().all_released(), purge);
    }
}

#[tokio::test]
async fn missing_files_are_purged_too() {
    let stage = stage(true).await;
    let blob = stage.host_one().await;
    assert!(fetch(&blob.url).await);
    stage.kit().remove(&blob.id);
    stage
        .host
        .release(std::slice::from_ref(&blob))
        .await
        .unwrap();
    stage.host.purged().await;
    assert!(!fetch(&blob.url).await);
}

#[tokio::test]
async fn nothing_is_purged_that_is_not_released() {
    let stage = stage(true).await;
    let blobs = stage.host_many(2).await;
    stage
        .kit()
        .traffic()
        .fail_next(Route::BulkDelete, Fault::status(503));
    assert!(stage.host.release(&blobs).await.is_err());
    stage.host.purged().await;
    assert_eq!(stage.kit().traffic().calls(Route::Purge), 0);
}

#[tokio::test]
async fn purge_is_retried_and_then_dropped() {
    let stage = stage(true).await;
    let traffic = stage.kit().traffic();
    traffic.fail_next(
        Route::Purge,
        Fault::rate_limited(Duration::from_millis(500)),
    );
    let blob = stage.host_one().await;
    assert!(fetch(&blob.url).await);
    stage
        .host
        .release(std::slice::from_ref(&blob))
        .await
        .unwrap();
    stage.host.purged().await;
    assert_eq!(traffic.calls(Route::Purge), 2);
    assert!(!fetch(&blob.url).await);

    traffic.fail_next(Route::Purge, Fault::status(403));
    traffic.fail_times(Route::Purge, 3, Fault::status(500));
    let blobs = stage.host_many(2).await;
    stage.host.release(&blobs).await.unwrap();
    stage.host.purged().await;
    assert_eq!(traffic.calls(Route::Purge), 2 + 1 + 3);
}

#[tokio::test]
async fn releases_do_not_wait_for_purges() {
    let stage = stage(true).await;
    stage.kit().set_writes_per_second(Some(5));
    stage
        .kit()
        .traffic()
        .fail_always(Route::Purge, Fault::delay(Duration::from_secs(1)));
    let blobs = stage.host_many(60).await;
    let start = Instant::now();
    stage.host.release(&blobs[..30]).await.unwrap();
    stage.host.release(&blobs[30..]).await.unwrap();
    // Sixty purges, a second and a pause each, take far longer.
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(stage.kit().alive(), 0);
    while stage.kit().traffic().calls(Route::Purge) < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Purges come one by one, and leave room in the rate limit.
    let purges = stage.kit().traffic().routes()[&Route::Purge];
    assert_eq!(purges.peak_in_flight, 1);
    assert!(start.elapsed() > Duration::from_millis(2 * 1400));
}
