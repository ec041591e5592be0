//! A guard elsewhere. What it fetches is answered by a real engine.

#[cfg(feature = "tower")]
mod layer;
#[path = "../support/mod.rs"]
mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dcr_core::remote::{RemoteConfigError, RemoteGuard, RemoteGuardBuilder};
use dcr_core::store::{MemoryStore, Target};
use dcr_core::testing::{ManualClock, SeededRandom, StubProvider, TestEngine};
use dcr_core::upstream::{FetchError, HttpFetch};
use dcr_core::{DcrEngine, Reason, Resource, ScopeSet, Secret};
use http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use support::*;

/// No two issuers make the same session ids.
static SEED: AtomicU64 = AtomicU64::new(10);

const TOOLS: &str = "https://tools.example/mcp";

/// The way to the issuer: it may be cut, count, and tell lies.
#[derive(Debug)]
struct Wire {
    issuer: Mutex<DcrEngine>,
    cut: AtomicBool,
    asked: Mutex<Vec<String>>,
    /// What one path answers instead, with this status.
    lie: Mutex<Option<(&'static str, u16, Value)>>,
}

#[async_trait]
impl HttpFetch for Wire {
    async fn fetch(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, FetchError> {
        assert!(request.uri().to_string().starts_with("https://mcp.example/"), "{}", request.uri());
        let path = request.uri().path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        // Others get their turn while this one is on its way.
        tokio::task::yield_now().await;
        if self.cut.load(Ordering::SeqCst) {
            return Err(FetchError("cut".to_owned()));
        }
        if let Some((at, status, body)) = &*self.lie.lock().unwrap()
            && *at == path
        {
            return Ok(Response::builder().status(*status).body(body.to_string().into_bytes()).unwrap());
        }
        let engine = self.issuer.lock().unwrap().clone();
        let (mut parts, body) = request.into_parts();
        parts.uri = path.parse().unwrap();
        let response = engine.handle(Request::from_parts(parts, Bytes::from(body))).await;
        Ok(response.map(|body| body.to_vec()))
    }
}

struct Elsewhere {
    world: World,
    wire: Arc<Wire>,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    guard: RemoteGuard,
}

fn secret(n: u8) -> Secret {
    Secret::from_bytes([n; 32])
}

async fn issuer(secrets: Vec<Secret>, store: &Arc<MemoryStore>, clock: &Arc<ManualClock>) -> DcrEngine {
    DcrEngine::builder(ISSUER)
        .resource(Resource::new("/mcp", "Test server").scope("mcp", "Use the tools"))
        .resource(
            Resource::elsewhere(TOOLS, "Remote tools")
                .scope("tools", "Use the remote tools")
                .optional_scope("tools:admin", "Change the remote tools")
                .implies("tools:admin", "tools"),
        )
        .resource_server("rs", "rs:secret/")
        .store(store.clone())
        .clock(clock.clone())
        .random(SeededRandom::new(SEED.fetch_add(1, Ordering::SeqCst)))
        .provider(Arc::new(StubProvider))
        .secrets(secrets, vec![])
        .build()
        .await
        .unwrap()
}

impl Elsewhere {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(change: impl FnOnce(RemoteGuardBuilder) -> RemoteGuardBuilder) -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), ManualClock::at(1_790_000_000));
        let engine = issuer(vec![secret(1)], &store, &clock).await;
        let wire = Arc::new(Wire {
            issuer: Mutex::new(engine.clone()),
            cut: AtomicBool::new(false),
            asked: Mutex::default(),
            lie: Mutex::default(),
        });
        let builder = RemoteGuard::builder(ISSUER, TOOLS)
            .name("Remote tools")
            .scope("tools")
            .implies("tools:admin", "tools")
            .fetch(wire.clone())
            .clock(clock.clone())
            .random(SeededRandom::new(2));
        let guard = change(builder).build().unwrap();
        let world = World { test: TestEngine::new().await, engine };
        Self { world, wire, clock, store, guard }
    }

    async fn rotate(&mut self, secrets: Vec<Secret>) {
        self.world.engine = issuer(secrets, &self.store, &self.clock).await;
        *self.wire.issuer.lock().unwrap() = self.world.engine.clone();
    }

    async fn sign_in(&self, resource: &str, scope: &str) -> Tokens {
        let mut browser = Browser::default();
        let fields = change(&change(&request_for(U, P), "resource", resource), "scope", scope);
        let state = self.world.approve(&mut browser, &fields).await;
        let back = self.world.callback(&mut browser, &state, "Ada").await;
        let code = query_of(&location(&back))["code"].clone();
        tokens(&self.world.token(&change(&redemption(U, P, &code), "resource", resource)).await)
    }

    async fn judge(&self, token: &str) -> Result<(), Reason> {
        self.guard.authenticate(&bearer(token)).await.map(drop).map_err(|refusal| refusal.reason())
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.wire.asked.lock().unwrap())
    }

    fn cut(&self, cut: bool) {
        self.wire.cut.store(cut, Ordering::SeqCst);
    }

    fn lie(&self, lie: Option<(&'static str, u16, Value)>) {
        *self.wire.lie.lock().unwrap() = lie;
    }
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    headers
}

