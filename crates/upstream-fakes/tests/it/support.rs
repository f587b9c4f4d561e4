//! A small client of both services, and sample pictures.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use upstream_fakes::Fakes;

pub(crate) const UPLOAD: &str = "/api/v1/files/upload";

/// A pair of fakes with a client.
pub(crate) struct Stage {
    pub(crate) fakes: Fakes,
    pub(crate) http: Client,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Fakes::start().await.unwrap())
    }

    pub(crate) fn with(fakes: Fakes) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self { fakes, http }
    }

    /// A request to ImageKit with its key.
    pub(crate) fn imagekit(&self, method: &str, path: &str) -> RequestBuilder {
        let host = self.fakes.imagekit();
        let url = format!("{}{path}", host.url());
        self.http
            .request(method.parse().unwrap(), url)
            .basic_auth(host.private_key(), Some(""))
    }

    /// A request to Imagga with its key.
    pub(crate) fn imagga(&self, method: &str, path: &str) -> RequestBuilder {
        let imagga = self.fakes.imagga();
        let url = format!("{}{path}", imagga.url());
        let request = self.http.request(method.parse().unwrap(), url);
        request.basic_auth(imagga.api_key(), Some(imagga.api_secret()))
    }

    pub(crate) async fn upload(&self, form: Form) -> Response {
        self.imagekit("POST", UPLOAD)
            .multipart(form)
            .send()
            .await
            .unwrap()
    }

    /// Hosts a picture; returns its id and its URL.
    pub(crate) async fn host(&self, bytes: Vec<u8>) -> (String, String) {
        let answer = self.upload(form(bytes)).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        (text(&answer["fileId"]), text(&answer["url"]))
    }

    pub(crate) async fn delete(&self, id: &str) -> Response {
        self.imagekit("DELETE", &format!("/v1/files/{id}"))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn tags_of_url(&self, url: &str) -> Response {
        let query = [("image_url", url)];
        self.imagga("GET", "/v2/tags")
            .query(&query)
            .send()
            .await
            .unwrap()
    }

    /// POST to `/v2/tags` with the picture itself.
    pub(crate) async fn tags_of_bytes(&self, bytes: Vec<u8>) -> Response {
        let form = Form::new().part("image", Part::bytes(bytes).file_name("a.png"));
        self.imagga("POST", "/v2/tags")
            .multipart(form)
            .send()
            .await
            .unwrap()
    }
}

/// The form of an ordinary upload.
pub(crate) fn form(bytes: Vec<u8>) -> Form {
    Form::new()
        .part("file", Part::bytes(bytes).file_name("a.png"))
        .text("fileName", "a.png")
}

/// A picture of one colour, 8 × 6 pixels.
pub(crate) fn picture(colour: [u8; 3], format: ImageFormat) -> Vec<u8> {
    let picture = DynamicImage::from(RgbImage::from_pixel(8, 6, Rgb(colour)));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn png() -> Vec<u8> {
    picture([200, 30, 30], ImageFormat::Png)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Status and ImageKit's message.
pub(crate) async fn refusal(answer: Response) -> (u16, String) {
    assert!(answer.headers().contains_key("x-ik-requestid"));
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["help"],
        "For support kindly contact us at support@imagekit.io ."
    );
    (status, text(&body["message"]))
}

/// Status and Imagga's text.
pub(crate) async fn error(answer: Response) -> (u16, String) {
    assert!(answer.headers().contains_key("monthly-limit-remaining"));
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"]["type"], "error");
    assert!(body.get("result").is_none());
    (status, text(&body["status"]["text"]))
}

/// Labels and confidences of a success.
pub(crate) async fn labels(answer: Response) -> Vec<(String, f64)> {
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"]["type"], "success");
    let tags = body["result"]["tags"].as_array().unwrap();
    tags.iter()
        .map(|t| (text(&t["tag"]["en"]), t["confidence"].as_f64().unwrap()))
        .collect()
}
