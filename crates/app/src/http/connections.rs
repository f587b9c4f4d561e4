//! How many connections each client has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::ports::ClientKey;

/// The part of all connections that is kept for clients with few.
const KEPT: usize = 16;

/// Counts connections. A client may have as many as there are, until few are left: then it gets one more only
/// where it has fewer than are left.
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
}

/// A connection that is counted until this is dropped.
pub(super) struct Counted {
    connections: Arc<Connections>,
    client: ClientKey,
}

impl Connections {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
        })
    }

    /// Counts a new connection of a client, unless it has too many.
    pub(super) fn admit(self: &Arc<Self>, client: ClientKey) -> Option<Counted> {
        let mut open = self.open();
        let left = self.most.saturating_sub(open.total);
        let own = open.by_client.entry(client).or_default();
        if left < self.most / KEPT && *own >= left {
            return None;
        }
        *own += 1;
        open.total += 1;
        Some(Counted {
            connections: Arc::clone(self),
            client,
        })
    }

    /// Counts a connection of somebody who may have any number.
    pub(super) fn count(self: &Arc<Self>, client: ClientKey) -> Counted {
        let mut open = self.open();
        open.total += 1;
        *open.by_client.entry(client).or_default() += 1;
        Counted {
            connections: Arc::clone(self),
            client,
        }
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

    fn client(number: u8) -> ClientKey {
        ClientKey::from_address([127, 0, 0, number].into())
    }

    #[test]
    fn a_client_leaves_the_last_connections_to_others() {
        let connections = Connections::new(160);
        let mut many: Vec<_> = std::iter::from_fn(|| connections.admit(client(1))).collect();
        assert_eq!(many.len(), 151);
        let mut few: Vec<_> = std::iter::from_fn(|| connections.admit(client(2))).collect();
        assert_eq!(few.len(), 5);
        let one = connections.admit(client(3));
        assert!(one.is_some());
        many.truncate(100);
        few.push(connections.admit(client(2)).unwrap());
        assert!(connections.admit(client(1)).is_some());
    }

    #[test]
    fn a_proxy_may_have_all() {
        let connections = Connections::new(32);
        let all: Vec<_> = (0..32).map(|_| connections.count(client(1))).collect();
        assert!(connections.admit(client(2)).is_none());
        drop(all);
        assert!(connections.admit(client(2)).is_some());
        assert!(connections.open().by_client.is_empty());
    }
}
