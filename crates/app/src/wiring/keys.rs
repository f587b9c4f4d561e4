//! API keys.

use std::{path::PathBuf, sync::Arc};

use domain::{
    ports,
    service::{Access, AccessPorts, Keys},
};
use image_store_diesel::{Signals, StoreUrl};

use super::database::Database;
use crate::{access, clock::SystemClock, settings::Settings};

/// The folder of that file for database servers.
const FOLDER: &str = "data";

/// Puts the authentication service together.
pub(super) fn access(
    settings: &Settings,
    stored: Arc<dyn ports::Database>,
    clock: Arc<SystemClock>,
) -> Access {
    let ports = AccessPorts {
        keys: stored.clone(),
        sessions: stored,
        clock,
    };
    Access::new(ports, access::admin_key(settings))
}

/// The file for the initial key: next to the database file, if there is one.
pub(super) fn file(database: &Database) -> PathBuf {
    let folder = match &database.url {
        StoreUrl::Sqlite { path } => path.parent(),
        StoreUrl::Mysql(_) => None,
    };
    let folder = folder.map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    folder.join("admin.key")
}

/// Puts the service for managing keys together. The schema must exist.
pub fn managing_keys(database: &Database) -> anyhow::Result<Keys> {
    let stored = database.connect(Signals::default())?;
    Ok(Keys::new(stored, Arc::new(SystemClock)))
}
