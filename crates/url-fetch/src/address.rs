//! Which addresses are globally routable, and which ones nothing is ever posted to.
//!
//! The blocks are those of IANA's IPv4 and IPv6 special-purpose address registries that are not
//! "globally reachable". Stricter than the registries: small reachable blocks inside a refused one
//! (192.0.0.9, `2001:4:112::/48` and the like) are refused with it, since no web server is there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const SPECIAL_V4: [Ipv4Net; 16] = [
    // "This network", RFC 791.
    v4([0, 0, 0, 0], 8),
    // Private use, RFC 1918.
    v4([10, 0, 0, 0], 8),
    // Shared address space of carrier-grade NAT, RFC 6598.
    v4([100, 64, 0, 0], 10),
    // Loopback, RFC 1122.
    v4([127, 0, 0, 0], 8),
    // Azure's host agent: a public address by the registries, metadata and secrets inside Azure.
    v4([168, 63, 129, 16], 32),
    // Link-local, RFC 3927; metadata services of most clouds.
    v4([169, 254, 0, 0], 16),
    // Private use, RFC 1918.
    v4([172, 16, 0, 0], 12),
    // IETF protocol assignments, RFC 6890.
    v4([192, 0, 0, 0], 24),
    // Documentation (TEST-NET-1), RFC 5737.
    v4([192, 0, 2, 0], 24),
    // 6to4 relay anycast, deprecated by RFC 7526.
    v4([192, 88, 99, 0], 24),
    // Private use, RFC 1918.
    v4([192, 168, 0, 0], 16),
    // Benchmarking, RFC 2544.
    v4([198, 18, 0, 0], 15),
    // Documentation (TEST-NET-2), RFC 5737.
    v4([198, 51, 100, 0], 24),
    // Documentation (TEST-NET-3), RFC 5737.
    v4([203, 0, 113, 0], 24),
    // Multicast, RFC 5771.
    v4([224, 0, 0, 0], 4),
    // Reserved, RFC 1112, and limited broadcast, RFC 919.
    v4([240, 0, 0, 0], 4),
];

/// The only space from which global unicast addresses are allocated, RFC 4291. Outside it are
/// loopback, IPv4-compatible (`::/96`), local-use NAT64 (`64:ff9b:1::/48`, RFC 8215), discard-only,
/// `SRv6` identifiers, unique local, link-local, site-local and multicast addresses.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0], 3);

const SPECIAL_V6: [Ipv6Net; 4] = [
    // IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID.
    v6([0x2001, 0, 0], 23),
    // Documentation, RFC 3849.
    v6([0x2001, 0xdb8, 0], 32),
    // 6to4, RFC 3056: the router at the embedded IPv4 address would deliver to its own network.
    v6([0x2002, 0, 0], 16),
    // Documentation, RFC 9637.
    v6([0x3fff, 0, 0], 20),
];

/// Prefixes that stand for an IPv4 address, held by the last 32 bits: IPv4-mapped (RFC 4291) and
/// the well-known prefix of NAT64 (RFC 6052), under which DNS64 gives every IPv4-only host.
const EMBEDDING: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
    v6([0x64, 0xff9b, 0], 96),
];

/// Link-local, and the metadata services of clouds at other addresses: Azure, Alibaba, Oracle.
const LINK_LOCAL_V4: [Ipv4Net; 4] = [
    v4([169, 254, 0, 0], 16),
    v4([168, 63, 129, 16], 32),
    v4([100, 100, 100, 200], 32),
    v4([192, 0, 0, 192], 32),
];

/// Link-local, the metadata services of Amazon, Oracle, Scaleway and Google, and NAT64 of local use (RFC 8215), in which an
/// IPv4 address may stand at several places.
const LINK_LOCAL_V6: [Ipv6Net; 6] = [
    v6([0xfe80, 0, 0], 10),
    v6([0xfd00, 0xec2, 0], 32),
    v6([0xfd00, 0xc1, 0], 32),
    v6([0xfd00, 0x42, 0], 32),
    v6([0x64, 0xff9b, 1], 48),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254), 128),
];

/// Further prefixes under which a machine may translate the last 32 bits to an IPv4 address: IPv4-compatible (RFC 4291) and
/// IPv4-translated (RFC 2765).
const TRANSLATED: [Ipv6Net; 2] = [
    v6([0, 0, 0], 96),
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
];

