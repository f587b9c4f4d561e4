//! `GET /images` and `GET /tags`.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use super::{database::Kind, pictures::jpeg, server::Server};

pub fn ids(list: &Value) -> Vec<String> {
    let images = list.as_array().unwrap().iter();
    images
        .map(|image| image["id"].as_str().unwrap().to_owned())
        .collect()
}

fn labels(image: &Value) -> Vec<String> {
    let tags = image["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag["tag"].as_str().unwrap().to_owned())
        .collect()
}

/// Registers pictures; the newest comes first, as in the lists.
async fn registered(server: &Server, count: u8) -> Vec<Value> {
    let mut images = Vec::new();
    for seed in 0..count {
        let mut image = server
            .register(&jpeg(seed * 37), "?min_confidence=10")
            .await;
        image.as_object_mut().unwrap().remove("data");
        images.insert(0, image);
    }
    images
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn lists_all_images_newest_first(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    assert_eq!(server.json("/images").await, Value::Array(Vec::new()));
    assert_eq!(server.json("/tags").await, Value::Array(Vec::new()));
    let images = registered(&server, 5).await;
    assert_eq!(server.json("/images").await, Value::Array(images));
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn filters_by_all_of_the_tags(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 6).await;
    let expected = |wanted: &[&str]| -> Vec<String> {
        let carry = |image: &&Value| {
            wanted
                .iter()
                .all(|tag| labels(image).iter().any(|l| l == tag))
        };
        images
            .iter()
            .filter(carry)
            .map(|image| image["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let of_the_first = labels(&images[0]);
    let (a, b) = (
        of_the_first[0].as_str(),
        of_the_first.last().unwrap().as_str(),
    );
    let both = format!("{},{}", encode(a), encode(b));
    assert!(!expected(&[a, b]).is_empty());
    for (query, wanted) in [
        (encode(a), vec![a]),
        (both.clone(), vec![a, b]),
        (
            format!(
                "%20{},%20{}%20",
                encode(b).to_uppercase().replace("%20", "+"),
                encode(a)
            ),
            vec![a, b],
        ),
        (format!("{both},{both}"), vec![a, b]),
    ] {
        let list = server.json(&format!("/images?tags={query}")).await;
        assert_eq!(ids(&list), expected(&wanted), "{query}");
    }
    for nothing in [
        "",
        ",",
        "no-such-tag",
        &format!("{both},,"),
        &format!("{both},no-such-tag"),
    ] {
        let list = server.json(&format!("/images?tags={nothing}")).await;
        assert_eq!(list, Value::Array(Vec::new()), "tags={nothing}");
    }
}

fn encode(tag: &str) -> String {
    tag.replace(' ', "%20")
}

/// The tags of an image, with their confidences.
fn tags(image: &Value) -> BTreeMap<&str, f64> {
    let tags = image["tags"].as_array().unwrap().iter();
    tags.map(|tag| {
        let label = tag["tag"].as_str().unwrap();
        (label, tag["confidence"].as_f64().unwrap())
    })
    .collect()
}

/// The ids of the images that match.
fn passing(images: &[Value], passes: impl Fn(&BTreeMap<&str, f64>) -> bool) -> Vec<String> {
    let passing = images.iter().filter(|image| passes(&tags(image)));
    passing
        .map(|image| image["id"].as_str().unwrap().to_owned())
        .collect()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn filters_by_any_and_none_of_the_tags_and_by_confidence(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 7).await;
    let of_the_first = tags(&images[0]);
    let of_the_last = tags(&images[6]);
    let (a, b) = (
        *of_the_first.keys().next().unwrap(),
        *of_the_last.keys().next_back().unwrap(),
    );
    let (a_encoded, b_encoded) = (encode(a), encode(b));
    let at = of_the_first[a];
    let carries = |tags: &BTreeMap<&str, f64>, label: &str, lowest: f64| {
        tags.get(label)
            .is_some_and(|confidence| *confidence >= lowest)
    };
    for (query, expected) in [
        (
            format!("any_tags={a_encoded},{b_encoded},no-such-tag,"),
            passing(&images, |tags| {
                carries(tags, a, 0.0) || carries(tags, b, 0.0)
            }),
        ),
        (
            format!("not_tags={a_encoded},no-such-tag,"),
            passing(&images, |tags| !carries(tags, a, 0.0)),
        ),
        (
            format!("tags={a_encoded}&min_confidence={at}"),
            passing(&images, |tags| carries(tags, a, at)),
        ),
        (
            format!("not_tags={a_encoded}&min_confidence={at}"),
            passing(&images, |tags| !carries(tags, a, at)),
        ),
        (
            format!("tags={b_encoded}&not_tags={a_encoded}&min_confidence=30"),
            passing(&images, |tags| {
                carries(tags, b, 30.0) && !carries(tags, a, 30.0)
            }),
        ),
        (
            format!("any_tags={a_encoded},{b_encoded}&tags={b_encoded}"),
            passing(&images, |tags| carries(tags, b, 0.0)),
        ),
        ("any_tags=no-such-tag".to_owned(), Vec::new()),
        ("any_tags=".to_owned(), Vec::new()),
    ] {
        for limit in ["", "&limit=7"] {
            let list = server.json(&format!("/images?{query}{limit}")).await;
            assert_eq!(ids(&list), expected, "{query}{limit}");
        }
    }
}

/// More labels than a database can join tables.
#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn any_number_of_tags_may_be_asked_for(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 3).await;
    let everything = passing(&images, |_| true);
    let carried: Vec<String> = labels(&images[0]).iter().map(|tag| encode(tag)).collect();
    for count in [1, 8, 61, 70, 300] {
        let others = (0..count).map(|n| format!("no-such-tag-{n}"));
        let others = others.collect::<Vec<_>>().join(",");
        let none = server.json(&format!("/images?tags={others}")).await;
        assert_eq!(ids(&none), Vec::<String>::new());
        let all = server.json(&format!("/images?not_tags={others}")).await;
        assert_eq!(ids(&all), everything);
        let query = format!("/images?any_tags={others},{}", carried[0]);
        let label = &labels(&images[0])[0];
        let expected = passing(&images, |tags| tags.contains_key(label.as_str()));
        assert_eq!(ids(&server.json(&query).await), expected);
    }
}

/// The pages of a list, by following the links.
pub async fn pages(server: &Server, query: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut path = format!("/images?{query}");
    loop {
        let response = server.get(&path).await;
        assert_eq!(response.status(), 200, "{path}");
        let link = response.headers().get("link").cloned();
        let base = response.url().clone();
        pages.push(response.json().await.unwrap());
        let Some(link) = link else { return pages };
        let (target, rest) = link.to_str().unwrap().split_once('>').unwrap();
        assert_eq!(rest, "; rel=\"next\"");
        let next = base.join(target.strip_prefix('<').unwrap()).unwrap();
        path = format!("{}?{}", next.path(), next.query().unwrap());
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn pages_hold_the_whole_list(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 7).await;
    let tag = encode(&labels(&images[0])[0]);
    for query in [
        "max_date=9999-12-31".to_owned(),
        format!("tags={tag}"),
        format!("any_tags={tag},x&not_tags=y"),
        format!("not_tags={tag}&min_confidence=50"),
    ] {
        let whole = server.json(&format!("/images?{query}")).await;
        let whole = whole.as_array().unwrap();
        for limit in [1, 3, 7, 1000] {
            let pages = pages(&server, &format!("{query}&limit={limit}")).await;
            assert_eq!(pages.len(), whole.len().div_ceil(limit).max(1), "{query}");
            let listed: Vec<&Value> = pages
                .iter()
                .flat_map(|page| page.as_array().unwrap())
                .collect();
            assert_eq!(listed, whole.iter().collect::<Vec<_>>(), "{query}");
        }
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "cursor=",
        "min_confidence=high",
    ] {
        let response = server.get(&format!("/images?{bad}")).await;
        let problem = server
            .assert_problem(response, 400, "invalid-parameter")
            .await;
        let name = bad.split('=').next().unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains(name),
            "{problem}"
        );
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn filters_by_date_inclusively_at_the_second(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let image = registered(&server, 1).await.remove(0);
    let date = image["date"].as_str().unwrap();
    let at = chrono::NaiveDateTime::parse_from_str(date, "%Y-%m-%d %H:%M:%S").unwrap();
    let text = |seconds: i64, form: &str| {
        (at + chrono::TimeDelta::seconds(seconds))
            .format(form)
            .to_string()
            .replace('+', "%2B")
    };
    let seed = "%Y-%m-%d %H:%M:%S";
    for (query, is_listed) in [
        (format!("min_date={date}&max_date={date}"), true),
        (format!("min_date={}", text(1, seed)), false),
        (format!("max_date={}", text(-1, seed)), false),
        (
            format!("min_date={}&max_date={}", text(-1, seed), text(1, seed)),
            true,
        ),
        (
            format!("min_date={}&max_date={}", text(1, seed), text(-1, seed)),
            false,
        ),
        (format!("min_date={}", text(0, "%Y-%m-%dT%H:%M:%S")), true),
        (format!("min_date={}", text(0, "%Y-%m-%dT%H:%M:%SZ")), true),
        (
            format!("max_date={}", text(7200, "%Y-%m-%dT%H:%M:%S+02:00")),
            true,
        ),
        (
            format!("max_date={}", text(7199, "%Y-%m-%dT%H:%M:%S+02:00")),
            false,
        ),
        (
            format!("min_date={}", text(0, "%Y-%m-%d %H:%M:%S.000000")),
            true,
        ),
        (
            format!("min_date={}", text(1, "%Y-%m-%d %H:%M:%S.000000")),
            false,
        ),
        (
            format!("min_date={0}&max_date={0}", text(0, "%Y-%m-%d")),
            true,
        ),
        (format!("max_date={}", text(-86_400, "%Y-%m-%d")), false),
    ] {
        for route in ["images", "tags"] {
            let list = server.json(&format!("/{route}?{query}")).await;
            assert_eq!(
                !list.as_array().unwrap().is_empty(),
                is_listed,
                "/{route}?{query}"
            );
        }
    }
}

#[tokio::test]
async fn dates_that_are_none() {
    let server = Server::start(Kind::Sqlite).await;
    for bad in [
        "",
        "yesterday",
        "2024-02-30 00:00:00",
        "2024-1-1 00:00:00",
        "2024-01-01 24:00:00",
        "2024-01-01 00:00:60",
        "2024-01-01 00:00",
        "%2B2024-01-01 00:00:00",
        "2024-01-01  00:00:00",
        "2024-01-01 00:00:00%20",
        "1704067200",
    ] {
        for route in ["images", "tags"] {
            for parameter in ["min_date", "max_date"] {
                let response = server.get(&format!("/{route}?{parameter}={bad}")).await;
                let problem = server
                    .assert_problem(response, 400, "invalid-parameter")
                    .await;
                assert!(
                    problem["detail"].as_str().unwrap().contains(parameter),
                    "{problem}"
                );
            }
        }
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn sums_up_the_tags(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 6).await;
    let mut by_label: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for tag in images
        .iter()
        .flat_map(|image| image["tags"].as_array().unwrap())
    {
        let label = tag["tag"].as_str().unwrap().to_owned();
        by_label
            .entry(label)
            .or_default()
            .push(tag["confidence"].as_f64().unwrap());
    }
    let mut expected: Vec<(String, Vec<f64>)> = by_label.into_iter().collect();
    expected.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then_with(|| a.0.cmp(&b.0)));

    let tags = server.json("/tags").await;
    let tags = tags.as_array().unwrap();
    assert_eq!(tags.len(), expected.len());
    for (tag, (label, values)) in tags.iter().zip(&expected) {
        assert_eq!(tag.as_object().unwrap().len(), 5);
        assert_eq!(tag["tag"], *label);
        assert_eq!(tag["n_images"], values.len());
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        assert_eq!(tag["min_confidence"].as_f64().unwrap(), least);
        assert_eq!(tag["max_confidence"].as_f64().unwrap(), most);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((tag["mean_confidence"].as_f64().unwrap() - mean).abs() < 1e-9);
        let bins = [0_u32; 20].map({
            let mut edge = 0.0;
            move |_| {
                let (from, until) = (edge, if edge < 95.0 { edge + 5.0 } else { f64::MAX });
                edge += 5.0;
                let inside = values.iter().filter(|it| (from..until).contains(*it));
                inside.count()
            }
        });
        let path = format!("/tags/{}/confidences", label.replace(' ', "%20"));
        let counted = server.json(&path).await;
        assert_eq!(counted, json!({"tag": label, "bins": bins}));
    }
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn a_list_longer_than_a_page_is_whole(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let picture = jpeg(9);
    for _ in 0..12 {
        let posts = (0..100).map(|_| server.register_owned(picture.clone()));
        futures_util::future::join_all(posts).await;
    }
    let list = server.json("/images").await;
    let mut listed = ids(&list);
    let dates: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["date"].as_str().unwrap())
        .collect();
    assert!(dates.is_sorted_by(|a, b| a >= b));
    assert_eq!(listed.len(), 1200);
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), 1200);
    assert_eq!(server.fakes.imagekit().uploads(), 1);
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn counts_all_images_that_match(#[case] kind: Kind) {
    let server = Server::start(kind).await;
    let images = registered(&server, 7).await;
    let tag = encode(&labels(&images[0])[0]);
    for query in [
        "max_date=9999-12-31".to_owned(),
        "max_date=2001-01-01".to_owned(),
        format!("tags={tag}"),
        format!("any_tags={tag},x&not_tags=y"),
        format!("not_tags={tag}&min_confidence=50"),
        "q=width<10".to_owned(),
        "q=taken>=2024-01-01&order=taken".to_owned(),
    ] {
        let count = ids(&server.json(&format!("/images?{query}")).await).len();
        for page in ["", "&limit=1", "&limit=1&order=taken"] {
            if page.contains("order") && query.contains("order") {
                continue;
            }
            let path = format!("/images?{query}&count=true{page}");
            let response = server.get(&path).await;
            assert_eq!(
                response.headers()["x-total-count"],
                count.to_string(),
                "{path}"
            );
        }
    }
    let response = server.get("/images?count=false").await;
    assert!(!response.headers().contains_key("x-total-count"));
    let response = server.get("/images?count=1").await;
    server
        .assert_problem(response, 400, "invalid-parameter")
        .await;
}
