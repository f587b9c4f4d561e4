//! The in-memory [`ImageCodec`](crate::ports::ImageCodec).
