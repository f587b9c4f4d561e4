//! Classifies the errors of MySQL and MariaDB by their numbers.
//!
//! diesel-async exposes the message of an error, and its number only if Diesel has a kind for it. So the
//! connection that met the error is queried for the number, before it is used for anything else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use diesel::{
    QueryResult, QueryableByName,
    result::Error,
    sql_query,
    sql_types::{BigInt, Nullable, Text, Unsigned},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mysql_async::{Conn, prelude::Queryable};

use super::Connection;
use crate::error::ErrorClass;

const SHOW: &str = "SHOW WARNINGS";
/// Reads the number of conditions of the last statement; an error is the last of them.
const COUNT: &str = "GET DIAGNOSTICS @etiqueta_conditions = NUMBER";
const READ_LAST: &str =
    "GET DIAGNOSTICS CONDITION @etiqueta_conditions @etiqueta_error = MYSQL_ERRNO";

const FORGET: &str = "SET @etiqueta_error = NULL";

/// How to query a server for the number of its last error. Clones share the detected method.
///
/// Diesel reads rows from prepared statements only, and MySQL, unlike MariaDB and `TiDB`, cannot prepare
/// `SHOW WARNINGS`. It has `GET DIAGNOSTICS`, which `TiDB` lacks, and which on MariaDB does not distinguish
/// an error from the notes that follow it.
#[derive(Debug, Clone, Default)]
pub(super) struct Diagnostics {
    shows_warnings: Arc<AtomicBool>,
}

#[derive(QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Warning {
    #[diesel(sql_type = Text, column_name = "Level")]
    level: String,
    #[diesel(sql_type = Unsigned<BigInt>, column_name = "Code")]
    code: u64,
    #[diesel(sql_type = Text, column_name = "Message")]
    message: String,
}

/// The number of the error with that message, else of the last error. A session whose transaction a node of
/// Galera aborted lists the interruption of the statement beside the deadlock.
fn number_of(text: &str, rows: &[Warning]) -> Option<i64> {
    let errors = || rows.iter().rev().filter(|row| row.level == "Error");
    let named = errors().find(|row| row.message == text);
    named
        .or_else(|| errors().next())
        .and_then(|row| row.code.try_into().ok())
}

