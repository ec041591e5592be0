//! The bearer check and the revocation feed.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::store::{MemoryStore, Target};
use dcr_core::testing::{ManualClock, Person, StubProvider};
use dcr_core::{DcrEngine, Reason, Resource, ScopeSet, Secret};
use http::HeaderMap;
use support::*;

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("authorization", value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn rs_8_exactly_one_bearer_token_in_the_header() {
    let world = World::new().await;
    let good = format!("Bearer {}", world.sign_in(U, P, "Ada").await.access);
    let reason = |values: Vec<String>| {
        let engine = world.engine.clone();
        async move {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            engine.authenticate(&headers(&values), None).await.map_err(|refusal| refusal.reason())
        }
    };
    assert!(reason(vec![good.clone()]).await.is_ok());
    assert!(reason(vec![good.replace("Bearer", "bearer")]).await.is_ok());
    assert_eq!(reason(vec![]).await, Err(Reason::TokenMissing));
    assert_eq!(reason(vec!["Basic abc".to_owned()]).await, Err(Reason::TokenMissing));
    assert_eq!(reason(vec![good.clone(), good.clone()]).await, Err(Reason::TokenMalformed));
    assert_eq!(reason(vec!["Bearer".to_owned()]).await, Err(Reason::TokenMalformed));
    assert_eq!(reason(vec![format!("{good} x")]).await, Err(Reason::TokenMalformed));
    assert_eq!(reason(vec!["Bearer x".to_owned()]).await, Err(Reason::TokenInvalid));
}

#[tokio::test]
async fn the_challenge_says_where_the_metadata_is_and_what_to_ask_for() {
    let world = World::new().await;
    let none = ScopeSet::default();
    let refusal = world.engine.authenticate(&HeaderMap::new(), None).await.unwrap_err();
    assert_eq!(
        world.engine.challenge(&refusal, None, &none).unwrap(),
        "Bearer resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp mcp:admin\""
    );
    let ada = world.test.sign_in(&Person::named("Ada")).await;
    let few = ScopeSet::from_names(["mcp"]).unwrap();
    let narrow = world.engine.sign_in_for_tests(&Person::named("Ada"), Some(&few)).await.unwrap();
    let needed = ScopeSet::from_names(["mcp", "mcp:admin"]).unwrap();
    let ok = |value: http::HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", value);
        headers
    };
    assert!(world.engine.authorize_request(&ok(ada.authorization()), None, &needed).await.is_ok());
    let refusal = world.engine.authorize_request(&ok(narrow.authorization()), None, &needed).await.unwrap_err();
    assert_eq!(refusal.reason().status(), 403);
    let challenge = world.engine.challenge(&refusal, None, &needed).unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"mcp mcp:admin\"") && challenge.contains("resource_metadata="));
}

/// Two engines on one store and secret: two replicas.
async fn replicas() -> (DcrEngine, DcrEngine, Arc<MemoryStore>, Arc<ManualClock>) {
    let store = Arc::new(MemoryStore::new());
    let clock = ManualClock::at(1_790_000_000);
    let engine = || {
        DcrEngine::builder("https://mcp.example")
            .resource(Resource::new("/mcp", "Test").scope("mcp", "Use it"))
            .resource(Resource::new("/other", "Other").scope("other", "Use the other"))
            .store(store.clone())
            .provider(Arc::new(StubProvider))
            .secrets(vec![Secret::from_bytes([9; 32])], vec![])
            .clock(clock.clone())
            .build()
    };
    (engine().await.unwrap(), engine().await.unwrap(), store, clock)
}

#[tokio::test]
async fn a_revocation_is_seen_at_once_here_and_within_five_seconds_elsewhere() {
    let (here, there, _, clock) = replicas().await;
    let ada = here.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    assert!(there.authenticate(&headers, None).await.is_ok());
    here.revoke_sessions(&Target::User(ada.principal().user_id().clone()), "stolen laptop").await.unwrap();
    let reason = |result: Result<_, dcr_core::Refusal>| result.map(|_: dcr_core::Principal| ()).map_err(|r| r.reason());
    assert_eq!(reason(here.authenticate(&headers, None).await), Err(Reason::TokenRevoked));
    clock.advance(Duration::from_secs(1));
    assert_eq!(reason(there.authenticate(&headers, None).await), Err(Reason::TokenRevoked), "five with a busy feed");
}

#[tokio::test]
async fn a_silent_store_is_trusted_for_a_minute_and_then_checks_are_503() {
    let (_, there, store, clock) = replicas().await;
    let ada = there.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    store.fail(true);
    clock.advance(Duration::from_secs(59));
    assert!(there.authenticate(&headers, None).await.is_ok(), "no read in the common case, and silence is short");
    clock.advance(Duration::from_secs(2));
    let refusal = there.authenticate(&headers, None).await.unwrap_err();
    assert_eq!(refusal.reason(), Reason::StoreUnavailable);
    assert_eq!(there.challenge(&refusal, None, &ScopeSet::default()), None);
    store.fail(false);
    clock.advance(Duration::from_secs(2));
    assert!(there.authenticate(&headers, None).await.is_ok());
}

/// RS-01, RS-1
#[tokio::test]
async fn a_token_is_for_its_own_resource() {
    let (engine, ..) = replicas().await;
    let ada = engine.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    for resource in [None, Some("https://mcp.example/mcp"), Some("https://mcp.example/mcp/")] {
        let who = engine.authenticate(&headers, resource).await.unwrap();
        assert!(!who.is_machine() && who.connection().is_some() && who.session().is_some());
    }
    for resource in [Some("https://mcp.example/other"), Some("https://mcp.example"), Some("")] {
        assert_eq!(engine.authenticate(&headers, resource).await.unwrap_err().reason(), Reason::TokenInvalid);
    }
}

#[tokio::test]
async fn a_token_lapses_also_when_it_is_cached() {
    let (engine, _, _, clock) = replicas().await;
    let ada = engine.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    clock.advance(Duration::from_secs(899));
    assert!(engine.authenticate(&headers, None).await.is_ok());
    clock.advance(Duration::from_secs(1));
    assert_eq!(engine.authenticate(&headers, None).await.unwrap_err().reason(), Reason::TokenExpired);
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_no_revocation() {
    let (here, there, _, clock) = replicas().await;
    let ada = here.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    assert!(there.authenticate(&headers, None).await.is_ok());
    // Both replicas follow the same time source, which was ahead by three seconds.
    clock.set_back(Duration::from_secs(3));
    here.revoke_sessions(&Target::User(ada.principal().user_id().clone()), "test").await.unwrap();
    assert_eq!(there.authenticate(&headers, None).await.unwrap_err().reason(), Reason::TokenRevoked);
}
