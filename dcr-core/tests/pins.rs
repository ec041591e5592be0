//! Clients that the operator pinned: by the builder or as rows; their limits, and approvals that are remembered.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dcr_core::record::{Event, EventKind, FunnelCount, Step};
use dcr_core::session::EventId;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{Ending, EventQuery, FunnelQuery, MemoryStore, PutClient, Store, StoreError, Target};
use dcr_core::{AuthMethod, ClientId, ConfigError, DocumentPolicy, PreRegistered, ScopeSet, StoredClient, Timestamp};
use http::{Response, StatusCode};

use crate::support::web::Web;
use crate::support::*;

const PORTAL: &str = "portal";
const REDIRECT: &str = "https://portal.example/callback";
const DAYS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

fn id(text: &str) -> ClientId {
    ClientId::new(text).unwrap()
}

fn portal() -> PreRegistered {
    PreRegistered::public(id(PORTAL)).name("Operations portal").redirect(REDIRECT).redirect(L)
}

async fn remembering() -> World {
    World::with(|builder| builder.client(portal().remember_consent(DAYS))).await
}

/// The browser goes to authorize as one does when a person clicks.
async fn click(world: &World, browser: &mut Browser, fields: &[(&str, &str)]) -> Response<Bytes> {
    navigate(
        world,
        browser,
        fields,
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-user", "?1")],
    )
    .await
}

async fn navigate(
    world: &World,
    browser: &mut Browser,
    fields: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Response<Bytes> {
    let cookies = browser.header();
    let mut all = vec![("accept", "text/html"), ("cookie", cookies.as_str())];
    all.extend_from_slice(headers);
    let response = world.get(&format!("/oauth/authorize?{}", encode(fields)), &all).await;
    browser.keep(&response);
    response
}

/// Signs `person` in with the consent page, so that the approval is remembered.
async fn approved(world: &World, person: &str) -> Browser {
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(PORTAL, REDIRECT)).await;
    let back = world.callback(&mut browser, &state, person).await;
    assert_eq!(back.status(), StatusCode::SEE_OTHER, "{}", text(&back));
    browser
}

