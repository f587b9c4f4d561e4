//! The contract of [`OriginalStore`](crate::ports::OriginalStore).
