//! The store of originals.

use std::sync::Arc;

use anyhow::bail;
use domain::ports::{
    DatabaseRegistry, FileSource, OriginalRemoval, OriginalStore, RenditionStore, UploadStore,
};
use original_store_objects::{BucketFiles, OriginalsUrl, OriginalsUrlError};
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
    pub(super) uploads: Arc<dyn UploadStore>,
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
        renditions: Arc::new(guarded.renditions(store.clone())),
        uploads: Arc::new(guarded.uploads(store)),
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

/// The files below an `s3://` URL, to be read. Nothing is connected to yet.
pub fn bucket_files(url: &str, settings: &Settings) -> anyhow::Result<Arc<dyn FileSource>> {
    let url: OriginalsUrl = url.parse()?;
    if overlap(&url, &originals_url(settings)?) {
        bail!("the originals of this store are there");
    }
    match url {
        OriginalsUrl::Bucket { name, prefix } => Ok(Arc::new(BucketFiles::open(&name, &prefix)?)),
        OriginalsUrl::Folder(_) => bail!(OriginalsUrlError::Bucket),
    }
}

/// Whether one of two places in a bucket is inside the other.
fn overlap(one: &OriginalsUrl, other: &OriginalsUrl) -> bool {
    let (one, other) = (format!("{one}/"), format!("{other}/"));
    one.starts_with(&other) || other.starts_with(&one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_overlap_by_whole_folders() {
        let overlap =
            |one: &str, other: &str| overlap(&one.parse().unwrap(), &other.parse().unwrap());
        for (one, other, expected) in [
            ("s3://a", "s3://a/b", true),
            ("s3://a/b/c", "s3://a/b", true),
            ("s3://a/b", "s3://a/b", true),
            ("s3://a/b", "s3://a/bc", false),
            ("s3://a", "s3://ab", false),
            ("s3://a", "file:a", false),
        ] {
            assert_eq!(overlap(one, other), expected, "{one} {other}");
        }
    }
}
