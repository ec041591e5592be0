//! How long the record is kept.

use std::str::FromStr;
use std::time::Duration;

use crate::clock::Timestamp;

const DAY: u64 = 24 * 60 * 60;
/// Longer than any record is kept that is not kept for ever.
const MAX_DAYS: u32 = 36_500;

/// How long events and funnel counts are kept (`DCR_EVENT_RETENTION`): days, or for ever. Default: 400 days, so that a whole
/// year can be looked back on.
///
/// ```
/// use dcr_core::record::Retention;
///
/// assert_eq!("400".parse(), Ok(Retention::default()));
/// assert_eq!("forever".parse(), Ok(Retention::FOREVER));
/// assert!("0".parse::<Retention>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(Option<u32>);

/// The text says no time for which a record is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a number of days from 1 to 36500 nor `forever`")]
pub struct RetentionError(String);

impl Retention {
    /// Nothing is deleted.
    pub const FOREVER: Self = Self(None);

    /// So many days: at least 1, at most 36,500.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self(Some(match days {
            0 => 1,
            1..=MAX_DAYS => days,
            _ => MAX_DAYS,
        }))
    }

    /// What is older than this may be deleted.
    pub(crate) fn sweepable_before(self, now: Timestamp) -> Option<Timestamp> {
        self.0.map(|days| now - Duration::from_secs(u64::from(days) * DAY))
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self::days(400)
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        match (text, text.parse()) {
            ("forever", _) => Ok(Self::FOREVER),
            (_, Ok(days @ 1..=MAX_DAYS)) => Ok(Self::days(days)),
            _ => Err(RetentionError(text.to_owned())),
        }
    }
}
