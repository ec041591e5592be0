//! Whom a guard asks: the engine in this process, or a [`RemoteGuard`](crate::remote::RemoteGuard).

use std::fmt;
use std::future::Future;

use ::http::request::Parts;
use ::http::{HeaderMap, StatusCode};

use super::super::mcp_session;
use super::witness::Witness;
use crate::engine::DcrEngine;
use crate::error::Refusal;
use crate::oauth::ScopeSet;
use crate::session::Principal;

pub(crate) mod sealed {
    /// Which tokens count is decided in this crate.
    pub trait Sealed {}
}

/// Whom a [`BearerLayer`](super::BearerLayer) asks who a request speaks for. Sealed: it is [`OwnResource`], or
/// [`RemoteGuard`](crate::remote::RemoteGuard).
pub trait Verifier: sealed::Sealed + Clone + fmt::Debug + Send + Sync + 'static {
    /// Who a verified token speaks for: what the inner service finds among the request's extensions.
    type Principal: Clone + Send + Sync + 'static;

    /// Verifies the bearer token of a request with these headers.
    ///
    /// # Errors
    /// [`Refusal`] with a reason of RFC 6750, or 503.
    fn verify(&self, headers: &HeaderMap) -> impl Future<Output = Result<Self::Principal, Refusal>> + Send;

    /// Whether `principal` has everything of `needed`, by name or by a broader scope.
    ///
    /// # Errors
    /// [`Refusal`] with [`Reason::ScopeInsufficient`](crate::Reason::ScopeInsufficient).
    fn require(&self, principal: &Self::Principal, needed: &ScopeSet) -> Result<(), Refusal>;

    /// Begins the record of a request that passed, if a history is kept.
    fn witness(&self, parts: &Parts) -> Option<Witness> {
        let _ = parts;
        None
    }

    /// Ends it.
    fn note(&self, witness: Witness, principal: &Self::Principal, status: StatusCode) {
        let _ = (witness, principal, status);
    }

    /// A scope of `needed` that no token can have, because there is none of that name.
    fn unknown_scope<'a>(&self, needed: &'a ScopeSet) -> Option<&'a str>;

    /// Whether one more refusal may be logged: strangers can cause any number of them.
    fn may_log(&self) -> bool;

    /// The `WWW-Authenticate` header for a refusal, where one belongs.
    fn challenge(&self, refusal: &Refusal, needed: &ScopeSet) -> Option<String>;

    /// An MCP session id of the inner service, as this principal's client sees it (RS-9).
    fn bind_session(&self, id: &str, principal: &Self::Principal) -> String;

    /// The inner service's own session id, if `bound` was made for this principal.
    fn unbind_session<'a>(&self, bound: &'a str, principal: &Self::Principal) -> Option<&'a str>;
}

/// A resource of the engine in this process.
#[derive(Clone)]
pub struct OwnResource {
    pub(super) engine: DcrEngine,
    /// Its identifier; nothing for the first that is served here.
    pub(super) resource: Option<String>,
}

impl OwnResource {
    fn uri(&self) -> Option<&str> {
        let first = || self.engine.inner.resources.iter().find(|resource| resource.path.is_some());
        self.resource.as_deref().or_else(|| first().map(|resource| resource.uri.as_str()))
    }
}

impl sealed::Sealed for OwnResource {}

impl Verifier for OwnResource {
    type Principal = Principal;

    async fn verify(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        self.engine.authenticate(headers, self.uri()).await
    }

    fn require(&self, principal: &Principal, needed: &ScopeSet) -> Result<(), Refusal> {
        principal.require(needed)
    }

    fn witness(&self, parts: &Parts) -> Option<Witness> {
        self.engine.inner.witness(parts)
    }

    fn note(&self, witness: Witness, principal: &Principal, status: StatusCode) {
        self.engine.inner.note_request(witness, principal, status);
    }

    fn unknown_scope<'a>(&self, needed: &'a ScopeSet) -> Option<&'a str> {
        let resource = self.engine.inner.resource(self.uri())?;
        needed.iter().find(|name| !resource.all.contains(name))
    }

    fn may_log(&self) -> bool {
        self.engine.inner.meters.may_log(self.engine.inner.clock.now())
    }

    fn challenge(&self, refusal: &Refusal, needed: &ScopeSet) -> Option<String> {
        self.engine.challenge(refusal, self.uri(), needed)
    }

    fn bind_session(&self, id: &str, principal: &Principal) -> String {
        mcp_session::bind(&self.engine.inner.ring, id, owner(principal))
    }

    fn unbind_session<'a>(&self, bound: &'a str, principal: &Principal) -> Option<&'a str> {
        mcp_session::unbind(&self.engine.inner.ring, bound, owner(principal))
    }
}

fn owner(principal: &Principal) -> mcp_session::Owner<'_> {
    mcp_session::Owner { user: principal.user_id(), client_id: principal.client_id(), resource: principal.resource() }
}

impl fmt::Debug for OwnResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnResource").field(&self.uri()).finish()
    }
}
