//! How many requests a client may make.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{ports::ClientKey, service::KeyHolder};

const MINUTE: Duration = Duration::from_mins(1);

/// The most clients that are counted apart from each other.
const MAX_CLIENTS: usize = 10_000;

/// How often clients that are up to date are looked for, while there is no room.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// A caller with a key.
    Key(KeyHolder),
    /// A caller without one.
    Address(ClientKey),
    /// All for whom there is no room.
    Others,
}

/// Grants each client so many requests a minute, and as many at once after a minute of rest.
///
/// This is the generic cell rate algorithm: all that is kept of a client is the time at which it will have paid for
/// its requests.
pub(crate) struct RateLimit {
    /// What a request costs; none where there is no limit.
    interval: Option<Duration>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    paid_at: HashMap<Client, Instant>,
    swept_at: Option<Instant>,
}

impl RateLimit {
    /// A limit of so many requests a minute; 0 is none.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            interval: (per_minute > 0).then(|| MINUTE / per_minute),
            clients: Mutex::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, if it is one too many; it does not count then.
    pub(crate) fn admit(&self, client: Client, now: Instant) -> Result<(), Duration> {
        let Some(interval) = self.interval else {
            return Ok(());
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.known(client, now);
        let paid_at = clients.paid_at.entry(client).or_insert(now);
        let next = (*paid_at).max(now) + interval;
        let excess = next.saturating_duration_since(now + MINUTE);
        if excess.is_zero() {
            *paid_at = next;
            Ok(())
        } else {
            Err(excess)
        }
    }
}

impl Clients {
    /// The client itself while there is room for it.
    fn known(&mut self, client: Client, now: Instant) -> Client {
        if self.paid_at.contains_key(&client) || self.has_room(now) {
            client
        } else {
            Client::Others
        }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let is_swept = self.swept_at.is_some_and(|at| now < at + SWEEP_EVERY);
        if self.paid_at.len() >= MAX_CLIENTS && !is_swept {
            // Who has paid for everything is as one that never came.
            self.paid_at.retain(|_, paid_at| *paid_at > now);
            self.swept_at = Some(now);
        }
        self.paid_at.len() < MAX_CLIENTS
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
        assert!(limit.clients.lock().unwrap().paid_at.len() <= MAX_CLIENTS + 1);
        let later = start + 2 * MINUTE;
        assert_eq!(limit.admit(client(most + 2), later), Ok(()));
        assert_eq!(limit.clients.lock().unwrap().paid_at.len(), 1);
    }
}
