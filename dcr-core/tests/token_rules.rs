//! The "exactly" rules of codes and refresh tokens, at any instant.

mod support;

use std::time::Duration;

use dcr_core::Secret;
use dcr_core::store::{EventQuery, Store as _, Target};
use dcr_core::testing::SeededRandom;
use http::StatusCode;
use serde_json::json;
use support::*;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// TOK-11
#[tokio::test]
async fn a_code_works_once_and_a_late_replay_kills_what_it_issued() {
    let world = World::new().await;
    let code = world.code(U, P, "Ada").await;
    let fields = redemption(U, P, &code);
    let first = tokens(&world.token(&fields).await);
    assert_error(&world.token(&fields).await, 400, "invalid_grant");
    world.test.clock().advance(seconds(10));
    assert_error(&world.token(&fields).await, 400, "invalid_grant");
    assert!(world.accepts(&first.access).await, "a double submit ends nothing");
    world.test.clock().advance(seconds(1));
    assert_error(&world.token(&fields).await, 400, "invalid_grant");
    assert!(!world.accepts(&first.access).await);
    assert_error(&world.refresh(U, &first.refresh).await, 400, "invalid_grant");
    let events = world.test.memory().events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    assert_eq!(events[0].reason, "code_replayed");
}

#[tokio::test]
async fn a_code_lapses() {
    let world = World::new().await;
    let code = world.code(U, P, "Ada").await;
    world.test.clock().advance(seconds(60));
    let late = world.token(&redemption(U, P, &code)).await;
    assert_error(&late, 400, "invalid_grant");
    assert!(text(&late).contains("expired"));
}

/// The answer says what became of the session of a code that is too late; a late replay is one also when the session has
/// lapsed since.
#[tokio::test]
async fn a_code_of_a_session_that_is_over_says_which() {
    let world = World::new().await;
    let code = world.code(U, P, "Ada").await;
    world.engine.revoke_sessions(&Target::ClientId(dcr_core::ClientId::new(U).unwrap()), "test").await.unwrap();
    let over = world.token(&redemption(U, P, &code)).await;
    assert_error(&over, 400, "invalid_grant");
    assert!(text(&over).contains("session is over"), "{}", text(&over));
    let code = world.code(U, P, "Ada").await;
    tokens(&world.token(&redemption(U, P, &code)).await);
    world.test.clock().advance(seconds(31 * 24 * 60 * 60));
    assert_error(&world.token(&redemption(U, P, &code)).await, 400, "invalid_grant");
    let events = world.test.memory().events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    assert!(events.iter().any(|event| event.reason == "code_replayed"), "{events:?}");
}

