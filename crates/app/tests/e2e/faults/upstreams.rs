//! Imagga and ImageKit down, slow, hanging, and overloaded.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rstest::rstest;
use tempfile::TempDir;
use upstream_fakes::{Fakes, Fault, Route, Traffic};
use url::Url;

use super::{Proxy, proxy::Line, until};
use crate::{
    database::{Database, Kind},
    pictures::jpeg,
    server::Server,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstream {
    Imagga,
    ImageKit,
}

use Upstream::{ImageKit, Imagga};

impl Upstream {
    fn addresses(self) -> &'static [&'static str] {
        match self {
            Imagga => &["ETIQUETA__IMAGGA__BASE_URL"],
            ImageKit => &[
                "ETIQUETA__IMAGEKIT__UPLOAD_URL",
                "ETIQUETA__IMAGEKIT__API_URL",
            ],
        }
    }

    fn traffic(self, server: &Server) -> &Traffic {
        match self {
            Imagga => server.fakes.imagga().traffic(),
            ImageKit => server.fakes.imagekit().traffic(),
        }
    }

    /// The route that an upload calls.
    fn route(self) -> Route {
        match self {
            Imagga => Route::Tags,
            ImageKit => Route::Upload,
        }
    }
}

/// A server with a proxy in front of one upstream.
async fn start(upstream: Upstream, line: Line) -> (Proxy, Server) {
    let fakes = Fakes::start().await.unwrap();
    let address = |name: &str| {
        let variables = fakes.variables();
        let variable = variables.iter().find(|(variable, _)| *variable == name);
        Url::parse(variable.unwrap().1).unwrap()
    };
    let port = address(upstream.addresses()[0]).port().unwrap();
    let proxy = Proxy::to(format!("127.0.0.1:{port}"), line).await;
    let mut variables = vec![
        ("ETIQUETA__IMAGGA__TIMEOUT", "1s".to_owned()),
        ("ETIQUETA__IMAGEKIT__TIMEOUT", "1s".to_owned()),
    ];
    for name in upstream.addresses() {
        let mut url = address(name);
        assert_eq!(url.port(), Some(port));
        url.set_port(Some(proxy.port)).unwrap();
        variables.push((name, url.to_string()));
    }
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let folder = Arc::new(TempDir::new().unwrap());
    let database = Arc::new(Database::create(Kind::Sqlite, folder.path()).await);
    let server = Server::start_on(database, folder, fakes, &variables).await;
    (proxy, server)
}

async fn assert_nothing_is_left(server: &Server) {
    until(server, "nothing is public", async || {
        server.fakes.imagekit().alive() == 0
    })
    .await;
    server.assert_nothing_half_written().await;
}

#[rstest]
#[case::imagga_down(Imagga, Line::Down, 502, "tagging-failed")]
#[case::imagekit_down(ImageKit, Line::Down, 502, "tagging-failed")]
#[case::imagga_hung(Imagga, Line::Hung, 504, "tagging-timeout")]
#[case::imagekit_hung(ImageKit, Line::Hung, 504, "tagging-timeout")]
#[tokio::test]
async fn away_from_the_start_on(
    #[case] upstream: Upstream,
    #[case] line: Line,
    #[case] status: u16,
    #[case] code: &str,
) {
    let (proxy, server) = start(upstream, line).await;
    let picture = jpeg(1);
    let (refused, ()) = tokio::join!(server.post(&picture, ""), async {
        assert_eq!(server.get("/images").await.status(), 200);
        server.assert_lives().await;
    });
    server.assert_problem(refused, status, code).await;
    assert_eq!(server.whole_images().await, 0);
    proxy.set(Line::Up);
    server.register(&jpeg(1), "").await;
    assert_eq!(server.whole_images().await, 1);
    assert_nothing_is_left(&server).await;
}

#[rstest]
#[case(Imagga)]
#[case(ImageKit)]
#[tokio::test]
async fn lost_in_a_call_and_back_again(#[case] upstream: Upstream) {
    let (proxy, server) = start(upstream, Line::Up).await;
    let traffic = upstream.traffic(&server);
    traffic.fail_next(upstream.route(), Fault::delay(Duration::from_millis(500)));
    let post = tokio::spawn(server.post_soon(&jpeg(1)));
    until(&server, "the call is under way", async || {
        traffic.calls(upstream.route()) == 1
    })
    .await;
    proxy.break_off();
    let response = post.await.unwrap().unwrap();
    assert_eq!(response.status(), 200, "a lost call is repeated");
    assert_eq!(server.whole_images().await, 1);
    server.assert_nothing_half_written().await;
}

#[rstest]
#[case(Imagga)]
#[case(ImageKit)]
#[tokio::test]
async fn slow(#[case] upstream: Upstream) {
    let (_proxy, server) = start(upstream, Line::Slow(Duration::from_millis(100))).await;
    server.register(&jpeg(1), "").await;
    assert_nothing_is_left(&server).await;
}

/// One call at a time, which hangs: some callers wait for it, more are rejected at once with `Retry-After`.
#[rstest]
#[case(Imagga)]
#[case(ImageKit)]
#[tokio::test]
async fn more_calls_than_it_takes(#[case] upstream: Upstream) {
    const WAITING: usize = 64;
    const MORE: usize = 10;
    let concurrency = match upstream {
        Imagga => "ETIQUETA__IMAGGA__CONCURRENCY",
        ImageKit => "ETIQUETA__IMAGEKIT__CONCURRENCY",
    };
    let variables = [
        (concurrency, "1"),
        ("ETIQUETA__IMAGGA__TIMEOUT", "5s"),
        ("ETIQUETA__IMAGEKIT__TIMEOUT", "5s"),
    ];
    let server = Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &variables).await;
    let traffic = upstream.traffic(&server);
    traffic.fail_next(upstream.route(), Fault::hang());
    let hung = tokio::spawn(server.post_soon(&jpeg(0)));
    until(&server, "the call hangs", async || {
        traffic.calls(upstream.route()) == 1
    })
    .await;
    let began = Instant::now();
    let pictures: Vec<_> = (1..=WAITING + MORE)
        .map(|seed| jpeg(u8::try_from(seed).unwrap()))
        .collect();
    let posts = pictures.iter().map(async |picture| {
        let response = server.post(picture, "").await;
        (response, began.elapsed())
    });
    let mut refused = 0;
    for (response, elapsed) in futures_util::future::join_all(posts).await {
        if response.status() != 200 {
            server.assert_problem(response, 503, "upstream-busy").await;
            assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, MORE);
    let hung = hung.await.unwrap().unwrap();
    server.assert_problem(hung, 504, "tagging-timeout").await;
    assert_eq!(server.whole_images().await, WAITING);
    assert_nothing_is_left(&server).await;
}

#[tokio::test]
async fn breaker_closes_after_a_successful_trial() {
    let server = Server::start(Kind::Sqlite).await;
    let traffic = server.fakes.imagga().traffic();
    traffic.fail_always(Route::Tags, Fault::status(500));
    let pictures = [1, 2, 3].map(jpeg);
    futures_util::future::join_all(pictures.iter().map(|picture| server.post(picture, ""))).await;
    let refused = server.post(&jpeg(4), "").await;
    server.assert_problem(refused, 503, "upstream-busy").await;
    traffic.heal();
    until(&server, "one call tries", async || {
        server.post(&jpeg(4), "").await.status() == 200
    })
    .await;
    server.register(&jpeg(1), "").await;
    assert_nothing_is_left(&server).await;
}
