//! The rows of a sign-in, as every store keeps them.

use std::fmt;

use super::{ConnectionId, SessionId, UserId};
use crate::client::{AuthMethod, ClientId, Platform, Provenance, SoftwareKey};
use crate::clock::Timestamp;
use crate::oauth::{CodeChallenge, ScopeSet};
use crate::upstream::{Groups, Roles};

/// A person, as the upstream provider identified them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct User {
    /// Derived from issuer, tenant and object id.
    pub id: UserId,
    /// The upstream issuer.
    pub issuer: String,
    /// The tenant (Entra `tid`); empty where the provider has none.
    pub tenant: String,
    /// The immutable id inside the tenant (Entra `oid`, else `sub`).
    pub object_id: String,
    /// Display name at the last sign-in. For people to read, never to decide on.
    pub name: Option<String>,
    /// E-mail address at the last sign-in. Mutable upstream: never a key, never an authority (ME-8).
    pub email: Option<String>,
    /// The groups that the person was in at the last sign-in.
    pub groups: Groups,
    /// The roles that the person had in the application upstream at the last sign-in.
    pub roles: Roles,
}

impl User {
    /// How many bytes it takes, more or less, for the bounds of caches. Groups may be many.
    pub(crate) fn weight(&self) -> usize {
        let texts = [self.id.as_str(), &self.issuer, &self.tenant, &self.object_id];
        let shown = [&self.name, &self.email].into_iter().flatten().map(String::len);
        size_of::<Self>()
            + texts.into_iter().map(str::len).chain(shown).sum::<usize>()
            + self.groups.weight()
            + self.roles.weight()
    }
}

/// One user's use of one software: the de-duplicated "client" of the old system. A label; nothing is checked against it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose.
    pub user: UserId,
    /// What makes two client ids the same software for this user.
    pub software: SoftwareKey,
    /// The platform it was first seen as.
    pub platform: Platform,
    /// The client ids it was seen with, oldest first.
    pub aliases: Vec<ClientId>,
    /// First sign-in.
    pub created_at: Timestamp,
    /// Latest sign-in.
    pub last_sign_in_at: Timestamp,
}

/// The counter of a session: 0 is the authorization code, `n` the n-th refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u32);

impl Generation {
    /// The authorization code.
    pub const CODE: Self = Self(0);

    /// The n-th generation.
    #[must_use]
    pub const fn new(n: u32) -> Self {
        Self(n)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after it; `None` at the end of the counter, after four thousand million refreshes.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }
}

/// Why and when a session ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct SessionEnd {
    /// When.
    pub at: Timestamp,
    /// A stable reason: `code_replayed`, `refresh_replayed`, `revoked_by_client`, `evicted`, ...
    pub reason: String,
}

/// One approved sign-in of one client instance. Everything but the counter and the times is bound for life (I-4, I-5).
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct Session {
    /// Its id, which was its transaction's id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Under which connection.
    pub connection: ConnectionId,
    /// The client id as presented, byte for byte.
    pub client_id: ClientId,
    /// How that id was resolved.
    pub provenance: Provenance,
    /// The platform, for the record.
    pub platform: Platform,
    /// How the client authenticates at the token endpoint.
    pub auth_method: AuthMethod,
    /// Keyed hash of a secret that an adopted client brought to the code redemption; required again on refresh (SR-16).
    pub adopted_secret: Option<[u8; 32]>,
    /// The exact redirect URI of the authorize request.
    pub redirect_uri: String,
    /// The PKCE challenge.
    pub code_challenge: CodeChallenge,
    /// The resource its tokens are for: the audience.
    pub resource: String,
    /// What was granted.
    pub scope: ScopeSet,
    /// Whether refresh tokens are issued.
    pub refreshable: bool,
    /// The counter.
    pub generation: Generation,
    /// When the sign-in happened.
    pub created_at: Timestamp,
    /// When the code was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// When the counter last moved.
    pub advanced_at: Timestamp,
    /// When the current generation lapses unless it is used.
    pub expires_at: Timestamp,
    /// When the session lapses whatever happens.
    pub absolute_expires_at: Timestamp,
    /// Set when it was ended early.
    pub ended: Option<SessionEnd>,
}

impl Session {
    /// Whether the session has neither ended nor lapsed at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.expires_at
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bindings such as the challenge stay out of logs (I-14).
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("user", &self.user)
            .field("connection", &self.connection)
            .field("client_id", &self.client_id)
            .field("provenance", &self.provenance)
            .field("platform", &self.platform)
            .field("resource", &self.resource)
            .field("scope", &self.scope)
            .field("generation", &self.generation)
            .field("expires_at", &self.expires_at)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_in_many_groups_weighs_more() {
        let group = "d2c1b2f4-0d0c-4f5e-9b1a-0c3a0f6e7a51".to_owned();
        let person = |groups| User {
            id: UserId::derive("https://login.example", "tenant", "object"),
            issuer: "https://login.example".to_owned(),
            tenant: "tenant".to_owned(),
            object_id: "object".to_owned(),
            name: Some("Ada".to_owned()),
            email: None,
            groups,
            roles: Roles::default(),
        };
        let (none, many) = (person(Groups::TooMany), person(Groups::Listed(vec![group; 200])));
        assert!((200..1_000).contains(&none.weight()), "{}", none.weight());
        assert!((10_000..20_000).contains(&many.weight()), "{}", many.weight());
    }
}
