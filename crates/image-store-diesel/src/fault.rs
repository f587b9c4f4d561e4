//! What a database's refusals mean.

use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::pooled_connection::deadpool::PoolError;
use domain::ports::{ImageStoreError, cause};

/// An error of the port. A type of its own, so that Diesel's errors can be made into it.
#[derive(Debug)]
pub(crate) struct Fault(ImageStoreError);

/// What the texts of errors begin with or hold, where Diesel tells no more than the text. MySQL's and
/// MariaDB's are those of the language `en_US`, which every session asks for.
const CONTENDED: [&str; 6] = [
    "Deadlock found",
    "Lock wait timeout exceeded",
    "Record has changed since last read",
    "WSREP detected deadlock",
    "database is locked",
    "database table is locked",
];
const UNAVAILABLE: [&str; 26] = [
    // MySQL and MariaDB
    "Input/output error",
    "Connection to the server is closed",
    "Server shutdown in progress",
    "Connection was killed",
    "Session was killed",
    "disconnected by the server because of inactivity",
    "WSREP has not yet prepared node",
    "Too many connections",
    "max_user_connections",
    "read-only",
    "read_only",
    "in read only mode",
    "command denied to user",
    "Access denied for user",
    "Query execution was interrupted",
    "No space left on device",
    "Disk full",
    "is full",
    "Out of memory",
    "Error writing file",
    // SQLite
    "database or disk is full",
    "disk I/O error",
    "readonly database",
    "unable to open database file",
    "out of memory",
    "locking protocol",
];
const CORRUPT: [&str; 3] = [
    "is marked as crashed",
    "database disk image is malformed",
    "file is not a database",
];

impl Fault {
    /// Something in the database that cannot be read.
    pub(crate) fn corrupt(
        error: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
    ) -> Self {
        Self(ImageStoreError::Corrupt(cause(error)))
    }
}

impl From<ImageStoreError> for Fault {
    fn from(error: ImageStoreError) -> Self {
        Self(error)
    }
}

impl From<Fault> for ImageStoreError {
    fn from(Fault(error): Fault) -> Self {
        error
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(classify(error))
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        Self(ImageStoreError::Unavailable(cause(error)))
    }
}

/// Whether somebody else was in the way.
pub(crate) fn is_contended(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, information) if holds_any_of(information.message(), &CONTENDED))
}

fn holds_any_of(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

fn classify(error: Error) -> ImageStoreError {
    use DatabaseErrorKind as Kind;
    match &error {
        Error::DatabaseError(Kind::SerializationFailure, _) => {
            ImageStoreError::Contended(cause(error))
        }
        Error::DatabaseError(
            Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction,
            _,
        )
        | Error::BrokenTransactionManager => ImageStoreError::Unavailable(cause(error)),
        Error::DatabaseError(Kind::Unknown, information) => {
            let text = information.message().to_owned();
            classify_text(&text)(cause(error))
        }
        Error::DeserializationError(_) => ImageStoreError::Corrupt(cause(error)),
        _ => ImageStoreError::Failed(cause(error)),
    }
}

fn classify_text(text: &str) -> fn(domain::ports::Cause) -> ImageStoreError {
    if holds_any_of(text, &CONTENDED) {
        ImageStoreError::Contended
    } else if holds_any_of(text, &UNAVAILABLE) {
        ImageStoreError::Unavailable
    } else if holds_any_of(text, &CORRUPT) {
        ImageStoreError::Corrupt
    } else {
        ImageStoreError::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str) -> Error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()))
    }

    #[rstest::rstest]
    #[case("Deadlock found when trying to get lock; try restarting transaction")]
    #[case("database is locked")]
    fn who_may_try_again_is_told_so(#[case] text: &str) {
        assert!(classify(unknown(text)).is_temporary());
    }

    #[rstest::rstest]
    #[case("Input/output error: Connection reset by peer (os error 104)")]
    #[case("Driver error: `Connection to the server is closed.'")]
    #[case("The MySQL server is running with the --read-only option so it cannot execute this")]
    #[case("The table 'etiqueta_image' is full")]
    #[case("INSERT command denied to user 'etiqueta'@'localhost' for table `a`.`b`")]
    #[case("Query execution was interrupted")]
    #[case("database or disk is full")]
    #[case("attempt to write a readonly database")]
    fn a_database_out_of_order_is_unavailable(#[case] text: &str) {
        let error = classify(unknown(text));
        assert!(
            matches!(error, ImageStoreError::Unavailable(_)),
            "{error:?}"
        );
    }

    #[test]
    fn what_is_left_is_a_fault_of_the_program() {
        let error = classify(unknown("You have an error in your SQL syntax"));
        assert!(matches!(error, ImageStoreError::Failed(_)));
        let malformed = classify(unknown("database disk image is malformed"));
        assert!(matches!(malformed, ImageStoreError::Corrupt(_)));
    }
}
