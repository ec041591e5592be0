//! The store: a small trait of atomic operations, and the contract that every backend keeps.
//!
//! # Contract
//!
//! * Each method is **one transaction**: it happens whole or not at all, and survives the death of this process once it
//!   has answered. (What a power cut may take is the backend's own setting, and its documentation says so.)
//! * The store reads no clock and makes no ids: times and ids come in.
//! * Ids, client ids and redirect URIs are **bytes**. Two that differ in case or a trailing space are two (OP-8, HTTP-03).
//! * [`Store::advance`] is a compare-and-swap: of any number of concurrent calls for one generation exactly one answers
//!   [`Advanced::Won`] (I-12, RT-2).
//! * [`Store::sign_in`] keeps `UNIQUE (user, software)`: any number of concurrent first sign-ins of one user and software
//!   end in one connection (I-16, ME-10), and a session id is used once.
//! * [`Store::revocations_since`] answers every session whose end was stamped at or after the given time **and** whose
//!   ending has committed. Readers ask with an overlap longer than a statement may take.
//! * A store that cannot answer says [`StoreError::Unavailable`] within a few seconds and never guesses. Conflicts that a
//!   retry mends (serialisation failures, deadlocks, a busy file) are retried inside, with a bound.
//!
//! A backend proves this by running the suite in `conformance` (feature `conformance`).

#[cfg(feature = "conformance")]
pub mod conformance;
mod listing;
mod memory;
pub(crate) mod methods;

use std::fmt;

use async_trait::async_trait;

pub use self::listing::{BlockQuery, ClientUse, ClientUseQuery, FunnelSumQuery, PlatformUse};
pub use self::memory::MemoryStore;
use crate::client::{ClientId, ImportedClient, Platform, SoftwareKey, StoredClient};
use crate::clock::Timestamp;
use crate::record::{Actor, Event, EventKind, FunnelCount, Reference, RequestRecord, Step};
use crate::seal::Secret;
use crate::session::{Connection, ConnectionId, EventId, Generation, RequestId, Session, SessionId, User, UserId};

/// What went wrong in the store. Never the client's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, is busy beyond its time-out, or is full. The same request may work later: `503`.
    #[error("the store is unavailable: {0}")]
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
    /// A row does not decode, or a statement failed that should not: a bug or a damaged database.
    #[error("the store is inconsistent: {0}")]
    Inconsistent(String),
}

/// A complete sign-in: what [`Store::sign_in`] writes.
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

/// How a [`Store::sign_in`] ended.
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

/// What [`Store::advance`] does to a session when it wins.
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

/// How a [`Store::advance`] ended. Losers get the row as it is now, so that the caller can tell a race from a replay.
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

/// One person's use of one software, as an older system knew it: what [`Store::import`] writes.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct Import {
    /// Inserted if there is no such user; otherwise untouched.
    pub user: User,
    /// The software; the connection is the one under `(user.id, software)`.
    pub software: SoftwareKey,
    /// The platform of a connection that has to be made.
    pub platform: Platform,
    /// The id of the connection, if it has to be made.
    pub new_connection: ConnectionId,
    /// The clients, each an alias of the connection and resolvable from now on. One that is there already is untouched.
    pub clients: Vec<ImportedClient>,
    /// `created_at` of a connection that has to be made, and the first use of the aliases.
    pub first_used_at: Timestamp,
    /// `last_sign_in_at` of a connection that has to be made, and the last use of the aliases.
    pub last_used_at: Timestamp,
    /// Written with the transaction if it changes anything, its `connection` filled in.
    pub event: Event,
}

/// What a [`Store::import`] changed. All zero and false: everything was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it")]
pub struct Imported {
    /// The connection.
    pub connection: ConnectionId,
    /// Whether the user was new.
    pub new_user: bool,
    /// Whether the connection was new.
    pub new_connection: bool,
    /// Client ids that the connection did not have.
    pub new_aliases: u64,
    /// Client ids that did not resolve by an import before.
    pub new_clients: u64,
}

impl Imported {
    /// Whether anything was written.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.new_user || self.new_connection || self.new_aliases > 0 || self.new_clients > 0
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

/// What [`Store::put_client`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct PutClient {
    /// The row as it will be.
    pub client: StoredClient,
    /// The version of the row that it replaces; `None` if there must be none.
    pub instead_of: Option<u32>,
    /// Written with the transaction.
    pub event: Event,
}

/// Under which a user's upstream token is kept: a digest of the upstream application and the scope set.
pub type UpstreamTokenKey = [u8; 32];

/// Names one state of an upstream token: random, minted with each write, so that a row that was deleted and made anew is
/// never taken for the old one.
pub type UpstreamTokenVersion = [u8; 16];

/// What one user may have from the upstream provider, as one row: for each user and key at most one.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct StoredUpstreamToken {
    /// The tokens, sealed by the engine. Up to 64 KiB.
    pub sealed: Vec<u8>,
    /// Of this state of the row.
    pub version: UpstreamTokenVersion,
    /// Until then one caller, and nobody else, asks the provider for the next one. A time that is over: nobody does.
    pub leased_until: Timestamp,
    /// When the provider last gave these tokens, and so vouched for the user.
    pub refreshed_at: Timestamp,
}

