//! What the metrics are made of.

use std::sync::Arc;

use domain::{
    ports::{self, TagProvider},
    service::{Ingest, Renditions},
};
use http_api::Exposition;
use image_codec::PictureCodec;
use image_store_diesel::Pools;
use support::GuardView;

use crate::{
    metrics::{Bytes, Connections, StoredFigures, Upstream, Usage, exposition},
    releases::Releases,
};

/// What is looked at.
pub(super) struct Watched {
    pub(super) stored: Arc<dyn ports::Database>,
    pub(super) pools: Pools,
    pub(super) codec: Arc<PictureCodec>,
    pub(super) providers: Vec<Arc<dyn TagProvider>>,
    pub(super) guards: Vec<WatchedGuard>,
    pub(super) releases: Option<Arc<Releases>>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) renditions: Renditions,
}

/// A guard of an upstream.
#[derive(Clone)]
pub(super) struct WatchedGuard {
    pub(super) name: &'static str,
    pub(super) view: GuardView,
    /// Whether its breaker is that of a guard before.
    pub(super) shares_breaker: bool,
}

/// Writes the metrics of what is looked at.
pub(super) fn exposing(watched: Watched) -> Exposition {
    let figures = StoredFigures::new(watched.stored.clone());
    exposition(Arc::new(move || watched.look()), figures)
}

impl Watched {
    fn look(&self) -> Usage {
        let (pools, codec) = (self.pools.usage(), self.codec.usage());
        let quotas = self.providers.iter().filter_map(|provider| {
            let name = provider.identity().name().to_owned();
            Some((name, provider.quota()?))
        });
        Usage {
            connections: Connections {
                in_use: pools.in_use,
                idle: pools.idle,
                limit: pools.limit,
                waiting: pools.waiting,
            },
            pixels: Bytes {
                taken: codec.pixel_bytes,
                limit: codec.pixel_bytes_limit,
            },
            pictures_waiting: codec.waiting,
            upstreams: self.guards.iter().map(WatchedGuard::look).collect(),
            quotas: quotas.collect(),
            unreleased: self.releases.as_ref().map(|it| it.unreleased()),
            unsaved: self.ingest.unsaved_answers(),
            renditions: self.renditions.kept_bytes(),
        }
    }
}

impl WatchedGuard {
    fn look(&self) -> Upstream {
        Upstream {
            name: self.name,
            breaker: (!self.shares_breaker).then(|| self.view.breaker()),
            calls: self.view.limit(),
        }
    }
}
