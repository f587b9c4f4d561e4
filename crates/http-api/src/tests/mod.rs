//! Tests of the interface over real sockets, on the domain with in-memory fakes.

mod access;
mod browsers;
mod connections;
mod docs;
mod edges;
mod edits;
mod fetching;
mod file;
mod forms;
mod health;
mod idempotency;
mod info;
mod jobs;
mod keys;
mod lists;
mod log;
mod page;
mod pressure;
mod session;
mod shutdown;
mod storage;
mod tag;
mod taggers;
mod test_server;
mod thumbnail;
mod uploads;
