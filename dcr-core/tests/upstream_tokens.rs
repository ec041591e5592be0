//! Upstream tokens and the recheck, through the engine: who gets one, who refreshes it, and what the provider's refusals mean
//! (I-9, UP-5, UP-7).

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{EventQuery, MemoryStore, Store, StoreError, Target, UserQuery};
use dcr_core::testing::{Person, StubProvider, TestEngine};
use dcr_core::upstream::{
    Identified, IdentityProvider, LoginAnswer, LoginError, LoginRequest, Recheck, RefreshRequest, UpstreamError,
    UpstreamFault, UpstreamGrant, UpstreamTokenError,
};
use dcr_core::{DcrEngineBuilder, Principal, Resource};
use tokio::sync::Notify;

use crate::support::*;

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// The test login, with a switch for what a refresh comes to.
#[derive(Debug, Default)]
struct Provider {
    refreshes: AtomicU32,
    fault: Mutex<Option<UpstreamFault>>,
    asked: Mutex<Vec<Vec<String>>>,
    /// A refresh waits until it is told to go on, if there is this.
    held: Mutex<Option<Arc<Notify>>>,
}

impl Provider {
    fn fails(&self, fault: impl Into<Option<UpstreamFault>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    fn refreshes(&self) -> u32 {
        self.refreshes.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl IdentityProvider for Provider {
    fn name(&self) -> &'static str {
        "Test login"
    }

    async fn login_url(&self, request: LoginRequest<'_>) -> Result<String, UpstreamError> {
        self.asked.lock().unwrap().push(request.upstream_scopes.to_vec());
        StubProvider.login_url(request).await
    }

    async fn identify(&self, answer: LoginAnswer<'_>) -> Result<Identified, UpstreamError> {
        StubProvider.identify(answer).await
    }

    async fn refresh(&self, request: RefreshRequest<'_>) -> Result<UpstreamGrant, UpstreamError> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().unwrap().clone();
        if let Some(held) = held {
            held.notified().await;
        }
        let fault = *self.fault.lock().unwrap();
        match fault {
            Some(fault) => Err(UpstreamError::new(fault, "the test said so")),
            None => StubProvider.refresh(request).await,
        }
    }

    fn explain(&self, error: LoginError<'_>) -> UpstreamError {
        StubProvider.explain(error)
    }
}

/// The resource with upstream scopes; the first one has none.
const MAIL: &str = "https://mcp.example/mail";

async fn engine(provider: &Arc<Provider>, change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> TestEngine {
    let provider = Arc::clone(provider) as Arc<dyn IdentityProvider>;
    TestEngine::with(|builder| {
        let mail =
            Resource::new("/mail", "Mail").scope("mail", "Read mail").upstream_scopes(["User.Read", "Mail.Read"]);
        change(builder.provider(provider).resource(mail))
    })
    .await
}

async fn signed_in(engine: &TestEngine, name: &str) -> Principal {
    engine.sign_in_for_tests_at(Some(MAIL), &Person::named(name), None).await.unwrap().principal().clone()
}

async fn secret(engine: &TestEngine, principal: &Principal) -> Result<String, UpstreamTokenError> {
    engine.upstream_token(principal).await.map(|token| token.secret().to_owned())
}

async fn rows(store: &dyn Store) -> u64 {
    store.counts().await.unwrap().upstream_tokens
}

#[tokio::test]
async fn a_tool_gets_a_token_that_is_fresh_and_the_provider_is_asked_only_when_it_lapses() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-0"));
    engine.clock().advance(HOUR - 2 * MINUTE);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-0"));
    assert_eq!(provider.refreshes(), 0);
    engine.clock().advance(MINUTE);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"));
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"));
    engine.clock().advance(HOUR);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-2"), "the newest refresh token counts");
    assert_eq!((provider.refreshes(), rows(engine.memory()).await), (2, 1));
    let token = engine.upstream_token(&ada).await.unwrap();
    assert!(token.authorization().unwrap().is_sensitive());
    assert!(!format!("{token:?}").contains("upstream-access"));
}

#[tokio::test]
async fn only_where_a_resource_has_upstream_scopes_is_anything_asked_for_or_kept() {
    let provider = Arc::new(Provider::default());
    let asked = Arc::clone(&provider);
    let world = World::with(|builder| builder.provider(asked)).await;
    let id = world.public_client(&[P]).await;
    world.sign_in(&id, P, "Ada").await;
    assert_eq!(*provider.asked.lock().unwrap(), [Vec::<String>::new()]);
    assert_eq!(rows(world.test.memory()).await, 0);
    let ada = world.test.sign_in(&Person::named("Ada")).await;
    assert_eq!(world.engine.upstream_token(ada.principal()).await, Err(UpstreamTokenError::NotConfigured));
}

#[tokio::test]
async fn a_login_asks_for_the_resources_scopes_and_offline_access_and_never_for_a_clients() {
    let provider = Arc::new(Provider::default());
    let asked = Arc::clone(&provider);
    let world = World::with(|builder| {
        builder
            .provider(asked)
            .resource(Resource::new("/graph", "Graph").scope("graph", "x").upstream_scopes(["User.Read"]))
    })
    .await;
    let id = world.public_client(&[P]).await;
    let mut browser = Browser::default();
    let fields = change(&request_for(&id, P), "resource", "https://mcp.example/graph");
    let state = world.approve(&mut browser, &change(&fields, "scope", "Mail.Read graph")).await;
    world.callback(&mut browser, &state, "Ada").await;
    assert_eq!(*provider.asked.lock().unwrap(), [["offline_access", "User.Read"]]);
    assert_eq!(rows(world.test.memory()).await, 1);
}

#[tokio::test]
async fn i_9_nobody_gets_anothers_and_whoever_is_signed_out_gets_none() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let (ada, bob) = (signed_in(&engine, "Ada").await, signed_in(&engine, "Bob").await);
    let again = signed_in(&engine, "Ada").await;
    engine.clock().advance(HOUR);
    assert!(secret(&engine, &bob).await.is_ok() && secret(&engine, &ada).await.is_ok());
    assert_eq!((provider.refreshes(), rows(engine.memory()).await), (2, 2));

    engine.revoke_sessions(&Target::Session(ada.session().unwrap()), "test").await.unwrap();
    assert_eq!(secret(&engine, &ada).await, Err(UpstreamTokenError::SignInAgain), "its session is over");
    assert!(secret(&engine, &again).await.is_ok(), "the other session of the same person");
    engine.revoke_sessions(&Target::User(ada.user_id().clone()), "test").await.unwrap();
    assert_eq!(secret(&engine, &again).await, Err(UpstreamTokenError::SignInAgain));
    assert_eq!(rows(engine.memory()).await, 1, "the last session took it along");
    assert!(secret(&engine, &bob).await.is_ok());
}

#[tokio::test]
async fn each_refusal_of_the_provider_has_a_reason_and_only_a_dead_grant_costs_the_row() {
    for (fault, reason, kept) in [
        (UpstreamFault::Busy, UpstreamTokenError::Busy, true),
        (UpstreamFault::Invalid, UpstreamTokenError::Busy, true),
        (UpstreamFault::Configuration, UpstreamTokenError::Refused, true),
        (UpstreamFault::ConsentNeeded, UpstreamTokenError::ConsentMissing, true),
        (UpstreamFault::GrantDead, UpstreamTokenError::SignInAgain, false),
        (UpstreamFault::InteractionNeeded, UpstreamTokenError::SignInAgain, false),
    ] {
        let provider = Arc::new(Provider::default());
        let engine = engine(&provider, |builder| builder).await;
        let ada = signed_in(&engine, "Ada").await;
        engine.clock().advance(HOUR);
        provider.fails(fault);
        assert_eq!(secret(&engine, &ada).await, Err(reason), "{fault:?}");
        assert_eq!(rows(engine.memory()).await, u64::from(kept), "{fault:?}");
        assert!(engine.sign_in_for_tests(&Person::named("Ada"), None).await.is_ok());
        provider.fails(None);
        // Nobody has to wait for a lease to lapse.
        let after = secret(&engine, &ada).await;
        assert_eq!(after.is_ok(), kept, "{fault:?}: {after:?}");
        let session = engine.store().session(ada.session().unwrap()).await.unwrap().unwrap().session;
        assert_eq!(session.ended, None, "{fault:?}");
    }
}

#[tokio::test]
async fn up_07_a_user_who_is_gone_upstream_is_signed_out_everywhere_with_the_reason_on_record() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    let elsewhere = engine.sign_in(&Person::named("Ada")).await;
    let bob = signed_in(&engine, "Bob").await;
    engine.clock().advance(HOUR);
    provider.fails(UpstreamFault::UserGone);
    assert_eq!(secret(&engine, &ada).await, Err(UpstreamTokenError::UserGone));
    assert_eq!(secret(&engine, &ada).await, Err(UpstreamTokenError::SignInAgain));
    for session in [ada.session().unwrap(), elsewhere.principal().session().unwrap()] {
        let ended = engine.store().session(session).await.unwrap().unwrap().session.ended.unwrap();
        assert_eq!(ended.reason, "upstream_user_gone");
    }
    let query = EventQuery { user: Some(ada.user_id().clone()), limit: 10, ..EventQuery::default() };
    let events = engine.store().events(&query).await.unwrap();
    assert!(events.iter().any(|event| event.reason == "upstream_user_gone" && event.kind.as_str() == "revoked"));
    let bobs = engine.store().session(bob.session().unwrap()).await.unwrap().unwrap();
    assert_eq!((bobs.session.ended, rows(engine.memory()).await), (None, 1), "nobody else is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn race_64_tasks_ask_the_provider_once() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    for round in 1..=10 {
        engine.clock().advance(HOUR);
        let barrier = Arc::new(tokio::sync::Barrier::new(64));
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (engine, ada, barrier) = (engine.engine(), ada.clone(), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    engine.upstream_token(&ada).await.map(|token| token.secret().to_owned())
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(format!("upstream-access-{round}")));
        }
        assert_eq!(provider.refreshes(), round, "one refresh a round");
    }
}

