//! The contract of [`ImageStore`](crate::ports::ImageStore).
