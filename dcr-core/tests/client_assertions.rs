//! Clients that sign assertions (`private_key_jwt`, RFC 7523): by their metadata documents, or pinned.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::guarded::GuardedFetchError;
use dcr_core::testing::AssertionKey;
use dcr_core::{AuthMethod, ClientId, DocumentPolicy, PreRegistered, Timestamp};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::web::{Web, document};
use crate::support::*;

const TOOLS: &str = "https://tools.example/oauth/client.json";
const KEYS: &str = "https://keys.example/jwks.json";
const REDIRECT: &str = "https://tools.example/callback";
const CHATGPT: &str = "https://chatgpt.com/oauth/client.json";
const CHATGPT_REDIRECT: &str = "https://chatgpt.com/connector_platform_oauth_redirect";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn signing(methods: &Value) -> Value {
    let mut signing = document(TOOLS, "Contoso Tools", &[REDIRECT]);
    signing["token_endpoint_auth_method"] = json!("private_key_jwt");
    signing["token_endpoint_auth_methods_supported"] = methods.clone();
    signing["jwks_uri"] = json!(KEYS);
    signing
}

fn web() -> Arc<Web> {
    let web = Web::with(&[signing(&json!(["private_key_jwt", "none"]))]);
    web.answer(KEYS, 200, "application/jwk-set+json", &AssertionKey::seeded(1).jwks());
    web
}

async fn world(web: &Arc<Web>) -> World {
    World::with(|builder| builder.metadata_documents(DocumentPolicy::On, web.clone())).await
}

fn now(world: &World) -> Timestamp {
    use dcr_core::Clock as _;
    world.test.clock().now()
}

/// `fields` with an assertion of this key and `jti`.
async fn signed(world: &World, fields: &[(&str, &str)], key: u8, jti: &str) -> Response<bytes::Bytes> {
    let id = fields.iter().find(|(name, _)| *name == "client_id").unwrap().1;
    let assertion = AssertionKey::seeded(key).assertion(id, ISSUER, now(world), jti);
    let mut fields = fields.to_vec();
    fields.extend([("client_assertion_type", TYPE), ("client_assertion", assertion.as_str())]);
    world.token(&fields).await
}

fn refreshing<'a>(id: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)]
}

#[tokio::test]
async fn a_client_signs_for_its_code_and_for_every_refresh() {
    let web = web();
    let world = world(&web).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let first = tokens(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, "1").await);
    let second = tokens(&signed(&world, &refreshing(TOOLS, &first.refresh), 1, "2").await);
    assert!(world.accepts(&second.access).await);
    assert_eq!(web.asked(), 2, "the document and the keys, once each");
    let metadata = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].to_string();
        let algorithms = metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")].to_string();
        assert!(methods.contains("private_key_jwt") && algorithms.contains("RS256"), "{endpoint}");
    }
}

#[tokio::test]
async fn sep_3149_a_client_that_can_sign_must() {
    let world = world(&web()).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let plain = redemption(TOOLS, REDIRECT, &code);
    assert_error(&world.token(&plain).await, 401, "invalid_client");
    let mut secret = plain.clone();
    secret.push(("client_secret", "s"));
    assert_error(&world.token(&secret).await, 401, "invalid_client");
    assert_error(&signed(&world, &plain, 2, "1").await, 401, "invalid_client");
    // Nothing was used up by any of these.
    tokens(&signed(&world, &plain, 1, "1").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i_12_an_assertion_counts_once_also_in_parallel() {
    let world = Arc::new(world(&web()).await);
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let session = tokens(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, "first").await);
    assert_error(&signed(&world, &refreshing(TOOLS, &session.refresh), 1, "first").await, 401, "invalid_client");
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let (world, token) = (Arc::clone(&world), session.refresh.clone());
        tasks.spawn(async move {
            signed(&world, &refreshing(TOOLS, &token), 1, &format!("of-sixteen-{}", n / 16)).await.status()
        });
    }
    let answers = tasks.join_all().await;
    // Four different ones, each accepted once: the grace lets parallel refreshes through.
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 4, "{answers:?}");
    assert_eq!(world.engine.store().counts().await.unwrap().used_up, 5);
}

