//! A running Imagga with an adapter in front of it, and pictures.

use std::time::Duration;

use bytes::Bytes;
use domain::{
    EncodedPicture, MediaType, Tags,
    ports::{CallContext, TagProvider, UpstreamError},
};
use domain_testing::FakePictureSource;
use reqwest::Client;
use tag_provider_imagga::{Delivery, Imagga, ImaggaSettings};
use upstream_fakes::{Fakes, Seed};

pub(crate) struct Stage {
    pub(crate) fakes: Fakes,
    pub(crate) provider: Imagga,
}

impl Stage {
    pub(crate) async fn new(delivery: Delivery) -> Self {
        Self::with(delivery, |_| {}).await
    }

    pub(crate) async fn with(delivery: Delivery, change: impl FnOnce(&mut ImaggaSettings)) -> Self {
        let fakes = Fakes::start().await.unwrap();
        let mut settings = settings(&fakes, delivery);
        change(&mut settings);
        let provider = Imagga::new(client(Duration::from_secs(20)), settings).unwrap();
        Self { fakes, provider }
    }

    /// Tags for a caller that stays.
    pub(crate) async fn tag(&self, source: &FakePictureSource) -> Result<Tags, UpstreamError> {
        let found = self.provider.tag(source, &CallContext::local()).await;
        found.map(|found| found.tags)
    }

    pub(crate) fn imagga(&self) -> &upstream_fakes::Imagga {
        self.fakes.imagga()
    }

    /// Publishes a file under a name.
    pub(crate) fn publish(&self, name: &str, bytes: Bytes) -> FakePictureSource {
        FakePictureSource::of_url(self.publish_at(name, bytes))
    }

    /// Publishes a file under a name; says where.
    pub(crate) fn publish_at(&self, name: &str, bytes: Bytes) -> String {
        let kit = self.fakes.imagekit();
        kit.seed(Seed {
            name: name.to_owned(),
            folder: "/pictures".to_owned(),
            bytes,
            tags: Vec::new(),
            age: Duration::ZERO,
        });
        format!("{}/demo/pictures/{name}", kit.url())
    }
}

pub(crate) fn settings(fakes: &Fakes, delivery: Delivery) -> ImaggaSettings {
    let imagga = fakes.imagga();
    ImaggaSettings {
        base_url: imagga.url().to_owned(),
        api_key: imagga.api_key().into(),
        api_secret: imagga.api_secret().into(),
        language: "en".to_owned(),
        delivery,
        max_side: 0,
    }
}

pub(crate) fn client(time_out: Duration) -> Client {
    let builder = Client::builder().no_proxy().timeout(time_out);
    builder.build().unwrap()
}

/// A BMP of one pixel.
pub(crate) fn bmp(colour: [u8; 3]) -> Bytes {
    let [red, green, blue] = colour;
    let mut file = b"BM".to_vec();
    for number in [58_u32, 0, 54, 40, 1, 1] {
        file.extend(number.to_le_bytes());
    }
    for number in [1_u16, 24] {
        file.extend(number.to_le_bytes());
    }
    for number in [0_u32, 4, 0, 0, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend([blue, green, red, 0]);
    file.into()
}

pub(crate) fn bytes(bytes: Bytes) -> FakePictureSource {
    FakePictureSource::of_file(EncodedPicture {
        media_type: MediaType::Bmp,
        bytes,
    })
}

pub(crate) fn red() -> FakePictureSource {
    bytes(bmp([200, 10, 10]))
}

/// The kind of an error and its wait in seconds.
pub(crate) fn kind(error: &UpstreamError) -> (&'static str, Option<u64>) {
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
    (name, error.retry_after().map(|wait| wait.as_secs()))
}

/// An error with everything underneath, as the log has it.
pub(crate) fn chain(error: &UpstreamError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
