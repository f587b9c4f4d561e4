use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use domain::ports::TagProvider;
use tag_provider_imagga::Delivery;
use upstream_fakes::{Fault, Route};

use crate::support::{Stage, bytes, kind, red};

#[tokio::test]
async fn the_quota_is_read_from_every_answer() {
    let stage = Stage::new(Delivery::File).await;
    assert_eq!(stage.provider.quota(), None);
    stage.imagga().set_quota(7, None);
    stage.tag(&red()).await.unwrap();
    let quota = stage.provider.quota().unwrap();
    assert_eq!((quota.limit, quota.remaining), (1_000_000, 6));
    let now: DateTime<Utc> = SystemTime::now().into();
    let left = quota.resets_at.unwrap() - now;
    assert!(left > TimeDelta::days(29) && left <= TimeDelta::days(30));

    stage.imagga().set_quota(5, None);
    let traffic = stage.imagga().traffic();
    for (status, remaining) in [(500, 5), (429, 5), (401, 5)] {
        traffic.fail_next(Route::Tags, Fault::status(status));
        stage.tag(&red()).await.unwrap_err();
        assert_eq!(
            stage.provider.quota().unwrap().remaining,
            remaining,
            "{status}"
        );
        stage.provider.ready().await.unwrap();
    }
    stage.tag(&bytes("no picture".into())).await.unwrap_err();
    assert_eq!(
        stage.provider.quota().unwrap().remaining,
        stage.imagga().quota_remaining()
    );
}

#[tokio::test]
async fn a_quota_is_used_up_until_it_is_renewed() {
    let stage = Stage::new(Delivery::File).await;
    stage.imagga().set_quota(1, Some(Duration::from_secs(4)));
    stage.provider.ready().await.unwrap();

    // The last call goes well, and tells that it was the last.
    stage.tag(&red()).await.unwrap();
    assert_eq!(stage.provider.quota().unwrap().remaining, 0);
    let error = stage.provider.ready().await.unwrap_err();
    assert_eq!(kind(&error).0, "quota exhausted");

    let error = stage.tag(&red()).await.unwrap_err();
    assert_eq!(kind(&error).0, "quota exhausted");
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    let error = stage.provider.ready().await.unwrap_err();
    assert!(error.retry_after().unwrap() <= wait);

    tokio::time::sleep(wait + Duration::from_millis(1100)).await;
    stage.provider.ready().await.unwrap();
    stage.tag(&red()).await.unwrap();
    assert!(stage.provider.quota().unwrap().remaining > 0);
}

#[tokio::test]
async fn a_renewed_quota_makes_it_ready_at_once() {
    let stage = Stage::new(Delivery::File).await;
    stage.imagga().set_quota(0, None);
    let error = stage.tag(&red()).await.unwrap_err();
    assert!(error.retry_after().unwrap() > Duration::from_hours(24 * 29));
    stage.provider.ready().await.unwrap_err();
    stage.imagga().set_quota(10, None);
    stage.tag(&red()).await.unwrap();
    stage.provider.ready().await.unwrap();
}
