//! Look-alikes.

use std::sync::Arc;

use domain::{
    ports::{self, ImageCodec, ReleaseQueue},
    service::{Catalog, FeatureJobs, LookAlikePorts, LookAlikes, PictureCodePorts, PictureCodes},
};
use similarity_index_memory::MemoryIndex;

use super::provider::TagProviders;

/// The service that reads and computes the codes of originals.
pub(super) fn codes(
    stored: &Arc<dyn ports::Database>,
    upstreams: &TagProviders,
    codec: &Arc<dyn ImageCodec>,
    releases: Arc<dyn ReleaseQueue>,
    catalog: Catalog,
) -> PictureCodes {
    let ports = PictureCodePorts {
        store: stored.clone(),
        extractor: upstreams.extractor(),
        codec: Arc::clone(codec),
        releases,
    };
    PictureCodes::new(ports, catalog)
}

/// The service that finds look-alikes.
pub(super) fn finding(stored: &Arc<dyn ports::Database>, codes: PictureCodes) -> LookAlikes {
    let ports = LookAlikePorts {
        index: Arc::new(MemoryIndex::new(stored.clone())),
        codes: stored.clone(),
        images: stored.clone(),
    };
    LookAlikes::new(ports, codes)
}

/// What makes jobs for images without codes.
pub(super) fn jobs(stored: &Arc<dyn ports::Database>, codes: PictureCodes) -> FeatureJobs {
    FeatureJobs::new(stored.clone(), stored.clone(), codes)
}
