//! Sessions end, and people go: whom it concerns, and what is left.

use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::record::Event;
use crate::session::{ConnectionId, SessionId, UserId};

/// Whose sessions end, and which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct Ending {
    /// Whose.
    pub target: Target,
    /// Only sessions that were opened at or before this time. For an end that is carried over from another copy of the
    /// database: what was opened after it was not meant.
    pub opened_until: Option<Timestamp>,
    /// A stable reason that is kept on each session.
    pub reason: String,
    /// Becomes the time of the end.
    pub now: Timestamp,
    /// Written with the transaction, if it changes anything.
    pub event: Event,
}

impl Ending {
    /// The end of every session of `target`.
    #[must_use]
    pub fn of(target: Target, reason: impl Into<String>, now: Timestamp, event: Event) -> Self {
        Self { target, opened_until: None, reason: reason.into(), now, event }
    }
}

/// Whom an operator, a client or a rule ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// One session.
    Session(SessionId),
    /// All of one connection.
    Connection(ConnectionId),
    /// All of one user.
    User(UserId),
    /// All that presented this id, byte for byte.
    ClientId(ClientId),
    /// All of a platform.
    Platform(Platform),
}

/// The kinds of thing that can be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockKind {
    /// A connection.
    Connection,
    /// A user.
    User,
    /// A client id.
    ClientId,
    /// A platform.
    Platform,
}

impl BlockKind {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::User => "user",
            Self::ClientId => "client_id",
            Self::Platform => "platform",
        }
    }
}

impl Target {
    /// How a store keys a block on this target: kind and bytes. `None` for a session, which is ended, not blocked.
    #[must_use]
    pub fn block_key(&self) -> Option<(BlockKind, Vec<u8>)> {
        match self {
            Self::Session(_) => None,
            Self::Connection(id) => Some((BlockKind::Connection, id.as_bytes().to_vec())),
            Self::User(id) => Some((BlockKind::User, id.as_str().as_bytes().to_vec())),
            Self::ClientId(id) => Some((BlockKind::ClientId, id.as_str().as_bytes().to_vec())),
            Self::Platform(name) => Some((BlockKind::Platform, name.as_str().as_bytes().to_vec())),
        }
    }
}

/// One entry of the revocation feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct Revocation {
    /// Which session ended.
    pub session: SessionId,
    /// When its end was stamped.
    pub at: Timestamp,
}

/// What [`Store::erase`](super::Store::erase) does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct Erasure {
    /// Who is erased.
    pub user: UserId,
    /// What stands for them on the record from now on.
    pub marker: UserId,
    /// The time of the end of sessions that had not ended.
    pub now: Timestamp,
    /// Written with the transaction, if it changes anything.
    pub event: Event,
}

/// What a [`Store::erase`](super::Store::erase) changed. Nothing: nothing was known of that user, and nothing was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it")]
pub struct Erased {
    /// Whether there was a row of the user.
    pub user: bool,
    /// The sessions that are gone, ended ones included.
    pub sessions: Vec<SessionId>,
    /// How many connections are gone.
    pub connections: u64,
    /// How many client ids of them are gone.
    pub aliases: u64,
    /// How many events no longer say whose they were.
    pub events: u64,
}

impl Erased {
    /// Whether anything was known of the user.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.user || self.events > 0
    }
}
