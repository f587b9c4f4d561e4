//! The contract of [`WebhookSender`].

use std::time::Duration;

use domain::ports::{SignedMessage, WebhookReply, WebhookSender};

/// An endpoint, seen from its own side.
pub trait Receiver: Send + Sync {
    /// Its URL.
    fn url(&self) -> String;

    /// A URL at which nothing listens.
    fn closed_url(&self) -> String;

    /// Answers the next message with that status, and `Retry-After` in seconds; a redirect leads to the endpoint itself.
    /// Messages without such an answer are answered 204.
    fn answer(&self, status: u16, retry_after: Option<u64>);

    /// The messages that arrived.
    fn received(&self) -> Vec<SignedMessage>;
}

/// Runs the whole suite on a sender whose endpoint has received nothing.
pub async fn all(sender: &dyn WebhookSender, receiver: &dyn Receiver) {
    a_message_arrives_as_it_was_signed(sender, receiver).await;
    each_send_is_one_message_whatever_the_answer(sender, receiver).await;
    a_wait_is_reported(sender, receiver).await;
    what_is_not_allowed_is_refused(sender, receiver).await;
    a_closed_endpoint_is_an_error(sender, receiver).await;
}

fn message(n: i64) -> SignedMessage {
    SignedMessage {
        id: format!("msg_{n}"),
        timestamp: 1_796_042_201 + n,
        signature: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=".to_owned(),
        body: format!("{{\"n\":{n},\"text\":\"ñ\"}}"),
    }
}

/// Headers and body are those of the message.
pub async fn a_message_arrives_as_it_was_signed(
    sender: &dyn WebhookSender,
    receiver: &dyn Receiver,
) {
    assert_eq!(sender.check(&receiver.url()), Ok(()));
    let reply = sender.send(&receiver.url(), &message(1)).await;
    let expected = WebhookReply {
        status: 204,
        retry_after: None,
    };
    assert_eq!(reply.expect("an answer"), expected);
    assert_eq!(receiver.received(), [message(1)]);
}

/// Neither redirects nor errors make it send again.
pub async fn each_send_is_one_message_whatever_the_answer(
    sender: &dyn WebhookSender,
    receiver: &dyn Receiver,
) {
    for status in [200, 302, 307, 308, 404, 410, 500, 503] {
        let before = receiver.received().len();
        receiver.answer(status, None);
        let reply = sender.send(&receiver.url(), &message(2)).await;
        assert_eq!(reply.expect("an answer").status, status);
        assert_eq!(receiver.received().len(), before + 1, "{status}");
    }
}

/// `Retry-After` is reported.
pub async fn a_wait_is_reported(sender: &dyn WebhookSender, receiver: &dyn Receiver) {
    receiver.answer(429, Some(120));
    let reply = sender.send(&receiver.url(), &message(3)).await;
    let wait = reply.expect("an answer").retry_after;
    assert_eq!(wait, Some(Duration::from_mins(2)));
}

/// URLs that are none of http, carry a password or are link-local are refused, before anything is sent to them too.
pub async fn what_is_not_allowed_is_refused(sender: &dyn WebhookSender, receiver: &dyn Receiver) {
    let before = receiver.received().len();
    for url in [
        "nowhere",
        "ftp://example.com/",
        "http://me:secret@example.com/",
        "http://169.254.169.254/",
    ] {
        assert!(sender.check(url).is_err(), "{url}");
        assert!(sender.send(url, &message(4)).await.is_err(), "{url}");
    }
    assert_eq!(receiver.received().len(), before);
}

/// A message that nobody takes is an error.
pub async fn a_closed_endpoint_is_an_error(sender: &dyn WebhookSender, receiver: &dyn Receiver) {
    let url = receiver.closed_url();
    assert_eq!(sender.check(&url), Ok(()));
    let error = sender.send(&url, &message(5)).await;
    assert!(!error.expect_err("closed").text.is_empty());
}
