//! Access tokens for filters.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dcr_core::{BearerLayer, Verifier};
use http::{HeaderMap, Request, StatusCode};
use http_body::Body;
use tokio::task::JoinSet;
use tower_layer::Layer as _;
use tower_service::Service;
use warp::filters::BoxedFilter;
use warp::reject::Reject;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use crate::service::service;

/// A filter behind the guard that tower services have: nothing gets to it without a valid access token, and everything
/// else is answered at once, so that no `recover` can be forgotten. `guard` is the engine, or its [`DcrEngine::guard`] with
/// scopes or a resource.
///
/// ```
/// use dcr_core::{DcrEngine, Principal};
/// use warp::{Filter, Rejection, Reply};
///
/// fn app(engine: DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     let hello = warp::path!("hello")
///         .and(warp::ext::get::<Principal>())
///         .map(|who: Principal| format!("Hello, {}", who.user_id()));
///     let time = warp::path!("time").map(|| "late");
///     // /private/hello and /private/time
///     let private = warp::path("private").and(dcr_warp::guarded(&engine, hello.or(time)));
///     dcr_warp::routes(engine).or(private)
/// }
/// ```
///
/// As with [`service`] the filter sees the rest of the path only, and answers every request that gets to it: a path that it
/// does not know is a 404 for those with a token, and a 401 for those without. It finds the [`Principal`](dcr_core::Principal) with
/// `warp::ext::get`, no `Authorization` header, and the `Mcp-Session-Id` that it gave out itself; and the peer's address
/// with `warp::ext::get::<SocketAddr>`. It runs on a task of its own, which ends with the request.
///
/// [`DcrEngine::guard`]: dcr_core::DcrEngine::guard
pub fn guarded<V, F, R>(guard: impl Into<BearerLayer<V>>, filter: F) -> BoxedFilter<(Response,)>
where
    V: Verifier,
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
{
    service(guard.into().layer(Filtered(filter.boxed()))).boxed()
}

/// Yields the [`Principal`](dcr_core::Principal) of a request with a valid access token. `guard` is the engine, or its [`DcrEngine::guard`] with
/// [`BearerLayer::scopes`] or [`BearerLayer::resource`]. Put it *after* the filters for path and method, so that requests to
/// other places are not asked for a token; and end the route with `.recover(dcr_warp::answer_refusal)`.
///
/// ```
/// use dcr_core::{DcrEngine, Principal};
/// use warp::{Filter, Rejection, Reply};
///
/// fn hello(engine: DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     warp::path!("hello")
///         .and(warp::get())
///         .and(dcr_warp::authenticated(engine))
///         .map(|who: Principal| format!("Hello, {}", who.user_id()))
///         .recover(dcr_warp::answer_refusal) // without this line: 500
/// }
/// ```
///
/// # What it needs, and `guarded` does not
///
/// A filter that yields a value has one way not to: a rejection, here [`Refused`]. warp makes a bare `500` of every custom
/// rejection that no `recover` has answered, and there is no way for a filter to say otherwise: it is safe, but tells no
/// client where to get a token. [`answer_refusal`] gives the answer and passes all other rejections on, so it can stand
/// before a `recover` of the host's own, at this route or once at the end of all. At the route is better: until a rejection
/// is answered warp tries the alternatives that follow with `or`, and whatever matches the same request there, such as a
/// page for everything, answers in its place. [`guarded`] answers by itself and has neither pitfall.
///
/// The filter only looks, and at headers only: it demands what every [`BearerLayer::tool`] needs. The `Authorization` header stays in the request, for filters that read it, and an
/// `Mcp-Session-Id` stays as the client sent it; one that belongs to somebody else is refused (RS-9).
///
/// [`DcrEngine::guard`]: dcr_core::DcrEngine::guard
/// [`BearerLayer::scopes`]: dcr_core::BearerLayer::scopes
/// [`BearerLayer::resource`]: dcr_core::BearerLayer::resource
// Boxed: an opaque type would hold on to whatever the engine was borrowed from.
pub fn authenticated<V: Verifier>(guard: impl Into<BearerLayer<V>>) -> BoxedFilter<(V::Principal,)> {
    let guard = guard.into();
    let check = move |headers: HeaderMap| {
        let guard = guard.clone();
        async move { guard.check(&headers).await.map_err(|answer| warp::reject::custom(Refused(answer))) }
    };
    warp::header::headers_cloned().and_then(check).boxed()
}

/// The rejection of [`authenticated`], with the answer that the client should get.
#[derive(Clone)]
pub struct Refused(http::Response<Bytes>);

impl Refused {
    /// The answer: 400, 401, 403, 404 or 503, with its challenge (RFC 6750 section 3).
    #[must_use]
    pub const fn answer(&self) -> &http::Response<Bytes> {
        &self.0
    }
}

impl Reject for Refused {}

/// The status only: warp shows unhandled rejections to the client.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Refused").field(&self.0.status()).finish()
    }
}

/// For `recover`: answers what [`authenticated`] refused, with the very bytes of the tower guard.
///
/// # Errors
/// Every other rejection, untouched, for the host's own `recover`.
pub async fn answer_refusal(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<Refused>() {
        Some(Refused(answer)) => Ok(answer.clone().into_response()),
        None => Err(rejection),
    }
}

/// A filter as a service that may run inside of another filter.
struct Filtered<R: Reply>(BoxedFilter<(R,)>);

impl<R: Reply> Clone for Filtered<R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<R, B> Service<Request<B>> for Filtered<R>
where
    R: Reply + 'static,
    B: Body + Send + Sync + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut service = warp::service(self.0.clone());
        // A filter reads its request from the thread that polls it, where the outer one is: warp forbids nesting. The set
        // ends its task when it is dropped.
        let mut task = JoinSet::new();
        task.spawn(async move { service.call(request).await });
        Box::pin(async move {
            match task.join_next().await {
                Some(Ok(response)) => response,
                Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
                // The runtime is shutting down.
                Some(Err(_)) | None => Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()),
            }
        })
    }
}
