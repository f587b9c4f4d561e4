//! Limits the connections of each client.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::ports::ClientKey;
use ipnet::IpNet;

use crate::forwarded::is_trusted;

/// One in this many connections is reserved for clients with few.
const KEPT: usize = 16;

/// Counts connections. A client may have any number until few are left: then it gets another one only if it
/// has fewer than are left.
pub(crate) struct Connections {
    most: usize,
    /// Proxies, behind which there may be any number of clients.
    trusted: Vec<IpNet>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
}

/// A counted connection; released on drop.
pub(crate) struct Counted {
    connections: Arc<Connections>,
    client: ClientKey,
}

impl Connections {
    pub(crate) fn new(most: usize, trusted: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self {
            most,
            trusted,
            open: Mutex::default(),
        })
    }

    /// Admits a new connection from an address, unless its client has too many.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Counted> {
        let address = address.map(|address| address.to_canonical());
        let is_unbounded = address.is_none_or(|address| is_trusted(address, &self.trusted));
        let client = address.map_or(ClientKey::LOCAL, ClientKey::from_address);
        let mut open = self.open();
        let left = self.most.saturating_sub(open.total);
        let own = open.by_client.get(&client).copied().unwrap_or(0);
        if !is_unbounded && left < self.most / KEPT && own >= left {
            return None;
        }
        open.by_client.insert(client, own + 1);
        open.total += 1;
        Some(Counted {
            connections: Arc::clone(self),
            client,
        })
    }

    /// How many connections are open.
    pub(crate) fn total(&self) -> usize {
        self.open().total
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.total -= 1;
        if let Some(own) = open.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                open.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection from 127.0.0.x.
    fn connect(connections: &Arc<Connections>, number: u8) -> Option<Counted> {
        connections.admit(Some([127, 0, 0, number].into()))
    }

    #[test]
    fn a_client_leaves_the_last_connections_to_others() {
        let connections = Connections::new(160, Vec::new());
        let mut many: Vec<_> = std::iter::from_fn(|| connect(&connections, 1)).collect();
        assert_eq!(many.len(), 151);
        let few: Vec<_> = std::iter::from_fn(|| connect(&connections, 2)).collect();
        assert_eq!(few.len(), 5);
        assert!(connect(&connections, 3).is_some());
        many.truncate(100);
        assert!(connect(&connections, 1).is_some());
    }

    #[test]
    fn a_proxy_may_have_all_connections() {
        let proxy = "127.0.0.1/32".parse().unwrap();
        let connections = Connections::new(32, vec![proxy]);
        let all: Vec<_> = (0..32).map(|_| connect(&connections, 1).unwrap()).collect();
        assert!(connect(&connections, 2).is_none());
        drop(all);
        assert!(connect(&connections, 2).is_some());
        assert!(connections.open().by_client.is_empty());
    }
}
