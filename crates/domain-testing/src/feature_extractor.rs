//! The in-memory [`FeatureExtractor`](domain::ports::FeatureExtractor).

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use domain::{
    ContentDigest, FeatureModel, Features,
    ports::{CallContext, FeatureExtractor, PictureSource, UpstreamError, cause},
};

/// Computes features out of the content of a fake picture: the more characters two of them have in common, each in its
/// place, the nearer their features are.
#[derive(Debug)]
pub struct FakeFeatureExtractor {
    model: FeatureModel,
    calls: AtomicUsize,
    failure: Mutex<Option<UpstreamError>>,
}

impl Default for FakeFeatureExtractor {
    fn default() -> Self {
        Self {
            model: FeatureModel::parse("fake-network-1").expect("a model"),
            calls: AtomicUsize::new(0),
            failure: Mutex::default(),
        }
    }
}

impl FakeFeatureExtractor {
    /// How many pictures it was asked for.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Makes every call fail from now on, or none.
    pub fn fail(&self, error: Option<UpstreamError>) {
        *self.failure.lock().expect("no test panicked") = error;
    }

    /// The features of a file: each character of its content adds a direction of its own.
    pub fn of_file(file: &[u8]) -> Features {
        let text = String::from_utf8_lossy(file);
        let content = text.split_once(':').map_or(&*text, |(_, content)| content);
        let mut values = vec![0.0_f32; 256];
        for (place, character) in content.char_indices() {
            let digest = ContentDigest::of(format!("{place}{character}").as_bytes());
            for (value, byte) in values.iter_mut().zip(digest.as_bytes().iter().cycle()) {
                *value += f32::from(*byte);
            }
        }
        Features::quantise(&values).expect("features")
    }
}

#[async_trait]
impl FeatureExtractor for FakeFeatureExtractor {
    fn model(&self) -> &FeatureModel {
        &self.model
    }

    async fn features(
        &self,
        picture: &dyn PictureSource,
        context: &CallContext,
    ) -> Result<Features, UpstreamError> {
        context.check()?;
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = &*self.failure.lock().expect("no test panicked") {
            return Err(error.clone());
        }
        let file = picture.jpeg(0).await?;
        if file.bytes.is_empty() {
            return Err(UpstreamError::Unreadable(cause("an empty file")));
        }
        Ok(Self::of_file(&file.bytes))
    }
}

#[cfg(test)]
mod tests {
    use domain::{EncodedPicture, MediaType};

    use super::*;
    use crate::{FakePictureSource, contract::feature_extractor::all};

    fn file(content: &'static [u8]) -> EncodedPicture {
        EncodedPicture {
            media_type: MediaType::Jpeg,
            bytes: bytes::Bytes::from_static(content),
        }
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let extractor = FakeFeatureExtractor::default();
        all(&extractor, &FakePictureSource::of_file(file(b"a car"))).await;
    }
}