/// TK-3, TK-5, TOK-09, TOK-12, PKCE-03: everything is compared before anything moves.
#[tokio::test]
async fn a_code_in_the_wrong_hands_changes_nothing() {
    let world = World::new().await;
    let mine = world.public_client(&[L]).await;
    let other = world.public_client(&["https://other.example/cb"]).await;
    let code = world.code(&mine, L, "Ada").await;
    let good = redemption(&mine, L, &code);
    for (name, value, error) in [
        ("client_id", other.as_str(), "invalid_grant"),
        ("client_id", U, "invalid_grant"),
        ("redirect_uri", "http://localhost:3119/callback", "invalid_grant"),
        ("redirect_uri", "", "invalid_request"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", "invalid_grant"),
        ("code_verifier", "short", "invalid_grant"),
        ("code_verifier", "", "invalid_request"),
        ("resource", "https://mcp.example/other", "invalid_target"),
        ("code", "", "invalid_request"),
    ] {
        assert_error(&world.token(&change(&good, name, value)).await, 400, error);
    }
    let upper = mine.to_uppercase();
    assert_error(&world.token(&change(&good, "client_id", &upper)).await, 400, "invalid_grant");
    // A secret where none is expected is as wrong as the reverse.
    let mut with_secret = good.clone();
    with_secret.push(("client_secret", "decorative"));
    assert_error(&world.token(&with_secret).await, 401, "invalid_client");
    world.test.clock().advance(seconds(30));
    tokens(&world.token(&good).await);
}

/// ADOPT-22, TOK-04, TK-12: the one signal that makes clients register again.
#[tokio::test]
async fn an_unknown_client_is_401_and_a_dead_grant_is_400() {
    let world = World::new().await;
    let known = world.public_client(&[L]).await;
    assert_error(&world.token(&redemption(U, P, "made-up")).await, 401, "invalid_client");
    assert_error(&world.refresh(U, "made-up").await, 401, "invalid_client");
    assert_error(&world.token(&redemption(&known, L, "made-up")).await, 400, "invalid_grant");
    assert_error(&world.refresh(&known, "made-up").await, 400, "invalid_grant");
    let code = world.code(U, P, "Ada").await;
    // The database is lost, the secret is not: a good MAC with its session gone is a dead grant.
    let database_lost = World::new().await;
    assert_error(&database_lost.token(&redemption(U, P, &code)).await, 400, "invalid_grant");
    // Both are lost: nothing of it can be known, so the client is told to register again.
    let all_lost = World::with(|b| b.secrets(vec![Secret::from_bytes([3; 32])], vec![])).await;
    assert_error(&all_lost.token(&redemption(U, P, &code)).await, 401, "invalid_client");
}

/// TOK-13, CB-10: no sealed value passes for another.
#[tokio::test]
async fn values_of_other_kinds_are_no_codes_and_no_refresh_tokens() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(&id, P)).await;
    let sealed = sealed_request(&page);
    let sent = world.decide(&mut browser, &page, "approve").await;
    let state = query_of(&location(&sent))["state"].clone();
    let cookies: Vec<String> = browser.cookies.values().cloned().collect();
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    for value in cookies.iter().chain([&sealed, &state, &id]) {
        assert_error(&world.token(&redemption(&id, P, value)).await, 400, "invalid_grant");
        assert_error(&world.refresh(&id, value).await, 400, "invalid_grant");
    }
    assert_error(&world.refresh(&id, &code).await, 400, "invalid_grant");
    let first = tokens(&world.token(&redemption(&id, P, &code)).await);
    for value in [&first.refresh, &first.access] {
        assert_error(&world.token(&redemption(&id, P, value)).await, 400, "invalid_grant");
    }
    assert!(!world.accepts(&first.refresh).await);
    assert!(world.accepts(&first.access).await);
}

/// RT-03, RACE-02: the predecessor inside the grace gets the same successor; a replay after it ends the session.
#[tokio::test]
async fn a_refresh_token_has_one_successor_and_a_replay_after_the_grace_kills() {
    let world = World::new().await;
    let first = world.sign_in(U, P, "Ada").await;
    let second = tokens(&world.refresh(U, &first.refresh).await);
    world.test.clock().advance(seconds(30));
    let again = tokens(&world.refresh(U, &first.refresh).await);
    assert_eq!(again.refresh, second.refresh);
    assert_ne!(again.access, second.access);
    let third = tokens(&world.refresh(U, &second.refresh).await);
    // Two generations back, inside the window: refused, and nothing ends.
    assert_error(&world.refresh(U, &first.refresh).await, 400, "invalid_grant");
    assert!(world.accepts(&third.access).await);
    world.test.clock().advance(seconds(31));
    assert_error(&world.refresh(U, &second.refresh).await, 400, "invalid_grant");
    assert!(!world.accepts(&third.access).await);
    assert_error(&world.refresh(U, &third.refresh).await, 400, "invalid_grant");
}

/// RT-05, ME-1: bound to the presented id, byte for byte; a mismatch is on the record and harms nobody.
#[tokio::test]
async fn a_refresh_token_of_another_client_is_refused_and_recorded() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let alias = world.public_client(&[P, "https://claude.com/api/mcp/auth_callback"]).await;
    let mine = world.sign_in(&id, P, "Ada").await;
    world.sign_in(&alias, P, "Ada").await;
    for other in [alias.as_str(), U, &id.to_uppercase(), &format!("{id}A")] {
        assert_error(&world.refresh(other, &mine.refresh).await, 400, "invalid_grant");
    }
    let events = world.test.memory().events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    let anomalies: Vec<_> = events.iter().filter(|event| event.reason == "refresh_other_client").collect();
    let [anomaly] = anomalies[..] else { panic!("once a minute: {anomalies:?}") };
    // It says whose session it was, so that whoever reads the record need not look further.
    let claim = |name: &str| claims(&mine.access)[name].as_str().unwrap().to_owned();
    assert_eq!(anomaly.user.as_ref().map(ToString::to_string), Some(claim("sub")));
    assert_eq!(anomaly.session.map(|id| id.to_string()), Some(claim("sid")));
    assert_eq!(anomaly.connection.map(|id| id.to_string()), Some(claim("con")));
    assert_eq!(anomaly.client_id.as_ref().map(dcr_core::ClientId::as_str), Some(id.as_str()));
    assert_eq!(anomaly.platform.as_ref().map(dcr_core::Platform::as_str), Some("claude-web"));
    let next = tokens(&world.refresh(&id, &mine.refresh).await);
    // Of a session that is over nothing is said any more.
    assert_eq!(world.form("/oauth/revoke", &[("client_id", &id), ("token", &next.refresh)], &[]).await.status(), 200);
    world.test.clock().advance(seconds(61));
    assert_error(&world.refresh(U, &mine.refresh).await, 400, "invalid_grant");
    let events = world.test.memory().events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.reason == "refresh_other_client").count(), 1);
}

