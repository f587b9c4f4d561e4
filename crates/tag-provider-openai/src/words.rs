//! The words that a closed vocabulary allows.

use std::{fmt, sync::Arc};

/// Where the words come from: read anew for each picture, as the vocabulary changes while the server runs.
#[derive(Clone)]
pub struct WordList(Arc<dyn Fn() -> Option<Arc<[String]>> + Send + Sync>);

impl WordList {
    /// Any word may be given.
    pub fn open() -> Self {
        Self::from_fn(|| None)
    }

    /// Only those words may be given that the function returns, in its order; `None` allows any.
    ///
    /// It must be cheap, and must not block.
    pub fn from_fn(words: impl Fn() -> Option<Arc<[String]>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(words))
    }

    /// The words of now.
    pub(crate) fn current(&self) -> Option<Arc<[String]>> {
        (self.0)()
    }
}

impl fmt::Debug for WordList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WordList").field(&self.current()).finish()
    }
}
