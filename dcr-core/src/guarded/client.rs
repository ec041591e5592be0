//! [`GuardedFetch`] by reqwest.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::is_public;
use super::{GuardedFetch, GuardedFetchError};

/// What the draft advises for a metadata document (CI-5).
/// The head is not counted: hyper bounds it at some 400 KiB.
const MAX_BODY: usize = 5 * 1024;
/// Over everything: name, connection, TLS, head and body of the answer (CI-5).
const DEADLINE: Duration = Duration::from_secs(5);
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Fetches documents from the public internet and from nowhere else: [`GuardedFetch`] by reqwest with rustls.
///
/// It resolves a name once, refuses it if any of its addresses is not public, and connects to one of the addresses that it
/// checked. The answer to any doubt is an error. Made by [`new`](Self::new), or by a [`builder`](Self::builder) where tests
/// or a closed network need an exception.
///
/// ```no_run
/// use dcr_core::guarded::{GuardedFetch, PublicFetch};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let fetch = PublicFetch::new()?;
/// let answer = fetch.get("https://client.example/oauth/client.json").await?;
/// println!("{}, {} bytes", answer.status(), answer.body().len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PublicFetch {
    client: reqwest::Client,
    guard: Arc<Guard>,
}

impl PublicFetch {
    /// A client without exceptions, that trusts the certificate authorities of this system.
    ///
    /// ```no_run
    /// let fetch = dcr_core::guarded::PublicFetch::new()?;
    /// # Ok::<(), dcr_core::guarded::PublicFetchError>(())
    /// ```
    ///
    /// # Errors
    /// [`PublicFetchError`] if TLS cannot be set up, for example without root certificates.
    pub fn new() -> Result<Self, PublicFetchError> {
        Self::builder().build()
    }

    /// For exceptions. None of them is needed on a server that can reach the internet.
    ///
    /// ```no_run
    /// use dcr_core::guarded::PublicFetch;
    ///
    /// let fetch = PublicFetch::builder().extra_root_certificate_pem(std::fs::read("company-ca.pem")?).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> PublicFetchBuilder {
        PublicFetchBuilder { roots: Vec::new(), private_hosts: Vec::new() }
    }

    /// What `url` is once it is read, if it may be fetched. Names are for the resolver to judge.
    fn admit(&self, url: &str) -> Result<Url, GuardedFetchError> {
        let refused = |why: &str| Err(GuardedFetchError::Unreachable(why.to_owned()));
        // What is checked here is what is fetched: the client gets the `Url`, not the text. In it each way to write an IPv4
        // address (0x7f.1, 2130706433, 127.0.0.1.) has become `Host::Ipv4`.
        let Ok(url) = Url::parse(url) else { return refused("it is not a URL") };
        if url.scheme() != "https" {
            return refused("only https is fetched");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("a URL with credentials is not fetched");
        }
        let Some(host) = url.host() else { return refused("the URL has no host") };
        if url.host_str().is_some_and(|host| self.guard.private_hosts.contains(host)) {
            return Ok(url);
        }
        // The connector does not ask the resolver about an address.
        let literal = match host {
            Host::Domain(_) => None,
            Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
        };
        match literal {
            Some(address) if !(self.guard.is_public)(address) => Err(GuardedFetchError::NotPublic),
            Some(_) => refused("the host is an address, not a name"),
            None if url.port_or_known_default() != Some(self.guard.port) => refused("only port 443 is fetched from"),
            None => Ok(url),
        }
    }
}

impl fmt::Debug for PublicFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicFetch").field("private_hosts", &self.guard.private_hosts).finish_non_exhaustive()
    }
}

#[async_trait]
impl GuardedFetch for PublicFetch {
    async fn get(&self, url: &str) -> Result<http::Response<Vec<u8>>, GuardedFetchError> {
        let request = self
            .client
            .get(self.admit(url)?)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut response = request.send().await.map_err(failed)?;
        if response.headers().contains_key(CONTENT_ENCODING) {
            return Err(GuardedFetchError::Unreachable(
                "its answer is encoded, although it was asked not to".to_owned(),
            ));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(GuardedFetchError::TooLarge); // dropping the response drops its connection
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        Ok(answer)
    }
}

/// What went wrong, in words that name neither the URL nor an address.
fn failed(error: reqwest::Error) -> GuardedFetchError {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    if causes.any(<dyn Error + 'static>::is::<AddressNotPublic>) {
        return GuardedFetchError::NotPublic;
    }
    GuardedFetchError::Unreachable(if error.is_timeout() {
        "it did not answer in time".to_owned()
    } else if error.is_connect() {
        "it has no address, accepts no connection, or has no good certificate".to_owned()
    } else {
        error.without_url().to_string()
    })
}

/// Builds a [`PublicFetch`] with exceptions.
///
/// ```no_run
/// use dcr_core::guarded::PublicFetch;
///
/// // A test against a server on this machine, with a certificate of its own.
/// let fetch = PublicFetch::builder()
///     .extra_root_certificate_pem(std::fs::read("test-ca.pem")?)
///     .dangerously_allow_private_host("localhost")
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "a builder makes no client until `build`"]
pub struct PublicFetchBuilder {
    roots: Vec<Vec<u8>>,
    private_hosts: Vec<String>,
}

