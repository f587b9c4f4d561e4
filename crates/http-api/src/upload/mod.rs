//! Reading uploads: admission, JSON, base64, digest.

mod admission;
mod arriving;
mod pace;

use actix_web::{error::PayloadError, web::Payload};
use bytes::Bytes;
use domain::{ContentDigest, ports::ClientKey};
use upload_body::{Body, BodyError, buffers};

use self::admission::Overloaded;
pub(super) use self::{
    admission::{Admission, Patience},
    arriving::Arriving,
};
use super::{
    HttpSettings,
    problem::{Code, Problem},
};

/// The bytes of an upload and their digest. They hold their share of the memory budget.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) digest: ContentDigest,
}

/// Reads the body of an upload, of that length where it is known.
///
/// Its part of the memory budget grows as it arrives. While there is no room for more, it is not read.
pub(super) async fn receive(
    payload: Payload,
    length: Option<u64>,
    client: ClientKey,
    admission: &Admission,
    settings: &HttpSettings,
) -> Result<Received, Problem> {
    let limits = settings.body_limits();
    limits.check_length(length.unwrap_or(0))?;
    let mut share = admission.enter(client, limits.memory(length));
    let buffers = buffers(length);
    share.cover(buffers).await?;
    let mut arriving = Arriving::new(payload, settings);
    let mut body = Body::new(limits, length);
    while let Some(piece) = arriving.next(share.is_reserved()).await? {
        share
            .cover(buffers + body.held() + piece.len() as u64)
            .await?;
        body.push(&piece)?;
    }
    let upload_body::Received { bytes, digest } = body.finish()?;
    Ok(Received {
        bytes: share.keep_with(bytes),
        digest,
    })
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Self {
        Self::new(Code::InvalidBody, "the body broke off or is badly framed")
            .caused_by(domain::ports::cause(error.to_string()))
    }
}

impl From<Overloaded> for Problem {
    fn from(Overloaded: Overloaded) -> Self {
        Self::new(
            Code::Overloaded,
            "too many uploads are under way; there was no room for this one in time",
        )
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match &error {
            _ if error.limit().is_some() => Code::PayloadTooLarge,
            BodyError::Text(_) => Code::InvalidBase64,
            _ => Code::InvalidBody,
        };
        let problem = Self::new(code, error.to_string());
        match error.limit() {
            Some(limit) => problem.limit(limit),
            None => problem,
        }
    }
}
