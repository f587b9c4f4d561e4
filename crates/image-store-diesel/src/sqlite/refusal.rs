//! What the errors of SQLite mean. Diesel gives a kind for violated constraints, and else the text.

use diesel::result::Error;

use crate::error::Refusal;

/// Texts of SQLite, of the library that is built in.
const TEXTS: [(&str, Refusal); 12] = [
    ("database is locked", Refusal::Contended),
    ("database table is locked", Refusal::Contended),
    ("database or disk is full", Refusal::Unavailable),
    ("disk I/O error", Refusal::Unavailable),
    ("attempt to write a readonly database", Refusal::Unavailable),
    ("unable to open database file", Refusal::Unavailable),
    ("out of memory", Refusal::Unavailable),
    ("locking protocol", Refusal::Unavailable),
    ("database disk image is malformed", Refusal::Corrupt),
    ("file is not a database", Refusal::Corrupt),
    ("no such table", Refusal::NoTable),
    ("duplicate column name", Refusal::DuplicateColumn),
];

/// What a failed statement means.
pub(super) fn refusal(error: &Error) -> Refusal {
    Refusal::by_kind(error).unwrap_or_else(|| by_text(&error.to_string()))
}

/// What a failure with that text means; Diesel may have written something in front of it.
pub(super) fn by_text(text: &str) -> Refusal {
    Refusal::by_text(text, &TEXTS)
}

#[cfg(test)]
mod tests {
    use diesel::{
        Connection, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
        result::DatabaseErrorKind, sql_query,
    };
    use rstest::rstest;

    use super::*;

    /// The errors of these can be provoked.
    #[rstest]
    #[case("SELECT * FROM missing", Refusal::NoTable)]
    #[case("ALTER TABLE present ADD COLUMN id INTEGER", Refusal::DuplicateColumn)]
    #[case(
        "PRAGMA query_only = ON; INSERT INTO present VALUES (1)",
        Refusal::Unavailable
    )]
    #[case(
        "PRAGMA max_page_count = 2; INSERT INTO present VALUES (zeroblob(100000))",
        Refusal::Unavailable
    )]
    #[case("ATTACH 'file:/missing/file?mode=ro' AS other", Refusal::Other)]
    #[case("SELEKT", Refusal::Other)]
    fn sqlite_uses_these_texts(#[case] statements: &str, #[case] meaning: Refusal) {
        let mut connection = SqliteConnection::establish(":memory:").unwrap();
        let table = "CREATE TABLE present (id BLOB)";
        sql_query(table).execute(&mut connection).unwrap();
        let error = connection.batch_execute(statements).unwrap_err();
        assert_eq!(refusal(&error), meaning, "{error}");
    }

    #[rstest]
    #[case("database is locked", Refusal::Contended)]
    #[case("database table is locked: etiqueta_image", Refusal::Contended)]
    #[case("disk I/O error", Refusal::Unavailable)]
    #[case("unable to open database file", Refusal::Unavailable)]
    #[case("out of memory", Refusal::Unavailable)]
    #[case("locking protocol", Refusal::Unavailable)]
    #[case("database disk image is malformed", Refusal::Corrupt)]
    #[case("file is not a database", Refusal::Corrupt)]
    fn other_texts_are_known(#[case] text: &str, #[case] meaning: Refusal) {
        let text = Box::new(text.to_owned());
        let error = Error::DatabaseError(DatabaseErrorKind::Unknown, text);
        assert_eq!(refusal(&error), meaning);
    }
}
