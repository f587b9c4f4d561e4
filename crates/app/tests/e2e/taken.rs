//! `order=taken` and `taken…` in `q`.

use std::collections::HashMap;

use rstest::rstest;
use serde_json::Value;

use super::{
    database::Kind,
    lists::{ids, pages},
    pictures::{jpeg, taken},
    server::Server,
};

/// Registers pictures taken then, or with no camera's time.
async fn registered(server: &Server, times: &[Option<&str>]) -> Vec<String> {
    let mut images = Vec::new();
    for (seed, time) in (0..).zip(times) {
        let picture = time.map_or_else(|| jpeg(seed), |time| taken(seed, time));
        let image = server.register(&picture, "?min_confidence=10").await;
        images.push(image["id"].as_str().unwrap().to_owned());
    }
    images
}

async fn start(kind: Kind, zone: &str) -> Server {
    let fakes = upstream_fakes::Fakes::start().await.unwrap();
    Server::start_with(kind, fakes, &[("ETIQUETA__SERVER__TIMEZONE", zone)]).await
}

/// Each image once, by the camera's clock or the date of registration; ties by greatest id.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn lists_images_in_the_order_of_taking(#[case] kind: Kind) {
    let server = start(kind, "Pacific/Auckland").await;
    let images = registered(
        &server,
        &[
            Some("2024:03:31 02:30:00"),
            None,
            Some("2024:01:11 10:04:35"),
            Some("9998:12:31 23:59:59"),
            Some("2024:01:11 10:04:35"),
            None,
            Some("1931:05:01 12:00:00"),
        ],
    )
    .await;
    let expected: Vec<String> = [3, 5, 1, 0, 4, 2, 6]
        .map(|n: usize| images[n].clone())
        .into();
    assert_eq!(ids(&server.json("/images?order=taken").await), expected);
    let newest_first: Vec<String> = images.iter().rev().cloned().collect();
    for query in ["", "?order=registered"] {
        let list = server.json(&format!("/images{query}")).await;
        assert_eq!(ids(&list), newest_first);
    }
    for limit in [1, 2, 3, 7, 8] {
        let pages = pages(&server, &format!("order=taken&limit={limit}")).await;
        let listed: Vec<String> = pages.iter().flat_map(ids).collect();
        assert_eq!(listed, expected, "pages of {limit}");
    }
}

/// The earliest time of the camera that a list may show after that image; the image's date without one.
async fn times(server: &Server) -> HashMap<String, String> {
    let list = server.json("/images?info=true").await;
    let time = |image: &Value| {
        let taken = image["taken_at"].as_str().or(image["date"].as_str());
        (
            image["id"].as_str().unwrap().to_owned(),
            taken.unwrap().to_owned(),
        )
    };
    list.as_array().unwrap().iter().map(time).collect()
}

