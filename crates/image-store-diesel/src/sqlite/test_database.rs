//! Databases for unit tests.

use std::{path::PathBuf, sync::Arc, time::Duration};

use domain::ports::Database;
use tempfile::TempDir;

use super::{Connection, connect_with, migrate, open, sql::Sizes};
use crate::{PoolSettings, Signals};

/// How long tests wait for locks.
const BUSY: Duration = Duration::from_secs(10);

/// A migrated file. Stores must not outlive it.
pub(super) struct TestDatabase {
    folder: TempDir,
}

impl TestDatabase {
    pub(super) async fn create() -> Self {
        let database = Self {
            folder: TempDir::new().unwrap(),
        };
        migrate(&database.file(), BUSY).await.unwrap();
        database
    }

    pub(super) fn store(&self, sizes: Sizes) -> Arc<dyn Database> {
        Arc::new(
            connect_with(
                &self.file(),
                PoolSettings::default(),
                Signals::default(),
                sizes,
            )
            .unwrap(),
        )
    }

    pub(super) async fn connection(&self) -> Connection {
        open(self.file(), BUSY).await.unwrap()
    }

    #[expect(
        clippy::unused_async,
        reason = "it takes a call to the server elsewhere"
    )]
    pub(super) async fn remove(self) {
        self.folder.close().unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("etiqueta.db")
    }
}
