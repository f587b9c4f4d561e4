//! A fake ImageKit with an adapter in front of it.

use std::time::Duration;

use blob_host_imagekit::{DEFAULT_FOLDER, ImageKit, ImageKitSettings};
use bytes::Bytes;
use domain::{
    EncodedPicture, MediaType,
    ports::{BlobHost, CallContext, HostedBlob, UpstreamError},
};
use reqwest::Client;
use upstream_fakes::{Fakes, Seed};

/// Longer than any response takes.
const TIME_OUT: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) fakes: Fakes,
    pub(crate) host: ImageKit,
}

impl Stage {
    /// Without purging.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ImageKitSettings)) -> Self {
        let fakes = Fakes::start().await.unwrap();
        let mut settings = settings(&fakes);
        change(&mut settings);
        let host = ImageKit::new(client(TIME_OUT), settings).unwrap();
        Self { fakes, host }
    }

    /// With a short client time-out.
    pub(crate) async fn impatient() -> Self {
        let fakes = Fakes::start().await.unwrap();
        let client = client(Duration::from_secs(1));
        let host = ImageKit::new(client, settings(&fakes)).unwrap();
        Self { fakes, host }
    }

    pub(crate) fn kit(&self) -> &upstream_fakes::ImageKit {
        self.fakes.imagekit()
    }

    pub(crate) async fn host_one(&self) -> HostedBlob {
        self.host
            .host(&picture(), "cat", &CallContext::local())
            .await
            .unwrap()
    }

    pub(crate) async fn host_many(&self, count: usize) -> Vec<HostedBlob> {
        let mut blobs = Vec::new();
        for _ in 0..count {
            blobs.push(self.host_one().await);
        }
        blobs
    }

    /// Adds a file that the adapter did not host.
    pub(crate) fn seed(&self, folder: &str, tags: &[&str], age: Duration) -> String {
        self.kit().seed(Seed {
            name: format!("{}.jpg", self.kit().uploads()),
            folder: folder.to_owned(),
            bytes: Bytes::from_static(b"theirs"),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            age,
        })
    }
}

pub(crate) fn settings(fakes: &Fakes) -> ImageKitSettings {
    let kit = fakes.imagekit();
    ImageKitSettings {
        upload_url: kit.upload_url().to_owned(),
        api_url: kit.api_url().to_owned(),
        private_key: kit.private_key().into(),
        purge: false,
        folder: DEFAULT_FOLDER.to_owned(),
    }
}

pub(crate) fn client(time_out: Duration) -> Client {
    let builder = Client::builder().no_proxy().timeout(time_out);
    builder.build().unwrap()
}

pub(crate) fn picture() -> EncodedPicture {
    EncodedPicture {
        media_type: MediaType::Jpeg,
        bytes: Bytes::from_static(b"a picture"),
    }
}

/// The kind of an error and its wait in milliseconds.
pub(crate) fn kind(error: &UpstreamError) -> (&'static str, Option<u128>) {
    let name = match error {
        UpstreamError::Picture(_) => "picture",
        UpstreamError::Unreadable(_) => "unreadable",
        UpstreamError::Refused(_) => "refused",
        UpstreamError::Malformed(_) => "malformed",
        UpstreamError::QuotaExhausted { .. } => "quota exhausted",
        UpstreamError::Busy { .. } => "busy",
        UpstreamError::TimedOut => "timed out",
        UpstreamError::Cancelled => "cancelled",
        UpstreamError::Unavailable { .. } => "unavailable",
    };
    (name, error.retry_after().map(|wait| wait.as_millis()))
}

/// An error and its causes, as in the log.
pub(crate) fn chain(error: &UpstreamError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