/// RT-6
#[tokio::test]
async fn sessions_lapse_when_idle_and_absolutely() {
    let world = World::new().await;
    let day = 24 * 60 * 60;
    let idle = world.sign_in(U, P, "Ada").await;
    world.test.clock().advance(seconds(30 * day));
    assert_error(&world.refresh(U, &idle.refresh).await, 400, "invalid_grant");
    let mut tokens = world.sign_in(U, P, "Ada").await;
    for _ in 0..4 {
        world.test.clock().advance(seconds(20 * day));
        tokens = support::tokens(&world.refresh(U, &tokens.refresh).await);
    }
    world.test.clock().advance(seconds(10 * day - 60));
    let last = support::tokens(&world.refresh(U, &tokens.refresh).await);
    assert_eq!(last.body["expires_in"], 60, "an access token never outlives its session");
    world.test.clock().advance(seconds(60));
    assert_error(&world.refresh(U, &last.refresh).await, 400, "invalid_grant");
}

/// RT-5
#[tokio::test]
async fn a_refresh_narrows_its_scope_and_widens_nothing() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let mut fields = request_for(U, P);
    fields.push(("scope", "mcp openid claudeai"));
    let state = world.approve(&mut browser, &fields).await;
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    let first = tokens(&world.token(&redemption(U, P, &code)).await);
    assert_eq!(first.body["scope"], "mcp");
    let with = |scope: &'static str, refresh: String| {
        let world = &world;
        async move {
            world
                .token(&[
                    ("grant_type", "refresh_token"),
                    ("client_id", U),
                    ("refresh_token", &refresh),
                    ("scope", scope),
                ])
                .await
        }
    };
    assert_error(&with("mcp mcp:admin", first.refresh.clone()).await, 400, "invalid_scope");
    let second = tokens(&with("nonsense", first.refresh.clone()).await);
    assert_eq!(second.body["scope"], "mcp");
}

/// TK-6, ADOPT-04
#[tokio::test]
async fn a_confidential_client_needs_its_secret_in_its_own_way() {
    let world = World::new().await;
    for method in ["client_secret_post", "client_secret_basic"] {
        let registered =
            body(&world.register(&json!({"redirect_uris": [P], "token_endpoint_auth_method": method})).await);
        let (id, secret) = (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
        let code = world.code(id, P, "Ada").await;
        let mut post = redemption(id, P, &code);
        assert_error(&world.token(&post).await, 401, "invalid_client");
        let basic = |secret: &str| {
            use base64::Engine as _;
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
        };
        let without_id = change(&redemption(id, P, &code), "client_id", "");
        if method == "client_secret_post" {
            let refused = world.form("/oauth/token", &without_id, &[("authorization", &basic(secret))]).await;
            assert_error(&refused, 401, "invalid_client");
            assert!(refused.headers().contains_key("www-authenticate"));
            post.push(("client_secret", "wrong"));
            assert_error(&world.token(&post).await, 401, "invalid_client");
            post.pop();
            post.push(("client_secret", secret));
            let first = tokens(&world.token(&post).await);
            assert_error(&world.refresh(id, &first.refresh).await, 401, "invalid_client");
            assert!(world.accepts(&first.access).await);
        } else {
            post.push(("client_secret", secret));
            assert_error(&world.token(&post).await, 401, "invalid_client");
            let wrong = world.form("/oauth/token", &without_id, &[("authorization", &basic("wrong"))]).await;
            assert_error(&wrong, 401, "invalid_client");
            let right = world.form("/oauth/token", &without_id, &[("authorization", &basic(secret))]).await;
            assert_eq!(right.status(), StatusCode::OK);
        }
    }
}

/// ADOPT-20, SR-16: a secret that comes along is remembered, and then required.
#[tokio::test]
async fn a_secret_that_an_adopted_client_brings_is_required_on_refresh() {
    let world = World::new().await;
    let code = world.code(U, P, "Ada").await;
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let first = tokens(&world.token(&fields).await);
    let with = |secret: &'static str, refresh: String| {
        let world = &world;
        async move {
            let fields = [("grant_type", "refresh_token"), ("client_id", U), ("refresh_token", &refresh)];
            world.token(&change(&fields, "client_secret", secret)).await
        }
    };
    let second = tokens(&with("s1", first.refresh.clone()).await);
    assert_error(&with("", second.refresh.clone()).await, 401, "invalid_client");
    assert_error(&with("s2", second.refresh.clone()).await, 401, "invalid_client");
    tokens(&with("s1", second.refresh.clone()).await);
}

