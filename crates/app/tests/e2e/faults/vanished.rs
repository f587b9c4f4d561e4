//! Clients that disconnect: no paid call is started for them, and nothing is left behind.

use std::time::Duration;

use rstest::rstest;
use upstream_fakes::{Fakes, Fault, Route};

use super::{Raw, until};
use crate::{database::Kind, pictures::jpeg, server::Server};

/// How a client disconnects.
#[derive(Debug, Clone, Copy)]
enum Parting {
    Close,
    HalfClose,
    Reset,
}

impl Parting {
    async fn leave(self, mut client: Raw) -> Option<Raw> {
        match self {
            Self::Close => drop(client),
            Self::HalfClose => {
                client.half_close().await;
                return Some(client);
            }
            Self::Reset => client.reset(),
        }
        None
    }
}

/// How many uploads were answered, whether or not the response was read.
fn answered(server: &Server) -> usize {
    let log = server.process.log();
    let is_upload = |line: &&str| line.contains("\"POST\"") && line.contains("\"answered\"");
    log.lines().filter(is_upload).count()
}

async fn one_call_at_a_time() -> Server {
    let variables = [
        ("ETIQUETA__IMAGGA__CONCURRENCY", "1"),
        ("ETIQUETA__IMAGEKIT__CONCURRENCY", "1"),
    ];
    Server::start_with(Kind::Sqlite, Fakes::start().await.unwrap(), &variables).await
}

/// The first upload holds the only permit of one upstream; the second waits for it, and disconnects.
async fn leave_in_the_queue(parting: Parting, route: Route) -> Server {
    let server = one_call_at_a_time().await;
    let traffic = if route == Route::Tags {
        server.fakes.imagga().traffic()
    } else {
        server.fakes.imagekit().traffic()
    };
    traffic.fail_next(route, Fault::delay(Duration::from_millis(700)));
    let first = tokio::spawn(server.post_soon(&jpeg(1)));
    until(&server, "the first call is under way", async || {
        traffic.calls(route) == 1
    })
    .await;
    let mut client = Raw::connect(&server).await;
    client.upload(&jpeg(2)).await;
    if route == Route::Tags {
        until(&server, "the second picture is hosted", async || {
            server.fakes.imagekit().uploads() == 2
        })
        .await;
    }
    let client = parting.leave(client).await;
    assert_eq!(first.await.unwrap().unwrap().status(), 200);
    until(&server, "both are done", async || answered(&server) == 2).await;
    if let Some(mut client) = client {
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    assert_eq!(traffic.calls(route), 1, "no second call");
    server
}

#[rstest]
#[tokio::test]
async fn in_the_queue_of_the_tagger(
    #[values(Parting::Close, Parting::HalfClose, Parting::Reset)] parting: Parting,
) {
    let server = leave_in_the_queue(parting, Route::Tags).await;
    until(&server, "what was hosted is released", async || {
        server.fakes.imagekit().alive() == 0
    })
    .await;
    assert_eq!(server.whole_images().await, 1, "nothing is recorded");
    server.assert_nothing_half_written().await;
}

#[rstest]
#[tokio::test]
async fn in_the_queue_of_the_host(
    #[values(Parting::Close, Parting::HalfClose, Parting::Reset)] parting: Parting,
) {
    let server = leave_in_the_queue(parting, Route::Upload).await;
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 1);
    assert_eq!(server.whole_images().await, 1, "nothing is recorded");
    server.assert_nothing_half_written().await;
}

#[tokio::test]
async fn while_the_picture_is_being_hosted() {
    let server = one_call_at_a_time().await;
    let traffic = server.fakes.imagekit().traffic();
    traffic.fail_next(Route::Upload, Fault::delay(Duration::from_millis(300)));
    let mut client = Raw::connect(&server).await;
    client.upload(&jpeg(1)).await;
    until(&server, "it is being hosted", async || {
        traffic.calls(Route::Upload) == 1
    })
    .await;
    drop(client);
    until(&server, "it is done", async || answered(&server) == 1).await;
    until(&server, "what was hosted is released", async || {
        server.fakes.imagekit().uploads() == 1 && server.fakes.imagekit().alive() == 0
    })
    .await;
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 0);
    assert_eq!(server.whole_images().await, 0);
}

#[tokio::test]
async fn before_a_call_is_repeated() {
    let server = one_call_at_a_time().await;
    let traffic = server.fakes.imagga().traffic();
    let later = Fault::status(503).with_header("Retry-After", "2");
    traffic.fail_always(Route::Tags, later);
    let mut client = Raw::connect(&server).await;
    client.upload(&jpeg(1)).await;
    until(&server, "it fails", async || {
        traffic.calls(Route::Tags) == 1
    })
    .await;
    drop(client);
    until(&server, "it is done", async || answered(&server) == 1).await;
    assert_eq!(traffic.calls(Route::Tags), 1);
    assert_eq!(server.whole_images().await, 0);
}

#[tokio::test]
async fn while_another_client_waits_for_the_same() {
    let server = one_call_at_a_time().await;
    let traffic = server.fakes.imagekit().traffic();
    traffic.fail_next(Route::Upload, Fault::delay(Duration::from_millis(300)));
    let post = tokio::spawn(server.post_soon(&jpeg(1)));
    until(&server, "it is being hosted", async || {
        traffic.calls(Route::Upload) == 1
    })
    .await;
    let mut client = Raw::connect(&server).await;
    client.upload(&jpeg(1)).await;
    drop(client);
    assert_eq!(post.await.unwrap().unwrap().status(), 200);
    assert_eq!(traffic.calls(Route::Upload), 1);
    assert_eq!(server.fakes.imagga().traffic().calls(Route::Tags), 1);
}

#[tokio::test]
async fn half_closed_client_gets_answers_that_cost_no_call() {
    let server = one_call_at_a_time().await;
    server.register(&jpeg(1), "").await;
    let mut client = Raw::connect(&server).await;
    client.upload(&jpeg(1)).await;
    client.half_close().await;
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.whole_images().await, 2);
    let mut reader = Raw::connect(&server).await;
    reader.send("GET /tags HTTP/1.1\r\nhost: x\r\n\r\n").await;
    reader.half_close().await;
    let answer = reader.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
