//! The principal: who a verified access token speaks for.

use std::sync::Arc;

use super::{ConnectionId, SessionId, Subject, User, UserId};
use crate::client::{ClientId, Platform};
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::oauth::ScopeSet;
use crate::oauth::challenge::check_scope;
use crate::upstream::Groups;

/// Who a verified access token speaks for. Handed to the host application by the bearer guard; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// Shared by the tokens of a session.
    pub(crate) user: Arc<User>,
    pub(crate) subject: Subject,
    pub(crate) client_id: ClientId,
    pub(crate) platform: Platform,
    pub(crate) resource: String,
    pub(crate) scope: ScopeSet,
    /// `scope`, and what it satisfies.
    pub(crate) effective: ScopeSet,
    pub(crate) expires_at: Timestamp,
}

impl Principal {
    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// How many bytes it takes, more or less, for the bounds of caches.
    pub(crate) fn weight(&self) -> usize {
        let inner = &*self.0;
        size_of::<Inner>()
            + inner.user.weight()
            + inner.client_id.as_str().len()
            + inner.resource.len()
            + inner.scope.weight()
            + inner.effective.weight()
    }

    /// The user: issuer, tenant, object id, name and e-mail. Of a machine client: this server, no tenant, the client id, and
    /// the name that the operator gave it.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.0.user
    }

    /// The user's id, which is the token's `sub`.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.0.user.id
    }

    /// Whether the person has this role in the application upstream (Entra ID's app roles), as of their last sign-in, give
    /// or take the life of an access token.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.user.roles.contain(role)
    }

    /// The groups that the person is in, as of their last sign-in, give or take the life of an access token.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.0.user.groups
    }

    /// Whether this is a machine client, acting for itself and for no person (`client_credentials`).
    #[must_use]
    pub fn is_machine(&self) -> bool {
        self.0.subject == Subject::Machine
    }

    /// The connection: this user's use of this software. A machine client has none.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        self.0.subject.connection()
    }

    /// The session that the token belongs to. A machine client has none.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        self.0.subject.session()
    }

    /// The client id, byte for byte as it was presented at authorize.
    #[must_use]
    pub fn client_id(&self) -> &ClientId {
        &self.0.client_id
    }

    /// The platform, or its class.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// The resource that the token is for.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// What was granted, by name. Absence of a scope means no scope (RS-6). Whether it is enough for something says
    /// [`Principal::require`].
    #[must_use]
    pub fn scope(&self) -> &ScopeSet {
        &self.0.scope
    }

    /// Whether the token has this scope, or a broader one that implies it ([`Resource::implies`](crate::Resource::implies)).
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.0.effective.contains(name)
    }

    /// Whether the token has each of these scopes, or broader ones: for a tool that checks by itself.
    ///
    /// # Errors
    /// [`Refusal`] with [`Reason::ScopeInsufficient`](crate::Reason::ScopeInsufficient), which names all that is needed.
    pub fn require(&self, needed: &ScopeSet) -> Result<(), Refusal> {
        check_scope(&self.0.effective, needed)
    }

    /// When the access token lapses.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }
}
