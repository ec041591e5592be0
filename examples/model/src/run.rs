//! Sequences one after the other until there were enough moves, or enough time has passed; and a failure in words.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy as _;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;

use crate::choose::Moves;
use crate::model::Model;
use crate::moves::Move;
use crate::play::{Coverage, Failure, Look, Played, play};
use crate::world::Fresh;

/// Moves of one sequence.
const LENGTH: usize = 60;

/// How long to go on, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What decides every choice.
    pub seed: u64,
    /// At least so many moves.
    pub moves: u64,
    /// And no longer than this, if it is said.
    pub time: Option<Duration>,
}

impl Plan {
    /// At least `moves`, unless `DCR_MODEL_MOVES` or `DCR_MODEL_SECONDS` say otherwise, from `DCR_MODEL_SEED` or a seed that
    /// is always the same.
    #[must_use]
    pub fn from_environment(moves: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let time = number("DCR_MODEL_SECONDS").map(Duration::from_secs);
        let until_then = if time.is_some() { u64::MAX } else { moves };
        let moves = number("DCR_MODEL_MOVES").unwrap_or(until_then);
        Self { seed: number("DCR_MODEL_SEED").unwrap_or(20_261_126), moves, time }
    }
}

/// A sequence that shows a fault, as short as it could be made.
#[derive(Debug)]
pub struct Found {
    /// What is wrong.
    pub what: String,
    /// The sequence.
    pub moves: Vec<Move>,
    /// How many moves had been played when it came up.
    pub after: u64,
}

impl Found {
    /// The sequence and what is wrong, in words.
    #[must_use]
    pub fn in_words(&self, seed: u64) -> String {
        let mut text = format!("After {} moves (DCR_MODEL_SEED={seed}), shortened to:\n", self.after);
        for (n, m) in self.moves.iter().enumerate() {
            let _ = writeln!(text, "  {}. {m}", n + 1);
        }
        let _ = write!(text, "{}", self.what);
        text
    }
}

/// Plays until the plan is fulfilled. With `other`, each sequence is played there too, and must be answered in the same
/// bytes (I-15).
///
/// # Errors
/// [`Found`].
pub fn run(plan: Plan, fresh: &Fresh, other: Option<&Fresh>) -> Result<Coverage, Box<Found>> {
    let begun = Instant::now();
    let mut coverage = Coverage::default();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&plan.seed.to_le_bytes());
    let config = Config { failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let strategy = Moves::sequential_strategy(LENGTH..=LENGTH);
    while coverage.moves < plan.moves && plan.time.is_none_or(|time| begun.elapsed() < time) {
        let tree = strategy.new_tree(&mut runner).map_err(|reason| {
            Box::new(Found { what: format!("no moves: {reason}"), moves: Vec::new(), after: coverage.moves })
        })?;
        let seen = RefCell::new(&mut coverage);
        let first = RefCell::new(true);
        // What proptest comes to in the end need not be a sequence that fails; the last that did does.
        let last = RefCell::new(Vec::new());
        let outcome = runner.run_one(tree, |(_, moves, counter): (Model, Vec<Move>, _)| {
            let mut scratch = Coverage::default();
            let result = both(plan.seed, &moves, fresh, other, &mut scratch);
            let reached = result.as_ref().err().map_or(moves.len(), |failure| failure.at + 1);
            if let Some(counter) = &counter {
                counter.fetch_add(reached, std::sync::atomic::Ordering::SeqCst);
            }
            if first.replace(false) {
                seen.borrow_mut().add(&scratch);
            }
            result.map(drop).map_err(|failure| {
                *last.borrow_mut() = moves[..=failure.at.min(moves.len() - 1)].to_vec();
                TestCaseError::fail(failure.what)
            })
        });
        match outcome {
            Ok(_) => {}
            Err(TestError::Fail(..)) => {
                return Err(Box::new(shortest(plan.seed, last.into_inner(), fresh, other, coverage.moves)));
            }
            Err(TestError::Abort(reason)) => {
                return Err(Box::new(Found { what: reason.to_string(), moves: Vec::new(), after: coverage.moves }));
            }
        }
    }
    Ok(coverage)
}

fn both(
    seed: u64,
    moves: &[Move],
    fresh: &Fresh,
    other: Option<&Fresh>,
    coverage: &mut Coverage,
) -> Result<Played, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure { at: 0, what: error.to_string() })?;
    runtime.block_on(async {
        let look = if other.is_some() { Look::AtChanges } else { Look::AtAll };
        let here = play(fresh, seed, moves, look, coverage).await?;
        if let Some(other) = other {
            let there = play(other, seed, moves, Look::AtAll, &mut Coverage::default()).await?;
            if here != there {
                let what = "I-15 is broken: the two stores were answered in other bytes".to_owned();
                return Err(Failure { at: moves.len().saturating_sub(1), what });
            }
        }
        Ok(here)
    })
}

/// Leaves out one move after the other, as long as the sequence still shows something.
fn shortest(seed: u64, mut moves: Vec<Move>, fresh: &Fresh, other: Option<&Fresh>, after: u64) -> Found {
    let fails = |moves: &[Move]| both(seed, moves, fresh, other, &mut Coverage::default()).err();
    let mut what = fails(&moves).map_or_else(|| "it does not come up again".to_owned(), |failure| failure.what);
    // One alone may be needed by another that is not needed either: two at once, too.
    for together in [1, 2, 1] {
        let mut at = moves.len();
        while at > 0 {
            at -= 1;
            let seconds = at..if together == 1 { at + 1 } else { moves.len() };
            let shorter = seconds.into_iter().find_map(|second| {
                let kept = |n: &usize| *n != at && *n != second;
                let mut fewer: Vec<_> = (0..moves.len()).filter(kept).map(|n| moves[n].clone()).collect();
                let failure = fails(&fewer)?;
                fewer.truncate(failure.at + 1);
                Some((fewer, failure.what))
            });
            if let Some(shorter) = shorter {
                (moves, what) = shorter;
                at = at.min(moves.len());
            }
        }
    }
    Found { what: brief(&what), moves, after }
}

/// A text without the whole of its tokens.
fn brief(text: &str) -> String {
    const LONG: usize = 56;
    let (mut brief, mut rest) = (String::new(), text);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word.get(..12).filter(|_| word.len() > LONG) {
            Some(head) => brief.extend([head, "…"]),
            None => brief.push_str(word),
        }
        let between = after.chars().next().map_or(0, char::len_utf8);
        brief.push_str(&after[..between]);
        rest = &after[between..];
    }
    brief
}
