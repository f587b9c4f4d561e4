//! `POST /api/v1/files/upload`.

use std::time::Duration;

use actix_web::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::call::{Call, Reply};
use crate::fetch;
use crate::form::{Form, Part};
use crate::imagekit::errors::{self, ApiError};
use crate::imagekit::library::{File, NewFile};

/// The known fields of an upload.
const FIELDS: &[&str] = &[
    "file",
    "fileName",
    "useUniqueFileName",
    "tags",
    "folder",
    "isPrivateFile",
    "isPublished",
    "customCoordinates",
    "responseFields",
    "extensions",
    "transformation",
    "customMetadata",
    "webhookUrl",
    "overwriteFile",
    "overwriteAITags",
    "overwriteTags",
    "overwriteCustomMetadata",
    "checks",
    "description",
];
/// Fields of an upload from a browser, never combined with the private key.
const CLIENT_FIELDS: &[&str] = &["token", "expire", "signature", "publicKey"];
const FLAGS: &[&str] = &[
    "useUniqueFileName",
    "isPrivateFile",
    "isPublished",
    "overwriteFile",
    "overwriteAITags",
    "overwriteTags",
    "overwriteCustomMetadata",
];
const JSON_FIELDS: &[&str] = &["extensions", "transformation", "customMetadata"];
const RESPONSE_FIELDS: &[&str] = &[
    "tags",
    "customCoordinates",
    "isPrivateFile",
    "embeddedMetadata",
    "isPublished",
    "customMetadata",
    "metadata",
    "selectedFieldsSchema",
];
/// How long ImageKit waits for the head of a response if `file` is a URL.
const FETCH_TIMEOUT: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) file: NewFile,
    pub(crate) unique: bool,
    pub(crate) overwrite: bool,
    /// Optional fields of the response.
    pub(crate) response_fields: Vec<String>,
}

impl Upload {
    /// Reads and validates the form.
    pub(crate) async fn read(
        call: &Call,
        limit: usize,
        http: &reqwest::Client,
    ) -> Result<Self, ApiError> {
        if call.body_length > call.body.len() {
            return Err(errors::TOO_LARGE);
        }
        if call.content_type().as_deref() != Some("multipart/form-data") {
            return Err(errors::MISSING_FILE);
        }
        let form = Form::multipart(call)
            .await
            .map_err(|_| errors::INVALID_FORM)?;
        check_fields(&form)?;
        let bytes = file_bytes(&form, http).await?;
        if bytes.len() > limit {
            return Err(errors::TOO_LARGE);
        }
        let name = form.text("fileName").filter(|name| !name.is_empty());
        Ok(Self {
            file: NewFile {
                name: clean_name(name.ok_or(errors::MISSING_FILE_NAME)?),
                folder: folder(&form)?,
                bytes,
                tags: tags(&form)?,
                private: flag(&form, "isPrivateFile", false),
                published: flag(&form, "isPublished", true),
                age: Duration::ZERO,
            },
            unique: flag(&form, "useUniqueFileName", true),
            overwrite: flag(&form, "overwriteFile", true),
            response_fields: response_fields(&form)?,
        })
    }
}

fn check_fields(form: &Form) -> Result<(), ApiError> {
    for name in form.names() {
        if CLIENT_FIELDS.contains(&name) {
            return Err(errors::TWO_SIGNATURES);
        }
        if !FIELDS.contains(&name) {
            return Err(errors::UNKNOWN_PARAMETER);
        }
    }
    let is_flag = |text: &str| matches!(text, "true" | "false");
    if FLAGS
        .iter()
        .any(|name| form.part(name).is_some() && !form.text(name).is_some_and(is_flag))
    {
        return Err(errors::INVALID_FLAG);
    }
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let broken = |name: &&str| form.part(name).is_some() && !form.text(name).is_some_and(is_json);
    if JSON_FIELDS.iter().any(broken) {
        return Err(errors::INVALID_JSON);
    }
    Ok(())
}

async fn file_bytes(form: &Form, http: &reqwest::Client) -> Result<Bytes, ApiError> {
    let part = form.part("file").filter(|part| !part.bytes.is_empty());
    let part = part.ok_or(errors::MISSING_FILE)?;
    if part.is_file {
        return Ok(part.bytes.clone());
    }
    let text = part.text().ok_or(errors::INVALID_FILE)?;
    if text.starts_with("http://") || text.starts_with("https://") {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch::picture(http, text)).await;
        return fetched.ok().flatten().ok_or(errors::INVALID_FILE);
    }
    decode(text).ok_or(errors::INVALID_FILE)
}

