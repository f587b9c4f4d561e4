//! Maps the domain's errors to problems.

use std::{sync::Arc, time::Duration};

use domain::{
    ConflictKind, MAX_JOBS, MAX_WEBHOOKS,
    ports::{CodecError, ImageStoreError, OriginalStoreError, UpstreamError},
    service::{
        CatalogError, IngestError, JobError, KeyError, LookAlikesError, MAX_KEYS, RenditionError,
        RetagError, UnknownTagger, UploadError, VocabularyError, WebhookError,
    },
    vocabulary::{MAX_DEPTH, MAX_ENTRIES},
};

use super::{Code, Problem};

/// `Retry-After` for a quota whose renewal is unknown.
const QUOTA_WAIT: Duration = Duration::from_mins(1);

/// `Retry-After` while the first request with an idempotency key is under way.
const REPETITION_WAIT: Duration = Duration::from_secs(2);

/// `Retry-After` for lock contention.
const CONTENTION_WAIT: Duration = Duration::from_secs(1);

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Picture(error) => error.into(),
            IngestError::Tagging(error) => error.into(),
            IngestError::StoreFull { limit } => {
                let detail =
                    format!("the originals would have more than the {limit} bytes allowed");
                Self::new(Code::StoreFull, detail)
                    .limit(limit)
                    .setting("limits.store_bytes")
            }
            IngestError::Store(error) => error.into(),
            IngestError::Originals(error) => error.into(),
        }
    }
}

impl From<UnknownTagger> for Problem {
    fn from(UnknownTagger { known, .. }: UnknownTagger) -> Self {
        let why = format!("is not a tag provider of this server, which has `{known}`");
        Self::parameter("provider", why)
    }
}

impl From<RetagError> for Problem {
    fn from(error: RetagError) -> Self {
        match error {
            RetagError::UnknownProvider(error) => error.into(),
            RetagError::Catalog(error) => error.into(),
            RetagError::Tagging(error) => error.into(),
            RetagError::Store(error) => error.into(),
        }
    }
}

impl From<LookAlikesError> for Problem {
    fn from(error: LookAlikesError) -> Self {
        match error {
            LookAlikesError::NoModel => Self::new(
                Code::NoImageModel,
                "the tagger in use does not compute features of pictures; the local one does (`tagging.provider`)",
            ),
            LookAlikesError::Store(error) => error.into(),
            LookAlikesError::Computing(error) => error.into(),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Store(error) => error.into(),
            CatalogError::Originals(error) => error.into(),
        }
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let detail = error.to_string();
        match error {
            JobError::UnknownProvider(error) => error.into(),
            JobError::CountChanged { .. } => Self::new(Code::CountChanged, detail),
            JobError::TooMany => Self::new(Code::TooMany, detail).limit(MAX_JOBS.into()),
            JobError::Store(error) => error.into(),
        }
    }
}

