//! Whether anybody still waits for what is being done.

use std::{fmt, sync::Arc};

use super::UpstreamError;

/// Somebody who waits for an outcome, and may go away.
///
/// Asking must be cheap, and never block. Who went away does not come back.
#[derive(Clone)]
pub struct Interest(Arc<dyn Fn() -> bool + Send + Sync>);

impl Interest {
    /// Somebody of whom that function tells whether they are still there.
    pub fn new(is_there: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_there))
    }

    /// Somebody who never goes away.
    pub fn lasting() -> Self {
        Self::new(|| true)
    }

    /// The same, which ends with the last copy of that token at the latest.
    #[must_use]
    pub fn while_held(self, token: &Arc<()>) -> Self {
        let token = Arc::downgrade(token);
        Self::new(move || token.strong_count() > 0 && self.is_there())
    }

    /// Whether anybody is still there.
    pub fn is_there(&self) -> bool {
        (self.0)()
    }

    /// Fails if nobody is: asked before each call that costs something.
    pub fn check(&self) -> Result<(), UpstreamError> {
        if self.is_there() {
            Ok(())
        } else {
            Err(UpstreamError::Unwanted)
        }
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interest").field(&self.is_there()).finish()
    }
}
