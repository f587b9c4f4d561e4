#![doc = include_str!("../README.md")]

mod bucket;
mod content;
mod fan;
mod folder;
mod root;
mod store;
mod url;

pub use self::{
    store::{OpenError, open},
    url::{OriginalsUrl, OriginalsUrlError},
};
