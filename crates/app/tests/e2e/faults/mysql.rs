//! A failing database server. Errors that only a broken server sends are injected by the proxy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mysql_async::prelude::Queryable;
use rstest::rstest;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};
use url::Url;

use super::{
    Proxy,
    proxy::{Line, Refusal},
    until,
};
use crate::{
    database::{Database, Kind},
    pictures::jpeg,
    server::{Server, command},
};

const TIMEOUT: Duration = Duration::from_secs(2);
const SHORT: (&str, &str) = ("ETIQUETA__DATABASE__TIMEOUT", "2s");
const ONE_CONNECTION: (&str, &str) = ("ETIQUETA__DATABASE__MAX_CONNECTIONS", "1");

/// A server that may not be ready yet, with a proxy in front of its database.
async fn launch(line: Line, variables: &[(&str, &str)]) -> (Proxy, Server) {
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Mysql, folder.path()).await);
    let mut url = Url::parse(database.url()).unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(3306));
    let proxy = Proxy::to(target, line).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(proxy.port)).unwrap();
    let fakes = Fakes::start().await.unwrap();
    let mut variables = variables.to_vec();
    variables.push(("ETIQUETA__DATABASE__URL", url.as_str()));
    let command = command(folder.path());
    let server = Server::launch(database, folder, fakes, command, &variables);
    (proxy, server)
}

async fn start(variables: &[(&str, &str)]) -> (Proxy, Server) {
    let (proxy, server) = launch(Line::Up, variables).await;
    server.wait_until_ready().await;
    (proxy, server)
}

fn tag_calls(server: &Server) -> u64 {
    server.fakes.imagga().traffic().calls(Route::Tags)
}

/// Requests that need the database fail in time, with `Retry-After`. Others succeed.
async fn assert_all_fail(server: &Server, id: &str) {
    let began = Instant::now();
    let image = format!("/image/{id}");
    let picture = jpeg(200);
    let (images, page, tags, image, post) = tokio::join!(
        server.get("/images"),
        server.get("/images?tags=car&limit=2"),
        server.get("/tags"),
        server.get(&image),
        server.post(&picture, ""),
    );
    let elapsed = began.elapsed();
    assert!(elapsed < 2 * TIMEOUT, "{elapsed:?}");
    for response in [images, page, tags, image, post] {
        server.assert_no_storage(response).await;
    }
    let ready = server.get("/readyz").await;
    assert_eq!(ready.status(), 503);
    assert!(ready.headers().contains_key("retry-after"));
    server.assert_lives().await;
}

#[tokio::test]
async fn down_at_the_start() {
    let (proxy, server) = launch(Line::Down, &[SHORT]).await;
    assert_all_fail(&server, "7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777").await;
    assert_eq!(tag_calls(&server), 0);
    proxy.set(Line::Up);
    server.until_back("/readyz").await;
    server.register(&jpeg(1), "").await;
    assert_eq!(server.whole_images().await, 1);
}

#[rstest]
#[case::lost(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test]
async fn away_and_back_again(#[case] line: Line) {
    let (proxy, server) = start(&[SHORT]).await;
    let image = server.register(&jpeg(1), "").await;
    proxy.set(line);
    assert_all_fail(&server, image["id"].as_str().unwrap()).await;
    assert_eq!(
        tag_calls(&server),
        1,
        "nothing is tagged that cannot be kept"
    );
    proxy.set(Line::Up);
    server.until_back("/images").await;
    server.until_uploads_work(&jpeg(2)).await;
    assert_eq!(server.whole_images().await, 2);
    server.assert_nothing_half_written().await;
}

/// A scrape waits for the database for a short time at most, and tells that it is away.
#[rstest]
#[case::lost(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test]
async fn away_while_the_metrics_are_read(#[case] line: Line) {
    let (proxy, server) = start(&[]).await;
    server.register(&jpeg(1), "").await;
    proxy.set(line);
    for _ in 0..3 {
        let began = Instant::now();
        let scrape = server.scrape().await;
        assert!(began.elapsed() < Duration::from_secs(4));
        assert_eq!(scrape.value("etiqueta_database_up"), Some(0.0));
        assert_eq!(scrape.value("etiqueta_jobs{state=\"queued\"}"), None);
        let registered = scrape.value("etiqueta_images_registered_total");
        assert_eq!(registered, Some(1.0));
    }
}

#[rstest]
#[case::lost(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test]
async fn away_while_a_picture_is_tagged(#[case] line: Line) {
    let (proxy, server) = start(&[SHORT]).await;
    server
        .fakes
        .imagga()
        .traffic()
        .set_latency(Duration::from_millis(300));
    let post = tokio::spawn(server.post_soon(&jpeg(1)));
    until(&server, "it is being tagged", async || {
        tag_calls(&server) == 1
    })
    .await;
    proxy.set(line);
    let response = post.await.unwrap().unwrap();
    server.assert_no_storage(response).await;
    proxy.set(Line::Up);
    server.until_back("/images").await;
    assert_eq!(server.whole_images().await, 0);
    server.until_uploads_work(&jpeg(1)).await;
    assert_eq!(server.whole_images().await, 1);
    assert_eq!(tag_calls(&server), 1, "what was paid for is kept");
    server.assert_nothing_half_written().await;
}

