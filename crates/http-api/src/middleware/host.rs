//! The check of `Host` against DNS rebinding.
//!
//! A web page may point a name of its own at this server's address; the browser then takes the server
//! for a part of that page's site and lets the page read everything. What gives it away is the name in
//! `Host`. Names that only a private network resolves, and addresses, cannot be pointed anywhere by a
//! stranger.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    dev::ServiceRequest,
    http::header::{self, HeaderValue},
};
use domain::ports::cause;

use crate::problem::{Code, Problem};

/// The setting that lists further names.
const SETTING: &str = "server.allowed_hosts";

/// Ends of names that public DNS never resolves (RFC 6761, 6762, 8375, and what routers hand out).
const PRIVATE: [&str; 5] = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];

/// The longest host name, in characters.
const LONGEST_NAME: usize = 253;

/// Which hosts requests may name.
#[derive(Debug, Clone)]
pub struct HostCheck {
    allowed: Vec<String>,
    is_enforced: bool,
}

impl HostCheck {
    /// Allows these names, as [`host_name`] writes them, beside what is always allowed.
    ///
    /// It holds where any name is listed; and on a loopback address, where browsers of this machine are
    /// the clients, unless proxies are trusted, which pass on names of their own.
    pub fn new(allowed: Vec<String>, bind: IpAddr, trusts_proxies: bool) -> Self {
        let is_loopback = bind.to_canonical().is_loopback();
        Self {
            is_enforced: is_loopback && !trusts_proxies || !allowed.is_empty(),
            allowed,
        }
    }

    /// The check of a server that is bound to loopback and lists no names.
    pub fn of_loopback() -> Self {
        Self::new(Vec::new(), Ipv4Addr::LOCALHOST.into(), false)
    }

    /// Refuses a request that names another host, in its header or in its target (RFC 9112, section
    /// 3.2.2).
    pub(super) fn check(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let header = request.headers().get(header::HOST);
        let target = request.uri().authority();
        let hosts = [
            header.map(HeaderValue::as_bytes),
            target.map(|authority| authority.as_str().as_bytes()),
        ];
        match hosts.into_iter().flatten().find(|host| !self.admits(host)) {
            None => Ok(()),
            Some(host) => Err(misdirected(host)),
        }
    }

    /// Whether a request may name that host, with or without a port.
    fn admits(&self, host: &[u8]) -> bool {
        !self.is_enforced || std::str::from_utf8(host).is_ok_and(|host| self.is_known(host.trim()))
    }

    fn is_known(&self, host: &str) -> bool {
        let host = without_port(host);
        host.is_empty()
            || is_address(host)
            || host_name(host).is_some_and(|name| {
                !name.contains('.')
                    || PRIVATE.iter().any(|end| name.ends_with(end))
                    || self.allowed.contains(&name)
            })
    }
}

fn misdirected(host: &[u8]) -> Problem {
    let detail = format!(
        "this server does not answer for the host that the request names; if it should, list the \
         host in the setting `{SETTING}`"
    );
    Problem::new(Code::MisdirectedRequest, detail)
        .setting(SETTING)
        .caused_by(cause(format!("Host: {}", host.escape_ascii())))
}

/// A host name in lower case, without the dot that may end it. None if it is none.
pub fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.chars().all(is_plain)
    };
    (name.len() <= LONGEST_NAME && name.split('.').all(is_label)).then_some(name)
}

/// Cuts off the port. An IPv6 address stays whole, in its brackets or without.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((before, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!before.contains(':') || before.ends_with(']')) =>
        {
            before
        }
        _ => host,
    }
}

