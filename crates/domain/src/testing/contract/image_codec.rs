//! The contract of [`ImageCodec`](crate::ports::ImageCodec).
