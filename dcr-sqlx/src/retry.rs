//! Trying again, with a bound.
//!
//! A conflict is mended by trying again after a random pause, a lost connection by taking another one. All of it, the
//! waits included, ends at the dialect's deadline: whoever asks gets an answer within seconds.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use crate::dialect::Dialect;
use crate::failure::{Failure, unavailable};

/// From then on a conflict is reported and not tried again.
const CONFLICTS: Duration = Duration::from_secs(4);
/// The pauses after conflicts are random below a bound that begins here, doubles, and stays at the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(160));
/// How often a transaction begins anew because its connection was lost.
const LOSSES: u32 = 2;

/// A pooled connection that was idle for less is taken to be alive; one that was idle for longer is asked.
pub(crate) const TRUSTED: Duration = Duration::from_millis(200);

/// The attempts at one transaction.
#[derive(Debug)]
pub(crate) struct Attempts {
    begun: Instant,
    conflicts: u32,
    losses: u32,
}

/// The database did not answer in time.
#[derive(Debug)]
struct NoAnswer(Duration);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer from the database within {} s", self.0.as_secs())
    }
}

impl std::error::Error for NoAnswer {}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), conflicts: 0, losses: 0 }
    }

    /// The attempt, cut short at the deadline.
    pub(crate) async fn within<DB: Dialect, T>(
        &self,
        attempt: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let Some(deadline) = DB::DEADLINE else { return attempt.await };
        match tokio::time::timeout(deadline.saturating_sub(self.begun.elapsed()), attempt).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable(NoAnswer(deadline))),
        }
    }

    /// Waits, and then it is time for another attempt; or the failure is final.
    pub(crate) async fn pause(&mut self, failure: Failure) -> Result<(), Failure> {
        let pause = match failure {
            Failure::Conflict(error) if self.begun.elapsed() < CONFLICTS => {
                self.conflicts += 1;
                tracing::debug!(%error, self.conflicts, "a transaction met a conflict and is tried again");
                let (first, last) = PAUSES;
                last.min(first * 2_u32.saturating_pow(self.conflicts.min(8) - 1)).mul_f64(random())
            }
            // Long enough that every connection that was lost along with this one is asked before it is used.
            Failure::Lost(error) if self.losses < LOSSES => {
                self.losses += 1;
                tracing::warn!(%error, "the connection to the database was lost; another one is tried");
                TRUSTED + Duration::from_millis(50).mul_f64(random())
            }
            failure => return Err(failure),
        };
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Somewhere between 0 and 1. Tasks that met once should not meet again; nothing secret depends on it.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// Runs an attempt, and again where that may help.
macro_rules! retried {
    ($attempt:expr) => {{
        let mut attempts = $crate::retry::Attempts::new();
        loop {
            match attempts.within::<DB, _>($attempt).await {
                Ok(answer) => break Ok(answer),
                Err(failure) => {
                    if let Err(failure) = attempts.pause(failure).await {
                        break Err(dcr_core::store::StoreError::from(failure));
                    }
                }
            }
        }
    }};
}
pub(crate) use retried;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ() {
        let pauses: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(pauses.iter().all(|p| (0.0..=1.0).contains(p)));
        assert!(pauses.iter().any(|p| *p < 0.4) && pauses.iter().any(|p| *p > 0.6), "{pauses:?}");
    }
}
