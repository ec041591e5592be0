//! What the cases are made of: fixed bytes and fixed times.

use std::sync::Arc;

use tokio::sync::Barrier;

use crate::client::{AuthMethod, ClientId, Platform, Provenance, SoftwareKey};
use crate::clock::Timestamp;
use crate::oauth::ScopeSet;
use crate::record::{Event, EventKind};
use crate::session::{CodeChallenge, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use crate::store::{Advance, Advanced, Counts, Ending, EventQuery, SessionView, SignIn, SignedIn, Store, Target};
use crate::upstream::{Groups, Roles};

pub(super) type AnyStore = Arc<dyn Store>;

/// Texts that a careless column would take for one another: by case, trailing space, leading zeros, numeric value,
/// pattern or quoting.
pub(super) const LOOKALIKES: [&str; 20] = [
    "abcdefgh",
    "ABCDEFGH",
    "Abcdefgh",
    "abcdefgh0",
    "0abcdefgh",
    "1000",
    "01000",
    "1000.0",
    "+1000",
    "1e3",
    "0x3e8",
    "null",
    "NULL",
    "true",
    "abc%",
    "abc_",
    "a'b",
    "a\"b",
    "a\\b",
    "abc;--",
];

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + seconds)
}

/// Later than every other time of the cases.
pub(super) fn far() -> Timestamp {
    at(100_000_000)
}

