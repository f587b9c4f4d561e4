//! What may be fetched: rules for a URL, and for an address that is to be connected to.

use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

use crate::{
    address::{is_link_local, is_public},
    policy::{FetchPolicy, PostPolicy},
};

const PUBLIC_PORTS: [u16; 2] = [80, 443];

/// The rule that a URL breaks. The texts are for the client that named the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Violation {
    /// The policy is [`FetchPolicy::None`].
    #[error("fetching URLs is turned off")]
    Disabled,
    /// The scheme is neither http nor https.
    #[error("only http and https URLs are fetched")]
    Scheme,
    /// The URL contains a user name or a password.
    #[error("the URL must not contain a user name or password")]
    UserInfo,
    /// The port is neither 80 nor 443.
    #[error("only ports 80 and 443 are allowed")]
    Port,
    /// The host is, or resolves to, an address that is not globally routable.
    #[error("the host has an address that is not public")]
    Address,
    /// The host is, or resolves to, a link-local address or a metadata service of a cloud.
    #[error("the host has a link-local address, or that of a metadata service")]
    LinkLocal,
}

/// How far requests may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Nowhere,
    Public,
    NotLinkLocal,
    Anywhere,
}

/// A policy with the meaning of "public", which tests replace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    reach: Reach,
    is_public: fn(IpAddr) -> bool,
}

impl Rules {
    pub(crate) fn new(policy: FetchPolicy) -> Self {
        Self::reaching(match policy {
            FetchPolicy::None => Reach::Nowhere,
            FetchPolicy::Public => Reach::Public,
            FetchPolicy::Any => Reach::Anywhere,
        })
    }

    pub(crate) fn for_posts(policy: PostPolicy) -> Self {
        Self::reaching(match policy {
            PostPolicy::Public => Reach::Public,
            PostPolicy::AnyButLinkLocal => Reach::NotLinkLocal,
        })
    }

    fn reaching(reach: Reach) -> Self {
        let is_public = is_public;
        Self { reach, is_public }
    }

    #[cfg(test)]
    pub(crate) fn public_where(is_public: fn(IpAddr) -> bool) -> Self {
        let reach = Reach::Public;
        Self { reach, is_public }
    }

    pub(crate) fn check_enabled(&self) -> Result<(), Violation> {
        match self.reach {
            Reach::Nowhere => Err(Violation::Disabled),
            Reach::Public | Reach::NotLinkLocal | Reach::Anywhere => Ok(()),
        }
    }

