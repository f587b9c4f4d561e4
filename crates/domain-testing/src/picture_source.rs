//! The in-memory [`PictureSource`].

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;

use domain::{
    DecodedPicture, EncodedPicture, Picture,
    ports::{PictureSource, UpstreamError, cause},
};

/// A form and size in which a picture is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Pixels, with that longest side.
    Pixels(NonZeroU32),
    /// A JPEG file, with that longest side.
    Jpeg(u32),
    /// The URL of such a file.
    PublicUrl(u32),
}

/// A source that has a picture in one form, the same at every size, and records the pulls. Pulling another
/// form is [`UpstreamError::Refused`].
#[derive(Debug)]
pub struct FakePictureSource {
    form: Form,
    pulls: Mutex<Vec<Pull>>,
}

#[derive(Debug)]
enum Form {
    Pixels(Arc<DecodedPicture>),
    File(EncodedPicture),
    Url(String),
    Failure(UpstreamError),
}

impl FakePictureSource {
    /// A source of these pixels.
    pub fn of_pixels(picture: Picture) -> Self {
        Self::new(Form::Pixels(Arc::new(picture.into())))
    }

    /// A source of this file.
    pub fn of_file(file: EncodedPicture) -> Self {
        Self::new(Form::File(file))
    }

    /// A source of a file at this URL.
    pub fn of_url(url: impl Into<String>) -> Self {
        Self::new(Form::Url(url.into()))
    }

    /// A source whose every pull fails.
    pub fn failing(error: UpstreamError) -> Self {
        Self::new(Form::Failure(error))
    }

    fn new(form: Form) -> Self {
        let pulls = Mutex::default();
        Self { form, pulls }
    }

    /// The pulls so far, in order.
    pub fn pulls(&self) -> Vec<Pull> {
        self.lock().clone()
    }

    fn pull(&self, pull: Pull) -> UpstreamError {
        self.lock().push(pull);
        match &self.form {
            Form::Failure(error) => error.clone(),
            _ => UpstreamError::Refused(cause("the source has another form")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pull>> {
        self.pulls
            .lock()
            .expect("no test panicked holding the source")
    }
}

#[async_trait]
impl PictureSource for FakePictureSource {
    async fn pixels(&self, side: NonZeroU32) -> Result<Arc<DecodedPicture>, UpstreamError> {
        let refusal = self.pull(Pull::Pixels(side));
        match &self.form {
            Form::Pixels(picture) => Ok(Arc::clone(picture)),
            _ => Err(refusal),
        }
    }

    async fn jpeg(&self, side: u32) -> Result<EncodedPicture, UpstreamError> {
        let refusal = self.pull(Pull::Jpeg(side));
        match &self.form {
            Form::File(file) => Ok(file.clone()),
            _ => Err(refusal),
        }
    }

    async fn public_url(&self, side: u32) -> Result<String, UpstreamError> {
        let refusal = self.pull(Pull::PublicUrl(side));
        match &self.form {
            Form::Url(url) => Ok(url.clone()),
            _ => Err(refusal),
        }
    }
}
