//! Which cases run where, today: all of them at home, and elsewhere a seventh each day, so that a week sees everything
//! everywhere. `DCR_CATALOGUE=all` does so at once; `DCR_CATALOGUE_SHARE` repeats a day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::ground::Place;

const SHARES: u64 = 7;
const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// Everything everywhere.
    All,
    /// Everything at home, and elsewhere the share of this number.
    Of(u64),
}

impl Share {
    pub(crate) fn from_env() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        match set("DCR_CATALOGUE").as_deref() {
            Some("all") => return Self::All,
            Some(other) => panic!("DCR_CATALOGUE={other} must be `all`, or not set"),
            None => {}
        }
        match set("DCR_CATALOGUE_SHARE") {
            Some(text) => Self::Of(text.parse().unwrap_or_else(|_| panic!("DCR_CATALOGUE_SHARE={text} is no number"))),
            None => Self::Of(today()),
        }
    }

    pub(crate) fn has(self, place: Place, case: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(_) if place == Place::HOME => true,
            Self::Of(number) => (hash(&format!("{place} {case}")) % SHARES).wrapping_add(number) % SHARES == 0,
        }
    }
}

/// The number of the day.
#[expect(clippy::disallowed_methods, reason = "which share it is depends on the day, and is printed")]
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / SECONDS_A_DAY)
}

/// FNV-1a: the same on every machine and with every compiler.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
