//! Reading uploads: headers, admission, body.

mod admission;
mod arriving;
mod content;
mod fetching;
mod forms;
mod pace;
mod stored;

use actix_web::{error::PayloadError, http::header::HeaderMap, web::Payload};
use bytes::Bytes;
use domain::{ContentDigest, ports::ClientKey};
use futures_util::Stream;
use upload_body::{Body, BodyError, BodyKind, BodyLimits, Content, StreamedBody, buffers};
use url_fetch::Fetcher;

use self::admission::{Overloaded, Share};
pub(super) use self::{
    admission::{Admission, Patience},
    arriving::Arriving,
    forms::{SentForm, SentPicture, receive_form, receive_pictures, receive_query},
    stored::receive_stored,
};
use super::{
    HttpSettings,
    problem::{Code, Problem},
};

/// What reads uploads.
pub(super) struct Uploads {
    pub(super) admission: Admission,
    /// Fetches those that come by URL.
    pub(super) fetcher: Fetcher,
}

/// The bytes of an upload and their digest. They hold their share of the memory budget.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    pub(super) digest: ContentDigest,
    /// The name of the file, if the body gave one.
    pub(super) file_name: Option<String>,
}

/// What an upload brings.
pub(super) enum Sent {
    /// An image.
    Image(Received),
    /// The URL of one, which is yet to be [fetched](fetch).
    Url(String),
}

/// Reads the body of an upload that has these headers.
///
/// Its part of the memory budget grows as it arrives. While there is no room for more, it is not read.
pub(super) async fn receive(
    payload: Payload,
    headers: &HeaderMap,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<Sent, Problem> {
    let (kind, length) = (content::kind(headers)?, content::length(headers));
    let limits = settings.body_limits();
    limits.check_length(&kind, length.unwrap_or(0))?;
    let arriving = Arriving::new(payload, settings);
    let (body, share) = read_body(arriving, kind, length, client, uploads, limits).await?;
    Ok(match body.finish()? {
        Content::Image(image) => Sent::Image(Received::new(image, share)),
        // What is fetched is admitted by its own size, not by this share.
        Content::Url(url) => Sent::Url(url),
    })
}

/// Fetches the image at a URL, and reads it like a body.
pub(super) async fn fetch(
    url: &str,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<Received, Problem> {
    fetching::fetch(url, client, uploads, settings.body_limits()).await
}

/// What the bytes of an upload come from.
trait Pieces {
    /// The next piece; `is_waited_for` if other uploads wait for this one.
    async fn piece(&mut self, is_waited_for: bool) -> Result<Option<Bytes>, Problem>;
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Pieces for Arriving<S> {
    async fn piece(&mut self, is_waited_for: bool) -> Result<Option<Bytes>, Problem> {
        self.next(is_waited_for).await
    }
}

/// Reads a body with one image to its end, and returns it with the part of the memory budget that it takes.
async fn read_body(
    pieces: impl Pieces,
    kind: BodyKind,
    length: Option<u64>,
    client: ClientKey,
    uploads: &Uploads,
    limits: BodyLimits,
) -> Result<(Body, Share), Problem> {
    let need = limits.memory(&kind, length);
    let share = uploads.admission.enter(client, need);
    read(pieces, share, length, || {
        Ok(Body::new(kind, limits, length))
    })
    .await
}

/// Reads a body to its end. Its part of the memory budget grows with it.
async fn read<B: StreamedBody>(
    mut pieces: impl Pieces,
    mut share: Share,
    length: Option<u64>,
    begin: impl FnOnce() -> Result<B, BodyError>,
) -> Result<(B, Share), Problem> {
    let buffers = buffers(length);
    share.cover(buffers).await?;
    let mut body = begin()?;
    while let Some(piece) = pieces.piece(share.is_reserved()).await? {
        let held = buffers + body.held() + piece.len() as u64;
        share.cover(held).await?;
        body.push(&piece)?;
    }
    Ok((body, share))
}

impl Received {
    fn new(image: upload_body::Received, share: Share) -> Self {
        Self {
            bytes: share.keep_with(image.bytes),
            digest: image.digest,
            file_name: image.file_name,
        }
    }
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
