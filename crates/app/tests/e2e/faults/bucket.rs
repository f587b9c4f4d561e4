//! Originals in a bucket of a real S3 server, behind a proxy that injects faults.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, path::Path as Key,
};
use reqwest::Method;
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Route};

use super::{
    proxy::{Line, Proxy},
    until,
};
use crate::{
    database::{Database, Kind},
    pictures::{file, jpeg},
    server::{Server, command, run},
};

/// A prefix of the tests' bucket that is empty at first.
struct Bucket {
    prefix: Key,
    url: String,
    objects: Arc<dyn ObjectStore>,
    proxy: Proxy,
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; scripts/test starts an S3 server"))
}

impl Bucket {
    async fn create() -> Self {
        let url = format!(
            "{}/{}",
            variable("ETIQUETA_TEST_S3_URL"),
            uuid::Uuid::new_v4()
        );
        let endpoint = url::Url::parse(&variable("AWS_ENDPOINT_URL")).unwrap();
        let target = endpoint.socket_addrs(|| None).unwrap().remove(0);
        let builder = AmazonS3Builder::from_env()
            .with_url(&url)
            .with_allow_http(true);
        let prefix = url::Url::parse(&url).unwrap().path().to_owned();
        Self {
            prefix: Key::from(prefix),
            url,
            objects: Arc::new(builder.build().unwrap()),
            proxy: Proxy::to(target.to_string(), Line::Up).await,
        }
    }

    /// The variables of a server that reaches the bucket through the proxy.
    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("ETIQUETA__ORIGINALS__URL".to_owned(), self.url.clone()),
            (
                "AWS_ENDPOINT_URL".to_owned(),
                format!("http://127.0.0.1:{}", self.proxy.port),
            ),
        ];
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"] {
            variables.push((name.to_owned(), variable(name)));
        }
        variables
    }

    async fn server(&self, kind: Kind, more: &[(&str, &str)]) -> Server {
        let folder = Arc::new(TempDir::new().unwrap());
        let database = Arc::new(Database::create(kind, folder.path()).await);
        self.server_on(database, folder, more).await
    }

    async fn server_on(
        &self,
        database: Arc<Database>,
        folder: Arc<TempDir>,
        more: &[(&str, &str)],
    ) -> Server {
        let variables = self.variables();
        let of_bucket = variables.iter().map(|(name, value)| (&**name, &**value));
        let variables: Vec<_> = of_bucket.chain(more.iter().copied()).collect();
        let fakes = Fakes::start().await.unwrap();
        Server::start_on(database, folder, fakes, &variables).await
    }

    /// What is kept: originals, renditions, and originals set aside.
    async fn kept(&self) -> Vec<ObjectMeta> {
        let found = self.objects.list(Some(&self.prefix));
        let of_pictures = found.try_filter(|found| {
            let is_id = found.location.as_ref().contains(".etiqueta-databases");
            std::future::ready(!is_id)
        });
        of_pictures.try_collect().await.unwrap()
    }

    fn check(&self, server: &Server, arguments: &[&str]) -> (i32, String) {
        let mut command = command(server.folder.path());
        command
            .envs(self.variables())
            .env("ETIQUETA__DATABASE__URL", server.database.url())
            .arg("check")
            .args(arguments);
        let (code, output, errors) = run(command);
        (code, output + &errors)
    }
}

fn path_of(image: &Value) -> String {
    format!("/image/{}", image["id"].as_str().unwrap())
}

async fn bytes(server: &Server, path: &str) -> Vec<u8> {
    let response = server.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    response.bytes().await.unwrap().to_vec()
}

