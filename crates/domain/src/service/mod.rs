//! The use cases, built on the ports.

mod answers;
mod backoff;
mod catalog;
mod check;
mod forgotten;
mod ingest;
mod removal;
mod single_flight;
mod source;
mod tagger;
mod upkeep;

pub use catalog::{Catalog, CatalogError, CatalogPorts, Found, ImagePage, ImagePages};
pub use check::{
    Check, CheckError, CheckPorts, CheckSettings, Depth, Event, Finding, FindingKind, Forgotten,
    Part, Summary, UnknownOriginals,
};
pub use ingest::{Ingest, IngestError, IngestPorts, IngestSettings, Tagged, Upload};
pub use removal::{RemovalError, RemovalPorts};
pub use tagger::{Tagger, TaggerError, TaggerPorts};
pub use upkeep::{Upkeep, UpkeepError, UpkeepPorts, UpkeepSettings};
