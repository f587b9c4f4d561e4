//! Names and their addresses.

use std::net::SocketAddr;

use super::{
    fixture::{Fixture, PRIVATE},
    server::{Script, Server, Then},
};
use crate::{Failure, Violation};

async fn fixture() -> (Fixture, Server) {
    let fixture = Fixture::new(|_| Script::ok("", "public")).await;
    let private = Server::start(PRIVATE, |_| Script::ok("", "secret")).await;
    (fixture, private)
}

#[rstest::rstest]
#[case::public_first(false)]
#[case::private_first(true)]
#[tokio::test]
async fn one_private_address_refuses_the_name(#[case] private_first: bool) {
    let (fixture, private) = fixture().await;
    let mut addresses = [fixture.server.address, private.address];
    if private_first {
        addresses.reverse();
    }
    fixture.dns.answer("mixed.test", &addresses);
    let violation = fixture.violation("http://mixed.test/").await;
    assert_eq!(violation, (Violation::Address, false));
    assert!(fixture.server.requests().is_empty() && private.requests().is_empty());
}

#[rstest::rstest]
#[case::link_local("169.254.169.254:0")]
#[case::mapped("[::ffff:10.0.0.1]:0")]
#[case::nat64("[64:ff9b::127.0.0.1]:0")]
#[case::unique_local("[fd00::1]:0")]
#[tokio::test]
async fn names_of_special_addresses_are_refused(#[case] address: SocketAddr) {
    let (fixture, _) = fixture().await;
    fixture.dns.answer("special.test", &[address]);
    let violation = fixture.violation("https://special.test/").await;
    assert_eq!(violation, (Violation::Address, false));
}

#[tokio::test]
async fn a_changed_answer_is_not_asked_for() {
    let (fixture, private) = fixture().await;
    fixture
        .dns
        .answer("rebinding.test", &[fixture.server.address]);
    fixture.dns.answer("rebinding.test", &[private.address]);
    let url = "http://rebinding.test/";
    assert_eq!(fixture.fetch(url).await.unwrap(), "public");
    assert_eq!(fixture.dns.look_ups(), ["rebinding.test"]);
    assert_eq!(fixture.violation(url).await, (Violation::Address, false));
    assert!(private.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_to_the_same_name_is_looked_up_and_checked_again() {
    let fixture = Fixture::new(|_| Script::redirect(302, "/again").then(Then::Hang)).await;
    let private = Server::start(PRIVATE, |_| Script::ok("", "secret")).await;
    fixture
        .dns
        .answer("rebinding.test", &[fixture.server.address]);
    fixture.dns.answer("rebinding.test", &[private.address]);
    let violation = fixture.violation("http://rebinding.test/").await;
    assert_eq!(violation, (Violation::Address, true));
    assert_eq!(fixture.server.requests().len(), 1);
    assert!(private.requests().is_empty());
}

#[tokio::test]
async fn names_without_an_address_are_failures() {
    let (fixture, _) = fixture().await;
    fixture.dns.answer("empty.test", &[]);
    assert_eq!(fixture.failure("http://empty.test/").await, Failure::Dns);
    assert_eq!(fixture.failure("http://unknown.test/").await, Failure::Dns);
}
