//! The engine's endpoints.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;

use dcr_core::{DcrEngine, Endpoints};
use http::Request;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::service::{RequestBody, request, with_path};

/// The engine's endpoints, at absolute paths and for any method. Combine it with `or`, at the root of the application
/// (well-known documents cannot be nested under a prefix, RFC 8414 section 3), and ahead of filters that take a whole
/// prefix: some of its documents are below the MCP server's own path.
///
/// ```
/// use dcr_core::{DcrEngine, Principal};
/// use warp::{Filter, Rejection, Reply};
///
/// fn app(engine: DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     let hello = warp::path!("hello")
///         .and(dcr_warp::authenticated(&engine))
///         .map(|who: Principal| format!("Hello, {}", who.user_id()))
///         .recover(dcr_warp::answer_refusal);
///     let open = warp::path!("open").map(|| "Hello, everybody");
///     dcr_warp::routes(engine).or(hello).or(open)
/// }
/// ```
///
/// Every other path is an ordinary not-found rejection, and nothing of its request is touched. A request to one of the
/// engine's paths is always answered, never rejected: wrong methods and malformed bodies too.
///
/// Of a [`RemoteGuard`](dcr_core::remote::RemoteGuard) it is the metadata.
pub fn routes<E: Endpoints>(engine: E) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<E> {
    let paths: Arc<HashSet<String>> = Arc::new(engine.paths().into_iter().collect());
    let prefixes: Arc<[String]> = engine.prefixes().into();
    let known = with_path().and(warp::path::full()).and_then(move |path: FullPath| {
        let path = path.as_str();
        let is_below = |prefix: &String| {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let known = paths.contains(path) || prefixes.iter().any(is_below);
        ready(if known { Ok(path.to_owned()) } else { Err(warp::reject::not_found()) })
    });
    request(known).then(move |request: Request<RequestBody>| {
        let engine = engine.clone();
        async move { engine.answer(request).await.into_response() }
    })
}

/// The console and the admin API by themselves, for an address that is not public: [`routes`] of [`DcrEngine::console`].
/// Where [`AdminAccess::apart`](dcr_core::AdminAccess::apart) is not said, [`routes`] has them too.
///
/// ```
/// use warp::{Filter, Rejection, Reply};
///
/// fn app(engine: &dcr_core::DcrEngine) -> impl Filter<Extract = (impl Reply,), Error = Rejection> + Clone {
///     dcr_warp::admin_routes(engine)
/// }
/// ```
pub fn admin_routes(engine: &DcrEngine) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + use<> {
    routes(engine.console())
}
