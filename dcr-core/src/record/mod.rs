//! The record: typed events of what happened to users, connections and sessions.
//!
//! Stored events begin after login (I-1: an anonymous request writes no row). What is refused before that is counted
//! ([`FunnelCount`]), logged through `tracing` with the same stable reasons and the reference that the refusal page shows,
//! and kept in memory for a while ([`RecentRefusal`]).

mod actor;
mod funnel;
mod history;
mod json;
mod recent;
mod reference;
mod retention;

pub use self::actor::Actor;
pub(crate) use self::funnel::Funnel;
pub use self::funnel::{FunnelCount, Step};
pub(crate) use self::history::History;
pub use self::history::RequestRecord;
pub use self::json::NotAnEvent;
pub(crate) use self::recent::Recent;
pub use self::recent::RecentRefusal;
pub use self::reference::Reference;
pub use self::retention::{Retention, RetentionError};
use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::session::{ConnectionId, EventId, SessionId, UserId};
use crate::store::Target;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A sign-in was completed and a session opened.
    SignedIn,
    /// The same, with a client id that was adopted.
    Adopted,
    /// A person logged in upstream and was refused by the admission policy or a block.
    Refused,
    /// A session was ended because its connection had too many.
    Evicted,
    /// Sessions were ended.
    Revoked,
    /// Something was blocked.
    Blocked,
    /// A block was lifted.
    Unblocked,
    /// A person's use of a software was imported from an older system.
    Imported,
    /// The recovery window was opened, or closed.
    RecoveryOpened,
    /// A refresh token that was ahead of its session's row was accepted in the recovery window.
    Recovered,
    /// A machine client got a token of its own; at most one event an hour for each.
    MachineSignedIn,
    /// A client was pinned with the operator's command, its pin changed, or taken away.
    ClientPinned,
    /// A registered client changed its registration, or deleted it (RFC 7592).
    ClientChanged,
    /// A person was erased: rows are gone, events no longer say whose they were.
    Erased,
    /// Somebody signed in to the console. Who was refused there is [`EventKind::Refused`].
    AdminSignedIn,
    /// Something that should not happen: a replay, a token ahead of its row, another client's token.
    Anomaly,
}

impl EventKind {
    pub(crate) const ALL: [Self; 16] = [
        Self::SignedIn,
        Self::Adopted,
        Self::Refused,
        Self::Evicted,
        Self::Revoked,
        Self::Blocked,
        Self::Unblocked,
        Self::Imported,
        Self::RecoveryOpened,
        Self::Recovered,
        Self::MachineSignedIn,
        Self::ClientPinned,
        Self::ClientChanged,
        Self::Erased,
        Self::AdminSignedIn,
        Self::Anomaly,
    ];

    /// Who brings such an event about, where the engine writes it and nothing else is known.
    pub(crate) const fn usual_actor(self) -> Actor {
        match self {
            Self::SignedIn | Self::Adopted | Self::Refused => Actor::Person,
            Self::MachineSignedIn | Self::ClientChanged => Actor::Client,
            _ => Actor::Engine,
        }
    }

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::Adopted => "adopted",
            Self::Refused => "refused",
            Self::Evicted => "evicted",
            Self::Revoked => "revoked",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Imported => "imported",
            Self::RecoveryOpened => "recovery_opened",
            Self::Recovered => "recovered",
            Self::MachineSignedIn => "machine_signed_in",
            Self::ClientPinned => "client_pinned",
            Self::ClientChanged => "client_changed",
            Self::Erased => "erased",
            Self::AdminSignedIn => "admin_signed_in",
            Self::Anomaly => "anomaly",
        }
    }

    /// The kind with this stable name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct Event {
    /// Its id, time-ordered.
    pub id: EventId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// A stable reason, such as `refresh_replayed`; empty where the kind says it all.
    pub reason: String,
    /// Whose.
    pub user: Option<UserId>,
    /// Which connection.
    pub connection: Option<ConnectionId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// The client id as presented.
    pub client_id: Option<ClientId>,
    /// The platform.
    pub platform: Option<Platform>,
    /// Who did it.
    pub actor: Actor,
    /// What a page showed the person, so that they can be helped.
    pub reference: Option<Reference>,
}

impl Event {
    /// An event about nobody yet; fill in the fields that apply.
    #[must_use]
    pub const fn new(id: EventId, at: Timestamp, kind: EventKind) -> Self {
        Self {
            id,
            at,
            kind,
            reason: String::new(),
            user: None,
            connection: None,
            session: None,
            client_id: None,
            platform: None,
            actor: Actor::Unknown,
            reference: None,
        }
    }

    /// The same, about what an operator named.
    pub(crate) fn about(mut self, target: &Target) -> Self {
        match target.clone() {
            Target::Session(id) => self.session = Some(id),
            Target::Connection(id) => self.connection = Some(id),
            Target::User(id) => self.user = Some(id),
            Target::ClientId(id) => self.client_id = Some(id),
            Target::Platform(name) => self.platform = Some(name),
        }
        self
    }

    /// What the event was about, at its narrowest: a session, or what an operator named.
    pub(crate) fn target(&self) -> Option<Target> {
        let session = self.session.map(Target::Session);
        let connection = || self.connection.map(Target::Connection);
        let client_id = || self.client_id.clone().map(Target::ClientId);
        let user = || self.user.clone().map(Target::User);
        let platform = || self.platform.clone().map(Target::Platform);
        session.or_else(connection).or_else(client_id).or_else(user).or_else(platform)
    }
}
