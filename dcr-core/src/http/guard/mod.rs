//! The bearer guard as a tower layer: verifies the token, answers RFC 9728 challenges, binds MCP sessions to the principal,
//! and hands the [`Principal`] to the inner service as a request extension.
//!
//! It checks a request when it arrives. An event stream that is open already goes on until its client or server ends it,
//! also when its session is revoked meanwhile. Clients that run in a web page need [`BearerLayer::browsers`], or a CORS layer
//! of the host's outside of the guard: a preflight request carries no token.

mod body;
mod browsers;
mod tools;
pub(crate) mod verifier;
mod witness;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HeaderName, WWW_AUTHENTICATE,
};
use ::http::{HeaderMap, HeaderValue, Method, Request, Response};
use bytes::Bytes;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::{GuardBody, InspectedBody};
use self::tools::ToolRules;
pub use self::verifier::{OwnResource, Verifier};
use self::witness::Witness;
use super::respond;
use crate::engine::DcrEngine;
use crate::error::{Reason, Refusal};
use crate::oauth::ScopeSet;

const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// A layer that lets only requests with a valid access token through. Made by [`DcrEngine::guard`], and by
/// [`RemoteGuard::guard`](crate::remote::RemoteGuard::guard) for a server that runs elsewhere.
///
/// The inner service finds the [`Principal`](crate::Principal) among the request's extensions, and neither the token nor
/// another person's MCP session id. An event stream that is open already outlives the revocation of its session. A CORS
/// layer of the host's belongs outside of this one, since a preflight request carries no token; [`BearerLayer::browsers`]
/// needs none.
#[derive(Clone)]
pub struct BearerLayer<V = OwnResource> {
    verifier: V,
    rules: Arc<Rules>,
}

/// What requests need, beside a token.
#[derive(Debug, Clone, Default)]
struct Rules {
    /// All of them.
    needed: ScopeSet,
    /// Those that call a tool.
    tools: ToolRules,
    /// Whether pages of any origin may ask.
    browsers: bool,
}

/// A request that passes.
type Admitted<B, P> = (Request<InspectedBody<B>>, P, Option<Witness>);

/// A request that does not pass, and the scopes that it would need.
struct Denied {
    refusal: Refusal,
    needed: ScopeSet,
}

impl DcrEngine {
    /// A guard for the first resource that is served here.
    #[must_use]
    pub fn guard(&self) -> BearerLayer {
        BearerLayer::from(self.clone())
    }
}

/// [`DcrEngine::guard`], for functions that take either.
impl From<DcrEngine> for BearerLayer {
    fn from(engine: DcrEngine) -> Self {
        Self::new(OwnResource { engine, resource: None })
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
        if self.verifier.engine.inner.resource(Some(&resource)).is_none() {
            tracing::error!(target: "dcr", resource, "the guarded resource is none of this engine's");
        }
        self.verifier.resource = Some(resource);
        self
    }
}

impl<V: Verifier> BearerLayer<V> {
    pub(crate) fn new(verifier: V) -> Self {
        Self { verifier, rules: Arc::default() }
    }

    /// Also demands these scopes, or broader ones ([`Resource::implies`](crate::Resource::implies)), of every request;
    /// without them the answer is 403 `insufficient_scope`.
    #[must_use]
    pub fn scopes(mut self, needed: ScopeSet) -> Self {
        Arc::make_mut(&mut self.rules).needed = needed;
        self
    }

