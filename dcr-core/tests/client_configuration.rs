//! Client configuration (RFC 7592): confidential registrations read, change and delete themselves.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use dcr_core::store::{Counts, EventQuery, MemoryStore};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::*;

const OTHER: &str = "https://app.example/other";
const OWN: &str = "https://app.example/callback";

/// A registration, as its client keeps it.
struct Own {
    id: String,
    secret: String,
    uri: String,
    token: String,
}

impl Own {
    fn of(answer: &Value) -> Self {
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned();
        Self {
            id: text("client_id"),
            secret: text("client_secret"),
            uri: text("registration_client_uri"),
            token: text("registration_access_token"),
        }
    }
}

async fn world() -> World {
    World::with(|builder| builder.manage_registrations(true)).await
}

fn metadata(redirect: &str) -> Value {
    json!({"client_name": "App", "redirect_uris": [redirect], "token_endpoint_auth_method": "client_secret_post"})
}

async fn register(world: &World) -> Own {
    Own::of(&body(&world.register(&metadata(OWN)).await))
}

async fn send(world: &World, method: &str, uri: &str, token: &str, content: &str) -> Response<Bytes> {
    let path = uri.strip_prefix(ISSUER).unwrap();
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    world.send(request(method, path, &headers, content)).await
}

fn change(own: &Own, redirect: &str) -> String {
    let mut change = metadata(redirect);
    change["client_id"] = json!(own.id);
    change["client_secret"] = json!(own.secret);
    change["client_name"] = json!("App two");
    change.to_string()
}

async fn sign_in(world: &World, own: &Own, redirect: &str) -> Response<Bytes> {
    let code = world.code(&own.id, redirect, "Ada").await;
    let mut fields = redemption(&own.id, redirect, &code);
    fields.push(("client_secret", &own.secret));
    world.token(&fields).await
}

async fn authorize_status(world: &World, own: &Own, redirect: &str) -> StatusCode {
    world.authorize(&mut Browser::default(), &request_for(&own.id, redirect)).await.status()
}

#[tokio::test]
async fn it_is_off_unless_the_operator_wants_it_and_never_for_public_clients() {
    let off = World::new().await;
    let answer = body(&off.register(&metadata(OWN)).await);
    assert!(
        answer.get("registration_access_token").is_none() && answer.get("registration_client_uri").is_none(),
        "MD-2"
    );
    let answer = off.get("/oauth/register?client_id=x", &[("authorization", "Bearer x")]).await;
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let on = world().await;
    let answer = body(&on.register(&json!({"redirect_uris": [OWN]})).await);
    assert!(answer.get("registration_access_token").is_none());
}

