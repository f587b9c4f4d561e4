#![doc = include_str!("../README.md")]

mod catch_up;
mod index;
mod scan;
mod segments;

pub use self::index::MemoryIndex;
