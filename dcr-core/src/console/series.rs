//! From sums of funnel counts to what the overview says: sign-ins over time, and where each platform loses people.

use std::collections::BTreeMap;

use crate::client::Platform;
use crate::clock::Timestamp;
use crate::record::{FunnelCount, Step};
use crate::store::FunnelSumQuery;

const HOUR: i64 = 3_600;

/// The steps of a sign-in, in their order. Whatever comes through one and does not come to the next was left.
pub(super) const FLOW: [Step; 4] = [Step::Authorize, Step::Consent, Step::SignIn, Step::Code];

/// The time that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Day,
    Week,
    Month,
}

impl Range {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == name)
    }

    /// How many pieces it is cut into, and how many seconds one has.
    const fn pieces(self) -> (usize, i64) {
        match self {
            Self::Day => (24, HOUR),
            Self::Week => (28, 6 * HOUR),
            Self::Month => (30, 24 * HOUR),
        }
    }

    /// The pieces up to `now`, whose own is the last. Each begins at a whole one of its kind in UTC.
    pub(super) fn starts(self, now: Timestamp) -> Vec<Timestamp> {
        let (pieces, width) = self.pieces();
        let last = now.unix_seconds().div_euclid(width) * width;
        let count = i64::try_from(pieces).unwrap_or(0);
        (0..count).map(|n| Timestamp::from_unix_seconds(last - (count - 1 - n) * width)).collect()
    }

    /// What a store is asked for the pieces up to `now`.
    pub(super) fn sums(self, now: Timestamp) -> FunnelSumQuery {
        let (pieces, width) = self.pieces();
        FunnelSumQuery {
            since: self.starts(now).first().copied().unwrap_or(now),
            hours: u32::try_from(width / HOUR).unwrap_or(1),
            pieces: u32::try_from(pieces).unwrap_or(1),
        }
    }

    fn piece_of(self, first: Timestamp, hour: Timestamp) -> Option<usize> {
        let (pieces, width) = self.pieces();
        let place = (hour.unix_seconds() - first.unix_seconds()).div_euclid(width);
        usize::try_from(place).ok().filter(|place| *place < pieces)
    }
}

/// How often a step went which way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) ok: u64,
    pub(super) refused: u64,
    reasons: BTreeMap<String, u64>,
}

impl Passed {
    /// How many came to the step.
    pub(super) const fn came(&self) -> u64 {
        self.ok.saturating_add(self.refused)
    }

    fn add(&mut self, outcome: &str, by: u64) {
        if outcome == FunnelCount::OK {
            self.ok = self.ok.saturating_add(by);
        } else {
            self.refused = self.refused.saturating_add(by);
            let sum = self.reasons.entry(outcome.to_owned()).or_default();
            *sum = sum.saturating_add(by);
        }
    }

    /// The commonest reasons of refusals, the commonest first.
    pub(super) fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<(&str, u64)> = self.reasons.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        all
    }
}

/// One piece of time: sign-ins that ended in tokens, and refusals on the way there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) done: u64,
    pub(super) refused: u64,
}

impl Piece {
    pub(super) const fn all(self) -> u64 {
        self.done.saturating_add(self.refused)
    }
}

/// Where people were lost: refused at a step, or gone before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) step: Step,
    pub(super) refused: u64,
    pub(super) left: u64,
}

impl Loss {
    pub(super) const fn all(&self) -> u64 {
        self.refused.saturating_add(self.left)
    }
}

/// What one platform did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) platform: Platform,
    pub(super) pieces: Vec<Piece>,
    steps: BTreeMap<Step, Passed>,
}

impl Series {
    fn new(platform: Platform, pieces: usize) -> Self {
        Self { platform, pieces: vec![Piece::default(); pieces], steps: BTreeMap::new() }
    }

    pub(super) fn step(&self, step: Step) -> Passed {
        self.steps.get(&step).cloned().unwrap_or_default()
    }

    /// The whole time, as one piece.
    pub(super) fn whole(&self) -> Piece {
        self.pieces.iter().fold(Piece::default(), |sum, piece| Piece {
            done: sum.done.saturating_add(piece.done),
            refused: sum.refused.saturating_add(piece.refused),
        })
    }

    /// What was lost at each step of the flow. Whoever came through one and did not come to the next left in between.
    pub(super) fn losses(&self) -> Vec<Loss> {
        let mut before: Option<u64> = None;
        let mut losses = Vec::new();
        for step in FLOW {
            let passed = self.step(step);
            let left = before.map_or(0, |before| before.saturating_sub(passed.came()));
            losses.push(Loss { step, refused: passed.refused, left });
            before = Some(passed.ok);
        }
        losses
    }

