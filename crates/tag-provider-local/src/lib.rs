#![doc = include_str!("../README.md")]

mod files;
mod input;
mod network;
mod networks;
mod provider;
mod rule;
mod table;
mod vocabulary;

pub use self::{
    files::{ModelError, ModelFiles},
    provider::{LANGUAGE, LocalTagger, Startup},
};
