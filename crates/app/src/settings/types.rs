//! Types used by settings alone.

use secrecy::{ExposeSecret, SecretString};

/// The tag provider of `tagging.provider`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderChoice {
    /// Imagga where its credentials are set, else the local tagger.
    Auto,
    /// Imagga, which needs credentials.
    Imagga,
    /// The local tagger, without any account.
    Local,
    /// A vision server, which needs an address and a model.
    OpenAi,
}

/// How a vision server's answers are held to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputChoice {
    /// By a JSON schema.
    Structured,
    /// By JSON mode.
    Json,
    /// By the question alone.
    Plain,
}

/// Which tags are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VocabularyChoice {
    /// All.
    Open,
    /// Those that have an entry in the vocabulary.
    Closed,
}

/// Which requests take a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysRequired {
    /// None on a loopback address without trusted proxies, else those that change something.
    Auto,
    /// None.
    Never,
    /// Those that change or remove something.
    Writes,
    /// All.
    Always,
}

/// What reads see of writes through other nodes of a database cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsistencyChoice {
    /// `Cluster` where several nodes take writes, else `Node`.
    Auto,
    /// What their node has applied.
    Node,
    /// Everything that was committed on any node before.
    Cluster,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Human` on a terminal, else `Json`.
    Auto,
    /// Text for reading.
    Human,
    /// One JSON object a line.
    Json,
}

/// A URL that may hold a password.
#[derive(Debug, Clone)]
pub struct SecretUrl(SecretString);

impl From<String> for SecretUrl {
    fn from(url: String) -> Self {
        Self(url.into())
    }
}

impl ExposeSecret<str> for SecretUrl {
    fn expose_secret(&self) -> &str {
        self.0.expose_secret()
    }
}
