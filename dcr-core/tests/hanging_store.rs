//! A store that hangs: bearer checks wait for one attempt, not each for its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::record::Event;
use dcr_core::session::{Connection, ConnectionId, Session, SessionId, UserId};
use dcr_core::store::{
    Advance, Advanced, BlockKind, Counts, EventQuery, MemoryStore, Revocation, SessionView, SignIn, SignedIn, Store,
    StoreError, Target,
};
use dcr_core::testing::{ManualClock, Person, StubProvider};
use dcr_core::{DcrEngine, Reason, Resource, Secret, Timestamp};
use http::HeaderMap;

/// Memory, but the revocation feed hangs for five seconds of the test's clock and then fails.
#[derive(Debug)]
struct Hanging {
    memory: MemoryStore,
    clock: Arc<ManualClock>,
    hangs: std::sync::atomic::AtomicBool,
    attempts: AtomicU32,
}

#[async_trait]
impl Store for Hanging {
    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        if !self.hangs.load(Ordering::SeqCst) {
            return self.memory.revocations_since(since).await;
        }
        self.attempts.fetch_add(1, Ordering::SeqCst);
        // Everybody else comes to wait behind this one.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.clock.advance(Duration::from_secs(5));
        Err(StoreError::Unavailable("timed out".into()))
    }

    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        self.memory.sign_in(sign_in).await
    }
    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        self.memory.session(id).await
    }
    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError> {
        self.memory.advance(id, advance).await
    }
    async fn revoke(&self, t: &Target, r: &str, now: Timestamp, e: Event) -> Result<Vec<SessionId>, StoreError> {
        self.memory.revoke(t, r, now, e).await
    }
    async fn block(&self, t: &Target, r: &str, now: Timestamp, e: Event) -> Result<Vec<SessionId>, StoreError> {
        self.memory.block(t, r, now, e).await
    }
    async fn unblock(&self, target: &Target, event: Event) -> Result<bool, StoreError> {
        self.memory.unblock(target, event).await
    }
    async fn blocked(&self, targets: &[Target]) -> Result<Option<BlockKind>, StoreError> {
        self.memory.blocked(targets).await
    }
    async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        self.memory.connections_of(user).await
    }
    async fn sessions_of(&self, connection: ConnectionId) -> Result<Vec<Session>, StoreError> {
        self.memory.sessions_of(connection).await
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.memory.counts().await
    }
    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.memory.record(event).await
    }
    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        self.memory.events(query).await
    }
    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        self.memory.sweep(before, limit).await
    }
    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError> {
        self.memory.keep_secret(candidate).await
    }
}

#[tokio::test]
async fn those_who_waited_for_a_reader_that_failed_do_not_each_try_again() {
    let clock = ManualClock::at(1_790_000_000);
    let store = Arc::new(Hanging {
        memory: MemoryStore::new(),
        clock: clock.clone(),
        hangs: false.into(),
        attempts: AtomicU32::new(0),
    });
    let engine = DcrEngine::builder("https://mcp.example")
        .resource(Resource::new("/mcp", "Test").scope("mcp", "Use it"))
        .store(store.clone())
        .provider(Arc::new(StubProvider))
        .secret_from_store()
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let ada = engine.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());

    store.hangs.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(10));
    let check = || {
        let (engine, headers) = (engine.clone(), headers.clone());
        tokio::spawn(async move { engine.authenticate(&headers, None).await.map_err(|refusal| refusal.reason()) })
    };
    let checks: Vec<_> = (0..50).map(|_| check()).collect();
    for check in checks {
        assert!(check.await.unwrap().is_ok(), "fifteen seconds of silence are borne");
    }
    assert_eq!(store.attempts.load(Ordering::SeqCst), 1);

    clock.advance(Duration::from_secs(50));
    let checks: Vec<_> = (0..50).map(|_| check()).collect();
    for check in checks {
        assert_eq!(check.await.unwrap(), Err(Reason::StoreUnavailable), "more than a minute is not");
    }
    assert_eq!(store.attempts.load(Ordering::SeqCst), 2);

    store.hangs.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(2));
    assert!(check().await.unwrap().is_ok());
}
