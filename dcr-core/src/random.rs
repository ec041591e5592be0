//! Randomness, as a parameter, so that tests are deterministic.

use std::fmt;

/// The random source failed. An operator's problem: nothing may be issued without randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source is unavailable")]
pub struct RandomUnavailable;

/// A cryptographically secure random source.
pub trait SecureRandom: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with random bytes.
    ///
    /// # Errors
    /// [`RandomUnavailable`] when the source cannot deliver.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The operating system's random source, through aws-lc-rs.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| RandomUnavailable)
    }
}

/// `N` random bytes from `source`.
pub(crate) fn bytes<const N: usize>(source: &dyn SecureRandom) -> Result<[u8; N], RandomUnavailable> {
    let mut out = [0; N];
    source.fill(&mut out)?;
    Ok(out)
}
