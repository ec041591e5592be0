//! Which IP addresses are on the public internet (CI-1, CI-2): RFC 6890 and the IANA special-purpose registries after it.
//!
//! The standard library's `is_global` is unstable, and does not look into addresses that embed another one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 blocks that are not public. Of 192.0.0.0/24 the registry calls two anycast addresses global; no document is there.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network; on Linux another name of loopback
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by carriers (CGNAT); some clouds' metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // in no registry: Azure's host, as each of its machines sees it
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local; most clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // TEST-NET-1
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relay anycast, withdrawn
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // TEST-NET-2
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // TEST-NET-3
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast at its end
];

/// All that is global unicast. Outside: unspecified, loopback, v4-compatible ::/96, v4-translated ::ffff:0:0:0/96, local NAT64
/// 64:ff9b:1::/48, discard 100::/64, SRv6 5f00::/16, ULA fc00::/7, link-local fe80::/10, site-local fec0::/10, multicast
/// ff00::/8, and what nobody has assigned.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks inside [`GLOBAL_UNICAST`] that are not public.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    // Protocol assignments: Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID 2001:10::/28 and 2001:20::/28, DRIP
    // 2001:30::/28. What the registry calls global in here (anycast of PCP, TURN, AMT, AS112) serves no documents.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),     // documentation
];

/// IPv4-mapped: the socket connects over IPv4.
const MAPPED: (Ipv6Addr, u32) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
/// NAT64 (RFC 6052): what a host that has only IPv6 gets for a name that has only IPv4.
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// 6to4 (RFC 3056): the IPv4 address comes after the first 16 bits.
const SIX_TO_FOUR: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);

/// Whether `address`, and each address that it embeds, is on the public internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4.iter().any(|&(block, length)| (address.to_bits() ^ block.to_bits()) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(block, length): (Ipv6Addr, u32)| (address.to_bits() ^ block.to_bits()) >> (128 - length) == 0;
    let [_, first, second, _, interface, kind, sixth, seventh] = address.segments();
    if within(MAPPED) || within(NAT64) {
        return is_public_v4(joined(sixth, seventh));
    }
    // ISATAP (RFC 5214): an interface id of ::0:5efe:a.b.c.d or ::200:5efe:a.b.c.d under any prefix.
    let isatap = kind == 0x5efe && matches!(interface, 0 | 0x200);
    within(GLOBAL_UNICAST)
        && !NOT_PUBLIC_V6.iter().copied().any(within)
        && (!within(SIX_TO_FOUR) || is_public_v4(joined(first, second)))
        && (!isatap || is_public_v4(joined(sixth, seventh)))
}

/// Two segments of an IPv6 address as the IPv4 address that they hold.
fn joined(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    /// First and last address of each block, and whether what comes before and after it is public.
    const V4_BLOCKS: [(&str, &str, bool, bool); 17] = [
        ("0.0.0.0", "0.255.255.255", true, true), // nothing comes before
        ("10.0.0.0", "10.255.255.255", true, true),
        ("100.64.0.0", "100.127.255.255", true, true),
        ("127.0.0.0", "127.255.255.255", true, true),
        ("168.63.129.16", "168.63.129.16", true, true),
        ("169.254.0.0", "169.254.255.255", true, true),
        ("172.16.0.0", "172.31.255.255", true, true),
        ("192.0.0.0", "192.0.0.255", true, true),
        ("192.0.2.0", "192.0.2.255", true, true),
        ("192.88.99.0", "192.88.99.255", true, true),
        ("192.168.0.0", "192.168.255.255", true, true),
        ("198.18.0.0", "198.19.255.255", true, true),
        ("198.51.100.0", "198.51.100.255", true, true),
        ("203.0.113.0", "203.0.113.255", true, true),
        ("224.0.0.0", "239.255.255.255", true, false),
        ("240.0.0.0", "255.255.255.254", false, false),
        ("255.255.255.255", "255.255.255.255", false, true), // nothing comes after
    ];

    #[test]
    fn cimd_05_private_and_special_addresses_are_not_public() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
            "2001:db8::1",
            "2001:2::1",
            "2001:10::1",
            "2001:2f:ffff::1",
            "3fff:fff::1",
            "5f00::1",
            "4000::1",
            "1fff::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn cimd_07_an_embedded_private_address_is_found() {
        for address in [
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "2002:a00:1::",
            "2002:7f00:1::1",
            "2002:c058:6301::",
            "::10.0.0.1",
            "::8.8.8.8",
            "::ffff:0:8.8.8.8",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:192.168.1.1",
            "2002:808:808::5efe:127.0.0.1",
            "fe80::5efe:8.8.8.8",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn cimd_07_an_address_that_embeds_is_as_public_as_what_it_embeds() {
        for (first, last, ..) in V4_BLOCKS {
            for v4 in [first, last, "8.8.8.8", "1.1.1.1", "223.255.255.255"] {
                let v4: Ipv4Addr = v4.parse().unwrap();
                let [a, b] = [(v4.to_bits() >> 16) as u16, v4.to_bits() as u16];
                for v6 in [
                    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, a, b),
                    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
                    Ipv6Addr::new(0x2002, a, b, 0, 0, 0, 0, 1),
                    Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, a, b),
                    Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0x200, 0x5efe, a, b),
                ] {
                    assert_eq!(is_public(v6.into()), is_public(v4.into()), "{v6} of {v4}");
                }
            }
        }
    }

    #[test]
    fn cimd_05_each_block_of_ipv4_ends_where_the_registry_says() {
        for (first, last, before, after) in V4_BLOCKS {
            let [low, high] = [first, last].map(|a| a.parse::<Ipv4Addr>().unwrap().to_bits());
            let is_public = |bits: u32| is_public(Ipv4Addr::from_bits(bits).into());
            assert!(!is_public(low) && !is_public(high) && !is_public(low.midpoint(high)), "{first} to {last}");
            assert!(low.checked_sub(1).is_none_or(|a| is_public(a) == before), "before {first}");
            assert!(high.checked_add(1).is_none_or(|a| is_public(a) == after), "after {last}");
        }
    }

    #[test]
    fn cimd_05_every_slash_8_of_ipv4_is_classed_right_at_its_edges() {
        for octet in 0..=255_u8 {
            let special = matches!(octet, 0 | 10 | 127 | 224..);
            // 192.0.0.0/24 is the one smaller block that touches an edge.
            assert_eq!(is_public(Ipv4Addr::new(octet, 0, 0, 0).into()), !special && octet != 192, "start of {octet}/8");
            assert_eq!(is_public(Ipv4Addr::new(octet, 255, 255, 255).into()), !special, "end of {octet}/8");
        }
    }

    #[test]
    fn each_block_of_ipv6_ends_where_the_registry_says() {
        for (inside, outside) in [
            ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"),
            ("2001:db8::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
            ("3fff::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
            ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"),
            ("4000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert!(!public(inside), "{inside}");
            assert!(public(outside), "{outside}");
        }
    }

    #[test]
    fn addresses_of_the_public_internet_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.9.9.9",
            "93.184.215.14",
            "140.82.121.4",
            "168.63.129.15",
            "2606:4700:4700::1111",
            "2001:4860:4860::8888",
            "2620:fe::fe",
            "2a00:1450:4001:81b::200e",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2606:4700::5efe:8.8.8.8",
        ] {
            assert!(public(address), "{address}");
        }
    }
}
