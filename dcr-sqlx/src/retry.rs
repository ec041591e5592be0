//! Trying again, with a bound.
//!
//! A conflict is mended by trying again after a random pause, a lost connection by taking another one. All of it, the
//! waits included, ends at the dialect's deadline: whoever asks gets an answer within seconds.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

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

    #[cfg(any(feature = "postgres", feature = "mysql"))]
    mod of_a_database_on_a_network {
        use dcr_core::store::StoreError;

        use super::*;

        #[cfg(not(feature = "postgres"))]
        type DB = sqlx::MySql;
        #[cfg(feature = "postgres")]
        type DB = sqlx::Postgres;

        fn error() -> sqlx::Error {
            sqlx::Error::Protocol("as asked".to_owned())
        }

        /// What an attempt comes to that takes so long and ends like this each time: the answer, how many there were, how
        /// long all of it took.
        async fn lasting(
            each: Duration,
            end: fn(sqlx::Error) -> Result<(), Failure>,
        ) -> (Result<(), StoreError>, u32, Duration) {
            let (begun, mut attempts) = (Instant::now(), 0);
            let attempt = || async move {
                tokio::time::sleep(each).await;
                end(error())
            };
            let answer: Result<(), StoreError> = retried!({
                attempts += 1;
                attempt()
            });
            (answer, attempts, begun.elapsed())
        }

        #[tokio::test(start_paused = true)]
        async fn a_lasting_conflict_is_unavailable_after_four_seconds() {
            let conflict = |error| Err(Failure::Conflict(error));
            let (answer, attempts, took) = lasting(Duration::from_millis(3), conflict).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            assert!(CONFLICTS <= took && took < CONFLICTS + Duration::from_millis(200), "{took:?}");
            // With pauses, so not as often as it could.
            assert!((20..400).contains(&attempts), "{attempts}");
        }

        #[tokio::test(start_paused = true)]
        async fn an_attempt_that_does_not_answer_is_unavailable_at_the_deadline() {
            let (answer, attempts, took) = lasting(Duration::from_secs(60), |_| Ok(())).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            assert_eq!((attempts, took.as_secs()), (1, 8));
            assert!(answer.unwrap_err().to_string().contains("no answer from the database within 8 s"));
            // Those that went before count.
            let lost = |error| Err(Failure::Lost(error));
            let (answer, attempts, took) = lasting(Duration::from_millis(3_500), lost).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            assert_eq!((attempts, took.as_secs()), (3, 8));
        }

        #[tokio::test(start_paused = true)]
        async fn a_connection_that_is_always_lost_is_tried_three_times() {
            let (answer, attempts, took) = lasting(Duration::ZERO, |error| Err(Failure::Lost(error))).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            assert_eq!(attempts, 3);
            assert!(2 * TRUSTED <= took && took < 3 * TRUSTED, "{took:?}");
        }

        #[tokio::test(start_paused = true)]
        async fn anything_else_is_final() {
            for (end, inconsistent) in [
                ((|error| Err(unavailable(error))) as fn(sqlx::Error) -> Result<(), Failure>, false),
                (|error| Err(Failure::Taken(error)), true),
            ] {
                let (answer, attempts, _) = lasting(Duration::ZERO, end).await;
                assert_eq!((matches!(answer, Err(StoreError::Inconsistent(_))), attempts), (inconsistent, 1));
            }
        }
    }
}