const DOCUMENTS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json"];

#[tokio::test]
async fn a_token_of_the_issuer_for_this_resource_speaks_for_a_person() {
    let place = Elsewhere::new().await;
    let tokens = place.sign_in(TOOLS, "tools:admin").await;
    let who = place.guard.authenticate(&bearer(&tokens.access)).await.unwrap();
    let claims = claims(&tokens.access);
    assert_eq!(who.user_id().as_str(), claims["sub"]);
    assert_eq!(who.client_id().as_str(), U);
    assert_eq!(who.session().unwrap().to_string(), claims["sid"]);
    assert_eq!(who.connection().unwrap().to_string(), claims["con"]);
    assert_eq!(who.resource(), TOOLS);
    assert_eq!(who.expires_at().unix_seconds(), claims["exp"].as_i64().unwrap());
    assert_eq!(who.scope().to_string(), "tools:admin");
    assert!(who.has_scope("tools"), "the same hierarchy");
    assert!(who.require(&ScopeSet::from_names(["tools", "other"]).unwrap()).is_err());
    assert_eq!(place.asked(), DOCUMENTS);
    // And nothing more for further tokens.
    place.judge(&place.sign_in(TOOLS, "").await.access).await.unwrap();
    assert_eq!(place.asked(), [""; 0]);
}

