//! Rate limit per client.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{ports::ClientKey, service::KeyHolder};

const MINUTE: Duration = Duration::from_mins(1);

/// The most clients with a count of their own.
const MAX_CLIENTS: usize = 10_000;

/// The shortest interval between two sweeps for idle clients while the table is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The unit of counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A caller with a key.
    Key(KeyHolder),
    /// A caller without one.
    Address(ClientKey),
    /// All clients beyond [`MAX_CLIENTS`].
    Others,
}

/// Limits each client to a number of requests a minute, with bursts of up to that number.
///
/// Implements the generic cell rate algorithm (GCRA): the state of a client is its theoretical arrival time.
pub(crate) struct RateLimit {
    /// The emission interval; `None` if there is no limit.
    interval: Option<Duration>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    arrival: HashMap<Client, Instant>,
    last_sweep: Option<Instant>,
}

impl RateLimit {
    /// A limit of `per_minute` requests; 0 is none.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            interval: (per_minute > 0).then(|| MINUTE / per_minute),
            clients: Mutex::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The wait until the next request is admitted. A refused request does not count.
    pub(crate) fn admit(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.known(client, now);
        let arrival = clients.arrival.entry(client).or_insert(now);
        let next = (*arrival).max(now) + interval;
        let excess = next.saturating_duration_since(now + MINUTE);
        if excess.is_zero() {
            *arrival = next;
            Ok(())
        } else {
            Err(excess)
        }
    }
}

impl Clients {
    /// The client, or [`Client::Others`] if the table is full.
    fn known(&mut self, client: Client, now: Instant) -> Client {
        if self.arrival.contains_key(&client) || self.has_room(now) {
            client
        } else {
            Client::Others
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let is_swept = self.last_sweep.is_some_and(|at| now < at + SWEEP_EVERY);
        if self.arrival.len() >= MAX_CLIENTS && !is_swept {
            // An idle client is equivalent to an unknown one.
            self.arrival.retain(|_, arrival| *arrival > now);
            self.last_sweep = Some(now);
        }
        self.arrival.len() < MAX_CLIENTS
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(number: u32) -> Client {
        let address = IpAddr::V4(number.into());
        Client::Address(ClientKey::from_address(address))
    }

    #[test]
    fn so_many_requests_a_minute_are_admitted() {
        let (limit, start) = (RateLimit::new(60), Instant::now());
        for _ in 0..60 {
            assert_eq!(limit.admit(client(1), start), Ok(()));
        }
        let second = Duration::from_secs(1);
        assert_eq!(limit.admit(client(1), start), Err(second));
        assert_eq!(limit.admit(client(2), start), Ok(()));
        assert_eq!(limit.admit(client(1), start + second), Ok(()));
        assert_eq!(limit.admit(client(1), start + second), Err(second));
        for _ in 0..60 {
            assert_eq!(limit.admit(client(1), start + 2 * MINUTE), Ok(()));
        }
        assert!(limit.admit(client(1), start + 2 * MINUTE).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let (limit, now) = (RateLimit::new(0), Instant::now());
        assert!((0..10_000).all(|_| limit.admit(client(1), now).is_ok()));
    }

    #[test]
    fn clients_beyond_the_bound_share_one_count() {
        let (limit, start) = (RateLimit::new(2), Instant::now());
        let most = u32::try_from(MAX_CLIENTS).unwrap();
        for number in 0..most {
            assert_eq!(limit.admit(client(number), start), Ok(()));
        }
        assert_eq!(limit.admit(client(most), start), Ok(()));
        assert_eq!(limit.admit(client(most + 1), start), Ok(()));
        assert!(limit.admit(client(most + 2), start).is_err());
        assert_eq!(limit.admit(client(0), start), Ok(()));
        assert!(limit.clients.lock().unwrap().arrival.len() <= MAX_CLIENTS + 1);
        let later = start + 2 * MINUTE;
        assert_eq!(limit.admit(client(most + 2), later), Ok(()));
        assert_eq!(limit.clients.lock().unwrap().arrival.len(), 1);
    }
}
