//! ImageKit: upload, serving, deletion and all their errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use upstream_fakes::{Fakes, Route};

use crate::support::{Stage, UPLOAD, form, png, refusal, text};

#[tokio::test]
async fn an_upload_is_answered_as_documented_and_served() {
    let stage = Stage::new().await;
    let form = form(png())
        .text("folder", "tmp-tagging/")
        .text("tags", "one, two");
    let answer = stage.upload(form).await;
    assert!(answer.headers().contains_key("x-ik-requestid"));
    let body: Value = answer.json().await.unwrap();
    let name = text(&body["name"]);
    assert!(
        name.starts_with("a_") && name.len() == "a_123456789.png".len(),
        "{name}"
    );
    assert_eq!(text(&body["fileId"]).len(), 24);
    assert_eq!(body["filePath"], format!("/tmp-tagging/{name}"));
    assert_eq!(body["size"], png().len());
    assert_eq!(
        (body["width"].as_u64(), body["height"].as_u64()),
        (Some(8), Some(6))
    );
    assert_eq!(body["fileType"], "image");
    assert!(body["AITags"].is_null());

    let served = stage.http.get(text(&body["url"])).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "image/png");
    assert!(served.headers().contains_key("x-ik-requestid"));
    assert_eq!(served.bytes().await.unwrap(), png());
    let host = stage.fakes.imagekit();
    assert_eq!(
        host.files()[0].tags,
        Some(vec!["one".to_owned(), "two".to_owned()])
    );
    assert_eq!(host.pictures(), [png()]);
}

#[tokio::test]
async fn a_deleted_file_is_gone_at_once_and_for_good() {
    let stage = Stage::new().await;
    let (id, url) = stage.host(png()).await;
    let first = stage.delete(&id).await;
    assert_eq!(first.status(), 204);
    assert!(first.headers().contains_key("x-ik-requestid"));
    assert!(first.bytes().await.unwrap().is_empty());
    assert_eq!(
        refusal(stage.delete(&id).await).await,
        (404, "The requested file does not exist.".to_owned())
    );
    assert_eq!(stage.http.get(url).send().await.unwrap().status(), 404);
    let host = stage.fakes.imagekit();
    assert!(host.all_released());
    assert_eq!(
        (host.uploads(), host.releases(), host.peak_alive()),
        (1, 1, 1)
    );
    assert_eq!(
        host.pictures(),
        [png()],
        "a released picture can still be looked at"
    );
}

#[tokio::test]
async fn base64_text_is_decoded_plain_and_as_a_data_uri() {
    let stage = Stage::new().await;
    let encoded = STANDARD.encode(png());
    for file in [encoded.clone(), format!("data:image/png;base64,{encoded}")] {
        let form = Form::new().text("file", file).text("fileName", "img_1");
        assert_eq!(stage.upload(form).await.status(), 200);
    }
    assert_eq!(stage.fakes.imagekit().pictures(), [png(), png()]);
}

#[tokio::test]
async fn a_file_may_be_named_by_its_url() {
    let stage = Stage::new().await;
    let (id, url) = stage.host(png()).await;
    let by_url = |url: &str| {
        Form::new()
            .text("file", url.to_owned())
            .text("fileName", "b.png")
    };
    assert_eq!(stage.upload(by_url(&url)).await.status(), 200);
    assert_eq!(stage.fakes.imagekit().pictures()[1], png());
    stage.delete(&id).await;
    assert_eq!(refusal(stage.upload(by_url(&url)).await).await.0, 400);
}

#[tokio::test]
async fn names_are_cleaned() {
    let stage = Stage::new().await;
    let form = Form::new()
        .part("file", Part::bytes(png()).file_name("x"))
        .text("fileName", "ein Bild/ñ(1).png")
        .text("useUniqueFileName", "false");
    let body: Value = stage.upload(form).await.json().await.unwrap();
    assert_eq!(body["name"], "ein_Bild___1_.png");
}

#[tokio::test]
async fn only_the_private_key_without_a_password_is_let_in() {
    let stage = Stage::new().await;
    let url = format!("{}{UPLOAD}", stage.fakes.imagekit().url());
    let post = || stage.http.post(&url).multipart(form(png()));
    let key = stage.fakes.imagekit().private_key();
    let no_key = (
        401,
        "Your request does not contain private API key.".to_owned(),
    );
    assert_eq!(refusal(post().send().await.unwrap()).await, no_key);
    let wrong = (403, "Your account cannot be authenticated.".to_owned());
    for request in [
        post().basic_auth("private_other", Some("")),
        post().basic_auth(key, Some("secret")),
        post().bearer_auth(key),
    ] {
        assert_eq!(refusal(request.send().await.unwrap()).await, wrong);
    }
    assert_eq!(stage.fakes.imagekit().alive(), 0);
}

async fn assert_refused(stage: &Stage, form: Form, message: &str) {
    assert_eq!(
        refusal(stage.upload(form).await).await,
        (400, message.to_owned())
    );
    assert_eq!(stage.fakes.imagekit().uploads(), 0);
}

