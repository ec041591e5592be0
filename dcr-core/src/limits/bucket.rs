//! One bucket: the generic cell rate algorithm (the leaky bucket as a meter, ITU-T I.371), in one integer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

const MINUTE: i64 = 60_000_000;

/// So many at once, and so many a minute from then on.
///
/// ```
/// use dcr_core::Rate;
///
/// // Sixty at once; after that, one a second.
/// let rate = Rate::new(60, 60);
/// assert_eq!((rate.burst(), rate.per_minute()), (60, 60));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    per_minute: u32,
}

impl Rate {
    /// `burst` at once, `per_minute` from then on. Zero counts as one.
    #[must_use]
    pub const fn new(burst: u32, per_minute: u32) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, per_minute: if per_minute == 0 { 1 } else { per_minute } }
    }

    /// So many at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// So many a minute after a burst.
    #[must_use]
    pub const fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// The same rate `factor` times.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self::new(self.burst.saturating_mul(factor), self.per_minute.saturating_mul(factor))
    }

    /// What one costs, in microseconds until it has leaked away.
    fn one(self) -> i64 {
        (MINUTE / i64::from(self.per_minute)).max(1)
    }

    /// How full the bucket may be, in the same unit.
    fn full(self) -> i64 {
        self.one().saturating_mul(i64::from(self.burst))
    }
}

/// How full a bucket is: the instant at which it will be empty, in microseconds since the Unix epoch.
#[derive(Debug)]
pub(super) struct Bucket(AtomicI64);

impl Bucket {
    pub(super) const fn empty() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Pours one in if there is room, else says how long to wait for it.
    pub(super) fn take(&self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        let now = now.unix_micros();
        let mut wait = 0;
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            let filled = level(empty_at, rate, now).saturating_add(rate.one());
            wait = filled - now - rate.full();
            (wait <= 0).then_some(filled)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(_) => Err(Duration::from_micros(wait.unsigned_abs())),
        }
    }

    /// Pours `units` more in, up to the brim: what turned out to have cost more than it paid.
    pub(super) fn charge(&self, units: u32, rate: Rate, now: Timestamp) {
        let now = now.unix_micros();
        let cost = rate.one().saturating_mul(i64::from(units));
        let pour = |empty_at| Some(level(empty_at, rate, now).saturating_add(cost).min(now + rate.full()));
        let _: Result<i64, i64> = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pour);
    }
}

/// When the bucket is empty, seen from now: not before now, and, should the clock have been set back, not later than a
/// full one would be.
fn level(empty_at: i64, rate: Rate, now: i64) -> i64 {
    empty_at.clamp(now, now.saturating_add(rate.full()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    #[test]
    fn a_rate_says_what_it_was_made_of_at_least_one_each() {
        let parts = |rate: Rate| (rate.burst(), rate.per_minute());
        assert_eq!(parts(Rate::new(3, 60)), (3, 60));
        assert_eq!(parts(Rate::new(0, 0)), (1, 1));
        assert_eq!(parts(Rate::new(3, 60).times(5)), (15, 300));
        assert_eq!(parts(Rate::new(u32::MAX, 2).times(2)), (u32::MAX, 4));
    }

    #[test]
    fn a_burst_passes_then_the_rate_and_the_wait_is_exact() {
        let (bucket, rate) = (Bucket::empty(), Rate::new(3, 60));
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, NOW), Ok(()));
        }
        assert_eq!(bucket.take(rate, NOW), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(rate, NOW + Duration::from_millis(250)), Err(Duration::from_millis(750)));
        assert_eq!(bucket.take(rate, NOW + Duration::from_secs(1)), Ok(()));
        assert!(bucket.take(rate, NOW + Duration::from_secs(1)).is_err());
        // Idle for long, it has a burst again and no more.
        let later = NOW + Duration::from_secs(3_600);
        assert_eq!((0..10).filter(|_| bucket.take(rate, later).is_ok()).count(), 3);
    }

    #[test]
    fn a_charge_fills_up_to_the_brim_and_no_further() {
        let (bucket, rate) = (Bucket::empty(), Rate::new(10, 60));
        bucket.charge(1_000_000, rate, NOW);
        assert_eq!(bucket.take(rate, NOW), Err(Duration::from_secs(1)));
        bucket.charge(4, rate, NOW + Duration::from_secs(10));
        assert_eq!((0..10).filter(|_| bucket.take(rate, NOW + Duration::from_secs(10)).is_ok()).count(), 6);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_longer_than_a_full_bucket() {
        let (bucket, rate) = (Bucket::empty(), Rate::new(60, 60));
        let ahead = NOW + Duration::from_secs(24 * 3_600);
        bucket.charge(60, rate, ahead);
        assert_eq!(bucket.take(rate, NOW), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(rate, NOW + Duration::from_secs(60)), Err(Duration::from_secs(1)));
    }

    proptest! {
        /// In any window no more pass than a burst and what leaks in it; and who keeps to the rate is never refused.
        #[test]
        fn no_window_has_more_than_its_rate(
            burst in 1u32..50, per_minute in 1u32..6_000, gaps in prop::collection::vec(0i64..5_000_000, 1..200),
        ) {
            let (bucket, rate) = (Bucket::empty(), Rate::new(burst, per_minute));
            let (mut at, mut passed) = (NOW.unix_micros(), Vec::new());
            for gap in gaps {
                at += gap;
                if bucket.take(rate, Timestamp::from_unix_micros(at)).is_ok() {
                    passed.push(at);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = i64::from(burst) + (to - from) / rate.one();
                    prop_assert!(i64::try_from(last - first + 1).unwrap() <= most);
                }
            }
            let (steady, one) = (Bucket::empty(), Duration::from_micros(rate.one().unsigned_abs()));
            let mut at = NOW;
            for _ in 0..100 {
                prop_assert!(steady.take(rate, at).is_ok());
                at = at + one;
            }
        }
    }
}