#[tokio::test]
async fn an_approval_is_remembered_for_the_same_request_of_the_same_person() {
    let world = remembering().await;
    let mut browser = approved(&world, "Ada").await;
    let cookie = browser.cookies.keys().find(|name| name.contains("-ok-")).unwrap();
    assert!(cookie.starts_with("__Host-dcr-ok-"), "row 79");
    let straight = click(&world, &mut browser, &request_for(PORTAL, REDIRECT)).await;
    assert_eq!(straight.status(), StatusCode::SEE_OTHER, "{}", text(&straight));
    let upstream = query_of(&location(&straight));
    let back = world.callback(&mut browser, &upstream["state"], "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    tokens(&world.token(&redemption(PORTAL, REDIRECT, &code)).await);
    assert_eq!(world.engine.store().counts().await.unwrap().connections, 1);
}

/// In the funnel nobody is lost where nobody was asked.
#[tokio::test]
async fn an_approval_that_is_remembered_counts_as_one_that_was_given() {
    let world = remembering().await;
    let mut browser = approved(&world, "Ada").await;
    let straight = click(&world, &mut browser, &request_for(PORTAL, REDIRECT)).await;
    let upstream = query_of(&location(&straight));
    world.callback(&mut browser, &upstream["state"], "Ada").await;
    world.engine.flush().await.unwrap();
    let counts = world.engine.store().funnel(&FunnelQuery { limit: 100, ..FunnelQuery::default() }).await.unwrap();
    let came = |step: Step| counts.iter().filter(|count| count.step == step).map(|count| count.count).sum::<u64>();
    assert_eq!([Step::Authorize, Step::Consent, Step::SignIn].map(came), [2, 2, 2]);
    assert!(counts.iter().all(|count| count.outcome == FunnelCount::OK), "{counts:?}");
}

#[tokio::test]
async fn approvals_of_two_clients_are_remembered_side_by_side() {
    let wiki = ("wiki", "https://wiki.example/callback");
    let world = World::with(|builder| {
        let second = PreRegistered::public(id(wiki.0)).name("Wiki").redirect(wiki.1).remember_consent(DAYS);
        builder.client(portal().remember_consent(DAYS)).client(second)
    })
    .await;
    let mut browser = approved(&world, "Ada").await;
    let state = world.approve(&mut browser, &request_for(wiki.0, wiki.1)).await;
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    for (id, redirect) in [(PORTAL, REDIRECT), wiki] {
        let straight = click(&world, &mut browser.clone(), &request_for(id, redirect)).await;
        assert_eq!(straight.status(), StatusCode::SEE_OTHER, "{id}");
    }
}

#[tokio::test]
async fn the_page_says_for_how_long() {
    let world = remembering().await;
    let page = async |redirect| text(&world.authorize(&mut Browser::default(), &request_for(PORTAL, redirect)).await);
    assert!(page(REDIRECT).await.contains("does not ask again for 30 days"));
    assert!(!page(L).await.contains("does not ask again"), "CO-5");
}

#[tokio::test]
async fn anything_else_asks_again() {
    let world = remembering().await;
    let browser = approved(&world, "Ada").await;
    let good = request_for(PORTAL, REDIRECT);
    let asks = async |fields: &[(&str, &str)], headers: &[(&str, &str)]| {
        navigate(&world, &mut browser.clone(), fields, headers).await.status() == StatusCode::OK
    };
    let click = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-user", "?1")];
    assert!(!asks(&good, &click).await, "the control");
    assert!(asks(&change(&good, "redirect_uri", L), &click).await, "CO-5: another redirect URI, on loopback");
    assert!(asks(&good, &[]).await, "a browser that does not say who began it");
    assert!(asks(&good, &[click[0], click[1]]).await, "a script began it");
    assert!(asks(&good, &[click[0], ("sec-fetch-dest", "iframe"), click[2]]).await);
    let mut program = Browser::default();
    let state = world.approve(&mut program, &request_for(PORTAL, L)).await;
    assert_eq!(world.callback(&mut program, &state, "Ada").await.status(), StatusCode::SEE_OTHER);
    let again = navigate(&world, &mut program, &request_for(PORTAL, L), &click).await;
    assert_eq!(again.status(), StatusCode::OK, "CO-5: an approval of a program is not remembered");
    let mut other = Browser::default();
    assert_eq!(navigate(&world, &mut other, &good, &click).await.status(), StatusCode::OK, "another browser");
    world.test.clock().advance(DAYS);
    assert!(asks(&good, &click).await, "its time is over");
}

#[tokio::test]
async fn more_scope_or_another_pin_asks_again_and_less_does_not() {
    let world = remembering().await;
    let click = async |world: &World, browser: &mut Browser, scope: &str| {
        let fields = change(&request_for(PORTAL, REDIRECT), "scope", scope);
        click(world, browser, &fields).await.status()
    };
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &change(&request_for(PORTAL, REDIRECT), "scope", "mcp")).await;
    world.callback(&mut browser, &state, "Ada").await;
    assert_eq!(click(&world, &mut browser.clone(), "mcp").await, StatusCode::SEE_OTHER);
    assert_eq!(click(&world, &mut browser.clone(), "mcp mcp:admin").await, StatusCode::OK);
    // CI-8: the same id and redirect URI, pinned otherwise.
    let renamed = World::with(|builder| builder.client(portal().name("Renamed").remember_consent(DAYS))).await;
    assert_eq!(click(&renamed, &mut browser.clone(), "mcp").await, StatusCode::OK);
    let forgetful = World::with(|builder| builder.client(portal())).await;
    assert_eq!(click(&forgetful, &mut browser.clone(), "mcp").await, StatusCode::OK);
    let other_secret = World::with(|builder| {
        let secret = dcr_core::Secret::from_bytes([9; 32]);
        builder.client(portal().remember_consent(DAYS)).secrets(vec![secret], vec![])
    })
    .await;
    assert_eq!(click(&other_secret, &mut browser, "mcp").await, StatusCode::OK);
}

#[tokio::test]
async fn somebody_else_in_the_same_browser_gets_a_page_and_is_asked_the_next_time() {
    let world = remembering().await;
    let mut browser = approved(&world, "Ada").await;
    let straight = click(&world, &mut browser, &request_for(PORTAL, REDIRECT)).await;
    let upstream = query_of(&location(&straight));
    let refused = world.callback(&mut browser, &upstream["state"], "Bob").await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(text(&refused).contains("consent_other_user"), "{}", text(&refused));
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!((counts.users, counts.sessions), (1, 1), "row 77: Bob approved nothing");
    let asked = click(&world, &mut browser, &request_for(PORTAL, REDIRECT)).await;
    assert_eq!(asked.status(), StatusCode::OK);
}

