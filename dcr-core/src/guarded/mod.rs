//! Fetching what a stranger named: the one way out (I-11). Client ID Metadata Documents come through here.
//!
//! Whoever can name a URL can make this server ask for it, from inside its network. [`PublicFetch`] (feature `http-client`)
//! therefore
//!
//! - speaks https on port 443 only, and connects only to a name of which every address is public (CI-1);
//! - looks into IPv6 addresses that embed an IPv4 address: mapped, NAT64, 6to4, ISATAP; refuses Teredo (CI-2);
//! - connects to the addresses that it checked, resolves once, and keeps no connection, against DNS rebinding (CI-3);
//! - follows no redirect (CI-4);
//! - reads 5 KiB at most, uncompressed, and waits 5 s at most for all of it (CI-5);
//! - ignores the proxies of the environment (CI-13).
//!
//! What it cannot know: which public addresses are this network's own, and a NAT64 prefix that this network chose. How
//! often it may be asked (CI-11) is for its caller to limit, and what is in a document (CI-6 to CI-10) for its caller to judge.

#[cfg(feature = "http-client")]
mod address;
#[cfg(feature = "http-client")]
mod client;

use std::fmt;

use async_trait::async_trait;

#[cfg(feature = "http-client")]
pub use self::client::{PublicFetch, PublicFetchBuilder, PublicFetchError};

/// Why there is no answer. None of these is the fault of whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardedFetchError {
    /// The host has an address that is not public, or is one (CI-1, CI-2).
    #[error("the host is not on the public internet")]
    NotPublic,
    /// The host has no address, does not answer in time, or its certificate is not good.
    #[error("the host cannot be reached: {0}")]
    Unreachable(String),
    /// The answer has more bytes than are read (CI-5).
    #[error("the answer is too large")]
    TooLarge,
}

/// Fetches an https URL that a stranger chose.
///
/// An implementation promises (CI-1 to CI-5, CI-13): only `https`; every address of the host is checked, and the connection
/// goes to a checked one; no redirect is followed; no proxy of the environment is used; no compressed answer is accepted;
/// all of it, the body included, takes at most 5 s and 5 KiB.
#[async_trait]
pub trait GuardedFetch: fmt::Debug + Send + Sync + 'static {
    /// The answer to `GET url`, whatever its status.
    ///
    /// # Errors
    /// [`GuardedFetchError`]
    async fn get(&self, url: &str) -> Result<http::Response<Vec<u8>>, GuardedFetchError>;
}
