//! Uploads by URL: the server fetches the image.

use bytes::Bytes;
use domain::ports::{ClientKey, cause};
use futures_util::{StreamExt, stream::BoxStream};
use upload_body::{BodyError, BodyKind, BodyLimits, Content};
use url_fetch::{FetchError, Fetched, Violation};

use super::{Pieces, Received, Uploads, read_body};
use crate::problem::{Code, Problem};

/// The setting that says what is fetched.
const SETTING: &str = "fetch.allow";

/// Fetches the image at a URL. Its part of the memory budget grows as it arrives.
pub(super) async fn fetch(
    url: &str,
    client: ClientKey,
    uploads: &Uploads,
    limits: BodyLimits,
) -> Result<Received, Problem> {
    let Fetched { length, stream } = uploads.fetcher.fetch(url).await?;
    let (body, share) = read_body(stream, BodyKind::Raw, length, client, uploads, limits).await?;
    match body.finish() {
        Ok(Content::Image(image)) => Ok(Received::new(image, share)),
        Err(BodyError::Empty) => Err(failed("the server answered an empty file")),
        Err(error) => Err(error.into()),
        Ok(Content::Url(_)) => Err(Problem::internal(cause("a raw body has no URL"))),
    }
}

impl Pieces for BoxStream<'static, Result<Bytes, FetchError>> {
    async fn piece(&mut self, _: bool) -> Result<Option<Bytes>, Problem> {
        Ok(self.next().await.transpose()?)
    }
}

fn failed(how: &str) -> Problem {
    Problem::new(
        Code::FetchingFailed,
        format!("the URL could not be fetched: {how}"),
    )
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match &error {
            FetchError::InvalidUrl(_) => Self::new(Code::InvalidBody, "`url` is not a valid URL"),
            FetchError::NotAllowed { reason, .. } => {
                let detail = format!("the URL is not fetched: {error}");
                let problem = Self::new(Code::FetchingNotAllowed, detail);
                match reason {
                    // No setting allows these.
                    Violation::Scheme | Violation::UserInfo => problem,
                    _ => problem.setting(SETTING),
                }
            }
            FetchError::Failed { failure, .. } => failed(&failure.to_string()),
        }
        .caused_by(cause(error))
    }
}
