//! The store of originals.

use std::sync::Arc;

use domain::ports::{DatabaseRegistry, OriginalRemoval, OriginalStore, RenditionStore};
use original_store_objects::OriginalsUrl;
use secrecy::ExposeSecret;

use crate::{
    resilience::{Gate, GuardedOriginals},
    settings::Settings,
};

/// The originals, as their ports.
pub(super) struct Originals {
    pub(super) store: Arc<dyn OriginalStore>,
    pub(super) removal: Arc<dyn OriginalRemoval>,
    pub(super) registry: Arc<dyn DatabaseRegistry>,
    pub(super) renditions: Arc<dyn RenditionStore>,
}

/// Opens the originals and creates their folder.
pub(super) fn originals(settings: &Settings, registered: &Gate) -> anyhow::Result<Originals> {
    let url = originals_url(settings)?;
    let store =
        original_store_objects::open(&url).map_err(|error| settings.refuse(ORIGINALS, error))?;
    let timeout = settings.originals.timeout;
    let guarded = GuardedOriginals::new(store.clone(), timeout, registered.clone());
    Ok(Originals {
        removal: Arc::new(guarded.removal(store.clone())),
        registry: Arc::new(guarded.registry(store.clone())),
        renditions: Arc::new(guarded.renditions(store)),
        store: Arc::new(guarded),
    })
}

/// The key of the originals' URL.
const ORIGINALS: &str = "originals.url";

/// Parses the URL of the originals.
pub(super) fn originals_url(settings: &Settings) -> anyhow::Result<OriginalsUrl> {
    let url = settings.originals.url.expose_secret().parse();
    Ok(url.map_err(|error| settings.refuse(ORIGINALS, error))?)
}
