//! The in-memory [`TagProvider`](crate::ports::TagProvider).
