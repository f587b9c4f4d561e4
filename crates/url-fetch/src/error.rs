//! How a fetch fails.

use std::{error::Error, io, iter, time::Duration};

use thiserror::Error;

use crate::{resolver::ResolveError, rules::Violation};

type Cause = Box<dyn Error + Send + Sync>;

/// Why a URL was not fetched.
///
/// The texts are for the client: they name neither addresses nor anything else of the network.
/// [`source`](Error::source) may, and is for the log alone.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The text is not a URL, or too long.
    #[error("not a valid URL")]
    InvalidUrl(#[source] Cause),
    /// The URL breaks a rule. Nothing was sent to its host.
    #[error("{}{reason}", if *.redirected { "after a redirect: " } else { "" })]
    NotAllowed {
        /// The rule.
        reason: Violation,
        /// Whether the URL is one that a server redirected to, not the client's own.
        redirected: bool,
        /// The address that was refused, for the log.
        source: Option<Cause>,
    },
    /// The URL may be fetched, and could not be.
    #[error("{failure}")]
    Failed {
        /// What happened.
        failure: Failure,
        /// The error of the connection, for the log.
        source: Option<Cause>,
    },
}

/// What happened to a fetch that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// The server's status is not 200.
    #[error("the server answered {0}")]
    Status(u16),
    /// The time for the whole fetch was over.
    #[error("no complete answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The body is, or says it is, longer than allowed.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// There was one redirect more than are followed.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The most redirects followed.
        limit: u32,
    },
    /// The server redirected to what is not a URL.
    #[error("the server redirected to an invalid URL")]
    InvalidRedirect,
    /// The host's name has no address, or could not be looked up.
    #[error("the host's name cannot be resolved")]
    Dns,
    /// The host refuses connections or does not answer.
    #[error("no connection to the host")]
    Connect,
    /// The TLS handshake failed, for example because of the certificate.
    #[error("no secure connection to the host: its certificate or TLS is not accepted")]
    Tls,
    /// The body is compressed, which was not asked for.
    #[error("the answer has a Content-Encoding, which is not supported")]
    Encoded,
    /// The connection broke, or what it carried is not HTTP.
    #[error("the answer broke off or is not valid HTTP")]
    Interrupted,
}

impl FetchError {
    /// Notes that the error is about a URL that a server redirected to.
    pub(crate) fn after_redirect(self) -> Self {
        match self {
            Self::NotAllowed { reason, source, .. } => Self::NotAllowed {
                reason,
                redirected: true,
                source,
            },
            Self::InvalidUrl(source) => Self::Failed {
                failure: Failure::InvalidRedirect,
                source: Some(source),
            },
            failed @ Self::Failed { .. } => failed,
        }
    }
}

impl From<Violation> for FetchError {
    fn from(reason: Violation) -> Self {
        Self::NotAllowed {
            reason,
            redirected: false,
            source: None,
        }
    }
}

impl From<Failure> for FetchError {
    fn from(failure: Failure) -> Self {
        let source = None;
        Self::Failed { failure, source }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // It may be a secret.
        let error = error.without_url();
        if let Some(ResolveError::NotAllowed { reason, .. }) = find(&error) {
            return Self::NotAllowed {
                reason: *reason,
                redirected: false,
                source: Some(error.into()),
            };
        }
        if error.is_builder() {
            return Self::InvalidUrl(error.into());
        }
        Self::Failed {
            failure: classify(&error),
            source: Some(error.into()),
        }
    }
}

fn classify(error: &reqwest::Error) -> Failure {
    if find::<ResolveError>(error).is_some() {
        Failure::Dns
    } else if !error.is_connect() {
        Failure::Interrupted
    } else if find(error).is_some_and(is_handshake) {
        Failure::Tls
    } else {
        Failure::Connect
    }
}

/// rustls reports every failed handshake as invalid data; no system call of a connection does.
fn is_handshake(error: &io::Error) -> bool {
    // hyper-rustls wraps it in an error of the same type, of which `source` skips the inner one.
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    inner.unwrap_or(error).kind() == io::ErrorKind::InvalidData
}

/// The first error of a type among an error and its causes.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let first: &(dyn Error + 'static) = error;
    iter::successors(Some(first), |&error| error.source()).find_map(|error| error.downcast_ref())
}
