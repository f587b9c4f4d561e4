//! The in-memory [`BlobHost`](crate::ports::BlobHost).
