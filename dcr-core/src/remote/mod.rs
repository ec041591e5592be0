//! A guard for an MCP server that runs elsewhere: in another process, at another address, without the engine.
//!
//! The authorization server lists it ([`Resource::elsewhere`](crate::Resource::elsewhere)) and issues tokens whose audience
//! is its URI. Here they are verified exactly as there, with the keys that the issuer publishes; and the metadata by which
//! clients find the issuer (RFC 9728) is served here.
//!
//! ```
//! use dcr_core::remote::RemoteGuard;
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # #[cfg(feature = "http-client")] {
//! let guard = RemoteGuard::builder("https://mcp.example", "https://tools.example/mcp")
//!     .name("More tools")
//!     .scope("tools")
//!     .build()?;
//! // With axum: `mcp.route_layer(guard.guard()).merge(dcr_axum::router(guard))`
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! A token is good until it lapses, a quarter of an hour by default, whatever happens to its session meanwhile. Where that
//! is too long, [`RemoteGuardBuilder::introspection`] has the issuer asked about each token every few seconds.
//!
//! The keys are fetched at the first request, every five minutes, and for a key that is not known, at most every ten
//! seconds. While the issuer does not answer, the last good ones serve; before there were any, the answer is 503.

mod builder;
#[cfg(feature = "tower")]
mod guard;
mod introspection;
mod issuer;
mod principal;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

pub use self::builder::{RemoteConfigError, RemoteGuardBuilder};
use self::introspection::Introspection;
use self::issuer::IssuerDocuments;
pub use self::principal::RemotePrincipal;
use crate::clock::Clock;
use crate::error::{Reason, Refusal};
use crate::http::{document_response, refusal_response};
use crate::limits::Meters;
use crate::oauth::challenge::{bearer_token, challenge};
use crate::oauth::{ScopeHierarchy, ScopeSet};
use crate::seal::KeyRing;
use crate::session::{AccessToken, TokenFault};

/// Verifies the access tokens of an issuer elsewhere for one resource here. Cheap to clone; made by
/// [`RemoteGuard::builder`].
#[derive(Clone)]
pub struct RemoteGuard {
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    resource: String,
    defaults: ScopeSet,
    hierarchy: ScopeHierarchy,
    documents: IssuerDocuments,
    introspection: Option<Introspection>,
    clock: Arc<dyn Clock>,
    /// What strangers can have logged.
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "only the tower layer logs refusals"))]
    meters: Meters,
    /// Binds MCP sessions to principals (RS-9).
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "only the tower layer binds sessions"))]
    sessions: KeyRing,
    metadata_url: String,
    /// Where the metadata is, and the document.
    paths: Vec<String>,
    metadata: Bytes,
}

impl RemoteGuard {
    /// Begins a guard for the resource at the URI `resource`, with tokens of `issuer`: both byte for byte as the
    /// authorization server has them.
    pub fn builder(issuer: impl Into<String>, resource: impl Into<String>) -> RemoteGuardBuilder {
        RemoteGuardBuilder::new(issuer.into(), resource.into())
    }

    /// The resource: the audience of the tokens that are accepted.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.inner.resource
    }

    /// Verifies the bearer token of a request: signature, header, issuer, audience, times and claims as the issuer does;
    /// and that it is active, where introspection is on.
    ///
    /// # Errors
    /// [`Refusal`]; [`RemoteGuard::challenge`] makes the `WWW-Authenticate` header of it. [`Reason::IssuerUnavailable`] if
    /// that cannot be known at the moment.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<RemotePrincipal, Refusal> {
        let inner = &self.inner;
        let token = bearer_token(headers)?;
        let kid = AccessToken::kid(token).ok_or(Reason::TokenInvalid)?;
        let published = inner.documents.with_key(&kid).await?;
        let now = inner.clock.now();
        let claims = AccessToken::verify(token, &inner.issuer, Some(&inner.resource), now, published.as_ref())
            .map_err(TokenFault::reason)?;
        if let Some(introspection) = &inner.introspection
            && !introspection.is_active(token, &published).await?
        {
            return Err(Reason::TokenRevoked.into());
        }
        let effective = inner.hierarchy.effective(&claims.scope);
        Ok(RemotePrincipal::new(claims, effective))
    }

    /// The `WWW-Authenticate` header for a refusal (RFC 6750 section 3, RFC 9728 section 5.1), as the engine makes it.
    #[must_use]
    pub fn challenge(&self, refusal: &Refusal, needed: &ScopeSet) -> Option<String> {
        challenge(refusal, &self.inner.metadata_url, needed, &self.inner.defaults)
    }

    /// Every path that [`RemoteGuard::handle`] answers, for an adapter to mount: the metadata document in its forms.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.inner.paths.clone()
    }

    /// Answers a request for the metadata document (RFC 9728).
    #[must_use]
    pub fn handle(&self, request: &Request<Bytes>) -> Response<Bytes> {
        self.answer(request.method(), request.uri().path())
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Bytes> {
        let mut response = if !self.inner.paths.iter().any(|known| known == path) {
            refusal_response(&Reason::NotFound.into())
        } else if method == Method::GET || method == Method::HEAD {
            document_response(self.inner.metadata.clone())
        } else if method == Method::OPTIONS {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        } else {
            let mut response = refusal_response(&Reason::MethodNotAllowed.into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            response
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

impl fmt::Debug for RemoteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteGuard")
            .field("issuer", &self.inner.issuer)
            .field("resource", &self.inner.resource)
            .field("introspection", &self.inner.introspection)
            .finish_non_exhaustive()
    }
}
