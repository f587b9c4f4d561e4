//! Calls to Imagga and ImageKit, and their failures.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rstest::rstest;
use serde_json::Value;
use upstream_fakes::{Fakes, Fault, Route, Seed};

use super::{
    database::Kind,
    pictures::{file, jpeg},
    server::Server,
};

async fn nothing_is_left_public(server: &Server, within: Duration) {
    let began = Instant::now();
    while server.fakes.imagekit().alive() > 0 {
        assert!(began.elapsed() < within, "a picture is still public");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn known_bytes_cost_no_call_also_after_a_restart(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let first = server.register(&jpeg(1), "?min_confidence=90").await;
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    let second = server.register(&jpeg(1), "?min_confidence=90").await;
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["tags"], second["tags"]);
    let server = server.restart(&[]).await;
    let third = server.register(&jpeg(1), "?min_confidence=0").await;
    assert!(third["tags"].as_array().unwrap().len() > first["tags"].as_array().unwrap().len());
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), calls);
    let server = server
        .restart(&[("ETIQUETA__TAGGING__MAX_SIDE", "32")])
        .await;
    server.register(&jpeg(1), "").await;
    assert_eq!(
        server.fakes.imagga().traffic().calls(Route::Tags),
        calls + 1,
        "another size"
    );
}

#[tokio::test]
async fn concurrent_posts_of_the_same_bytes_share_one_call() {
    let fakes = Fakes::builder()
        .latency(Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, &[]).await;
    let posts = (0..20).map(|_| server.register_owned(jpeg(1)));
    futures_util::future::join_all(posts).await;
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 1);
    assert_eq!(server.fakes.imagekit().uploads(), 1);
}

#[tokio::test]
async fn a_downscaled_copy_is_sent_and_the_original_is_kept() {
    let server = Server::start(Kind::Sqlite).await;
    server
        .fakes
        .imagekit()
        .traffic()
        .fail_always(Route::Delete, Fault::status(500));
    let picture = file(image::ImageFormat::Png, 2400, 1200, 5);
    let posted = server.register(&picture, "").await;
    assert_eq!(super::server::decode(&posted["data"]), picture);
    let files = server.fakes.imagekit().files();
    let sent =
        image::load_from_memory_with_format(&files[0].bytes, image::ImageFormat::Jpeg).unwrap();
    assert_eq!((sent.width(), sent.height()), (1024, 512));
}

#[tokio::test]
async fn the_hosted_blob_is_released_within_a_second() {
    let server = Server::start(Kind::Sqlite).await;
    server.register(&jpeg(1), "").await;
    nothing_is_left_public(&server, Duration::from_secs(1)).await;
    server
        .fakes
        .imagekit()
        .traffic()
        .fail_next(Route::Delete, Fault::status(503));
    server.register(&jpeg(2), "").await;
    nothing_is_left_public(&server, Duration::from_secs(2)).await;
    assert_eq!(server.fakes.imagekit().uploads(), 2);
}

#[tokio::test]
async fn a_failed_tagging_leaves_nothing_public() {
    let server = Server::start(Kind::Sqlite).await;
    server
        .fakes
        .imagga()
        .traffic()
        .fail_next(Route::Tags, Fault::garbage());
    server
        .assert_problem(server.post(&jpeg(1), "").await, 502, "tagging-failed")
        .await;
    nothing_is_left_public(&server, Duration::from_secs(1)).await;
    assert_eq!(server.json("/images").await, Value::Array(Vec::new()));
    server.register(&jpeg(1), "").await;
}

#[tokio::test]
async fn backlog_is_released_in_batches_at_five_writes_a_second() {
    let fakes = Fakes::builder()
        .writes_per_second(Some(5))
        .start()
        .await
        .unwrap();
    let server = Server::start_with(
        Kind::Sqlite,
        fakes,
        &[("ETIQUETA__IMAGEKIT__PURGE", "false")],
    )
    .await;
    let posts = (0..100_u8).map(|n| server.register_owned(jpeg(n)));
    futures_util::future::join_all(posts).await;
    nothing_is_left_public(&server, Duration::from_secs(5)).await;
    assert!(server.fakes.imagekit().traffic().calls(Route::BulkDelete) >= 1);
}

#[tokio::test]
async fn upkeep_removes_at_the_start_what_was_forgotten() {
    let fakes = Fakes::start().await.unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, &[]).await;
    server
        .fakes
        .imagekit()
        .traffic()
        .fail_always(Route::Delete, Fault::hang());
    server.register(&jpeg(1), "").await;
    let old = server.fakes.imagekit().files().remove(0);
    server.fakes.imagekit().seed(Seed {
        name: "somebody-elses.jpg".to_owned(),
        folder: "/holiday".to_owned(),
        bytes: Bytes::from(jpeg(3)),
        tags: Vec::new(),
        age: Duration::from_hours(24),
    });
    assert!(
        server
            .fakes
            .imagekit()
            .backdate(&old.id, Duration::from_secs(601))
    );
    server.fakes.imagekit().traffic().heal();
    let server = server.restart(&[]).await;
    let began = Instant::now();
    while server.fakes.imagekit().alive() > 1 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{}",
            server.process.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        server.fakes.imagekit().files()[0].name,
        "somebody-elses.jpg"
    );
}

