//! The envelope of an answer, and that of an error.

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// `{"choices": [{"message": {"content": "…"}, "finish_reason": "stop"}], …}`.
#[derive(Debug, Deserialize)]
pub(crate) struct Reply {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Option<Content>,
    refusal: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

/// The answer has no text that could be a list of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ReplyError {
    #[error("there is no choice in it")]
    NoChoice,
    #[error(
        "the model reached its limit of tokens, so the answer is cut off; lower openai.max_tags, or switch its thinking off"
    )]
    CutOff,
    #[error("the model refuses to answer, or a filter does")]
    Refused,
    #[error("the model said nothing")]
    Empty,
}

impl Reply {
    /// The text of the first choice.
    pub(crate) fn content(self) -> Result<String, ReplyError> {
        let choice = self.choices.into_iter().next();
        let choice = choice.ok_or(ReplyError::NoChoice)?;
        match choice.finish_reason.as_deref() {
            Some("length") => return Err(ReplyError::CutOff),
            Some("content_filter") => return Err(ReplyError::Refused),
            _ => {}
        }
        if choice.message.refusal.is_some() {
            return Err(ReplyError::Refused);
        }
        let text = match choice.message.content {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
        };
        if text.trim().is_empty() {
            return Err(ReplyError::Empty);
        }
        Ok(text)
    }
}

/// `{"error": {"message": "…", "type": "…", "code": "…"}}`, or only a text.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Failure {
    #[serde(default)]
    error: Value,
}

impl Failure {
    /// Whether the server could not read the picture. OpenAI has codes for that; the others' words are those of
    /// the libraries that they decode with.
    pub(crate) fn is_of_picture(&self) -> bool {
        let code = self.member("code");
        if ["invalid_image", "image_parse", "unsupported_image"]
            .iter()
            .any(|start| code.starts_with(start))
        {
            return true;
        }
        let text = self.text();
        text.contains("image")
            && ["decode", "identify", "corrupt"]
                .iter()
                .any(|word| text.contains(word))
    }

    /// Whether the account has nothing left, rather than too many calls at a time.
    pub(crate) fn is_of_quota(&self) -> bool {
        [self.member("code"), self.member("type")].contains(&"insufficient_quota".to_owned())
    }

    fn member(&self, name: &str) -> String {
        let text = self.error.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_lowercase()
    }

    fn text(&self) -> String {
        self.error
            .as_str()
            .map_or_else(|| self.member("message"), str::to_lowercase)
    }
}
