//! Erasing a person: what this software knows of them goes, and what the record tells no longer says of whom.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::operator::{Operator, OperatorError};
use crate::record::{Actor, Event, EventKind};
use crate::session::{EventId, SessionId, UserId};
use crate::store::{Erasure, Target};

/// What an erasure did, for the operator's files. Nothing keeps it here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event that says that somebody was erased.
    pub event: EventId,
    /// Who was erased.
    pub user: UserId,
    /// What stands for them on the record from now on. It is random: nothing leads from it to the person.
    pub marker: UserId,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: Actor,
    /// Why, as it was said.
    pub reason: String,
    /// Sessions that are gone, ended ones included.
    pub sessions: u64,
    /// Connections that are gone.
    pub connections: u64,
    /// Client ids of theirs that are gone.
    pub client_ids: u64,
    /// Events that no longer say whose they were.
    pub events: u64,
    /// Whether they are blocked, which outlives this: the block holds the user id, which is a hash, and nothing else.
    pub blocked: bool,
}

#[derive(Serialize)]
struct Wire<'a> {
    event_id: String,
    user_id: &'a str,
    marker: &'a str,
    erased_at: String,
    actor: String,
    reason: &'a str,
    sessions: u64,
    connections: u64,
    client_ids: u64,
    events: u64,
    blocked: bool,
}

impl Receipt {
    /// The receipt as one line of JSON, without the line's end.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wire = Wire {
            event_id: self.event.to_string(),
            user_id: self.user.as_str(),
            marker: self.marker.as_str(),
            erased_at: self.at.to_string(),
            actor: self.actor.to_string(),
            reason: &self.reason,
            sessions: self.sessions,
            connections: self.connections,
            client_ids: self.client_ids,
            events: self.events,
            blocked: self.blocked,
        };
        // A struct of texts and numbers always serialises.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

impl Operator {
    /// Erases a person: the user, their connections, client ids and sessions are deleted, and events no longer say whose
    /// they were. Running servers refuse their tokens within the bound of the revocation feed (5 s). Answers a receipt;
    /// `None` if nothing was known of them.
    ///
    /// What it does not reach: a block stays, so that who was kept out is not let in by it; words that an operator wrote as
    /// a reason stay; backups and exported events are the operator's to delete, and a restored backup has the person again.
    /// Nor does it keep anybody out: who signs in again is known again. To end both, block them first.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing changed.
    pub async fn erase(&self, user: &UserId, reason: &str) -> Result<Option<Receipt>, OperatorError> {
        Ok(self.erase_telling(user, reason).await?.0)
    }

    /// The same, and which sessions are gone.
    pub(crate) async fn erase_telling(
        &self,
        user: &UserId,
        reason: &str,
    ) -> Result<(Option<Receipt>, Vec<SessionId>), OperatorError> {
        let marker = UserId::of_erased(self.random())?;
        let event = Event { user: Some(marker.clone()), ..self.event(EventKind::Erased, reason)? };
        let (id, at, actor) = (event.id, event.at, event.actor.clone());
        let erasure = Erasure { user: user.clone(), marker: marker.clone(), now: at, event };
        let erased = self.store().erase(erasure).await?;
        if !erased.changed() {
            return Ok((None, Vec::new()));
        }
        let receipt = Receipt {
            event: id,
            user: user.clone(),
            marker,
            at,
            actor,
            reason: reason.to_owned(),
            sessions: erased.sessions.len() as u64,
            connections: erased.connections,
            client_ids: erased.aliases,
            events: erased.events,
            blocked: self.store().blocked(&[Target::User(user.clone())]).await?.is_some(),
        };
        Ok((Some(receipt), erased.sessions))
    }
}