    /// The step that loses most, of those that lose anything; of equal ones the first.
    pub(super) fn worst(&self) -> Option<Loss> {
        self.losses().into_iter().filter(|loss| loss.all() > 0).reduce(|a, b| if b.all() > a.all() { b } else { a })
    }
}

/// What each platform did, the one with the most sign-ins first.
pub(super) fn series(range: Range, now: Timestamp, counts: &[FunnelCount]) -> Vec<Series> {
    let starts = range.starts(now);
    let Some(first) = starts.first().copied() else { return Vec::new() };
    let mut all: BTreeMap<Platform, Series> = BTreeMap::new();
    for count in counts {
        let Some(piece) = range.piece_of(first, count.hour) else { continue };
        let new = || Series::new(count.platform.clone(), starts.len());
        let series = all.entry(count.platform.clone()).or_insert_with(new);
        series.steps.entry(count.step).or_default().add(&count.outcome, count.count);
        if let Some(piece) = series.pieces.get_mut(piece).filter(|_| FLOW.contains(&count.step)) {
            if count.outcome != FunnelCount::OK {
                piece.refused = piece.refused.saturating_add(count.count);
            } else if count.step == Step::Code {
                piece.done = piece.done.saturating_add(count.count);
            }
        }
    }
    let mut all: Vec<Series> = all.into_values().collect();
    all.sort_by(|a, b| b.whole().done.cmp(&a.whole().done).then(a.platform.cmp(&b.platform)));
    all
}

#[cfg(test)]
mod series_tests {
    use std::time::Duration;

    use super::*;

    fn count(hour: i64, step: Step, outcome: &str, count: u64) -> FunnelCount {
        let hour = Timestamp::from_unix_seconds(hour * HOUR);
        FunnelCount { hour, platform: Platform::named("cursor"), step, outcome: outcome.to_owned(), count }
    }

    #[test]
    fn the_last_piece_is_that_of_now_and_every_piece_is_a_whole_one() {
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        for range in Range::ALL {
            let starts = range.starts(now);
            let (last, width) = (starts[starts.len() - 1], Duration::from_secs(range.pieces().1.unsigned_abs()));
            assert!(last <= now && now < last + width);
            assert_eq!(last.unix_seconds() % i64::try_from(width.as_secs()).unwrap(), 0);
            assert_eq!(range.piece_of(starts[0], last), Some(starts.len() - 1));
            assert_eq!(range.piece_of(starts[0], starts[0] - Duration::from_secs(1)), None);
            assert_eq!(range.piece_of(starts[0], last + width), None);
            let sums = range.sums(now);
            assert_eq!((sums.since, sums.width(), sums.until()), (starts[0], width, last + width));
        }
    }

    #[test]
    fn the_step_that_loses_most_counts_refusals_and_those_who_left() {
        let now = Timestamp::from_unix_seconds(1_000 * HOUR);
        let counts = [
            count(1_000, Step::Authorize, "ok", 90),
            count(1_000, Step::Authorize, "client_not_accepted", 10),
            count(999, Step::Consent, "ok", 80),
            count(1_000, Step::SignIn, "ok", 50),
            count(1_000, Step::SignIn, "not_admitted", 5),
            count(1_000, Step::SignIn, "login_failed", 7),
            count(1_000, Step::Code, "ok", 48),
            count(100, Step::Code, "ok", 1_000),
        ];
        let all = series(Range::Day, now, &counts);
        let [cursor] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(cursor.whole(), Piece { done: 48, refused: 22 });
        assert_eq!(cursor.pieces[23], Piece { done: 48, refused: 22 });
        let lost: Vec<(u64, u64)> = cursor.losses().iter().map(|loss| (loss.refused, loss.left)).collect();
        assert_eq!(lost, [(10, 0), (0, 10), (12, 18), (0, 2)]);
        assert_eq!(cursor.worst(), Some(Loss { step: Step::SignIn, refused: 12, left: 18 }));
        assert_eq!(cursor.step(Step::SignIn).top(1), [("login_failed", 7)]);
    }

    #[test]
    fn nobody_is_lost_where_nobody_came() {
        let now = Timestamp::from_unix_seconds(1_000 * HOUR);
        assert!(series(Range::Week, now, &[]).is_empty());
        let all = series(Range::Day, now, &[count(1_000, Step::Refresh, "ok", 5)]);
        assert_eq!(all[0].worst(), None);
    }
}
