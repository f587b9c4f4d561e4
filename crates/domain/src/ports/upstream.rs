//! Errors of calls to outside services.

use std::time::Duration;

use thiserror::Error;

use super::{Cause, CodecError};

/// Why a call to a [`TagProvider`](super::TagProvider) or a [`BlobHost`](super::BlobHost) failed.
#[derive(Debug, Clone, Error)]
pub enum UpstreamError {
    /// The picture cannot be decoded or encoded: no call was made.
    #[error(transparent)]
    Picture(CodecError),
    /// The provider cannot read this picture.
    #[error("the provider cannot read the picture")]
    Unreadable(#[source] Cause),
    /// The call was refused: wrong credentials, a disabled account, an invalid parameter.
    #[error("the upstream refused the call")]
    Refused(#[source] Cause),
    /// The response cannot be understood.
    #[error("the upstream's answer makes no sense")]
    Malformed(#[source] Cause),
    /// The account's quota is used up.
    #[error("the quota is used up")]
    QuotaExhausted {
        /// How long until the quota is renewed, if the upstream says so.
        retry_after: Option<Duration>,
    },
    /// The upstream rejects calls for now.
    #[error("the upstream is busy")]
    Busy {
        /// The wait the upstream asked for.
        retry_after: Option<Duration>,
    },
    /// No response in time, or no time left for a call.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The call was not made, because its caller had gone.
    #[error("the caller has gone")]
    Cancelled,
    /// The upstream failed (5xx), or the connection did.
    #[error("the upstream is not available")]
    Unavailable {
        /// The wait the upstream asked for.
        retry_after: Option<Duration>,
        /// The underlying error.
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
    /// Whether a retry within seconds may succeed.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::TimedOut | Self::Unavailable { .. }
        )
    }

    /// The wait the upstream asked for before the next call.
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
