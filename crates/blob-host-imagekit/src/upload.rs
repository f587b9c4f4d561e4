//! `POST /api/v1/files/upload`.

use domain::{
    EncodedPicture, MediaType,
    ports::{HostedBlob, UpstreamError, cause},
};
use reqwest::{
    Method, Url,
    multipart::{Form, Part},
};
use serde::Deserialize;

use crate::{Kit, LONGEST_ANSWER, TAG};

/// The longest name we send, in characters; ImageKit appends a suffix.
const LONGEST_NAME: usize = 100;

/// ImageKit's ids have 24 characters.
const LONGEST_ID: usize = 128;

/// The fields of a response that we need; all others are optional.
#[derive(Debug, Deserialize)]
struct Uploaded {
    #[serde(rename = "fileId")]
    file_id: String,
    url: String,
}

impl Kit {
    pub(crate) async fn upload(
        &self,
        picture: &EncodedPicture,
        name: &str,
    ) -> Result<HostedBlob, UpstreamError> {
        let form = self.form(picture, name)?;
        let url = self.upload_url.route(&["api", "v1", "files", "upload"]);
        let request = self.service.request(Method::POST, url).multipart(form);
        let answer = self.service.send(request, LONGEST_ANSWER).await?;
        if !answer.status().is_success() {
            return Err(self.failure(&answer));
        }
        let uploaded: Uploaded = self.service.json(&answer)?;
        blob(uploaded.file_id, uploaded.url)
            .ok_or_else(|| self.service.malformed(&answer, "no usable fileId and url"))
    }

    fn form(&self, picture: &EncodedPicture, name: &str) -> Result<Form, UpstreamError> {
        let name = file_name(name, picture.media_type);
        let file = Part::stream_with_length(picture.bytes.clone(), picture.bytes.len() as u64)
            .file_name(name.clone())
            .mime_str(picture.media_type.as_str())
            .map_err(|error| UpstreamError::Refused(cause(error)))?;
        Ok(Form::new()
            .text("fileName", name)
            .text("useUniqueFileName", "true")
            .text("folder", self.folder.as_str().to_owned())
            .text("tags", TAG)
            .part("file", file))
    }
}

/// A blob that can be released and fetched; `None` if either is impossible.
pub(crate) fn blob(id: String, url: String) -> Option<HostedBlob> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_id = (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(is_plain);
    let is_url = Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    (is_id && is_url).then_some(HostedBlob { id, url })
}

/// A file name that ImageKit accepts unchanged.
fn file_name(hint: &str, media_type: MediaType) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut name: String = hint
        .chars()
        .take(LONGEST_NAME)
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    if name.is_empty() {
        name.push_str("picture");
    }
    name + extension(media_type)
}

fn extension(media_type: MediaType) -> &'static str {
    match media_type {
        MediaType::Jpeg => ".jpg",
        MediaType::Png => ".png",
        MediaType::WebP => ".webp",
        MediaType::Gif => ".gif",
        MediaType::Bmp => ".bmp",
        MediaType::Tiff => ".tif",
        MediaType::Heic => ".heic",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("", "picture.jpg")]
    #[case("cat-1", "cat-1.jpg")]
    #[case("../ñandú.png", "____and__png.jpg")]
    fn names_are_plain(#[case] hint: &str, #[case] name: &str) {
        assert_eq!(file_name(hint, MediaType::Jpeg), name);
    }

    #[rstest::rstest]
    #[case("6673f88237b244ef54d60180", "https://ik.imagekit.io/demo/a.jpg", true)]
    #[case("", "https://ik.imagekit.io/demo/a.jpg", false)]
    #[case("../purge", "https://ik.imagekit.io/demo/a.jpg", false)]
    #[case("6673f88237b244ef54d60180", "/demo/a.jpg", false)]
    #[case("6673f88237b244ef54d60180", "file:///demo/a.jpg", false)]
    #[case("6673f88237b244ef54d60180", "", false)]
    fn a_blob_has_a_plain_id_and_a_public_url(
        #[case] id: &str,
        #[case] url: &str,
        #[case] good: bool,
    ) {
        assert_eq!(blob(id.to_owned(), url.to_owned()).is_some(), good);
    }
}
