//! The flow as real clients run it, and the three failures of the first generation.

mod support;

use dcr_core::Platform;
use dcr_core::record::{Event, EventKind};
use dcr_core::store::{Counts, EventQuery, Store as _, Target};
use http::StatusCode;
use serde_json::json;
use support::*;

#[tokio::test]
async fn a_registered_client_signs_in_calls_refreshes_and_revokes() {
    let world = World::new().await;
    let id = world.public_client(&[L]).await;
    let first = world.sign_in(&id, L, "Ada").await;
    assert!(world.accepts(&first.access).await);
    let said = claims(&first.access);
    assert_eq!(said["client_id"], id.as_str());
    assert_eq!(said["aud"], RESOURCE);
    assert_eq!(said["iss"], ISSUER);
    assert!(said["sub"].as_str().unwrap().starts_with("usr_"));
    assert_eq!(first.body["scope"], "mcp mcp:admin");
    assert_eq!(first.body["expires_in"], 900);

    let second = tokens(&world.refresh(&id, &first.refresh).await);
    assert_ne!(second.refresh, first.refresh);
    assert!(world.accepts(&second.access).await);

    // REV-01
    let revoked = world.form("/oauth/revoke", &[("token", &second.refresh), ("client_id", &id)], &[]).await;
    assert_eq!(revoked.status(), StatusCode::OK);
    assert!(!world.accepts(&first.access).await);
    assert!(!world.accepts(&second.access).await);
    assert_error(&world.refresh(&id, &second.refresh).await, 400, "invalid_grant");
}

#[tokio::test]
async fn failure_1_what_nobody_finishes_leaves_no_row() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..1_000 {
        let redirect = format!("http://127.0.0.1:{}/cb{n}", 1_024 + n);
        let id = world.public_client(&[&redirect]).await;
        let page = world.authorize(&mut Browser::default(), &request_for(&id, &redirect)).await;
        assert_eq!(page.status(), StatusCode::OK);
        ids.push((id, redirect));
    }
    assert_eq!(world.test.memory().counts().await.unwrap(), Counts::default());
    // The ids still work, also for an engine that knows nothing but the secret.
    let (id, redirect) = &ids[500];
    world.sign_in(id, redirect, "Ada").await;
    assert_eq!(world.test.memory().counts().await.unwrap().sessions, 1);
}

/// ADOPT-01, and the commonest cause: the upstream application's id, pasted into the connector form (AD-16).
#[tokio::test]
async fn failure_2_an_id_that_the_server_never_saw_finishes_as_itself() {
    let world = World::new().await;
    for id in [U, "11111111-2222-3333-4444-555555555555"] {
        let tokens = world.sign_in(id, P, "Ada").await;
        assert_eq!(claims(&tokens.access)["client_id"], id);
        let again = support::tokens(&world.refresh(id, &tokens.refresh).await);
        assert_eq!(claims(&again.access)["client_id"], id);
    }
    // ADOPT-03
    assert_page(&world.authorize(&mut Browser::default(), &request_for(U, E)).await);
}

/// ADOPT-10: first use by one person binds nothing for another.
#[tokio::test]
async fn two_people_with_one_adopted_id_do_not_meet() {
    let world = World::new().await;
    let mallory = world.sign_in(U, L, "Mallory").await;
    let ada = world.sign_in(U, P, "Ada").await;
    assert_ne!(claims(&mallory.access)["sub"], claims(&ada.access)["sub"]);
    let user = claims(&ada.access)["sub"].as_str().unwrap().parse().unwrap();
    world.engine.revoke_sessions(&Target::User(user), "test").await.unwrap();
    assert!(world.accepts(&mallory.access).await);
    assert!(!world.accepts(&ada.access).await);
}

/// MERGE-09, MERGE-11: one connection per person and platform, one session per sign-in.
#[tokio::test]
async fn failure_3_devices_share_a_connection_and_nobody_is_signed_out() {
    let world = World::new().await;
    let mut all = Vec::new();
    for device in 0..8 {
        let redirect = format!("http://localhost:{}/callback", 40_000 + device);
        let id = world.public_client(&[&redirect]).await;
        let tokens = world.sign_in(&id, &redirect, "Ada").await;
        all.push((id, tokens));
    }
    let platform = world.public_client(&[P]).await;
    all.push((platform.clone(), world.sign_in(&platform, P, "Ada").await));
    let (first, _) = all[0].clone();
    all.push((first.clone(), world.sign_in(&first, L, "Bob").await));
    let counts = world.test.memory().counts().await.unwrap();
    assert_eq!((counts.users, counts.connections, counts.sessions), (2, 3, 10));
    for (id, tokens) in &all {
        assert!(world.accepts(&tokens.access).await);
        support::tokens(&world.refresh(id, &tokens.refresh).await);
    }
}