/// Two servers on one store; the first of them holds the lease until it is let go.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_server_waits_for_whoever_refreshes_and_reads_what_it_wrote() {
    let provider = Arc::new(Provider::default());
    let store = Arc::new(MemoryStore::new());
    let shared = |builder: DcrEngineBuilder| builder.store(Arc::clone(&store) as Arc<dyn Store>);
    let (first, second) = (engine(&provider, shared).await, engine(&provider, shared).await);
    let ada = signed_in(&first, "Ada").await;
    first.clock().advance(HOUR);
    second.clock().advance(HOUR);
    let go = Arc::new(Notify::new());
    *provider.held.lock().unwrap() = Some(Arc::clone(&go));
    let ask = |engine: &TestEngine| {
        let (engine, ada) = (engine.engine(), ada.clone());
        tokio::spawn(async move { engine.upstream_token(&ada).await.map(|token| token.secret().to_owned()) })
    };
    let one = ask(&first);
    while provider.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    let two = ask(&second);
    go.notify_one();
    assert_eq!(one.await.unwrap().as_deref(), Ok("upstream-access-1"));
    assert_eq!(two.await.unwrap().as_deref(), Ok("upstream-access-1"));
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn a_lease_whose_holder_died_lapses_and_the_old_refresh_token_does() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    engine.clock().advance(HOUR);
    *provider.held.lock().unwrap() = Some(Arc::new(Notify::new()));
    let (dying, principal) = (engine.engine(), ada.clone());
    let dying = tokio::spawn(async move { dying.upstream_token(&principal).await });
    while provider.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    dying.abort();
    assert!(dying.await.is_err());
    *provider.held.lock().unwrap() = None;
    engine.clock().advance(MINUTE);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"));
}

