//! Imagga: tags by every input, the shape of the response, and all errors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use upstream_fakes::{Route, tags_of};

use crate::support::{Stage, error, labels, picture, png, text};

const CLASSIFICATION: &str = "Unexpected error while running the classification job.";

#[tokio::test]
async fn a_hosted_picture_is_fetched_and_tagged() {
    let stage = Stage::new().await;
    let (_, url) = stage.host(png()).await;
    let answer = stage.tags_of_url(&url).await;
    assert_eq!(
        answer.headers()["content-type"],
        "application/json; charset=utf-8"
    );
    let seen = labels(answer).await;
    assert_eq!(seen, tags_of(&png()).unwrap());
    assert_eq!(seen.len(), 12);
    assert!(
        seen.iter()
            .filter(|(_, confidence)| *confidence > 80.0)
            .count()
            >= 6
    );
    assert!(seen.last().unwrap().1 < 80.0);
    assert!(seen.is_sorted_by(|left, right| left.1 > right.1));
    assert_eq!(stage.fakes.imagekit().traffic().calls(Route::Serve), 1);
}

#[tokio::test]
async fn tags_depend_on_the_colour_and_not_on_the_format() {
    let red = tags_of(&picture([200, 30, 30], ImageFormat::Bmp)).unwrap();
    assert_eq!(red, tags_of(&png()).unwrap());
    assert_ne!(
        red,
        tags_of(&picture([30, 200, 30], ImageFormat::Png)).unwrap()
    );
    let colours = [[0, 0, 0], [90, 90, 90], [255, 255, 255], [20, 40, 200]];
    for colour in colours {
        let seen = tags_of(&picture(colour, ImageFormat::Jpeg)).unwrap();
        assert!(
            seen.iter()
                .all(|(_, confidence)| (0.0..=100.0).contains(confidence))
        );
        assert!(seen.is_sorted_by(|left, right| left.1 > right.1));
    }
}

