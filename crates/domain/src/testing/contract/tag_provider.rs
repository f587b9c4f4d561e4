//! The contract of [`TagProvider`](crate::ports::TagProvider).
