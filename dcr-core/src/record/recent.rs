//! The latest refusals before login, in memory: what a reference meant that a page showed. Nothing of them is stored
//! (I-1), so a restart forgets them, another replica does not know them, and a flood pushes them out; the log has the rest.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::Reference;
use crate::clock::Timestamp;
use crate::engine::DcrEngine;
use crate::error::{Reason, Refusal};
use crate::text::bounded;

/// So many are kept.
const MOST: usize = 2_000;
/// As much as is kept of what was said about one.
const LONGEST: usize = 400;

/// A refusal that was shown and not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentRefusal {
    /// The reference that was shown.
    pub reference: Reference,
    /// When.
    pub at: Timestamp,
    /// At which endpoint.
    pub step: String,
    /// Why.
    pub reason: Reason,
    /// More of it, for the operator; may be empty. Strangers' words in it are bounded text (I-10).
    pub detail: String,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<RecentRefusal>>);

impl Recent {
    pub(crate) fn note(&self, reference: Reference, at: Timestamp, step: &str, refusal: &Refusal) {
        let reason = refusal.reason();
        // What needs no looking up, and what a scanner makes thousands of.
        if matches!(reason, Reason::NotFound | Reason::MethodNotAllowed | Reason::TooManyRequests | Reason::ServerBusy)
        {
            return;
        }
        let detail = match (refusal.detail(), refusal.note()) {
            (detail, "") => bounded(detail, LONGEST),
            ("", note) => bounded(note, LONGEST),
            (detail, note) => bounded(&format!("{detail}; {note}"), LONGEST),
        };
        let refused = RecentRefusal { reference, at, step: step.to_owned(), reason, detail };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(refused);
    }

    pub(crate) fn find(&self, reference: Reference) -> Option<RecentRefusal> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().rev().find(|refused| refused.reference == reference).cloned()
    }
}

impl DcrEngine {
    /// What a page with this reference was about, if it was shown before login, by this process, and not long ago. What was
    /// refused after login is on the record: [`EventQuery::reference`](crate::store::EventQuery::reference).
    #[must_use]
    pub fn recent_refusal(&self, reference: Reference) -> Option<RecentRefusal> {
        self.inner.recent.find(reference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn the_latest_refusals_are_kept_and_no_more() {
        let recent = Recent::default();
        let now = Timestamp::from_unix_seconds(1);
        let first = Reference::mint(&SystemRandom).unwrap();
        recent.note(first, now, "authorize", &Refusal::new(Reason::PkceMethod, "detail"));
        assert_eq!(recent.find(first).map(|found| (found.reason, found.detail)), {
            Some((Reason::PkceMethod, "detail".to_owned()))
        });
        for _ in 0..MOST {
            recent.note(first, now, "request", &Reason::NotFound.into());
        }
        assert!(recent.find(first).is_some(), "what a scanner meets is not kept");
        for _ in 0..2 * MOST {
            let other = Reference::mint(&SystemRandom).unwrap();
            recent.note(other, now, "authorize", &Refusal::new(Reason::PkceMethod, "x".repeat(10_000)));
        }
        assert!(recent.find(first).is_none());
        let kept = recent.0.lock().unwrap();
        assert_eq!(kept.len(), MOST);
        assert!(kept.iter().all(|refused| refused.detail.chars().count() <= LONGEST));
    }
}
