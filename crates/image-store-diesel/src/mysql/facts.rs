//! What a server says of itself.

use chrono::DateTime;
use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;

use super::{Database, open_patiently};
use crate::{
    facts::{DatabaseFacts, FactsError},
    migrate::MigrationError,
    url::MysqlServer,
};

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    version: String,
    /// Microseconds since 1970.
    #[diesel(sql_type = BigInt)]
    now: i64,
}

#[derive(QueryableByName)]
struct Variable {
    #[diesel(sql_type = Text, column_name = "Variable_name")]
    name: String,
    #[diesel(sql_type = Text, column_name = "Value")]
    value: String,
}

pub(crate) async fn facts(server: &MysqlServer) -> Result<DatabaseFacts, FactsError> {
    let database = Database::default();
    let opened = open_patiently(server, &database.diagnostics).await;
    let mut connection = opened.map_err(MigrationError::from)?;
    let own: Server = sql_query(
        "SELECT VERSION() AS version, CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED) AS now",
    )
    .get_result(&mut connection)
    .await?;
    let variables: Vec<Variable> = sql_query("SHOW GLOBAL VARIABLES")
        .load(&mut connection)
        .await?;
    // MariaDB names itself in its version, MySQL does not.
    let is_named = own.version.contains("MariaDB");
    Ok(DatabaseFacts {
        version: if is_named {
            own.version
        } else {
            format!("MySQL {}", own.version)
        },
        now: DateTime::from_timestamp_micros(own.now),
        variables: variables
            .into_iter()
            .map(|variable| (variable.name.to_lowercase(), variable.value))
            .collect(),
    })
}