impl From<VocabularyError> for Problem {
    fn from(error: VocabularyError) -> Self {
        let detail = error.to_string();
        match error {
            VocabularyError::NotFound(_) => Self::new(Code::TagNotFound, detail),
            VocabularyError::Conflict(conflict) => match conflict.kind {
                ConflictKind::TooDeep => {
                    Self::new(Code::InvalidBody, detail).limit(MAX_DEPTH as u64)
                }
                ConflictKind::TooMany => Self::new(Code::TooMany, detail).limit(MAX_ENTRIES as u64),
                _ => Self::new(Code::VocabularyConflict, detail),
            },
            VocabularyError::Store(error) => error.into(),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        match error {
            KeyError::Expired => Self::new(Code::InvalidBody, "`expires` lies in the past"),
            KeyError::TooMany => Self::new(Code::TooMany, detail).limit(MAX_KEYS.into()),
            KeyError::Secret(error) => internal().caused_by(Arc::new(error)),
            KeyError::Store(error) => error.into(),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let detail = error.to_string();
        match error {
            WebhookError::Url(_) => Self::new(Code::InvalidBody, format!("`url`: {detail}")),
            WebhookError::TooMany => Self::new(Code::TooMany, detail).limit(MAX_WEBHOOKS.into()),
            WebhookError::Secret(error) => internal().caused_by(Arc::new(error)),
            WebhookError::Store(error) => error.into(),
        }
    }
}

impl From<RenditionError> for Problem {
    fn from(error: RenditionError) -> Self {
        match error {
            RenditionError::Catalog(error) => error.into(),
            RenditionError::Picture(error) => error.into(),
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        let detail = error.to_string();
        match error {
            UploadError::NotFound => Self::new(Code::UploadNotFound, detail),
            UploadError::Expired => Self::new(Code::UploadExpired, detail),
            UploadError::Full { limit } => Self::new(Code::StoreFull, detail)
                .limit(limit)
                .setting("uploads.bytes"),
            UploadError::Store(error) => error.into(),
        }
    }
}

impl From<CodecError> for Problem {
    fn from(error: CodecError) -> Self {
        let detail = error.to_string();
        let problem = |code| Self::new(code, detail);
        match error {
            CodecError::NotAnImage { .. } => problem(Code::NotAnImage),
            CodecError::UnsupportedFormat { format, .. } => {
                problem(Code::UnsupportedFormat).format(format)
            }
            CodecError::TooManyPixels { limit, .. } => problem(Code::ImageTooLarge).limit(limit),
            CodecError::TooLarge { .. } => problem(Code::ImageTooLarge),
            CodecError::TooComplex { limit, .. } => problem(Code::ImageTooComplex).limit(limit),
            CodecError::Overloaded | CodecError::TimedOut => problem(Code::Overloaded),
            CodecError::Cancelled => UpstreamError::Cancelled.into(),
            CodecError::Failed(_) => internal().caused_by(Arc::new(error)),
        }
    }
}

impl From<UpstreamError> for Problem {
    fn from(error: UpstreamError) -> Self {
        let wait = error.retry_after();
        let (code, detail) = match error {
            UpstreamError::Picture(error) => return error.into(),
            // Our decoder accepted the picture, so the provider is the one that cannot read it.
            UpstreamError::Unreadable(_) => (
                Code::TaggingFailed,
                "the tagging service could not read the image",
            ),
            UpstreamError::Refused(_) => {
                (Code::TaggingFailed, "the tagging service refused the call")
            }
            UpstreamError::Malformed(_) => (
                Code::TaggingFailed,
                "the tagging service gave no usable answer",
            ),
            UpstreamError::Unavailable { .. } => {
                (Code::TaggingFailed, "the tagging service is not available")
            }
            UpstreamError::QuotaExhausted { .. } => (
                Code::QuotaExhausted,
                "the quota of the tagging service is used up",
            ),
            UpstreamError::Busy { .. } => (
                Code::UpstreamBusy,
                "the tagging service takes no more calls for now",
            ),
            UpstreamError::TimedOut => (
                Code::TaggingTimeout,
                "the tagging service did not answer in time",
            ),
            // Not seen by a client that is gone, but by one that only shut down its sending half.
            UpstreamError::Cancelled => (
                Code::TaggingFailed,
                "the client closed its side of the connection before the image was tagged",
            ),
        };
        let fallback = (code == Code::QuotaExhausted).then_some(QUOTA_WAIT);
        Self::new(code, detail)
            .retry_after(wait.or(fallback))
            .caused_by(Arc::new(error))
    }
}

impl From<ImageStoreError> for Problem {
    fn from(error: ImageStoreError) -> Self {
        match error {
            ImageStoreError::Contended(_) | ImageStoreError::ClaimLost => {
                storage("the same image is being changed").retry_after(Some(CONTENTION_WAIT))
            }
            ImageStoreError::LeaseLost => Self::in_progress(),
            ImageStoreError::Unavailable(_) => storage("the database is not available"),
            ImageStoreError::AlreadyImported
            | ImageStoreError::Corrupt(_)
            | ImageStoreError::Failed(_) => internal(),
        }
        .caused_by(Arc::new(error))
    }
}

impl From<OriginalStoreError> for Problem {
    fn from(error: OriginalStoreError) -> Self {
        match error {
            OriginalStoreError::Unavailable(_) => storage("the originals are not available"),
            OriginalStoreError::Altered(_) => internal(),
        }
        .caused_by(Arc::new(error))
    }
}

impl Problem {
    /// The first request with an idempotency key has not ended yet.
    pub fn in_progress() -> Self {
        let detail = "a request with this `Idempotency-Key` is under way";
        Self::new(Code::IdempotencyInProgress, detail).retry_after(Some(REPETITION_WAIT))
    }

    /// A bug in the server.
    pub fn internal(cause: domain::ports::Cause) -> Self {
        internal().caused_by(cause)
    }
}

fn internal() -> Problem {
    Problem::new(
        Code::Internal,
        "the server could not do this; its log says why under the id of this request",
    )
}

fn storage(detail: &str) -> Problem {
    Problem::new(Code::StorageUnavailable, detail)
}

#[cfg(test)]
mod tests {
    use domain::ports::cause;

    use super::*;

    const SECRET: &str = "SELECT key FROM vault";

    const NINE: Option<Duration> = Some(Duration::from_secs(9));

    #[rstest::rstest]
    #[case(UpstreamError::Unreadable(cause(SECRET)), "tagging-failed", None)]
    #[case(UpstreamError::Refused(cause(SECRET)), "tagging-failed", None)]
    #[case(UpstreamError::Malformed(cause(SECRET)), "tagging-failed", None)]
    #[case(UpstreamError::Unavailable { retry_after: NINE, source: cause(SECRET) }, "tagging-failed", None)]
    #[case(UpstreamError::QuotaExhausted { retry_after: None }, "quota-exhausted", Some("60"))]
    #[case(UpstreamError::QuotaExhausted { retry_after: NINE }, "quota-exhausted", Some("9"))]
    #[case(UpstreamError::Busy { retry_after: None }, "upstream-busy", Some("5"))]
    #[case(UpstreamError::Busy { retry_after: Some(Duration::ZERO) }, "upstream-busy", Some("1"))]
    #[case(UpstreamError::TimedOut, "tagging-timeout", None)]
    #[case(UpstreamError::Cancelled, "tagging-failed", None)]
    #[case(UpstreamError::Picture(CodecError::TimedOut), "overloaded", Some("5"))]
    fn upstreams(#[case] error: UpstreamError, #[case] code: &str, #[case] wait: Option<&str>) {
        check(&IngestError::Tagging(error).into(), code, wait);
    }

    #[rstest::rstest]
    #[case(
        ImageStoreError::Contended(cause(SECRET)),
        "storage-unavailable",
        Some("1")
    )]
    #[case(ImageStoreError::ClaimLost, "storage-unavailable", Some("1"))]
    #[case(ImageStoreError::LeaseLost, "idempotency-in-progress", Some("2"))]
    #[case(
        ImageStoreError::Unavailable(cause(SECRET)),
        "storage-unavailable",
        Some("5")
    )]
    #[case(ImageStoreError::Corrupt(cause(SECRET)), "internal", None)]
    #[case(ImageStoreError::Failed(cause(SECRET)), "internal", None)]
    fn image_stores(
        #[case] error: ImageStoreError,
        #[case] code: &str,
        #[case] wait: Option<&str>,
    ) {
        check(&IngestError::from(error.clone()).into(), code, wait);
        check(&CatalogError::from(error).into(), code, wait);
    }

    #[rstest::rstest]
    #[case(
        OriginalStoreError::Unavailable(cause(SECRET)),
        "storage-unavailable",
        Some("5")
    )]
    #[case(OriginalStoreError::Altered(cause(SECRET)), "internal", None)]
    fn original_stores(
        #[case] error: OriginalStoreError,
        #[case] code: &str,
        #[case] wait: Option<&str>,
    ) {
        check(&IngestError::from(error.clone()).into(), code, wait);
        check(&CatalogError::from(error).into(), code, wait);
    }

    #[rstest::rstest]
    #[case(CodecError::NotAnImage { reason: "it is cut off".to_owned() }, "not-an-image")]
    #[case(CodecError::TooManyPixels { width: 10, height: 10, limit: 50 }, "image-too-large")]
    #[case(CodecError::TooLarge { reason: "a side is too long".to_owned() }, "image-too-large")]
    #[case(CodecError::TooComplex { work: 9, limit: 5 }, "image-too-complex")]
    #[case(CodecError::UnsupportedFormat { format: "HEIC".to_owned(), reason: "HEIC is not supported".to_owned() }, "unsupported-format")]
    #[case(CodecError::Cancelled, "tagging-failed")]
    #[case(CodecError::Failed(cause(SECRET)), "internal")]
    fn codecs(#[case] error: CodecError, #[case] code: &str) {
        check(&IngestError::Picture(error).into(), code, None);
    }

    #[test]
    fn codecs_give_their_facts() {
        let facts = |error: CodecError| Problem::from(error).facts;
        let pixels = CodecError::TooManyPixels {
            width: 10,
            height: 10,
            limit: 50,
        };
        assert_eq!(facts(pixels).limit, Some(50));
        assert_eq!(
            facts(CodecError::TooComplex { work: 9, limit: 5 }).limit,
            Some(5)
        );
        let heic = CodecError::UnsupportedFormat {
            format: "HEIC".to_owned(),
            reason: "HEIC is not supported".to_owned(),
        };
        assert_eq!(facts(heic).format.as_deref(), Some("HEIC"));
    }

    #[rstest::rstest]
    #[case(CodecError::Overloaded)]
    #[case(CodecError::TimedOut)]
    fn overloaded_codecs(#[case] error: CodecError) {
        check(&IngestError::Picture(error).into(), "overloaded", Some("5"));
    }

    fn check(problem: &Problem, code: &str, wait: Option<&str>) {
        assert_eq!(problem.code().as_str(), code);
        assert!(!problem.detail.contains(SECRET));
        let answer = problem.answer("r");
        let header = answer.headers().get("retry-after");
        assert_eq!(header.map(|value| value.to_str().unwrap()), wait);
    }
}
