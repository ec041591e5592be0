//! What the tests write.

use dcr_core::record::{Event, EventKind};
use dcr_core::session::{CodeChallenge, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use dcr_core::store::{Erasure, SignIn, Store};
use dcr_core::upstream::{Groups, Roles};
use dcr_core::{AuthMethod, ClientId, Platform, Provenance, ScopeSet, SoftwareKey, Timestamp};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 + seconds)
}

pub(crate) fn event(n: u8, kind: EventKind) -> Event {
    Event::new(EventId::from_bytes([n; 16]), at(i64::from(n)), kind)
}

pub(crate) fn session_id(n: u8) -> SessionId {
    SessionId::from_bytes([n; 16])
}

/// The n-th sign-in of Ada with Cursor.
pub(crate) fn sign_in(n: u8) -> SignIn {
    let now = at(i64::from(n));
    let user = User {
        id: UserId::derive("https://idp.example", "tenant", "ada"),
        issuer: "https://idp.example".to_owned(),
        tenant: "tenant".to_owned(),
        object_id: "ada".to_owned(),
        name: Some("Ada".to_owned()),
        email: None,
        groups: Groups::Unsaid,
        roles: Roles::default(),
    };
    SignIn {
        software: SoftwareKey::from_stored("platform:cursor"),
        new_connection: ConnectionId::from_bytes([n; 16]),
        session: Session {
            id: session_id(n),
            user: user.id.clone(),
            connection: ConnectionId::from_bytes([n; 16]),
            client_id: ClientId::new("client").unwrap(),
            provenance: Provenance::Sealed,
            platform: Platform::named("cursor"),
            auth_method: AuthMethod::None,
            adopted_secret: None,
            redirect_uri: "http://localhost/callback".to_owned(),
            code_challenge: CodeChallenge::from_bytes([0x13; 32]),
            resource: "https://mcp.example/mcp".to_owned(),
            scope: ScopeSet::parse_lossy("tools"),
            refreshable: true,
            generation: Generation::CODE,
            created_at: now,
            redeemed_at: None,
            advanced_at: now,
            expires_at: at(1_000),
            absolute_expires_at: at(2_000),
            ended: None,
        },
        max_sessions: 20,
        max_aliases: 50,
        event: event(n, EventKind::SignedIn),
        evictions: Vec::new(),
        upstream_token: None,
        user,
        now,
    }
}

/// The n-th sign-in, of somebody with a client.
fn sign_in_of(n: u8, who: &str, client: &str) -> SignIn {
    let mut sign_in = sign_in(n);
    sign_in.user.object_id = who.to_owned();
    sign_in.user.id = UserId::derive("https://idp.example", "tenant", who);
    sign_in.session.user = sign_in.user.id.clone();
    sign_in.session.client_id = ClientId::new(client).unwrap();
    sign_in
}

/// A case for every database: `shared` says how many client ids and terms there are.
pub(crate) async fn share_and_part<F: Future<Output = (i64, i64)>>(store: &dyn Store, shared: impl Fn() -> F) {
    for (n, who, client) in [(1, "ada", "common"), (2, "bob", "common"), (3, "ada", "hers"), (4, "ada", "common")] {
        store.sign_in(sign_in_of(n, who, client)).await.unwrap();
    }
    let mut wider = sign_in_of(5, "bob", "common");
    wider.session.scope = ScopeSet::parse_lossy("tools more");
    store.sign_in(wider).await.unwrap();
    assert_eq!(shared().await, (2, 3));

    // Terms go with their sessions; a client id stays as long as somebody was seen with it.
    let far = at(10_000);
    while store.sweep(far, 2).await.unwrap() > 0 {}
    assert_eq!((shared().await, store.counts().await.unwrap().sessions), ((2, 0), 0));
    store.sign_in(sign_in_of(6, "bob", "common")).await.unwrap();
    store.sign_in(sign_in_of(7, "ada", "hers")).await.unwrap();
    assert_eq!(shared().await, (2, 2));

    // Nothing that only she had is left, at once.
    let marker = UserId::derive("nobody", "", "");
    let user = sign_in_of(7, "ada", "hers").user.id;
    store.erase(Erasure { user, marker, now: at(8), event: event(80, EventKind::Erased) }).await.unwrap();
    assert_eq!(shared().await, (1, 1));
    let left = store.session(session_id(6)).await.unwrap().unwrap().session;
    let connection = left.connection;
    assert_eq!(left, Session { connection, ..sign_in_of(6, "bob", "common").session });
}
