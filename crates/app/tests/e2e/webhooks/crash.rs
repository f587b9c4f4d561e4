//! Kills the server between events and their deliveries: nothing is lost.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::Value;

use super::{
    super::{database::Kind, pictures::jpeg, server::Server},
    ADMIN, SOON, WRITES_ONLY, image,
    receiver::{Answer, Message, Receiver},
    register, start,
};

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test]
async fn events_survive_a_kill_before_their_delivery(#[case] kind: Kind) {
    let server = start(kind, &[WRITES_ONLY]).await;
    let receiver = Receiver::start().await;
    let (_, secret) = register(&server, &receiver, &["image.created"]).await;
    let mut expected = BTreeSet::new();
    for number in 1..=5 {
        expected.insert(("image.created".to_owned(), image(&server, number).await));
    }
    assert_eq!(receiver.messages().len(), 0);
    let _server = server.restart(&[ADMIN]).await;
    receiver.until(SOON, |messages| messages.len() >= 5).await;
    assert_eq!(receiver.events(), expected);
    assert_eq!(receiver.messages().len(), 5);
    super::verify(&receiver.messages(), &secret);
}

/// The lease of a delivery whose server was killed lasts for half a minute.
#[tokio::test]
async fn a_delivery_that_was_under_way_is_made_again() {
    let server = start(Kind::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Hang);
    register(&server, &receiver, &["image.created"]).await;
    image(&server, 1).await;
    receiver.until(SOON, |messages| messages.len() == 1).await;
    let server = server.restart(&[ADMIN]).await;
    receiver.answer(Answer::Status(204));
    let at_most = Duration::from_mins(1);
    receiver
        .until(at_most, |messages| messages.len() == 2)
        .await;
    let ids: BTreeSet<_> = receiver
        .messages()
        .iter()
        .map(|it| it.id().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    drop(server);
}

/// A server that stops gives back what it could not deliver: the next one need not wait for the lease.
#[tokio::test]
async fn a_server_that_stops_gives_deliveries_back() {
    let mut server = start(Kind::Sqlite, &[]).await;
    let receiver = Receiver::start().await;
    receiver.answer(Answer::Hang);
    register(&server, &receiver, &["image.created"]).await;
    image(&server, 1).await;
    receiver.until(SOON, |messages| messages.len() == 1).await;
    server.process.signal("TERM");
    assert!(server.process.wait(Duration::from_secs(20)).success());
    receiver.answer(Answer::Status(204));
    let server = server.restart(&[ADMIN]).await;
    let at_most = Duration::from_secs(10);
    receiver
        .until(at_most, |messages| messages.len() == 2)
        .await;
    drop(server);
}

/// Images that are there, by what the server answers.
async fn images(server: &Server) -> BTreeSet<(String, String)> {
    let images = server.json("/images").await;
    let created = |image: &Value| ("image.created".to_owned(), super::id(image));
    images.as_array().unwrap().iter().map(created).collect()
}

#[rstest]
#[case::sqlite(Kind::Sqlite)]
#[case::mysql(Kind::Mysql)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_image_is_told_of_whenever_the_server_is_killed(#[case] kind: Kind) {
    let mut server = start(kind, &[]).await;
    let receiver = Receiver::start().await;
    register(&server, &receiver, &["image.created"]).await;
    let mut random = StdRng::seed_from_u64(7);
    let pictures: Vec<Vec<u8>> = (1..=3).map(jpeg).collect();
    for picture in &pictures {
        server.register(picture, "").await;
    }
    for _ in 0..5 {
        let posts = (0..40).map(|n| tokio::spawn(server.post_soon(&pictures[n % 3])));
        let posts: Vec<_> = posts.collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..1500))).await;
        server = server.restart(&[ADMIN]).await;
        for post in posts {
            let _ = post.await;
        }
    }
    let expected = images(&server).await;
    assert!(
        expected.len() > 3,
        "nothing was registered between the kills"
    );
    let told = |messages: &[Message]| {
        let told: BTreeSet<_> = messages.iter().map(Message::event).collect();
        told == expected
    };
    // What was under way at a kill is leased for half a minute.
    receiver.until(Duration::from_secs(90), told).await;
    assert!(receiver.messages().len() <= expected.len() + 5 * 4);
}
