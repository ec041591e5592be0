//! A store that fails when it is told to: the n-th call from then on, before it has an effect or after it (a lost answer).

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use dcr_core::record::{Event, FunnelCount};
use dcr_core::session::{Connection, ConnectionId, Session, SessionId, User, UserId};
use dcr_core::store::{
    Advance, Advanced, BlockKind, CatchUp, Census, Counts, Ending, Erased, Erasure, EventQuery, FunnelQuery, Import,
    Imported, PutClient, PutUpstreamToken, Revocation, SessionView, SignIn, SignedIn, Store, StoreError,
    StoredUpstreamToken, Target, UpstreamLease, UpstreamTokenKey, UpstreamTokenVersion, UserQuery,
};
use dcr_core::{ClientId, ImportedClient, Secret, StoredClient, Timestamp};

const OFF: u8 = 0;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// The real store behind a switch. It counts the calls that it lets through.
#[derive(Debug)]
pub struct FaultyStore {
    store: Arc<dyn Store>,
    mode: AtomicU8,
    left: AtomicU64,
    fired: Mutex<Option<&'static str>>,
}

impl FaultyStore {
    /// In front of `store`, switched off.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, mode: AtomicU8::new(OFF), left: AtomicU64::new(0), fired: Mutex::new(None) })
    }

    /// The real store.
    #[must_use]
    pub fn real(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The call after `calls` others fails.
    pub fn arm(&self, calls: u8, after: bool) {
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.left.store(u64::from(calls), Ordering::SeqCst);
        self.mode.store(if after { AFTER } else { BEFORE }, Ordering::SeqCst);
    }

    /// Switches it off; which call failed, if there were as many.
    pub fn disarm(&self) -> Option<&'static str> {
        self.mode.store(OFF, Ordering::SeqCst);
        self.fired.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mode = self.mode.load(Ordering::SeqCst);
        if mode == OFF || self.left.load(Ordering::SeqCst) > 0 {
            if mode != OFF {
                self.left.fetch_sub(1, Ordering::SeqCst);
            }
            return call.await;
        }
        self.mode.store(OFF, Ordering::SeqCst);
        *self.fired.lock().unwrap_or_else(PoisonError::into_inner) = Some(name);
        if mode == AFTER {
            call.await?;
        }
        Err(StoreError::Unavailable("the model said so".into()))
    }
}

macro_rules! all_methods {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.call(stringify!($name), self.store.$name($($argument),*)).await
            })*
        }
    };
}

all_methods! {
    sign_in(sign_in: SignIn) -> SignedIn;
    session(id: SessionId) -> Option<SessionView>;
    advance(id: SessionId, advance: Advance) -> Advanced;
    catch_up(id: SessionId, catch_up: CatchUp) -> Advanced;
    revoke(ending: Ending) -> Vec<SessionId>;
    block(ending: Ending) -> Vec<SessionId>;
    unblock(target: &Target, event: Event) -> bool;
    blocked(targets: &[Target]) -> Option<BlockKind>;
    revocations_since(since: Timestamp) -> Vec<Revocation>;
    import(import: Import) -> Imported;
    imported_client(id: &ClientId) -> Option<ImportedClient>;
    has_imported_clients() -> bool;
    client(id: &ClientId) -> Option<StoredClient>;
    has_clients() -> bool;
    clients(after: Option<&ClientId>, limit: u32) -> Vec<StoredClient>;
    put_client(change: PutClient) -> bool;
    unpin_client(id: &ClientId, event: Event) -> bool;
    use_up(id: &[u8; 32], until: Timestamp) -> bool;
    open_recovery(until: Timestamp, event: Event) -> ();
    recovery_until() -> Option<Timestamp>;
    users(query: &UserQuery) -> Vec<User>;
    connections_of(user: &UserId) -> Vec<Connection>;
    connection(id: ConnectionId) -> Option<Connection>;
    sessions_of(connection: ConnectionId) -> Vec<Session>;
    counts() -> Counts;
    census(now: Timestamp) -> Census;
    record(event: Event) -> ();
    events(query: &EventQuery) -> Vec<Event>;
    erase(erasure: Erasure) -> Erased;
    add_counts(counts: &[FunnelCount]) -> ();
    funnel(query: &FunnelQuery) -> Vec<FunnelCount>;
    sweep_record(before: Timestamp, limit: u32) -> u32;
    upstream_token(user: &UserId, key: &UpstreamTokenKey) -> Option<StoredUpstreamToken>;
    lease_upstream_token(user: &UserId, key: &UpstreamTokenKey, lease: UpstreamLease) -> bool;
    replace_upstream_token(user: &UserId, instead_of: &UpstreamTokenVersion, token: PutUpstreamToken) -> bool;
    drop_upstream_token(user: &UserId, key: &UpstreamTokenKey, version: &UpstreamTokenVersion) -> bool;
    sweep(before: Timestamp, limit: u32) -> u32;
    keep_secret(candidate: Secret) -> Secret;
}
