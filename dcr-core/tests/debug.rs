//! I-14, OP-5: `Debug` of every public type shows no secret. Which types hold one is a list, and whoever adds a public type
//! must say on which side of it that type is.

mod support;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;

use dcr_core::pages::{ConnectionsPage, ConsentPage, RefusalPage};
use dcr_core::record::{Event, EventKind};
use dcr_core::remote::RemoteGuard;
use dcr_core::session::{CodeChallenge, Connection, EventId, Generation, Session, SessionId};
use dcr_core::store::conformance::{InTurn, Route, Routed};
use dcr_core::store::{Advance, Advanced, CatchUp, MemoryStore, PutClient, SessionView, SignIn, Store, UserQuery};
use dcr_core::testing::{AssertionKey, ManualClock, Person, StubProvider, TestEngine};
use dcr_core::upstream::{
    EntraConfig, Identified, Identity, LoginAnswer, LoginError, LoginRequest, OidcConfig, OidcProvider, OidcSecret,
    RefreshRequest, ReqwestFetch, UpstreamCredential, UpstreamGrant, UpstreamSecret,
};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{
    AuthMethod, ClientId, DcrEngine, Language, Operator, PreRegistered, Resource, Secret, StoredClient, SystemClock,
    SystemRandom, Timestamp,
};
use http::HeaderMap;

use crate::support::*;

/// Types that hold a secret, or something that does. Each is formatted below.
const HOLD: &[&str] = &[
    "AdminAccess",
    "AdminConsole",
    "Advance",
    "Advanced",
    "AssertionKey",
    "BearerGuard",
    "BearerLayer",
    "CatchUp",
    "ConnectionsPage",
    "ConsentPage",
    "DcrEngine",
    "DcrEngineBuilder",
    "EntraConfig",
    "InTurn",
    "LoginAnswer",
    "LoginError",
    "LoginRequest",
    "MemoryStore",
    "OidcConfig",
    "OidcProvider",
    "OidcSecret",
    "Operator",
    "OwnResource",
    "PreRegistered",
    "Principal",
    "PutClient",
    "RefusalPage",
    "RemoteGuard",
    "RemoteGuardBuilder",
    "Routed",
    "Secret",
    "CodeChallenge",
    "Session",
    "SessionView",
    "SignIn",
    "SignedInPerson",
    "StoredClient",
    "StoredUpstreamToken",
    "PutUpstreamToken",
    "TestEngine",
    "ClientCertificate",
    "Identified",
    "ManagedIdentity",
    "RefreshRequest",
    "UpstreamCredential",
    "UpstreamGrant",
    "UpstreamSecret",
    "UpstreamToken",
];

