//! Test support: in-memory fakes, and a contract suite for every port.
//!
//! A fake keeps state and obeys the port's whole contract; mocks (`ports::Mock…`) check calls and return
//! configured results. Every adapter and every fake runs the suites in [`contract`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a test may fail loudly"
)]

mod blob_host;
pub mod contract;
mod database;
mod feature_extractor;
mod held_removal;
mod image_codec;
mod original_store;
mod picture_source;
mod rendition_store;
mod samples;
mod similarity_index;
mod tag_provider;
mod upload_store;
mod webhook_sender;

pub use blob_host::{FakeBlobHost, FakeReleaseQueue};
pub use database::FakeDatabase;
pub use feature_extractor::FakeFeatureExtractor;
pub use held_removal::{Barrier, HeldRemoval};
pub use image_codec::FakeImageCodec;
pub use original_store::FakeOriginalStore;
pub use picture_source::{FakePictureSource, Pull};
pub use rendition_store::FakeRenditionStore;
pub use samples::{TestClock, api_key, at, image, label, tag, tags};
pub use similarity_index::FakeSimilarityIndex;
pub use tag_provider::FakeTagProvider;
pub use upload_store::FakeUploadStore;
pub use webhook_sender::FakeWebhookSender;