fn bytes(kind: u8, n: u32) -> [u8; 16] {
    let mut id = [kind; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id
}

pub(super) fn session_id(n: u32) -> SessionId {
    SessionId::from_bytes(bytes(0x5e, n))
}

pub(super) fn connection_id(n: u32) -> ConnectionId {
    ConnectionId::from_bytes(bytes(0xc0, n))
}

pub(super) fn event_id(n: u32) -> EventId {
    EventId::from_bytes(bytes(0xe0, n))
}

/// An event that no sign-in of [`sign_in`] writes.
pub(super) fn event(n: u32, kind: EventKind) -> Event {
    Event::new(EventId::from_bytes(bytes(0xef, n)), at(i64::from(n)), kind)
}

pub(super) fn client_id(text: &str) -> ClientId {
    ClientId::new(text).unwrap()
}

pub(super) fn person(name: &str) -> User {
    User {
        id: UserId::derive("https://idp.example", "tenant", name),
        issuer: "https://idp.example".to_owned(),
        tenant: "tenant".to_owned(),
        object_id: name.to_owned(),
        name: Some(name.to_owned()),
        email: Some(format!("{name}@example.com")),
        groups: Groups::Unsaid,
        roles: Roles::default(),
    }
}

/// The n-th sign-in of Ada with Claude on the web, at `at(n)`; change what a case is about.
pub(super) fn sign_in(n: u32) -> SignIn {
    let now = at(i64::from(n));
    let user = person("ada");
    let mut event = Event::new(event_id(n * 100), now, EventKind::SignedIn);
    event.user = Some(user.id.clone());
    event.session = Some(session_id(n));
    event.client_id = Some(client_id("client-one"));
    event.platform = Some(Platform::named("claude-web"));
    let eviction = |i| Event {
        user: Some(user.id.clone()),
        reason: "too_many".to_owned(),
        ..Event::new(event_id(n * 100 + i), now, EventKind::Evicted)
    };
    SignIn {
        software: SoftwareKey::from_stored("platform:claude-web"),
        new_connection: connection_id(n),
        session: Session {
            id: session_id(n),
            user: user.id.clone(),
            connection: connection_id(n),
            client_id: client_id("client-one"),
            provenance: Provenance::Sealed,
            platform: Platform::named("claude-web"),
            auth_method: AuthMethod::None,
            adopted_secret: None,
            redirect_uri: "https://claude.ai/api/mcp/auth_callback".to_owned(),
            code_challenge: CodeChallenge::from_bytes([0x13; 32]),
            resource: "https://mcp.example/mcp".to_owned(),
            scope: ScopeSet::parse_lossy("tools:read tools:write"),
            refreshable: true,
            generation: Generation::CODE,
            created_at: now,
            redeemed_at: None,
            advanced_at: now,
            expires_at: at(1_000_000),
            absolute_expires_at: at(2_000_000),
            ended: None,
        },
        max_sessions: 20,
        max_aliases: 50,
        event,
        evictions: (1..=20).map(eviction).collect(),
        upstream_token: None,
        user,
        now,
    }
}

/// The n-th sign-in, of another person.
pub(super) fn sign_in_of(n: u32, name: &str) -> SignIn {
    let mut sign_in = sign_in(n);
    sign_in.user = person(name);
    sign_in.session.user = sign_in.user.id.clone();
    sign_in.event.user = Some(sign_in.user.id.clone());
    sign_in
}

/// The n-th sign-in, with another software.
pub(super) fn sign_in_with(n: u32, software: &str) -> SignIn {
    SignIn { software: SoftwareKey::from_stored(software), ..sign_in(n) }
}

/// The n-th sign-in, with another client id.
pub(super) fn sign_in_as(n: u32, client: &str) -> SignIn {
    let mut sign_in = sign_in(n);
    sign_in.session.client_id = client_id(client);
    sign_in.event.client_id = Some(client_id(client));
    sign_in
}

/// Signs in, which must succeed; the connection.
pub(super) async fn open(store: &AnyStore, sign_in: SignIn) -> ConnectionId {
    match store.sign_in(sign_in).await.unwrap() {
        SignedIn::Done { connection, .. } => connection,
        other => panic!("not signed in: {other:?}"),
    }
}

pub(super) async fn view(store: &AnyStore, n: u32) -> SessionView {
    store.session(session_id(n)).await.unwrap().unwrap()
}

pub(super) async fn counts(store: &AnyStore) -> Counts {
    store.counts().await.unwrap()
}

pub(super) async fn is_live(store: &AnyStore, n: u32, now: Timestamp) -> bool {
    view(store, n).await.session.is_alive(now)
}

pub(super) async fn events(store: &AnyStore) -> Vec<Event> {
    store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap()
}

/// The numbers of the sessions in the feed, in order of their ids.
pub(super) async fn feed(store: &AnyStore, since: Timestamp) -> Vec<SessionId> {
    let mut ids: Vec<_> = store.revocations_since(since).await.unwrap().into_iter().map(|r| r.session).collect();
    ids.sort_unstable();
    ids
}

/// From this generation on, at this time, for an hour.
pub(super) fn advance(from: u32, now: i64) -> Advance {
    Advance { from: Generation::new(from), now: at(now), expires_at: at(now + 3_600), adopted_secret: None }
}

pub(super) async fn advanced(store: &AnyStore, n: u32, advance: Advance) -> Advanced {
    store.advance(session_id(n), advance).await.unwrap()
}

/// Revokes, with the n-th event, at `at(n)`; the sessions that ended.
pub(super) async fn revoke(store: &AnyStore, target: &Target, n: u32) -> Vec<SessionId> {
    let event = event(n, EventKind::Revoked);
    let mut ended =
        store.revoke(Ending::of(target.clone(), "revoked_by_operator", at(i64::from(n)), event)).await.unwrap();
    ended.sort_unstable();
    ended
}

/// Blocks, with the n-th event, at `at(n)`; the sessions that ended.
pub(super) async fn block(store: &AnyStore, target: &Target, n: u32) -> Vec<SessionId> {
    let event = event(n, EventKind::Blocked);
    let mut ended =
        store.block(Ending::of(target.clone(), "blocked_by_operator", at(i64::from(n)), event)).await.unwrap();
    ended.sort_unstable();
    ended
}

/// Runs so many tasks at the same moment; their answers.
pub(super) async fn together<F>(tasks: u32, task: impl Fn(u32) -> F) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(usize::try_from(tasks).unwrap()));
    let spawn = |n| {
        let (barrier, work) = (Arc::clone(&barrier), task(n));
        tokio::spawn(async move {
            barrier.wait().await;
            work.await
        })
    };
    let running: Vec<_> = (0..tasks).map(spawn).collect();
    let mut answers = Vec::new();
    for task in running {
        answers.push(task.await.unwrap());
    }
    answers
}