/// TK-9, TK-10, TOK-03
#[tokio::test]
async fn malformed_token_requests_are_refused_politely() {
    let world = World::new().await;
    let good = redemption(U, P, "code");
    for (name, value) in &good {
        let mut twice = good.clone();
        twice.push((name, value));
        assert_error(&world.token(&twice).await, 400, "invalid_request");
    }
    for grant in ["password", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"] {
        assert_error(&world.token(&change(&good, "grant_type", grant)).await, 400, "unsupported_grant_type");
    }
    let send = |path: &'static str, content_type: &'static str, body: String| {
        let world = &world;
        async move { world.send(request("POST", path, &[("content-type", content_type)], &body)).await }
    };
    let form = "application/x-www-form-urlencoded";
    assert_error(&send("/oauth/token", "application/json", "{}".to_owned()).await, 415, "invalid_request");
    assert_error(&send("/oauth/token?code=x", form, encode(&good)).await, 400, "invalid_request");
    assert_error(&send("/oauth/token", form, "a=%ff&grant_type=%00".to_owned()).await, 400, "invalid_request");
    for name in ["resource", "scope", "client_secret", "client_assertion"] {
        let unreadable = format!("{}&{name}=%ff", encode(&change(&good, name, "")));
        assert_error(&send("/oauth/token", form, unreadable).await, 400, "invalid_request");
    }
    assert_error(&send("/oauth/token", form, "a".repeat(70_000)).await, 413, "invalid_request");
    let get = world.get("/oauth/token", &[]).await;
    assert_eq!((get.status().as_u16(), get.headers()["allow"].to_str().unwrap()), (405, "POST, OPTIONS"));
}

/// TK-13: an unknown token, and one of another client, is answered like a revoked one.
#[tokio::test]
async fn nobody_revokes_another_clients_token() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let other = world.public_client(&[L]).await;
    let mine = world.sign_in(&id, P, "Ada").await;
    let revoke = |client: String, token: String| {
        let world = &world;
        async move { world.form("/oauth/revoke", &[("client_id", &client), ("token", &token)], &[]).await }
    };
    assert_eq!(revoke(other.clone(), mine.refresh.clone()).await.status(), StatusCode::OK);
    assert_eq!(revoke(other, "nonsense".to_owned()).await.status(), StatusCode::OK);
    assert_error(&revoke(U.to_owned(), "nonsense".to_owned()).await, 401, "invalid_client");
    assert!(world.accepts(&mine.access).await);
    assert_eq!(revoke(id, mine.access.clone()).await.status(), StatusCode::OK);
    assert!(!world.accepts(&mine.access).await);
    // An adopted client's own token that has lapsed: nothing to do, and no reason to discard the id.
    let lapsed = world.sign_in(U, P, "Ada").await;
    world.test.clock().advance(seconds(901));
    assert_eq!(revoke(U.to_owned(), lapsed.access).await.status(), StatusCode::OK);
    assert_error(&world.refresh(U, &lapsed.refresh).await, 400, "invalid_grant");
}

