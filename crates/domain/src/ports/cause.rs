//! Errors of adapters, as the domain carries them.

use std::{error::Error, sync::Arc};

/// The underlying error: for the log, never for a client. Shared, because concurrent uploads of the same
/// bytes share their outcome.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// Makes a [`Cause`] of an error or of a text.
pub fn cause(error: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
    Arc::from(error.into())
}

/// An error and its causes, as text. A cause whose text an error already includes is not repeated.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_chain_says_everything_once() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(in_words(&error), "outer: inner");
        assert_eq!(in_words(&io::Error::other(error)), "outer: inner");
    }
}
