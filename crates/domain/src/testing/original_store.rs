//! The in-memory [`OriginalStore`](crate::ports::OriginalStore).