    /// Also demands these scopes, or broader ones, of requests that call this MCP tool (`tools/call`). The answer to a
    /// client that lacks one names everything that the request needs, so that one step-up is enough.
    ///
    /// For that the body of a POST is read, unless the token has what all tools need: at most 4 MiB
    /// ([`BearerLayer::body_limit`]), handed on byte for byte. A longer one gets 413, one that is encoded 415, and a
    /// message that could be read in more than one way 400. Other methods, and bodies that are no JSON, are streamed.
    ///
    /// ```
    /// # use dcr_core::{DcrEngine, ScopeSet};
    /// # fn example(engine: DcrEngine) -> Option<()> {
    /// let guard = engine.guard().tool("delete_all", ScopeSet::from_names(["files:admin"])?);
    /// # Some(())
    /// # }
    /// ```
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, needed: ScopeSet) -> Self {
        Arc::make_mut(&mut self.rules).tools.add(name.into(), &needed);
        self
    }

    /// [`BearerLayer::tool`] for many.
    #[must_use]
    pub fn tool_scopes<N: Into<String>>(self, tools: impl IntoIterator<Item = (N, ScopeSet)>) -> Self {
        tools.into_iter().fold(self, |layer, (name, needed)| layer.tool(name, needed))
    }

    /// Also for clients that run in a web page, of any origin (CORS): preflight requests are answered here, and pages may read
    /// the answers, `Mcp-Session-Id` and the challenge. Safe where access depends on the token alone, as it does here.
    #[must_use]
    pub fn browsers(mut self) -> Self {
        Arc::make_mut(&mut self.rules).browsers = true;
        self
    }

    /// How many bytes of a body are read to find out which tool it calls. Default: 4 MiB.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.rules).tools.set_limit(bytes);
        self
    }

    /// Who may pass with these headers, for frameworks whose handlers are no tower services; or the answer, exactly as
    /// the layer gives it. The layer does more: it takes the token away and translates the MCP session id. And it sees the
    /// body: headers alone do not say which tool is called, so what every [`BearerLayer::tool`] needs is demanded here.
    ///
    /// # Errors
    /// The answer: 400, 401, 403, 404 (an MCP session of somebody else) or 503, with its challenge where one belongs.
    pub async fn check(&self, headers: &HeaderMap) -> Result<V::Principal, Response<Bytes>> {
        let checked = async {
            let principal = self.verify(headers).await?;
            self.require(&principal, &self.rules.needed.union(self.rules.tools.all()))?;
            self.inner_session(headers, &principal)?;
            Ok(principal)
        };
        checked.await.map_err(|denied| self.answer(&denied))
    }

    async fn verify(&self, headers: &HeaderMap) -> Result<V::Principal, Denied> {
        self.verifier.verify(headers).await.map_err(|refusal| self.denied(refusal))
    }

    fn require(&self, principal: &V::Principal, needed: &ScopeSet) -> Result<(), Denied> {
        self.verifier.require(principal, needed).map_err(|refusal| Denied { refusal, needed: needed.clone() })
    }

    /// A refusal in which tools play no part.
    fn denied(&self, refusal: impl Into<Refusal>) -> Denied {
        Denied { refusal: refusal.into(), needed: self.rules.needed.clone() }
    }

    /// The request as the inner service may see it, who it speaks for, and what the history will say of it, if there is one.
    async fn admit<B>(&self, request: Request<B>) -> Result<Admitted<B, V::Principal>, Denied>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (mut parts, body) = request.into_parts();
        let principal = self.verify(&parts.headers).await?;
        let mut witness = self.verifier.witness(&parts);
        let called = witness.as_mut().map(|witness| &mut witness.tools);
        let body = self.check_scopes(&parts.method, &parts.headers, body, &principal, called).await?;
        if let Some(session) = self.inner_session(&parts.headers, &principal)? {
            parts.headers.insert(MCP_SESSION_ID, session);
        }
        // The inner service has the principal; the token is none of its business (spec row 40).
        parts.headers.remove(AUTHORIZATION);
        parts.extensions.insert(principal.clone());
        Ok((Request::from_parts(parts, body), principal, witness))
    }

    /// What the request needs is demanded at once, the route's and the tools' scopes together (spec row 34). `history` wants to
    /// know which tools are called, even if that is of no matter to the scopes.
    async fn check_scopes<B>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: B,
        principal: &V::Principal,
        history: Option<&mut Vec<String>>,
    ) -> Result<InspectedBody<B>, Denied>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Rules { needed, tools, .. } = self.rules.as_ref();
        if history.is_none() && self.verifier.require(principal, tools.all()).is_ok() {
            self.require(principal, needed)?;
            return Ok(InspectedBody::unread(body));
        }
        match tools.inspect(method, headers, body).await {
            Ok((body, called)) => {
                self.require(principal, &needed.union(&tools.needed_by(&called)))?;
                if let Some(history) = history {
                    *history = called;
                }
                Ok(body)
            }
            Err(reason) => {
                self.require(principal, needed)?;
                Err(self.denied(reason))
            }
        }
    }

    /// The request's MCP session id as the inner service knows it, if it has one.
    fn inner_session(&self, headers: &HeaderMap, principal: &V::Principal) -> Result<Option<HeaderValue>, Denied> {
        let mut sessions = headers.get_all(MCP_SESSION_ID).iter();
        let inner = match (sessions.next(), sessions.next()) {
            (None, _) => return Ok(None),
            (Some(bound), None) => bound
                .to_str()
                .ok()
                .and_then(|bound| self.verifier.unbind_session(bound, principal))
                .and_then(|inner| HeaderValue::from_str(inner).ok()),
            _ => None,
        };
        match inner {
            Some(inner) => Ok(Some(inner)),
            None => Err(self.denied(Reason::McpSessionForeign)),
        }
    }

    fn answer(&self, Denied { refusal, needed }: &Denied) -> Response<Bytes> {
        respond::log("request", refusal, "-", || self.verifier.may_log());
        let mut response = respond::refusal_json(refusal);
        let challenge = self.verifier.challenge(refusal, needed);
        if let Some(challenge) = challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        // A browser-based client must be able to read the challenge. The answer holds nothing else.
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("WWW-Authenticate"));
        response
    }

    /// The session id of a response leaves bound to the principal.
    fn bind(&self, headers: &mut HeaderMap, principal: &V::Principal) {
        let bound = headers
            .get(MCP_SESSION_ID)
            .and_then(|id| id.to_str().ok())
            .and_then(|id| HeaderValue::try_from(self.verifier.bind_session(id, principal)).ok());
        if let Some(bound) = bound {
            headers.insert(MCP_SESSION_ID, bound);
        }
    }
}

