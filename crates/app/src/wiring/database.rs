//! The database: its URL, connection pool and schema.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use domain::ports::{self, ImageCounter, ImageStore, ImageStoreError, TagStatistics};
use image_store_diesel::{
    Backup, BackupError, Consistency, DatabaseFacts, FactsError, MigrationError, Migrator,
    PoolSettings, Signals, StoreUrl, StoreUrlError,
};
use secrecy::ExposeSecret;
use thiserror::Error;

use crate::{
    replica::WithReplica,
    resilience::Gate,
    settings::{ConsistencyChoice, Settings, VocabularyChoice},
};

/// The longest wait for a pooled connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// The database behind the image store.
pub struct Database {
    pub(super) url: StoreUrl,
    replica: Option<StoreUrl>,
    pool: PoolSettings,
    is_closed: bool,
}

/// Why the schema of the database is not usable.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A migration failed, or could not start.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// Migrations are pending and were not to be applied.
    #[error("{0} migrations of the database are pending: run `etiqueta migrate`")]
    Pending(usize),
    /// The vocabulary cannot be read.
    #[error("reading the vocabulary")]
    Vocabulary(#[source] ImageStoreError),
    /// The vocabulary is closed, and has no entry.
    #[error(
        "`tagging.vocabulary` is `closed`, and the vocabulary has no entry: \
         run `etiqueta vocabulary import`, or set it to `open`"
    )]
    NoVocabulary,
}

impl SchemaError {
    /// Whether the database is only unreachable for now.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Migration(MigrationError::Unavailable(_) | MigrationError::Locked)
                | Self::Vocabulary(ImageStoreError::Unavailable(_) | ImageStoreError::Contended(_))
        )
    }
}

impl Database {
    /// Parses the URL and creates the pool, without connecting.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let url = settings
            .database
            .url
            .expose_secret()
            .parse()
            .map_err(|error| settings.refuse("database.url", error))?;
        let replica = settings.database.read_url.as_ref().map(|url| {
            let url = replica(url.expose_secret());
            url.map_err(|error| settings.refuse("database.read_url", error))
        });
        let timeout = settings.database.timeout;
        let pool = PoolSettings {
            max_connections: settings.database.max_connections.get(),
            acquire_timeout: (timeout / 4).min(CONNECTION_WAIT),
            lock_timeout: timeout.min(PoolSettings::default().lock_timeout),
            call_timeout: timeout,
            consistency: consistency(settings.database.consistency),
        };
        Ok(Self {
            url,
            replica: replica.transpose()?,
            pool,
            is_closed: settings.tagging.vocabulary == VocabularyChoice::Closed,
        })
    }

    /// Whether the database is a file of this process rather than a server.
    pub fn is_embedded(&self) -> bool {
        matches!(self.url, StoreUrl::Sqlite { .. })
    }

    /// Applies the pending migrations and returns their number.
    pub async fn migrate(&self) -> Result<usize, SchemaError> {
        Ok(Migrator::new(&self.url).run().await?.len())
    }

    /// Fails if migrations are pending.
    pub async fn require_schema(&self) -> Result<(), SchemaError> {
        let pending = Migrator::new(&self.url).pending().await?.len();
        if pending == 0 {
            Ok(())
        } else {
            Err(SchemaError::Pending(pending))
        }
    }

    /// Fails if the vocabulary must have an entry and has none. The schema must exist.
    pub async fn require_vocabulary(&self) -> Result<(), SchemaError> {
        if !self.is_closed {
            return Ok(());
        }
        let opened = self.connect(Signals::default());
        let stored = opened.map_err(|error| {
            let error = ports::cause(format!("{error:#}"));
            SchemaError::Vocabulary(ImageStoreError::Failed(error))
        })?;
        let stored = stored.vocabulary().await.map_err(SchemaError::Vocabulary)?;
        if stored.entries.is_empty() {
            return Err(SchemaError::NoVocabulary);
        }
        Ok(())
    }

    /// What the database says of itself.
    pub async fn facts(&self) -> Result<DatabaseFacts, FactsError> {
        image_store_diesel::facts(&self.url).await
    }

    /// The file of the database, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.url {
            StoreUrl::Sqlite { path } => Some(path),
            StoreUrl::Mysql(_) => None,
        }
    }

    /// Copies the database into a new file while it is in use. Its schema must exist.
    pub async fn back_up(&self, target: &Path) -> Result<Backup, BackupError> {
        image_store_diesel::back_up(&self.url, target).await
    }

    pub(super) fn connect(&self, signals: Signals) -> anyhow::Result<Arc<dyn ports::Database>> {
        image_store_diesel::connect_with(&self.url, self.pool, signals)
            .context("opening the database")
    }

    /// Where lists and statistics come from: the replica, if there is one, else the database.
    pub(super) fn lists(
        &self,
        stored: &Arc<dyn ports::Database>,
        schema: &Gate,
    ) -> anyhow::Result<Lists> {
        let Some(url) = &self.replica else {
            return Ok(Lists {
                images: stored.clone(),
                counter: stored.clone(),
                statistics: stored.clone(),
            });
        };
        let signals = Signals {
            schema: schema.subscribe(),
            ..Signals::default()
        };
        let replica = image_store_diesel::connect_with(url, self.pool, signals)
            .context("opening the replica of the database")?;
        let both = Arc::new(WithReplica::new(stored.clone(), replica));
        Ok(Lists {
            images: both.clone(),
            counter: both.clone(),
            statistics: both,
        })
    }
}

/// The ports behind lists and statistics.
pub(super) struct Lists {
    pub(super) images: Arc<dyn ImageStore>,
    pub(super) counter: Arc<dyn ImageCounter>,
    pub(super) statistics: Arc<dyn TagStatistics>,
}

/// Why a URL names no replica.
#[derive(Debug, Error)]
enum ReplicaError {
    #[error(transparent)]
    Url(#[from] StoreUrlError),
    #[error("a file has no replica")]
    File,
}

fn replica(url: &str) -> Result<StoreUrl, ReplicaError> {
    match url.parse()? {
        StoreUrl::Sqlite { .. } => Err(ReplicaError::File),
        url @ StoreUrl::Mysql(_) => Ok(url),
    }
}

fn consistency(choice: ConsistencyChoice) -> Consistency {
    match choice {
        ConsistencyChoice::Auto => Consistency::Auto,
        ConsistencyChoice::Node => Consistency::Node,
        ConsistencyChoice::Cluster => Consistency::Cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_has_replicas() {
        assert!(replica("mysql://user:password@one,two/name").is_ok());
        let refused = replica("sqlite://data/etiqueta.db").unwrap_err();
        assert_eq!(refused.to_string(), "a file has no replica");
    }
}
