//! Mounts a [`DcrEngine`] in an axum 0.8 application: [`router`] to merge, [`DcrEngine::guard`](dcr_core::DcrEngine::guard)
//! as a layer, and [`CurrentPrincipal`] as an extractor. All logic is in `dcr-core`.
//!
//! ```
//! use axum::Router;
//! use axum::routing::get;
//! use dcr_axum::CurrentPrincipal;
//! use dcr_core::DcrEngine;
//!
//! async fn hello(CurrentPrincipal(principal): CurrentPrincipal) -> String {
//!     format!("Hello, {}", principal.user().name.as_deref().unwrap_or("you"))
//! }
//!
//! fn app(engine: DcrEngine) -> Router {
//!     Router::new()
//!         .route("/mcp", get(hello))
//!         .route_layer(engine.guard()) // everything above needs a token; unknown paths stay 404
//!         .merge(dcr_axum::router(engine)) // metadata, register, authorize, token, ...
//! }
//! ```

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;
use dcr_core::{DcrEngine, Endpoints, Principal};

pub use dcr_core;

/// The engine's endpoints, at absolute paths: merge it at the root of the application (well-known documents cannot be
/// nested under a prefix, RFC 8414 section 3). Of a [`RemoteGuard`](dcr_core::remote::RemoteGuard): its metadata.
///
/// Limits by address ([`Limits`](dcr_core::Limits)) need the peer's, which axum hands out on request:
///
/// ```no_run
/// # async fn serve(listener: tokio::net::TcpListener, app: axum::Router) -> std::io::Result<()> {
/// use std::net::SocketAddr;
///
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
pub fn router<S>(engine: impl Endpoints) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes(engine)
}

fn routes<S, E>(engine: E) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    E: Endpoints,
{
    let below = |prefix: String| [format!("{prefix}/"), format!("{prefix}/{{*rest}}"), prefix];
    let paths = engine.paths().into_iter().chain(engine.prefixes().into_iter().flat_map(below));
    let routes = paths.fold(Router::new(), |router, path| router.route(&path, any(handle::<E>)));
    routes.with_state(engine)
}

/// The console and the admin API by themselves, for an address that is not public: [`router`] of
/// [`DcrEngine::console`](dcr_core::DcrEngine::console).
/// Where [`AdminAccess::apart`](dcr_core::AdminAccess::apart) is not said, [`router`] has them too.
///
/// ```
/// # fn app(engine: &dcr_core::DcrEngine) -> axum::Router {
/// let behind_the_wall = dcr_axum::admin_router(engine);
/// # behind_the_wall
/// # }
/// ```
pub fn admin_router<S>(engine: &DcrEngine) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes(engine.console())
}

async fn handle<E: Endpoints>(State(engine): State<E>, mut request: Request) -> Response {
    name_peer(&mut request);
    engine.answer(request).await.map(Body::from)
}

fn name_peer(request: &mut Request) {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
        request.extensions_mut().insert(peer);
    }
}

/// Middleware that tells the guard the peer's address, which the history of requests
/// ([`request_history`](dcr_core::DcrEngineBuilder::request_history)) has in it: a layer outside of the guard's, in an
/// application that is served as [`router`] says. The engine's endpoints know it without.
///
/// ```
/// # fn app(engine: dcr_core::DcrEngine) -> axum::Router {
/// axum::Router::new()
///     .route("/mcp", axum::routing::get(|| async { "hello" }))
///     .route_layer(engine.guard())
///     .route_layer(axum::middleware::from_fn(dcr_axum::peer))
/// # }
/// ```
pub async fn peer(mut request: Request, next: Next) -> Response {
    name_peer(&mut request);
    next.run(request).await
}

/// The principal of a guarded request.
///
/// On a route without [`DcrEngine::guard`](dcr_core::DcrEngine::guard) the extractor answers 500: a forgotten guard must not look like a visitor.
#[derive(Debug, Clone)]
pub struct CurrentPrincipal(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for CurrentPrincipal {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Principal>()
            .cloned()
            .map(Self)
            .ok_or((StatusCode::INTERNAL_SERVER_ERROR, "this route is not behind the bearer guard"))
    }
}
