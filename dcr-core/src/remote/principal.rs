//! Who a token speaks for, as far as the token says.

use std::sync::Arc;

use crate::client::ClientId;
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::oauth::ScopeSet;
use crate::oauth::challenge::check_scope;
use crate::session::{AccessTokenClaims, ConnectionId, SessionId, Subject, UserId};

/// Who a verified access token of an issuer elsewhere speaks for; cheap to clone. It has what the token has: the person's
/// name, for example, only the issuer knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemotePrincipal(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    claims: AccessTokenClaims,
    /// The scope, and what it satisfies.
    effective: ScopeSet,
}

impl RemotePrincipal {
    pub(super) fn new(claims: AccessTokenClaims, effective: ScopeSet) -> Self {
        Self(Arc::new(Inner { claims, effective }))
    }

    /// The user's id: the token's `sub`. The same person has the same id at every resource of the issuer.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.0.claims.user
    }

    /// Whether this is a machine client, acting for itself and for no person (`client_credentials`).
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.0.claims.subject == Subject::Machine
    }

    /// The connection: this user's use of this software. A machine client has none.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        self.0.claims.subject.connection()
    }

    /// The session that the token belongs to. A machine client has none.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.0.claims.subject.session()
    }

    /// The client id, byte for byte as it was presented to the issuer.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.0.claims.client_id
    }

    /// The resource that the token is for.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.claims.resource
    }

    /// What was granted, by name. Absence of a scope means no scope (RS-6).
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.0.claims.scope
    }

    /// Whether the token has this scope, or a broader one that implies it
    /// ([`RemoteGuardBuilder::implies`](super::RemoteGuardBuilder::implies)).
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.0.effective.contains(name)
    }

    /// Whether the token has each of these scopes, or broader ones.
    ///
    /// # Errors
    /// [`Refusal`] with [`Reason::ScopeInsufficient`](crate::Reason::ScopeInsufficient), which names all that is needed.
    pub fn require(&self, needed: &ScopeSet) -> Result<(), Refusal> {
        check_scope(&self.0.effective, needed)
    }

    /// When the access token lapses.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.claims.expires_at
    }
}
