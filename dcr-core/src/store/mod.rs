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
mod ending;
mod listing;
mod memory;
pub(crate) mod methods;
mod put;
mod query;
mod sign_in;
mod upstream_token;

use std::fmt;

use async_trait::async_trait;

pub use self::ending::{BlockKind, Ending, Erased, Erasure, Revocation, Target};
pub use self::listing::{BlockQuery, ClientUse, ClientUseQuery, FunnelSumQuery, PlatformUse};
pub use self::memory::MemoryStore;
pub use self::put::{Import, Imported, PutClient};
pub use self::query::{Census, Counts, EventQuery, FunnelQuery, RequestQuery, RequestsOf, UserMatch, UserQuery};
pub use self::sign_in::{Advance, Advanced, CatchUp, SessionView, SignIn, SignedIn};
pub use self::upstream_token::{
    PutUpstreamToken, StoredUpstreamToken, UpstreamLease, UpstreamTokenKey, UpstreamTokenVersion,
};
use crate::client::{ClientId, ImportedClient, StoredClient};
use crate::clock::Timestamp;
use crate::record::{Event, FunnelCount, RequestRecord};
use crate::seal::Secret;
use crate::session::{Connection, ConnectionId, RequestId, Session, SessionId, User, UserId};

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

    /// The secret that the store keeps, if it keeps one. Asked before a candidate is made: the first random number of a process
    /// may take as long as all the rest of its start.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn kept_secret(&self) -> Result<Option<Secret>, StoreError>;

    /// The secret that the store keeps, or `candidate`, kept from now on. Concurrent first calls agree on one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError>;
}
