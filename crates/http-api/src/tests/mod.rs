//! The interface over real sockets, in front of the domain with in-memory fakes.

mod connections;
mod docs;
mod edges;
mod file;
mod health;
mod info;
mod lists;
mod log;
mod pressure;
mod shutdown;
mod storage;
mod test_server;
mod uploads;