#[tokio::test]
async fn a_registration_reads_itself_and_nothing_is_written() {
    let world = world().await;
    let own = register(&world).await;
    let answer = send(&world, "GET", &own.uri, &own.token, "").await;
    assert_eq!((answer.status(), answer.headers()["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
    let answer = body(&answer);
    assert_eq!((&answer["client_name"], &answer["redirect_uris"]), (&json!("App"), &json!([OWN])));
    let again = Own::of(&answer);
    assert_eq!((again.id, again.secret, again.uri, again.token), (own.id, own.secret, own.uri, own.token));
    assert_eq!(world.engine.store().counts().await.unwrap(), Counts::default(), "I-1");
}

#[tokio::test]
async fn op_01_unknown_clients_and_wrong_tokens_are_told_alike() {
    let world = world().await;
    let (own, other) = (register(&world).await, register(&world).await);
    assert_ne!(own.id, other.id);
    let public = world.public_client(&[P]).await;
    let mut bodies = Vec::new();
    for (uri, token) in [
        (own.uri.as_str(), other.token.as_str()),
        (own.uri.as_str(), own.secret.as_str()),
        (own.uri.as_str(), ""),
        (&format!("{ISSUER}/oauth/register?client_id={public}"), own.token.as_str()),
        (&format!("{ISSUER}/oauth/register?client_id={U}"), own.token.as_str()),
        (&format!("{}x", own.uri), own.token.as_str()),
        (&format!("{ISSUER}/oauth/register"), own.token.as_str()),
        (&format!("{0}&client_id={1}", own.uri, own.id), own.token.as_str()),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = send(&world, method, uri, token, &change(&own, OTHER)).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {uri}");
            assert_eq!(answer.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
            bodies.push(text(&answer));
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    assert_eq!(world.engine.store().counts().await.unwrap(), Counts::default(), "I-1");
}

#[tokio::test]
async fn a_change_holds_from_now_on_and_makes_another_token() {
    let world = world().await;
    let own = register(&world).await;
    let session = tokens(&sign_in(&world, &own, OWN).await);
    let answer = body(&send(&world, "PUT", &own.uri, &own.token, &change(&own, OTHER)).await);
    assert_eq!((&answer["client_name"], &answer["redirect_uris"]), (&json!("App two"), &json!([OTHER])));
    let now = Own::of(&answer);
    assert_eq!((&now.id, &now.secret), (&own.id, &own.secret));
    assert_ne!(now.token, own.token);
    assert_eq!(send(&world, "GET", &own.uri, &own.token, "").await.status(), StatusCode::UNAUTHORIZED, "OP-1");
    assert_eq!(body(&send(&world, "GET", &now.uri, &now.token, "").await)["redirect_uris"], json!([OTHER]));
    assert_eq!(authorize_status(&world, &now, OWN).await, StatusCode::BAD_REQUEST);
    tokens(&sign_in(&world, &now, OTHER).await);
    // What was granted before stays: it is bound to what was approved then.
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", own.id.as_str()),
        ("client_secret", own.secret.as_str()),
        ("refresh_token", session.refresh.as_str()),
    ];
    tokens(&world.token(&fields).await);
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!((counts.clients, counts.connections), (1, 2), "MG-12: it is other software now");
}

#[tokio::test]
async fn a_change_that_says_what_it_may_not_is_refused_and_changes_nothing() {
    let world = world().await;
    let own = register(&world).await;
    let with = |name: &str, value: Value| {
        let mut changed: Value = serde_json::from_str(&change(&own, OTHER)).unwrap();
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value;
        }
        changed.to_string()
    };
    for (content, error) in [
        (with("client_id", json!(null)), "invalid_client_metadata"),
        (with("client_id", json!("other")), "invalid_client_metadata"),
        (with("client_secret", json!("chosen")), "invalid_client_metadata"),
        (with("registration_access_token", json!(own.token)), "invalid_client_metadata"),
        (with("client_id_issued_at", json!(1)), "invalid_client_metadata"),
        (with("token_endpoint_auth_method", json!("none")), "invalid_client_metadata"),
        (with("token_endpoint_auth_method", json!("client_secret_basic")), "invalid_client_metadata"),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
        (with("redirect_uris", json!(["javascript:alert(1)"])), "invalid_redirect_uri"),
        (with("software_statement", json!("e30.e30.x")), "invalid_software_statement"),
        ("{".to_owned(), "invalid_client_metadata"),
    ] {
        assert_error(&send(&world, "PUT", &own.uri, &own.token, &content).await, 400, error);
    }
    assert_eq!(world.engine.store().counts().await.unwrap(), Counts::default());
}

#[tokio::test]
async fn ad_08_what_was_deleted_stays_dead() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.manage_registrations(true).store(store.clone())).await;
    let own = Own::of(&body(&world.register(&metadata(P)).await));
    let session = tokens(&sign_in(&world, &own, P).await);
    // One that is on its way through login when it is deleted.
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(&own.id, P)).await;
    assert_eq!(send(&world, "DELETE", &own.uri, &own.token, "").await.status(), StatusCode::NO_CONTENT);
    assert!(!world.accepts(&session.access).await);
    assert_ne!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    for method in ["GET", "PUT", "DELETE"] {
        let answer = send(&world, method, &own.uri, &own.token, &change(&own, P)).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method}");
    }
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", own.id.as_str()),
        ("client_secret", own.secret.as_str()),
        ("refresh_token", session.refresh.as_str()),
    ];
    assert_error(&world.token(&refresh).await, 400, "invalid_grant");
    let forged = [refresh[0], refresh[1], refresh[2], ("refresh_token", "none of ours")];
    assert_error(&world.token(&forged).await, 401, "invalid_client");
    // Neither an unblocking nor another secret, which makes every id an unknown one, brings it back.
    let id = dcr_core::ClientId::new(own.id.as_str()).unwrap();
    world.engine.unblock(&dcr_core::store::Target::ClientId(id), "mistake").await.unwrap();
    assert_eq!(authorize_status(&world, &own, P).await, StatusCode::BAD_REQUEST);
    let lost = World::with(|builder| {
        builder.store(store.clone()).secrets(vec![dcr_core::Secret::from_bytes([9; 32])], vec![])
    })
    .await;
    assert_eq!(authorize_status(&lost, &own, P).await, StatusCode::BAD_REQUEST);
    let events = store_events(&world).await;
    assert!(events.iter().any(|(kind, reason)| *kind == "client_changed" && reason == "deleted"), "{events:?}");
    let of_id = EventQuery { limit: 100, ..Default::default() };
    for event in world.engine.store().events(&of_id).await.unwrap() {
        let about = event.client_id.as_ref().map(dcr_core::ClientId::as_str);
        assert_eq!(about, Some(own.id.as_str()), "each is about the registration: {event:?}");
    }
}

async fn store_events(world: &World) -> Vec<(&'static str, String)> {
    let events = world.engine.store().events(&EventQuery { limit: 100, ..Default::default() }).await.unwrap();
    events.into_iter().map(|event| (event.kind.as_str(), event.reason)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_changes_with_one_token_one_counts() {
    let world = Arc::new(world().await);
    let own = Arc::new(register(&world).await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let (world, own) = (Arc::clone(&world), Arc::clone(&own));
        tasks.spawn(async move { send(&world, "PUT", &own.uri, &own.token, &change(&own, OTHER)).await.status() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count(), 63);
}

#[tokio::test]
async fn only_so_many_registrations_change_in_a_minute() {
    let world = world().await;
    let mut token = register(&world).await;
    for _ in 0..60 {
        token = Own::of(&body(&send(&world, "PUT", &token.uri, &token.token, &change(&token, OTHER)).await));
    }
    assert_error(&send(&world, "DELETE", &token.uri, &token.token, "").await, 503, "temporarily_unavailable");
    assert_eq!(send(&world, "GET", &token.uri, &token.token, "").await.status(), StatusCode::OK);
    world.test.clock().advance(std::time::Duration::from_secs(60));
    assert_eq!(send(&world, "DELETE", &token.uri, &token.token, "").await.status(), StatusCode::NO_CONTENT);
}
