//! A running Imagga with an adapter in front of it, and pictures.

use std::time::Duration;

use bytes::Bytes;
use domain::{
    EncodedPicture, MediaType, Tags,
    ports::{CallContext, ImageAccess, TagProvider, TagSource, UpstreamError},
};
use reqwest::Client;
use tag_provider_imagga::{Imagga, ImaggaSettings};
use upstream_fakes::{Fakes, Seed};

pub(crate) struct Stage {
    pub(crate) fakes: Fakes,
    pub(crate) provider: Imagga,
}

impl Stage {
    pub(crate) async fn new(access: ImageAccess) -> Self {
        Self::with(access, |_| {}).await
    }

    pub(crate) async fn with(
        access: ImageAccess,
        change: impl FnOnce(&mut ImaggaSettings),
    ) -> Self {
        let fakes = Fakes::start().await.unwrap();
        let mut settings = settings(&fakes, access);
        change(&mut settings);
        let provider = Imagga::new(client(Duration::from_secs(20)), settings).unwrap();
        Self { fakes, provider }
    }

    /// Tags for a caller that stays.
    pub(crate) async fn tag(&self, source: &TagSource) -> Result<Tags, UpstreamError> {
        self.provider.tag(source, &CallContext::local()).await
    }

    pub(crate) fn imagga(&self) -> &upstream_fakes::Imagga {
        self.fakes.imagga()
    }

    /// Publishes a file under a name; says where.
    pub(crate) fn publish(&self, name: &str, bytes: Bytes) -> TagSource {
        let kit = self.fakes.imagekit();
        kit.seed(Seed {
            name: name.to_owned(),
            folder: "/pictures".to_owned(),
            bytes,
            tags: Vec::new(),
            age: Duration::ZERO,
        });
        TagSource::PublicUrl(format!("{}/demo/pictures/{name}", kit.url()))
    }
}

pub(crate) fn settings(fakes: &Fakes, access: ImageAccess) -> ImaggaSettings {
    let imagga = fakes.imagga();
    ImaggaSettings {
        base_url: imagga.url().to_owned(),
        api_key: imagga.api_key().into(),
        api_secret: imagga.api_secret().into(),
        language: "en".to_owned(),
        access,
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

pub(crate) fn bytes(bytes: Bytes) -> TagSource {
    TagSource::Bytes(EncodedPicture {
        media_type: MediaType::Bmp,
        bytes,
    })
}

pub(crate) fn red() -> TagSource {
    bytes(bmp([200, 10, 10]))
}

/// The kind of an error and its wait in seconds.
pub(crate) fn kind(error: &UpstreamError) -> (&'static str, Option<u64>) {
    let name = match error {
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