#[tokio::test]
async fn slow() {
    let (proxy, server) = start(&[]).await;
    proxy.set(Line::Slow(Duration::from_millis(5)));
    server.register(&jpeg(1), "").await;
    assert_eq!(server.whole_images().await, 1);
    server.assert_lives().await;
}

#[rstest]
#[case::table_full((1114, "HY000", "The table 'etiqueta_original' is full"))]
#[case::disk_full((1021, "HY000", "Disk full (/tmp/#sql-1); waiting for someone to free some space"))]
#[case::read_only((1290, "HY000", "The MariaDB server is running with the --read-only option so it cannot execute this statement"))]
#[case::permission_lost((1142, "42000", "INSERT command denied to user 'etiqueta'@'localhost' for table `x`.`y`"))]
#[tokio::test]
async fn writing_is_refused(#[case] refusal: Refusal) {
    let (proxy, server) = start(&[ONE_CONNECTION]).await;
    server.register(&jpeg(1), "").await;
    proxy.refuse(refusal, false, None);
    until(&server, "it was refused", async || {
        let response = server.post(&jpeg(2), "").await;
        server.assert_no_storage(response).await;
        proxy.refused() > 0
    })
    .await;
    server.until_logged(refusal.2).await;
    server.until_back("/images").await;
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    server.assert_lives().await;
    proxy.relent();
    server.until_uploads_work(&jpeg(2)).await;
    assert_eq!(server.whole_images().await, 2);
    server.assert_nothing_half_written().await;
}

#[tokio::test]
async fn permission_to_read_lost() {
    const DENIED: &str = "SELECT command denied to user 'etiqueta'@'localhost' for table `x`.`y`";
    let (proxy, server) = start(&[ONE_CONNECTION]).await;
    server.register(&jpeg(1), "").await;
    proxy.refuse((1142, "42000", DENIED), true, None);
    until(&server, "it was refused", async || {
        server.assert_no_storage(server.get("/tags").await).await;
        proxy.refused() > 0
    })
    .await;
    server.assert_no_storage(server.get("/images").await).await;
    server.assert_lives().await;
    proxy.relent();
    server.until_back("/images").await;
    assert_eq!(server.whole_images().await, 1);
}

#[tokio::test]
async fn deadlock_is_retried() {
    const DEADLOCK: Refusal = (
        1213,
        "40001",
        "Deadlock found when trying to get lock; try restarting transaction",
    );
    let (proxy, server) = start(&[ONE_CONNECTION]).await;
    proxy.refuse(DEADLOCK, false, Some(3));
    server.until_back("/images").await;
    server.register(&jpeg(1), "").await;
    assert_eq!(proxy.refused(), 3);
    assert_eq!((server.whole_images().await, tag_calls(&server)), (1, 1));
}

#[tokio::test]
async fn row_locked_by_another_session_is_waited_for() {
    let (_proxy, server) = start(&[SHORT]).await;
    server.register(&jpeg(1), "").await;
    let mut other = server.database.session().await;
    other.query_drop("BEGIN").await.unwrap();
    let hold = "SELECT id FROM etiqueta_original FOR UPDATE";
    other.query_drop(hold).await.unwrap();
    let began = Instant::now();
    let refused = server.post(&jpeg(1), "").await;
    server.assert_no_storage(refused).await;
    assert!(began.elapsed() < 2 * TIMEOUT);
    assert_eq!(server.whole_images().await, 1, "reading goes on");
    other.query_drop("COMMIT").await.unwrap();
    server.register(&jpeg(1), "").await;
    assert_eq!(server.whole_images().await, 2);
}

#[tokio::test]
async fn no_connection_is_free() {
    let patient = ("ETIQUETA__DATABASE__TIMEOUT", "4s");
    let two = ("ETIQUETA__DATABASE__MAX_CONNECTIONS", "2");
    // Else the work of the start may have the connections when the posts want them.
    let alone = ("ETIQUETA__UPKEEP__ENABLED", "false");
    let (_proxy, server) = start(&[patient, two, alone]).await;
    let mut other = server.database.session().await;
    other
        .query_drop("LOCK TABLES etiqueta_original WRITE")
        .await
        .unwrap();
    let posts = [1, 2].map(|seed| tokio::spawn(server.post_soon(&jpeg(seed))));
    until(&server, "all connections are taken", async || {
        let began = Instant::now();
        let response = server.get("/tags").await;
        if response.status() == 200 {
            return false;
        }
        server.assert_no_storage(response).await;
        let elapsed = began.elapsed();
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
        true
    })
    .await;
    server.assert_lives().await;
    other.query_drop("UNLOCK TABLES").await.unwrap();
    for post in posts {
        assert_eq!(post.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(server.whole_images().await, 2);
}