/// Decodes plain base64, or a `data:` URI of base64.
fn decode(text: &str) -> Option<Bytes> {
    let encoded = match text.strip_prefix("data:") {
        Some(uri) => uri.split_once(";base64,")?.1,
        None => text,
    };
    STANDARD.decode(encoded).ok().map(Bytes::from)
}

fn flag(form: &Form, name: &str, default: bool) -> bool {
    form.text(name).map_or(default, |text| text == "true")
}

/// Replaces everything but letters, digits, dots and dashes by an underscore.
fn clean_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

fn folder(form: &Form) -> Result<String, ApiError> {
    let Some(part) = form.part("folder") else {
        return Ok("/".to_owned());
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-');
    let text = part.text().filter(|text| text.chars().all(allowed));
    clean_folder(text.ok_or(errors::INVALID_FOLDER)?).ok_or(errors::INVALID_FOLDER)
}

/// A leading slash, no trailing one, at most 50 levels.
pub(crate) fn clean_folder(text: &str) -> Option<String> {
    let levels: Vec<_> = text.split('/').filter(|level| !level.is_empty()).collect();
    (levels.len() <= 50).then(|| format!("/{}", levels.join("/")))
}

fn tags(form: &Form) -> Result<Option<Vec<String>>, ApiError> {
    let Some(part) = form.part("tags") else {
        return Ok(None);
    };
    let text = part
        .text()
        .filter(|text| text.chars().count() <= 500 && !text.contains('%'));
    let names = text.ok_or(errors::INVALID_TAGS)?.split(',').map(str::trim);
    let names: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    Ok((!names.is_empty()).then_some(names))
}

fn response_fields(form: &Form) -> Result<Vec<String>, ApiError> {
    let text = form.part("responseFields").map_or(Some(""), Part::text);
    let names = text
        .ok_or(errors::INVALID_RESPONSE_FIELDS)?
        .split(',')
        .map(str::trim);
    let names: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names
        .iter()
        .all(|name| RESPONSE_FIELDS.contains(&name.as_str()))
    {
        Ok(names)
    } else {
        Err(errors::INVALID_RESPONSE_FIELDS)
    }
}

/// Inserts nine random characters between the stem of a name and its extension.
pub(crate) fn unique_name(name: &str) -> String {
    let digits = uuid::Uuid::new_v4().simple().to_string();
    let suffix: String = digits.chars().take(9).collect();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}_{suffix}.{extension}"),
        _ => format!("{name}_{suffix}"),
    }
}

/// The response to an upload.
pub(crate) fn answer(file: &File, root: &str, fields: &[String]) -> Reply {
    let path = file.path();
    let mut body = Map::from_iter([
        ("fileId".to_owned(), json!(file.id)),
        ("name".to_owned(), json!(file.name)),
        ("size".to_owned(), json!(file.bytes.len())),
        (
            "versionInfo".to_owned(),
            json!({ "id": file.id, "name": "Version 1" }),
        ),
        ("filePath".to_owned(), json!(path)),
        ("url".to_owned(), json!(format!("{root}{path}"))),
        ("fileType".to_owned(), json!(file.file_type())),
        ("AITags".to_owned(), Value::Null),
    ]);
    if let Some((width, height)) = file.dimensions {
        let thumbnail = format!("{root}/tr:n-ik_ml_thumbnail{path}");
        body.insert("height".to_owned(), json!(height));
        body.insert("width".to_owned(), json!(width));
        body.insert("thumbnailUrl".to_owned(), json!(thumbnail));
    }
    body.extend(
        fields
            .iter()
            .map(|field| (field.clone(), optional(file, field))),
    );
    Reply::json(StatusCode::OK, &Value::Object(body))
}

fn optional(file: &File, field: &str) -> Value {
    match field {
        "tags" => json!(file.tags),
        "isPrivateFile" => json!(file.private),
        "isPublished" => json!(file.published),
        "customCoordinates" => Value::Null,
        _ => json!({}),
    }
}
