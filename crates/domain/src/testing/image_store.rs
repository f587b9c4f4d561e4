//! The in-memory [`ImageStore`](crate::ports::ImageStore).