#[tokio::test]
async fn nobody_but_pinned_clients_is_remembered() {
    let world = World::new().await;
    for client in [world.public_client(&[P]).await, U.to_owned()] {
        let mut browser = Browser::default();
        let state = world.approve(&mut browser, &request_for(&client, P)).await;
        world.callback(&mut browser, &state, "Ada").await;
        assert!(!browser.cookies.keys().any(|name| name.contains("-ok-")), "ADOPT-12");
        let fields = request_for(&client, P);
        assert_eq!(click(&world, &mut browser, &fields).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_pinned_client_gets_its_scopes_at_most() {
    let narrow = portal().scopes(ScopeSet::from_names(["mcp"]).unwrap());
    let world = World::with(|builder| builder.client(narrow)).await;
    let tokens = world.sign_in(PORTAL, REDIRECT, "Ada").await;
    assert_eq!(tokens.body["scope"], "mcp");
}

#[tokio::test]
async fn pins_that_cannot_work_stop_the_engine_with_what_to_change() {
    let built = async |client: PreRegistered| {
        let provider = dcr_core::testing::StubProvider;
        let resource = dcr_core::Resource::new("/mcp", "x").scope("mcp", "x");
        let builder = dcr_core::DcrEngine::builder("http://localhost:1").resource(resource);
        let builder = builder.provider(Arc::new(provider)).store(Arc::new(MemoryStore::new()));
        builder.client(portal()).client(client).build().await.map(|_| ())
    };
    assert!(matches!(built(portal()).await, Err(ConfigError::PreRegisteredTwice(_))));
    for client in [
        PreRegistered::public(id("a")),
        PreRegistered::public(id("a")).redirect("http://a.example/cb"),
        PreRegistered::public(id("a")).redirect("app://x/cb"),
        PreRegistered::public(id("a")).client_credentials(),
        PreRegistered::public(id("a")).redirect(P).remember_consent(Duration::ZERO),
        PreRegistered::public(id("a")).redirect(P).remember_consent(Duration::from_secs(600)),
    ] {
        assert!(matches!(built(client).await, Err(ConfigError::PreRegistered { .. })));
    }
}

fn event(n: u8) -> Event {
    Event::new(EventId::from_bytes([n; 16]), Timestamp::from_unix_seconds(1_790_000_000), EventKind::ClientPinned)
}

async fn pin(store: &MemoryStore, n: u8, client: PreRegistered) {
    let change = PutClient { client: StoredClient::pinned(client), instead_of: None, event: event(n) };
    assert!(store.put_client(change).await.unwrap());
}

#[tokio::test]
async fn a_row_pins_a_client_while_servers_run() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.store(store.clone())).await;
    let status = async || world.authorize(&mut Browser::default(), &request_for(PORTAL, REDIRECT)).await.status();
    assert_eq!(status().await, StatusCode::BAD_REQUEST);
    pin(&store, 1, PreRegistered::confidential(id(PORTAL), AuthMethod::ClientSecretPost, "s3cret").redirect(REDIRECT))
        .await;
    world.test.clock().advance(Duration::from_secs(5));
    assert_eq!(status().await, StatusCode::OK);
    let code = world.code(PORTAL, REDIRECT, "Ada").await;
    let mut fields = redemption(PORTAL, REDIRECT, &code);
    assert_error(&world.token(&fields).await, 401, "invalid_client");
    fields.push(("client_secret", "wrong"));
    assert_error(&world.token(&fields).await, 401, "invalid_client");
    fields.pop();
    fields.push(("client_secret", "s3cret"));
    tokens(&world.token(&fields).await);
    assert!(store.unpin_client(&id(PORTAL), event(2)).await.unwrap());
    assert_eq!(status().await, StatusCode::BAD_REQUEST, "at once");
}

#[tokio::test]
async fn a_row_pins_an_id_whatever_its_form() {
    let (store, web) = (Arc::new(MemoryStore::new()), Arc::new(Web::default()));
    let world =
        World::with(|builder| builder.store(store.clone()).metadata_documents(DocumentPolicy::On, web.clone())).await;
    let sealed = world.public_client(&[P]).await;
    for (n, pinned) in (1..).zip(["https://portal.example/client.json", "urn:example:portal", sealed.as_str()]) {
        pin(&store, n, PreRegistered::public(id(pinned)).redirect(REDIRECT)).await;
        world.test.clock().advance(Duration::from_secs(5));
        world.sign_in(pinned, REDIRECT, "Ada").await;
    }
    assert_eq!(web.asked(), 0, "the operator's word counts, and no host is asked for its own");
}

#[tokio::test]
async fn a_row_pins_a_machine() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.store(store.clone())).await;
    let job = PreRegistered::confidential(id("job"), AuthMethod::ClientSecretPost, "s3cret").client_credentials();
    pin(&store, 1, job).await;
    let fields = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", "s3cret")];
    let answer = body(&world.token(&fields).await);
    let token = answer["access_token"].as_str().unwrap();
    assert!(world.accepts(token).await);
    store.unpin_client(&id("job"), event(2)).await.unwrap();
    world.test.clock().advance(Duration::from_secs(5));
    assert!(!world.accepts(token).await, "within the bound of a revocation");
}

