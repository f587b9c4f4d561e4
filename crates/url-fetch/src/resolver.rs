//! Names to addresses, checked where the connection takes them from.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::rules::{Rules, Violation};

/// A look-up cannot be cancelled, so this bounds the threads that slow name servers block.
const MAX_LOOK_UPS: usize = 32;

/// Looks up names. A port of 0 stands for the scheme's own.
pub(crate) trait Dns: Send + Sync {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver, with [`MAX_LOOK_UPS`] at a time.
pub(crate) struct SystemDns {
    slots: Arc<Semaphore>,
}

/// Why a name has no address to connect to. For the log: it names addresses.
#[derive(Debug, Error)]
pub(crate) enum ResolveError {
    #[error("{name} has the address {address}, which is not allowed: {reason}")]
    NotAllowed {
        name: String,
        address: IpAddr,
        reason: Violation,
    },
    #[error("{name} has no address")]
    NoAddress { name: String },
    #[error("{name} cannot be looked up")]
    Failed { name: String, source: io::Error },
}

/// Gives a connection the addresses of a name, or none if one of them breaks the rules.
pub(crate) struct CheckedResolver {
    dns: Arc<dyn Dns>,
    rules: Rules,
}

impl SystemDns {
    pub(crate) fn new() -> Self {
        let slots = Arc::new(Semaphore::new(MAX_LOOK_UPS));
        Self { slots }
    }
}

impl Dns for SystemDns {
    fn look_up(&self, name: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let slots = Arc::clone(&self.slots);
        async move {
            let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
            let look_up = move || {
                // Held by the thread: the caller may be gone long before the look-up ends.
                let _slot = slot;
                Ok((name.as_str(), 0).to_socket_addrs()?.collect())
            };
            spawn_blocking(look_up).await.map_err(io::Error::other)?
        }
        .boxed()
    }
}

impl CheckedResolver {
    pub(crate) fn new(dns: Arc<dyn Dns>, rules: Rules) -> Self {
        Self { dns, rules }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (name, rules) = (name.as_str().to_owned(), self.rules);
        let answers = self.dns.look_up(name.clone());
        Box::pin(async move {
            let addresses = match answers.await {
                Ok(addresses) => check(rules, name, addresses)?,
                Err(source) => return Err(ResolveError::Failed { name, source }.into()),
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn check(
    rules: Rules,
    name: String,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, ResolveError> {
    if addresses.is_empty() {
        return Err(ResolveError::NoAddress { name });
    }
    let mut ips = addresses.iter().map(SocketAddr::ip);
    let refused = ips.find_map(|address| Some((address, rules.check_address(address).err()?)));
    match refused {
        Some((address, reason)) => Err(ResolveError::NotAllowed {
            name,
            address,
            reason,
        }),
        None => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn dns(slots: usize) -> SystemDns {
        let slots = Arc::new(Semaphore::new(slots));
        SystemDns { slots }
    }

    #[tokio::test]
    async fn look_ups_give_their_slots_back() {
        let dns = dns(1);
        for _ in 0..3 {
            let addresses = dns.look_up("localhost".to_owned()).await.unwrap();
            assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        }
    }

    #[tokio::test]
    async fn look_ups_wait_for_a_slot() {
        let look_up = dns(0).look_up("localhost".to_owned());
        timeout(Duration::from_millis(200), look_up)
            .await
            .unwrap_err();
    }
}
