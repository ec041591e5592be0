//! A store that hangs: bearer checks wait for one attempt, not each for its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{MemoryStore, Store, StoreError};
use dcr_core::testing::{ManualClock, Person, StubProvider};
use dcr_core::{DcrEngine, Reason, Resource};
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
impl Route for Hanging {
    fn store(&self) -> &dyn Store {
        &self.memory
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        if method != "revocations_since" || !self.hangs.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.attempts.fetch_add(1, Ordering::SeqCst);
        // Everybody else comes to wait behind this one.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.clock.advance(Duration::from_secs(5));
        Err(StoreError::Unavailable("timed out".into()))
    }
}

#[tokio::test]
async fn those_who_waited_for_a_reader_that_failed_do_not_each_try_again() {
    let clock = ManualClock::at(1_790_000_000);
    let store = Arc::new(Routed(Hanging {
        memory: MemoryStore::new(),
        clock: clock.clone(),
        hangs: false.into(),
        attempts: AtomicU32::new(0),
    }));
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

    store.0.hangs.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(10));
    let check = || {
        let (engine, headers) = (engine.clone(), headers.clone());
        tokio::spawn(async move { engine.authenticate(&headers, None).await.map_err(|refusal| refusal.reason()) })
    };
    let checks: Vec<_> = (0..50).map(|_| check()).collect();
    for check in checks {
        assert!(check.await.unwrap().is_ok(), "fifteen seconds of silence are borne");
    }
    assert_eq!(store.0.attempts.load(Ordering::SeqCst), 1);

    clock.advance(Duration::from_secs(50));
    let checks: Vec<_> = (0..50).map(|_| check()).collect();
    for check in checks {
        assert_eq!(check.await.unwrap(), Err(Reason::StoreUnavailable), "more than a minute is not");
    }
    assert_eq!(store.0.attempts.load(Ordering::SeqCst), 2);

    store.0.hangs.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(2));
    assert!(check().await.unwrap().is_ok());
}
