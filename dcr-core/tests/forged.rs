//! What a stranger can make the database do with tokens that are none: nearly nothing.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::session::{User, UserId};
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{MemoryStore, Store, StoreError};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{ClientId, ImportedClient, ImportedUse, PlatformList, Timestamp};
use http::StatusCode;
use support::*;

const OLD: &str = "dcr_4F1c2A-old.id";

/// Memory that counts how often it is asked what.
#[derive(Debug, Default)]
struct Counting {
    memory: MemoryStore,
    calls: Mutex<BTreeMap<&'static str, u32>>,
}

#[async_trait]
impl Route for Counting {
    fn store(&self) -> &dyn Store {
        &self.memory
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
        Ok(())
    }
}

struct Counted {
    world: World,
    store: Arc<Routed<Counting>>,
}

impl Counted {
    async fn new() -> Self {
        let store = Arc::new(Routed(Counting::default()));
        let world = World::with(|builder| builder.store(store.clone())).await;
        Self { world, store }
    }

    /// What the store was asked since the last time that this was called.
    fn calls(&self) -> Vec<(&'static str, u32)> {
        std::mem::take(&mut *self.store.0.calls.lock().unwrap()).into_iter().collect()
    }

    async fn import(&self, id: &str) {
        let (client, _) = ImportedClient::new(ClientId::new(id).unwrap(), None, [P]).unwrap();
        let platforms = PlatformList::shipped();
        let use_of_it = ImportedUse {
            user: User {
                id: UserId::derive("https://idp.example", "test-tenant", "ada"),
                issuer: "https://idp.example".to_owned(),
                tenant: "test-tenant".to_owned(),
                object_id: "ada".to_owned(),
                name: None,
                email: None,
                groups: Groups::Unsaid,
                roles: Roles::default(),
            },
            software: client.software(&platforms),
            platform: client.platform(&platforms),
            clients: vec![client],
            first_used_at: Timestamp::from_unix_seconds(1_600_000_000),
            last_used_at: Timestamp::from_unix_seconds(1_700_000_000),
        };
        self.world.engine.operator().import(use_of_it).await.unwrap();
    }

    /// Forged tokens of every kind under this id. All are answered with this.
    async fn forge(&self, id: &str, status: u16, error: &str) {
        // One of our form, and one that another system may have given out.
        for token in ["dcrr1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "another system's"] {
            assert_error(&self.world.refresh(id, token).await, status, error);
            let code = token.replace("dcrr1_", "dcrc1_");
            assert_error(&self.world.token(&redemption(id, P, &code)).await, status, error);
            let revoked = self.world.form("/oauth/revoke", &[("client_id", id), ("token", token)], &[]).await;
            assert_eq!(revoked.status().as_u16(), if status == 401 { 401 } else { 200 });
        }
    }
}

#[tokio::test]
async fn forged_tokens_of_registered_clients_cost_no_read_at_all() {
    let counted = Counted::new().await;
    let id = counted.world.public_client(&[P]).await;
    counted.import(OLD).await;
    counted.calls();
    counted.forge(&id, 400, "invalid_grant").await;
    assert_eq!(counted.calls(), []);
}

#[tokio::test]
async fn forged_tokens_of_unknown_ids_cost_two_reads_together_where_no_client_is_a_row() {
    let counted = Counted::new().await;
    counted.calls();
    for n in 0..50 {
        counted.forge(&format!("unknown-{n}"), 401, "invalid_client").await;
    }
    assert_eq!(counted.calls(), [("has_clients", 1), ("has_imported_clients", 1)]);
}

#[tokio::test]
async fn where_there_are_imports_an_id_is_looked_up_once() {
    let counted = Counted::new().await;
    counted.import(OLD).await;
    counted.calls();
    for _ in 0..10 {
        counted.forge(U, 401, "invalid_client").await;
        counted.forge(OLD, 400, "invalid_grant").await;
    }
    assert_eq!(counted.calls(), [("has_clients", 1), ("has_imported_clients", 1), ("imported_client", 2)]);
    counted.world.test.clock().advance(Duration::from_secs(5));
    counted.forge(U, 401, "invalid_client").await;
    assert_eq!(counted.calls(), [("has_clients", 1), ("has_imported_clients", 1), ("imported_client", 1)]);
}

/// At authorize at once, elsewhere within seconds; and never the other way round, also when the clock is set back.
#[tokio::test]
async fn an_id_that_is_imported_while_a_server_runs_is_known_within_seconds() {
    for another in [false, true] {
        let counted = Counted::new().await;
        if another {
            counted.import("dcr_another.id").await;
        }
        counted.forge(OLD, 401, "invalid_client").await;
        counted.import(OLD).await;
        counted.world.sign_in(OLD, P, "Ada").await;
        let clock = counted.world.test.clock();
        clock.advance(Duration::from_secs(5));
        counted.forge(OLD, 400, "invalid_grant").await;

        counted.forge(U, 401, "invalid_client").await;
        clock.set_back(Duration::from_secs(3_600));
        counted.import(U).await;
        counted.forge(U, 400, "invalid_grant").await;
    }
}

/// The answer is the same whoever asks, so nobody is looked up.
#[tokio::test]
async fn revoking_another_clients_token_reads_its_session_and_no_more() {
    let counted = Counted::new().await;
    counted.import(OLD).await;
    let held = counted.world.sign_in(OLD, P, "Ada").await;
    counted.calls();
    let revoked = counted.world.form("/oauth/revoke", &[("client_id", U), ("token", &held.refresh)], &[]).await;
    assert_eq!(revoked.status(), StatusCode::OK);
    assert_eq!(counted.calls(), [("session", 1)]);
    assert!(counted.world.accepts(&held.access).await);
}