/// The first server's lease lapsed while it waited for the provider, which takes a refresh token once.
#[tokio::test]
async fn whoever_is_refused_because_another_was_faster_takes_what_the_other_got() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    engine.clock().advance(HOUR);
    let go = Arc::new(Notify::new());
    *provider.held.lock().unwrap() = Some(Arc::clone(&go));
    let (slow, principal) = (engine.engine(), ada.clone());
    let slow =
        tokio::spawn(async move { slow.upstream_token(&principal).await.map(|token| token.secret().to_owned()) });
    while provider.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    // Another server, which has turns of its own.
    let other = {
        let store = engine.engine().store().clone();
        self::engine(&provider, |builder| builder.store(store)).await
    };
    *provider.held.lock().unwrap() = None;
    other.clock().advance(HOUR + MINUTE);
    assert_eq!(secret(&other, &ada).await.as_deref(), Ok("upstream-access-1"));
    provider.fails(UpstreamFault::GrantDead);
    go.notify_one();
    assert_eq!(slow.await.unwrap().as_deref(), Ok("upstream-access-1"));
    assert_eq!(rows(engine.memory()).await, 1);
}

#[tokio::test]
async fn a_server_without_the_secret_leaves_the_row_to_those_that_have_it() {
    let provider = Arc::new(Provider::default());
    let store = Arc::new(MemoryStore::new());
    let with = |seed: u8| {
        let (store, secret) = (Arc::clone(&store) as Arc<dyn Store>, dcr_core::Secret::from_bytes([seed; 32]));
        |builder: DcrEngineBuilder| builder.store(store).secrets(vec![secret], vec![])
    };
    let (one, two) = (engine(&provider, with(1)).await, engine(&provider, with(2)).await);
    let ada = signed_in(&one, "Ada").await;
    assert_eq!(secret(&two, &ada).await, Err(UpstreamTokenError::SignInAgain));
    assert_eq!(secret(&one, &ada).await.as_deref(), Ok("upstream-access-0"));
}

