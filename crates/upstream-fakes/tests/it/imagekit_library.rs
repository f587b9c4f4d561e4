//! ImageKit: bulk deletion, listing, purging, and the rate limit of writes.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use serde_json::{Value, json};
use upstream_fakes::{Fakes, Seed};

use crate::support::{Stage, form, png, refusal, text};

const HOUR: Duration = Duration::from_hours(1);

async fn bulk_delete(stage: &Stage, body: &Value) -> Response {
    let path = "/v1/files/batch/deleteByFileIds";
    stage
        .imagekit("POST", path)
        .json(body)
        .send()
        .await
        .unwrap()
}

async fn list(stage: &Stage, query: &[(&str, &str)]) -> Response {
    stage
        .imagekit("GET", "/v1/files")
        .query(query)
        .send()
        .await
        .unwrap()
}

async fn names(stage: &Stage, query: &[(&str, &str)]) -> Vec<String> {
    let answer = list(stage, query).await;
    assert_eq!(answer.status(), 200);
    let files: Vec<Value> = answer.json().await.unwrap();
    files.iter().map(|file| text(&file["name"])).collect()
}

fn seed(stage: &Stage, folder: &str, name: &str, age: Duration) -> String {
    stage.fakes.imagekit().seed(Seed {
        name: name.to_owned(),
        folder: folder.to_owned(),
        bytes: Bytes::from(png()),
        tags: vec!["mine".to_owned()],
        age,
    })
}