/// Whether a host is an IP address. One of IPv6 may stand in brackets and have a zone.
fn is_address(host: &str) -> bool {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = inner.unwrap_or(host);
    let without_zone = address.split('%').next().unwrap_or_default();
    let is_v6 = without_zone.parse::<Ipv6Addr>().is_ok();
    let dotted = host.strip_suffix('.').unwrap_or(host);
    is_v6 || dotted.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn on_loopback(allowed: &[&str]) -> HostCheck {
        let allowed = allowed.iter().map(|name| host_name(name).unwrap());
        HostCheck::new(allowed.collect(), LOOPBACK, false)
    }

    #[rstest::rstest]
    #[case("")]
    #[case(":8080")]
    #[case("127.0.0.1")]
    #[case("127.0.0.1:8080")]
    #[case("127.0.0.1.:8080")]
    #[case("192.168.1.20:8080")]
    #[case("[::1]")]
    #[case("[::1]:8080")]
    #[case("[fe80::1%25eth0]:80")]
    #[case("::1")]
    #[case("localhost")]
    #[case("LocalHost:8080")]
    #[case("localhost.")]
    #[case("etiqueta")]
    #[case("my_server:80")]
    #[case("photos.localhost")]
    #[case("nas.local")]
    #[case("NAS.Local.:80")]
    #[case("nas.lan")]
    #[case("a.b.internal")]
    #[case("nas.home.arpa")]
    #[case(" localhost ")]
    fn addresses_and_private_names_are_always_allowed(#[case] host: &str) {
        assert!(on_loopback(&[]).admits(host.as_bytes()), "{host}");
    }

    #[rstest::rstest]
    #[case(b"evil.example")]
    #[case(b"evil.example:8080")]
    #[case(b"EVIL.example.")]
    #[case(b"127.0.0.1.evil.example")]
    #[case(b"localhost.evil.example")]
    #[case(b"evillocal.example")]
    #[case(b"home.arpa")]
    #[case(b"evil.xlocal")]
    #[case(b"localhost@evil.example")]
    #[case(b"user@localhost")]
    #[case(b"localhost:80@evil.example")]
    #[case(b"localhost, evil.example")]
    #[case(b"localhost:x")]
    #[case(b"localhost:80:80")]
    #[case(b"[::1].evil.example")]
    #[case(b"[::1")]
    #[case(b"[evil.example]")]
    #[case(b"127.0.0.1%evil.example")]
    #[case(b".local")]
    #[case(b"..local")]
    #[case(b".")]
    #[case(b"a..b")]
    #[case(b"ev\xc3\xadl.example")]
    #[case(b"\xff")]
    #[case(b"local host")]
    fn other_names_are_refused(#[case] host: &[u8]) {
        assert!(!on_loopback(&[]).admits(host), "{}", host.escape_ascii());
        assert!(!on_loopback(&["photos.example.com"]).admits(host));
    }

    #[test]
    fn listed_names_are_allowed_and_not_those_below() {
        let check = on_loopback(&["Photos.Example.com."]);
        for host in ["photos.example.com", "PHOTOS.example.com.:443", "localhost"] {
            assert!(check.admits(host.as_bytes()), "{host}");
        }
        for host in ["a.photos.example.com", "example.com", "photos.example.comx"] {
            assert!(!check.admits(host.as_bytes()), "{host}");
        }
    }

    #[rstest::rstest]
    #[case("127.0.0.1", &[], false, true)]
    #[case("127.8.0.1", &[], false, true)]
    #[case("::1", &[], false, true)]
    #[case("::ffff:127.0.0.1", &[], false, true)]
    #[case("127.0.0.1", &[], true, false)]
    #[case("0.0.0.0", &[], false, false)]
    #[case("::", &[], false, false)]
    #[case("192.168.1.20", &[], false, false)]
    #[case("0.0.0.0", &["a.example"], false, true)]
    #[case("127.0.0.1", &["a.example"], true, true)]
    fn holds_on_loopback_and_where_names_are_listed(
        #[case] bind: &str,
        #[case] allowed: &[&str],
        #[case] trusts_proxies: bool,
        #[case] is_enforced: bool,
    ) {
        let allowed = allowed.iter().map(|name| (*name).to_owned()).collect();
        let check = HostCheck::new(allowed, bind.parse().unwrap(), trusts_proxies);
        assert_eq!(check.is_enforced, is_enforced);
        assert_eq!(check.admits(b"evil.example"), !is_enforced);
    }

    #[test]
    fn the_header_and_the_target_are_both_looked_at() {
        let check = on_loopback(&[]);
        let request = |uri: &str, host: Option<&str>| {
            let request = TestRequest::with_uri(uri);
            match host {
                Some(host) => request.insert_header(("host", host)),
                None => request,
            }
            .to_srv_request()
        };
        let outcome = |uri, host| check.check(&request(uri, host));
        assert!(outcome("/tags", None).is_ok());
        assert!(outcome("/tags", Some("localhost")).is_ok());
        assert!(outcome("http://localhost/tags", Some("localhost")).is_ok());
        assert!(outcome("http://evil.example/tags", Some("localhost")).is_err());
        let refused = outcome("/tags", Some("evil.example")).unwrap_err();
        assert_eq!(refused.code(), Code::MisdirectedRequest);
        assert!(refused.to_string().contains("`server.allowed_hosts`"));
    }
}