impl Diagnostics {
    /// Detects the method, on a new connection.
    pub(super) async fn detect(&self, connection: &mut Conn) -> mysql_async::Result<()> {
        let prepared = connection.prep(SHOW).await;
        self.shows_warnings
            .store(prepared.is_ok(), Ordering::Relaxed);
        match prepared {
            Ok(statement) => connection.close(statement).await,
            Err(mysql_async::Error::Server(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Classifies a failed statement.
    pub(super) async fn classify(&self, connection: &mut Connection, error: &Error) -> ErrorClass {
        match ErrorClass::by_kind(error) {
            Some(class) => class,
            None => self.last(connection, &error.to_string()).await,
        }
    }

    /// Classifies the failure of a connection's last statement, of which `text` is the message. A
    /// connection that cannot answer is lost, unless the message says that its transaction was aborted: a node of
    /// Galera may refuse the next statement, too, until the session has rolled back.
    pub(super) async fn last(&self, connection: &mut Connection, text: &str) -> ErrorClass {
        match self.number(connection, text).await {
            Ok(Some(number)) => by_number(number),
            // The server met no error: the driver, or a proxy, rejected the call.
            Ok(None) => ErrorClass::by_text(text, &TEXTS),
            Err(_) => match ErrorClass::by_text(text, &TEXTS) {
                ErrorClass::Contended => ErrorClass::Contended,
                _ => ErrorClass::Unavailable,
            },
        }
    }

    /// The number of the last error, of which `text` is the message; `None` if the last statement succeeded.
    async fn number(&self, connection: &mut Connection, text: &str) -> QueryResult<Option<i64>> {
        if AtomicBool::load(&self.shows_warnings, Ordering::Relaxed) {
            let rows: Vec<Warning> = sql_query(SHOW).load(connection).await?;
            return Ok(number_of(text, &rows));
        }
        connection.batch_execute(COUNT).await?;
        // Fails if there is no condition; then the variable stays NULL.
        let _ = connection.batch_execute(READ_LAST).await;
        let read = sql_query("SELECT CAST(@etiqueta_error AS SIGNED) AS number");
        let row: NumberRow = read.get_result(connection).await?;
        // The session may go on, and its next error may leave no condition.
        connection.batch_execute(FORGET).await?;
        Ok(row.number)
    }
}

/// Substrings by which the errors of a proxy between this program and the server are recognised: the server
/// has no number for them.
const TEXTS: [(&str, ErrorClass); 10] = [
    ("Deadlock found", ErrorClass::Contended),
    ("Lock wait timeout exceeded", ErrorClass::Contended),
    ("Too many connections", ErrorClass::Unavailable),
    ("read-only", ErrorClass::Unavailable),
    ("command denied to user", ErrorClass::Unavailable),
    ("Access denied for user", ErrorClass::Unavailable),
    ("Disk full", ErrorClass::Unavailable),
    ("' is full", ErrorClass::Unavailable),
    // A node of Galera outside its cluster, which refuses the question for the number as well.
    ("WSREP has not yet prepared node", ErrorClass::Unavailable),
    ("Not connected to Primary", ErrorClass::Unavailable),
];

fn by_number(number: i64) -> ErrorClass {
    match number {
        // Row changed, lock wait time-out, deadlock.
        1020 | 1205 | 1213
        // COMMIT failed, or conflicts with another node of a cluster.
        | 1180 | 3101
        // TiDB: transaction aborted, schema or row changed by another one.
        | 8002 | 8022 | 8028 | 9007 => ErrorClass::Contended,

        // Files cannot be written, or out of memory: numbers of the server's file layer.
        1 | 3 | 4 | 5 | 20
        // Disk or table full, file cannot be written, storage engine failed.
        | 1021 | 1026 | 1030 | 1114
        // Out of memory.
        | 1037 | 1041
        // Too many connections, in total or of this user.
        | 1040 | 1203 | 1226
        // Access denied: to the database, server, table or column.
        | 1044 | 1045 | 1142 | 1143 | 1698
        // A node of Galera or Group Replication outside its cluster.
        | 1047 | 3100
        // Shutting down; statement interrupted or timed out; session killed.
        | 1053 | 1317 | 1927 | 1969 | 3024 | 3169
        // Read-only: a table, by an option of the server, the server, InnoDB, the schema.
        | 1036 | 1290 | 1836 | 1874 | 3989 => ErrorClass::Unavailable,

        // A table is marked as crashed.
        1194 | 1195 => ErrorClass::Corrupt,
        1146 => ErrorClass::NoTable,
        1060 | 1061 => ErrorClass::AlreadyThere,
        1091 => ErrorClass::NothingToDrop,
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        NewImage,
        ports::{Database, ImageStoreError},
    };
    use domain_testing::{at, image};
    use rstest::rstest;

    use super::{
        super::{sql, test_database::TestDatabase},
        *,
    };
    use crate::connections::Lease;

    #[rstest]
    #[case("Deadlock found when trying to get lock", ErrorClass::Contended)]
    #[case(
        "Lock wait timeout exceeded; try restarting transaction",
        ErrorClass::Contended
    )]
    #[case("Too many connections", ErrorClass::Unavailable)]
    #[case(
        "The server is running with the --read-only option",
        ErrorClass::Unavailable
    )]
    #[case(
        "INSERT command denied to user 'a'@'b' for table 'c'",
        ErrorClass::Unavailable
    )]
    #[case("Access denied for user 'a'@'b'", ErrorClass::Unavailable)]
    #[case("Disk full (/tmp/x); waiting", ErrorClass::Unavailable)]
    #[case("The table 'x' is full", ErrorClass::Unavailable)]
    #[case(
        "WSREP has not yet prepared node for application use",
        ErrorClass::Unavailable
    )]
    #[case("provider status: Not connected to Primary", ErrorClass::Unavailable)]
    #[case("You have an error in your SQL syntax", ErrorClass::Other)]
    fn texts_of_proxies(#[case] text: &str, #[case] meaning: ErrorClass) {
        assert_eq!(ErrorClass::by_text(text, &TEXTS), meaning);
    }

    #[test]
    fn the_number_is_that_of_the_message() {
        let row = |level: &str, code, message: &str| Warning {
            level: level.to_owned(),
            code,
            message: message.to_owned(),
        };
        let rows = [
            row("Error", 1213, "Deadlock found"),
            row("Error", 1317, "Query execution was interrupted"),
            row("Note", 1, "Deadlock found"),
        ];
        assert_eq!(number_of("Deadlock found", &rows), Some(1213));
        assert_eq!(number_of("something else", &rows), Some(1317));
        assert_eq!(number_of("Deadlock found", &rows[2..]), None);
    }

    const CONTENDED: [i64; 9] = [1020, 1180, 1205, 1213, 3101, 8002, 8022, 8028, 9007];
    const UNAVAILABLE: [i64; 33] = [
        1, 3, 4, 5, 20, 1021, 1026, 1030, 1036, 1037, 1040, 1041, 1044, 1045, 1047, 1053, 1114,
        1142, 1143, 1203, 1226, 1290, 1317, 1698, 1836, 1874, 1927, 1969, 3024, 3100, 3169, 3989,
        1792,
    ];
    const CORRUPT: [i64; 2] = [1194, 1195];
    const FAILED: [i64; 5] = [1060, 1064, 1091, 1146, 4711];

    /// The class of a port's error.
    fn meaning(error: &ImageStoreError) -> ErrorClass {
        match error {
            ImageStoreError::Contended(_) => ErrorClass::Contended,
            ImageStoreError::Unavailable(_) => ErrorClass::Unavailable,
            ImageStoreError::Corrupt(_) => ErrorClass::Corrupt,
            ImageStoreError::ClaimLost
            | ImageStoreError::LeaseLost
            | ImageStoreError::AlreadyImported
            | ImageStoreError::Failed(_) => ErrorClass::Other,
        }
    }

    fn signal(number: i64) -> String {
        format!("SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'nothing'")
    }

    /// The class of a failing statement, in the middle of a transaction and in a single attempt.
    async fn refused(store: &sql::Store, statement: &str) -> ErrorClass {
        let work = |mut connection: Lease<Connection>| async move {
            connection.batch_execute("BEGIN").await?;
            connection.batch_execute(statement).await?;
            Ok(())
        };
        let outcome = store.with_connection(&store.writing, &work).await;
        meaning(&outcome.unwrap_err())
    }

    #[rstest]
    #[case(&CONTENDED, ErrorClass::Contended)]
    #[case(&UNAVAILABLE, ErrorClass::Unavailable)]
    #[case(&CORRUPT, ErrorClass::Corrupt)]
    #[case(&FAILED, ErrorClass::Other)]
    #[tokio::test(flavor = "multi_thread")]
    async fn errors_are_classified_by_their_numbers(
        #[case] numbers: &[i64],
        #[case] expected: ErrorClass,
    ) {
        let database = TestDatabase::create().await;
        let store = database.concrete(sql::Sizes::default());
        for number in numbers {
            assert_eq!(
                refused(&store, &signal(*number)).await,
                expected,
                "{number}"
            );
        }
        drop(store);
        database.remove().await;
    }

    async fn record(store: &dyn Database) -> Result<(), ImageStoreError> {
        let new = NewImage {
            codes: Vec::new(),
            request: None,
            info: domain::ImageInfo::default(),
            fence: None,
            image: image(b"some bytes", at(0), &[("car", 90.0)]),
            said: None,
            taggings: Vec::new(),
        };
        let (digest, facts) = (&new.image.digest, &new.image.facts);
        store.claim(digest, facts, at(0), at(1)).await?;
        store.record(&new).await
    }

    /// By a prepared statement in the middle of the transaction that records an image, and after warnings.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_trigger_refuses_an_image() {
        let database = TestDatabase::create().await;
        let store = database.concrete(sql::Sizes::default());
        let mut admin = database.connection().await;
        for (number, expected) in [
            (3101, ErrorClass::Contended),
            (1290, ErrorClass::Unavailable),
            (1195, ErrorClass::Corrupt),
            (4711, ErrorClass::Other),
        ] {
            let create = format!(
                "CREATE TRIGGER refuse BEFORE INSERT ON etiqueta_image_tag FOR EACH ROW \
                 BEGIN SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO = 1213; {}; END",
                signal(number)
            );
            admin.batch_execute(&create).await.unwrap();
            let refused = record(&*store).await.unwrap_err();
            assert_eq!(meaning(&refused), expected, "{number}");
            admin.batch_execute("DROP TRIGGER refuse").await.unwrap();
        }
        record(&*store).await.unwrap();
        drop(store);
        database.remove().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_commit_has_a_number() {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        connection.batch_execute("XA START 'a'").await.unwrap();
        connection.batch_execute("COMMIT").await.unwrap_err();
        let number = Diagnostics::default().number(&mut connection, "").await;
        assert_eq!(number.unwrap(), Some(1399));
        drop(connection);
        database.remove().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_cannot_answer_is_lost() {
        let database = TestDatabase::create().await;
        let store = database.concrete(sql::Sizes::default());
        assert_eq!(
            refused(&store, "KILL CONNECTION_ID()").await,
            ErrorClass::Unavailable
        );
        record(&*store).await.unwrap();
        drop(store);
        database.remove().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_aborted_transaction_is_a_conflict_even_if_its_session_does_not_answer() {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        let killed = connection.batch_execute("KILL CONNECTION_ID()").await;
        killed.unwrap_err();
        let diagnostics = Diagnostics::default();
        for (text, expected) in [
            (
                "Deadlock found when trying to get lock",
                ErrorClass::Contended,
            ),
            ("Connection was killed", ErrorClass::Unavailable),
        ] {
            assert_eq!(diagnostics.last(&mut connection, text).await, expected);
        }
        drop(connection);
        database.remove().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn where_nothing_failed_there_is_no_number() {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        connection
            .batch_execute("SELECT COUNT(*) FROM etiqueta_label")
            .await
            .unwrap();
        let number = Diagnostics::default().number(&mut connection, "").await;
        assert_eq!(number.unwrap(), None);
        drop(connection);
        database.remove().await;
    }

    /// More than a server keeps by default.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_after_many_warnings_has_a_number() {
        let database = TestDatabase::create().await;
        let store = database.concrete(sql::Sizes::default());
        let mut admin = database.connection().await;
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON etiqueta_label FOR EACH ROW \
             BEGIN IF NEW.name = 'last' THEN {}; END IF; END",
            signal(1213)
        );
        admin.batch_execute(&trigger).await.unwrap();
        let names: Vec<String> = (0..999).map(|n| format!("('{n}')")).collect();
        let insert = format!(
            "INSERT IGNORE INTO etiqueta_label (name) VALUES {}",
            names.join(", ")
        );
        admin.batch_execute(&insert).await.unwrap();
        let refused = refused(&store, &format!("{insert}, ('last')")).await;
        assert_eq!(refused, ErrorClass::Contended);
        drop(store);
        database.remove().await;
    }

    /// By MySQL's method, which other servers support up to this point.
    #[tokio::test(flavor = "multi_thread")]
    async fn numbers_are_read_from_the_diagnostics_area() {
        let database = TestDatabase::create().await;
        let mut connection = database.connection().await;
        let diagnostics = Diagnostics::default();
        for number in [1213, 9007] {
            connection.batch_execute(&signal(number)).await.unwrap_err();
            let found = diagnostics.number(&mut connection, "").await;
            assert_eq!(found.unwrap(), Some(number));
        }
        // Statements without a table keep the diagnostics of the previous one.
        connection
            .batch_execute("SELECT COUNT(*) FROM etiqueta_label")
            .await
            .unwrap();
        let found = diagnostics.number(&mut connection, "").await;
        assert_eq!(found.unwrap(), None, "not that of an earlier error");
        drop(connection);
        database.remove().await;
    }
}
