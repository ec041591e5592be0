//! What the tests write.

use dcr_core::record::{Event, EventKind};
use dcr_core::session::{CodeChallenge, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use dcr_core::store::SignIn;
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
