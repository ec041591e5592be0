//! Time, as a parameter. Core reads no clock of its own: a [`Clock`] is handed to the engine, so that every flow can be
//! tested at any instant.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// How far the clocks of two replicas may be apart.
pub(crate) const REPLICA_SKEW: Duration = Duration::from_secs(5);

/// A point in time: whole microseconds since the Unix epoch.
///
/// ```
/// use dcr_core::Timestamp;
/// use std::time::Duration;
///
/// let t = Timestamp::from_unix_seconds(1_700_000_000);
/// assert_eq!((t + Duration::from_secs(30)).unix_seconds(), 1_700_000_030);
/// assert_eq!(t.to_string(), "2023-11-14T22:13:20Z");
/// assert_eq!("2023-11-14T23:13:20+01:00".parse(), Ok(t));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From seconds since the Unix epoch; out-of-range values are clamped.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down (a JWT `NumericDate`, RFC 7519 section 2).
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Whole milliseconds since the Unix epoch, never negative: the time part of time-ordered ids.
    #[must_use]
    pub(crate) const fn unix_millis(self) -> u64 {
        let millis = self.0.div_euclid(1_000);
        if millis < 0 { 0 } else { millis.unsigned_abs() }
    }

    /// From the date of an HTTP header, in the one form that is sent today (RFC 9110 section 5.6.7).
    pub(crate) fn from_http_date(text: &str) -> Option<Self> {
        let format =
            format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
        let time = time::PrimitiveDateTime::parse(text, format).ok()?;
        Some(Self::from_unix_seconds(time.assume_utc().unix_timestamp()))
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000;
        match OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|t| t.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{}us", self.0),
        }
    }
}

/// Reads a NumericDate (RFC 7519 section 2) that may be left out; null is no way to leave it out (RS-4).
pub(crate) fn numeric_date<'de, D: serde::Deserializer<'de>>(date: D) -> Result<Option<i64>, D::Error> {
    serde::Deserialize::deserialize(date).map(Some)
}

/// A text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write it as in 2026-11-24T09:30:00Z")]
pub struct NotATime;

/// From RFC 3339 text with any offset; parts below a microsecond are dropped.
impl std::str::FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| NotATime)?;
        i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000)).map(Self).map_err(|_| NotATime)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the engine's time comes from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> Timestamp {
        let nanos = OffsetDateTime::now_utc().unix_timestamp_nanos();
        Timestamp(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
    }
}