#[tokio::test]
async fn rs_01_to_04_what_the_issuer_would_refuse_is_refused_here() {
    let place = Elsewhere::new().await;
    let good = place.sign_in(TOOLS, "").await;
    let other = place.sign_in(RESOURCE, "").await;
    assert_eq!(place.judge(&good.access).await, Ok(()));
    assert_eq!(place.judge(&other.access).await, Err(Reason::TokenInvalid), "the issuer's own resource");
    assert_eq!(place.judge(&good.refresh).await, Err(Reason::TokenInvalid));
    let [head, payload, signature] = good.access.split('.').collect::<Vec<_>>()[..] else { panic!() };
    use base64::Engine as _;
    let b64 = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let unb64 =
        |text| String::from_utf8(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let header = unb64(head);
    for (from, to) in [
        ("at+jwt", "JWT"),
        ("EdDSA", "none"),
        ("EdDSA", "HS256"),
        ("{", "{\"jku\":\"https://evil.example\","),
        ("{", "{ "),
    ] {
        let head = b64(&header.replacen(from, to, 1));
        assert_eq!(place.judge(&format!("{head}.{payload}.{signature}")).await, Err(Reason::TokenInvalid), "{to}");
    }
    let widened = b64(&unb64(payload).replace("\"tools\"", "\"tools:admin\""));
    assert_eq!(place.judge(&format!("{head}.{widened}.{signature}")).await, Err(Reason::TokenInvalid));
    for junk in ["x", "..", "a.b.c", &"a".repeat(10_000)] {
        assert_eq!(place.judge(junk).await, Err(Reason::TokenInvalid));
    }
    // Another issuer of the same name and kind, with another key.
    let forger = Elsewhere::with(|builder| builder).await;
    let forged = issuer(vec![secret(9)], &forger.store, &forger.clock).await;
    let forger = World { test: TestEngine::new().await, engine: forged };
    let mut browser = Browser::default();
    let state = forger.approve(&mut browser, &change(&request_for(U, P), "resource", TOOLS)).await;
    let back = forger.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    let forged = tokens(&forger.token(&change(&redemption(U, P, &code), "resource", TOOLS)).await);
    place.clock.advance(Duration::from_secs(11));
    assert_eq!(place.judge(&forged.access).await, Err(Reason::TokenInvalid));

    place.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(place.judge(&good.access).await, Err(Reason::TokenExpired));
    assert_eq!(place.guard.authenticate(&HeaderMap::new()).await.unwrap_err().reason(), Reason::TokenMissing);
}

#[tokio::test]
async fn a_new_key_is_found_at_once_and_an_unknown_one_asks_no_more_than_every_ten_seconds() {
    let mut place = Elsewhere::new().await;
    let old = place.sign_in(TOOLS, "").await;
    place.judge(&old.access).await.unwrap();
    // Without the announcement that the rules of rotation ask for.
    place.clock.advance(Duration::from_secs(11));
    place.rotate(vec![secret(2), secret(1)]).await;
    let new = place.sign_in(TOOLS, "").await;
    place.asked();
    place.judge(&new.access).await.unwrap();
    assert_eq!(place.asked(), DOCUMENTS);
    place.judge(&old.access).await.unwrap();

    // A stranger who makes ids up costs nobody anything.
    place.rotate(vec![secret(3)]).await;
    let unknown = place.sign_in(TOOLS, "").await;
    for _ in 0..50 {
        assert_eq!(place.judge(&unknown.access).await, Err(Reason::TokenInvalid));
    }
    assert_eq!(place.asked(), [""; 0]);
    place.clock.advance(Duration::from_secs(11));
    place.judge(&unknown.access).await.unwrap();
    assert_eq!(place.asked(), DOCUMENTS);
    assert_eq!(place.judge(&old.access).await, Err(Reason::TokenInvalid), "a key that is gone opens nothing");
}

#[tokio::test]
async fn while_the_issuer_is_down_the_last_good_keys_serve_and_without_any_it_is_503() {
    let mut place = Elsewhere::new().await;
    let tokens = place.sign_in(TOOLS, "").await;
    place.cut(true);
    assert_eq!(place.judge(&tokens.access).await, Err(Reason::IssuerUnavailable));
    assert_eq!(Reason::IssuerUnavailable.status(), 503);
    place.cut(false);
    assert_eq!(place.judge(&tokens.access).await, Err(Reason::IssuerUnavailable), "not asked again at once");
    assert_eq!(place.asked(), &DOCUMENTS[..1]);
    place.clock.advance(Duration::from_secs(6));
    place.judge(&tokens.access).await.unwrap();

    place.cut(true);
    place.clock.advance(Duration::from_secs(6 * 60));
    place.asked();
    for _ in 0..20 {
        place.judge(&tokens.access).await.unwrap();
    }
    assert_eq!(place.asked(), &DOCUMENTS[..1], "old, looked for once, and kept");
    // A key that may be new: nobody can tell.
    place.rotate(vec![secret(2)]).await;
    let new = place.sign_in(TOOLS, "").await;
    assert_eq!(place.judge(&new.access).await, Err(Reason::IssuerUnavailable));
    place.cut(false);
    place.clock.advance(Duration::from_secs(6));
    place.judge(&new.access).await.unwrap();
}

#[tokio::test]
async fn many_requests_at_once_are_one_fetch() {
    let place = Elsewhere::new().await;
    let tokens = place.sign_in(TOOLS, "").await;
    let judge = || {
        let (guard, headers) = (place.guard.clone(), bearer(&tokens.access));
        tokio::spawn(async move { guard.authenticate(&headers).await.map(drop) })
    };
    let all: Vec<_> = (0..50).map(|_| judge()).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(place.asked(), DOCUMENTS);
    place.clock.advance(Duration::from_secs(5 * 60));
    let all: Vec<_> = (0..50).map(|_| judge()).collect();
    for one in all {
        one.await.unwrap().unwrap();
    }
    assert_eq!(place.asked(), DOCUMENTS);
}

#[tokio::test]
async fn rs_11_documents_that_do_not_hold_are_not_used_and_no_redirect_is_followed() {
    let place = Elsewhere::new().await;
    let tokens = place.sign_in(TOOLS, "").await;
    let [metadata, keys] = DOCUMENTS;
    let document = |issuer: &str, jwks: &str| json!({"issuer": issuer, "jwks_uri": jwks});
    let own = "https://mcp.example/.well-known/jwks.json";
    for lie in [
        (metadata, 200, document("https://mcp.example/", own)),
        (metadata, 200, document("https://MCP.example", own)),
        (metadata, 200, document(ISSUER, "https://evil.example/jwks.json")),
        (metadata, 200, document(ISSUER, "https://mcp.example.evil.example/jwks.json")),
        (metadata, 200, document(ISSUER, "http://mcp.example/jwks.json")),
        (metadata, 200, json!({"issuer": ISSUER, "jwks_uri": own, "introspection_endpoint": "https://evil.example/i"})),
        (metadata, 302, document(ISSUER, own)),
        (metadata, 200, json!("nonsense")),
        (keys, 200, json!({"keys": []})),
        (keys, 200, json!({"keys": [{"kty": "RSA", "kid": "x", "n": "x", "e": "AQAB"}]})),
        (keys, 404, json!({})),
    ] {
        place.lie(Some(lie.clone()));
        place.clock.advance(Duration::from_secs(6));
        assert_eq!(place.judge(&tokens.access).await, Err(Reason::IssuerUnavailable), "{lie:?}");
    }
    place.lie(None);
    place.clock.advance(Duration::from_secs(6));
    place.judge(&tokens.access).await.unwrap();
}

fn asking(builder: RemoteGuardBuilder) -> RemoteGuardBuilder {
    builder.introspection("rs", "rs:secret/")
}

#[tokio::test]
async fn rs_07_with_introspection_a_revocation_is_seen_within_seconds_and_without_it_at_the_end_of_the_token() {
    let place = Elsewhere::with(asking).await;
    let blind = RemoteGuard::builder(ISSUER, TOOLS).scope("tools").fetch(place.wire.clone()).clock(place.clock.clone());
    let blind = blind.build().unwrap();
    let tokens = place.sign_in(TOOLS, "").await;
    let user = claims(&tokens.access)["sub"].as_str().unwrap().parse().unwrap();
    for _ in 0..10 {
        place.judge(&tokens.access).await.unwrap();
    }
    assert_eq!(place.asked(), [DOCUMENTS[0], DOCUMENTS[1], "/oauth/introspect"], "once for two seconds");
    place.world.engine.revoke_sessions(&Target::User(user), "test").await.unwrap();
    place.clock.advance(Duration::from_secs(2));
    assert_eq!(place.judge(&tokens.access).await, Err(Reason::TokenRevoked));
    assert!(blind.authenticate(&bearer(&tokens.access)).await.is_ok());
    // What is no token of this issuer is never asked about.
    place.asked();
    let other = place.sign_in(RESOURCE, "").await;
    assert_eq!(place.judge(&other.access).await, Err(Reason::TokenInvalid));
    assert_eq!(place.asked(), [""; 0]);
}

#[tokio::test]
async fn introspection_that_fails_is_503_and_never_a_yes() {
    let place = Elsewhere::with(asking).await;
    let tokens = place.sign_in(TOOLS, "").await;
    place.judge(&tokens.access).await.unwrap();
    for (status, answer) in [
        (500, json!({"active": true})),
        (401, json!({"active": true})),
        (302, json!({"active": true})),
        (200, json!({"active": "true"})),
        (200, json!({"active": 1})),
        (200, json!({})),
        (200, json!([true])),
    ] {
        place.lie(Some(("/oauth/introspect", status, answer)));
        place.clock.advance(Duration::from_secs(2));
        assert_eq!(place.judge(&tokens.access).await, Err(Reason::IssuerUnavailable), "{status}");
    }
    place.lie(None);
    place.cut(true);
    place.clock.advance(Duration::from_secs(2));
    assert_eq!(
        place.judge(&tokens.access).await,
        Err(Reason::IssuerUnavailable),
        "the keys are known, the answer is not"
    );
    place.cut(false);
    place.clock.advance(Duration::from_secs(2));
    place.judge(&tokens.access).await.unwrap();

    let wrong = Elsewhere::with(|builder| builder.introspection("rs", "wrong")).await;
    assert_eq!(wrong.judge(&wrong.sign_in(TOOLS, "").await.access).await, Err(Reason::IssuerUnavailable));
}

#[tokio::test]
async fn the_challenge_and_the_metadata_are_this_resources_own() {
    let place = Elsewhere::new().await;
    assert_eq!(place.guard.resource(), TOOLS);
    let refusal = place.guard.authenticate(&HeaderMap::new()).await.unwrap_err();
    assert_eq!(
        place.guard.challenge(&refusal, &ScopeSet::default()).unwrap(),
        "Bearer resource_metadata=\"https://tools.example/.well-known/oauth-protected-resource/mcp\", scope=\"tools\""
    );
    let paths = place.guard.paths();
    assert_eq!(
        paths,
        [
            "/.well-known/oauth-protected-resource/mcp",
            "/mcp/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource"
        ]
    );
    for path in &paths {
        let answer = place.guard.handle(&request("GET", path, &[], ""));
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(
            body(&answer),
            json!({
                "resource": TOOLS, "authorization_servers": [ISSUER], "scopes_supported": ["tools"],
                "bearer_methods_supported": ["header"], "resource_name": "Remote tools",
            })
        );
        assert_eq!(place.guard.handle(&request("POST", path, &[], "")).status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(place.guard.handle(&request("OPTIONS", path, &[], "")).status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(place.guard.handle(&request("GET", "/other", &[], "")).status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_guard_that_cannot_work_is_not_built() {
    let place = Elsewhere::new().await;
    let build = |issuer: &str, resource: &str| {
        RemoteGuard::builder(issuer, resource).scope("tools").fetch(place.wire.clone()).build().map(drop)
    };
    assert!(build("http://127.0.0.1:8080", "http://localhost:9000/mcp").is_ok());
    for issuer in
        ["https://mcp.example/", "http://mcp.example", "https://MCP.example", "https://mcp.example/a", "mcp.example"]
    {
        assert!(matches!(build(issuer, TOOLS), Err(RemoteConfigError::Issuer(_))), "{issuer}");
    }
    for resource in ["http://tools.example/mcp", "https://tools.example/mcp/", "/mcp", "https://tools.example/mcp?a"] {
        assert!(matches!(build(ISSUER, resource), Err(RemoteConfigError::Resource { .. })), "{resource}");
    }
    let builder = || RemoteGuard::builder(ISSUER, TOOLS).fetch(place.wire.clone());
    assert!(builder().build().is_err(), "no scope");
    assert!(builder().scope("a").implies("a", "b").implies("b", "a").build().is_err());
    assert!(builder().scope("a").introspection_cache(Duration::from_secs(6)).build().is_err());
    let shown = format!("{:?}", asking(builder().scope("a")).build().unwrap());
    assert!(!shown.contains("secret"), "{shown}");
}
