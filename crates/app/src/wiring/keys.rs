//! API keys.

use std::{path::PathBuf, sync::Arc};

use domain::{
    ports,
    service::{Access, AccessPorts, Keys},
};
use image_store_diesel::{Signals, StoreUrl};

use super::database::Database;
use crate::{access, clock::SystemClock, settings::Settings};

/// The folder of the first key where the database is no file.
const FOLDER: &str = "data";

/// What tells callers by their keys.
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

/// Where the first key is left: beside the database, if that is a file.
pub(super) fn file(database: &Database) -> PathBuf {
    let folder = match &database.url {
        StoreUrl::Sqlite { path } => path.parent(),
        StoreUrl::Mysql(_) => None,
    };
    let folder = folder.map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    folder.join("admin.key")
}

/// Puts together what manages keys. The schema must be there.
pub fn managing_keys(database: &Database) -> anyhow::Result<Keys> {
    let stored = database.connect(Signals::default())?;
    Ok(Keys::new(stored, Arc::new(SystemClock)))
}
