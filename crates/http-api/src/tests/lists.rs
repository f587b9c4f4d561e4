//! `GET /images`, `GET /image/{id}` and `GET /tags`.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use chrono::TimeDelta;
use domain::{
    Image, ImageId, ImageQuery, NewImage, PageKey,
    ports::{
        Counted, ImageCounter, ImageStore, ImageStoreError, MockImageStore, MockOriginalStore,
        OriginalContent, OriginalLedger, OriginalStoreError, cause,
    },
};
use domain_testing::{FakeDatabase, at, image};
use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::test_server::{TestServer, picture};

fn ids(list: &Value) -> Vec<&str> {
    let images = list.as_array().unwrap();
    images
        .iter()
        .map(|image| image["id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_may_be_quoted() {
    let server = TestServer::with(|setup| {
        let found = domain_testing::tags(&[("salt, pepper", 90.0), ("5\" \u{7}pipe", 90.0)]);
        let provider = domain_testing::FakeTagProvider::new(domain_testing::Pull::Jpeg(16));
        setup.fakes.provider = std::sync::Arc::new(provider.with_tags(found));
    });
    let id = server.register("x").await["id"].clone();
    for (query, found) in [
        ("tags=%22salt,%20pepper%22", true),
        ("any_tags=cat,%22Salt,+Pepper%22", true),
        ("not_tags=%22salt,%20pepper%22", false),
        ("tags=salt,%20pepper", false),
        ("tags=%225%22%22%20pipe%22", true),
        ("tags=5%22%20pipe", true),
    ] {
        let list = server.read(&format!("/images?{query}")).await;
        let ids: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|image| &image["id"])
            .collect();
        assert_eq!(ids, if found { vec![&id] } else { vec![] }, "{query}");
    }
    for name in ["tags", "any_tags", "not_tags"] {
        let request = server.request(reqwest::Method::GET, &format!("/images?{name}=%22a"));
        let refused = server.refused(request, 400, "invalid-parameter").await;
        assert_eq!(refused["parameter"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_listed_newest_first_without_their_bytes() {
    let server = TestServer::start();
    assert_eq!(server.read("/images").await, json!([]));
    let mut registered = Vec::new();
    for content in ["a", "b", "c"] {
        registered.push(server.register(content).await);
        server.clock.advance(TimeDelta::seconds(10));
    }
    for image in &mut registered {
        image.as_object_mut().unwrap().remove("data");
    }
    registered.reverse();
    assert_eq!(server.read("/images").await, Value::Array(registered));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_filtered_by_date_and_tags() {
    let server = TestServer::start();
    server.register("old").await;
    server.clock.advance(TimeDelta::milliseconds(10_999));
    let new = server.register("new").await;
    let new = [new["id"].as_str().unwrap()];
    for query in [
        "min_date=2024-01-01 00:00:01",
        "min_date=2024-01-01%2000:00:10&max_date=2024-01-01%2000:00:10",
        "min_date=2024-01-01T00:00:10.5Z&max_date=2024-01-01",
        "min_date=2024-01-01T02:00:10+02:00",
        "min_date=2024-01-01T02:00:10%2B02:00&tags=CAR, cab",
    ] {
        assert_eq!(
            ids(&server.read(&format!("/images?{query}")).await),
            new,
            "{query}"
        );
    }
    for query in [
        "max_date=2023-12-31",
        "min_date=2024-01-01%2000:00:11",
        "min_date=2024-01-02&max_date=2024-01-01",
        "tags=",
        "tags=,",
        "tags=car,,cab",
        "tags=submarine",
        "tags=car,submarine",
    ] {
        assert_eq!(
            server.read(&format!("/images?{query}")).await,
            json!([]),
            "{query}"
        );
        assert_eq!(
            server
                .get(&format!("/images?{query}"))
                .await
                .text()
                .await
                .unwrap(),
            "[]"
        );
    }
    assert_eq!(
        ids(&server.read("/images?tags=cab&max_date=2024-01-01").await).len(),
        2
    );
}

/// Records an image for each of these lists of tags, the newest first.
async fn record(store: &FakeDatabase, carried: &[&[(&str, f64)]]) -> Vec<Image> {
    let mut images = Vec::new();
    for (n, tags) in (0..).zip(carried.iter().rev()) {
        let image = image(&[n], at(i64::from(n)), tags);
        let Image { digest, facts, .. } = &image;
        store.claim(digest, facts, at(0), at(100)).await.unwrap();
        store
            .record(&NewImage {
                codes: Vec::new(),
                request: None,
                info: domain::ImageInfo::default(),
                fence: None,
                image: image.clone(),
                said: None,
                taggings: Vec::new(),
            })
            .await
            .unwrap();
        images.insert(0, image);
    }
    images
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_filtered_by_more_than_all_of_the_tags() {
    let server = TestServer::start();
    let images = record(
        &server.store,
        &[
            &[("car", 90.0), ("cab", 40.0)],
            &[("car", 50.0)],
            &[("motor vehicle", 70.0), ("cab", 60.0)],
            &[],
        ],
    )
    .await;
    for (query, expected) in [
        ("any_tags=car,cab", vec![0, 1, 2]),
        ("any_tags=Motor%20Vehicle,+,x", vec![2]),
        ("any_tags=car,cab&min_confidence=60", vec![0, 2]),
        ("any_tags=", vec![]),
        ("any_tags=x,y", vec![]),
        ("not_tags=car", vec![2, 3]),
        ("not_tags=car,cab&min_confidence=60", vec![1, 3]),
        ("not_tags=", vec![0, 1, 2, 3]),
        ("not_tags=x", vec![0, 1, 2, 3]),
        ("tags=car&min_confidence=50", vec![0, 1]),
        ("tags=car&min_confidence=50.1", vec![0]),
        ("tags=cab&any_tags=car,motor+vehicle&not_tags=x", vec![0, 2]),
        (
            "tags=cab&any_tags=car,motor+vehicle&min_confidence=60",
            vec![2],
        ),
        ("tags=car&not_tags=CAR", vec![]),
        ("min_confidence=100", vec![0, 1, 2, 3]),
    ] {
        let expected: Vec<String> = expected
            .into_iter()
            .map(|n: usize| images[n].id.to_string())
            .collect();
        for path in [
            format!("/images?{query}"),
            format!("/images?{query}&limit=4"),
        ] {
            assert_eq!(ids(&server.read(&path).await), expected, "{path}");
        }
    }
}

/// The pages of a list, by following the links.
async fn pages(server: &TestServer, query: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut path = format!("/images?{query}");
    loop {
        let response = server.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.content_length().is_some());
        let link = response.headers().get("link").cloned();
        let base = response.url().clone();
        pages.push(response.json().await.unwrap());
        let Some(link) = link else { return pages };
        let link = link.to_str().unwrap();
        let target = link.strip_prefix('<').unwrap();
        let target = target.strip_suffix(">; rel=\"next\"").unwrap();
        let next = base.join(target).unwrap();
        path = format!("{}?{}", next.path(), next.query().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_to_each_other_and_hold_the_list() {
    let server = TestServer::start();
    let tags: &[(&str, f64)] = &[("motor vehicle", 90.0), ("cab", 40.0)];
    record(&server.store, &[tags; 7]).await;
    for query in [
        "x=",
        "tags=motor%20vehicle,CAB",
        "any_tags=cab,b&not_tags=c&min_date=2024-01-01+00:00:00",
    ] {
        let query = query.strip_prefix("x=").unwrap_or(query);
        let whole = server.read(&format!("/images?{query}")).await;
        let whole = whole.as_array().unwrap();
        assert!(whole.len() >= 6);
        for limit in [1, 3, 6, 7, 8, 1000] {
            let pages = pages(&server, &format!("{query}&limit={limit}")).await;
            assert_eq!(pages.len(), whole.len().div_ceil(limit), "{query}, {limit}");
            let listed: Vec<&Value> = pages
                .iter()
                .flat_map(|page| page.as_array().unwrap())
                .collect();
            assert_eq!(listed, whole.iter().collect::<Vec<_>>());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_without_limit_runs_from_the_cursor_to_the_end() {
    let server = TestServer::start();
    let images = record(&server.store, &[&[("car", 90.0)][..]; 5]).await;
    assert!(!server.get("/images").await.headers().contains_key("link"));
    let first = server.get("/images?limit=2").await;
    let link = first.headers()["link"].to_str().unwrap().to_owned();
    let cursor = link
        .split("cursor=")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap();
    // Images registered meanwhile come before the cursor.
    server.clock.advance(TimeDelta::seconds(50));
    server.register("new").await;
    let rest = server.get(&format!("/images?cursor={cursor}")).await;
    assert!(!rest.headers().contains_key("link"));
    let rest: Value = rest.json().await.unwrap();
    let expected: Vec<String> = images[2..]
        .iter()
        .map(|image| image.id.to_string())
        .collect();
    assert_eq!(ids(&rest), expected);
    let page = server
        .read(&format!("/images?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(ids(&page), expected[..2]);
    let empty = server.get("/images?limit=2&tags=x").await;
    assert!(!empty.headers().contains_key("link"));
    assert_eq!(empty.text().await.unwrap(), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_of_a_page_has_its_link() {
    let server = TestServer::start();
    record(&server.store, &[&[("car", 90.0)][..]; 3]).await;
    let get = server.get("/images?limit=2").await;
    let head = server.send(Method::HEAD, "/images?limit=2").await;
    for name in ["link", "content-length", "content-type"] {
        assert_eq!(get.headers()[name], head.headers()[name]);
    }
    assert_eq!(head.text().await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_summed_up() {
    let server = TestServer::start();
    assert_eq!(server.read("/tags").await, json!([]));
    server.register("a").await;
    server.clock.advance(TimeDelta::seconds(10));
    let path = "/image?min_confidence=100";
    server
        .post(path, &super::test_server::upload(&picture("b")))
        .await;
    assert_eq!(
        server.read("/tags").await,
        json!([
            {"tag": "car", "n_images": 2, "min_confidence": 100.0, "max_confidence": 100.0, "mean_confidence": 100.0},
            {"tag": "auto", "n_images": 1, "min_confidence": 80.0, "max_confidence": 80.0, "mean_confidence": 80.0},
            {"tag": "cab", "n_images": 1, "min_confidence": 69.437_355_041_503_9, "max_confidence": 69.437_355_041_503_9, "mean_confidence": 69.437_355_041_503_9},
        ])
    );
    let late = server.read("/tags?min_date=2024-01-01%2000:00:10").await;
    assert_eq!(late.as_array().unwrap().len(), 1);
    assert_eq!(server.read("/tags?max_date=2023-12-31").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn confidences_of_a_tag_are_counted() {
    let server = TestServer::start();
    let bins = async |path: &str| server.read(path).await["bins"].clone();
    let expected = |bin: Option<usize>, images: u64| {
        let mut bins = [0; 20];
        if let Some(bin) = bin {
            bins[bin] = images;
        }
        json!(bins)
    };
    assert_eq!(bins("/tags/car/confidences").await, expected(None, 0));
    server.register("a").await;
    server.clock.advance(TimeDelta::seconds(10));
    server.register("b").await;
    let answer = server.read("/tags/%20CAB/confidences").await;
    assert_eq!(answer, json!({"tag": "cab", "bins": expected(Some(13), 2)}));
    assert_eq!(bins("/tags/auto/confidences").await, expected(Some(16), 2));
    assert_eq!(bins("/tags/car/confidences").await, expected(Some(19), 2));
    let late = "/tags/car/confidences?min_date=2024-01-01%2000:00:10";
    assert_eq!(bins(late).await, expected(Some(19), 1));
    let never = "/tags/car/confidences?min_date=2024-01-01&max_date=2023-12-31";
    assert_eq!(bins(never).await, expected(None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_a_path_is_percent_encoded() {
    let server = TestServer::start();
    for (path, name) in [
        ("a%2Fb", "a/b"),
        ("100%25", "100%"),
        ("50%252F", "50%2f"),
        ("a%2Bb", "a+b"),
        ("a+b", "a+b"),
        ("%C3%91u", "ñu"),
        ("salt%20%26%20pepper%3F", "salt & pepper?"),
    ] {
        let answer = server.read(&format!("/tags/{path}/confidences")).await;
        assert_eq!(answer["tag"], name, "{path}");
    }
    let long = format!("/tags/{}/confidences", "a".repeat(256));
    for path in ["/tags/%20/confidences", "/tags/%01/confidences", &long] {
        let request = server.request(Method::GET, path);
        let refused = server.refused(request, 400, "invalid-parameter").await;
        assert_eq!(refused["parameter"], "tag", "{path}");
    }
    let request = server.request(Method::GET, "/tags/car/confidences?limit=1");
    server.refused(request, 400, "invalid-parameter").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_completed() {
    let server = TestServer::start();
    server.register("a").await;
    let names = async |query: &str| -> Vec<String> {
        let tags = server.read(&format!("/tags?{query}")).await;
        let tags = tags.as_array().unwrap().iter();
        tags.map(|tag| tag["tag"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("prefix=CA").await, ["cab", "car"]);
    assert_eq!(names("order=name&limit=2").await, ["auto", "cab"]);
    assert_eq!(names("order=count&prefix=a").await, ["auto"]);
    assert!(names("prefix=x").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_found_by_a_search() {
    let server = TestServer::start();
    let old = server.register("old").await["id"].clone();
    server.clock.advance(TimeDelta::days(1));
    let new = server.register("new").await["id"].clone();
    let found = async |query: &str| -> Vec<Value> {
        let images = server
            .request(Method::GET, "/images")
            .query(&[("q", query)])
            .send()
            .await
            .unwrap();
        assert_eq!(images.status(), 200, "{query}");
        let images: Value = images.json().await.unwrap();
        images
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["id"].clone())
            .collect()
    };
    let both = [new.clone(), old.clone()];
    for query in [
        "",
        " ",
        "car",
        "car>=90 -dog",
        "(dog | cab) width=640",
        "NOT untagged type:jpeg|car",
    ] {
        assert_eq!(found(query).await, both, "{query}");
    }
    assert_eq!(found("car date<=2024-01-01").await, [old]);
    assert_eq!(found(r#"date>"2024-01-01 23:00:00""#).await, [new]);
    for query in ["dog", "cab>=70", "-car", "untagged", "height>480"] {
        assert!(found(query).await.is_empty(), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_a_search_has_its_position() {
    let server = TestServer::start();
    for (query, position, what) in [
        ("cat (dog", 4, "`)` is missing"),
        ("cat>=high", 5, "a number from 0 to 100"),
        ("source:me", 7, "the sources are provider, person and file"),
    ] {
        let request = server
            .request(Method::GET, "/images")
            .query(&[("q", query)]);
        let document = server.refused(request, 400, "invalid-query").await;
        assert_eq!(document["parameter"], "q");
        assert_eq!(document["position"], position, "{query}");
        assert!(
            document["detail"].as_str().unwrap().contains(what),
            "{document}"
        );
    }
}

#[rstest::rstest]
#[case("/images?min_date=", "min_date")]
#[case("/images?max_date=2024-1-1", "max_date")]
#[case("/images?min_date=2024-02-30", "min_date")]
#[case("/images?min_date=2024-01-01%2000:00:60", "min_date")]
#[case("/images?tag=car", "tag")]
#[case("/images?limit=0", "limit")]
#[case("/images?limit=1001", "limit")]
#[case("/images?limit=", "limit")]
#[case("/images?cursor=", "cursor")]
#[case("/images?cursor=2&limit=5", "cursor")]
#[case("/images?cursor=AgAGDdkrsYABMDEyMzQ1Njc4OWFiY2RlZg", "cursor")]
#[case("/images?min_confidence=101", "min_confidence")]
#[case("/images?offset=5", "offset")]
#[case("/tags?limit=0", "limit")]
#[case("/tags?order=size", "order")]
#[case("/tags?any_tags=a", "any_tags")]
#[case("/images?tags=a&tags=b", "tags")]
#[case("/images?tags=%ff", "tags")]
#[case("/tags?tags=car", "tags")]
#[case("/tags?min_date=now", "min_date")]
#[case("/image/7e0a214c-8f7e-44c3-bdc6-3ffa4d0cb777?x=1", "x")]
#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_refused(#[case] path: &str, #[case] name: &str) {
    let server = TestServer::start();
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(server.send(method, path).await.status(), 400);
    }
    let refused = server
        .refused(server.request(Method::GET, path), 400, "invalid-parameter")
        .await;
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains(&format!("`{name}`"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_found_by_its_id_in_either_case() {
    let server = TestServer::start();
    let registered = server.register("x").await;
    let id = registered["id"].as_str().unwrap();
    for id in [id.to_owned(), id.to_uppercase()] {
        assert_eq!(server.read(&format!("/image/{id}")).await, registered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_ids_are_refused() {
    let server = TestServer::start();
    let unknown = ImageId::new(at(0)).to_string();
    let get = |id: &str| server.request(Method::GET, &format!("/image/{id}"));
    server.refused(get(&unknown), 404, "image-not-found").await;
    for id in [
        "1",
        "x".repeat(36).as_str(),
        &unknown.replace('-', ""),
        "%20",
        "%ff",
        "..%2f..%2fetc",
    ] {
        server.refused(get(id), 400, "invalid-id").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn altered_bytes_are_not_served() {
    let server = TestServer::start();
    let id = server.register("x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let digest = server.originals.digests()[0];
    server.originals.tamper(&digest, "other");
    let request = server.request(Method::GET, &format!("/image/{id}"));
    server.refused(request, 500, "internal").await;
    server.originals.set_down(true);
    let request = server.request(Method::GET, &format!("/image/{id}"));
    server.refused(request, 503, "storage-unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_error_aborts_the_connection() {
    let bytes = Bytes::from(vec![7; 300_000]);
    let known = image(&bytes, at(0), &[("car", 90.0)]);
    let path = format!("/image/{}", known.id);
    let mut originals = MockOriginalStore::new();
    originals.expect_get().returning(move |_, _| {
        let gone = OriginalStoreError::Unavailable(cause("SECRET"));
        let pieces = [Ok(bytes.slice(..200_000)), Err(gone)];
        Ok(Some(OriginalContent {
            len: 300_000,
            stamp: None,
            stream: stream::iter(pieces).boxed(),
        }))
    });
    let mut store = MockImageStore::new();
    store
        .expect_find()
        .returning(move |_| Ok(Some(known.clone())));
    let server = TestServer::with(|setup| {
        setup.images = Arc::new(store);
        setup.originals = Arc::new(originals);
    });
    let response = server.get(&path).await;
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 400_000);
    assert!(response.bytes().await.is_err());
    let head = server.send(Method::HEAD, &path).await;
    assert_eq!(head.status(), 200);
}

/// A store of `total` images, of which the page with that number (from 0) fails.
fn failing(total: usize, bad_page: usize) -> (MockImageStore, Arc<AtomicUsize>) {
    let one: Image = image(b"x", at(0), &[("car", 90.0), ("motor vehicle", 80.0)]);
    let pages = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pages);
    let page = move |limit: NonZeroU32, image: &Image| {
        let page = count.fetch_add(1, Ordering::SeqCst);
        if page == bad_page {
            return Err(ImageStoreError::Unavailable(cause("SECRET")));
        }
        let limit = limit.get() as usize;
        let left = total.saturating_sub(page * limit).min(limit);
        Ok(vec![image.clone(); left])
    };
    let mut store = MockImageStore::new();
    let (image, first) = (one.clone(), page.clone());
    store
        .expect_page()
        .returning(move |_, _, limit| first(limit, &image));
    let image = one.clone();
    store
        .expect_untagged_page()
        .returning(move |_, _, limit| Ok(page(limit, &image)?.iter().map(Into::into).collect()));
    let tags = one.tags;
    store.expect_with_tags().returning(move |images| {
        let tagged = images.iter().map(|image| image.with(tags.clone()));
        Ok(tagged.collect())
    });
    (store, pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_whole() {
    let (store, _) = failing(1700, usize::MAX);
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    assert_eq!(server.read("/images").await.as_array().unwrap().len(), 1700);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_page_that_fails_is_a_problem() {
    let (store, _) = failing(1700, 0);
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    let refused = server
        .refused(
            server.request(Method::GET, "/images"),
            503,
            "storage-unavailable",
        )
        .await;
    assert!(!refused.to_string().contains("SECRET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_later_page_aborts_the_connection() {
    let (store, _) = failing(1700, 2);
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    let response = server.get("/images").await;
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());

    let (store, _) = failing(1700, 2);
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    let mut raw = server.connect().await;
    raw.send("GET /images HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert!(answer.contains("transfer-encoding: chunked"));
    assert!(!answer.ends_with("0\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn head_answers_as_get_without_the_list() {
    let (store, pages) = failing(100_000, usize::MAX);
    let server = TestServer::with(|setup| setup.images = Arc::new(store));
    let mut raw = server.connect().await;
    raw.send("HEAD /images HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    // The connection continues with the next response: nothing came after the head.
    raw.send("HEAD /images HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .await;
    assert!(raw.rest().await.ends_with("\r\n\r\n"));
    assert_eq!(pages.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_the_headers_of_get() {
    let server = TestServer::start();
    let id = server.register("x").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for path in [
        format!("/image/{id}"),
        "/tags".to_owned(),
        "/livez".to_owned(),
        "/image/1".to_owned(),
    ] {
        let get = server.get(&path).await;
        let head = server.send(Method::HEAD, &path).await;
        assert_eq!(get.status(), head.status());
        for name in ["content-length", "content-type"] {
            assert_eq!(get.headers()[name], head.headers()[name], "{path}");
        }
        assert!(head.headers().contains_key("x-request-id"));
        assert_eq!(head.text().await.unwrap(), "");
    }
}

fn total(response: &reqwest::Response) -> Option<u64> {
    let total = response.headers().get("x-total-count")?;
    Some(total.to_str().unwrap().parse().unwrap())
}

/// Whatever part of the list is sent.
#[tokio::test(flavor = "multi_thread")]
async fn all_matching_images_are_counted_on_demand() {
    let server = TestServer::start();
    let of_car: &[(&str, f64)] = &[("car", 90.0)];
    record(&server.store, &[of_car, &[], of_car, of_car, of_car, &[]]).await;
    let page = server.get("/images?tags=car&limit=1").await;
    assert_eq!(total(&page), None);
    let link = page.headers()["link"].to_str().unwrap().to_owned();
    let cursor = link.split_once("cursor=").unwrap().1;
    let cursor = cursor.split_once('>').unwrap().0;
    for (query, expected) in [
        ("", Some(6)),
        ("&limit=2", Some(6)),
        ("&tags=car", Some(4)),
        ("&tags=car&limit=1&order=taken", Some(4)),
        (&format!("&tags=car&limit=1&cursor={cursor}"), Some(4)),
        ("&max_date=2024-01-01%2000:00:02", Some(3)),
        ("&tags=", Some(0)),
        ("&q=-car", Some(2)),
    ] {
        let path = format!("/images?count=true{query}");
        let counted = server.get(&path).await;
        assert_eq!(total(&counted), expected, "{query}");
        let head = server.send(Method::HEAD, &path).await;
        assert_eq!(total(&head), expected, "{query}");
    }
    let uncounted = server.get("/images?count=false").await;
    assert_eq!(total(&uncounted), None);
    let request = server.request(Method::GET, "/images?count=yes");
    let refused = server.refused(request, 400, "invalid-parameter").await;
    assert_eq!(refused["parameter"], "count");
}

/// A count that never ends, of so many strides so far.
#[derive(Default)]
struct Endless(AtomicUsize);

#[async_trait::async_trait]
impl ImageCounter for Endless {
    async fn count_images(
        &self,
        query: &ImageQuery,
        _: Option<PageKey>,
    ) -> Result<Counted, ImageStoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let next = Some(PageKey::after(query.order, &image(b"x", at(0), &[])));
        Ok(Counted { images: 1, next })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_takes_too_long_is_left_out() {
    let counter = Arc::<Endless>::default();
    let server = TestServer::with(|setup| {
        setup.counter = counter.clone();
        setup.settings.count_timeout = std::time::Duration::from_millis(200);
    });
    let list = server.get("/images?count=true&limit=1").await;
    assert_eq!((list.status().as_u16(), total(&list)), (200, None));
    assert_eq!(list.text().await.unwrap(), "[]");
    assert_ended(&counter.0).await;
}

/// Waits until no further stride is begun.
async fn assert_ended(begun: &AtomicUsize) {
    let mut last = 0;
    for _ in 0..100 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = begun.load(Ordering::SeqCst);
        if now == last {
            return;
        }
        last = now;
    }
    panic!("the count goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_ends_with_its_caller() {
    let counter = Arc::<Endless>::default();
    let server = TestServer::with(|setup| setup.counter = counter.clone());
    let mut raw = server.connect().await;
    raw.send("GET /images?count=true HTTP/1.1\r\nHost: t\r\n\r\n")
        .await;
    super::test_server::until(|| counter.0.load(Ordering::SeqCst) > 1).await;
    drop(raw);
    assert_ended(&counter.0).await;
}
