//! The store into which pictures are imported.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use domain::service::{Importing, Sidecars, Upkeep, UpkeepSettings};
use support::ByteBudget;
use tokio::time::timeout;

use super::read::Reading;
use crate::{
    releases::Releases,
    settings::Settings,
    wiring::{self, Database, Gates, Parts},
};

/// Time-out for removing hosted pictures at the end, and for the last answers of providers.
const DRAIN: Duration = Duration::from_secs(10);

/// A store that is ready to be written to, whether or not servers run on it.
pub(super) struct Store {
    pub(super) importing: Importing,
    pub(super) reading: Reading,
    pub(super) sidecars: Sidecars,
    /// The folder of the originals, if they are in one.
    pub(super) originals: Option<PathBuf>,
    releases: Option<Arc<Releases>>,
}

impl Store {
    /// Opens the store, as a server does at its start: the schema is made, and the database known beside its originals,
    /// before anything is put.
    pub(super) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let database = Database::new(settings)?;
        database.migrate().await?;
        database.require_vocabulary().await?;
        let gates = Gates::default();
        let parts = wiring::assemble(settings, &gates)?;
        gates.schema.open();
        let Parts {
            importing,
            sidecars,
            upkeep,
            releases,
            originals,
            ..
        } = parts;
        let ages = UpkeepSettings {
            hosted_blob_age: wiring::delta(settings.upkeep.hosted_blob_age),
            original_age: wiring::delta(settings.upkeep.original_age),
        };
        let registered = Upkeep::new(upkeep, ages).register().await;
        registered.context("registering the database with the originals")?;
        gates.registered.open();
        Ok(Self {
            importing,
            reading: Reading {
                limit: settings.limits.image_bytes.get(),
                budget: ByteBudget::new(settings.limits.memory_bytes.get()),
            },
            sidecars,
            originals,
            releases,
        })
    }

    /// Stores what is left to store, and takes hosted pictures back.
    pub(super) async fn close(self) {
        let saved = timeout(DRAIN, self.importing.save_answers()).await;
        if !matches!(saved, Ok(Ok(_))) {
            tracing::error!("answers of providers are lost: the database did not take them");
        }
        if let Some(releases) = self.releases
            && timeout(DRAIN, releases.drained()).await.is_err()
        {
            tracing::warn!("hosted pictures are left to the upkeep of a server");
        }
    }
}
