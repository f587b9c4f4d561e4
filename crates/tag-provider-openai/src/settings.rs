//! Settings of a vision server.

use std::fmt;

use domain::ProviderIdentityError;
use secrecy::SecretString;
use thiserror::Error;
use upstream_http::BaseUrlError;

/// A server, its model, and how it is asked.
#[derive(Debug, Clone)]
pub struct VisionSettings {
    /// What `/chat/completions` is below, such as `http://localhost:11434/v1`.
    pub base_url: String,
    /// The bearer token; most servers on one's own machine need none.
    pub api_key: Option<SecretString>,
    /// The model's name at the server.
    pub model: String,
    /// How the answer is held to a form.
    pub output: Output,
    /// The whole text of the question, in place of the built-in one. `{language}`, `{vocabulary}` and
    /// `{max_tags}` are replaced.
    pub prompt: Option<String>,
    /// The language of the tags, as a code or a name that the model understands.
    pub language: String,
    /// Most tags of a picture.
    pub max_tags: usize,
    /// Longest side in pixels of the copy sent; 0 sends the original.
    pub max_side: u32,
    /// The confidence of a tag that comes without one, from 0 to 100.
    pub default_confidence: f64,
}

/// How the answer is held to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// By a JSON schema: the server's sampler cannot leave it.
    Structured,
    /// By the server's JSON mode.
    Json,
    /// By the question alone.
    Plain,
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Structured => "structured",
            Self::Json => "json",
            Self::Plain => "plain",
        })
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum VisionSettingsError {
    /// The URL is not a base URL.
    #[error("the vision server's URL: {0}")]
    BaseUrl(#[from] BaseUrlError),
    /// There is no model.
    #[error("the vision server needs the name of a model")]
    Model,
    /// The confidence is not a number from 0 to 100.
    #[error("the confidence of tags without one is not a number from 0 to 100")]
    Confidence,
    /// The language cannot be part of an identity.
    #[error(transparent)]
    Identity(#[from] ProviderIdentityError),
}
