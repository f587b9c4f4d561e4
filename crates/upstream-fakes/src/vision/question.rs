//! Reads `POST /chat/completions`, strictly.

use actix_web::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::call::Reply;

/// Members of a body that OpenAI knows and that a client of ours may send.
const KNOWN: &[&str] = &[
    "model",
    "stream",
    "messages",
    "temperature",
    "max_tokens",
    "max_completion_tokens",
    "reasoning_effort",
    "chat_template_kwargs",
    "response_format",
];

/// An error in OpenAI's form.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
    code: &'static str,
}

impl ApiError {
    pub(super) fn new(status: u16, message: impl Into<String>, code: &'static str) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            message: message.into(),
            code,
        }
    }

    pub(super) fn reply(&self) -> Reply {
        let error = json!({"message": self.message, "type": "invalid_request_error", "param": null, "code": self.code});
        Reply::json(self.status, &json!({ "error": error }))
    }
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(400, message, "invalid_request")
}

/// A valid question.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) model: String,
    pub(super) text: String,
    pub(super) picture: Bytes,
    /// The names that the schema allows.
    pub(super) names: Option<Vec<String>>,
    /// `json_schema`, `json_object` or none.
    pub(super) form: Option<String>,
    /// The most items that the schema allows.
    pub(super) most: usize,
}

impl Question {
    /// `refused`: parameters that this server does not know.
    pub(super) fn read(body: &[u8], refused: &[String]) -> Result<Self, ApiError> {
        let body: Value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
        let members = body.as_object().ok_or_else(|| bad("not an object"))?;
        for name in members.keys() {
            if refused.contains(name) {
                return Err(bad(format!(
                    "Unsupported parameter: '{name}' is not supported with this model."
                )));
            }
            if !KNOWN.contains(&name.as_str()) {
                return Err(bad(format!(
                    "Unrecognized request argument supplied: {name}"
                )));
            }
        }
        if members.contains_key("max_tokens") && members.contains_key("max_completion_tokens") {
            return Err(bad(
                "max_tokens and max_completion_tokens cannot both be set",
            ));
        }
        if body.get("stream") != Some(&json!(false)) {
            return Err(bad("streams are not spoken here"));
        }
        let (text, picture) = message(body.get("messages"))?;
        let schema = body.pointer("/response_format/json_schema/schema/properties/labels");
        let names =
            schema.and_then(|schema| schema.pointer("/items/properties/name/enum")?.as_array());
        let names = names.map(|names| {
            let names = names.iter().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        });
        let most = schema.and_then(|schema| schema.get("maxItems")?.as_u64());
        Ok(Self {
            model: text_at(&body, "/model").unwrap_or_default(),
            text,
            picture,
            names,
            form: text_at(&body, "/response_format/type"),
            most: most.map_or(usize::MAX, |most| {
                usize::try_from(most).unwrap_or(usize::MAX)
            }),
        })
    }
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    Some(value.pointer(pointer)?.as_str()?.to_owned())
}

/// The text and the picture of the one message of a user.
fn message(messages: Option<&Value>) -> Result<(String, Bytes), ApiError> {
    let wanted = || bad("one message of a user is wanted");
    let messages = messages.and_then(Value::as_array).ok_or_else(wanted)?;
    let [message] = messages.as_slice() else {
        return Err(wanted());
    };
    if text_at(message, "/role").as_deref() != Some("user") {
        return Err(wanted());
    }
    let parts = message.get("content").and_then(Value::as_array);
    let parts = parts.ok_or_else(|| bad("no parts"))?;
    let texts: Vec<_> = parts
        .iter()
        .filter_map(|part| text_at(part, "/text"))
        .collect();
    let url = parts
        .iter()
        .find_map(|part| text_at(part, "/image_url/url"));
    let url = url.ok_or_else(|| bad("there is no picture"))?;
    let encoded = url
        .strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
        .ok_or_else(|| bad("the picture is no data URL"))?;
    let picture = STANDARD
        .decode(encoded.1)
        .map_err(|error| bad(error.to_string()))?;
    Ok((texts.join("\n"), picture.into()))
}