#[rstest]
#[case::imagga_refuses(Route::Tags, Fault::status(401), 502, "tagging-failed")]
#[case::imagga_cannot_read(Route::Tags, Fault::status(400), 502, "tagging-failed")]
#[case::imagga_quota(Route::Tags, Fault::status(403), 503, "quota-exhausted")]
#[case::imagga_busy(Route::Tags, Fault::status(429), 503, "upstream-busy")]
#[case::imagga_fails(Route::Tags, Fault::status(500), 502, "tagging-failed")]
#[case::imagga_resets(Route::Tags, Fault::reset(), 502, "tagging-failed")]
#[case::imagga_cuts(Route::Tags, Fault::truncated_json(), 502, "tagging-failed")]
#[case::imagga_babbles(Route::Tags, Fault::garbage(), 502, "tagging-failed")]
#[case::imagga_hangs(Route::Tags, Fault::hang(), 504, "tagging-timeout")]
#[case::imagekit_refuses(Route::Upload, Fault::status(403), 502, "tagging-failed")]
#[case::imagekit_fails(Route::Upload, Fault::status(500), 502, "tagging-failed")]
#[case::imagekit_hangs(Route::Upload, Fault::hang(), 504, "tagging-timeout")]
#[case::imagekit_babbles(Route::Upload, Fault::garbage(), 502, "tagging-failed")]
#[tokio::test]
async fn failures_map_to_status_and_code(
    #[case] route: Route,
    #[case] fault: Fault,
    #[case] status: u16,
    #[case] code: &str,
) {
    let timeouts = [
        ("ETIQUETA__IMAGGA__TIMEOUT", "1s"),
        ("ETIQUETA__IMAGEKIT__TIMEOUT", "1s"),
    ];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &timeouts).await;
    let traffic = if route == Route::Upload {
        server.fakes.imagekit().traffic()
    } else {
        server.fakes.imagga().traffic()
    };
    traffic.fail_always(route, fault);
    let problem = server
        .assert_problem(server.post(&jpeg(1), "").await, status, code)
        .await;
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    traffic.heal();
    if code != "quota-exhausted" {
        server.register(&jpeg(2), "").await;
    }
    nothing_is_left_public(&server, Duration::from_secs(3)).await;
    assert_eq!(
        server.json("/images").await.as_array().unwrap().len(),
        usize::from(code != "quota-exhausted")
    );
}

#[tokio::test]
async fn a_passing_failure_is_not_noticed() {
    let server = Server::start(Kind::Sqlite).await;
    for fault in [Fault::status(503), Fault::reset(), Fault::status(429)] {
        server
            .fakes
            .imagga()
            .traffic()
            .fail_next(Route::Tags, fault);
    }
    server.register(&jpeg(1), "").await;
}

#[tokio::test]
async fn breaker_opens_after_ten_failures() {
    let server = Server::start(Kind::Sqlite).await;
    server
        .fakes
        .imagga()
        .traffic()
        .fail_always(Route::Tags, Fault::status(500));
    for seed in 1..=3 {
        server.post(&jpeg(seed), "").await;
    }
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 10);
    server
        .assert_problem(server.post(&jpeg(4), "").await, 503, "upstream-busy")
        .await;
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), calls);
}

#[tokio::test]
async fn hanging_call_delays_no_other() {
    let server = Server::start(Kind::Sqlite).await;
    server
        .fakes
        .imagga()
        .traffic()
        .fail_next(Route::Tags, Fault::hang());
    let hung = tokio::spawn(server.post_soon(&jpeg(1)));
    while server.fakes.imagga().traffic().calls(Route::Tags) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let posts = (2..10).map(|seed| server.register_owned(jpeg(seed)));
    futures_util::future::join_all(posts).await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(!hung.is_finished());
    hung.abort();
}

#[tokio::test]
async fn without_imagekit_pictures_go_straight_to_imagga() {
    let fakes = Fakes::start().await.unwrap();
    let straight = [("ETIQUETA__IMAGEKIT__PRIVATE_KEY", "")];
    let server = Server::start_with(Kind::Sqlite, fakes, &straight).await;
    server.register(&jpeg(1), "").await;
    assert_eq!(server.fakes.imagekit().uploads(), 0);
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 1);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let fakes = Fakes::builder()
        .latency(Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let server = Server::start_with(Kind::Sqlite, fakes, &[]).await;
    let gone = tokio::spawn(server.post_soon(&jpeg(1)));
    while server.fakes.imagga().traffic().calls(Route::Tags) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gone.abort();
    nothing_is_left_public(&server, Duration::from_secs(5)).await;
    let began = Instant::now();
    while server.json("/images").await.as_array().unwrap().is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "what was begun is brought to its end"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Inserts fail as with a full table, after the tags were paid for. The server is killed before the next
/// upload.
#[rstest]
#[case::sqlite(
    Kind::Sqlite,
    "CREATE TRIGGER etiqueta_refusal BEFORE INSERT ON etiqueta_image \
     BEGIN SELECT RAISE(ABORT, 'refused'); END"
)]
#[case::mysql(
    Kind::Mysql,
    "CREATE TRIGGER etiqueta_refusal BEFORE INSERT ON etiqueta_image \
     FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused'"
)]
#[tokio::test]
async fn an_image_that_cannot_be_recorded_costs_no_second_call(
    #[case] kind: Kind,
    #[case] refusal: &str,
) {
    let server = Server::start(kind).await;
    server.database.execute(refusal).await;
    let refused = server.post(&jpeg(1), "").await;
    assert_eq!(refused.status(), 500);
    let server = server.restart(&[]).await;
    server
        .database
        .execute("DROP TRIGGER etiqueta_refusal")
        .await;
    let image = server.register(&jpeg(1), "").await;
    assert!(!image["tags"].as_array().unwrap().is_empty());
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 1);
}
