//! Connections whose reads see what was committed on any node of a cluster.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use diesel_async::pooled_connection::deadpool::Pool;

use super::{Connection, nodes::Nodes};

/// A pool of such connections, which is used as soon as one connection was to a cluster.
///
/// Until then all connections are in one pool. Then that one shrinks, as there is one limit for both.
pub(super) struct Consistent {
    readers: Pool<Connection>,
    nodes: Arc<Nodes>,
    /// The size of the other pool, beside this one.
    others: usize,
    is_split: AtomicBool,
}

impl Consistent {
    pub(super) fn new(readers: Pool<Connection>, nodes: Arc<Nodes>, others: usize) -> Self {
        Self {
            readers,
            nodes,
            others,
            is_split: AtomicBool::new(false),
        }
    }

    pub(super) fn pool<'a>(&'a self, all: &'a Pool<Connection>) -> &'a Pool<Connection> {
        if !self.nodes.is_cluster() {
            return all;
        }
        if !self.is_split.swap(true, Ordering::Relaxed) {
            all.resize(self.others);
        }
        &self.readers
    }
}