#[tokio::test]
async fn i_01_an_assertion_that_gets_nothing_writes_nothing() {
    let world = world(&web()).await;
    for (fields, error) in [
        (redemption(TOOLS, REDIRECT, "not-a-code"), "invalid_grant"),
        (refreshing(TOOLS, "not-a-token"), "invalid_grant"),
        (vec![("grant_type", "client_credentials"), ("client_id", TOOLS)], "unsupported_grant_type"),
    ] {
        assert_error(&signed(&world, &fields, 1, "1").await, 400, error);
    }
    // Introspection by a client whose document anybody can write (RFC 7662): nothing is told, nothing is kept.
    let assertion = AssertionKey::seeded(1).assertion(TOOLS, ISSUER, now(&world), "2");
    let fields = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str()), ("token", "x")];
    assert_eq!(body(&world.form("/oauth/introspect", &fields, &[]).await), json!({"active": false}));
    assert_eq!(world.engine.store().counts().await.unwrap(), dcr_core::store::Counts::default());
}

/// ME-12: what is blocked has no host of its own asked for keys; and who does not sign is not looked for at all.
#[tokio::test]
async fn ci_11_introspection_asks_no_host_for_a_client_that_is_blocked_or_does_not_sign() {
    let web = web();
    let world = world(&web).await;
    let unsigned = [("client_id", TOOLS), ("client_secret", "s"), ("token", "x")];
    assert_error(&world.form("/oauth/introspect", &unsigned, &[]).await, 401, "invalid_client");
    let client = dcr_core::store::Target::ClientId(ClientId::new(TOOLS).unwrap());
    world.engine.block(&client, "incident").await.unwrap();
    let assertion = AssertionKey::seeded(1).assertion(TOOLS, ISSUER, now(&world), "1");
    let signed = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str()), ("token", "x")];
    assert_error(&world.form("/oauth/introspect", &signed, &[]).await, 401, "invalid_client");
    assert_eq!(web.asked(), 0);
}

#[tokio::test]
async fn i_01_a_session_that_is_over_makes_no_more_rows() {
    let world = world(&web()).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let first = tokens(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, "1").await);
    let client = dcr_core::store::Target::ClientId(ClientId::new(TOOLS).unwrap());
    world.engine.revoke_sessions(&client, "lost").await.unwrap();
    let before = world.engine.store().counts().await.unwrap();
    for jti in ["2", "3"] {
        assert_error(&signed(&world, &refreshing(TOOLS, &first.refresh), 1, jti).await, 400, "invalid_grant");
        assert_error(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, jti).await, 400, "invalid_grant");
    }
    assert_eq!(world.engine.store().counts().await.unwrap(), before);
}

/// Not `invalid_client`, for which clients throw their registration away: perhaps the key is new, and that is not known.
#[tokio::test]
async fn tk_12_an_unknown_key_of_a_silent_host_is_a_503() {
    let web = web();
    let world = world(&web).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let first = tokens(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, "1").await);
    web.fail(KEYS, GuardedFetchError::Unreachable("timed out".to_owned()));
    world.test.clock().advance(Duration::from_secs(61));
    let refresh = refreshing(TOOLS, &first.refresh);
    assert_error(&signed(&world, &refresh, 2, "2").await, 503, "temporarily_unavailable");
    tokens(&signed(&world, &refresh, 1, "3").await);
}

#[tokio::test]
async fn ci_12_new_keys_are_found_and_old_ones_stop_to_count() {
    let web = web();
    let world = world(&web).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let first = tokens(&signed(&world, &redemption(TOOLS, REDIRECT, &code), 1, "1").await);
    web.answer(KEYS, 200, "application/json", &AssertionKey::seeded(2).jwks());
    // An unknown key id has them fetched anew, but not sooner than a minute after the last time.
    assert_error(&signed(&world, &refreshing(TOOLS, &first.refresh), 2, "2").await, 401, "invalid_client");
    world.test.clock().advance(Duration::from_secs(61));
    let second = tokens(&signed(&world, &refreshing(TOOLS, &first.refresh), 2, "3").await);
    world.test.clock().advance(Duration::from_secs(61));
    assert_error(&signed(&world, &refreshing(TOOLS, &second.refresh), 1, "4").await, 401, "invalid_client");
}