impl fmt::Debug for StoredUpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredUpstreamToken")
            .field("leased_until", &self.leased_until)
            .field("refreshed_at", &self.refreshed_at)
            .finish_non_exhaustive()
    }
}

/// An upstream token as it is written: nobody holds a lease on it afterwards.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct PutUpstreamToken {
    /// Under which key of its user.
    pub key: UpstreamTokenKey,
    /// The tokens, sealed by the engine.
    pub sealed: Vec<u8>,
    /// Of the row as it will be.
    pub version: UpstreamTokenVersion,
    /// When the provider gave them.
    pub refreshed_at: Timestamp,
}

impl fmt::Debug for PutUpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutUpstreamToken").field("refreshed_at", &self.refreshed_at).finish_non_exhaustive()
    }
}

/// Asks for the sole right to refresh an upstream token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate read every field of it")]
pub struct UpstreamLease {
    /// The row must be in this state.
    pub version: UpstreamTokenVersion,
    /// Now: a lease that ends at or before it has lapsed.
    pub now: Timestamp,
    /// Becomes the end of the lease.
    pub until: Timestamp,
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

/// What [`Store::erase`] does.
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

/// What a [`Store::erase`] changed. Nothing: nothing was known of that user, and nothing was written.
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

/// Where the engine keeps what it must remember. See the [module](self) for the contract.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// In one transaction: refuse if blocked; upsert the user; find or make the connection; record the presented id as
    /// an alias; insert the session; end the sessions above the cap; write the upstream token; write the events.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError>;

    /// One session with its user.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError>;

    /// Compare-and-swap of the session's generation, if it is alive at `advance.now`.
    ///
    /// # Errors
    /// [`StoreError`]; then the counter did not move, or it moved and the answer was lost: the caller's grace covers it.
    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError>;

    /// Like [`Store::advance`], for a refresh token whose generation is *ahead* of the row: moves the session past it. The
    /// session must not have ended, and `now` must be before its absolute end; that its row has lapsed otherwise does not
    /// count, since the row is older than the token.
    ///
    /// # Errors
    /// [`StoreError`]; then the counter did not move, or it moved and the answer was lost: the caller's grace covers it.
    async fn catch_up(&self, id: SessionId, catch_up: CatchUp) -> Result<Advanced, StoreError>;

