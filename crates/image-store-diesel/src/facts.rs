//! What a database server says of itself, for whoever looks for the cause of a problem.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use thiserror::Error;

use crate::migrate::MigrationError;

/// What a database server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// The product and its version, such as `10.11.6-MariaDB`.
    pub version: String,
    /// Its clock; `None` for SQLite, which has none.
    pub now: Option<DateTime<Utc>>,
    /// Its variables, by name in lower case; none for SQLite.
    pub variables: BTreeMap<String, String>,
}

/// Why a database says nothing.
#[derive(Debug, Error)]
pub enum FactsError {
    /// It cannot be reached, or refuses the account.
    #[error("connecting to the database")]
    Connect(#[from] MigrationError),
    /// It does not answer.
    #[error("asking the database")]
    Ask(#[from] diesel::result::Error),
}
