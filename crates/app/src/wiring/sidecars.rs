//! Sidecars.

use std::sync::Arc;

use domain::{
    LabelNames, ports,
    service::{SharedVocabulary, SidecarPorts, Sidecars},
};
use image_store_diesel::Signals;

use super::database::Database;
use crate::clock::SystemClock;

/// The service on an open database.
pub(super) fn sidecars(
    stored: &Arc<dyn ports::Database>,
    vocabulary: SharedVocabulary,
) -> Sidecars {
    let ports = SidecarPorts {
        infos: stored.clone(),
        edits: stored.clone(),
    };
    Sidecars::new(ports, vocabulary)
}

/// The service on a database of which nothing else is needed. The schema must exist.
pub fn managing_sidecars(database: &Database) -> anyhow::Result<Sidecars> {
    let stored: Arc<dyn ports::Database> = database.connect(Signals::default())?;
    let (clock, names) = (Arc::new(SystemClock), LabelNames::default());
    let vocabulary = SharedVocabulary::new(stored.clone(), clock, names, false);
    Ok(sidecars(&stored, vocabulary))
}
