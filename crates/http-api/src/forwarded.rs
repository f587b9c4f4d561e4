//! The client and the path prefix of a request, as reported by trusted proxies.

use std::net::{IpAddr, SocketAddr};

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName},
};
use domain::ports::ClientKey;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// The longest prefix accepted, in bytes.
const LONGEST_PREFIX: usize = 256;

/// The origin of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// The client, for fair scheduling.
    pub(super) client: ClientKey,
    /// The path prefix added by the proxy: empty, or a path without a trailing slash.
    pub(super) prefix: String,
    /// The host that the proxy was called by, where it says so.
    pub(super) host: Option<String>,
    /// Whether the proxy was called over TLS.
    pub(super) is_https: bool,
}

impl Forwarded {
    /// The origin of a request. Headers count only if the request comes from one of these proxies.
    pub(super) fn of(request: &HttpRequest, trusted: &[IpNet]) -> Self {
        let Some(peer) = request.peer_addr() else {
            return Self::direct(ClientKey::LOCAL);
        };
        Self::new(peer.ip().to_canonical(), request.headers(), trusted)
    }

    fn new(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        if !is_trusted(peer, trusted) {
            return Self::direct(ClientKey::from_address(peer));
        }
        let client = last_untrusted_hop(peer, headers, trusted);
        Self {
            client: ClientKey::from_address(client),
            prefix: prefix(headers).unwrap_or_default(),
            host: first(headers, &FORWARDED_HOST).map(str::to_owned),
            is_https: first(headers, &FORWARDED_PROTO)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        }
    }

    fn direct(client: ClientKey) -> Self {
        Self {
            client,
            prefix: String::new(),
            host: None,
            is_https: false,
        }
    }
}

/// Each proxy appends the address of its caller, so the list is read from the end, for as long as a trusted
/// proxy wrote it.
fn last_untrusted_hop(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
    let mut hop = peer;
    for line in lines.into_iter().rev() {
        let Ok(line) = line.to_str() else {
            return hop;
        };
        for entry in line.rsplit(',') {
            let Some(address) = address(entry.trim()) else {
                return hop;
            };
            hop = address;
            if !is_trusted(hop, trusted) {
                return hop;
            }
        }
    }
    hop
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(inside) => inside.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    Some(address.or_else(with_port)?.to_canonical())
}

/// Whether an address belongs to a trusted proxy.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The first entry of a list: what the proxy that the client called wrote.
fn first<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let line = headers.get(name)?.to_str().ok()?;
    let entry = line.split(',').next()?.trim();
    (!entry.is_empty()).then_some(entry)
}

/// The prefix, if there is one and it is only a path on this host.
fn prefix(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(FORWARDED_PREFIX);
    let line = lines.next()?.to_str().ok()?.trim();
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~' | '%');
    let is_path = line.starts_with('/')
        && !line.starts_with("//")
        && line.len() <= LONGEST_PREFIX
        && line.chars().all(is_plain);
    let is_only = lines.next().is_none();
    (is_path && is_only).then(|| line.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "2001:db8::/32"]
            .map(|network| network.parse().unwrap())
            .to_vec()
    }

    fn forwarded(peer: &str, name: &HeaderName, lines: &[&str]) -> Forwarded {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            headers.append(name.clone(), value);
        }
        Forwarded::new(peer.parse().unwrap(), &headers, &trusted())
    }

    #[rstest::rstest]
    #[case::untrusted_peer("192.0.2.1", &["192.0.2.9"], "192.0.2.1")]
    #[case::no_header("10.0.0.1", &[], "10.0.0.1")]
    #[case::one_hop("10.0.0.1", &["192.0.2.9"], "192.0.2.9")]
    #[case::forged_by_the_client("10.0.0.1", &["203.0.113.1, 192.0.2.9"], "192.0.2.9")]
    #[case::two_proxies("10.0.0.1", &["192.0.2.9, 10.0.0.2"], "192.0.2.9")]
    #[case::several_lines("10.0.0.1", &["203.0.113.1", "192.0.2.9 ,10.0.0.2", "10.0.0.3"], "192.0.2.9")]
    #[case::only_proxies("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3")]
    #[case::malformed("10.0.0.1", &["192.0.2.9, unknown, 10.0.0.2"], "10.0.0.2")]
    #[case::empty_entry("10.0.0.1", &["192.0.2.9, "], "10.0.0.1")]
    #[case::not_text("10.0.0.1", &["192.0.2.9", "\u{fc}"], "10.0.0.1")]
    #[case::with_a_port("10.0.0.1", &["192.0.2.9:1234"], "192.0.2.9")]
    #[case::ipv6_with_a_port("2001:db8::1", &["[2001:db9::1]:1234"], "2001:db9::1")]
    #[case::ipv6_in_brackets("2001:db8::1", &["[2001:db9::1]"], "2001:db9::1")]
    #[case::mapped_hop("10.0.0.1", &["192.0.2.9, ::ffff:10.0.0.2"], "192.0.2.9")]
    fn client_is_the_last_untrusted_hop(
        #[case] peer: &str,
        #[case] lines: &[&str],
        #[case] client: &str,
    ) {
        let client = ClientKey::from_address(client.parse().unwrap());
        assert_eq!(forwarded(peer, &FORWARDED_FOR, lines).client, client);
    }

    #[rstest::rstest]
    #[case("10.0.0.1", &["/pictures/"], "/pictures")]
    #[case("10.0.0.1", &["/a/b-c_d.e~f%20"], "/a/b-c_d.e~f%20")]
    #[case("10.0.0.1", &["/"], "")]
    #[case("10.0.0.1", &["pictures"], "")]
    #[case("10.0.0.1", &["//example.com"], "")]
    #[case("10.0.0.1", &["/a?b"], "")]
    #[case("10.0.0.1", &["/a", "/b"], "")]
    #[case("192.0.2.1", &["/pictures"], "")]
    fn prefix_is_a_path_named_by_a_trusted_proxy(
        #[case] peer: &str,
        #[case] lines: &[&str],
        #[case] prefix: &str,
    ) {
        assert_eq!(forwarded(peer, &FORWARDED_PREFIX, lines).prefix, prefix);
    }

    #[rstest::rstest]
    #[case("10.0.0.1", "https", true)]
    #[case("10.0.0.1", "HTTPS , http", true)]
    #[case("10.0.0.1", "http, https", false)]
    #[case("10.0.0.1", "", false)]
    #[case("192.0.2.1", "https", false)]
    fn tls_is_told_by_a_trusted_proxy(
        #[case] peer: &str,
        #[case] line: &str,
        #[case] is_https: bool,
    ) {
        assert_eq!(
            forwarded(peer, &FORWARDED_PROTO, &[line]).is_https,
            is_https
        );
    }

    #[rstest::rstest]
    #[case("10.0.0.1", "photos.example.com", Some("photos.example.com"))]
    #[case("10.0.0.1", "a.example:8443, b.example", Some("a.example:8443"))]
    #[case("10.0.0.1", "", None)]
    #[case("192.0.2.1", "photos.example.com", None)]
    fn host_is_named_by_a_trusted_proxy(
        #[case] peer: &str,
        #[case] line: &str,
        #[case] host: Option<&str>,
    ) {
        let forwarded = forwarded(peer, &FORWARDED_HOST, &[line]);
        assert_eq!(forwarded.host.as_deref(), host);
    }
}
