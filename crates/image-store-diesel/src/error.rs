//! Classification of database errors.

use diesel::result::{DatabaseErrorKind, Error};
use domain::ports::{Cause, ImageStoreError, cause};

/// Why an operation on a connection failed.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// A statement failed; the connection may have to be queried for the cause.
    Statement(Error),
    /// Any other error.
    Known(ImageStoreError),
}

/// The class of a failed statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorClass {
    /// A conflict with another transaction: the whole transaction may be retried.
    Contended,
    /// The database is unreachable, read-only, full, or shutting down.
    Unavailable,
    /// The database, or a value in it, is corrupt.
    Corrupt,
    /// A table is missing.
    NoTable,
    /// A column or index to be added exists already.
    AlreadyThere,
    /// A key to be dropped is not there.
    NothingToDrop,
    /// Anything else: a bug.
    Other,
}

impl ErrorClass {
    /// The class by Diesel's own error kind; `None` if that does not decide.
    pub(crate) fn by_kind(error: &Error) -> Option<Self> {
        use DatabaseErrorKind as Kind;
        match error {
            Error::DatabaseError(Kind::Unknown, _) => None,
            Error::DatabaseError(Kind::SerializationFailure, _) => Some(Self::Contended),
            Error::DatabaseError(
                Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction,
                _,
            )
            | Error::BrokenTransactionManager => Some(Self::Unavailable),
            Error::DeserializationError(_) => Some(Self::Corrupt),
            _ => Some(Self::Other),
        }
    }

    /// The class of the first known substring in a text.
    pub(crate) fn by_text(text: &str, known: &[(&str, Self)]) -> Self {
        let found = known.iter().find(|(part, _)| text.contains(part));
        found.map_or(Self::Other, |(_, class)| *class)
    }

    /// The error of the port.
    pub(crate) fn of(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ImageStoreError {
        let source = cause(source);
        match self {
            Self::Contended => ImageStoreError::Contended(source),
            Self::Unavailable => ImageStoreError::Unavailable(source),
            Self::Corrupt => ImageStoreError::Corrupt(source),
            Self::NoTable | Self::AlreadyThere | Self::NothingToDrop | Self::Other => {
                ImageStoreError::Failed(source)
            }
        }
    }
}

impl StoreError {
    /// The error for a value that cannot be read.
    pub(crate) fn corrupt(
        error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Self::Known(ImageStoreError::Corrupt(cause(error)))
    }

    /// For reports about single rows: only the reason if a value cannot be read.
    pub(crate) fn into_cause(self) -> Cause {
        match self {
            Self::Known(ImageStoreError::Corrupt(reason)) => reason,
            Self::Known(error) => cause(error),
            Self::Statement(error) => cause(error),
        }
    }
}

impl From<ImageStoreError> for StoreError {
    fn from(error: ImageStoreError) -> Self {
        Self::Known(error)
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn refused(kind: DatabaseErrorKind) -> Error {
        Error::DatabaseError(kind, Box::new("nothing".to_owned()))
    }

    #[rstest]
    #[case(
        refused(DatabaseErrorKind::SerializationFailure),
        ErrorClass::Contended
    )]
    #[case(refused(DatabaseErrorKind::ClosedConnection), ErrorClass::Unavailable)]
    #[case(
        refused(DatabaseErrorKind::UnableToSendCommand),
        ErrorClass::Unavailable
    )]
    #[case(
        refused(DatabaseErrorKind::ReadOnlyTransaction),
        ErrorClass::Unavailable
    )]
    #[case(Error::BrokenTransactionManager, ErrorClass::Unavailable)]
    #[case(Error::DeserializationError("odd".into()), ErrorClass::Corrupt)]
    #[case(refused(DatabaseErrorKind::UniqueViolation), ErrorClass::Other)]
    fn diesels_error_kind_decides(#[case] error: Error, #[case] meaning: ErrorClass) {
        assert_eq!(ErrorClass::by_kind(&error), Some(meaning));
    }

    #[test]
    fn an_unknown_kind_decides_nothing() {
        assert_eq!(
            ErrorClass::by_kind(&refused(DatabaseErrorKind::Unknown)),
            None
        );
    }
}
