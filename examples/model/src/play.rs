//! One sequence: every move on the model and on the real thing, and everything compared after each.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::choose::is_possible;
use crate::invariants::{Before, Redeemed, check};
use crate::model::Model;
use crate::moves::Move;
use crate::world::{Fresh, Seen, World};

/// Every kind of move, and what may come of it.
const OUTCOMES: &[(&str, &str)] = &[
    ("approve", "approved"),
    ("approve", "consent: expired"),
    ("approve", "consent: no cookie"),
    ("approve", "consent: not yours"),
    ("authorize", "a consent page"),
    ("authorize", "authorize: blocked"),
    ("authorize", "authorize: malformed"),
    ("authorize", "authorize: not accepted"),
    ("authorize", "authorize: wrong, a page"),
    ("authorize", "authorize: wrong, back"),
    ("block", "blocked"),
    ("callback", "callback: blocked"),
    ("callback", "callback: denied"),
    ("callback", "callback: expired"),
    ("callback", "callback: invalid"),
    ("callback", "callback: not admitted"),
    ("callback", "callback: other browser"),
    ("callback", "callback: upstream busy"),
    ("callback", "callback: used"),
    ("callback", "signed in"),
    ("callback", "signed in, adopted"),
    ("callback", "signed in, one evicted"),
    ("deny", "consent: expired"),
    ("deny", "consent: no cookie"),
    ("deny", "consent: not yours"),
    ("deny", "denied: a page"),
    ("deny", "denied: back"),
    ("end", "ended"),
    ("failing store", "503, it happened"),
    ("failing store", "503, nothing happened"),
    ("introspect", "introspect: active"),
    ("introspect", "introspect: inactive"),
    ("introspect", "introspect: not allowed"),
    ("lose the database", "a fresh database"),
    ("redeem", "redeem: again"),
    ("redeem", "redeem: another client"),
    ("redeem", "redeem: another resource"),
    ("redeem", "redeem: another secret"),
    ("redeem", "redeem: no session"),
    ("redeem", "redeem: replayed, ended"),
    ("redeem", "redeem: too late"),
    ("redeem", "redeem: wrong"),
    ("redeem", "redeemed"),
    ("redeem", "token: of no key, known client"),
    ("redeem", "token: of no key, register anew"),
    ("refresh", "refresh: ahead of its row"),
    ("refresh", "refresh: another client"),
    ("refresh", "refresh: another resource"),
    ("refresh", "refresh: another secret"),
    ("refresh", "refresh: no session"),
    ("refresh", "refresh: over"),
    ("refresh", "refresh: replayed, ended"),
    ("refresh", "refresh: superseded"),
    ("refresh", "refresh: wider"),
    ("refresh", "refreshed"),
    ("refresh", "refreshed within the grace"),
    ("refresh", "token: of no key, known client"),
    ("refresh", "token: of no key, register anew"),
    ("register", "register: no such redirect"),
    ("register", "registered"),
    ("restart", "restarted"),
    ("revoke", "revoke: not allowed"),
    ("revoke", "revoke: nothing"),
    ("revoke", "revoked"),
    ("sweep", "swept"),
    ("unblock", "unblock: nothing"),
    ("unblock", "unblocked"),
    ("use", "use: another resource"),
    ("use", "use: ended"),
    ("use", "use: just ended elsewhere"),
    ("use", "use: no good"),
    ("use", "used"),
    ("wait", "time passes"),
];

/// How often each move was played, and each outcome seen.
#[derive(Debug, Default, Clone)]
pub struct Coverage {
    /// By kind of move and outcome.
    pub outcomes: BTreeMap<(&'static str, &'static str), u64>,
    /// Which call of the store failed, and how often.
    pub faults: BTreeMap<String, u64>,
    /// All moves.
    pub moves: u64,
    /// Sequences.
    pub sequences: u64,
}

/// How closely the rows are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// All of them, after every move.
    AtAll,
    /// All of them after a move that may change some; their numbers after the others. For databases, where a look costs more
    /// than the move.
    AtChanges,
}

/// What a sequence came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Of everything that was answered. Two stores that answer the same bytes have the same (I-15).
    pub digest: u64,
    /// How many moves were possible.
    pub moves: u64,
}

/// What went wrong, and at which move, counted from 0.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which move.
    pub at: usize,
    /// In words.
    pub what: String,
}

