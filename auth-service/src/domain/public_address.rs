//! Which addresses a webhook may be sent to. A URL that an operator or a name server chooses must
//! not reach services that only this machine or its network can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// An address of the internet.
    Public,
    /// An address of this machine, or of a private network.
    Private,
    /// An address that no receiver of webhooks has: metadata of clouds, multicast, reserved.
    Never,
}

/// Returns how an address is reached (RFC 6890, and the registries of IANA for special addresses).
pub fn kind(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

/// Networks of IPv4 that are not public: the address, the length of the prefix, and the kind.
const V4: [(Ipv4Addr, u32, AddressKind); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, AddressKind::Never),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressKind::Private),
    // Carrier-grade NAT (RFC 6598). Some clouds have metadata there.
    (Ipv4Addr::new(100, 100, 100, 200), 32, AddressKind::Never),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressKind::Private),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressKind::Private),
    // Azure's agent of the host, at a public address.
    (Ipv4Addr::new(168, 63, 129, 16), 32, AddressKind::Never),
    // Link-local: metadata of most clouds (169.254.169.254).
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressKind::Never),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressKind::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, AddressKind::Never),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressKind::Never),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressKind::Never),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressKind::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressKind::Never),
    (Ipv4Addr::new(198, 51, 100, 0), 24, AddressKind::Never),
    (Ipv4Addr::new(203, 0, 113, 0), 24, AddressKind::Never),
    // Multicast, reserved, and broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 3, AddressKind::Never),
];

fn kind_of_v4(address: Ipv4Addr) -> AddressKind {
    let is_in = |network: &(Ipv4Addr, u32, AddressKind)| {
        let shift = 32 - network.1;
        address.to_bits() >> shift == network.0.to_bits() >> shift
    };
    V4.iter().find(|network| is_in(network)).map_or(AddressKind::Public, |network| network.2)
}

fn kind_of_v6(address: Ipv6Addr) -> AddressKind {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Private,
        // An IPv4 address within: mapped, compatible, NAT64 and 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            kind_of_v4(v4(high, low))
        }
        [0x2002, high, low, ..] => kind_of_v4(v4(high, low)),
        // Metadata of AWS.
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressKind::Never,
        // Unique local addresses (RFC 4193).
        [first, ..] if first & 0xfe00 == 0xfc00 => AddressKind::Private,
        // Teredo, benchmarks, ORCHID and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => AddressKind::Never,
        [first, ..] if first & 0xfff0 == 0x3ff0 => AddressKind::Never,
        // The unicast addresses of the internet. All others are link-local, multicast or reserved.
        [first, ..] if first & 0xe000 == 0x2000 => AddressKind::Public,
        _ => AddressKind::Never,
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        let kinds = [
            (
                AddressKind::Public,
                &[
                    "8.8.8.8",
                    "1.1.1.1",
                    "100.128.0.1",
                    "172.32.0.1",
                    "168.63.129.17",
                    "2606:4700::1",
                    "2a00:1450:4001::200e",
                    "::ffff:8.8.8.8",
                    "64:ff9b::8.8.8.8",
                    "2002:808:808::1",
                ][..],
            ),
            (
                AddressKind::Private,
                &[
                    "127.0.0.1",
                    "127.255.0.1",
                    "10.1.2.3",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "100.64.0.1",
                    "100.127.255.255",
                    "::1",
                    "fd12:3456::1",
                    "fc00::1",
                    "::ffff:127.0.0.1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::10.0.0.1",
                    "2002:7f00:1::",
                    "::127.0.0.1",
                ],
            ),
            (
                AddressKind::Never,
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "169.254.169.254",
                    "169.254.0.1",
                    "168.63.129.16",
                    "100.100.100.200",
                    "192.0.0.192",
                    "224.0.0.1",
                    "239.255.255.250",
                    "240.0.0.1",
                    "255.255.255.255",
                    "198.18.0.1",
                    "203.0.113.1",
                    "::",
                    "fe80::1",
                    "fec0::1",
                    "ff02::1",
                    "fd00:ec2::254",
                    "2001::1",
                    "2001:db8::1",
                    "64:ff9b:1::1",
                    "100::1",
                    "::ffff:169.254.169.254",
                    "::ffff:0.0.0.0",
                    "64:ff9b::169.254.169.254",
                    "2002:a9fe:a9fe::",
                    "3fff::1",
                    "4000::1",
                ],
            ),
        ];
        for (expected, addresses) in kinds {
            for address in addresses {
                assert_eq!(kind(address.parse().unwrap()), expected, "{address}");
            }
        }
    }
}
