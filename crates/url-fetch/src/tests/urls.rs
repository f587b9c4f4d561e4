//! URLs that are refused before anything is looked up or sent, by the public constructor.

use super::{
    fixture::{PRIVATE, SETTINGS, read},
    server::{Script, Server},
};
use crate::{FetchError, FetchPolicy, FetchSettings, Fetcher, Violation};

async fn fetch(policy: FetchPolicy, url: &str) -> Result<String, FetchError> {
    let fetcher = Fetcher::new(FetchSettings { policy, ..SETTINGS }).unwrap();
    read(fetcher, url).await
}

#[rstest::rstest]
#[case::scheme("file:///etc/passwd", Violation::Scheme)]
#[case::user("http://me:secret@localhost/", Violation::UserInfo)]
#[case::port("http://localhost:8080/", Violation::Port)]
#[case::decimal("http://2130706433/", Violation::Address)]
#[case::mapped("http://[::ffff:127.0.0.1]/", Violation::Address)]
#[case::resolved_by_the_system("http://localhost/", Violation::Address)]
#[tokio::test]
async fn public_refuses(#[case] url: &str, #[case] violation: Violation) {
    let error = fetch(FetchPolicy::Public, url).await.unwrap_err();
    let FetchError::NotAllowed {
        reason,
        redirected: false,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(reason, violation);
}

#[rstest::rstest]
#[case("https://example.com/")]
#[case("not a URL")]
#[tokio::test]
async fn none_refuses_everything(#[case] url: &str) {
    let error = fetch(FetchPolicy::None, url).await.unwrap_err();
    let reason = Violation::Disabled;
    assert!(matches!(error, FetchError::NotAllowed { reason: found, .. } if found == reason));
}

#[rstest::rstest]
#[case::by_address("127.0.0.1")]
#[case::by_name("localhost")]
#[tokio::test]
async fn any_fetches_from_loopback(#[case] host: &str) {
    let server = Server::start(PRIVATE, |_| Script::ok("", "hello")).await;
    let url = format!("http://{host}:{}/", server.address.port());
    assert_eq!(fetch(FetchPolicy::Any, &url).await.unwrap(), "hello");
}

#[tokio::test]
async fn any_refuses_credentials_in_redirects_too() {
    let redirect = || Script::redirect(302, "http://me:secret@localhost/");
    let server = Server::start(PRIVATE, move |_| redirect()).await;
    let url = format!("http://{}/", server.address);
    let error = fetch(FetchPolicy::Any, &url).await.unwrap_err();
    let FetchError::NotAllowed {
        reason,
        redirected: true,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(reason, Violation::UserInfo);
}

#[rstest::rstest]
#[case::empty("")]
#[case::relative("/image.jpg")]
#[case::no_host("http://")]
#[case::bad_port("http://example.com:99999/")]
#[case::bad_address("http://1.2.3.256/")]
#[case::zone("http://[fe80::1%25eth0]/")]
#[case::too_long(&format!("http://example.com/{}", "a".repeat(8192)))]
#[tokio::test]
async fn other_texts_are_no_urls(#[case] url: &str) {
    let error = fetch(FetchPolicy::Public, url).await.unwrap_err();
    assert!(matches!(error, FetchError::InvalidUrl(_)), "{error:?}");
}
