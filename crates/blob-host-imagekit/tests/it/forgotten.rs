use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use domain::ports::BlobHost;
use upstream_fakes::Route;

use crate::support::Stage;

const OURS: &[&str] = &["etiqueta"];
const FOLDER: &str = "/etiqueta-tagging";
const HOUR: Duration = Duration::from_hours(1);

fn ago(age: Duration) -> DateTime<Utc> {
    (SystemTime::now() - age).into()
}

async fn forgotten(stage: &Stage) -> Vec<String> {
    let blobs = stage.host.forgotten(ago(HOUR)).await.unwrap();
    blobs.into_iter().map(|blob| blob.id).collect()
}

#[tokio::test]
async fn lists_only_our_files_oldest_first() {
    let stage = Stage::new().await;
    stage.seed("/", OURS, 5 * HOUR);
    stage.seed("/etiqueta-tagging/below", OURS, 5 * HOUR);
    stage.seed("/etiqueta-tagging-2", OURS, 5 * HOUR);
    stage.seed(FOLDER, &[], 5 * HOUR);
    stage.seed(FOLDER, &["holiday"], 5 * HOUR);
    let newer = stage.seed(FOLDER, OURS, 2 * HOUR);
    let older = stage.seed(FOLDER, &["holiday", "etiqueta"], 3 * HOUR);
    stage.seed(FOLDER, OURS, HOUR / 2);
    stage.host_one().await;
    assert_eq!(forgotten(&stage).await, [older, newer]);
}

#[tokio::test]
async fn files_that_are_not_ours_do_not_hide_those_that_are() {
    let stage = Stage::new().await;
    for _ in 0..1005 {
        stage.seed(FOLDER, &[], 3 * HOUR);
    }
    let ours = stage.seed(FOLDER, OURS, 2 * HOUR);
    assert_eq!(forgotten(&stage).await, [ours]);
    let requests = stage.kit().traffic().requests_of(Route::List);
    let skips: Vec<_> = requests
        .iter()
        .map(|request| request.query.rsplit_once("skip=").unwrap().1)
        .collect();
    assert_eq!(skips, ["0", "1000"]);
}

#[tokio::test]
async fn lists_a_thousand_at_a_time() {
    let stage = Stage::new().await;
    for _ in 0..1001 {
        stage.seed(FOLDER, OURS, 2 * HOUR);
    }
    let first = stage.host.forgotten(ago(HOUR)).await.unwrap();
    assert_eq!(first.len(), 1000);
    assert_eq!(stage.kit().traffic().calls(Route::List), 1);
    stage.host.release(&first).await.unwrap();
    assert_eq!(forgotten(&stage).await.len(), 1);
}

#[tokio::test]
async fn nothing_young_is_read_further() {
    let stage = Stage::new().await;
    let old = stage.seed(FOLDER, OURS, 2 * HOUR);
    for _ in 0..1005 {
        stage.seed(FOLDER, OURS, Duration::ZERO);
    }
    assert_eq!(forgotten(&stage).await, [old]);
    assert_eq!(stage.kit().traffic().calls(Route::List), 1);
}