/// Beside labels, dates and conditions, each of which may lead to another index.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn the_order_of_taking_composes_with_filters(#[case] kind: Kind) {
    let server = start(kind, "America/New_York").await;
    let dates: Vec<String> = (0..9)
        .map(|n| format!("2020:0{}:01 00:00:00", 1 + n % 4))
        .collect();
    let times_written: Vec<Option<&str>> = dates.iter().map(|date| Some(date.as_str())).collect();
    registered(&server, &times_written).await;
    let image = server.register(&jpeg(200), "?min_confidence=10").await;
    let tag = image["tags"][0]["tag"]
        .as_str()
        .unwrap()
        .replace(' ', "%20");
    let times = times(&server).await;
    for query in [
        format!("tags={tag}"),
        format!("any_tags={tag},no-such-tag"),
        format!("not_tags={tag}"),
        "min_date=2024-01-01&max_date=9999-12-31".to_owned(),
        "max_date=2024-01-01".to_owned(),
        "q=width<1000%20type:jpeg".to_owned(),
        "q=taken>=2020-02-01".to_owned(),
        format!("q=taken<2020-03-01%20{}", format_args!("%22{tag}%22")),
        format!("q=-taken:2020-02-01&tags={tag}&min_confidence=20"),
    ] {
        let whole = ids(&server.json(&format!("/images?{query}")).await);
        let mut expected = whole;
        expected.sort_by(|a, b| (&times[b], b).cmp(&(&times[a], a)));
        let list = server.json(&format!("/images?{query}&order=taken")).await;
        assert_eq!(ids(&list), expected, "{query}");
        for limit in [1, 4] {
            let pages = pages(&server, &format!("{query}&order=taken&limit={limit}")).await;
            let listed: Vec<String> = pages.iter().flat_map(ids).collect();
            assert_eq!(listed, expected, "{query}, pages of {limit}");
        }
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn searches_by_the_time_of_taking(#[case] kind: Kind) {
    let server = start(kind, "Europe/Madrid").await;
    let images = registered(
        &server,
        &[
            Some("2024:01:11 00:00:00"),
            Some("2024:01:11 23:59:59"),
            Some("2024:03:31 02:30:00"),
            None,
        ],
    )
    .await;
    for (search, expected) in [
        ("taken:2024-01-11", vec![0, 1]),
        ("taken=2024-01-11", vec![0, 1]),
        ("taken>=2024-01-11", vec![0, 1, 2, 3]),
        ("taken>2024-01-11", vec![2, 3]),
        ("taken<=2024-01-11", vec![0, 1]),
        ("taken<2024-01-11", vec![]),
        ("taken<\"2024-01-11 23:59:59\"", vec![0]),
        ("taken<=2024-01-11T23:59:59", vec![0, 1]),
        ("taken:2024-03-31T02:30:00", vec![2]),
        ("-taken:2024-01-11", vec![2, 3]),
        ("taken<2000-01-01 | taken>2024-04-01", vec![3]),
        ("taken>=2024-01-11 taken<2024-02-01 width>=1", vec![0, 1]),
    ] {
        let search = url::form_urlencoded::byte_serialize(search.as_bytes()).collect::<String>();
        for order in ["registered", "taken"] {
            let list = server
                .json(&format!("/images?q={search}&order={order}"))
                .await;
            let mut found = ids(&list);
            found.sort_unstable();
            let mut expected: Vec<String> = expected
                .iter()
                .map(|n: &usize| images[*n].clone())
                .collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{search}");
        }
    }
    for (bad, position) in [
        ("a%20taken%3E=2024", 9),
        ("taken%3E=", 7),
        ("taken:2024-01-11T00:00:00Z", 6),
    ] {
        let response = server.get(&format!("/images?q={bad}")).await;
        let problem = server.assert_problem(response, 400, "invalid-query").await;
        assert_eq!(problem["position"], position, "{problem}");
    }
}

/// Cursors are kept by clients, also those of servers from before there were two orders.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn a_cursor_belongs_to_its_order(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, &[Some("2024:01:11 10:04:35"), None, None]).await;
    let next = async |query: &str| {
        let response = server.get(&format!("/images?limit=1{query}")).await;
        let link = response.headers()["link"].to_str().unwrap().to_owned();
        let cursor = link.split_once("cursor=").unwrap().1;
        let is_kept = link.contains(&format!("{query}&cursor="));
        assert!(is_kept, "{link}");
        cursor.split_once('>').unwrap().0.to_owned()
    };
    let (registered, taken) = (next("").await, next("&order=taken").await);
    for (query, expected) in [
        (format!("cursor={registered}"), 1),
        (format!("cursor={registered}&order=registered"), 1),
        (format!("cursor={taken}&order=taken"), 1),
    ] {
        let list = server.json(&format!("/images?{query}")).await;
        assert_eq!(ids(&list)[0], images[expected], "{query}");
    }
    for (query, parameter) in [
        (format!("cursor={registered}&order=taken"), "cursor"),
        (format!("cursor={taken}"), "cursor"),
        (format!("cursor={taken}&order=registered"), "cursor"),
        ("order=".to_owned(), "order"),
        ("order=Taken".to_owned(), "order"),
        ("order=taken&order=taken".to_owned(), "order"),
    ] {
        let response = server.get(&format!("/images?{query}")).await;
        let problem = server
            .assert_problem(response, 400, "invalid-parameter")
            .await;
        assert_eq!(problem["parameter"], parameter, "{problem}");
    }
}

/// A server from before the column knows nothing of the zone: its images are in the order of their dates in UTC.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn images_of_an_earlier_version_are_in_the_order(#[case] kind: Kind) {
    let server = start(kind, "Pacific/Auckland").await;
    let images = registered(&server, &[None, None, Some("2024:01:11 10:04:35")]).await;
    let earlier = "UPDATE etiqueta_image SET registered_local = NULL, taken_at = NULL";
    server.database.execute(earlier).await;
    let newest_first: Vec<String> = images.iter().rev().cloned().collect();
    assert_eq!(ids(&server.json("/images?order=taken").await), newest_first);
    let between = registered(&server, &[Some("2024:01:11 10:04:36")]).await;
    let later = registered(&server, &[None]).await;
    let expected = [later, newest_first, between].concat();
    assert_eq!(ids(&server.json("/images?order=taken").await), expected);
}