/// A store that loses one write: it happens not, and the answer is an error.
#[derive(Debug)]
struct Losing {
    store: Arc<MemoryStore>,
    method: &'static str,
    times: AtomicU32,
}

#[async_trait]
impl Route for Losing {
    fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        let lost = method == self.method
            && self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if lost { Err(StoreError::Unavailable("lost".into())) } else { Ok(()) }
    }
}

#[tokio::test]
async fn a_lost_write_costs_nobody_a_token_and_the_old_refresh_token_does_after_the_lease() {
    let provider = Arc::new(Provider::default());
    let losing = Losing { store: Arc::default(), method: "replace_upstream_token", times: AtomicU32::new(1) };
    let store = Arc::new(Routed(losing)) as Arc<dyn Store>;
    let engine = engine(&provider, |builder| builder.store(store)).await;
    let ada = signed_in(&engine, "Ada").await;
    engine.clock().advance(HOUR);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"));
    engine.clock().advance(MINUTE);
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"), "once more by the old one");
    assert_eq!(secret(&engine, &ada).await.as_deref(), Ok("upstream-access-1"));
    assert_eq!(provider.refreshes(), 2);
}

#[tokio::test]
async fn a_store_that_is_down_is_told_from_a_person_who_has_nothing() {
    let provider = Arc::new(Provider::default());
    let engine = engine(&provider, |builder| builder).await;
    let ada = signed_in(&engine, "Ada").await;
    engine.memory().fail(true);
    assert_eq!(secret(&engine, &ada).await, Err(UpstreamTokenError::Unavailable));
    assert!(UpstreamTokenError::Unavailable.is_passing() && !UpstreamTokenError::SignInAgain.is_passing());
}

async fn rechecked(recheck: Recheck) -> (World, Arc<Provider>, String, Tokens) {
    let provider = Arc::new(Provider::default());
    let shared = Arc::clone(&provider);
    let world = World::with(|builder| builder.provider(shared).recheck(recheck)).await;
    let id = world.public_client(&[P]).await;
    let tokens = world.sign_in(&id, P, "Ada").await;
    world.test.clock().advance(MINUTE);
    (world, provider, id, tokens)
}

#[tokio::test]
async fn up_07_without_a_recheck_a_refresh_asks_nobody() {
    let (world, provider, id, tokens) = rechecked(Recheck::Never).await;
    provider.fails(UpstreamFault::UserGone);
    support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!((provider.refreshes(), rows(world.test.memory()).await), (0, 0));
    assert_eq!(*provider.asked.lock().unwrap(), [Vec::<String>::new()]);
}

#[tokio::test]
async fn up_07_whoever_is_disabled_upstream_is_out_at_the_next_refresh_and_their_access_tokens_with_it() {
    let (world, provider, id, tokens) = rechecked(Recheck::Refresh).await;
    assert_eq!(*provider.asked.lock().unwrap(), [["offline_access"]], "a row with the bare scope set");
    let tokens = support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!(provider.refreshes(), 1);
    assert!(world.accepts(&tokens.access).await);
    world.test.clock().advance(MINUTE);
    provider.fails(UpstreamFault::UserGone);
    let answer = world.refresh(&id, &tokens.refresh).await;
    assert_error(&answer, 400, "invalid_grant");
    assert!(!world.accepts(&tokens.access).await, "in this process at once");
    assert_eq!(rows(world.test.memory()).await, 0);
    let user = world.engine.store().users(&UserQuery { limit: 1, ..UserQuery::default() }).await.unwrap().remove(0);
    let query = EventQuery { user: Some(user.id), limit: 1, ..EventQuery::default() };
    assert_eq!(world.engine.store().events(&query).await.unwrap()[0].reason, "upstream_user_gone");
    assert_error(&world.refresh(&id, &tokens.refresh).await, 400, "invalid_grant");
    assert_eq!(provider.refreshes(), 2, "the provider is not asked about whoever is out");
}

