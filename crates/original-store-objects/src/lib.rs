#![doc = include_str!("../README.md")]

mod bucket;
mod content;
mod directory;
mod folder;
mod key;
mod listing;
mod open;
mod quarantine;
mod registry;
mod removal;
mod renditions;
mod root;
mod shards;
mod source;
mod store;
mod uploads;
mod url;

pub use self::{
    open::{OpenError, open, open_existing},
    source::BucketFiles,
    store::Originals,
    url::{OriginalsUrl, OriginalsUrlError},
};