/// RFC 7009 section 2.1: who can authenticate must, also for a token that is nobody's.
#[tokio::test]
async fn tk_13_a_confidential_client_has_nothing_to_revoke_until_it_authenticated() {
    let world = World::new().await;
    let metadata = json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = body(&world.register(&metadata).await);
    let (id, secret) = (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
    let fields = [("client_id", id), ("token", "nonsense"), ("client_secret", "wrong")];
    for path in ["/oauth/revoke", "/oauth/token"] {
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", "nonsense")];
        let extra: &[_] = if path == "/oauth/token" { &refresh } else { &[] };
        let with = |fields: &[_]| [fields, extra].concat();
        assert_error(&world.form(path, &with(&fields[..2]), &[]).await, 401, "invalid_client");
        assert_error(&world.form(path, &with(&fields), &[]).await, 401, "invalid_client");
        let own = [fields[0], fields[1], ("client_secret", secret)];
        let answer = world.form(path, &with(&own), &[]).await;
        assert_eq!(answer.status(), if extra.is_empty() { 200 } else { 400 });
    }
}

/// I-4: a database was lost and filled again, by the same person who reloaded the callback: the session of that id is
/// another one, and a token of the old does not speak for it.
#[tokio::test]
async fn i_04_a_token_of_a_lost_session_is_not_one_of_the_session_with_its_id() {
    let secrets = || vec![Secret::from_bytes([9; 32])];
    let world = World::with(|builder| builder.secrets(secrets(), vec![])).await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(U, P)).await;
    let mut reloading = browser.clone();
    let back = world.callback(&mut browser, &state, "Ada").await;
    let old = tokens(&world.token(&redemption(U, P, &query_of(&location(&back))["code"])).await);
    let filled_again = World::with(|builder| {
        builder.secrets(secrets(), vec![]).random(SeededRandom::new(77)).resource_server("rs", "rs-secret")
    })
    .await;
    let back = filled_again.callback(&mut reloading, &state, "Ada").await;
    let new = tokens(&filled_again.token(&redemption(U, P, &query_of(&location(&back))["code"])).await);
    let of = |tokens: &Tokens, name: &str| claims(&tokens.access)[name].clone();
    assert_eq!((of(&old, "sid"), of(&old, "sub")), (of(&new, "sid"), of(&new, "sub")));
    assert_ne!(of(&old, "con"), of(&new, "con"));
    assert!(filled_again.accepts(&new.access).await && !filled_again.accepts(&old.access).await);
    let basic = [("authorization", "Basic cnM6cnMtc2VjcmV0")];
    for (tokens, active) in [(&new, true), (&old, false)] {
        let said = body(&filled_again.form("/oauth/introspect", &[("token", &tokens.access)], &basic).await);
        assert_eq!(said["active"], active);
    }
}

/// INT-01, TK-14
#[tokio::test]
async fn introspection_is_for_resource_servers_and_for_ones_own_tokens() {
    use base64::Engine as _;
    let world = World::with(|builder| builder.resource_server("rs", "rs-secret")).await;
    let tokens = world.sign_in(U, P, "Ada").await;
    let credentials = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("rs:rs-secret"));
    let ask = |token: String, headers: Vec<(&'static str, String)>| {
        let world = &world;
        async move {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            world.form("/oauth/introspect", &[("token", &token)], &headers).await
        }
    };
    assert_error(&ask(tokens.access.clone(), vec![]).await, 401, "invalid_client");
    let bearer = vec![("authorization", format!("Bearer {}", tokens.access))];
    assert_error(&ask(tokens.access.clone(), bearer).await, 401, "invalid_client");
    let rs = vec![("authorization", credentials)];
    let said = body(&ask(tokens.access.clone(), rs.clone()).await);
    assert_eq!((said["active"].as_bool(), said["client_id"].as_str()), (Some(true), Some(U)));
    assert_eq!(body(&ask("nonsense".to_owned(), rs.clone()).await), json!({"active": false}));
    let encoded = base64::engine::general_purpose::STANDARD.encode("rs:rs%2Dsecret");
    let encoded = vec![("authorization", format!("basic {encoded}"))];
    assert_eq!(body(&ask(tokens.access.clone(), encoded).await)["active"], true);
    assert_eq!(body(&ask(tokens.refresh.clone(), rs.clone()).await)["active"], true);
    // Of refresh tokens the current one, and while it may be used.
    let next = support::tokens(&world.refresh(U, &tokens.refresh).await);
    assert_eq!(body(&ask(tokens.refresh.clone(), rs.clone()).await), json!({"active": false}));
    assert_eq!(body(&ask(next.refresh.clone(), rs.clone()).await)["active"], true);
    world.engine.revoke_sessions(&Target::ClientId(dcr_core::ClientId::new(U).unwrap()), "test").await.unwrap();
    assert_eq!(body(&ask(tokens.access, rs).await), json!({"active": false}));
}
