//! From where a request comes: the peer's address, or what a proxy that the operator trusts says of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// More hops than any chain of proxies has.
const MAX_HOPS: usize = 32;

/// The proxies whose `X-Forwarded-For` is believed (`DCR_TRUSTED_PROXIES`): addresses and networks, by commas.
///
/// ```
/// use dcr_core::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.0.0.0/8, ::1".parse()?;
/// # let _ = proxies;
/// assert!("the one in the cellar".parse::<TrustedProxies>().is_err());
/// # Ok::<(), dcr_core::TrustedProxiesError>(())
/// ```
///
/// Every proxy of the list must set the header, and append to it rather than pass on what it was sent. `Forwarded`
/// (RFC 7239) is not read: a proxy that sets one of the two lets the caller write the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Proxies that cannot be trusted as they are written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedProxiesError {
    /// An entry is neither an address nor a network.
    #[error("{0:?} is neither an address nor a network, such as 10.0.0.7 or 10.0.0.0/8")]
    NoNetwork(String),
    /// An entry has every address in it: then whoever asks says from where.
    #[error("{0:?} would believe everybody: name the network that the proxies are in")]
    Everybody(String),
}

impl FromStr for TrustedProxies {
    type Err = TrustedProxiesError;

    fn from_str(text: &str) -> Result<Self, TrustedProxiesError> {
        let network = |entry: &str| {
            let network = entry.parse().or_else(|_| entry.parse::<IpAddr>().map(|address| IpNet::from(plain(address))));
            let network: IpNet = network.map_err(|_| TrustedProxiesError::NoNetwork(entry.to_owned()))?;
            if network.prefix_len() == 0 { Err(TrustedProxiesError::Everybody(entry.to_owned())) } else { Ok(network) }
        };
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self(entries.map(network).collect::<Result<_, _>>()?))
    }
}

impl TrustedProxies {
    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who asks, by a request's own peer and headers.
    pub(crate) fn caller(&self, parts: &Parts) -> Caller {
        let peer = parts.extensions.get::<SocketAddr>().map(|peer| plain(peer.ip()));
        let Some(peer) = peer else { return Caller { address: None, unheard_proxy: false } };
        if !self.has(peer) {
            return Caller { address: Some(peer), unheard_proxy: parts.headers.contains_key(FORWARDED_FOR) };
        }
        Caller { address: Some(self.forwarded(peer, &parts.headers)), unheard_proxy: false }
    }

    /// From the right, the first hop that is no proxy of ours: what is left of it anybody could have written.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        for line in lines.take(MAX_HOPS) {
            let Ok(line) = line.to_str() else { return nearest };
            for hop in line.rsplit(',').take(MAX_HOPS) {
                // One that is no address ends what can be known.
                let Some(address) = address(hop.trim()) else { return nearest };
                nearest = address;
                if !self.has(address) {
                    return nearest;
                }
            }
        }
        nearest
    }
}

/// An address, bare or with a port, as proxies write them.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse().ok();
    text.parse::<SocketAddr>().map(|with_port| with_port.ip()).ok().or_else(bare).map(plain)
}

/// IPv4 is IPv4 on a socket of both kinds, too.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// From where a request comes, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Absent if the host did not say who the peer is.
    pub(crate) address: Option<IpAddr>,
    /// The peer says that it is a proxy, and is not one that is believed.
    pub(crate) unheard_proxy: bool,
}

impl Caller {
    /// Whom an address stands for.
    pub(super) fn network(&self) -> Option<Network> {
        self.address.map(Network::of)
    }
}

/// What one subscriber has: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177: no less, and as a rule more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(*a, *b, *c, *d, 0, 0, 0, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(proxies: &str, peer: &str, forwarded: &[&str]) -> Caller {
        let mut request = http::Request::get("/");
        for line in forwarded {
            request = request.header(FORWARDED_FOR, *line);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(SocketAddr::new(peer.parse().unwrap(), 40_000));
        proxies.parse::<TrustedProxies>().unwrap().caller(&parts)
    }

    fn seen(proxies: &str, peer: &str, forwarded: &[&str]) -> String {
        caller(proxies, peer, forwarded).address.unwrap().to_string()
    }

    #[test]
    fn md_01_only_a_trusted_proxy_is_believed() {
        assert_eq!(seen("", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(seen("10.0.0.0/8", "192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(seen("10.0.0.0/8", "10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert!(caller("", "192.0.2.1", &["198.51.100.7"]).unheard_proxy);
        assert!(!caller("192.0.2.1", "192.0.2.1", &["198.51.100.7"]).unheard_proxy);
    }

    #[test]
    fn a_network_of_everybody_is_refused() {
        assert!("10.0.0.0/8, ::/0".parse::<TrustedProxies>().is_err());
        assert!("0.0.0.0/0".parse::<TrustedProxies>().is_err());
        assert_eq!("".parse(), Ok(TrustedProxies::default()));
    }

    #[test]
    fn what_the_caller_wrote_itself_is_left_of_what_the_proxies_wrote() {
        let two = "10.0.0.0/8,2001:db8::/32";
        assert_eq!(seen(two, "10.0.0.1", &["8.8.8.8, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(two, "10.0.0.1", &["8.8.8.8, 198.51.100.7, 10.0.0.9"]), "198.51.100.7");
        assert_eq!(seen(two, "10.0.0.1", &["8.8.8.8", "198.51.100.7", "2001:db8::5"]), "198.51.100.7");
        // A chain of ours alone, and one without the header.
        assert_eq!(seen(two, "10.0.0.1", &["10.0.0.2"]), "10.0.0.2");
        assert_eq!(seen(two, "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn a_hop_that_is_no_address_is_where_knowledge_ends() {
        for odd in ["unknown", "", "_hidden", "1.2.3", "1.2.3.4.5", "\u{e9}"] {
            assert_eq!(seen("10.0.0.1", "10.0.0.1", &[&format!("8.8.8.8, {odd}")]), "10.0.0.1", "{odd:?}");
        }
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_read() {
        for (written, read) in [
            ("198.51.100.7:4711", "198.51.100.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:198.51.100.7", "198.51.100.7"),
        ] {
            assert_eq!(seen("::ffff:10.0.0.1", "::ffff:10.0.0.1", &[written]), read);
        }
    }

    #[test]
    fn an_ipv6_subscriber_is_one_however_many_addresses_it_takes() {
        let network = |text: &str| Network::of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }
}
