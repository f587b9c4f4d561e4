//! One suite for each port. Each function takes an empty adapter and panics where it breaks the
//! contract that the port's documentation states.

pub mod blob_host;
pub mod database;
mod database_registry;
pub mod image_codec;
pub mod inspector;
mod original_removal;
pub mod original_store;
mod originals;
pub mod tag_provider;
