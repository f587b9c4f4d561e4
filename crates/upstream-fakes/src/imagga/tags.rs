//! `/v2/tags`: inputs and options.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Number, Value, json};

use crate::call::{Call, Parameter, Reply};
use crate::fetch;
use crate::form::Form;
use crate::imagga::errors::{self, ApiError};
use crate::imagga::vocabulary::{self, WORDS};

const INPUTS: [&str; 4] = ["image_url", "image_upload_id", "image", "image_base64"];
const OPTIONS: [&str; 5] = [
    "language",
    "limit",
    "threshold",
    "verbose",
    "decrease_parents",
];
/// How long the service waits for a picture.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The source of the picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Url(String),
    Upload(String),
    Bytes(Bytes),
}

#[derive(Debug)]
pub(crate) struct Options {
    languages: Vec<String>,
    limit: usize,
    threshold: f64,
    verbose: bool,
}

/// A valid request for tags.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) input: Input,
    pub(crate) options: Options,
}

impl Query {
    pub(crate) async fn read(call: &Call) -> Result<Self, ApiError> {
        let parameters = call.parameters();
        let form = if call.method == Method::POST {
            read_form(call).await?
        } else {
            Form::default()
        };
        check_names(&parameters, &form)?;
        let input = Input::read(&call.method, &parameters, &form)?;
        let value = |name: &str| {
            let parameter = parameters.iter().find(|parameter| parameter.name == name);
            parameter
                .map(|parameter| parameter.value.as_str())
                .or_else(|| form.text(name))
        };
        Ok(Self {
            input,
            options: Options::read(value)?,
        })
    }
}

/// A form as multipart or URL-encoded; an empty body is an empty form.
pub(crate) async fn read_form(call: &Call) -> Result<Form, ApiError> {
    match call.content_type().as_deref() {
        Some("multipart/form-data") => Form::multipart(call)
            .await
            .map_err(|_| errors::INVALID_FORM),
        Some("application/x-www-form-urlencoded") => {
            Form::url_encoded(call).map_err(|_| errors::INVALID_FORM)
        }
        None if call.body_length == 0 => Ok(Form::default()),
        _ => Err(errors::INVALID_FORM),
    }
}

fn check_names(parameters: &[Parameter], form: &Form) -> Result<(), ApiError> {
    let names = parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .chain(form.names());
    let mut seen = Vec::new();
    for name in names {
        if !INPUTS.contains(&name) && !OPTIONS.contains(&name) {
            return Err(errors::UNKNOWN_PARAMETER);
        }
        if seen.contains(&name) {
            return Err(errors::REPEATED);
        }
        seen.push(name);
    }
    match seen.iter().filter(|name| INPUTS.contains(name)).count() {
        0 => Err(errors::NO_INPUT),
        1 => Ok(()),
        _ => Err(errors::TWO_INPUTS),
    }
}

impl Input {
    fn read(method: &Method, parameters: &[Parameter], form: &Form) -> Result<Self, ApiError> {
        if *method == Method::POST {
            return picture_of(form)?
                .map(Self::Bytes)
                .ok_or(errors::WRONG_INPUT);
        }
        let find = |name| parameters.iter().find(|parameter| parameter.name == name);
        if let Some(url) = find("image_url") {
            return public_url(url).map(Self::Url);
        }
        let upload = find("image_upload_id").ok_or(errors::WRONG_INPUT)?;
        Ok(Self::Upload(upload.value.clone()))
    }

    /// Fetches a picture by URL.
    pub(crate) async fn fetch(url: &str, http: &reqwest::Client) -> Result<Bytes, ApiError> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch::picture(http, url)).await;
        fetched.ok().flatten().ok_or(errors::CLASSIFICATION)
    }
}

