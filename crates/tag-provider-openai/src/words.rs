//! The words that a closed vocabulary allows.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

/// The words of one call; `None` allows any.
pub type Words = Option<Arc<[String]>>;

/// Where the words come from: read anew for each picture, as the vocabulary changes while the server runs.
#[async_trait]
pub trait WordSource: Send + Sync {
    /// The words of now, most usual first; `None` allows any.
    async fn words(&self) -> Words;
}

/// The words that may be given.
#[derive(Clone)]
pub enum WordList {
    /// Any.
    Open,
    /// Only those.
    Fixed(Arc<[String]>),
    /// What a source says.
    Source(Arc<dyn WordSource>),
}

impl WordList {
    pub(crate) async fn current(&self) -> Words {
        match self {
            Self::Open => None,
            Self::Fixed(words) => Some(Arc::clone(words)),
            Self::Source(source) => source.words().await,
        }
    }
}

impl fmt::Debug for WordList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "Open",
            Self::Fixed(_) => "Fixed",
            Self::Source(_) => "Source",
        })
    }
}
