//! Machine clients: `client_credentials` for programs that the operator pinned (RFC 6749 section 4.4).

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::store::{Counts, EventQuery, MemoryStore, Target};
use dcr_core::{AuthMethod, ClientId, PreRegistered, Principal, Reason, Resource, ScopeSet};
use http::{HeaderMap, Response, StatusCode};

use crate::support::*;

const JOB: &str = "nightly-report";

fn id(text: &str) -> ClientId {
    ClientId::new(text).unwrap()
}

fn job() -> PreRegistered {
    let job = PreRegistered::confidential(id(JOB), AuthMethod::ClientSecretPost, "s3cret");
    job.name("Nightly report").client_credentials()
}

async fn world() -> World {
    World::with(|builder| builder.client(job())).await
}

async fn ask(world: &World, secret: &str, more: &[(&str, &str)]) -> Response<bytes::Bytes> {
    let mut fields = vec![("grant_type", "client_credentials"), ("client_id", JOB), ("client_secret", secret)];
    fields.extend_from_slice(more);
    world.token(&fields).await
}

async fn token(world: &World) -> String {
    let answer = ask(world, "s3cret", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK, "{}", text(&answer));
    body(&answer)["access_token"].as_str().unwrap().to_owned()
}

async fn principal(world: &World, token: &str) -> Result<Principal, Reason> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    world.engine.authenticate(&headers, None).await.map_err(|refusal| refusal.reason())
}

#[tokio::test]
async fn a_machine_gets_an_access_token_of_its_own_and_no_row() {
    let world = world().await;
    let answer = ask(&world, "s3cret", &[]).await;
    let answer = body(&answer);
    assert!(answer.get("refresh_token").is_none(), "RFC 6749 section 4.4.3");
    assert_eq!((answer["scope"].as_str(), answer["expires_in"].as_u64()), (Some("mcp mcp:admin"), Some(900)));
    let token = answer["access_token"].as_str().unwrap();
    let principal = principal(&world, token).await.unwrap();
    assert!(principal.is_machine() && principal.session().is_none() && principal.connection().is_none());
    assert!(principal.user_id().is_machine() && ClientId::new(principal.user_id().as_str()).is_err(), "I-7");
    assert_eq!(principal.user().name.as_deref(), Some("Nightly report"));
    assert_eq!((principal.client_id().as_str(), claims(token)["client_id"].as_str()), (JOB, Some(JOB)));
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!(counts, Counts { events: 1, ..Counts::default() }, "I-16");
    let metadata = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
    assert!(metadata["grant_types_supported"].to_string().contains("client_credentials"));
}

#[tokio::test]
async fn that_it_asked_is_on_the_record_once_an_hour() {
    let world = world().await;
    for _ in 0..5 {
        token(&world).await;
        world.test.clock().advance(Duration::from_secs(900));
    }
    let events = world.engine.store().events(&EventQuery { limit: 10, ..Default::default() }).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["machine_signed_in", "machine_signed_in"]);
    assert_eq!(events[0].client_id, Some(id(JOB)));
}

#[tokio::test]
async fn tk_10_nobody_else_may_use_the_grant() {
    let world = world().await;
    assert_error(&ask(&world, "wrong", &[]).await, 401, "invalid_client");
    let without = [("grant_type", "client_credentials"), ("client_id", JOB)];
    assert_error(&world.token(&without).await, 401, "invalid_client");
    let public = world.public_client(&[P]).await;
    for (id, status, error) in [
        (public.as_str(), 400, "unauthorized_client"),
        (U, 401, "invalid_client"),
        ("https://a.example/c", 401, "invalid_client"),
    ] {
        let fields = [("grant_type", "client_credentials"), ("client_id", id)];
        assert_error(&world.token(&fields).await, status, error);
    }
    // Who could authenticate and did not learns nothing of what it may.
    let metadata = serde_json::json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = body(&world.register(&metadata).await);
    let own = [("grant_type", "client_credentials"), ("client_id", registered["client_id"].as_str().unwrap())];
    assert_error(&world.token(&own).await, 401, "invalid_client");
    let own = [own[0], own[1], ("client_secret", registered["client_secret"].as_str().unwrap())];
    assert_error(&world.token(&own).await, 400, "unauthorized_client");
    let people = PreRegistered::confidential(id("portal"), AuthMethod::ClientSecretPost, "s3cret").redirect(P);
    let world = World::with(|builder| builder.client(people)).await;
    let fields = [("grant_type", "client_credentials"), ("client_id", "portal"), ("client_secret", "s3cret")];
    assert_error(&world.token(&fields).await, 400, "unsupported_grant_type");
    let metadata = body(&world.get("/.well-known/oauth-authorization-server", &[]).await);
    assert!(!metadata["grant_types_supported"].to_string().contains("client_credentials"), "MD-2");
}

