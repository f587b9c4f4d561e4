//! The interface over real sockets, in front of the domain with in-memory fakes.

mod access;
mod browsers;
mod connections;
mod docs;
mod edges;
mod health;
mod keys;
mod lists;
mod log;
mod pressure;
mod session;
mod shutdown;
mod storage;
mod test_server;
mod uploads;