/// 6to4 (RFC 3056): the second to the fifth byte after the first two are an IPv4 address.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0], 16);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Whether an address is globally routable unicast.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|block| block.contains(&address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded_v4(address) {
        return is_public_v4(embedded);
    }
    GLOBAL_UNICAST.contains(&address) && !SPECIAL_V6.iter().any(|block| block.contains(&address))
}

/// Whether an address is link-local, or that of a metadata service of a cloud, in whatever form.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_link_local_v4(address),
        IpAddr::V6(address) => {
            let embedded = embedded_v4(address).or_else(|| translated_v4(address));
            embedded.is_some_and(is_link_local_v4)
                || LINK_LOCAL_V6.iter().any(|block| block.contains(&address))
        }
    }
}

fn is_link_local_v4(address: Ipv4Addr) -> bool {
    LINK_LOCAL_V4.iter().any(|block| block.contains(&address))
}

fn translated_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, _, a, b, c, d, ..] = address.octets();
    if SIX_TO_FOUR.contains(&address) {
        return Some(Ipv4Addr::new(a, b, c, d));
    }
    let [.., a, b, c, d] = address.octets();
    let is_translated = TRANSLATED.iter().any(|prefix| prefix.contains(&address));
    is_translated.then_some(Ipv4Addr::new(a, b, c, d))
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    let embeds = EMBEDDING.iter().any(|prefix| prefix.contains(&address));
    embeds.then_some(Ipv4Addr::new(a, b, c, d))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first and the last address of each refused block, with the neighbours that are public.
    #[rstest::rstest]
    #[case::this_network("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0"))]
    #[case::private_10("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0"))]
    #[case::cgnat(
        "100.64.0.0",
        "100.127.255.255",
        Some("100.63.255.255"),
        Some("100.128.0.0")
    )]
    #[case::loopback(
        "127.0.0.0",
        "127.255.255.255",
        Some("126.255.255.255"),
        Some("128.0.0.0")
    )]
    #[case::azure(
        "168.63.129.16",
        "168.63.129.16",
        Some("168.63.129.15"),
        Some("168.63.129.17")
    )]
    #[case::link_local(
        "169.254.0.0",
        "169.254.255.255",
        Some("169.253.255.255"),
        Some("169.255.0.0")
    )]
    #[case::private_172(
        "172.16.0.0",
        "172.31.255.255",
        Some("172.15.255.255"),
        Some("172.32.0.0")
    )]
    #[case::protocols("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0"))]
    #[case::test_net_1("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0"))]
    #[case::relay(
        "192.88.99.0",
        "192.88.99.255",
        Some("192.88.98.255"),
        Some("192.88.100.0")
    )]
    #[case::private_192(
        "192.168.0.0",
        "192.168.255.255",
        Some("192.167.255.255"),
        Some("192.169.0.0")
    )]
    #[case::benchmarking(
        "198.18.0.0",
        "198.19.255.255",
        Some("198.17.255.255"),
        Some("198.20.0.0")
    )]
    #[case::test_net_2(
        "198.51.100.0",
        "198.51.100.255",
        Some("198.51.99.255"),
        Some("198.51.101.0")
    )]
    #[case::test_net_3(
        "203.0.113.0",
        "203.0.113.255",
        Some("203.0.112.255"),
        Some("203.0.114.0")
    )]
    #[case::multicast("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None)]
    #[case::reserved("240.0.0.0", "255.255.255.255", None, None)]
    #[case::protocols_v6(
        "2001::",
        "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
        Some("2000:ffff::"),
        Some("2001:200::")
    )]
    #[case::documentation(
        "2001:db8::",
        "2001:db8:ffff::",
        Some("2001:db7:ffff::"),
        Some("2001:db9::")
    )]
    #[case::six_to_four("2002::", "2002:ffff::", Some("2001:ffff::"), Some("2003::"))]
    #[case::documentation_9637(
        "3fff::",
        "3fff:fff:ffff::",
        Some("3ffe:ffff::"),
        Some("3fff:1000::")
    )]
    #[case::outside_global_unicast("4000::", "ffff::", Some("3fff:ffff::"), None)]
    #[case::below_global_unicast("::", "1fff:ffff::", None, Some("2000::"))]
    fn blocks_are_refused_up_to_their_bounds(
        #[case] first: IpAddr,
        #[case] last: IpAddr,
        #[case] before: Option<&str>,
        #[case] after: Option<&str>,
    ) {
        assert!(!is_public(first) && !is_public(last));
        for neighbour in [before, after].into_iter().flatten() {
            assert!(is_public(neighbour.parse().unwrap()), "{neighbour}");
        }
    }

    #[rstest::rstest]
    #[case::loopback("::1")]
    #[case::unspecified("::")]
    #[case::compatible_with_a_public_address("::8.8.8.8")]
    #[case::compatible_with_loopback("::127.0.0.1")]
    #[case::mapped_loopback("::ffff:127.0.0.1")]
    #[case::mapped_metadata("::ffff:169.254.169.254")]
    #[case::translated_without_mapping("::ffff:0:127.0.0.1")]
    #[case::nat64_private("64:ff9b::10.0.0.1")]
    #[case::nat64_loopback("64:ff9b::7f00:1")]
    #[case::nat64_local_use("64:ff9b:1::8.8.8.8")]
    #[case::nat64_with_other_bits_set("64:ff9b::1:0:808:808")]
    #[case::discard_only("100::1")]
    #[case::dummy_prefix("100:0:0:1::1")]
    #[case::teredo("2001:0:4136:e378:8000:63bf:3fff:fdd2")]
    #[case::orchid("2001:20::1")]
    #[case::six_to_four_with_a_public_address("2002:808:808::1")]
    #[case::six_to_four_with_loopback("2002:7f00:1::1")]
    #[case::srv6("5f00::1")]
    #[case::unique_local("fd00:ec2::254")]
    #[case::link_local("fe80::1")]
    #[case::site_local("fec0::1")]
    #[case::multicast("ff02::1")]
    #[case::oracle_metadata("192.0.0.192")]
    #[case::alibaba_metadata("100.100.100.200")]
    fn special_addresses_are_refused(#[case] address: IpAddr) {
        assert!(!is_public(address));
    }

    #[rstest::rstest]
    #[case("8.8.8.8")]
    #[case("2606:4700:4700::1111")]
    #[case::mapped("::ffff:8.8.8.8")]
    #[case::nat64("64:ff9b::8.8.8.8")]
    fn public_addresses_are_allowed(#[case] address: IpAddr) {
        assert!(is_public(address));
    }

    #[rstest::rstest]
    #[case("169.254.0.0")]
    #[case::metadata("169.254.169.254")]
    #[case("169.254.255.255")]
    #[case::azure("168.63.129.16")]
    #[case::alibaba("100.100.100.200")]
    #[case::oracle("192.0.0.192")]
    #[case::link_local("fe80::1")]
    #[case::link_local_end("febf:ffff::1")]
    #[case::amazon("fd00:ec2::254")]
    #[case::amazon_pods("fd00:ec2::23")]
    #[case::oracle_v6("fd00:c1::a9fe:a9fe")]
    #[case::scaleway("fd00:42::42")]
    #[case::google("fd20:ce::254")]
    #[case::mapped("::ffff:169.254.169.254")]
    #[case::compatible("::169.254.169.254")]
    #[case::translated("::ffff:0:169.254.169.254")]
    #[case::nat64("64:ff9b::169.254.169.254")]
    #[case::nat64_local_use("64:ff9b:1::100.100.100.200")]
    #[case::nat64_in_the_middle("64:ff9b:1:a9fe:a9:fe00::")]
    #[case::six_to_four("2002:a9fe:a9fe::1")]
    fn link_local_addresses_are_recognised(#[case] address: IpAddr) {
        assert!(is_link_local(address));
        assert!(!is_public(address));
    }

    #[rstest::rstest]
    #[case("127.0.0.1")]
    #[case("::1")]
    #[case("10.0.0.1")]
    #[case("192.168.1.1")]
    #[case("169.253.255.255")]
    #[case("169.255.0.0")]
    #[case("100.100.100.201")]
    #[case("168.63.129.17")]
    #[case("8.8.8.8")]
    #[case("fd00::1")]
    #[case("::ffff:127.0.0.1")]
    #[case("2606:4700:4700::1111")]
    #[case("2002:808:808::1")]
    fn other_addresses_are_not_link_local(#[case] address: IpAddr) {
        assert!(!is_link_local(address));
    }
}