#[tokio::test]
async fn an_upload_without_file_or_name_is_refused() {
    let stage = Stage::new().await;
    let file = || Form::new().part("file", Part::bytes(png()).file_name("a.png"));
    let text = |file: &str| {
        Form::new()
            .text("file", file.to_owned())
            .text("fileName", "a")
    };
    // A part without a file name is text, and these bytes are not base64.
    let nameless = Form::new()
        .part("file", Part::bytes(png()))
        .text("fileName", "a.png");
    let missing_file = "Your request is missing file parameter.";
    let missing_name = "Your request is missing fileName parameter.";
    let invalid_file = "Your request contains invalid file parameter.";
    assert_refused(&stage, Form::new().text("fileName", "a.png"), missing_file).await;
    assert_refused(&stage, text(""), missing_file).await;
    assert_refused(&stage, file(), missing_name).await;
    assert_refused(&stage, file().text("fileName", ""), missing_name).await;
    assert_refused(&stage, text("no base64!"), invalid_file).await;
    assert_refused(&stage, nameless, invalid_file).await;
}

#[tokio::test]
async fn an_upload_with_a_wrong_field_is_refused() {
    let stage = Stage::new().await;
    let folder = "Your request contains invalid folder parameter.";
    let tags = "Your request contains invalid tags parameter.";
    let (deep, long) = ("/a".repeat(51), "x".repeat(501));
    for (name, value, message) in [
        (
            "token",
            "abc",
            "Your request contains both signature and basic auth.",
        ),
        ("folder", "/a b", folder),
        ("folder", &deep, folder),
        ("tags", "100%", tags),
        ("tags", &long, tags),
        (
            "filename",
            "a",
            "Your request contains an unknown parameter.",
        ),
        ("fileName", "b", "Your request contains invalid form data."),
        (
            "isPublished",
            "yes",
            "Your request contains a parameter that is neither true nor false.",
        ),
        (
            "customMetadata",
            "{",
            "Your request contains a parameter that is no stringified JSON.",
        ),
        (
            "responseFields",
            "colour",
            "Your request contains invalid responseFields parameter.",
        ),
    ] {
        let form = form(png()).text(name, value.to_owned());
        assert_refused(&stage, form, message).await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_multipart_form_is_refused() {
    let stage = Stage::new().await;
    let post = || stage.imagekit("POST", UPLOAD);
    let json = post().json(&serde_json::json!({ "file": "AAAA", "fileName": "a" }));
    assert_eq!(refusal(json.send().await.unwrap()).await.0, 400);
    let url_encoded = post().form(&[("file", "AAAA"), ("fileName", "a")]);
    assert_eq!(refusal(url_encoded.send().await.unwrap()).await.0, 400);
    let broken = post()
        .header("content-type", "multipart/form-data; boundary=x")
        .body("--y\r\n");
    assert_eq!(refusal(broken.send().await.unwrap()).await.0, 400);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused() {
    let stage = Stage::with(Fakes::builder().upload_limit(1_000).start().await.unwrap());
    let message = "Your request contains invalid file parameter. The file size exceeds limits.";
    let large = stage.upload(form(vec![1; 1_001])).await;
    assert_eq!(refusal(large).await, (400, message.to_owned()));
    assert_eq!(stage.upload(form(vec![1; 1_000])).await.status(), 200);
}

#[tokio::test]
async fn default_limit_is_25_mebibytes() {
    let stage = Stage::new().await;
    let limit = 25 * 1024 * 1024;
    assert_eq!(stage.upload(form(vec![1; limit])).await.status(), 200);
    for length in [limit + 1, 70 * 1024 * 1024] {
        let (status, message) = refusal(stage.upload(form(vec![1; length])).await).await;
        assert_eq!(status, 400);
        assert!(message.contains("exceeds limits"), "{message}");
    }
}

#[tokio::test]
async fn a_name_in_use_is_overwritten_unless_that_is_forbidden() {
    let stage = Stage::new().await;
    let plain = |bytes| form(bytes).text("useUniqueFileName", "false");
    let first: Value = stage.upload(plain(png())).await.json().await.unwrap();
    let second: Value = stage.upload(plain(vec![1])).await.json().await.unwrap();
    assert_eq!(first["fileId"], second["fileId"]);
    assert_eq!(second["fileType"], "non-image");
    assert_eq!(stage.fakes.imagekit().alive(), 1);
    let third = stage
        .upload(plain(png()).text("overwriteFile", "false"))
        .await;
    let body: Value = third.json().await.unwrap();
    assert_eq!(body["reason"], "FILE_ALREADY_EXISTS");
}

#[tokio::test]
async fn private_and_unpublished_pictures_cannot_be_fetched() {
    let stage = Stage::new().await;
    for (field, value, status) in [
        ("isPrivateFile", "true", 401),
        ("isPublished", "false", 404),
    ] {
        let answer = stage
            .upload(form(png()).text(field, value).text("responseFields", field))
            .await;
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body[field].to_string(), value);
        let served = stage.http.get(text(&body["url"])).send().await.unwrap();
        assert_eq!(served.status(), status);
    }
}

#[tokio::test]
async fn missing_files_are_not_found() {
    let stage = Stage::new().await;
    for (method, path) in [
        ("GET", UPLOAD),
        ("POST", "/api/v2/files/upload"),
        ("PUT", "/v1/files"),
        ("GET", "/"),
        ("POST", "/demo/a.png"),
    ] {
        let answer = stage.imagekit(method, path).send().await.unwrap();
        assert_eq!(refusal(answer).await.0, 404, "{method} {path}");
    }
    assert_eq!(stage.fakes.imagekit().traffic().calls(Route::Unknown), 5);
    assert_eq!(
        refusal(stage.delete("nonsense").await).await,
        (
            400,
            "Your request contains invalid fileId parameter.".to_owned()
        )
    );
}
