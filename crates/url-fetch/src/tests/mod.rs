//! Fetches from servers of this process.
//!
//! Loopback is not public, so one loopback address counts as public for them, and names resolve to
//! it with the server's port. All other rules are those of production.

mod environment;
mod fixture;
mod limits;
mod posts;
mod redirects;
mod requests;
mod resolution;
mod server;
mod texts;
mod urls;