    /// Checks all but the addresses of a name, which the resolver checks. No resolver sees a host
    /// that is an address; `url` has normalised its spelling (`0x7f.1`, `2130706433`).
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Violation> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Violation::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Violation::UserInfo);
        }
        self.check_port(url.port_or_known_default())?;
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    pub(crate) fn check_address(&self, address: IpAddr) -> Result<(), Violation> {
        match self.reach {
            Reach::Nowhere | Reach::Public if !(self.is_public)(address) => Err(Violation::Address),
            Reach::NotLinkLocal if is_link_local(address) => Err(Violation::LinkLocal),
            _ => Ok(()),
        }
    }

    fn check_port(&self, port: Option<u16>) -> Result<(), Violation> {
        let allowed = matches!(self.reach, Reach::NotLinkLocal | Reach::Anywhere)
            || port.is_some_and(|port| PUBLIC_PORTS.contains(&port));
        allowed.then_some(()).ok_or(Violation::Port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(policy: FetchPolicy, url: &str) -> Result<(), Violation> {
        Rules::new(policy).check_url(&Url::parse(url).unwrap())
    }

    #[rstest::rstest]
    #[case::file("file:///etc/passwd", Violation::Scheme)]
    #[case::ftp("ftp://example.com/a.jpg", Violation::Scheme)]
    #[case::data("data:image/png;base64,AAAA", Violation::Scheme)]
    #[case::gopher("gopher://example.com:80/", Violation::Scheme)]
    #[case::unix("unix:///run/docker.sock", Violation::Scheme)]
    #[case::user("http://me@example.com/", Violation::UserInfo)]
    #[case::password("https://:secret@example.com/", Violation::UserInfo)]
    fn schemes_and_credentials_are_checked_under_every_policy(
        #[case] url: &str,
        #[case] violation: Violation,
    ) {
        assert_eq!(check(FetchPolicy::Public, url), Err(violation));
        assert_eq!(check(FetchPolicy::Any, url), Err(violation));
    }

    #[rstest::rstest]
    #[case("http://example.com:8080/")]
    #[case("http://example.com:22/")]
    #[case("https://example.com:8443/")]
    #[case("https://example.com:0/")]
    fn other_ports_are_for_any_alone(#[case] url: &str) {
        assert_eq!(check(FetchPolicy::Public, url), Err(Violation::Port));
        assert_eq!(check(FetchPolicy::Any, url), Ok(()));
    }

    #[rstest::rstest]
    #[case::dotted("http://127.0.0.1/")]
    #[case::decimal("http://2130706433/")]
    #[case::hex("http://0x7f000001/")]
    #[case::hex_parts("http://0x7f.1/")]
    #[case::octal("http://0177.0.0.1/")]
    #[case::mixed("http://0x7f.0.1/")]
    #[case::short("http://127.1/")]
    #[case::zero("http://0/")]
    #[case::trailing_dot("http://127.0.0.1./")]
    #[case::full_width("http://１２７.０.０.１/")]
    #[case::circled("http://①②⑦.0.0.1/")]
    #[case::percent_encoded("http://%31%32%37.0.0.1/")]
    #[case::backslash("http:\\\\127.0.0.1\\")]
    #[case::private("https://192.168.0.1/")]
    #[case::metadata("http://169.254.169.254/latest/meta-data/")]
    #[case::metadata_decimal("http://2852039166/")]
    #[case::loopback_v6("http://[::1]/")]
    #[case::unspecified_v6("http://[::]/")]
    #[case::mapped("http://[::ffff:127.0.0.1]/")]
    #[case::mapped_hex("http://[::ffff:7f00:1]/")]
    #[case::mapped_expanded("http://[0:0:0:0:0:ffff:a9fe:a9fe]/")]
    #[case::nat64("http://[64:ff9b::7f00:1]/")]
    #[case::unique_local("http://[fd00::1]/")]
    fn addresses_in_urls_are_refused_in_every_spelling(#[case] url: &str) {
        assert_eq!(check(FetchPolicy::Public, url), Err(Violation::Address));
        assert_eq!(check(FetchPolicy::Any, url), Ok(()));
    }

    #[rstest::rstest]
    #[case("http://example.com/")]
    #[case("https://example.com/a.jpg?b=c#d")]
    #[case("HTTPS://EXAMPLE.COM:80/")]
    #[case("http://example.com:443/")]
    #[case("http://8.8.8.8/")]
    #[case("http://0x08080808/")]
    #[case("https://[2606:4700:4700::1111]/")]
    #[case("http://[::ffff:8.8.8.8]/")]
    fn public_urls_are_allowed(#[case] url: &str) {
        assert_eq!(check(FetchPolicy::Public, url), Ok(()));
    }

    #[test]
    fn none_disables_fetching() {
        let enabled = |policy| Rules::new(policy).check_enabled();
        assert_eq!(enabled(FetchPolicy::None), Err(Violation::Disabled));
        assert_eq!(enabled(FetchPolicy::Public), Ok(()));
        assert_eq!(enabled(FetchPolicy::Any), Ok(()));
    }

    #[rstest::rstest]
    #[case("http://169.254.169.254/latest/meta-data/")]
    #[case("http://2852039166:8080/")]
    #[case("http://[fe80::1]/")]
    #[case("http://[::ffff:a9fe:a9fe]/")]
    fn nothing_is_posted_to_link_local_addresses(#[case] url: &str) {
        let rules = Rules::for_posts(PostPolicy::AnyButLinkLocal);
        let outcome = rules.check_url(&Url::parse(url).unwrap());
        assert_eq!(outcome, Err(Violation::LinkLocal));
    }

    #[rstest::rstest]
    #[case("http://127.0.0.1:9/", Ok(()), Err(Violation::Port))]
    #[case("http://10.0.0.1/", Ok(()), Err(Violation::Address))]
    #[case("https://8.8.8.8/", Ok(()), Ok(()))]
    #[case(
        "https://me@8.8.8.8/",
        Err(Violation::UserInfo),
        Err(Violation::UserInfo)
    )]
    #[case("ftp://8.8.8.8/", Err(Violation::Scheme), Err(Violation::Scheme))]
    fn posts_may_go_to_the_own_network_unless_they_must_be_public(
        #[case] url: &str,
        #[case] any: Result<(), Violation>,
        #[case] public: Result<(), Violation>,
    ) {
        let url = Url::parse(url).unwrap();
        let checked = |policy| Rules::for_posts(policy).check_url(&url);
        assert_eq!(checked(PostPolicy::AnyButLinkLocal), any);
        assert_eq!(checked(PostPolicy::Public), public);
    }
}
