//! Two stores that share nothing but the database, asked in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dcr_core::record::Event;
use dcr_core::session::{Connection, ConnectionId, Session, SessionId, UserId};
use dcr_core::store::{
    Advance, Advanced, BlockKind, Counts, EventQuery, Revocation, SessionView, SignIn, SignedIn, Store, StoreError,
    Target,
};
use dcr_core::{Secret, Timestamp};

/// What one wrote the other must see at once.
#[derive(Debug)]
pub(crate) struct TwoProcesses {
    stores: [Arc<dyn Store>; 2],
    next: AtomicUsize,
}

impl TwoProcesses {
    pub(crate) fn new(stores: [Arc<dyn Store>; 2]) -> Self {
        Self { stores, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &dyn Store {
        self.stores[self.next.fetch_add(1, Ordering::Relaxed) % 2].as_ref()
    }
}

#[async_trait]
impl Store for TwoProcesses {
    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        self.next().sign_in(sign_in).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        self.next().session(id).await
    }

    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError> {
        self.next().advance(id, advance).await
    }

    async fn revoke(
        &self,
        target: &Target,
        reason: &str,
        now: Timestamp,
        event: Event,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.next().revoke(target, reason, now, event).await
    }

    async fn block(
        &self,
        target: &Target,
        reason: &str,
        now: Timestamp,
        event: Event,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.next().block(target, reason, now, event).await
    }

    async fn unblock(&self, target: &Target, event: Event) -> Result<bool, StoreError> {
        self.next().unblock(target, event).await
    }

    async fn blocked(&self, targets: &[Target]) -> Result<Option<BlockKind>, StoreError> {
        self.next().blocked(targets).await
    }

    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        self.next().revocations_since(since).await
    }

    async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        self.next().connections_of(user).await
    }

    async fn sessions_of(&self, connection: ConnectionId) -> Result<Vec<Session>, StoreError> {
        self.next().sessions_of(connection).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.next().counts().await
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.next().record(event).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        self.next().events(query).await
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.next().sweep(before, limit).await
    }

    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError> {
        self.next().keep_secret(candidate).await
    }
}