async fn delete(server: &Server, path: &str) {
    let response = server.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(response.status(), 204, "{path}");
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_kept_until_their_last_image_is_deleted(#[case] kind: Kind) {
    let bucket = Bucket::create().await;
    let often = [("ETIQUETA__UPKEEP__INTERVAL", "1s")];
    let server = bucket.server(kind, &often).await;
    let one = path_of(&server.register(&jpeg(1), "").await);
    let other = path_of(&server.register(&jpeg(1), "").await);
    assert_eq!(bytes(&server, &format!("{one}/file")).await, jpeg(1));
    let part = server.request(Method::GET, &format!("{one}/file"));
    let part = part.header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), jpeg(1)[10..20]);
    bytes(&server, &format!("{one}/thumbnail")).await;
    assert_eq!(bucket.kept().await.len(), 2, "an original and a rendition");
    let (code, said) = bucket.check(&server, &[]);
    assert_eq!(code, 0, "{said}");

    delete(&server, &one).await;
    assert_eq!(bytes(&server, &format!("{other}/file")).await, jpeg(1));
    delete(&server, &other).await;
    // A copy set aside outlives every request of the removal, for a day.
    until(&server, "only what was set aside is left", async || {
        let kept = bucket.kept().await;
        let is_aside = |found: &ObjectMeta| found.location.as_ref().contains(".etiqueta-removals");
        kept.iter().all(is_aside)
    })
    .await;
    let again = path_of(&server.register(&jpeg(1), "").await);
    assert_eq!(bytes(&server, &format!("{again}/file")).await, jpeg(1));
    let (code, said) = bucket.check(&server, &[]);
    assert_eq!(code, 0, "{said}");
}

#[rstest]
#[case::lost(Line::Down)]
#[case::hung(Line::Hung)]
#[tokio::test(flavor = "multi_thread")]
async fn away_and_back_again(#[case] line: Line) {
    let bucket = Bucket::create().await;
    let short = [("ETIQUETA__ORIGINALS__TIMEOUT", "1s")];
    let server = bucket.server(Kind::Sqlite, &short).await;
    let path = path_of(&server.register(&jpeg(1), "").await);
    bucket.proxy.set(line);
    let began = Instant::now();
    server
        .assert_no_storage(server.post(&jpeg(2), "").await)
        .await;
    server.assert_no_storage(server.get(&path).await).await;
    let elapsed = began.elapsed();
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert_eq!(server.json("/images").await.as_array().unwrap().len(), 1);
    server.assert_lives().await;
    bucket.proxy.set(Line::Up);
    bucket.proxy.break_off();
    server.until_uploads_work(&jpeg(2)).await;
    server.until_back("/readyz").await;
    assert_eq!(bytes(&server, &format!("{path}/file")).await, jpeg(1));
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 2, "what was paid for is kept");
}

const SLOW_DOWN: &str = "HTTP/1.1 503 Slow Down\r\nconnection: close\r\ncontent-length: 36\r\n\r\n\
                         <Error><Code>SlowDown</Code></Error>";
const SKEWED: &str = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 48\r\n\r\n\
                      <Error><Code>RequestTimeTooSkewed</Code></Error>";

/// A bucket that answers, but with an error: the log says what it said.
#[rstest]
#[case::slow_down(SLOW_DOWN, "SlowDown")]
#[case::clock(SKEWED, "RequestTimeTooSkewed")]
#[tokio::test(flavor = "multi_thread")]
async fn refused_and_back_again(#[case] answer: &'static str, #[case] code: &str) {
    let bucket = Bucket::create().await;
    let short = [("ETIQUETA__ORIGINALS__TIMEOUT", "2s")];
    let server = bucket.server(Kind::Sqlite, &short).await;
    let path = path_of(&server.register(&jpeg(1), "").await);
    bucket.proxy.set(Line::Answer(answer));
    server
        .assert_no_storage(server.post(&jpeg(2), "").await)
        .await;
    server.assert_no_storage(server.get(&path).await).await;
    assert_eq!(server.get("/tags").await.status(), 200);
    let (status, said) = bucket.check(&server, &[]);
    assert_ne!(status, 0, "{said}");
    assert!(said.contains(code), "{said}");
    bucket.proxy.set(Line::Up);
    server.until_uploads_work(&jpeg(2)).await;
    server.until_back("/readyz").await;
    assert_eq!(bytes(&server, &format!("{path}/file")).await, jpeg(1));
    let calls = server.fakes.imagga().traffic().calls(Route::Tags);
    assert_eq!(calls, 2, "what was paid for is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_told() {
    let bucket = Bucket::create().await;
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Sqlite, folder.path()).await);
    let mut command = command(folder.path());
    command
        .envs(bucket.variables())
        .env("AWS_SECRET_ACCESS_KEY", "another");
    let fakes = Fakes::start().await.unwrap();
    let server = Server::launch(database, folder, fakes, command, &[]);
    server.until_logged("SignatureDoesNotMatch").await;
    assert_eq!(server.get("/readyz").await.status(), 503);
    server
        .assert_no_storage(server.post(&jpeg(1), "").await)
        .await;
    server.assert_lives().await;
}

