//! The contract of [`BlobHost`](crate::ports::BlobHost).
