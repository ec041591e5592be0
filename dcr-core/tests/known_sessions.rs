//! What this process wrote last of a session is not read again before the counter moves. Whatever others did meanwhile, the
//! row decides.

mod support;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::record::EventKind;
use dcr_core::session::SessionId;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{EventQuery, MemoryStore, Store, StoreError};
use dcr_core::{Clock as _, Secret};
use support::*;

/// A database that may be put back to a copy, and how often a session was read.
#[derive(Debug, Default)]
struct Restorable {
    before: Arc<MemoryStore>,
    after: OnceLock<MemoryStore>,
    reads: AtomicUsize,
}

#[async_trait]
impl Route for Restorable {
    fn store(&self) -> &dyn Store {
        self.after.get().unwrap_or(&self.before)
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        if method == "session" {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

async fn world(store: &Arc<Routed<Restorable>>) -> World {
    World::with(|builder| builder.store(store.clone()).secrets(vec![Secret::from_bytes([1; 32])], vec![])).await
}

fn session(tokens: &Tokens) -> SessionId {
    claims(&tokens.access)["sid"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_code_and_its_refresh_tokens_move_without_a_read() {
    let store = Arc::new(Routed(Restorable::default()));
    let world = world(&store).await;
    let id = world.public_client(&[L]).await;
    let mut held = world.sign_in(&id, L, "Ada").await;
    for generation in 2..6 {
        held = tokens(&world.refresh(&id, &held.refresh).await);
        assert_eq!(store.0.before.session(session(&held)).await.unwrap().unwrap().session.generation.get(), generation);
    }
    // The callback asked whether it had come before.
    let reads = || store.0.reads.load(Ordering::SeqCst);
    assert_eq!(reads(), 1);
    // What is bound is compared as ever, and what is superseded is read.
    assert_error(&world.refresh("dcr1_another", &held.refresh).await, 400, "invalid_grant");
    assert_eq!(reads(), 1);
    let next = tokens(&world.refresh(&id, &held.refresh).await);
    assert_eq!(tokens(&world.refresh(&id, &held.refresh).await).refresh, next.refresh);
    assert_eq!(reads(), 2);
}

#[tokio::test]
async fn a_session_that_another_process_moved_or_ended_is_as_its_row_says() {
    let store = Arc::new(Routed(Restorable::default()));
    let (one, other) = (world(&store).await, world(&store).await);
    let id = one.public_client(&[L]).await;
    let first = one.sign_in(&id, L, "Ada").await;
    let second = tokens(&other.refresh(&id, &first.refresh).await);
    let third = tokens(&other.refresh(&id, &second.refresh).await);
    // RT-03: of an older generation, inside the grace.
    assert_error(&one.refresh(&id, &first.refresh).await, 400, "invalid_grant");
    assert_eq!(tokens(&one.refresh(&id, &second.refresh).await).refresh, third.refresh);
    let fourth = tokens(&one.refresh(&id, &third.refresh).await);
    // I-6: ended elsewhere, and this process has not heard of it.
    other.form("/oauth/revoke", &[("token", &fourth.refresh), ("client_id", &id)], &[]).await;
    assert_error(&one.refresh(&id, &fourth.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn rt_03_a_replay_ends_a_session_that_another_process_moved() {
    let store = Arc::new(Routed(Restorable::default()));
    let (one, other) = (world(&store).await, world(&store).await);
    let id = one.public_client(&[L]).await;
    let first = one.sign_in(&id, L, "Ada").await;
    let second = tokens(&other.refresh(&id, &first.refresh).await);
    one.test.clock().advance(Duration::from_secs(31));
    assert_error(&one.refresh(&id, &first.refresh).await, 400, "invalid_grant");
    assert_error(&other.refresh(&id, &second.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_row_that_went_back_under_a_running_server_is_told_apart_from_a_replay() {
    for is_open in [false, true] {
        let store = Arc::new(Routed(Restorable::default()));
        let world = world(&store).await;
        let id = world.public_client(&[L]).await;
        let first = world.sign_in(&id, L, "Ada").await;
        let copy = store.0.before.backup();
        let second = tokens(&world.refresh(&id, &first.refresh).await);
        let third = tokens(&world.refresh(&id, &second.refresh).await);
        store.0.after.set(copy).unwrap();
        if is_open {
            let until = world.test.clock().now() + Duration::from_secs(3_600);
            world.engine.operator().open_recovery(until).await.unwrap();
            let level = tokens(&world.refresh(&id, &third.refresh).await);
            tokens(&world.refresh(&id, &level.refresh).await);
        } else {
            assert_error(&world.refresh(&id, &third.refresh).await, 400, "invalid_grant");
        }
        let kind = if is_open { EventKind::Recovered } else { EventKind::Anomaly };
        let events = store.events(&EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap();
        let told = |kind| events.iter().filter(|event| event.kind == kind && event.reason == "refresh_ahead").count();
        assert_eq!(told(kind), 1, "{events:?}");
        let row = store.session(session(&first)).await.unwrap().unwrap().session;
        assert!(row.ended.is_none());
    }
}