/// An answer that breaks off is never taken for the whole picture.
#[tokio::test(flavor = "multi_thread")]
async fn lost_half_way() {
    let bucket = Bucket::create().await;
    let short = [("ETIQUETA__ORIGINALS__TIMEOUT", "2s")];
    let server = bucket.server(Kind::Sqlite, &short).await;
    let picture = file(image::ImageFormat::Bmp, 400, 300, 7);
    let path = format!("{}/file", path_of(&server.register(&picture, "").await));
    // What is missing is asked for again.
    bucket.proxy.set(Line::Cut(100_000));
    assert_eq!(bytes(&server, &path).await, picture);
    bucket.proxy.set(Line::Cut(1000));
    let response = server.get(&path).await;
    let is_whole = response.status() == 200 && response.bytes().await.is_ok();
    assert!(!is_whole);
    bucket.proxy.set(Line::Cut(10));
    server
        .assert_no_storage(server.post(&jpeg(2), "").await)
        .await;
    bucket.proxy.set(Line::Up);
    server.until_uploads_work(&jpeg(2)).await;
    assert_eq!(bytes(&server, &path).await, picture);
    let (code, said) = bucket.check(&server, &[]);
    assert_eq!(code, 0, "{said}");
}

/// The deletion of a removal arrives late: after another server registered the same bytes.
#[rstest]
#[case::goes_on(false)]
#[case::killed(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_late_deletion_takes_nothing_from_an_upload(#[case] is_killed: bool) {
    let bucket = Bucket::create().await;
    let often = [("ETIQUETA__UPKEEP__INTERVAL", "1s")];
    let mut late = bucket.server(Kind::Mysql, &often).await;
    let image = late.register(&jpeg(1), "").await;
    bucket.proxy.set(Line::Without("POST"));
    delete(&late, &path_of(&image)).await;
    until(&late, "the deletion is under way", async || {
        bucket.proxy.held() > 0
    })
    .await;

    let (database, folder) = (late.database.clone(), late.folder.clone());
    let beside = Bucket {
        prefix: bucket.prefix.clone(),
        url: bucket.url.clone(),
        objects: bucket.objects.clone(),
        proxy: Proxy::to(bucket.proxy.target(), Line::Up).await,
    };
    // Lets a minute pass, after which uploads no longer wait for a removal.
    let statement =
        "UPDATE etiqueta_original SET removing_until = 1 WHERE removing_until IS NOT NULL";
    database.execute(statement).await;
    let server = beside.server_on(database, folder, &often).await;
    let again = format!("{}/file", path_of(&server.register(&jpeg(1), "").await));
    assert_eq!(bytes(&server, &again).await, jpeg(1));
    if is_killed {
        late.process.kill();
    }
    bucket.proxy.set(Line::Up);
    // What is missing for a moment is read from where it was set aside, and comes back.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        assert_eq!(bytes(&server, &again).await, jpeg(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let home = |found: &ObjectMeta| !found.location.as_ref().contains(".etiqueta-removals");
    until(&server, "it is at its place", async || {
        bucket.kept().await.iter().any(home)
    })
    .await;
    let (code, said) = beside.check(&server, &[]);
    assert_eq!(code, 0, "{said}");
}

/// An original that another program deleted from the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_object_is_found_and_put_again() {
    let bucket = Bucket::create().await;
    let server = bucket.server(Kind::Sqlite, &[]).await;
    let path = path_of(&server.register(&jpeg(1), "").await);
    let original = bucket.kept().await.remove(0);
    bucket.objects.delete(&original.location).await.unwrap();
    assert_eq!(server.get(&path).await.status(), 500);
    let (code, said) = bucket.check(&server, &[]);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("missing-original"), "{said}");
    server.register(&jpeg(1), "").await;
    assert_eq!(bytes(&server, &format!("{path}/file")).await, jpeg(1));
    let (code, said) = bucket.check(&server, &[]);
    assert_eq!(code, 0, "{said}");
}
