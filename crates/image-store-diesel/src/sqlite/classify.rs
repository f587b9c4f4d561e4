//! Classifies the errors of SQLite. Diesel has kinds for violated constraints, and otherwise only the
//! message.

use diesel::result::Error;

use crate::error::ErrorClass;

/// Messages of the bundled SQLite.
const TEXTS: [(&str, ErrorClass); 12] = [
    ("database is locked", ErrorClass::Contended),
    ("database table is locked", ErrorClass::Contended),
    ("database or disk is full", ErrorClass::Unavailable),
    ("disk I/O error", ErrorClass::Unavailable),
    (
        "attempt to write a readonly database",
        ErrorClass::Unavailable,
    ),
    ("unable to open database file", ErrorClass::Unavailable),
    ("out of memory", ErrorClass::Unavailable),
    ("locking protocol", ErrorClass::Unavailable),
    ("database disk image is malformed", ErrorClass::Corrupt),
    ("file is not a database", ErrorClass::Corrupt),
    ("no such table", ErrorClass::NoTable),
    ("duplicate column name", ErrorClass::AlreadyThere),
];

/// Classifies a failed statement.
pub(super) fn classify(error: &Error) -> ErrorClass {
    ErrorClass::by_kind(error).unwrap_or_else(|| by_text(&error.to_string()))
}

/// Classifies an error message, which Diesel may have prefixed.
pub(super) fn by_text(text: &str) -> ErrorClass {
    ErrorClass::by_text(text, &TEXTS)
}

#[cfg(test)]
mod tests {
    use diesel::{
        Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
        result::DatabaseErrorKind, sql_query,
    };
    use rstest::rstest;

    use super::*;

    /// Errors that can be provoked.
    #[rstest]
    #[case("SELECT * FROM missing", ErrorClass::NoTable)]
    #[case("ALTER TABLE present ADD COLUMN id INTEGER", ErrorClass::AlreadyThere)]
    #[case(
        "PRAGMA query_only = ON; INSERT INTO present VALUES (1)",
        ErrorClass::Unavailable
    )]
    #[case(
        "PRAGMA max_page_count = 2; INSERT INTO present VALUES (zeroblob(100000))",
        ErrorClass::Unavailable
    )]
    #[case("ATTACH 'file:/missing/file?mode=ro' AS other", ErrorClass::Other)]
    #[case("SELEKT", ErrorClass::Other)]
    fn sqlite_uses_these_texts(#[case] statements: &str, #[case] meaning: ErrorClass) {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let table = "CREATE TABLE present (id BLOB)";
        sql_query(table).execute(&mut connection).unwrap();
        let error = connection.batch_execute(statements).unwrap_err();
        assert_eq!(classify(&error), meaning, "{error}");
    }

    #[rstest]
    #[case("database is locked", ErrorClass::Contended)]
    #[case("database table is locked: etiqueta_image", ErrorClass::Contended)]
    #[case("disk I/O error", ErrorClass::Unavailable)]
    #[case("unable to open database file", ErrorClass::Unavailable)]
    #[case("out of memory", ErrorClass::Unavailable)]
    #[case("locking protocol", ErrorClass::Unavailable)]
    #[case("database disk image is malformed", ErrorClass::Corrupt)]
    #[case("file is not a database", ErrorClass::Corrupt)]
    fn other_texts_are_known(#[case] text: &str, #[case] meaning: ErrorClass) {
        let text = Box::new(text.to_owned());
        let error = Error::DatabaseError(DatabaseErrorKind::Unknown, text);
        assert_eq!(classify(&error), meaning);
    }
}
