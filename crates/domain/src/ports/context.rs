//! On whose behalf a call is made.

use std::net::IpAddr;

use super::Interest;

/// What a call is made for.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// Whether the caller still waits for the outcome.
    pub interest: Interest,
    /// Who the caller is, for sharing out what is scarce.
    pub client: ClientKey,
}

impl CallContext {
    /// A call by the program itself, which waits for as long as it takes.
    pub fn local() -> Self {
        Self {
            interest: Interest::lasting(),
            client: ClientKey::LOCAL,
        }
    }
}

/// A client as far as fairness goes: one IPv4 address, or one IPv6 network of 64 bits, which is what a
/// single subscriber has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(Option<IpAddr>);

impl ClientKey {
    /// The program itself.
    pub const LOCAL: Self = Self(None);

    /// The client at that address. An IPv4 address inside IPv6 is that IPv4 address.
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
