//! Addresses of clients.
//!
//! An address has one canonical form everywhere: an IPv4 address that is mapped into IPv6 is an
//! IPv4 address (RFC 4291 section 2.5.5.2), and its text is the one of RFC 5952.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the address of the client.
///
/// Each of `proxy_hops` trusted proxies has appended the address that it saw to `forwarded`, the
/// values of the `X-Forwarded-For` headers. So the client's address is the element at position
/// `proxy_hops`, counted from the right. The client may forge every element left of it, so none of
/// them is ever used: if the element is missing or no address, the nearest element right of it that
/// is an address counts, and at last the address of the connection. Trusted proxies wrote these.
pub fn client_address<'a>(
    peer: Option<IpAddr>,
    forwarded: impl DoubleEndedIterator<Item = &'a [u8]>,
    proxy_hops: u8,
) -> Option<IpAddr> {
    let elements = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let trusted = elements.take(proxy_hops.into()).filter_map(parse_element);
    trusted.last().or_else(|| peer.map(|ip| ip.to_canonical()))
}

/// Parses one element of `X-Forwarded-For`: an address, which may have a port, brackets (IPv6), a
/// zone (IPv6, dropped), quotes as in RFC 7239 section 6, and blanks around it.
fn parse_element(element: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(element).ok()?.trim_matches([' ', '\t']);
    let text = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => text,
    };
    let ip = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !port.is_empty() {
                port.strip_prefix(':')?.parse::<u16>().ok()?;
            }
            IpAddr::V6(parse_v6(address)?)
        }
        None => parse_v6(text).map(IpAddr::V6).or_else(|| parse_v4(text).map(IpAddr::V4))?,
    };
    Some(ip.to_canonical())
}

/// Parses an IPv6 address with or without a zone (RFC 4007 section 11).
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    match text.split_once('%') {
        Some((_, "")) => None,
        Some((address, _zone)) => address.parse().ok(),
        None => text.parse().ok(),
    }
}

/// Parses an IPv4 address with or without a port.
fn parse_v4(text: &str) -> Option<Ipv4Addr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => match text.parse().ok()? {
            SocketAddr::V4(address) => Some(*address.ip()),
            SocketAddr::V6(_) => None,
        },
    }
}

/// The part of an address that one client cannot change at will: all of an IPv4 address, and the
/// first 64 bits of an IPv6 address (RFC 4291 section 2.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressPrefix {
    V4(Ipv4Addr),
    V6([u8; 8]),
    /// The address is not known. All such clients count as one.
    Unknown,
}

impl AddressPrefix {
    /// Returns the prefix of an address in text.
    pub fn of(ip: Option<&str>) -> Self {
        match ip.and_then(|ip| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            None => Self::Unknown,
        }
    }

    /// Returns bytes that differ for different prefixes.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::V4(address) => address.octets().to_vec(),
            Self::V6(prefix) => prefix.to_vec(),
            Self::Unknown => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "::ffff:192.0.2.99";

    fn client(hops: u8, forwarded: &[&[u8]]) -> String {
        let peer = Some(PEER.parse().unwrap());
        client_address(peer, forwarded.iter().copied(), hops).unwrap().to_string()
    }

    #[test]
    fn each_form_of_an_address_has_one_canonical_form() {
        for (element, canonical) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("\"192.0.2.1:8080\"", "192.0.2.1"),
            ("2001:DB8:0:0:0:0:0:9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:443", "2001:db8::9"),
            ("\"[2001:db8::9]:443\"", "2001:db8::9"),
            (" \t\"[2001:db8::9]\"\t ", "2001:db8::9"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%25en0]:80", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:c000:201]:1", "192.0.2.1"),
        ] {
            assert_eq!(client(1, &[element.as_bytes()]), canonical, "{element}");
        }
    }

    #[test]
    fn element_that_is_no_address_is_never_replaced_by_one_further_left() {
        let bad: [&[u8]; 22] = [
            b"",
            b" ",
            b"unknown",
            b"_hidden",
            b"192.0.2",
            b"192.0.2.256",
            b"192.0.2.1:",
            b"192.0.2.1:65536",
            b"192.0.2.1 192.0.2.2",
            b"192.0.2.1%eth0",
            b"[192.0.2.1]",
            b"[2001:db8::9",
            b"[2001:db8::9]443",
            b"[2001:db8::9]:",
            b"2001:db8::9]",
            b"fe80::1%",
            b"\"192.0.2.1",
            b"192.0.2.1\"",
            b"\"\"",
            b"\xff\xfe",
            b"2001:db8::9\xff",
            b"unix:/run/proxy.sock",
        ];
        for element in bad {
            let joined = [b"6.6.6.6, ", element].concat();
            assert_eq!(client(1, &[&joined]), "192.0.2.99", "{}", element.escape_ascii());
            assert_eq!(client(1, &[b"6.6.6.6", element]), "192.0.2.99");
            let joined = [b"6.6.6.6, ", element, b", 198.51.100.1"].concat();
            assert_eq!(client(2, &[&joined]), "198.51.100.1", "{}", element.escape_ascii());
        }
    }

    #[test]
    fn positions_count_from_the_right_over_all_headers() {
        let lines: [&[u8]; 3] = [b"6.6.6.6, 192.0.2.1", b"192.0.2.2 ,192.0.2.3", b"192.0.2.4"];
        for (hops, address) in [
            (0, "192.0.2.99"),
            (1, "192.0.2.4"),
            (2, "192.0.2.3"),
            (3, "192.0.2.2"),
            (4, "192.0.2.1"),
            (5, "6.6.6.6"),
            // The request did not pass all proxies. The outermost that it passed counts.
            (6, "6.6.6.6"),
        ] {
            assert_eq!(client(hops, &lines), address, "{hops}");
        }
        assert_eq!(client(1, &[]), "192.0.2.99");
        // A quote of the client does not hide what a proxy appends.
        assert_eq!(client(1, &[b"\"6.6.6.6, 192.0.2.1"]), "192.0.2.1");
    }

    #[test]
    fn prefix_is_the_whole_ipv4_address_and_half_of_an_ipv6_address() {
        let prefix = |ip| AddressPrefix::of(Some(ip));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_eq!(prefix("2001:db8::1"), prefix("2001:db8:0:0:ffff::1"));
        assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:0:1::1"));
        assert_eq!(AddressPrefix::of(None), AddressPrefix::Unknown);
        assert_eq!(prefix("nonsense"), AddressPrefix::Unknown);
    }
}
