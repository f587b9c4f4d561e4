//! Tests of the interface over real sockets, on the domain with in-memory fakes.

mod connections;
mod docs;
mod edges;
mod fetching;
mod file;
mod forms;
mod health;
mod lists;
mod log;
mod pressure;
mod shutdown;
mod storage;
mod tag;
mod test_server;
mod uploads;