/// The id of a public registration is anybody's: as a pinned machine it needs the secret of the pin.
#[tokio::test]
async fn tk_10_a_public_registration_that_is_pinned_as_a_machine_needs_the_secret() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.store(store.clone())).await;
    let sealed = world.public_client(&[P]).await;
    let job = PreRegistered::confidential(id(&sealed), AuthMethod::ClientSecretPost, "s3cret").client_credentials();
    pin(&store, 1, job).await;
    world.test.clock().advance(Duration::from_secs(5));
    let fields = [("grant_type", "client_credentials"), ("client_id", sealed.as_str())];
    assert_error(&world.token(&fields).await, 401, "invalid_client");
    let with = [fields[0], fields[1], ("client_secret", "s3cret")];
    let answer = body(&world.token(&with).await);
    let token = answer["access_token"].as_str().unwrap();
    let own = [fields[1], ("client_secret", "s3cret"), ("token", token)];
    assert_eq!(body(&world.form("/oauth/introspect", &own, &[]).await)["active"], true);
}

#[tokio::test]
async fn a_sign_in_on_its_way_ends_with_the_pin() {
    let store = Arc::new(MemoryStore::new());
    let world = World::with(|builder| builder.store(store.clone())).await;
    pin(&store, 1, PreRegistered::public(id(PORTAL)).redirect(REDIRECT)).await;
    world.test.clock().advance(Duration::from_secs(5));
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(PORTAL, REDIRECT)).await;
    store.unpin_client(&id(PORTAL), event(2)).await.unwrap();
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.engine.store().counts().await.unwrap().sessions, 0);
}

/// ME-12: an id that the operator trusts no more keeps nothing.
#[tokio::test]
async fn taking_a_pin_away_ends_the_sessions_of_its_id_and_names_them() {
    let world = World::new().await;
    let operator = world.engine.operator();
    operator.pin(PreRegistered::public(id(PORTAL)).redirect(REDIRECT), "a portal").await.unwrap();
    world.test.clock().advance(Duration::from_secs(5));
    let kept = world.sign_in(U, P, "Ada").await;
    let mut tokens = Vec::new();
    for person in ["Ada", "Bob"] {
        tokens.push(world.sign_in(PORTAL, REDIRECT, person).await);
    }
    let ended = operator.unpin(&id(PORTAL), "gone").await.unwrap().unwrap();
    assert_eq!(ended.len(), 2);
    for tokens in tokens {
        assert!(!world.accepts(&tokens.access).await);
    }
    assert!(world.accepts(&kept.access).await);
    assert_eq!(operator.unpin(&id(PORTAL), "again").await.unwrap(), None);
}

/// Memory, whose operator takes the pin away just before a sign-in is written that has seen it.
#[derive(Debug)]
struct TakenAway(MemoryStore, Mutex<Option<Event>>);

#[async_trait]
impl Route for TakenAway {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        let armed = if method == "sign_in" { self.1.lock().unwrap().take() } else { None };
        if let Some(event) = armed {
            assert!(self.0.unpin_client(&id(PORTAL), event.clone()).await?);
            self.0.revoke(Ending::of(Target::ClientId(id(PORTAL)), "gone", event.at, event)).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn ad_08_a_sign_in_that_is_written_after_the_pin_is_gone_does_not_stay() {
    let store = Arc::new(Routed(TakenAway(MemoryStore::new(), Mutex::default())));
    let world = World::with(|builder| builder.store(store.clone())).await;
    pin(&store.0.0, 1, PreRegistered::public(id(PORTAL)).redirect(REDIRECT)).await;
    world.test.clock().advance(Duration::from_secs(5));
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(PORTAL, REDIRECT)).await;
    *store.0.1.lock().unwrap() = Some(event(2));
    let answer = world.callback(&mut browser, &state, "Ada").await;
    assert_eq!((answer.status(), answer.headers().get("location")), (StatusCode::BAD_REQUEST, None));
    let events = store.events(&EventQuery { limit: 10, ..EventQuery::default() }).await.unwrap();
    let session = events.iter().find_map(|event| event.session).unwrap();
    let row = store.session(session).await.unwrap().unwrap().session;
    assert_eq!(row.ended.unwrap().reason, "client_not_accepted");
    assert!(events.iter().any(|event| event.kind == EventKind::Revoked && event.session == Some(session)));
}

/// OpenID Connect Core section 3.1.2.1: who asks for a prompt gets one.
#[tokio::test]
async fn a_prompt_that_is_asked_for_is_shown() {
    let world = remembering().await;
    let mut browser = approved(&world, "Ada").await;
    for prompt in ["consent", "login", "select_account"] {
        let mut fields = request_for(PORTAL, REDIRECT);
        fields.push(("prompt", prompt));
        assert_eq!(click(&world, &mut browser, &fields).await.status(), StatusCode::OK, "{prompt}");
    }
}
