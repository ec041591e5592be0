//! The key ring over whole flows: rotation without an outage, retirement, loss.

mod support;

use std::sync::Arc;

use dcr_core::store::MemoryStore;
use dcr_core::{ConfigError, DcrEngine, Resource, Secret, SystemRandom, testing};
use serde_json::json;
use support::*;

fn secret(n: u8) -> Secret {
    Secret::from_bytes([n; 32])
}

/// A server on this store with these secrets.
async fn server(store: &Arc<MemoryStore>, active: &[u8], retired: &[u8]) -> World {
    let all = |list: &[u8]| list.iter().map(|n| secret(*n)).collect::<Vec<_>>();
    let store = store.clone();
    // Several servers on one store must not share one seeded random sequence.
    let random = Arc::new(SystemRandom);
    World::with(|builder| builder.store(store).random(random).secrets(all(active), all(retired))).await
}

#[tokio::test]
async fn everything_survives_each_step_of_a_rotation() {
    let store = Arc::new(MemoryStore::new());
    let old = server(&store, &[1], &[]).await;
    let registered =
        body(&old.register(&json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"})).await);
    let (id, client_secret) =
        (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
    let public = old.public_client(&[L]).await;
    let mut tokens = old.sign_in(&public, L, "Ada").await;

    // Added last, then moved first: at every moment any replica serves what another has sealed.
    for (step, (a, b)) in [(&[1][..], &[1, 2][..]), (&[1, 2], &[2, 1]), (&[2, 1], &[1, 2])].into_iter().enumerate() {
        let (one, other) = (server(&store, a, &[]).await, server(&store, b, &[]).await);
        // A replica that does not have the new secret yet meets nothing that is sealed with it.
        let (first, second) = if step == 0 { (&one, &other) } else { (&other, &one) };
        let mut browser = Browser::default();
        let page = first.authorize(&mut browser, &request_for(&public, L)).await;
        let sent = second.decide(&mut browser, &page, "approve").await;
        let state = query_of(&location(&sent))["state"].clone();
        let back = first.callback(&mut browser, &state, "Ada").await;
        let code = query_of(&location(&back))["code"].clone();
        let fresh = support::tokens(&second.token(&redemption(&public, L, &code)).await);
        assert!(first.accepts(&fresh.access).await && second.accepts(&fresh.access).await);
        assert!(second.accepts(&tokens.access).await);
        tokens = support::tokens(&second.refresh(&public, &tokens.refresh).await);
    }

    // Retired: client ids and their derived secrets go on, nothing else does.
    let retired = server(&store, &[2], &[1]).await;
    let old_tokens = old.sign_in(&public, L, "Ada").await;
    assert!(!retired.accepts(&old_tokens.access).await);
    assert_error(&retired.refresh(&public, &old_tokens.refresh).await, 400, "invalid_grant");
    retired.sign_in(&public, L, "Ada").await;
    let code = retired.code(id, P, "Ada").await;
    let mut fields = redemption(id, P, &code);
    fields.push(("client_secret", client_secret));
    support::tokens(&retired.token(&fields).await);
}

/// SR-16: a session goes on with tokens of the new secret, while what it remembers was hashed with the old one.
#[tokio::test]
async fn a_remembered_client_secret_outlives_the_retirement_of_the_key_that_hashed_it() {
    let store = Arc::new(MemoryStore::new());
    let old = server(&store, &[1], &[]).await;
    let code = old.code(U, P, "Ada").await;
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let before = tokens(&old.token(&fields).await);
    let refresh = async |world: &World, refresh: &str, secret: &str| {
        let fields = [("grant_type", "refresh_token"), ("client_id", U), ("refresh_token", refresh)];
        world.token(&change(&fields, "client_secret", secret)).await
    };
    let moved = server(&store, &[2, 1], &[]).await;
    let during = tokens(&refresh(&moved, &before.refresh, "s1").await);
    let retired = server(&store, &[2], &[1]).await;
    assert_error(&refresh(&retired, &during.refresh, "").await, 401, "invalid_client");
    assert_error(&refresh(&retired, &during.refresh, "s2").await, 401, "invalid_client");
    tokens(&refresh(&retired, &during.refresh, "s1").await);
}

/// "So nothing an operator can lose locks platform and loopback clients out for good."
#[tokio::test]
async fn with_the_key_gone_an_old_id_is_adopted_with_a_platforms_redirect() {
    let id = server(&Arc::new(MemoryStore::new()), &[1], &[]).await.public_client(&[P]).await;
    let lost = server(&Arc::new(MemoryStore::new()), &[2], &[]).await;
    let tokens = lost.sign_in(&id, P, "Ada").await;
    assert_eq!(claims(&tokens.access)["client_id"], id);
    assert_page(&lost.authorize(&mut Browser::default(), &request_for(&id, E)).await);
}

#[tokio::test]
async fn a_public_url_needs_a_secret_from_outside_its_database() {
    let builder = |url: &str| {
        DcrEngine::builder(url)
            .resource(Resource::new("/mcp", "Test").scope("mcp", "Use it"))
            .store(Arc::new(MemoryStore::new()))
            .provider(Arc::new(testing::StubProvider))
    };
    assert!(matches!(builder("https://mcp.example").build().await, Err(ConfigError::NoSecret)));
    assert!(builder("https://mcp.example").secret_from_store().build().await.is_ok());
    assert!(builder("http://127.0.0.1:8080").build().await.is_ok());
    assert!(matches!(builder("http://mcp.example").build().await, Err(ConfigError::PublicUrl { .. })));
    let twice = builder("https://mcp.example").secrets(vec![secret(1), secret(2)], vec![secret(1)]);
    assert!(matches!(twice.build().await, Err(ConfigError::Keys(_))));
}