impl<S, V: Verifier> Layer<S> for BearerLayer<V> {
    type Service = BearerGuard<S, V>;

    fn layer(&self, inner: S) -> BearerGuard<S, V> {
        let needed = self.rules.needed.union(self.rules.tools.all());
        if let Some(scope) = self.verifier.unknown_scope(&needed) {
            // Nobody gets through, and clients would ask for it again and again.
            tracing::error!(target: "dcr", scope, "a guard demands a scope that its resource does not have");
        }
        BearerGuard { layer: self.clone(), inner }
    }
}

/// The service that [`BearerLayer`] makes.
#[derive(Clone)]
pub struct BearerGuard<S, V = OwnResource> {
    layer: BearerLayer<V>,
    inner: S,
}

impl<S, V, B, R> Service<Request<B>> for BearerGuard<S, V>
where
    S: Service<Request<InspectedBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    V: Verifier,
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    R: 'static,
{
    type Response = Response<GuardBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let layer = self.layer.clone();
        // The clone takes the place of the service that was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let browsers = layer.rules.browsers;
            if browsers && browsers::is_preflight(request.method(), request.headers()) {
                return Ok(browsers::preflight().map(GuardBody::Ours));
            }
            let (request, principal, witness) = match layer.admit(request).await {
                Ok(admitted) => admitted,
                Err(denied) => return Ok(layer.answer(&denied).map(GuardBody::Ours)),
            };
            let mut response = inner.call(request).await?;
            if let Some(witness) = witness {
                layer.verifier.note(witness, &principal, response.status());
            }
            layer.bind(response.headers_mut(), &principal);
            if browsers {
                browsers::allow(response.headers_mut());
            }
            Ok(response.map(GuardBody::Inner))
        })
    }
}

impl<V: fmt::Debug> fmt::Debug for BearerLayer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer").field("verifier", &self.verifier).field("rules", &self.rules).finish()
    }
}

impl<S, V: fmt::Debug> fmt::Debug for BearerGuard<S, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerGuard").field("layer", &self.layer).finish_non_exhaustive()
    }
}
