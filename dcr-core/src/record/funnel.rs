//! How many requests come through which step, by platform and hour: kept in memory, added to the store in batches.
//!
//! What is refused before login is no row of its own (I-1). It is counted here, in a table whose size is bounded by what
//! there is to count: platforms that are listed, steps, and outcomes that have a name, an hour each. A flood of requests
//! makes numbers larger and nothing longer. What a process has not added yet when it dies is lost: about a minute's.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::client::{Platform, PlatformList};
use crate::clock::Timestamp;
use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::metrics;
use crate::store::StoreError;

/// Counts are added to the store at most so often, but for a clean stop and for who asks for them.
const EVERY: Duration = Duration::from_secs(60);
/// So many different counts wait at most; more there are only while the store does not answer for hours.
const MOST: usize = 10_000;
const HOUR: i64 = 3_600;

/// A step of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A client registered itself.
    Register,
    /// A sign-in began.
    Authorize,
    /// The person decided, or had decided before and that is remembered.
    Consent,
    /// The person came back from the company login.
    SignIn,
    /// A code was redeemed.
    Code,
    /// A refresh token was used.
    Refresh,
    /// A machine client asked for a token of its own.
    Machine,
}

impl Step {
    /// Every step, in the order of a flow.
    pub const ALL: [Self; 7] =
        [Self::Register, Self::Authorize, Self::Consent, Self::SignIn, Self::Code, Self::Refresh, Self::Machine];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Authorize => "authorize",
            Self::Consent => "consent",
            Self::SignIn => "sign_in",
            Self::Code => "code",
            Self::Refresh => "refresh",
            Self::Machine => "machine",
        }
    }

    /// The step with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == name)
    }
}

/// How often something happened in one hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct FunnelCount {
    /// When the hour began.
    pub hour: Timestamp,
    /// The platform: one that is listed, `loopback`, or `other`, which is also what it is where nobody can tell.
    pub platform: Platform,
    /// The step.
    pub step: Step,
    /// `ok`, or the stable name of the [`Reason`].
    pub outcome: String,
    /// How often.
    pub count: u64,
}

impl FunnelCount {
    /// The outcome of what was not refused.
    pub const OK: &'static str = "ok";
}

type Key = (i64, Platform, Step, &'static str);

/// What has been counted and not been added to the store.
pub(crate) struct Funnel {
    known: HashSet<Platform>,
    waiting: Mutex<HashMap<Key, u64>>,
    flushed_at: AtomicI64,
}

impl Funnel {
    pub(crate) fn new(platforms: &PlatformList, now: Timestamp) -> Self {
        let classes = [Platform::loopback(), Platform::other()];
        Self {
            known: platforms.names().cloned().chain(classes).collect(),
            waiting: Mutex::default(),
            flushed_at: AtomicI64::new(now.unix_micros()),
        }
    }

    fn count(&self, key: Key, by: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&key) {
            *count = count.saturating_add(by);
        } else if waiting.len() < MOST {
            waiting.insert(key, by);
        }
    }

    fn take(&self) -> HashMap<Key, u64> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it is time to add them, for one of those who ask.
    fn is_due(&self, now: Timestamp) -> bool {
        let last = self.flushed_at.load(Ordering::Relaxed);
        let due = now.since(Timestamp::from_unix_micros(last)) >= EVERY || now.unix_micros() < last;
        due && self.flushed_at.compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Inner {
    /// One more request at `step`. `refused` is why, if it was.
    pub(crate) fn count(&self, step: Step, platform: Option<&Platform>, refused: Option<Reason>) {
        let hour = self.clock.now().unix_seconds().div_euclid(HOUR);
        let platform = platform.filter(|platform| self.funnel.known.contains(*platform));
        let platform = platform.cloned().unwrap_or_else(Platform::other);
        metrics::step(step, &platform, refused);
        self.funnel.count((hour, platform, step, refused.map_or(FunnelCount::OK, Reason::as_str)), 1);
    }

    /// Adds the counts to the store if that was not done for a minute. That it fails is nobody's trouble.
    pub(crate) async fn flush_a_little(&self) {
        if self.funnel.is_due(self.clock.now())
            && let Err(error) = self.flush_all().await
        {
            tracing::warn!(target: "dcr", %error, "funnel counts and the history of requests wait for the store");
        }
    }

    async fn flush_all(&self) -> Result<(), StoreError> {
        self.flush_counts().await?;
        self.flush_history().await
    }

    /// Adds the counts to the store. On an error they wait for the next time; where only the answer was lost they count
    /// twice then.
    pub(crate) async fn flush_counts(&self) -> Result<(), StoreError> {
        let taken = self.funnel.take();
        if taken.is_empty() {
            return Ok(());
        }
        let mut counts: Vec<FunnelCount> = taken
            .iter()
            .map(|((hour, platform, step, outcome), count)| FunnelCount {
                hour: Timestamp::from_unix_seconds(hour.saturating_mul(HOUR)),
                platform: platform.clone(),
                step: *step,
                outcome: (*outcome).to_owned(),
                count: *count,
            })
            .collect();
        // In one order, so that replicas do not wait for each other in a circle.
        counts.sort_unstable();
        let added = self.store.add_counts(&counts).await;
        if added.is_err() {
            for (key, count) in taken {
                self.funnel.count(key, count);
            }
        }
        added
    }
}

impl DcrEngine {
    /// Writes what this process keeps in memory for a while: the funnel counts, and the history of requests. Call it when the
    /// server stops, and now and then; what is not written when a process dies is lost.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then it is kept for the next time.
    pub async fn flush(&self) -> Result<(), Refusal> {
        Ok(self.inner.flush_all().await?)
    }
}

impl fmt::Debug for Funnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Funnel").field("waiting", &waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_01_a_flood_makes_numbers_larger_and_nothing_longer() {
        let funnel = Funnel::new(&PlatformList::shipped(), Timestamp::from_unix_seconds(0));
        for n in 0..50_000 {
            funnel.count((n % 4, Platform::other(), Step::Authorize, Reason::ClientNotAccepted.as_str()), 1);
        }
        let taken = funnel.take();
        assert_eq!((taken.len(), taken.values().sum::<u64>()), (4, 50_000));
        for hour in 0..20_000 {
            funnel.count((hour, Platform::other(), Step::Code, FunnelCount::OK), 1);
        }
        assert_eq!(funnel.take().len(), MOST, "a store that is away for years");
    }

    #[test]
    fn of_those_who_ask_one_adds_the_counts() {
        let start = Timestamp::from_unix_seconds(1_000);
        let funnel = Funnel::new(&PlatformList::shipped(), start);
        assert!(!funnel.is_due(start + Duration::from_secs(59)));
        assert!(funnel.is_due(start + EVERY));
        assert!(!funnel.is_due(start + EVERY));
        assert!(funnel.is_due(start), "the clock was set back");
    }

    #[test]
    fn steps_read_back_as_they_are_named() {
        for step in Step::ALL {
            assert_eq!(Step::from_name(step.as_str()), Some(step));
        }
        assert_eq!(Step::from_name("Register"), None);
    }
}
