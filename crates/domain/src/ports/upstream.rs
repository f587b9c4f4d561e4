//! How calls to outside services fail.

use std::time::Duration;

use thiserror::Error;

use super::{Cause, CodecError};

/// Why a [`TagProvider`](super::TagProvider) or a [`BlobHost`](super::BlobHost) did not do its work.
#[derive(Debug, Clone, Error)]
pub enum UpstreamError {
    /// The picture itself cannot be decoded or encoded: no call was made.
    #[error(transparent)]
    Picture(CodecError),
    /// The provider says that it cannot read this picture.
    #[error("the provider cannot read the picture")]
    Unreadable(#[source] Cause),
    /// It refused the call: wrong credentials, a disabled account, an invalid parameter.
    #[error("the upstream refused the call")]
    Refused(#[source] Cause),
    /// It answered something that is no answer.
    #[error("the upstream's answer makes no sense")]
    Malformed(#[source] Cause),
    /// The account's quota is used up.
    #[error("the quota is used up")]
    QuotaExhausted {
        /// How long until it is renewed, where the upstream says so.
        retry_after: Option<Duration>,
    },
    /// It takes no more calls for now.
    #[error("the upstream is busy")]
    Busy {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
    },
    /// It did not answer in time.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The call was not made, because its caller had gone.
    #[error("the caller has gone")]
    Cancelled,
    /// It failed (5xx), or the connection did.
    #[error("the upstream is not available")]
    Unavailable {
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
        /// What went wrong.
        #[source]
        source: Cause,
    },
}

impl From<CodecError> for UpstreamError {
    fn from(error: CodecError) -> Self {
        Self::Picture(error)
    }
}

impl UpstreamError {
    /// Whether the same call may succeed if it is repeated within seconds.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::TimedOut | Self::Unavailable { .. }
        )
    }

    /// How long the upstream asked us to wait before the next call.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QuotaExhausted { retry_after }
            | Self::Busy { retry_after }
            | Self::Unavailable { retry_after, .. } => *retry_after,
            Self::Picture(_)
            | Self::Unreadable(_)
            | Self::Refused(_)
            | Self::Malformed(_)
            | Self::TimedOut
            | Self::Cancelled => None,
        }
    }
}