/// The picture in the fields `image` or `image_base64` of a form, if any.
pub(crate) fn picture_of(form: &Form) -> Result<Option<Bytes>, ApiError> {
    if let Some(part) = form.part("image") {
        return if part.is_file {
            Ok(Some(part.bytes.clone()))
        } else {
            Err(errors::IMAGE_IS_NO_FILE)
        };
    }
    let Some(part) = form.part("image_base64") else {
        return Ok(None);
    };
    let decoded = STANDARD
        .decode(&part.bytes)
        .map_err(|_| errors::INVALID_BASE64)?;
    Ok(Some(Bytes::from(decoded)))
}

/// All reserved characters of a URL must be encoded.
fn public_url(parameter: &Parameter) -> Result<String, ApiError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~*!'()+%".contains(&b);
    if !parameter.raw.bytes().all(allowed) {
        return Err(errors::NOT_ENCODED);
    }
    let url = url::Url::parse(&parameter.value).map_err(|_| errors::INVALID_URL)?;
    let printable = parameter.value.bytes().all(|b| b.is_ascii_graphic());
    if printable && matches!(url.scheme(), "http" | "https") {
        Ok(parameter.value.clone())
    } else {
        Err(errors::INVALID_URL)
    }
}

impl Options {
    fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<Self, ApiError> {
        for name in ["verbose", "decrease_parents"] {
            if value(name).is_some_and(|text| text != "0" && text != "1") {
                return Err(errors::INVALID_FLAG);
            }
        }
        let languages = value("language")
            .unwrap_or("en")
            .split(',')
            .map(str::to_owned);
        let languages: Vec<_> = languages.collect();
        if !languages.iter().all(|code| vocabulary::is_language(code)) {
            return Err(errors::INVALID_LANGUAGE);
        }
        Ok(Self {
            languages,
            limit: limit(value("limit").unwrap_or("-1"))?,
            threshold: threshold(value("threshold").unwrap_or("0"))?,
            verbose: value("verbose") == Some("1"),
        })
    }

    /// The complete response for labels with confidences.
    pub(crate) fn answer(&self, labels: &[(String, f64)]) -> Reply {
        let tags = labels
            .iter()
            .filter(|(_, confidence)| *confidence >= self.threshold);
        let tags: Vec<_> = tags
            .take(self.limit)
            .map(|(label, c)| self.tag(label, *c))
            .collect();
        let body =
            json!({ "result": { "tags": tags }, "status": { "text": "", "type": "success" } });
        Reply::json(StatusCode::OK, &body)
    }

    fn tag(&self, label: &str, confidence: f64) -> Value {
        let names = self.languages.iter().map(|code| {
            (
                code.clone(),
                Value::from(vocabulary::translate(label, code)),
            )
        });
        let mut tag =
            json!({ "confidence": number(confidence), "tag": names.collect::<Map<_, _>>() });
        if self.verbose
            && let Some(fields) = tag.as_object_mut()
        {
            let synset = WORDS
                .iter()
                .find(|word| word.en == label)
                .map(|word| word.synset);
            fields.insert("origin".to_owned(), json!("recognition"));
            fields.insert("synset_id".to_owned(), json!(synset.unwrap_or_default()));
        }
        tag
    }
}

/// `-1` is no limit.
fn limit(text: &str) -> Result<usize, ApiError> {
    match text.parse::<i64>().map_err(|_| errors::INVALID_LIMIT)? {
        -1 => Ok(usize::MAX),
        limit => usize::try_from(limit)
            .ok()
            .filter(|l| *l > 0)
            .ok_or(errors::INVALID_LIMIT),
    }
}

fn threshold(text: &str) -> Result<f64, ApiError> {
    let threshold = text
        .parse::<f64>()
        .ok()
        .filter(|value| (0.0..=100.0).contains(value));
    threshold.ok_or(errors::INVALID_THRESHOLD)
}

/// A whole number has no decimals, as in the service.
fn number(confidence: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number from 0 to 100"
    )]
    let whole = confidence as i64;
    if confidence.fract() == 0.0 {
        Value::from(whole)
    } else {
        Number::from_f64(confidence).map_or(Value::Null, Value::Number)
    }
}
