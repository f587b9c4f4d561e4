//! The caller of an operation.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use super::UpstreamError;

/// The caller of an operation: whether it still waits, until when, and for which client.
///
/// No call that costs something starts once the caller has gone or the deadline has passed. A call in
/// flight is not cancelled when its caller goes; it ends at the deadline. Decorators that retry or queue
/// calls must check the context before each one, after the wait. Clones are the same caller.
#[derive(Clone)]
pub struct CallContext {
    is_gone: Arc<dyn Fn() -> bool + Send + Sync>,
    deadline: Option<Instant>,
    client: ClientKey,
}

impl CallContext {
    /// A call by the program itself, never cancelled and without a deadline.
    pub fn local() -> Self {
        Self::cancelled_when(|| false)
    }

    /// A call by the program itself, cancelled once the function returns `true`.
    ///
    /// The function must be cheap, must never block, and must not return `false` again.
    pub fn cancelled_when(is_gone: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            is_gone: Arc::new(is_gone),
            deadline: None,
            client: ClientKey::LOCAL,
        }
    }

    /// The same call, on behalf of that client.
    #[must_use]
    pub fn for_client(self, client: ClientKey) -> Self {
        Self { client, ..self }
    }

    /// The same call, with the earlier of that deadline and its own.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        let deadline = self.deadline.map_or(deadline, |own| own.min(deadline));
        Self {
            deadline: Some(deadline),
            ..self
        }
    }

    /// The same call, cancelled at the latest when the last clone of that token is dropped.
    #[must_use]
    pub fn while_held(self, token: &Arc<()>) -> Self {
        let (token, is_gone) = (Arc::downgrade(token), self.is_gone);
        Self {
            is_gone: Arc::new(move || token.strong_count() == 0 || is_gone()),
            ..self
        }
    }

    /// The client, for fair scheduling.
    pub fn client(&self) -> ClientKey {
        self.client
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether the caller has gone or the deadline has passed.
    pub fn is_cancelled(&self) -> bool {
        self.is_late() || (self.is_gone)()
    }

    /// Must be called before each call that costs something.
    ///
    /// # Errors
    /// [`UpstreamError::TimedOut`] after the deadline, [`UpstreamError::Cancelled`] once the caller has
    /// gone.
    pub fn check(&self) -> Result<(), UpstreamError> {
        if self.is_late() {
            Err(UpstreamError::TimedOut)
        } else if (self.is_gone)() {
            Err(UpstreamError::Cancelled)
        } else {
            Ok(())
        }
    }

    /// The given time, or the time left until the deadline if that is less.
    pub fn at_most(&self, time: Duration) -> Duration {
        match self.deadline {
            None => time,
            Some(deadline) => time.min(deadline.saturating_duration_since(Instant::now())),
        }
    }

    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("is_gone", &(self.is_gone)())
            .field("deadline", &self.deadline)
            .field("client", &self.client)
            .finish()
    }
}

/// The unit of fairness: one IPv4 address, or one IPv6 /64 network, which is what a single subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(Option<IpAddr>);

impl ClientKey {
    /// The program itself, such as upkeep or a command.
    pub const LOCAL: Self = Self(None);

    /// The client at that address. An IPv4-mapped IPv6 address is the IPv4 address.
    pub fn from_address(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                IpAddr::V6(network.into())
            }
            address @ IpAddr::V4(_) => address,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> ClientKey {
        ClientKey::from_address(address.parse().unwrap())
    }

    #[test]
    fn a_caller_that_has_gone_cancels_the_call() {
        assert!(CallContext::local().check().is_ok());
        let gone = CallContext::cancelled_when(|| true);
        assert!(gone.is_cancelled());
        assert!(matches!(gone.check(), Err(UpstreamError::Cancelled)));
    }

    #[test]
    fn dropping_the_last_token_cancels_the_call() {
        let token = Arc::new(());
        let context = CallContext::local().while_held(&token);
        let copy = Arc::clone(&token);
        drop(token);
        assert!(!context.is_cancelled());
        drop(copy);
        assert!(context.is_cancelled());
        let gone = CallContext::cancelled_when(|| true).while_held(&Arc::new(()));
        assert!(gone.is_cancelled());
    }

    #[test]
    fn the_earlier_deadline_counts() {
        let (now, hour) = (Instant::now(), Duration::from_hours(1));
        let ahead = CallContext::local().until(now + hour);
        assert!(ahead.check().is_ok());
        assert!(ahead.at_most(2 * hour) <= hour);
        assert_eq!(ahead.at_most(Duration::ZERO), Duration::ZERO);
        assert_eq!(
            ahead.clone().until(now + 2 * hour).deadline(),
            Some(now + hour)
        );
        let late = ahead.until(now);
        assert!(late.is_cancelled());
        assert!(matches!(late.check(), Err(UpstreamError::TimedOut)));
        assert_eq!(late.at_most(hour), Duration::ZERO);
    }

    #[test]
    fn each_ipv4_address_is_a_client() {
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }

    #[test]
    fn each_ipv6_network_of_64_bits_is_a_client() {
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1:2:3"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("::1"), ClientKey::LOCAL);
    }
}
