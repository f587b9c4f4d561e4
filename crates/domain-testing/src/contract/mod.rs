//! One suite for each port. Each function takes an empty adapter and panics if it violates the contract in
//! the port's documentation.

pub mod blob_host;
pub mod database;
mod database_registry;
pub mod feature_extractor;
pub mod image_codec;
pub mod inspector;
mod original_removal;
pub mod original_store;
mod originals;
pub mod rendition_store;
pub mod similarity_index;
pub mod tag_provider;
pub mod upload_store;
pub mod webhook_sender;
