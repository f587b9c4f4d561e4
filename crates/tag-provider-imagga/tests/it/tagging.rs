use bytes::Bytes;
use domain::{Tags, ports::TagProvider};
use domain_testing::{FakePictureSource, Pull, tags};
use tag_provider_imagga::{Delivery, Imagga, ImaggaSettings, ImaggaSettingsError};
use upstream_fakes::{Fakes, Route, tags_of};

use crate::support::{Stage, bmp, client, kind, red, settings};

fn expected(picture: &Bytes) -> Tags {
    let seen = tags_of(picture).unwrap();
    let pairs: Vec<_> = seen.iter().map(|(label, c)| (label.as_str(), *c)).collect();
    tags(&pairs)
}

#[tokio::test]
async fn everything_that_imagga_saw_comes_back() {
    let picture = bmp([200, 10, 10]);
    let by_bytes = Stage::new(Delivery::File).await;
    let found = by_bytes.tag(&red()).await.unwrap();
    assert_eq!(found, expected(&picture));
    let by_url = Stage::new(Delivery::PublicUrl).await;
    let source = by_url.publish("red.bmp", picture);
    assert_eq!(by_url.tag(&source).await.unwrap(), found);
}

#[tokio::test]
async fn confidences_are_kept_to_the_last_digit() {
    let stage = Stage::new(Delivery::File).await;
    let seen = [
        ("car", 69.437_355_041_503_9),
        ("cab", 100.0),
        ("sky", 0.1 + 0.2),
    ];
    stage.imagga().always_see(seen);
    let found = stage.tag(&red()).await.unwrap();
    assert_eq!(found, tags(&seen));
    let texts: Vec<_> = found
        .iter()
        .map(|tag| tag.confidence.get().to_string())
        .collect();
    assert_eq!(texts, ["100", "69.4373550415039", "0.30000000000000004"]);
}

#[tokio::test]
async fn labels_come_in_the_language_that_is_set() {
    for delivery in [Delivery::File, Delivery::PublicUrl] {
        let stage = Stage::with(delivery, |settings| settings.language = "es".to_owned()).await;
        assert_eq!(stage.provider.identity().language(), "es");
        stage.imagga().always_see([("mountain", 61.4)]);
        let source = match delivery {
            Delivery::PublicUrl => stage.publish("red.bmp", bmp([200, 10, 10])),
            Delivery::File => red(),
        };
        let found = stage.tag(&source).await.unwrap();
        assert_eq!(found, tags(&[("montaña", 61.4)]));
    }
}

#[tokio::test]
async fn labels_that_cannot_be_labels_are_dropped() {
    let stage = Stage::new(Delivery::File).await;
    let long = "x".repeat(256);
    stage.imagga().always_see([
        (" Car ", 90.0),
        ("", 80.0),
        (" ", 70.0),
        (&long, 60.0),
        ("car", 50.0),
    ]);
    let found = stage.tag(&red()).await.unwrap();
    assert_eq!(found, tags(&[("car", 90.0)]));
}

#[rstest::rstest]
#[case("plain.bmp")]
#[case("two words.bmp")]
#[case("ñandú.bmp")]
#[case("a+b&c=d%20e.bmp")]
#[tokio::test]
async fn any_url_arrives_as_it_is(#[case] name: &str) {
    let stage = Stage::new(Delivery::PublicUrl).await;
    let url = stage.publish_at(name, bmp([200, 10, 10]));
    let outcome = stage.tag(&FakePictureSource::of_url(url.clone())).await;
    let [request] = &stage.imagga().traffic().requests_of(Route::Tags)[..] else {
        unreachable!("one call was made");
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "=&%-._*+".contains(c);
    assert!(request.query.chars().all(plain), "{}", request.query);
    let asked = reqwest::Url::parse(&format!("http://x/?{}", request.query)).unwrap();
    let pairs: Vec<_> = asked.query_pairs().into_owned().collect();
    let encoded = reqwest::Url::parse(&url).unwrap().to_string();
    let language = ("language".to_owned(), "en".to_owned());
    assert_eq!(pairs, [("image_url".to_owned(), encoded), language]);
    // The file itself is found only under a name that needs no decoding on the way.
    if name.is_ascii() && !name.contains('%') && !name.contains(' ') {
        assert!(outcome.is_ok(), "{outcome:?}");
    }
}

#[rstest::rstest]
#[case("")]
#[case("/pictures/a.jpg")]
#[case("file:///etc/passwd")]
#[case("data:image/png;base64,AAAA")]
#[tokio::test]
async fn url_that_imagga_cannot_fetch_is_not_sent(#[case] url: &str) {
    let stage = Stage::new(Delivery::PublicUrl).await;
    let source = FakePictureSource::of_url(url.to_owned());
    let error = stage.tag(&source).await.unwrap_err();
    assert_eq!(kind(&error), ("refused", None));
    assert!(stage.imagga().traffic().requests().is_empty());
}

#[tokio::test]
async fn missing_picture_cannot_be_read() {
    let stage = Stage::new(Delivery::PublicUrl).await;
    let source = stage.publish("red.bmp", bmp([200, 10, 10]));
    let kit = stage.fakes.imagekit();
    kit.remove(&kit.files()[0].id);
    let error = stage.tag(&source).await.unwrap_err();
    assert_eq!(kind(&error), ("unreadable", None));
}

#[tokio::test]
async fn invalid_settings_have_distinct_errors() {
    let fakes = Fakes::start().await.unwrap();
    let refusal = |change: fn(&mut ImaggaSettings)| {
        let mut settings = settings(&fakes, Delivery::File);
        change(&mut settings);
        let client = client(std::time::Duration::from_secs(1));
        Imagga::new(client, settings).unwrap_err()
    };
    let error = refusal(|settings| settings.base_url = "api.imagga.com".to_owned());
    assert!(matches!(error, ImaggaSettingsError::BaseUrl(_)));
    let error = refusal(|settings| settings.language = "xx".to_owned());
    assert!(
        error
            .to_string()
            .starts_with("Imagga has no language \"xx\"; it has ar, ")
    );
}

#[tokio::test]
async fn the_copy_has_the_size_that_is_set() {
    for max_side in [0, 1024] {
        for delivery in [Delivery::File, Delivery::PublicUrl] {
            let stage = Stage::with(delivery, |settings| settings.max_side = max_side).await;
            assert_eq!(stage.provider.max_side(), max_side);
            let (picture, pull) = match delivery {
                Delivery::File => (red(), Pull::Jpeg(max_side)),
                Delivery::PublicUrl => {
                    let picture = stage.publish("red.bmp", bmp([200, 10, 10]));
                    (picture, Pull::PublicUrl(max_side))
                }
            };
            stage.tag(&picture).await.unwrap();
            assert_eq!(picture.pulls(), [pull]);
        }
    }
}