#[tokio::test]
async fn keys_that_are_withheld_are_a_503_and_broken_ones_are_not() {
    let web = web();
    let world = world(&web).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let redeem = redemption(TOOLS, REDIRECT, &code);
    web.fail(KEYS, GuardedFetchError::Unreachable("timed out".to_owned()));
    assert_error(&signed(&world, &redeem, 1, "1").await, 503, "temporarily_unavailable");
    world.test.clock().advance(Duration::from_secs(6));
    web.answer(KEYS, 404, "application/json", "{}");
    assert_error(&signed(&world, &redeem, 1, "2").await, 401, "invalid_client");
    world.test.clock().advance(Duration::from_secs(6));
    web.answer(KEYS, 200, "application/json", r#"{"keys":[]}"#);
    assert_error(&signed(&world, &redeem, 1, "3").await, 401, "invalid_client");
    world.test.clock().advance(Duration::from_secs(6));
    web.answer(KEYS, 200, "application/json", &AssertionKey::seeded(1).jwks());
    tokens(&signed(&world, &redeem, 1, "4").await);
}

/// The host withholds its document and so its keys; the shipped copy says that the client would do without signing.
#[tokio::test]
async fn a_client_whose_copy_serves_is_public_and_may_sign_all_the_same() {
    let web = Web::with(&[]);
    let world = world(&web).await;
    let first = world.sign_in(CHATGPT, CHATGPT_REDIRECT, "Ada").await;
    let again = tokens(&signed(&world, &refreshing(CHATGPT, &first.refresh), 1, "1").await);
    // Once its keys can be had, what it signs must be good.
    let mut live = document(CHATGPT, "ChatGPT", &[CHATGPT_REDIRECT]);
    live["jwks_uri"] = json!(KEYS);
    live["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
    web.serve(CHATGPT, &live);
    web.answer(KEYS, 200, "application/json", &AssertionKey::seeded(1).jwks());
    world.test.clock().advance(Duration::from_secs(10));
    assert_error(&signed(&world, &refreshing(CHATGPT, &again.refresh), 2, "2").await, 401, "invalid_client");
    tokens(&signed(&world, &refreshing(CHATGPT, &again.refresh), 1, "3").await);
}

/// A client that is public all the same, and signs with keys that its document does not have: a proof that cannot hold is
/// refused, not left aside.
#[tokio::test]
async fn tk_06_an_assertion_of_a_client_without_keys_is_refused() {
    let web = Web::with(&[document(TOOLS, "Contoso Tools", &[REDIRECT])]);
    let world = world(&web).await;
    let code = world.code(TOOLS, REDIRECT, "Ada").await;
    let redeem = redemption(TOOLS, REDIRECT, &code);
    assert_error(&signed(&world, &redeem, 1, "1").await, 401, "invalid_client");
    tokens(&world.token(&redeem).await);
}

fn with_secret() -> PreRegistered {
    let id = ClientId::new("portal").unwrap();
    PreRegistered::confidential(id, AuthMethod::ClientSecretPost, "s3cret").redirect(REDIRECT)
}

#[tokio::test]
async fn a_pinned_client_signs_with_the_keys_that_the_operator_gave() {
    let id = ClientId::new("portal").unwrap();
    let pinned = PreRegistered::with_keys(id, &AssertionKey::seeded(1).jwks()).unwrap().redirect(REDIRECT);
    let world = World::with(|builder| builder.client(pinned)).await;
    // MD-2: that somebody may sign is said where somebody can.
    for (world, said) in [(&world, true), (&World::with(|builder| builder.client(with_secret())).await, false)] {
        let metadata = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
        assert_eq!(metadata["token_endpoint_auth_methods_supported"].to_string().contains("private_key_jwt"), said);
    }
    let code = world.code("portal", REDIRECT, "Ada").await;
    let redeem = redemption("portal", REDIRECT, &code);
    assert_error(&world.token(&redeem).await, 401, "invalid_client");
    assert_error(&signed(&world, &redeem, 2, "1").await, 401, "invalid_client");
    let tokens = tokens(&signed(&world, &redeem, 1, "1").await);
    // Its own tokens are what a confidential client may look at (RFC 7662), and end (RFC 7009).
    let assertion = |jti: &str| AssertionKey::seeded(1).assertion("portal", ISSUER, now(&world), jti);
    let fields = |assertion: &str, token: &str| {
        vec![
            ("client_assertion_type".to_owned(), TYPE.to_owned()),
            ("client_assertion".to_owned(), assertion.to_owned()),
            ("token".to_owned(), token.to_owned()),
        ]
    };
    let post = async |path: &str, jti: &str| {
        let fields = fields(&assertion(jti), &tokens.access);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        world.form(path, &fields, &[]).await
    };
    assert_eq!(body(&post("/oauth/introspect", "2").await)["active"], true);
    assert_error(&post("/oauth/introspect", "2").await, 401, "invalid_client");
    assert_eq!(post("/oauth/revoke", "3").await.status(), StatusCode::OK);
    assert!(!world.accepts(&tokens.access).await);
}

/// A registration that is sealed into its id has no room for keys.
#[tokio::test]
async fn a_registration_with_keys_is_refused_with_what_to_do() {
    let world = world(&web()).await;
    let answer = world
        .register(
            &json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": KEYS}),
        )
        .await;
    assert_error(&answer, 400, "invalid_client_metadata");
}
