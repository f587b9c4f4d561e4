//! Redirects, each checked like the first URL.

use super::{
    fixture::{Fixture, PRIVATE},
    server::{Script, Server},
};
use crate::{Failure, Violation};

/// Redirects `/3` to `/2` and so on; `/0` is the file.
fn countdown(target: &str) -> Script {
    match target.trim_start_matches('/').parse::<u32>() {
        Ok(0) => Script::ok("content-length: 4\r\n", "file"),
        Ok(left) => Script::redirect(302, &format!("/{}", left - 1)),
        Err(_) => Script::raw("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    }
}

#[tokio::test]
async fn three_are_followed_and_four_are_not() {
    let fixture = Fixture::new(countdown).await;
    assert_eq!(fixture.fetch("http://a.test/3").await.unwrap(), "file");
    assert_eq!(fixture.server.requests().len(), 4);
    let failure = fixture.failure("http://a.test/4").await;
    assert_eq!(failure, Failure::TooManyRedirects { limit: 3 });
    assert_eq!(fixture.server.requests().len(), 8);
}

#[rstest::rstest]
#[tokio::test]
async fn every_status_that_redirects_is_followed(#[values(301, 302, 303, 307, 308)] status: u16) {
    let fixture = Fixture::new(move |target| match target {
        "/" => Script::redirect(status, "http://b.test/file"),
        _ => Script::ok("", "file"),
    })
    .await;
    assert_eq!(fixture.fetch("http://a.test/").await.unwrap(), "file");
    assert_eq!(fixture.dns.look_ups(), ["a.test", "b.test"]);
}

#[rstest::rstest]
#[case::loopback("http://127.0.0.1/", Violation::Address)]
#[case::loopback_without_scheme("//127.0.0.1/", Violation::Address)]
#[case::loopback_decimal("http://2130706433/", Violation::Address)]
#[case::metadata("http://169.254.169.254/latest/meta-data/", Violation::Address)]
#[case::nat64("http://[64:ff9b::a00:1]/", Violation::Address)]
#[case::private_name("http://private.test/", Violation::Address)]
#[case::port("http://a.test:8080/", Violation::Port)]
#[case::user("http://me@a.test/", Violation::UserInfo)]
#[case::file("file:///etc/passwd", Violation::Scheme)]
#[case::data("data:image/png;base64,AAAA", Violation::Scheme)]
#[tokio::test]
async fn each_is_checked(#[case] location: &'static str, #[case] violation: Violation) {
    let fixture = Fixture::new(move |target| match target {
        "/" => Script::redirect(302, "/second"),
        _ => Script::redirect(302, location),
    })
    .await;
    let private = Server::start(PRIVATE, |_| Script::ok("", "secret")).await;
    fixture.dns.answer("private.test", &[private.address]);
    assert_eq!(fixture.violation("http://a.test/").await, (violation, true));
    assert_eq!(fixture.server.requests().len(), 2);
    assert!(private.requests().is_empty());
}

#[tokio::test]
async fn to_a_path_in_utf_8() {
    let fixture = Fixture::new(|target| match target {
        "/" => Script::redirect(302, "/caf\u{e9}"),
        "/caf%c3%a9" => Script::ok("", "file"),
        _ => Script::raw("HTTP/1.1 404 Not Found\r\n\r\n"),
    })
    .await;
    assert_eq!(fixture.fetch("http://a.test/").await.unwrap(), "file");
}

#[rstest::rstest]
#[case::no_host("http://")]
#[case::too_long(&format!("/{}", "a".repeat(8192)))]
#[tokio::test]
async fn to_an_invalid_url(#[case] location: &str) {
    let location = location.to_owned();
    let fixture = Fixture::new(move |_| Script::redirect(302, &location)).await;
    let failure = fixture.failure("http://a.test/").await;
    assert_eq!(failure, Failure::InvalidRedirect);
}

#[rstest::rstest]
#[case("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", 302)]
#[case(
    "HTTP/1.1 300 Choices\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
    300
)]
#[case("HTTP/1.1 304 Same\r\nlocation: /\r\n\r\n", 304)]
#[tokio::test]
async fn other_answers_of_the_3xx_class_are_failures(
    #[case] answer: &'static str,
    #[case] status: u16,
) {
    let fixture = Fixture::new(move |_| Script::raw(answer)).await;
    let failure = fixture.failure("http://a.test/").await;
    assert_eq!(failure, Failure::Status(status));
}