/// Types that hold none: what is on the record, what clients publish, settings, ids, words, faults.
const HOLD_NONE: &[&str] = &[
    // Faults, which say what is wrong in words, and name what is public.
    "AdminAccessError",
    "Blame",
    "ClientIdError",
    "ConfigError",
    "FetchError",
    "GuardedFetchError",
    "ImportFault",
    "KeyRingError",
    "LimitsError",
    "NotATime",
    "NotAdmitted",
    "NotAnEvent",
    "NotAnId",
    "OperatorError",
    "PinFault",
    "PlatformListError",
    "ProviderConfigError",
    "PublicFetchError",
    "RandomUnavailable",
    "Reason",
    "RedirectFault",
    "RetentionError",
    "Refusal",
    "RemoteConfigError",
    "SecretError",
    "TrustedProxiesError",
    "StoreError",
    "UnknownPolicy",
    "UpstreamError",
    "UpstreamFault",
    "UpstreamTokenError",
    "CertificateError",
    // Who, what and when.
    "AdminPeople",
    "Applicant",
    "Area",
    "ConnectedApp",
    "Actor",
    "AuthMethod",
    "BlockKind",
    "BlockQuery",
    "CurrentPrincipal",
    "Census",
    "ClientId",
    "ClientUse",
    "ClientUseQuery",
    "Connection",
    "Counts",
    "Ending",
    "Erased",
    "Erasure",
    "Event",
    "EventKind",
    "EventQuery",
    "FunnelCount",
    "FunnelQuery",
    "FunnelSumQuery",
    "Generation",
    "Groups",
    "Identity",
    "Import",
    "Imported",
    "ImportedClient",
    "ImportedUse",
    "Platform",
    "PlatformUse",
    "Provenance",
    "Health",
    "Receipt",
    "RecentRefusal",
    "RequestQuery",
    "RequestRecord",
    "RequestsOf",
    "RedirectClass",
    "Reference",
    "RemotePrincipal",
    "Replayed",
    "Revocation",
    "Roles",
    "ScopeSet",
    "SessionEnd",
    "SignedIn",
    "SoftwareKey",
    "Step",
    "Target",
    "Timestamp",
    "UpstreamLease",
    "TrustedProxies",
    "User",
    "UserId",
    "UserMatch",
    "UserQuery",
    "Witness",
    // Settings and pages.
    "Admission",
    "AdoptionPolicy",
    "Brand",
    "DocumentPolicy",
    "Language",
    "Lifetimes",
    "Limits",
    "PlatformList",
    "Recheck",
    "PublicFetch",
    "PublicFetchBuilder",
    "Reconnecting",
    "RefusalKind",
    "RegistrationPolicy",
    "Retention",
    "ReqwestFetch",
    "Rate",
    "Resource",
    "SignInPage",
    "StandardPages",
    "Texts",
    "WebTexts",
    "Theme",
    // Clocks, chance, and what tests make up.
    "ManualClock",
    "Person",
    "SeededRandom",
    "StubProvider",
    "SystemClock",
    "SystemRandom",
    // Bodies on their way, which are not shown.
    "GuardBody",
    "InspectedBody",
    "Refused",
    "RequestBody",
    // The databases' own: statements without values, and faults; `Value` has no `Debug`. See dcr-sqlx's own test.
    "Fault",
    "OpenError",
    "SqlStore",
    "Statements",
    "Value",
];

const NEEDLE: &str = "c2VjcmV0LW9mLWEtdGVzdC10aGF0LWlzLWxvbmc=";

/// 32 bytes that no two of are alike next to each other.
fn bytes() -> [u8; 32] {
    std::array::from_fn(|n| u8::try_from(n * 7 + 13).unwrap_or(1))
}

fn secret() -> Secret {
    Secret::from_bytes(bytes())
}

/// Neither as text nor as bytes, on one line or on many.
#[track_caller]
fn hidden(what: &dyn Debug, secrets: &[&str]) {
    let text = format!("{what:?}\n{what:#?}");
    let flat: String = text.split_whitespace().collect();
    let numbers: Vec<String> = bytes().iter().map(u8::to_string).collect();
    let hex: String = bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = secret().to_base64();
    let own =
        [NEEDLE, &numbers[..8].join(","), &hex[..16], &base64[..16], &base64.replace('/', "_").replace('+', "-")[..16]];
    for secret in own.iter().chain(secrets) {
        assert!(!flat.contains(secret), "{secret} is in {text}");
    }
}

fn session() -> Session {
    let now = Timestamp::from_unix_seconds(1_790_000_000);
    Session {
        adopted_secret: Some(bytes()),
        code_challenge: CodeChallenge::from_bytes(bytes()),
        ended: None,
        created_at: now,
        ..sample()
    }
}

/// A session as the engine makes it.
fn sample() -> Session {
    let store = Arc::new(MemoryStore::new());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let engine = engine(store.clone()).await;
        engine.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
        let user = store.users(&UserQuery { limit: 1, ..UserQuery::default() }).await.unwrap().swap_remove(0);
        let connection: Connection = store.connections_of(&user.id).await.unwrap().swap_remove(0);
        store.sessions_of(connection.id).await.unwrap().swap_remove(0)
    })
}

async fn engine(store: Arc<MemoryStore>) -> DcrEngine {
    let resource = Resource::new("/mcp", "Test").scope("mcp", "Use it");
    let builder =
        DcrEngine::builder("https://mcp.example").resource(resource).store(store).provider(Arc::new(StubProvider));
    let builder = builder.secrets(vec![secret()], vec![]).resource_server("rs", NEEDLE).client(pinned());
    hidden(&builder, &[]);
    builder.build().await.unwrap()
}

fn pinned() -> PreRegistered {
    let id = ClientId::new("portal-of-a-test").unwrap();
    PreRegistered::confidential(id, AuthMethod::ClientSecretPost, NEEDLE).redirect("https://portal.example/cb")
}

fn event() -> Event {
    Event::new(EventId::from_bytes([1; 16]), Timestamp::from_unix_seconds(1), EventKind::Recovered)
}

