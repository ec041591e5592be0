//! Fetching what a stranger named: the one way out (I-11). Client ID Metadata Documents come through here.

#[cfg(feature = "http-client")]
#[cfg_attr(not(test), expect(dead_code, reason = "the client that uses it comes next"))]
mod address;

use std::fmt;

use async_trait::async_trait;

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
