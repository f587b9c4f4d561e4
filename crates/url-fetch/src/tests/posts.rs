//! Posts.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    fixture::{FakeDns, PRIVATE},
    server::{Script, Server, Then},
};
use crate::{
    Failure, FetchError, PostPolicy, PostSettings, Posted, Poster, Violation, rules::Rules,
};

const SETTINGS: PostSettings = PostSettings {
    policy: PostPolicy::AnyButLinkLocal,
    timeout: Duration::from_millis(1500),
};

async fn post(url: &str) -> Result<Posted, FetchError> {
    let headers = [("webhook-id", "msg_1")];
    let poster = Poster::new(SETTINGS).unwrap();
    poster.post(url, &headers, "{\"a\":1}".to_owned()).await
}

async fn serve(script: impl Fn(&str) -> Script + Send + Sync + 'static) -> (Server, String) {
    let server = Server::start(PRIVATE, script).await;
    let url = format!("http://{}", server.address);
    (server, url)
}

#[tokio::test]
async fn a_post_carries_its_headers_and_nothing_else() {
    let (server, url) = serve(|_| Script::raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let posted = post(&format!("{url}/hook?a=b#c")).await.unwrap();
    assert_eq!((posted.status, posted.retry_after), (204, None));
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "post /hook?a=b http/1.1\r\nwebhook-id: msg_1\r\ncontent-type: application/json\r\n\
         user-agent: etiqueta/{version}\r\naccept: */*\r\nhost: {}\r\ncontent-length: 7\r\n\r\n",
        server.address
    );
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let requests: Vec<_> = server.requests().iter().map(|it| sorted(it)).collect();
    assert_eq!(requests, [sorted(&expected)]);
}

#[tokio::test]
async fn redirects_are_answers() {
    let (server, url) = serve(|target| match target {
        "/" => Script::redirect(307, "/next"),
        _ => Script::ok("", ""),
    })
    .await;
    assert_eq!(post(&url).await.unwrap().status, 307);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn bodies_are_not_read() {
    let (server, url) = serve(|_| Script::ok("", "x").then(Then::Endless)).await;
    assert_eq!(post(&url).await.unwrap().status, 200);
    // The connection is closed on it.
    server.answered().await;
}

#[tokio::test]
async fn an_endpoint_that_hangs_is_left_alone_in_time() {
    let (_server, url) = serve(|_| Script::raw("HTTP/1.1 200 OK\r\n").then(Then::Hang)).await;
    match post(&url).await {
        Err(FetchError::Failed { failure, .. }) => {
            assert_eq!(failure, Failure::TimedOut(SETTINGS.timeout));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn waits_are_read_in_both_forms() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    for (value, seconds) in [
        ("120", Some(120..=120)),
        (date.as_str(), Some(3590..=3600)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0..=0)),
        ("soon", None),
        ("-1", None),
    ] {
        let head = format!("HTTP/1.1 429 Busy\r\nretry-after: {value}\r\n\r\n");
        let (_server, url) = serve(move |_| Script::raw(head.clone())).await;
        let wait = post(&url).await.unwrap().retry_after;
        let is_so = match (&seconds, wait) {
            (Some(range), Some(wait)) => range.contains(&wait.as_secs()),
            (None, None) => true,
            _ => false,
        };
        assert!(is_so, "{value}: {wait:?}");
    }
}

/// A name is refused for any of its addresses, in whatever form.
#[rstest::rstest]
#[case("169.254.169.254")]
#[case("::ffff:169.254.169.254")]
#[case("fe80::1")]
#[case("100.100.100.200")]
#[tokio::test]
async fn names_of_link_local_addresses_are_refused(#[case] address: IpAddr) {
    let dns = Arc::new(FakeDns::default());
    dns.answer("a.test", &[(PRIVATE, 80).into(), (address, 80).into()]);
    let rules = Rules::for_posts(PostPolicy::AnyButLinkLocal);
    let poster = Poster::with(SETTINGS, rules, Arc::<FakeDns>::clone(&dns)).unwrap();
    let url = "http://a.test/";
    assert!(poster.check(url).is_ok());
    match poster.post(url, &[], String::new()).await {
        Err(FetchError::NotAllowed { reason, .. }) => assert_eq!(reason, Violation::LinkLocal),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn urls_are_checked_before_anything_is_sent() {
    for (url, reason) in [
        ("http://169.254.1.1/", Violation::LinkLocal),
        ("file:///etc/passwd", Violation::Scheme),
        ("http://me:secret@example.com/", Violation::UserInfo),
    ] {
        let poster = Poster::new(SETTINGS).unwrap();
        let checked = poster.check(url).unwrap_err();
        assert_eq!(checked.to_string(), reason.to_string());
        let refused = post(url).await.unwrap_err();
        assert_eq!(refused.to_string(), reason.to_string());
    }
    assert!(Poster::new(SETTINGS).unwrap().check("nowhere").is_err());
}
