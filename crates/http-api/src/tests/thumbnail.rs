//! `GET /image/{id}/thumbnail`.

use std::sync::Arc;

use domain::{
    RenditionKey, RenditionSize,
    ports::{CodecError, MockImageCodec},
};
use domain_testing::FakeImageCodec;
use futures_util::future::join_all;
use reqwest::Method;

use super::test_server::{TestServer, picture};

/// A server with that codec that holds a picture, and the path of its thumbnail.
async fn registered(codec: &Arc<FakeImageCodec>) -> (TestServer, String) {
    let server = TestServer::with(|setup| setup.codec = codec.clone());
    let image = server.register("x").await;
    let path = format!("/image/{}/thumbnail", image["id"].as_str().unwrap());
    (server, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thumbnail_is_made_once_for_each_size() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    let before = codec.decodes();
    let digest = server.originals.digests()[0];
    for (query, pixels) in [
        ("", 256),
        ("?size=256", 256),
        ("?size=128", 128),
        ("?size=2048", 2048),
    ] {
        let response = server.get(&format!("{path}{query}")).await;
        assert_eq!(response.status(), 200, "{query}");
        let headers = response.headers().clone();
        for (name, value) in [
            ("content-type", "image/jpeg"),
            ("cache-control", "private, max-age=31536000, immutable"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "sandbox"),
            ("etag", &format!("\"{digest}-{pixels}-1\"")),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
        let (width, height) = (640.min(pixels), (480 * pixels / 640).min(480));
        let expected = FakeImageCodec::picture(width, height, "copy");
        assert_eq!(response.bytes().await.unwrap(), expected);
    }
    assert_eq!(codec.decodes() - before, 3, "256 only once");
    let sizes: Vec<_> = server
        .renditions
        .keys()
        .iter()
        .map(|key| key.size)
        .collect();
    assert_eq!(
        sizes,
        [256, 128, 2048].map(|size| RenditionSize::new(size).unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sizes_are_refused() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    for size in ["", "0256", "+256", "256.0", "255", "4096", "9999999999"] {
        let request = server.request(Method::GET, &format!("{path}?size={size}"));
        let refused = server.refused(request, 400, "invalid-parameter").await;
        assert_eq!(refused["parameter"], "size", "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_askers_cost_one_rendering() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    let before = codec.decodes();
    let answers = join_all((0..20).map(|_| server.get(&path))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(codec.decodes() - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_it_costs_nothing() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    let before = codec.decodes();
    let etag = format!("\"{}-256-1\"", server.originals.digests()[0]);
    let request = server.request(Method::GET, &path);
    let response = request.header("if-none-match", &etag).send().await.unwrap();
    assert_eq!(response.status(), 304);
    assert_eq!(response.headers()["etag"], etag);
    assert_eq!(codec.decodes(), before);
    let request = server
        .request(Method::GET, &path)
        .header("if-match", "\"x\"");
    server.refused(request, 412, "precondition-failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_thumbnail_is_made_again_and_a_store_that_fails_is_no_error() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    let first = server.get(&path).await.bytes().await.unwrap();
    server.renditions.set_down(true);
    assert_eq!(server.get(&path).await.bytes().await.unwrap(), first);
    server.renditions.set_down(false);
    let before = codec.decodes();
    assert_eq!(server.get(&path).await.bytes().await.unwrap(), first);
    assert_eq!(codec.decodes(), before, "it was kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_go_where_there_are_too_many() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, _) = registered(&codec).await;
    // Each has sixteen bytes; 500 bytes are kept, and 450 once they are passed.
    let mut newest = None;
    for n in 0..60 {
        let image = server.register(&format!("{n}")).await;
        let path = format!("/image/{}/thumbnail", image["id"].as_str().unwrap());
        assert_eq!(server.get(&path).await.status(), 200);
        newest = Some(domain::ContentDigest::of(&picture(&n.to_string())));
    }
    let kept = server.renditions.keys();
    assert!((28..=31).contains(&kept.len()), "{}", kept.len());
    let size = RenditionSize::default();
    let digest = newest.unwrap();
    assert_eq!(kept.last(), Some(&RenditionKey { digest, size }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rendered_is_told() {
    let mut codec = MockImageCodec::new();
    codec
        .expect_render()
        .returning(|_, _, _| Err(CodecError::Overloaded));
    let fakes = super::test_server::Fakes::default();
    let known = fakes.clone();
    let server = TestServer::with(move |setup| {
        setup.images = fakes.store.clone();
        setup.originals = fakes.originals.clone();
        setup.fakes = fakes;
    });
    let image = server.register("x").await;
    let path = format!("/image/{}/thumbnail", image["id"].as_str().unwrap());
    let server = TestServer::with(move |setup| {
        setup.images = known.store.clone();
        setup.originals = known.originals.clone();
        setup.codec = Arc::new(codec);
        setup.fakes = known;
    });
    let request = server.request(Method::GET, &path);
    server.refused(request, 503, "overloaded").await;
    let digest = server.originals.digests()[0];
    server.originals.tamper(&digest, "other");
    let request = server.request(Method::GET, &path);
    server.refused(request, 500, "internal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sizes_and_images_are_refused() {
    let codec = Arc::<FakeImageCodec>::default();
    let (server, path) = registered(&codec).await;
    for size in ["0", "255", "+256", "256px", "", "4096", "99999999999"] {
        let request = server.request(Method::GET, &path).query(&[("size", size)]);
        let wrong = server.refused(request, 400, "invalid-parameter").await;
        assert_eq!(wrong["parameter"], "size");
    }
    let missing = "/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777/thumbnail";
    let request = server.request(Method::GET, missing);
    server.refused(request, 404, "image-not-found").await;
    let request = server.request(Method::GET, "/image/x/thumbnail");
    server.refused(request, 400, "invalid-id").await;
}
