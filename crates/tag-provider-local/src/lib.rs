#![doc = include_str!("../README.md")]

mod files;
mod heads;
mod hierarchy;
mod input;
mod names;
mod network;
mod networks;
mod peaks;
mod provider;
mod readings;
mod rule;
mod table;
mod vocabulary;

pub use self::{
    files::{ModelError, ModelFiles},
    names::NAMES,
    provider::{LANGUAGE, LocalTagger, Startup},
    vocabulary::words,
};