#[derive(Debug)]
struct Straight(Arc<MemoryStore>);

impl Route for Straight {
    fn store(&self) -> &dyn Store {
        self.0.as_ref()
    }
}

#[test]
fn i_14_configurations_and_credentials_are_redacted() {
    hidden(&secret(), &[]);
    hidden(&CodeChallenge::from_bytes(bytes()), &[]);
    hidden(&OidcSecret::new(NEEDLE), &[]);
    hidden(&EntraConfig::new("common", "app", NEEDLE), &[]);
    hidden(&OidcConfig::new("https://idp.example", "app").secret(NEEDLE), &[]);
    let fetch = Arc::new(ReqwestFetch::new().unwrap());
    let config = OidcConfig::new("https://idp.example", "app").secret(NEEDLE);
    hidden(&OidcProvider::new(config, fetch, Arc::new(SystemClock)).unwrap(), &[]);
    hidden(&dcr_core::AdminAccess::token(NEEDLE).unwrap(), &[]);
    hidden(&pinned(), &["adopted"]);
    hidden(&StoredClient::pinned(pinned()), &[]);
    hidden(&PutClient { client: StoredClient::pinned(pinned()), instead_of: None, event: event() }, &[]);
    let guard = RemoteGuard::builder("https://mcp.example", "https://tools.example/mcp").scope("tools");
    let guard = guard.introspection("tools", NEEDLE).session_secret(secret());
    hidden(&guard, &[]);
    let guard = guard.build().unwrap();
    hidden(&guard, &[]);
    hidden(&guard.guard(), &[]);
    // An Ed25519 key of 32 equal bytes.
    hidden(&AssertionKey::seeded(9), &["9,9,9,9", "0909090909", "CQkJCQkJ"]);
}

#[test]
fn i_14_what_is_said_to_the_provider_and_by_it_is_redacted() {
    let request = LoginRequest {
        callback: "https://x",
        state: NEEDLE,
        nonce: NEEDLE,
        verifier: NEEDLE,
        select_account: true,
        upstream_scopes: &[],
    };
    hidden(&request, &[]);
    hidden(&LoginAnswer { code: NEEDLE, issuer: None, callback: "https://x", nonce: NEEDLE, verifier: NEEDLE }, &[]);
    hidden(&LoginError { error: "access_denied", description: NEEDLE }, &[]);
    let secret = UpstreamSecret::new(NEEDLE);
    hidden(&secret, &[]);
    hidden(&RefreshRequest { refresh_token: &secret, upstream_scopes: &[] }, &[]);
    let grant = UpstreamGrant { access_token: secret.clone(), refresh_token: Some(secret), expires_in: None };
    hidden(&grant, &[]);
    let identity = Identity {
        issuer: String::new(),
        tenant: String::new(),
        object_id: String::new(),
        name: None,
        email: None,
        verified_email: None,
        groups: Groups::Unsaid,
        roles: Roles::default(),
    };
    hidden(&Identified { identity, grant: Some(grant) }, &[]);
    hidden(&UpstreamCredential::Secret(OidcSecret::new(NEEDLE)), &[]);
}

#[test]
fn i_14_pages_do_not_show_what_is_one_browsers_or_one_clients() {
    let mut consent = ConsentPage::sample(Language::English);
    NEEDLE.clone_into(&mut consent.request);
    hidden(&consent, &[]);
    let mut refusal = RefusalPage::sample(Language::English, dcr_core::Reason::UpstreamBusy);
    refusal.way_back = Some(format!("https://app.example/callback?state={NEEDLE}"));
    hidden(&refusal, &[]);
    let mut connections = ConnectionsPage::sample(Language::English);
    NEEDLE.clone_into(&mut connections.token);
    hidden(&connections, &[]);
}

