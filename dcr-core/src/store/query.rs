//! What operators ask, and counts.

use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::record::{Actor, Event, EventKind, Reference, Step};
use crate::session::{ConnectionId, EventId, RequestId, SessionId, User, UserId};

/// Row counts, for operators and for tests of I-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it")]
pub struct Counts {
    /// Users.
    pub users: u64,
    /// Connections.
    pub connections: u64,
    /// Aliases of all connections.
    pub aliases: u64,
    /// Sessions, ended and lapsed ones included until they are swept.
    pub sessions: u64,
    /// Blocks.
    pub blocks: u64,
    /// Events.
    pub events: u64,
    /// Imported clients.
    pub imported_clients: u64,
    /// Clients that were pinned, changed or deleted.
    pub clients: u64,
    /// Things that count once and were used, until they are swept.
    pub used_up: u64,
    /// Upstream tokens.
    pub upstream_tokens: u64,
}

/// How many sessions are in which state, and who has the most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it")]
pub struct Census {
    /// Sessions that neither ended nor lapsed.
    pub live: u64,
    /// Sessions that lapsed and did not end.
    pub lapsed: u64,
    /// Sessions that were ended.
    pub ended: u64,
    /// Users and their live sessions, the most first; at most ten.
    pub busiest: Vec<(UserId, u64)>,
}

/// How a person is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserMatch {
    /// By user id.
    Id(UserId),
    /// By the immutable id upstream, byte for byte. Two tenants may have the same.
    ObjectId(String),
    /// By the e-mail address of the last sign-in; upper and lower case of ASCII letters are alike. Several people may have
    /// had it: for operators to look at, never to decide on (ME-8).
    Email(String),
    /// Everybody who has a connection that was seen with this client id, byte for byte.
    ClientId(ClientId),
    /// Everybody whose name, e-mail address or object id has this text in it; upper and lower case of ASCII letters are
    /// alike. Reads the whole table: for an operator who looks for somebody, and for no request of a stranger.
    Text(String),
}

impl UserMatch {
    /// Whether `user` is meant, as far as a user's own row says: [`UserMatch::ClientId`] asks for more.
    #[must_use]
    pub fn fits(&self, user: &User) -> bool {
        match self {
            Self::Id(id) => user.id == *id,
            Self::ObjectId(id) => user.object_id == *id,
            Self::Email(email) => user.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email)),
            Self::ClientId(_) => true,
            Self::Text(text) => {
                let text = text.to_ascii_lowercase();
                let has = |own: &str| own.to_ascii_lowercase().contains(&text);
                [user.name.as_deref(), user.email.as_deref(), Some(&user.object_id)].into_iter().flatten().any(has)
            }
        }
    }
}

/// Which users to read, in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct UserQuery {
    /// Only these.
    pub matching: Option<UserMatch>,
    /// Only those whose id comes after this one: where the page before ended.
    pub after: Option<UserId>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

/// Which events to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct EventQuery {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only this session's.
    pub session: Option<SessionId>,
    /// Only this connection's.
    pub connection: Option<ConnectionId>,
    /// Only this client id's, byte for byte.
    pub client_id: Option<ClientId>,
    /// Only this platform's, byte for byte.
    pub platform: Option<Platform>,
    /// Only of this kind.
    pub kind: Option<EventKind>,
    /// Only with this reason, byte for byte.
    pub reason: Option<String>,
    /// Only what they did. [`Actor::Unknown`] stands for those events that do not say.
    pub actor: Option<Actor>,
    /// Only the one of which a page showed this reference.
    pub reference: Option<Reference>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// Only those that come after this one, newest first: where the page before ended.
    pub before: Option<(Timestamp, EventId)>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

impl EventQuery {
    /// Whether `event` is one of those that are asked for, [`EventQuery::limit`] aside.
    #[must_use]
    pub fn fits(&self, event: &Event) -> bool {
        fn same<T: PartialEq>(wanted: Option<&T>, own: Option<&T>) -> bool {
            wanted.is_none() || wanted == own
        }
        same(self.user.as_ref(), event.user.as_ref())
            && same(self.session.as_ref(), event.session.as_ref())
            && same(self.connection.as_ref(), event.connection.as_ref())
            && same(self.client_id.as_ref(), event.client_id.as_ref())
            && same(self.platform.as_ref(), event.platform.as_ref())
            && same(self.kind.as_ref(), Some(&event.kind))
            && same(self.reason.as_ref(), Some(&event.reason))
            && same(self.actor.as_ref(), Some(&event.actor))
            && same(self.reference.as_ref(), event.reference.as_ref())
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
            && self.before.is_none_or(|before| (event.at, event.id) < before)
    }
}

/// Which funnel counts to read, in the order of their hours, platforms, steps and outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct FunnelQuery {
    /// Of hours that began at or after this time.
    pub since: Option<Timestamp>,
    /// Of hours that began before this time.
    pub until: Option<Timestamp>,
    /// Only those that come after this one, whose count is of no matter: where the page before ended.
    pub after: Option<(Timestamp, Platform, Step, String)>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

/// Which requests to read, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain query")]
pub struct RequestQuery {
    /// Whose.
    pub of: RequestsOf,
    /// Only those before this one: where the page before ended.
    pub before: Option<RequestId>,
    /// At most so many; stores clamp it to 1 to 1,000 (OP-3).
    pub limit: u32,
}

/// Whose requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store must know each")]
pub enum RequestsOf {
    /// Of one session.
    Session(SessionId),
    /// Of all sessions of a person.
    User(UserId),
}