/// Plays `moves` on a fresh system. Moves that speak of what is not there (since an answer was lost) are left out.
///
/// # Errors
/// [`Failure`] says which move was answered otherwise than the model allows, or which promise is broken.
pub async fn play(
    fresh: &Fresh,
    seed: u64,
    moves: &[Move],
    look: Look,
    coverage: &mut Coverage,
) -> Result<Played, Failure> {
    let world = World::new(fresh, seed).await;
    let mut game = Game { model: Model::default(), world, look, redeemed: Redeemed::default() };
    let mut played = 0;
    coverage.sequences += 1;
    for (at, m) in moves.iter().enumerate() {
        if is_possible(&game.model, m) {
            coverage.moves += 1;
            played += 1;
            game.turn(m, coverage).await.map_err(|what| Failure { at, what })?;
        }
    }
    Ok(Played { digest: game.world.digest(), moves: played })
}

struct Game {
    model: Model,
    world: World,
    look: Look,
    redeemed: Redeemed,
}

impl Game {
    async fn turn(&mut self, m: &Move, coverage: &mut Coverage) -> Result<(), String> {
        let (plain, fault) = match m {
            Move::Faulty { call, after, inner } => (inner.as_ref(), Some((*call, *after))),
            plain => (plain, None),
        };
        let mut next = self.model.clone();
        let said = next.apply(plain);
        self.world.clock.advance(Duration::from_millis(next.now - self.model.now));
        let counts = self.world.counts;
        if let Some((call, after)) = fault {
            self.world.store.0.arm(call, after);
        }
        let seen = self.world.play(plain, &self.model).await;
        let failed = self.world.store.0.disarm();
        if failed.is_some() {
            next.shaken = Some(next.now);
        }
        // New rows have names before their tokens are looked at.
        let right = said.answers.iter().find(|answer| self.world.fits(plain, &self.model, answer, &seen)).cloned();
        let unanswered = matches!(&seen, Seen::Refused(503, error) if error == "temporarily_unavailable");
        let after = match (right, failed) {
            (Some(answer), _) => {
                let outcome = if said.answers.len() > 1 && answer != said.answers[0] { "either" } else { said.outcome };
                *coverage.outcomes.entry((plain.kind(), said.outcome)).or_default() += 1;
                if outcome == "either" {
                    *coverage.outcomes.entry((plain.kind(), "the other answer that is right")).or_default() += 1;
                }
                let all = self.look == Look::AtAll || failed.is_some() || plain.may_write();
                self.world.compare(&next, all).await.map_err(|difference| format!("{difference}\n  after {seen:?}"))?;
                next
            }
            (None, Some(call)) if unanswered => {
                // Nothing happened, or it happened and nobody was told: the rows say which.
                let mut nothing = Model { now: next.now, shaken: next.shaken, ..self.model.clone() };
                if plain.kind() == "sweep" {
                    nothing.rows = self.model.rows.clone();
                }
                let lost = self.model.lost_answer(&next);
                let (outcome, after) = match self.world.compare(&nothing, true).await {
                    Ok(()) => ("503, nothing happened", nothing),
                    Err(first) => match self.world.compare(&lost, true).await {
                        Ok(()) => ("503, it happened", lost),
                        Err(second) => {
                            return Err(format!(
                                "call `{call}` of the store failed, and the rows are neither as before ({first}) nor as after \
                                 the move ({second})"
                            ));
                        }
                    },
                };
                *coverage.outcomes.entry(("failing store", outcome)).or_default() += 1;
                after
            }
            (None, _) => {
                return Err(format!("the model says {:?} ({}), the answer was {seen:?}", said.answers, said.outcome));
            }
        };
        if let Some(call) = failed {
            let when = if fault.is_some_and(|(_, after)| after) { "after" } else { "before" };
            *coverage.faults.entry(format!("{call} {when}")).or_default() += 1;
        }
        let before = Before { model: &self.model, counts };
        if !(unanswered && failed.is_some()) {
            check(&before, plain, &said, &seen, &self.world, &mut self.redeemed).await?;
        }
        self.model = after;
        Ok(())
    }
}

impl Coverage {
    /// Adds what another run saw.
    pub fn add(&mut self, other: &Self) {
        for (outcome, times) in &other.outcomes {
            *self.outcomes.entry(*outcome).or_default() += times;
        }
        for (fault, times) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += times;
        }
        self.moves += other.moves;
        self.sequences += other.sequences;
    }

    /// The outcomes that the model knows and that never came up.
    #[must_use]
    pub fn unseen(&self) -> Vec<(&'static str, &'static str)> {
        OUTCOMES.iter().filter(|outcome| !self.outcomes.contains_key(outcome)).copied().collect()
    }

    /// A table of it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!("{} moves in {} sequences\n", self.moves, self.sequences);
        for ((kind, outcome), times) in &self.outcomes {
            table.push_str(&format!("  {times:>7}  {kind:<18} {outcome}\n"));
        }
        table.push_str("  calls of the store that failed, before or after their effect:\n");
        for (call, times) in &self.faults {
            table.push_str(&format!("  {times:>7}  {call}\n"));
        }
        table
    }
}
