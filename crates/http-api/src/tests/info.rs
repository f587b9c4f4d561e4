//! `GET /image/{id}/info`, and what `GET /images?info=true` adds.

use std::sync::Arc;

use chrono::NaiveDate;
use domain::{
    CameraData, Image, ImageInfo, Location, NewImage,
    ports::{ImageStore as _, OriginalLedger as _},
};
use domain_testing::{FakeImageCodec, at, image};
use reqwest::{
    Method,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::test_server::{TestServer, picture};

/// A server whose pictures are all taken by the same camera.
fn with_camera() -> TestServer {
    let taken = NaiveDate::from_ymd_opt(2024, 1, 11).unwrap();
    let camera = CameraData {
        taken_at: taken.and_hms_opt(10, 4, 35),
        camera: Some("Canon EOS 5D".to_owned()),
        location: Location::new(40.5, -3.25),
    };
    TestServer::with(|setup| {
        setup.codec = Arc::new(FakeImageCodec::default().with_camera(camera));
    })
}

/// Records an image with what is known of it, as some server did.
pub(super) async fn record(server: &TestServer, image: &Image, info: ImageInfo) {
    let store = &server.store;
    let Image { digest, facts, .. } = image;
    store.claim(digest, facts, at(0), at(100)).await.unwrap();
    let new = NewImage {
        codes: Vec::new(),
        request: None,
        image: image.clone(),
        info,
        fence: None,
        said: None,
        taggings: Vec::new(),
    };
    store.record(&new).await.unwrap();
}

fn path(image: &Value) -> String {
    format!("/image/{}/info", image["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_keeps_what_is_known_of_it() {
    let server = with_camera();
    let image = server.register("x").await;
    let info = server.read(&path(&image)).await;
    let expected = json!({
        "id": image["id"],
        "type": "image/jpeg",
        "width": 640,
        "height": 480,
        "bytes": picture("x").len(),
        "sha256": server.originals.digests()[0].to_string(),
        "file_name": null,
        "taken_at": "2024-01-11 10:04:35",
        "camera": "Canon EOS 5D",
        "provider": "fake",
        "min_confidence": 0.0,
    });
    assert_eq!(info, expected, "without the location");
    let info = server.read(&(path(&image) + "?location=true")).await;
    assert_eq!(
        info["location"],
        json!({"latitude": 40.5, "longitude": -3.25})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn known_bytes_are_read_again() {
    let server = with_camera();
    server.register("x").await;
    let again = server.register("x").await;
    assert_eq!(server.provider.calls(), 1);
    let info = server.read(&path(&again)).await;
    assert_eq!(info["taken_at"], "2024-01-11 10:04:35");
    assert_eq!(info["provider"], "fake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_tells_the_name_of_its_file() {
    let server = TestServer::start();
    let file = Part::bytes(picture("x").to_vec()).file_name("niño.jpg");
    let request = server.request(Method::POST, "/image");
    let request = request.multipart(Form::new().part("file", file));
    let image: Value = request.send().await.unwrap().json().await.unwrap();
    let info = server.read(&path(&image)).await;
    assert_eq!(info["file_name"], "niño.jpg");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_is_null() {
    let server = TestServer::start();
    for (confidence, expected) in [(90.0, 80.0), (60.5, 60.5)] {
        let image = image(b"old", at(0), &[("car", confidence)]);
        record(&server, &image, ImageInfo::default()).await;
        let path = format!("/image/{}/info?location=true", image.id);
        let info = server.read(&path).await;
        for member in ["file_name", "taken_at", "camera", "provider", "location"] {
            assert_eq!(info.get(member), Some(&Value::Null), "{member}");
        }
        assert_eq!(info["min_confidence"], expected, "80 is the default");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_stored_under_the_name_it_came_with() {
    let server = TestServer::start();
    let image = image(b"x", at(0), &[]);
    let info = ImageInfo {
        file_name: Some("niño.jpg".to_owned()),
        ..ImageInfo::default()
    };
    record(&server, &image, info).await;
    let info = server.read(&format!("/image/{}/info", image.id)).await;
    assert_eq!(info["file_name"], "niño.jpg");
    let request = server.request(Method::GET, &format!("/image/{}/file", image.id));
    let response = request.header("if-none-match", "*").send().await.unwrap();
    assert_eq!(
        response.headers()["content-disposition"],
        "inline; filename=\"ni_o.jpg\"; filename*=UTF-8''ni%C3%B1o.jpg"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn info_of_no_image_is_not_found() {
    let server = TestServer::start();
    let refused = |path: &str, status, code: &'static str| {
        let request = server.request(Method::GET, path);
        let server = &server;
        async move { server.refused(request, status, code).await }
    };
    refused("/image/x/info", 400, "invalid-id").await;
    let missing = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/info";
    refused(missing, 404, "image-not-found").await;
    let wrong = refused(&format!("{missing}?location=1"), 400, "invalid-parameter").await;
    assert_eq!(wrong["parameter"], "location");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_tell_of_the_pictures_if_they_are_asked() {
    let server = with_camera();
    let registered = server.register("x").await;
    for path in ["/images", "/images?info=false", "/images?limit=5"] {
        let list = server.read(path).await;
        assert_eq!(list[0].as_object().unwrap().len(), 4, "{path}");
    }
    let expected = json!([{
        "id": registered["id"],
        "size": registered["size"],
        "date": registered["date"],
        "tags": registered["tags"],
        "type": "image/jpeg",
        "width": 640,
        "height": 480,
        "file_name": null,
        "taken_at": "2024-01-11 10:04:35",
    }]);
    assert_eq!(server.read("/images?info=true").await, expected);
    assert_eq!(server.read("/images?info=true&limit=5").await, expected);
    let request = server.request(Method::GET, "/images?info=yes");
    let wrong = server.refused(request, 400, "invalid-parameter").await;
    assert_eq!(wrong["parameter"], "info");
}