#[tokio::test]
async fn up_07_the_provider_is_asked_once_an_interval() {
    let (world, provider, id, tokens) = rechecked(Recheck::Every(HOUR)).await;
    let tokens = support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!(provider.refreshes(), 0, "the sign-in was a minute ago");
    world.test.clock().advance(HOUR);
    let tokens = support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!(provider.refreshes(), 1);
    world.test.clock().advance(MINUTE);
    support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn up_07_whoever_must_meet_the_provider_signs_in_again_and_goes_on() {
    let (world, provider, id, tokens) = rechecked(Recheck::Refresh).await;
    provider.fails(UpstreamFault::InteractionNeeded);
    assert_error(&world.refresh(&id, &tokens.refresh).await, 400, "invalid_grant");
    provider.fails(None);
    let again = world.sign_in(&id, P, "Ada").await;
    world.test.clock().advance(MINUTE);
    support::tokens(&world.refresh(&id, &again.refresh).await);
    // The other session of the same person was never ended, and the provider vouches for them again.
    support::tokens(&world.refresh(&id, &tokens.refresh).await);
}

#[tokio::test]
async fn up_07_a_provider_that_is_down_is_never_an_invalid_grant() {
    for (fault, status, error) in
        [(UpstreamFault::Busy, 503, "temporarily_unavailable"), (UpstreamFault::Configuration, 500, "server_error")]
    {
        let (world, provider, id, tokens) = rechecked(Recheck::Refresh).await;
        provider.fails(fault);
        world.test.clock().advance(30 * MINUTE);
        let tokens = support::tokens(&world.refresh(&id, &tokens.refresh).await);
        world.test.clock().advance(30 * MINUTE);
        let answer = world.refresh(&id, &tokens.refresh).await;
        assert_error(&answer, status, error);
        provider.fails(None);
        support::tokens(&world.refresh(&id, &tokens.refresh).await);
    }
}

#[tokio::test]
async fn up_07_a_session_from_before_the_recheck_signs_in_anew() {
    let store = Arc::new(MemoryStore::new());
    let shared = |builder: DcrEngineBuilder| builder.store(Arc::clone(&store) as Arc<dyn Store>);
    let before = World::with(shared).await;
    let id = before.public_client(&[P]).await;
    let tokens = before.sign_in(&id, P, "Ada").await;
    let after = World::with(|builder| shared(builder).recheck(Recheck::Refresh)).await;
    after.test.clock().advance(MINUTE);
    assert_error(&after.refresh(&id, &tokens.refresh).await, 400, "invalid_grant");
}

/// A stolen token that is superseded makes no request to the provider.
#[tokio::test]
async fn up_07_a_superseded_refresh_token_causes_no_recheck() {
    let (world, provider, id, tokens) = rechecked(Recheck::Refresh).await;
    support::tokens(&world.refresh(&id, &tokens.refresh).await);
    world.test.clock().advance(Duration::from_secs(1));
    support::tokens(&world.refresh(&id, &tokens.refresh).await);
    assert_eq!(provider.refreshes(), 1);
}

#[tokio::test]
async fn resources_with_the_same_upstream_scopes_share_and_others_do_not() {
    let provider = Arc::new(Provider::default());
    let graph = Resource::new("/graph", "x").scope("x", "x").upstream_scopes(["User.Read", "Mail.Read", "User.Read"]);
    let engine = engine(&provider, |builder| builder.resource(graph).resource(other())).await;
    let sign_in = |path: &'static str| {
        let engine = engine.engine();
        async move {
            let resource = format!("https://mcp.example{path}");
            engine.sign_in_for_tests_at(Some(&resource), &Person::named("Ada"), None).await.unwrap().principal().clone()
        }
    };
    let (_, graph, _) = (sign_in("/mail").await, sign_in("/graph").await, sign_in("/other").await);
    assert_eq!(rows(engine.memory()).await, 2);
    engine.clock().advance(HOUR);
    secret(&engine, &graph).await.unwrap();
    assert_eq!(provider.refreshes(), 1);
}

fn other() -> Resource {
    Resource::new("/other", "x").scope("x", "x").upstream_scopes(["User.Read"])
}