#[test]
fn i_14_sessions_and_what_is_done_to_them_are_redacted() {
    let (session, now) = (session(), Timestamp::from_unix_seconds(1));
    hidden(&session, &[]);
    hidden(&Advanced::Won(session.clone()), &[]);
    let advance = Advance { from: Generation::CODE, now, expires_at: now, adopted_secret: Some(bytes()) };
    hidden(&advance, &[]);
    let presented = Generation::new(3);
    hidden(&CatchUp { presented, now, expires_at: now, adopted_secret: Some(bytes()), event: event() }, &[]);
    let user = dcr_core::session::User {
        id: session.user.clone(),
        issuer: String::new(),
        tenant: String::new(),
        object_id: String::new(),
        name: None,
        email: None,
        groups: Groups::Unsaid,
        roles: Roles::default(),
    };
    hidden(&SessionView { session: session.clone(), user: user.clone() }, &[]);
    let sign_in = SignIn {
        user,
        software: dcr_core::SoftwareKey::from_stored("x"),
        new_connection: session.connection,
        session,
        max_sessions: 1,
        max_aliases: 1,
        event: event(),
        evictions: Vec::new(),
        upstream_token: None,
        now,
    };
    hidden(&sign_in, &[]);
}

#[tokio::test]
async fn i_14_engines_stores_and_who_is_signed_in_are_redacted() {
    let store = Arc::new(MemoryStore::new());
    store.keep_secret(secret()).await.unwrap();
    let engine = engine(store.clone()).await;
    let ada = engine.sign_in_for_tests(&Person::named("Ada"), None).await.unwrap();
    let token = ada.token().to_owned();
    let parts: Vec<&str> = token.split('.').collect();
    let (payload, signature) = (&parts[1][..16], &parts[2][..16]);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", ada.authorization());
    let principal = engine.authenticate(&headers, None).await.unwrap();
    let test = TestEngine::with(|builder| builder.secrets(vec![secret()], vec![])).await;
    let guard = engine.guard();
    let service = tower_layer::Layer::layer(&guard, ());
    let console = engine.console();
    let all: [&dyn Debug; 12] = [
        &store,
        &Routed(Straight(store.clone())),
        &InTurn::of(vec![store.clone()]),
        &Operator::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom)),
        &engine,
        &console,
        &guard,
        &service,
        &principal,
        &ada,
        &test,
        &headers,
    ];
    for what in all {
        hidden(what, &[payload, signature]);
    }
    let _ = (ManualClock::at(1), SessionId::from_bytes([1; 16]));
}

/// OP-5: a host that logs the headers of answers sees neither cookies nor codes.
#[tokio::test]
async fn op_05_headers_with_cookies_and_codes_are_marked_as_sensitive() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(&id, P)).await;
    let sent = world.decide(&mut browser, &page, "approve").await;
    let state = query_of(&location(&sent))["state"].clone();
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    let cookies: Vec<String> =
        browser.header().split("; ").filter_map(|pair| Some(pair.split_once('=')?.1.to_owned())).collect();
    let secrets: Vec<&str> = cookies.iter().chain([&state, &code]).map(String::as_str).collect();
    assert!(secrets.len() >= 3);
    for headers in [page.headers(), sent.headers(), back.headers()] {
        hidden(headers, &secrets);
    }
}

/// Nobody adds a public type without saying whether it holds a secret.
#[test]
fn i_14_the_list_of_public_types_is_complete() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut types = BTreeSet::new();
    for source in ["src", "../dcr-sqlx/src", "../dcr-axum/src", "../dcr-warp/src"] {
        // The other crates are not there when this one is built from its own package.
        if home.join(source).exists() {
            public_types(&home.join(source), &mut types);
        }
    }
    let listed: BTreeSet<String> = HOLD.iter().chain(HOLD_NONE).map(|name| (*name).to_owned()).collect();
    assert_eq!(listed.len(), HOLD.len() + HOLD_NONE.len(), "each once");
    let missing: Vec<_> = types.difference(&listed).collect();
    assert!(missing.is_empty(), "say in this file whether these hold a secret, and format them if so: {missing:?}");
    let gone: Vec<_> = listed.difference(&types).collect();
    assert!(gone.is_empty() || !home.join("../dcr-sqlx").exists(), "these are gone: {gone:?}");
}

fn public_types(directory: &Path, types: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if ["src/fuzzing.rs", "src/fuzzing", "src/parts.rs"].iter().any(|inside| path.ends_with(inside)) {
            // For the fuzz targets and the benchmarks alone.
            continue;
        }
        if path.is_dir() {
            public_types(&path, types);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let line = line.trim_start();
                let kinds = ["pub struct ", "pub enum ", "pub union "];
                let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else { continue };
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // What a macro names is an id.
                if !name.is_empty() {
                    types.insert(name);
                }
            }
        }
    }
}
