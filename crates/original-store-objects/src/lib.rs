#![doc = include_str!("../README.md")]

mod content;
mod folder;
mod store;
mod url;

pub use self::{
    store::{OpenError, open},
    url::{OriginalsUrl, OriginalsUrlError},
};
