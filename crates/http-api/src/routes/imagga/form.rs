//! The parameters of a request, from its query and its form.

use actix_web::{HttpRequest, web::Payload};
use domain::{Confidence, LabelNames, ShownNames, Threshold, UploadId, ports::ClientKey};

use crate::{
    problem::{Code, Problem},
    state::State,
    upload::{self, Received, SentForm},
};

/// The parameters that name a picture, beside the file and the text of a form.
const URL: &str = "image_url";
const UPLOAD: &str = "image_upload_id";

/// How much of a wrong value is repeated, in characters.
const SHOWN: usize = 64;

/// What a request says.
pub(super) struct Parameters(SentForm);

/// The picture that a request asks for.
pub(super) enum Source {
    /// It came along.
    Sent(Received),
    /// At this URL.
    Url(String),
    /// It was uploaded before.
    Upload(UploadId),
}

impl Parameters {
    /// Reads the query, and the body if the method has one. Where the query has the picture, that is all.
    pub(super) async fn read(
        request: &HttpRequest,
        body: Option<Payload>,
        client: ClientKey,
        state: &State,
    ) -> Result<Self, Problem> {
        let (uploads, settings) = (&state.uploads, &state.settings);
        let query = request.query_string();
        let mut sent = upload::receive_query(query, client, uploads, settings).await?;
        if let Some(body) = body
            && sent.picture.is_none()
        {
            let headers = request.headers();
            let form = upload::receive_form(body, headers, client, uploads, settings).await?;
            sent.fields.extend(form.fields);
            sent.picture = form.picture;
        }
        Ok(Self(sent))
    }

    /// The first value of a parameter that is not empty.
    fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.0.fields.iter();
        let found = given.find(|(other, value)| other == name && !value.trim().is_empty());
        found.map(|(_, value)| value.trim())
    }

    /// The picture, which is in exactly one of four parameters.
    pub(super) fn source(self) -> Result<Source, Problem> {
        let url = self.get(URL).map(str::to_owned);
        let upload = self.get(UPLOAD).map(str::to_owned);
        let is_text = self.0.fields.iter().any(|(name, _)| name == "image");
        match (self.0.picture, url, upload) {
            (Some(picture), None, None) if picture.bytes.is_empty() => {
                Err(invalid("the picture is empty"))
            }
            (Some(picture), None, None) => Ok(Source::Sent(picture)),
            (None, Some(url), None) => Ok(Source::Url(url)),
            (None, None, Some(id)) => id
                .parse()
                .map(Source::Upload)
                .map_err(|_| Problem::new(Code::UploadNotFound, "there is no such upload")),
            (None, None, None) if is_text => Err(invalid(
                "`image` is not sent as a file of multipart/form-data",
            )),
            (None, None, None) => Err(invalid(
                "there is no picture: send `image_url`, `image_upload_id`, `image` or `image_base64`",
            )),
            _ => Err(invalid(
                "there is more than one picture: send one of `image_url`, `image_upload_id`, `image` and `image_base64`",
            )),
        }
    }

    /// The picture that came along.
    pub(super) fn picture(self) -> Result<Received, Problem> {
        match self.source()? {
            Source::Sent(picture) => Ok(picture),
            Source::Url(_) | Source::Upload(_) => Err(invalid(
                "there is no picture: send `image` or `image_base64`",
            )),
        }
    }

    /// The lowest confidence; by default all tags are given.
    pub(super) fn threshold(&self) -> Result<Threshold, Problem> {
        let lowest = self
            .get("threshold")
            .map_or(Some(0.0), |text| text.parse().ok());
        lowest
            .and_then(|lowest| Confidence::new(lowest).ok())
            .map(Threshold::new)
            .ok_or_else(|| Problem::parameter("threshold", "is not a number from 0 to 100"))
    }

    /// The most tags; -1 is no limit.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let limit = self.get("limit").map_or(Some(-1), |text| text.parse().ok());
        match limit {
            Some(-1) => Ok(usize::MAX),
            Some(1..) => Ok(limit
                .and_then(|limit: i64| usize::try_from(limit).ok())
                .unwrap_or(usize::MAX)),
            _ => Err(Problem::parameter(
                "limit",
                "is neither a whole number from 1 on, nor -1 for all",
            )),
        }
    }

    /// Whether a tag says more than its confidence and its names.
    pub(super) fn is_verbose(&self) -> bool {
        matches!(self.get("verbose"), Some("1" | "true"))
    }

    /// The languages of names, each once, and the names.
    pub(super) fn languages(
        &self,
        names: &LabelNames,
    ) -> Result<Vec<(String, ShownNames)>, Problem> {
        let mut languages: Vec<(String, ShownNames)> = Vec::new();
        let listed = self.get("language").unwrap_or(domain::LABEL_LANGUAGE);
        let codes = listed.split(',').map(|code| code.trim().to_lowercase());
        for code in codes.filter(|code| !code.is_empty()) {
            if languages.iter().any(|(known, _)| *known == code) {
                continue;
            }
            let shown = names.shown_in(&code).ok_or_else(|| unknown(&code, names))?;
            languages.push((code, shown));
        }
        Ok(languages)
    }
}

fn unknown(code: &str, names: &LabelNames) -> Problem {
    let code: String = code.chars().take(SHOWN).collect();
    let known: Vec<&str> = names.languages().collect();
    let why = format!("has `{code}`, which is not one of {}", known.join(", "));
    Problem::parameter("language", why)
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidBody, detail)
}