#[tokio::test]
async fn whole_confidence_has_no_decimals() {
    let stage = Stage::new().await;
    let answer = stage.tags_of_bytes(png()).await.text().await.unwrap();
    assert!(answer.contains(r#""confidence":100,"#), "{answer}");
    let body: Value = serde_json::from_str(&answer).unwrap();
    assert!(body["result"]["tags"][1]["confidence"].is_f64());
}

#[tokio::test]
async fn missing_picture_cannot_be_tagged() {
    let stage = Stage::new().await;
    let (id, url) = stage.host(png()).await;
    assert_eq!(stage.tags_of_url(&url).await.status(), 200);
    stage.delete(&id).await;
    assert_eq!(
        error(stage.tags_of_url(&url).await).await,
        (400, CLASSIFICATION.to_owned())
    );
}

#[tokio::test]
async fn undecodable_picture_cannot_be_tagged() {
    let stage = Stage::new().await;
    let jpeg = picture([9, 9, 9], ImageFormat::Jpeg);
    let cut = jpeg[..jpeg.len() - 20].to_vec();
    let cut_png = png()[..40].to_vec();
    for bytes in [b"no picture".to_vec(), cut, cut_png] {
        let answer = stage.tags_of_bytes(bytes.clone()).await;
        assert_eq!(error(answer).await, (400, CLASSIFICATION.to_owned()));
        let (_, url) = stage.host(bytes).await;
        assert_eq!(
            error(stage.tags_of_url(&url).await).await,
            (400, CLASSIFICATION.to_owned())
        );
    }
    assert_eq!(
        error(stage.tags_of_url("http://127.0.0.1:1/a.png").await)
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn an_address_must_be_percent_encoded() {
    let stage = Stage::new().await;
    let (_, url) = stage.host(png()).await;
    let answer = stage
        .imagga("GET", &format!("/v2/tags?image_url={url}"))
        .send()
        .await
        .unwrap();
    let message = "The parameter image_url is not percent-encoded.";
    assert_eq!(error(answer).await, (400, message.to_owned()));
    for url in [
        "not a url",
        "ftp://127.0.0.1/a.png",
        "http://127.0.0.1/a b.png",
    ] {
        let message = "The parameter image_url is no valid URL.";
        assert_eq!(
            error(stage.tags_of_url(url).await).await,
            (400, message.to_owned())
        );
    }
}

#[tokio::test]
async fn exactly_one_picture_is_wanted() {
    let stage = Stage::new().await;
    let get = async |query: &[(&str, &str)]| {
        error(
            stage
                .imagga("GET", "/v2/tags")
                .query(query)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let url = ("image_url", "http://127.0.0.1:1/a.png");
    let none = "Missing parameter: one of image_url, image_upload_id, image or image_base64.";
    let two = "Only one of image_url, image_upload_id, image or image_base64 may be given.";
    let wrong = "GET takes image_url or image_upload_id, POST takes image or image_base64.";
    let repeated = "A parameter is there more than once.";
    assert_eq!(get(&[]).await, (400, none.to_owned()));
    assert_eq!(
        get(&[url, ("image_upload_id", "i1")]).await,
        (400, two.to_owned())
    );
    assert_eq!(get(&[url, url]).await, (400, repeated.to_owned()));
    assert_eq!(
        get(&[("image_base64", "AAAA")]).await,
        (400, wrong.to_owned())
    );
    assert_eq!(
        get(&[url, ("lang", "en")]).await,
        (400, "A parameter is unknown.".to_owned())
    );

    let post = |form| stage.imagga("POST", "/v2/tags").multipart(form).send();
    let image = || Form::new().part("image", Part::bytes(png()).file_name("a.png"));
    assert_eq!(error(post(Form::new()).await.unwrap()).await.0, 400);
    let both = post(image().text("image_base64", STANDARD.encode(png())))
        .await
        .unwrap();
    assert_eq!(error(both).await, (400, two.to_owned()));
    let by_url = post(Form::new().text("image_url", "http://127.0.0.1:1/"))
        .await
        .unwrap();
    assert_eq!(error(by_url).await, (400, wrong.to_owned()));
    let text = post(Form::new().text("image", "abc")).await.unwrap();
    assert_eq!(error(text).await.0, 400);
}

#[tokio::test]
async fn the_picture_may_come_as_base64() {
    let stage = Stage::new().await;
    let fields = [
        ("image_base64", STANDARD.encode(png())),
        ("limit", "2".to_owned()),
    ];
    let answer = stage
        .imagga("POST", "/v2/tags")
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(labels(answer).await, tags_of(&png()).unwrap()[..2]);
    let broken = [("image_base64", "*")];
    let answer = stage
        .imagga("POST", "/v2/tags")
        .form(&broken)
        .send()
        .await
        .unwrap();
    assert_eq!(error(answer).await.0, 400);
}

#[tokio::test]
async fn limit_and_threshold_are_honoured() {
    let stage = Stage::new().await;
    let (_, url) = stage.host(png()).await;
    let all = tags_of(&png()).unwrap();
    let get = async |option: (&str, &str)| {
        let query = [("image_url", url.as_str()), option];
        stage
            .imagga("GET", "/v2/tags")
            .query(&query)
            .send()
            .await
            .unwrap()
    };
    assert_eq!(labels(get(("limit", "3")).await).await, all[..3]);
    assert_eq!(labels(get(("limit", "-1")).await).await, all);
    let exactly = all[4].1.to_string();
    assert_eq!(
        labels(get(("threshold", &exactly)).await).await,
        all[..5],
        "inclusive"
    );
    assert_eq!(labels(get(("threshold", "100")).await).await, all[..1]);
    for option in [
        ("limit", "0"),
        ("limit", "many"),
        ("threshold", "101"),
        ("threshold", "NaN"),
        ("verbose", "true"),
        ("language", "xx"),
        ("language", ""),
    ] {
        assert_eq!(error(get(option).await).await.0, 400, "{option:?}");
    }
}

#[tokio::test]
async fn labels_come_in_the_languages_asked_for() {
    let stage = Stage::new().await;
    stage
        .fakes
        .imagga()
        .always_see([("motor vehicle", 61.4), ("car", 100.0)]);
    let (_, url) = stage.host(png()).await;
    let get = async |option: (&str, &str)| {
        let query = [("image_url", url.as_str()), option];
        let answer = stage
            .imagga("GET", "/v2/tags")
            .query(&query)
            .send()
            .await
            .unwrap();
        answer.json::<Value>().await.unwrap()["result"]["tags"].clone()
    };
    let spanish = get(("language", "es")).await;
    assert_eq!(spanish[0]["tag"], serde_json::json!({ "es": "coche" }));
    let both = get(("language", "en,es")).await;
    let names = serde_json::json!({ "en": "motor vehicle", "es": "vehículo de motor" });
    assert_eq!(
        both[1],
        serde_json::json!({ "confidence": 61.4, "tag": names })
    );
    let verbose = get(("verbose", "1")).await;
    assert_eq!(text(&verbose[0]["synset_id"]), "n02958343");
    assert!(verbose[0]["origin"].is_string());
}

#[tokio::test]
async fn only_key_and_secret_are_let_in() {
    let stage = Stage::new().await;
    let imagga = stage.fakes.imagga();
    let url = format!("{}/v2/usage", imagga.url());
    let get = || stage.http.get(&url);
    for request in [
        get(),
        get().basic_auth(imagga.api_key(), Some("wrong")),
        get().basic_auth("wrong", Some(imagga.api_secret())),
        get().basic_auth(imagga.api_key(), None::<&str>),
        get().bearer_auth(imagga.api_key()),
    ] {
        assert_eq!(error(request.send().await.unwrap()).await.0, 401);
    }
}

#[tokio::test]
async fn other_paths_methods_and_media_types_are_refused() {
    let stage = Stage::new().await;
    let send = async |method, path| {
        error(stage.imagga(method, path).send().await.unwrap())
            .await
            .0
    };
    assert_eq!(send("GET", "/v2/categories").await, 404);
    assert_eq!(send("GET", "/tags").await, 404);
    assert_eq!(send("DELETE", "/v2/tags").await, 405);
    assert_eq!(send("POST", "/v2/usage").await, 405);
    let xml = stage
        .imagga("GET", "/v2/usage")
        .header("accept", "application/xml");
    assert_eq!(error(xml.send().await.unwrap()).await.0, 406);
    let json = stage
        .imagga("GET", "/v2/usage")
        .header("accept", "text/html, application/json");
    assert_eq!(json.send().await.unwrap().status(), 200);
}