    /// Ends every session of the target that has not ended yet, and writes the event if there was one. Users of whom none
    /// is alive then lose their upstream tokens, in the same transaction. Answers which ended.
    ///
    /// # Errors
    /// [`StoreError`]; then none ended.
    async fn revoke(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError>;

    /// Blocks the target: like [`Store::revoke`], and no sign-in of it succeeds until it is unblocked. The event is written
    /// if the block is new or a session ended. A session cannot be blocked, only ended; for it this is a revocation.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn block(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError>;

    /// Lifts a block and writes `event` if there was one. Sessions that it ended stay ended. Answers whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unblock(&self, target: &Target, event: Event) -> Result<bool, StoreError>;

    /// The kind of the first of `targets`, in the given order, that is blocked. A session is never blocked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn blocked(&self, targets: &[Target]) -> Result<Option<BlockKind>, StoreError>;

    /// What is blocked, in the order that [`BlockQuery`] says.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn blocks(&self, query: &BlockQuery) -> Result<Vec<Target>, StoreError>;

    /// Sessions whose end was stamped at or after `since`; those that an erasure took away included.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError>;

    /// In one transaction: inserts the user, the connection, its aliases and the clients, as far as they are not there
    /// yet, and writes the event if one of them was not. Aliases of imported clients do not count towards the cap of
    /// [`SignIn::max_aliases`].
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn import(&self, import: Import) -> Result<Imported, StoreError>;

    /// The client that was imported under this id, byte for byte.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, StoreError>;

    /// Whether a client was imported at all. Where that is more than a glance, `true` will do: then each id is looked up
    /// that somebody brings with a token that is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn has_imported_clients(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// The row of this client id, byte for byte: pinned, changed or deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError>;

    /// Whether there are such rows at all. Where that is more than a glance, `true` will do: then each id is looked up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Those rows, in the order of the bytes of their ids, after `after`; at most `limit`, which stores clamp to 1 to 1,000.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<StoredClient>, StoreError>;

    /// Inserts the row if there is none and `change.instead_of` is `None`, or replaces the one whose version that is, and
    /// writes the event. Answers whether it did: of several changes of one version exactly one does.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn put_client(&self, change: PutClient) -> Result<bool, StoreError>;

    /// Deletes the row of a pinned client and writes the event. Answers whether there was one; rows of another kind stay.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn unpin_client(&self, id: &ClientId, event: Event) -> Result<bool, StoreError>;

    /// Uses up something that counts once, named by a digest of it, and remembers that until `until` at least. Answers
    /// whether it was unused: of any number of concurrent calls exactly one is told so (I-12).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_up(&self, id: &[u8; 32], until: Timestamp) -> Result<bool, StoreError>;

    /// Opens the recovery window until `until`, or closes it with a time that is over, and writes `event`. See
    /// [`Operator::open_recovery`](crate::Operator::open_recovery).
    ///
    /// # Errors
    /// [`StoreError`]; then the window is as it was.
    async fn open_recovery(&self, until: Timestamp, event: Event) -> Result<(), StoreError>;

    /// Until when the recovery window is open, or was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn recovery_until(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Users, in the order of their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError>;

    /// A user's connections with their aliases, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError>;

    /// One connection with its aliases.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError>;

    /// A connection's sessions, oldest first, ended ones included until they are swept.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sessions_of(&self, connection: ConnectionId) -> Result<Vec<Session>, StoreError>;

    /// Row counts.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Sessions by state at `now`, and the users with the most live ones.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn census(&self, now: Timestamp) -> Result<Census, StoreError>;

    /// How client ids are used, in the order of the bytes of the ids: each that a connection has as an alias. One that all of
    /// its connections forgot ([`SignIn::max_aliases`]) is not among them, whatever its sessions still do.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn client_uses(&self, query: &ClientUseQuery) -> Result<Vec<ClientUse>, StoreError>;

    /// How platforms are used, in the order of the bytes of their names: each that a connection or a live session is of.
    /// Reads all of both: for operators, and for no request of a stranger.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn platform_uses(&self, now: Timestamp) -> Result<Vec<PlatformUse>, StoreError>;

    /// Writes one event that belongs to no other transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record(&self, event: Event) -> Result<(), StoreError>;

    /// Reads events, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError>;

    /// In one transaction: deletes the user with their connections, aliases and sessions; on every event of the user, of one
    /// of the connections or of one of the sessions, puts `marker` in the place of the user and takes connection, session
    /// and client id away; puts it in the place of the user where they are the actor; and writes the event if there was
    /// anything. The sessions are in the feed of [`Store::revocations_since`] until they are swept. Blocks stay: of a user
    /// they hold a hash, and who was kept out is not let in by this.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written.
    async fn erase(&self, erasure: Erasure) -> Result<Erased, StoreError>;

    /// Adds to the funnel counts, whole or not at all. No two of `counts` are of the same hour, platform, step and outcome.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was added, or it was and the answer was lost.
    async fn add_counts(&self, counts: &[FunnelCount]) -> Result<(), StoreError>;

    /// Reads funnel counts.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn funnel(&self, query: &FunnelQuery) -> Result<Vec<FunnelCount>, StoreError>;

    /// Sums of the funnel counts of each piece of time, platform, step and outcome, in this order; their
    /// [`hour`](FunnelCount::hour) is when the piece begins.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn funnel_sums(&self, query: &FunnelSumQuery) -> Result<Vec<FunnelCount>, StoreError>;

    /// Deletes at most `limit` events of before `before`, and at most as many funnel counts of hours that began before then.
    /// A recovery of a session that is still there stays: the token endpoint asks for it. Answers how many events; fewer
    /// than `limit` means that no more were left.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep_record(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// Adds requests to the history. One whose id is there already is left alone, so that a batch may be tried again.
    ///
    /// # Errors
    /// [`StoreError`]; then none was added.
    async fn add_requests(&self, requests: &[RequestRecord]) -> Result<(), StoreError>;

    /// Requests of the history, newest first: by their ids, which are ordered by time.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn requests(&self, query: &RequestQuery) -> Result<Vec<RequestRecord>, StoreError>;

    /// Deletes at most `limit` requests whose ids are before `before`. Answers how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep_requests(&self, before: RequestId, limit: u32) -> Result<u32, StoreError>;

    /// The upstream token that the user has under this key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
    ) -> Result<Option<StoredUpstreamToken>, StoreError>;

    /// Gives out the sole right to refresh an upstream token, if its row is in that state and nobody has it: of any number of
    /// concurrent calls exactly one is told so (I-12).
    ///
    /// # Errors
    /// [`StoreError`]; then nobody has it, or it was given out and lapses.
    async fn lease_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        lease: UpstreamLease,
    ) -> Result<bool, StoreError>;

    /// Replaces the user's upstream token, if there is one and it is in the state `instead_of`. Answers whether it was: it is
    /// not if the user signed in anew or was signed out meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; then it is the old one or the new one.
    async fn replace_upstream_token(
        &self,
        user: &UserId,
        instead_of: &UpstreamTokenVersion,
        token: PutUpstreamToken,
    ) -> Result<bool, StoreError>;

    /// Deletes the user's upstream token, if it is in this state. Answers whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn drop_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        version: &UpstreamTokenVersion,
    ) -> Result<bool, StoreError>;

    /// Deletes at most `limit` sessions that lapsed or ended before `before`; at most ten times as many uses that need not be
    /// remembered since then, and as many ends of sessions that were erased before then; and the upstream tokens from before
    /// it of users whose last session lapsed before it (one that was ended took them along). Answers how many sessions; fewer
    /// than `limit` means that no more were left.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError>;

    /// The secret that the store keeps, or `candidate`, kept from now on. Concurrent first calls agree on one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError>;
}
