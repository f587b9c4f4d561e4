//! The interface over real sockets, in front of the domain with in-memory fakes.

mod connections;
mod docs;
mod edges;
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
