//! What a request carries.

use super::{fixture::Fixture, server::Script};

#[tokio::test]
async fn requests_carry_nothing_but_what_http_needs() {
    let fixture = Fixture::new(|target| match target {
        "/first?secret=1" => Script::raw(
            "HTTP/1.1 302 Found\r\nset-cookie: id=1; Path=/\r\nlocation: /second\r\n\r\n",
        ),
        _ => Script::ok("set-cookie: id=2; Path=/\r\n", "file"),
    })
    .await;
    let url = "http://a.test/first?secret=1#fragment";
    assert_eq!(fixture.fetch(url).await.unwrap(), "file");
    let version = env!("CARGO_PKG_VERSION");
    let request = |target| {
        format!(
            "get {target} http/1.1\r\naccept: */*\r\nuser-agent: etiqueta/{version}\r\nhost: a.test\r\n\r\n"
        )
    };
    assert_eq!(
        fixture.server.requests(),
        [request("/first?secret=1"), request("/second")]
    );
}

#[tokio::test]
async fn requests_of_one_fetcher_share_no_cookies() {
    let fixture = Fixture::new(|_| Script::ok("set-cookie: id=2; Path=/\r\n", "file")).await;
    let fetcher = fixture.fetcher();
    for _ in 0..2 {
        fetcher.fetch("http://a.test/").await.unwrap();
    }
    let requests = fixture.server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}