impl PublicFetchBuilder {
    /// Trusts the certificate authorities in `pem` (one or more) besides those of the system, for every host.
    ///
    /// Whoever has the key of such an authority can answer in the name of any host of the internet; which addresses are
    /// connected to does not change.
    ///
    /// ```no_run
    /// # use dcr_core::guarded::PublicFetch;
    /// let fetch = PublicFetch::builder().extra_root_certificate_pem(std::fs::read("company-ca.pem")?).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn extra_root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Lets strangers make this server send GET requests to `host`, whatever its addresses are, on any port.
    ///
    /// For tests, and for a network in which the clients' documents are on private hosts. `host` is one exact name, or an
    /// address as a URL has it (`127.0.0.1`, `[::1]`); the names below it stay refused. A host that answers GET requests
    /// with anything but public documents, or acts on them, must not be named here. All other rules hold: https with a
    /// trusted certificate, no redirect, no proxy, the limits of time and size.
    ///
    /// ```no_run
    /// # use dcr_core::guarded::PublicFetch;
    /// let fetch = PublicFetch::builder().dangerously_allow_private_host("clients.intranet.example").build()?;
    /// # Ok::<(), dcr_core::guarded::PublicFetchError>(())
    /// ```
    pub fn dangerously_allow_private_host(mut self, host: impl Into<String>) -> Self {
        self.private_hosts.push(host.into());
        self
    }

    /// The client.
    ///
    /// ```no_run
    /// # use dcr_core::guarded::PublicFetch;
    /// let fetch = PublicFetch::builder().build()?;
    /// # Ok::<(), dcr_core::guarded::PublicFetchError>(())
    /// ```
    ///
    /// # Errors
    /// [`PublicFetchError`] if a certificate or a host cannot be read, or TLS cannot be set up.
    pub fn build(self) -> Result<PublicFetch, PublicFetchError> {
        self.build_on(Guard { private_hosts: BTreeSet::new(), is_public, port: 443, lookup: Box::new(system_lookup) })
    }

    fn build_on(self, mut guard: Guard) -> Result<PublicFetch, PublicFetchError> {
        for host in self.private_hosts {
            // `Host` lets the star through, but here it is not a pattern.
            let Some(read) = Host::parse(&host).ok().filter(|_| !host.contains('*')) else {
                return Err(PublicFetchError::PrivateHost(host));
            };
            guard.private_hosts.insert(read.to_string());
        }
        let mut roots = Vec::new();
        for pem in self.roots {
            let read = reqwest::Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if read.is_empty() {
                return Err(PublicFetchError::Certificate);
            }
            roots.extend(read);
        }
        let guard = Arc::new(guard);
        let client = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none()) // CI-4
            // CI-13. A proxy would resolve the name again, where this cannot see it; the default is to obey the environment.
            .no_proxy()
            .dns_resolver(CheckingResolver(Arc::clone(&guard)))
            // No connection outlives its fetch. A name that was public when a kept connection was made may be another one
            // now, and the check is in the resolver, which a kept connection does not ask. With a limit of 0 the pool is off
            // altogether, so that HTTP/2, should another crate switch it on in reqwest, shares no connection either.
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never()) // each fetch resolves once
            .connect_timeout(CONNECT_DEADLINE)
            .timeout(DEADLINE)
            // Features of reqwest that another crate may switch on; what is counted has to be what was sent (CI-5).
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .referer(false)
            .tls_certs_merge(roots)
            .user_agent(concat!("dcr/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| PublicFetchError::Client(error.to_string()))?;
        Ok(PublicFetch { client, guard })
    }
}

impl fmt::Debug for PublicFetchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicFetchBuilder").field("private_hosts", &self.private_hosts).finish_non_exhaustive()
    }
}

/// Why there is no [`PublicFetch`]. The operator's fault; the text says what to change.
///
/// ```
/// use dcr_core::guarded::{PublicFetch, PublicFetchError};
///
/// let built = PublicFetch::builder().dangerously_allow_private_host("https://intranet.example/").build();
/// assert!(matches!(built, Err(PublicFetchError::PrivateHost(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicFetchError {
    /// An extra root certificate.
    #[error("an extra root certificate cannot be read: it must be one or more certificates in PEM")]
    Certificate,
    /// An allowed private host.
    #[error("the private host {0:?} cannot be allowed: it must be a host name or an address, without scheme and port")]
    PrivateHost(String),
    /// TLS.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
}

type Answer = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The rules; tests put others in place of the network.
struct Guard {
    private_hosts: BTreeSet<String>,
    is_public: fn(IpAddr) -> bool,
    port: u16,
    lookup: Box<dyn Fn(String) -> Answer + Send + Sync>,
}

fn system_lookup(host: String) -> Answer {
    Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
}

/// Resolves and checks in one step: the connector gets the very addresses that were checked, and asks no one else (CI-1,
/// CI-3). The name stays what TLS and the `Host` header go by.
struct CheckingResolver(Arc<Guard>);

#[derive(Debug, thiserror::Error)]
#[error("an address is not public")]
struct AddressNotPublic;

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = (guard.lookup)(name.as_str().to_owned()).await?;
            // All of them, not the public ones among them: a mixture is a trick or a mistake.
            if !guard.private_hosts.contains(name.as_str()) && !addresses.iter().all(|&a| (guard.is_public)(a)) {
                return Err(AddressNotPublic.into());
            }
            // Port 0 stands for the URL's.
            Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests;
