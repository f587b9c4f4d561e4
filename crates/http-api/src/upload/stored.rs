//! Pictures that were uploaded before, and wait in the store.

use bytes::Bytes;
use domain::ports::{ClientKey, OriginalContent, OriginalStoreError, cause};
use futures_util::{StreamExt, stream::BoxStream};
use upload_body::{BodyKind, BodyLimits, Content};

use super::{Pieces, Received, Uploads, read_body};
use crate::problem::Problem;

/// Reads what the store has like a body.
pub(crate) async fn receive_stored(
    content: OriginalContent,
    client: ClientKey,
    uploads: &Uploads,
    limits: BodyLimits,
) -> Result<Received, Problem> {
    let OriginalContent { len, stream, .. } = content;
    let kind = BodyKind::Raw;
    let (body, share) = read_body(stream, kind, Some(len), client, uploads, limits).await?;
    match body.finish()? {
        Content::Image(image) => Ok(Received::new(image, share)),
        Content::Url(_) => Err(Problem::internal(cause("a raw body has no URL"))),
    }
}

impl Pieces for BoxStream<'static, Result<Bytes, OriginalStoreError>> {
    async fn piece(&mut self, _: bool) -> Result<Option<Bytes>, Problem> {
        Ok(self.next().await.transpose()?)
    }
}