/// Claude.ai registered with a secret, and Claude.ai adopted: one connection, two aliases.
#[tokio::test]
async fn one_platform_is_one_connection_whatever_the_provenance() {
    let world = World::new().await;
    let registered = body(
        &world
            .register(&json!({"client_name": "Claude", "redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"}))
            .await,
    );
    let (id, secret) = (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
    let code = world.code(id, P, "Ada").await;
    let mut fields = redemption(id, P, &code);
    fields.push(("client_secret", secret));
    let first = tokens(&world.token(&fields).await);
    let second = world.sign_in(U, P, "Ada").await;
    assert_eq!(claims(&first.access)["con"], claims(&second.access)["con"]);
    let user = claims(&first.access)["sub"].as_str().unwrap().parse().unwrap();
    let connections = world.test.memory().connections_of(&user).await.unwrap();
    assert_eq!(connections.len(), 1);
    let mut aliases: Vec<_> = connections[0].aliases.iter().map(|a| a.as_str()).collect();
    aliases.sort_unstable();
    let mut want = [id, U];
    want.sort_unstable();
    assert_eq!(aliases, want);
    assert_eq!(connections[0].platform.as_str(), "claude-web");
    // MERGE-01: a label opens nothing.
    assert_error(&world.refresh(U, &first.refresh).await, 400, "invalid_grant");
    assert!(world.accepts(&first.access).await);
}

/// MERGE-05, ME-3: a look-alike with one more redirect is not the platform, and lends its redirect to nobody.
#[tokio::test]
async fn a_look_alike_is_not_merged_and_redirects_are_never_united() {
    let world = World::new().await;
    let honest = world.public_client(&[P]).await;
    let look_alike = world.public_client(&[P, E]).await;
    let first = world.sign_in(&honest, P, "Ada").await;
    let second = world.sign_in(&look_alike, P, "Ada").await;
    assert_ne!(claims(&first.access)["con"], claims(&second.access)["con"]);
    assert_page(&world.authorize(&mut Browser::default(), &request_for(&honest, E)).await);
}

#[tokio::test]
async fn registering_the_same_public_software_gives_the_same_id() {
    let world = World::new().await;
    let one = world
        .public_client(&["http://localhost:1111/callback", "https://www.cursor.com/agents/mcp/oauth/callback"])
        .await;
    let two = world
        .public_client(&["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:2222/callback"])
        .await;
    assert_eq!(one, two);
    let other = world.public_client(&["http://localhost:1111/other"]).await;
    assert_ne!(one, other);
}

/// DCR-01, and what Cursor, VS Code and Claude.ai really send (clients-and-spec 6 and 7).
#[tokio::test]
async fn real_registrations_are_answered_with_what_was_registered() {
    let world = World::new().await;
    let cursor = world
        .register(&json!({
            "client_name": "Cursor",
            "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback",
                "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }))
        .await;
    assert_eq!(cursor.status(), StatusCode::CREATED);
    let cursor = body(&cursor);
    assert_eq!(
        cursor["redirect_uris"],
        json!(["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"])
    );
    assert!(cursor.get("client_secret").is_none());
    let vscode = body(
        &world
            .register(&json!({
                "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
                "redirect_uris": ["https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect",
                    "http://127.0.0.1/", "http://127.0.0.1:33418/"],
                "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
                "response_types": ["code"], "token_endpoint_auth_method": "none", "application_type": "native",
            }))
            .await,
    );
    assert_eq!(vscode["redirect_uris"].as_array().unwrap().len(), 4);
    assert_eq!(vscode["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert!(vscode["client_id"].as_str().unwrap().len() < 300);
    // Python mcp sends no auth method; Gemini an empty scope; nulls are absent and never answered.
    let python = body(
        &world
            .register(
                &json!({"client_name": "py", "redirect_uris": [L], "scope": "", "logo_uri": null, "client_uri": null}),
            )
            .await,
    );
    assert_eq!(python["token_endpoint_auth_method"], "none");
    assert!(python.as_object().unwrap().values().all(|value| !value.is_null()));
    let claude = body(
        &world.register(&json!({"client_name": "Claude", "redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post", "scope": "mcp claudeai offline_access"})).await,
    );
    assert_eq!(claude["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(claude["client_secret_expires_at"], 0);
    assert_eq!(claude["scope"], "mcp offline_access");
}

#[tokio::test]
async fn state_is_echoed_byte_for_byte() {
    let world = World::new().await;
    for state in ["abc+/=", "a b", "\"><script>", "x\r\nSet-Cookie: a=b", "한국어", "%00%zz"] {
        let mut browser = Browser::default();
        let fields = change(&request_for(U, P), "state", state);
        let upstream = world.approve(&mut browser, &fields).await;
        let back = world.callback(&mut browser, &upstream, "Ada").await;
        assert_eq!(query_of(&location(&back))["state"], state);
        assert!(!location(&back).contains(['\r', '\n', '"', ' ']));
    }
    // As long as it may be, and one byte longer.
    let world = World::new().await;
    let of = |length: usize| "s".repeat(length);
    let longest = world.authorize(&mut Browser::default(), &change(&request_for(U, P), "state", &of(1_024))).await;
    assert_eq!(longest.status(), StatusCode::OK);
    let longer = world.authorize(&mut Browser::default(), &change(&request_for(U, P), "state", &of(1_025))).await;
    assert_ne!(longer.status(), StatusCode::OK);
    // Optional: nothing sent, nothing echoed.
    let mut browser = Browser::default();
    let upstream = world.approve(&mut browser, &change(&request_for(U, P), "state", "")).await;
    let back = world.callback(&mut browser, &upstream, "Ada").await;
    assert!(!query_of(&location(&back)).contains_key("state"));
}

/// The record tells an adopted id from one that registered.
#[tokio::test]
async fn a_sign_in_is_on_the_record_as_what_it_was() {
    let world = World::new().await;
    let registered = world.public_client(&[P]).await;
    for (id, kind) in [(U, EventKind::Adopted), (registered.as_str(), EventKind::SignedIn)] {
        world.sign_in(id, P, "Ada").await;
        let query = EventQuery { limit: 10, ..EventQuery::default() };
        let events = world.engine.store().events(&query).await.unwrap();
        let of_id = |event: &&Event| event.client_id.as_ref().is_some_and(|of| of.as_str() == id);
        let of_id: Vec<_> = events.iter().filter(of_id).collect();
        assert_eq!(of_id.iter().map(|event| event.kind).collect::<Vec<_>>(), [kind]);
        let [event] = of_id[..] else { panic!("one event") };
        assert!(event.user.is_some() && event.session.is_some() && event.connection.is_some(), "{event:?}");
        assert_eq!(event.platform.as_ref().map(Platform::as_str), Some("claude-web"));
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_the_same_request_works_later() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let store = world.test.memory();
    let unavailable = |response: &http::Response<bytes::Bytes>| {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", text(response));
        assert!(response.headers().contains_key("retry-after"));
    };
    store.fail(true);
    unavailable(&world.callback(&mut browser, &state, "Ada").await);
    store.fail(false);
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    store.fail(true);
    unavailable(&world.token(&redemption(U, P, &code)).await);
    store.fail(false);
    let tokens = tokens(&world.token(&redemption(U, P, &code)).await);
    store.fail(true);
    unavailable(&world.refresh(U, &tokens.refresh).await);
    unavailable(&world.authorize(&mut browser, &request_for(U, P)).await);
    // Never `invalid_client` or `invalid_grant` for trouble of ours (TK-12).
    store.fail(false);
    support::tokens(&world.refresh(U, &tokens.refresh).await);
}

/// Frameworks move it into a box of their own for every request. With every step in it, it had ten thousand bytes.
#[tokio::test]
async fn the_future_of_a_request_has_no_room_for_every_step() {
    let world = World::new().await;
    let unread = http_body_util::Full::new(bytes::Bytes::new());
    let whole = size_of_val(&world.engine.handle(http::Request::new(bytes::Bytes::new())));
    let reading = size_of_val(&world.engine.handle_unread(http::Request::new(unread)));
    let passing = size_of_val(&world.engine.authenticate(&http::HeaderMap::new(), None));
    assert!(whole.max(reading) <= 4 * 1_024 && passing <= 2 * 1_024, "{whole}, {reading} and {passing} bytes");
}