#[tokio::test]
async fn a_machine_is_refused_at_authorize() {
    let world = world().await;
    let answer = world.authorize(&mut Browser::default(), &request_for(JOB, P)).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn scope_and_resource_are_its_own_or_less() {
    let limited = job().scopes(ScopeSet::from_names(["read"]).unwrap());
    let world = World::with(|builder| {
        let files = Resource::new("/files", "Files").scope("read", "Read").scope("write", "Write");
        builder.resource(files).client(limited)
    })
    .await;
    let files = [("resource", "https://mcp.example/files")];
    let answer = body(&ask(&world, "s3cret", &files).await);
    assert_eq!(answer["scope"], "read");
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["aud"], "https://mcp.example/files");
    let wide = [files[0], ("scope", "read write offline_access openid")];
    assert_eq!(body(&ask(&world, "s3cret", &wide).await)["scope"], "read");
    assert_error(&ask(&world, "s3cret", &[files[0], ("scope", "write")]).await, 400, "invalid_scope");
    assert_error(&ask(&world, "s3cret", &[]).await, 400, "invalid_scope");
    assert_error(&ask(&world, "s3cret", &[("resource", "https://other.example")]).await, 400, "invalid_target");
    // Who asks for nothing gets the defaults, or what there is beside them if that is all that it may have.
    for (most, scope) in [("read write erase", "read write"), ("erase", "erase")] {
        let limited = job().scopes(ScopeSet::from_names(most.split(' ')).unwrap());
        let world = World::with(|builder| {
            let files = Resource::new("/files", "Files").scope("read", "Read").scope("write", "Write");
            builder.resource(files.optional_scope("erase", "Erase")).client(limited)
        })
        .await;
        assert_eq!(body(&ask(&world, "s3cret", &files).await)["scope"], scope);
    }
}

#[tokio::test]
async fn a_block_stops_tokens_that_are_out_within_the_bound() {
    let world = world().await;
    let token = token(&world).await;
    assert!(principal(&world, &token).await.is_ok());
    world.engine.block(&Target::ClientId(id(JOB)), "incident").await.unwrap();
    world.test.clock().advance(Duration::from_secs(5));
    assert_eq!(principal(&world, &token).await.unwrap_err(), Reason::TokenRevoked);
    assert_error(&ask(&world, "s3cret", &[]).await, 400, "unauthorized_client");
    // What was known of it before counts no more, also when the store falls silent.
    world.test.memory().fail(true);
    world.test.clock().advance(Duration::from_secs(5));
    assert_eq!(principal(&world, &token).await.unwrap_err(), Reason::StoreUnavailable);
    world.test.memory().fail(false);
    world.engine.unblock(&Target::ClientId(id(JOB)), "over").await.unwrap();
    assert!(principal(&world, &token).await.is_ok());
    world.test.clock().advance(Duration::from_secs(900));
    assert_eq!(principal(&world, &token).await.unwrap_err(), Reason::TokenExpired);
}

#[tokio::test]
async fn a_silent_store_is_borne_for_a_minute() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.client(job()).store(store.clone())).await;
    let token = token(&world).await;
    assert!(principal(&world, &token).await.is_ok());
    store.fail(true);
    world.test.clock().advance(Duration::from_secs(50));
    assert!(principal(&world, &token).await.is_ok());
    world.test.clock().advance(Duration::from_secs(11));
    assert_eq!(principal(&world, &token).await.unwrap_err(), Reason::StoreUnavailable);
    store.fail(false);
    assert!(principal(&world, &token).await.is_ok());
}

#[tokio::test]
async fn what_a_machine_holds_is_introspected_and_not_revoked() {
    let world = World::with(|builder| builder.client(job()).resource_server("tools", "rs-secret")).await;
    let token = token(&world).await;
    let own = [("client_id", JOB), ("client_secret", "s3cret"), ("token", token.as_str())];
    let answer = body(&world.form("/oauth/introspect", &own, &[]).await);
    assert_eq!((&answer["active"], &answer["client_id"]), (&true.into(), &JOB.into()));
    assert!(answer.get("sid").is_none());
    assert_error(&world.form("/oauth/revoke", &own, &[]).await, 400, "unsupported_token_type");
    world.engine.block(&Target::ClientId(id(JOB)), "incident").await.unwrap();
    world.test.clock().advance(Duration::from_secs(5));
    let basic = [("authorization", "Basic dG9vbHM6cnMtc2VjcmV0")];
    let answer = body(&world.form("/oauth/introspect", &[("token", token.as_str())], &basic).await);
    assert_eq!(answer, serde_json::json!({"active": false}));
    // A store that is down says nothing of a token.
    world.test.memory().fail(true);
    world.test.clock().advance(Duration::from_secs(61));
    let answer = world.form("/oauth/introspect", &[("token", token.as_str())], &basic).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}
