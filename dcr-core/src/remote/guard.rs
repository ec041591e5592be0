//! The guard as a tower layer: the same one that the engine has.

use ::http::{HeaderMap, Request, Response};
use bytes::Bytes;

use super::{RemoteGuard, RemotePrincipal};
use crate::error::Refusal;
use crate::http::guard::verifier::sealed;
use crate::http::guard::{BearerLayer, Verifier};
use crate::http::{Endpoints, mcp_session};
use crate::oauth::ScopeSet;

impl RemoteGuard {
    /// The guard as a layer, with scopes for routes and tools ([`BearerLayer::scopes`], [`BearerLayer::tool`]). The inner
    /// service finds the [`RemotePrincipal`] among the request's extensions.
    #[must_use]
    pub fn guard(&self) -> BearerLayer<Self> {
        BearerLayer::new(self.clone())
    }
}

/// [`RemoteGuard::guard`], for functions that take either.
impl From<RemoteGuard> for BearerLayer<RemoteGuard> {
    fn from(guard: RemoteGuard) -> Self {
        Self::new(guard)
    }
}

impl sealed::Sealed for RemoteGuard {}

impl Verifier for RemoteGuard {
    type Principal = RemotePrincipal;

    async fn verify(&self, headers: &HeaderMap) -> Result<RemotePrincipal, Refusal> {
        self.authenticate(headers).await
    }

    fn require(&self, principal: &RemotePrincipal, needed: &ScopeSet) -> Result<(), Refusal> {
        principal.require(needed)
    }

    fn may_log(&self) -> bool {
        self.inner.meters.may_log(self.inner.clock.now())
    }

    fn unknown_scope<'a>(&self, _: &'a ScopeSet) -> Option<&'a str> {
        // Which scopes there are only the issuer knows.
        None
    }

    fn challenge(&self, refusal: &Refusal, needed: &ScopeSet) -> Option<String> {
        Self::challenge(self, refusal, needed)
    }

    fn bind_session(&self, id: &str, principal: &RemotePrincipal) -> String {
        mcp_session::bind(&self.inner.sessions, id, owner(principal))
    }

    fn unbind_session<'a>(&self, bound: &'a str, principal: &RemotePrincipal) -> Option<&'a str> {
        mcp_session::unbind(&self.inner.sessions, bound, owner(principal))
    }
}

fn owner(principal: &RemotePrincipal) -> mcp_session::Owner<'_> {
    mcp_session::Owner { user: principal.user_id(), client_id: principal.client_id(), resource: principal.resource() }
}

impl Endpoints for RemoteGuard {
    fn paths(&self) -> Vec<String> {
        Self::paths(self)
    }

    async fn answer<B>(&self, request: Request<B>) -> Response<Bytes>
    where
        B: http_body::Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Nothing here has a body to read.
        Self::answer(self, request.method(), request.uri().path())
    }
}
