//! What a user may have from the upstream provider.

use std::fmt;

use crate::clock::Timestamp;

/// Under which a user's upstream token is kept: a digest of the upstream application and the scope set.
pub type UpstreamTokenKey = [u8; 32];

/// Names one state of an upstream token: random, minted with each write, so that a row that was deleted and made anew is
/// never taken for the old one.
pub type UpstreamTokenVersion = [u8; 16];

/// What one user may have from the upstream provider, as one row: for each user and key at most one.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct StoredUpstreamToken {
    /// The tokens, sealed by the engine. Up to 64 KiB.
    pub sealed: Vec<u8>,
    /// Of this state of the row.
    pub version: UpstreamTokenVersion,
    /// Until then one caller, and nobody else, asks the provider for the next one. A time that is over: nobody does.
    pub leased_until: Timestamp,
    /// When the provider last gave these tokens, and so vouched for the user.
    pub refreshed_at: Timestamp,
}

impl fmt::Debug for StoredUpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredUpstreamToken")
            .field("leased_until", &self.leased_until)
            .field("refreshed_at", &self.refreshed_at)
            .finish_non_exhaustive()
    }
}

/// An upstream token as it is written: nobody holds a lease on it afterwards.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct PutUpstreamToken {
    /// Under which key of its user.
    pub key: UpstreamTokenKey,
    /// The tokens, sealed by the engine.
    pub sealed: Vec<u8>,
    /// Of the row as it will be.
    pub version: UpstreamTokenVersion,
    /// When the provider gave them.
    pub refreshed_at: Timestamp,
}

impl fmt::Debug for PutUpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutUpstreamToken").field("refreshed_at", &self.refreshed_at).finish_non_exhaustive()
    }
}

/// Asks for the sole right to refresh an upstream token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct UpstreamLease {
    /// The row must be in this state.
    pub version: UpstreamTokenVersion,
    /// Now: a lease that ends at or before it has lapsed.
    pub now: Timestamp,
    /// Becomes the end of the lease.
    pub until: Timestamp,
}
