//! A session begins and goes on: what a sign-in writes, and how the counter moves.

use std::fmt;

use super::{BlockKind, PutUpstreamToken};
use crate::client::SoftwareKey;
use crate::clock::Timestamp;
use crate::record::Event;
use crate::session::{ConnectionId, Generation, Session, SessionId, User};

/// A complete sign-in: what [`Store::sign_in`](super::Store::sign_in) writes.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct SignIn {
    /// Upserted; name and e-mail are brought up to date.
    pub user: User,
    /// The software; the connection is the one under `(user.id, software)`.
    pub software: SoftwareKey,
    /// The id of the connection, if it has to be made.
    pub new_connection: ConnectionId,
    /// Inserted with its `connection` replaced by the connection that was found or made.
    pub session: Session,
    /// At most so many live sessions a connection: the ones idle longest go first, never the new one (MG-10).
    pub max_sessions: usize,
    /// At most so many aliases a connection: the one unused longest goes first.
    pub max_aliases: usize,
    /// Written with the transaction, its `connection` filled in.
    pub event: Event,
    /// One for each session that may be evicted, its `connection` and `session` filled in as it is used. No more sessions
    /// go than there are events for it here; a cap that was lowered is reached over several sign-ins.
    pub evictions: Vec<Event>,
    /// Inserted, or put in the place of the one that the user has under this key; nobody holds a lease on it then.
    pub upstream_token: Option<PutUpstreamToken>,
    /// The time of the sign-in.
    pub now: Timestamp,
}

/// How a [`Store::sign_in`](super::Store::sign_in) ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must meet every outcome")]
pub enum SignedIn {
    /// Written.
    Done {
        /// The connection that the session belongs to.
        connection: ConnectionId,
        /// Whether this sign-in made it.
        first: bool,
        /// Live sessions that had to go because of the cap.
        evicted: Vec<SessionId>,
    },
    /// A session with this id exists already: this transaction was used. Nothing was written.
    Used,
    /// The operator has blocked this user, connection, client id or platform. Nothing was written.
    Blocked(BlockKind),
}

/// What [`Store::advance`](super::Store::advance) does to a session when it wins.
#[derive(Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct Advance {
    /// The generation that was presented. The session moves to the one after it.
    pub from: Generation,
    /// Now: becomes `advanced_at`, and `redeemed_at` if `from` is the code.
    pub now: Timestamp,
    /// Becomes `expires_at`.
    pub expires_at: Timestamp,
    /// Becomes `adopted_secret` if `from` is the code.
    pub adopted_secret: Option<[u8; 32]>,
}

impl fmt::Debug for Advance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What the client brought may be guessed from its hash by whoever has the key (I-14).
        f.debug_struct("Advance")
            .field("from", &self.from)
            .field("now", &self.now)
            .field("expires_at", &self.expires_at)
            .field("has_adopted_secret", &self.adopted_secret.is_some())
            .finish_non_exhaustive()
    }
}

/// How a [`Store::advance`](super::Store::advance) ended. Losers get the row as it is now, so that the caller can tell a race from a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a caller must meet every outcome")]
pub enum Advanced {
    /// This call moved the counter. The row after it.
    Won(Session),
    /// The counter stands elsewhere; nothing was written. The row as it is.
    Lost(Session),
    /// No such session, ended, or lapsed at `now`. The row if there is one.
    Gone(Option<Session>),
}

/// Brings a session level with a refresh token that is ahead of its row, in a database that went back in time.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct CatchUp {
    /// The generation that was presented. The session moves to the one after it.
    pub presented: Generation,
    /// Now: becomes `advanced_at`, and `redeemed_at` if the row does not have one.
    pub now: Timestamp,
    /// Becomes `expires_at`.
    pub expires_at: Timestamp,
    /// Becomes `adopted_secret` if the row is still at the code.
    pub adopted_secret: Option<[u8; 32]>,
    /// Written with the transaction.
    pub event: Event,
}

impl fmt::Debug for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatchUp")
            .field("presented", &self.presented)
            .field("now", &self.now)
            .field("expires_at", &self.expires_at)
            .field("has_adopted_secret", &self.adopted_secret.is_some())
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// Everything that the principal check and the whole record say of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// Its user.
    pub user: User,
}
