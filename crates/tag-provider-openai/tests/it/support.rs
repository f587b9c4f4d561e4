//! A running vision server with an adapter in front of it, and pictures.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    EncodedPicture, MediaType, Tags,
    ports::{CallContext, TagProvider, UpstreamError},
};
use domain_testing::FakePictureSource;
use reqwest::Client;
use tag_provider_openai::{Output, VisionServer, VisionSettings, WordList};
use upstream_fakes::Vision;

pub(crate) struct Stage {
    pub(crate) vision: Vision,
    pub(crate) provider: VisionServer,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(WordList::Open, |_| {})
    }

    pub(crate) fn closed(words: &[&str], change: impl FnOnce(&mut VisionSettings)) -> Self {
        let words: Arc<[String]> = words.iter().map(|&word| word.to_owned()).collect();
        Self::with(WordList::Fixed(words), change)
    }

    pub(crate) fn with(words: WordList, change: impl FnOnce(&mut VisionSettings)) -> Self {
        let vision = Vision::start().unwrap();
        let mut settings = settings(&vision);
        change(&mut settings);
        let provider = VisionServer::new(client(Duration::from_secs(20)), settings, words).unwrap();
        Self { vision, provider }
    }

    /// Tags for a caller that stays.
    pub(crate) async fn tag(&self, source: &FakePictureSource) -> Result<Tags, UpstreamError> {
        let found = self.provider.tag(source, &CallContext::local()).await;
        found.map(|found| found.tags)
    }
}

pub(crate) fn settings(vision: &Vision) -> VisionSettings {
    VisionSettings {
        base_url: vision.base_url().to_owned(),
        api_key: None,
        model: Vision::MODEL.to_owned(),
        output: Output::Structured,
        prompt: None,
        language: "en".to_owned(),
        max_tags: 15,
        max_side: 768,
        default_confidence: 90.0,
    }
}

pub(crate) fn client(time_out: Duration) -> Client {
    let builder = Client::builder().no_proxy().timeout(time_out);
    builder.build().unwrap()
}

/// A red BMP of one pixel.
pub(crate) fn red() -> FakePictureSource {
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
    file.extend([10, 10, 200, 0]);
    bytes(file.into())
}

pub(crate) fn bytes(bytes: Bytes) -> FakePictureSource {
    FakePictureSource::of_file(EncodedPicture {
        media_type: MediaType::Bmp,
        bytes,
    })
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
        UpstreamError::Unavailable { .. } => "unavailable",
        UpstreamError::Picture(_) | UpstreamError::Cancelled => "other",
    };
    (name, error.retry_after().map(|wait| wait.as_secs()))
}

/// An error with everything underneath, as the log has it.
pub(crate) fn chain(error: &UpstreamError) -> String {
    domain::ports::in_words(error)
}
