//! Bodies of the compatible interfaces: forms with a picture among other fields, and JSON with several pictures.

use actix_web::{http::header::HeaderMap, web::Payload};
use bytes::Bytes;
use domain::ports::ClientKey;
use upload_body::{Form, FormBody, FormKind, Picture, Pictures, PicturesBody};

use super::{Arriving, Pieces, Received, Uploads, content, read};
use crate::{HttpSettings, problem::Problem};

/// A form.
#[derive(Default)]
pub(crate) struct SentForm {
    /// Its picture, if it has one; it may be empty.
    pub(crate) picture: Option<Received>,
    /// Its other fields in their order, names and values.
    pub(crate) fields: Vec<(String, String)>,
}

/// Several pictures.
pub(crate) struct SentPictures {
    /// The pictures in their order, at least one.
    pub(crate) list: Vec<SentPicture>,
    /// What the client calls its request.
    pub(crate) id: Option<String>,
}

/// A picture, or where it is.
pub(crate) enum SentPicture {
    /// An image.
    Image(Received),
    /// The URL of one, which is yet to be fetched.
    Url(String),
}

/// Reads a body that is a form. One without a content type and without a length is none.
pub(crate) async fn receive_form(
    payload: Payload,
    headers: &HeaderMap,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<SentForm, Problem> {
    let length = content::length(headers);
    let Some(kind) = content::form(headers)? else {
        return Ok(SentForm::default());
    };
    FormBody::check_length(settings.body_limits(), length.unwrap_or(0))?;
    let arriving = Arriving::new(payload, settings);
    receive(arriving, &kind, length, client, uploads, settings).await
}

/// Reads a query string as the form that it is.
pub(crate) async fn receive_query(
    query: &str,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<SentForm, Problem> {
    if query.is_empty() {
        return Ok(SentForm::default());
    }
    let query = Bytes::copy_from_slice(query.as_bytes());
    let length = Some(query.len() as u64);
    let kind = FormKind::UrlEncoded;
    receive(Whole(Some(query)), &kind, length, client, uploads, settings).await
}

/// Bytes that are there as a whole.
struct Whole(Option<Bytes>);

impl Pieces for Whole {
    async fn piece(&mut self, _: bool) -> Result<Option<Bytes>, Problem> {
        Ok(self.0.take())
    }
}

async fn receive(
    pieces: impl Pieces,
    kind: &FormKind,
    length: Option<u64>,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<SentForm, Problem> {
    let limits = settings.body_limits();
    let need = FormBody::memory(limits, length);
    let share = uploads.admission.enter(client, need);
    let begin = || FormBody::new(kind, limits, length);
    let (body, share) = read(pieces, share, length, begin).await?;
    let Form { picture, fields } = body.finish()?;
    Ok(SentForm {
        picture: picture.map(|picture| Received::new(picture, share)),
        fields,
    })
}

/// Reads a body that is JSON with pictures. All of them share one part of the memory budget.
pub(crate) async fn receive_pictures(
    payload: Payload,
    headers: &HeaderMap,
    client: ClientKey,
    uploads: &Uploads,
    settings: &HttpSettings,
) -> Result<SentPictures, Problem> {
    content::check_encoding(headers)?;
    let (length, limits) = (content::length(headers), settings.body_limits());
    limits.check_length(&upload_body::BodyKind::Json, length.unwrap_or(0))?;
    let need = PicturesBody::memory(limits, length);
    let share = uploads.admission.enter(client, need);
    let arriving = Arriving::new(payload, settings);
    let begin = || PicturesBody::new(limits, length);
    let (body, share) = read(arriving, share, length, begin).await?;
    let Pictures { bytes, list, id } = body.finish()?;
    let bytes = share.keep_with(bytes);
    let sent = |picture| match picture {
        Picture::Url(url) => SentPicture::Url(url),
        Picture::Bytes(range, digest) => SentPicture::Image(Received {
            bytes: bytes.slice(range),
            digest,
            file_name: None,
        }),
    };
    Ok(SentPictures {
        list: list.into_iter().map(sent).collect(),
        id,
    })
}
