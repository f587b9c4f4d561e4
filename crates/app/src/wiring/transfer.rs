//! Exports, and what is restored from them.

use std::sync::Arc;

use anyhow::Context;
use domain::{
    ports::OriginalStore,
    service::{Exporting, ExportingPorts, Restoring, RestoringPorts, Upkeep, UpkeepSettings},
};
use image_store_diesel::Signals;

use super::{
    database::Database,
    delta, managing_vocabulary,
    originals::{Originals, originals, originals_url},
    upkeep,
};
use crate::{clock::SystemClock, resilience::Gate, settings::Settings};

/// What reads everything in a database. The schema must exist.
pub fn exporting(database: &Database) -> anyhow::Result<Exporting> {
    let stored = database.connect(Signals::default())?;
    Ok(Exporting::new(ExportingPorts {
        store: stored.clone(),
        vocabulary: stored.clone(),
        inspector: stored,
    }))
}

/// The originals, to be read. Their folder must exist.
pub fn existing_originals(settings: &Settings) -> anyhow::Result<Arc<dyn OriginalStore>> {
    Ok(original_store_objects::open_existing(&originals_url(
        settings,
    )?)?)
}

/// What restores an export: the schema is made, and the database known beside its originals, as by a server at its
/// start. No provider is wired.
pub async fn restoring(settings: &Settings) -> anyhow::Result<Restoring> {
    let database = Database::new(settings)?;
    database.migrate().await?;
    let stored = database.connect(Signals::default())?;
    let registered = Gate::default();
    let opened: Originals = originals(settings, &registered)?;
    let (originals, clock) = (opened.store.clone(), Arc::new(SystemClock));
    let ages = UpkeepSettings {
        hosted_blob_age: delta(settings.upkeep.hosted_blob_age),
        original_age: delta(settings.upkeep.original_age),
    };
    let upkeep = Upkeep::new(upkeep(stored.clone(), opened, None, clock.clone()), ages);
    let known = upkeep.register().await;
    known.context("registering the database with the originals")?;
    registered.open();
    let ports = RestoringPorts {
        stored: stored.clone(),
        store: stored.clone(),
        infos: stored.clone(),
        inspector: stored.clone(),
        taggings: stored.clone(),
        ledger: stored,
        originals,
        vocabulary: managing_vocabulary(&database)?,
        clock,
    };
    Ok(Restoring::new(ports, ages.original_age))
}
