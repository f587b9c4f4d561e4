//! What errors tell the client, and what the log.

use std::{error::Error, iter, time::Duration};

use super::{
    fixture::{Fixture, PRIVATE, PUBLIC},
    server::{Script, Then},
};
use crate::{Failure, FetchError};

/// An error and its causes, as a log would have them.
fn logged(error: &FetchError) -> String {
    let first: &(dyn Error + 'static) = error;
    let chain = iter::successors(Some(first), |&error| error.source());
    chain
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

async fn fixture() -> Fixture {
    let fixture = Fixture::new(|target| match target {
        "/private" => Script::redirect(302, "http://private.test/"),
        "/broken" => Script::ok("content-length: 9\r\n", "x"),
        "/slow" => Script::raw("").then(Then::Hang),
        _ => Script::raw("HTTP/1.1 404 Not Found\r\n\r\n"),
    })
    .await
    .timeout(Duration::from_millis(1500));
    fixture.dns.answer("private.test", &[(PRIVATE, 0).into()]);
    // Nothing listens on its port 1.
    fixture.dns.answer("closed.test", &[(PUBLIC, 1).into()]);
    fixture
}

#[rstest::rstest]
#[case("http://private.test/", "the host has an address that is not public")]
#[case(
    "http://a.test/private",
    "after a redirect: the host has an address that is not public"
)]
#[case("http://closed.test/", "no connection to the host")]
#[case("http://unknown.test/", "the host's name cannot be resolved")]
#[case("http://a.test/broken", "the answer broke off or is not valid HTTP")]
#[case("http://a.test/missing", "the server answered 404")]
#[case("http://a.test/slow", "no complete answer within 1.5 s")]
#[case("http://", "not a valid URL")]
#[case("http://a.test:81/", "only ports 80 and 443 are allowed")]
#[tokio::test]
async fn texts_name_no_address(#[case] url: &str, #[case] text: &str) {
    let error = fixture().await.fetch(url).await.unwrap_err();
    assert_eq!(error.to_string(), text);
}

#[rstest::rstest]
#[case(
    "http://private.test/",
    "private.test has the address 127.0.0.1, which is not allowed"
)]
#[case("http://unknown.test/", "no such name at 10.0.0.53")]
#[case("http://closed.test/", "Connection refused")]
#[tokio::test]
async fn the_log_gets_the_causes(#[case] url: &str, #[case] cause: &str) {
    let error = fixture().await.fetch(url).await.unwrap_err();
    assert!(logged(&error).contains(cause), "{}", logged(&error));
}

#[test]
fn limits_are_named() {
    let text = FetchError::from(Failure::TooLarge { limit: 1000 }).to_string();
    assert_eq!(text, "the file is larger than 1000 bytes");
    let text = FetchError::from(Failure::TooManyRedirects { limit: 3 }).to_string();
    assert_eq!(text, "more than 3 redirects");
}