#[tokio::test]
async fn a_bulk_deletion_deletes_all_or_nothing() {
    let stage = Stage::new().await;
    let (one, url) = stage.host(png()).await;
    let (two, _) = stage.host(png()).await;
    let gone = "0123456789abcdef01234567";
    let answer = bulk_delete(&stage, &json!({ "fileIds": [one, gone] })).await;
    assert_eq!(answer.status(), 404);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "The requested file(s) does not exist.");
    assert_eq!(body["missingFileIds"], json!([gone]));
    assert_eq!(stage.fakes.imagekit().alive(), 2);

    let answer = bulk_delete(&stage, &json!({ "fileIds": [one, two] })).await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["successfullyDeletedFileIds"], json!([one, two]));
    assert!(stage.fakes.imagekit().all_released());
    assert_eq!(stage.http.get(url).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_malformed_bulk_deletion_is_refused() {
    let stage = Stage::new().await;
    let id = "0123456789abcdef01234567";
    for (body, message) in [
        (json!({}), "fileIds parameter is missing."),
        (json!({ "fileIds": id }), "fileIds should be an Array."),
        (json!({ "fileIds": [] }), "fileIds is empty."),
        (
            json!({ "fileIds": vec![id; 101] }),
            "fileIds cannot have more than 100 items.",
        ),
        (
            json!({ "fileIds": [7] }),
            "Your request contains invalid fileId parameter.",
        ),
    ] {
        let answer = bulk_delete(&stage, &body).await;
        assert_eq!(refusal(answer).await, (400, message.to_owned()));
    }
}

#[tokio::test]
async fn files_are_listed_by_folder_and_in_pages() {
    let stage = Stage::new().await;
    seed(&stage, "/tmp-tagging", "c", 3 * HOUR);
    seed(&stage, "/tmp-tagging", "b", 2 * HOUR);
    seed(&stage, "/tmp-tagging/deeper", "x", HOUR);
    seed(&stage, "/", "root", HOUR);
    stage
        .upload(
            form(png())
                .text("folder", "tmp-tagging")
                .text("useUniqueFileName", "false"),
        )
        .await;
    let folder = ("path", "/tmp-tagging/");
    assert_eq!(names(&stage, &[folder]).await, ["c", "b", "a.png"]);
    assert_eq!(
        names(&stage, &[folder, ("sort", "DESC_CREATED")]).await,
        ["a.png", "b", "c"]
    );
    assert_eq!(
        names(&stage, &[folder, ("sort", "ASC_NAME")]).await,
        ["a.png", "b", "c"]
    );
    assert_eq!(
        names(&stage, &[folder, ("limit", "1"), ("skip", "1")]).await,
        ["b"]
    );
    assert_eq!(
        names(&stage, &[("path", "/"), ("type", "file")]).await,
        ["root"]
    );
    assert_eq!(
        names(&stage, &[("tags", "mine,other"), ("fileType", "image")])
            .await
            .len(),
        4
    );
    assert_eq!(names(&stage, &[("type", "folder")]).await.len(), 0);
    assert_eq!(names(&stage, &[]).await.len(), 5);
}

#[tokio::test]
async fn files_are_found_by_their_age() {
    let stage = Stage::new().await;
    seed(&stage, "/tmp-tagging", "old", 2 * HOUR);
    let young = seed(&stage, "/tmp-tagging", "young", HOUR / 2);
    let old = async |query: &str| {
        names(&stage, &[("path", "/tmp-tagging"), ("searchQuery", query)]).await
    };
    assert_eq!(old(r#"createdAt < "1h""#).await, ["old"]);
    assert_eq!(old(r#"createdAt >= "1h""#).await, ["young"]);
    assert_eq!(
        old(r#"createdAt < "2030-01-01T00:00:00.000Z" AND name = "old""#).await,
        ["old"]
    );
    assert_eq!(
        old(r#"createdAt > "2020-01-01" AND tags IN ["mine"]"#).await,
        ["old", "young"]
    );
    assert_eq!(old(r#"path : "/""#).await.len(), 2);
    assert!(stage.fakes.imagekit().backdate(&young, 3 * HOUR));
    assert_eq!(old(r#"createdAt < "1h""#).await, ["young", "old"]);
    let nonsense = list(&stage, &[("searchQuery", "created < 1h")]).await;
    assert_eq!(refusal(nonsense).await.0, 400);
}

#[tokio::test]
async fn a_listed_file_has_all_its_details() {
    let stage = Stage::new().await;
    let (id, url) = stage.host(png()).await;
    let files: Vec<Value> = list(&stage, &[]).await.json().await.unwrap();
    let details = stage
        .imagekit("GET", &format!("/v1/files/{id}/details"))
        .send()
        .await
        .unwrap();
    let details: Value = details.json().await.unwrap();
    assert_eq!(files, std::slice::from_ref(&details));
    assert_eq!((text(&details["fileId"]), text(&details["url"])), (id, url));
    assert_eq!(details["mime"], "image/png");
    let created = text(&details["createdAt"]);
    assert_eq!(created.len(), "2024-06-20T09:35:46.123Z".len(), "{created}");
    assert!(
        chrono::DateTime::parse_from_rfc3339(&created).is_ok(),
        "{created}"
    );
}

#[tokio::test]
async fn a_malformed_listing_is_refused() {
    let stage = Stage::new().await;
    for query in [
        ("limit", "0"),
        ("limit", "1001"),
        ("skip", "-1"),
        ("sort", "CREATED"),
        ("fileType", "picture"),
        ("type", "files"),
        ("folder", "/tmp"),
    ] {
        assert_eq!(
            refusal(list(&stage, &[query]).await).await.0,
            400,
            "{query:?}"
        );
    }
    let url = format!("{}/v1/files", stage.fakes.imagekit().url());
    assert_eq!(
        refusal(stage.http.get(url).send().await.unwrap()).await.0,
        401
    );
}

async fn purge(stage: &Stage, url: &str) -> Response {
    let body = json!({ "url": url });
    stage
        .imagekit("POST", "/v1/files/purge")
        .json(&body)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn cdn_serves_a_deleted_picture_until_it_is_purged() {
    let stage = Stage::with(Fakes::builder().cdn(true).start().await.unwrap());
    let (id, url) = stage.host(png()).await;
    stage.delete(&id).await;
    let read = async || stage.http.get(&url).send().await.unwrap().status().as_u16();
    assert_eq!(read().await, 200);
    assert_eq!(stage.fakes.imagekit().alive(), 0);
    assert!(!stage.fakes.imagekit().all_released());
    assert_eq!(stage.fakes.imagekit().cdn_copies().len(), 1);

    let answer = purge(&stage, &url).await;
    assert_eq!(answer.status(), 201);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(read().await, 404);
    assert!(stage.fakes.imagekit().all_released());
    let path = format!("/v1/files/purge/{}", text(&body["requestId"]));
    let status: Value = stage
        .imagekit("GET", &path)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(status["status"], "Completed");
}

#[tokio::test]
async fn purge_before_deletion_lasts_until_the_next_read() {
    let stage = Stage::with(Fakes::builder().cdn(true).start().await.unwrap());
    let (unread, unread_url) = stage.host(png()).await;
    let (read, read_url) = stage.host(png()).await;
    purge(&stage, &unread_url).await;
    purge(&stage, &read_url).await;
    stage.http.get(&read_url).send().await.unwrap();
    stage.delete(&unread).await;
    stage.delete(&read).await;
    assert_eq!(
        stage.http.get(unread_url).send().await.unwrap().status(),
        404
    );
    assert_eq!(stage.http.get(read_url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_urls_of_the_account_are_purged() {
    let stage = Stage::new().await;
    for url in ["https://example.com/a.png", "", "/demo/a.png"] {
        assert_eq!(refusal(purge(&stage, url).await).await.0, 400, "{url}");
    }
    let unknown = stage
        .imagekit("GET", "/v1/files/purge/nonsense")
        .send()
        .await
        .unwrap();
    assert_eq!(refusal(unknown).await.0, 404);
}

#[tokio::test]
async fn excess_writes_are_rejected_with_the_time_to_wait() {
    let stage = Stage::with(
        Fakes::builder()
            .writes_per_second(Some(2))
            .start()
            .await
            .unwrap(),
    );
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(stage.host(png()).await.0);
    }
    assert_eq!(stage.delete(&ids[0]).await.status(), 204);
    assert_eq!(stage.delete(&ids[1]).await.status(), 204);
    let refused = stage.delete(&ids[2]).await;
    let header = |name: &str| {
        refused.headers()[name]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-interval")),
        (2, 1_000)
    );
    let wait = header("x-ratelimit-reset");
    assert!(wait <= 1_000, "{wait}");
    assert_eq!(refusal(refused).await.0, 429);
    assert_eq!(
        list(&stage, &[]).await.status(),
        200,
        "reading is not limited"
    );
    tokio::time::sleep(Duration::from_millis(wait + 1)).await;
    assert_eq!(stage.delete(&ids[2]).await.status(), 204);
}
