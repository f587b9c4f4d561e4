//! The contract of [`BlobHost`].

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use domain::{
    EncodedPicture, MediaType,
    ports::{BlobHost, CallContext, HostedBlob, UpstreamError},
};

/// Observes the host from outside.
#[async_trait]
pub trait HostProbe: Send + Sync {
    /// Fetches a public URL; `None` if nothing is there.
    async fn fetch(&self, url: &str) -> Option<Bytes>;

    /// The host's time.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until two blobs hosted before and after differ in age.
    async fn let_time_pass(&self);
}

/// Runs the whole suite on an empty host.
pub async fn all(host: &dyn BlobHost, probe: &dyn HostProbe) {
    a_blob_is_public_until_it_is_released(host, probe).await;
    the_same_picture_twice_is_two_blobs(host, probe).await;
    any_name_is_taken(host, probe).await;
    no_call_starts_for_a_caller_that_has_gone(host, probe).await;
    releasing_is_idempotent(host, probe).await;
    many_are_released_at_once(host, probe).await;
    the_forgotten_are_those_before_the_time_oldest_first(host, probe).await;
}

/// A picture file with this content. A host does not inspect it.
fn picture(content: &[u8]) -> EncodedPicture {
    EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: Bytes::copy_from_slice(content),
    }
}

async fn host_one(host: &dyn BlobHost, content: &[u8], name: &str) -> HostedBlob {
    let local = CallContext::local();
    let hosted = host.host(&picture(content), name, &local).await;
    hosted.expect("hosted")
}

async fn release(host: &dyn BlobHost, blobs: &[HostedBlob]) {
    host.release(blobs).await.expect("released");
}

async fn everything(host: &dyn BlobHost, probe: &dyn HostProbe) -> Vec<HostedBlob> {
    let before = probe.now() + TimeDelta::hours(1);
    host.forgotten(before).await.expect("a list")
}

/// A hosted blob can be fetched, byte for byte, until it is released.
pub async fn a_blob_is_public_until_it_is_released(host: &dyn BlobHost, probe: &dyn HostProbe) {
    let content: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let blob = host_one(host, &content, "some picture").await;
    assert_eq!(probe.fetch(&blob.url).await.as_deref(), Some(&*content));
    release(host, std::slice::from_ref(&blob)).await;
    assert_eq!(probe.fetch(&blob.url).await, None, "still public");
    assert_eq!(everything(host, probe).await, [], "still there");
}

/// The same picture under the same name makes two independent blobs.
pub async fn the_same_picture_twice_is_two_blobs(host: &dyn BlobHost, probe: &dyn HostProbe) {
    let first = host_one(host, b"twice", "twice").await;
    let second = host_one(host, b"twice", "twice").await;
    assert_ne!(first.id, second.id);
    assert_ne!(first.url, second.url);
    release(host, &[first]).await;
    assert_eq!(
        probe.fetch(&second.url).await.as_deref(),
        Some(&b"twice"[..])
    );
    release(host, &[second]).await;
}

/// A name is a hint: none makes the call fail or the URL unusable.
pub async fn any_name_is_taken(host: &dyn BlobHost, probe: &dyn HostProbe) {
    for name in ["", "ñandú & café.jpg", "../../etc", "a%20b?c#d", "\"\r\n"] {
        let blob = host_one(host, b"named", name).await;
        let fetched = probe.fetch(&blob.url).await;
        assert_eq!(fetched.as_deref(), Some(&b"named"[..]), "{name:?}");
        release(host, &[blob]).await;
    }
}

/// A call of a caller that has gone is [`UpstreamError::Cancelled`] and hosts nothing.
pub async fn no_call_starts_for_a_caller_that_has_gone(host: &dyn BlobHost, probe: &dyn HostProbe) {
    let gone = CallContext::cancelled_when(|| true);
    let error = host.host(&picture(b"late"), "late", &gone).await;
    let error = error.expect_err("the caller has gone");
    assert!(matches!(error, UpstreamError::Cancelled), "{error:?}");
    assert_eq!(everything(host, probe).await, []);
}

/// Blobs that do not exist count as released, alone or among others; an empty list is accepted.
pub async fn releasing_is_idempotent(host: &dyn BlobHost, probe: &dyn HostProbe) {
    let gone = host_one(host, b"gone", "gone").await;
    release(host, std::slice::from_ref(&gone)).await;
    release(host, std::slice::from_ref(&gone)).await;
    let alive = host_one(host, b"alive", "alive").await;
    let also = host_one(host, b"also", "also").await;
    let all = [alive.clone(), gone.clone(), also.clone(), alive.clone()];
    release(host, &all).await;
    release(host, &all).await;
    assert_eq!(probe.fetch(&alive.url).await, None);
    assert_eq!(probe.fetch(&also.url).await, None);
    release(host, &[]).await;
}

/// Any number of blobs can be released in one call.
pub async fn many_are_released_at_once(host: &dyn BlobHost, probe: &dyn HostProbe) {
    let mut blobs = Vec::new();
    for n in 0..205_u8 {
        blobs.push(host_one(host, &[n], "many").await);
    }
    // Two that are already released, at different positions.
    release(host, &blobs[3..4]).await;
    release(host, &blobs[150..151]).await;
    release(host, &blobs).await;
    assert_eq!(everything(host, probe).await, []);
}

/// The forgotten blobs are exactly those hosted before the time.
pub async fn the_forgotten_are_those_before_the_time_oldest_first(
    host: &dyn BlobHost,
    probe: &dyn HostProbe,
) {
    let mut blobs = Vec::new();
    for content in [b"1", b"2", b"3"] {
        blobs.push(host_one(host, content, "old").await);
        probe.let_time_pass().await;
    }
    let before = probe.now();
    probe.let_time_pass().await;
    let young = host_one(host, b"young", "young").await;
    let forgotten = host.forgotten(before).await.expect("a list");
    assert_eq!(forgotten, blobs, "those before the time, oldest first");
    let long_ago = before - TimeDelta::hours(1);
    assert_eq!(host.forgotten(long_ago).await.expect("a list"), []);
    release(host, &forgotten).await;
    assert_eq!(everything(host, probe).await, std::slice::from_ref(&young));
    release(host, &[young]).await;
}
