//! The bearer guard as a tower layer: verifies the token, answers RFC 9728 challenges, binds MCP sessions to the principal,
//! and hands the [`Principal`] to the inner service as a request extension.
//!
//! It checks a request when it arrives. An event stream that is open already goes on until its client or server ends it,
//! also when its session is revoked meanwhile. A CORS layer for browser-based clients belongs outside of the guard: a
//! preflight request carries no token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HeaderName, WWW_AUTHENTICATE,
};
use ::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

use super::respond::Responder;
use crate::engine::DcrEngine;
use crate::error::{Reason, Refusal};
use crate::oauth::ScopeSet;
use crate::session::Principal;

const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// A layer that lets only requests with a valid access token through. Made by [`DcrEngine::guard`].
///
/// The inner service finds the [`Principal`] among the request's extensions, and neither the token nor another person's
/// MCP session id. An event stream that is open already outlives the revocation of its session; a CORS layer belongs
/// outside of this one, since a preflight request carries no token.
#[derive(Clone)]
pub struct BearerLayer {
    engine: DcrEngine,
    resource: Option<String>,
    needed: ScopeSet,
}

impl DcrEngine {
    /// A guard for the first resource.
    #[must_use]
    pub fn guard(&self) -> BearerLayer {
        BearerLayer::from(self.clone())
    }
}

/// [`DcrEngine::guard`], for functions that take either.
impl From<DcrEngine> for BearerLayer {
    fn from(engine: DcrEngine) -> Self {
        Self { engine, resource: None, needed: ScopeSet::default() }
    }
}

/// [`DcrEngine::guard`], for functions that take either.
impl From<&DcrEngine> for BearerLayer {
    fn from(engine: &DcrEngine) -> Self {
        engine.guard()
    }
}

impl BearerLayer {
    /// Guards another resource: its identifier, as in [`DcrEngine::resources`]. One that the engine does not have lets
    /// nobody through, and is logged as the mistake that it is.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        let resource = resource.into();
        if self.engine.inner.resource(Some(&resource)).is_none() {
            tracing::error!(target: "dcr", resource, "the guarded resource is none of this engine's");
        }
        self.resource = Some(resource);
        self
    }

    /// Also demands these scopes; without them the answer is 403 `insufficient_scope`.
    #[must_use]
    pub fn scopes(mut self, needed: ScopeSet) -> Self {
        self.needed = needed;
        self
    }

    /// Who may pass with these headers, for frameworks whose handlers are no tower services; or the answer, exactly as
    /// the layer gives it. The layer does more: it takes the token away and translates the MCP session id.
    ///
    /// # Errors
    /// The answer: 400, 401, 403, 404 (an MCP session of somebody else) or 503, with its challenge where one belongs.
    pub async fn check(&self, headers: &HeaderMap) -> Result<Principal, Response<Bytes>> {
        self.admit(headers).await.map(|(principal, _)| principal)
    }

    /// The principal, and the request's MCP session id as the inner service knows it; or the answer.
    async fn admit(&self, headers: &HeaderMap) -> Result<(Principal, Option<HeaderValue>), Response<Bytes>> {
        let resource = self.resource.as_deref();
        let principal = match self.engine.authorize_request(headers, resource, &self.needed).await {
            Ok(principal) => principal,
            Err(refusal) => return Err(self.refuse(headers, &refusal)),
        };
        let mut sessions = headers.get_all(MCP_SESSION_ID).iter();
        let inner = match (sessions.next(), sessions.next()) {
            (None, _) => return Ok((principal, None)),
            (Some(bound), None) => bound
                .to_str()
                .ok()
                .and_then(|bound| self.engine.inner.unbind_mcp_session(bound, &principal))
                .and_then(|inner| HeaderValue::from_str(inner).ok()),
            _ => None,
        };
        match inner {
            Some(inner) => Ok((principal, Some(inner))),
            None => Err(self.refuse(headers, &Reason::McpSessionForeign.into())),
        }
    }

    fn refuse(&self, headers: &HeaderMap, refusal: &Refusal) -> Response<Bytes> {
        let mut response = Responder::new(&self.engine.inner, headers).refusal_json(refusal);
        let challenge = self.engine.challenge(refusal, self.resource.as_deref(), &self.needed);
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        // A browser-based client must be able to read the challenge. The answer holds nothing else.
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
        response
    }

    /// The session id of a response leaves bound to the principal.
    fn bind(&self, headers: &mut HeaderMap, principal: &Principal) {
        let bound = headers
            .get(MCP_SESSION_ID)
            .and_then(|id| id.to_str().ok())
            .and_then(|id| HeaderValue::try_from(self.engine.inner.bind_mcp_session(id, principal)).ok());
        if let Some(bound) = bound {
            headers.insert(MCP_SESSION_ID, bound);
        }
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerGuard<S>;

    fn layer(&self, inner: S) -> BearerGuard<S> {
        BearerGuard { layer: self.clone(), inner }
    }
}

/// The service that [`BearerLayer`] makes.
#[derive(Clone)]
pub struct BearerGuard<S> {
    layer: BearerLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for BearerGuard<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: 'static,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let layer = self.layer.clone();
        // The clone takes the place of the service that was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let (principal, session) = match layer.admit(request.headers()).await {
                Ok(admitted) => admitted,
                Err(response) => return Ok(response.map(GuardBody::Ours)),
            };
            if let Some(session) = session {
                request.headers_mut().insert(MCP_SESSION_ID, session);
            }
            // The inner service has the principal; the token is none of its business (spec row 40).
            request.headers_mut().remove(AUTHORIZATION);
            request.extensions_mut().insert(principal.clone());
            let mut response = inner.call(request).await?;
            layer.bind(response.headers_mut(), &principal);
            Ok(response.map(GuardBody::Inner))
        })
    }
}

/// The body of a guarded response: our refusal, or what the inner service answered.
#[derive(Debug)]
pub enum GuardBody<R> {
    /// Ours.
    Ours(Bytes),
    /// The inner service's.
    Inner(R),
}

impl<R> Body for GuardBody<R>
where
    R: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        match self.get_mut() {
            Self::Ours(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Ours(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Ours(bytes) => bytes.is_empty(),
            Self::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Ours(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Inner(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for BearerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer")
            .field("resource", &self.resource)
            .field("needed", &self.needed)
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for BearerGuard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerGuard").field("layer", &self.layer).finish_non_exhaustive()
    }
}
