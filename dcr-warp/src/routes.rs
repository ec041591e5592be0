//! The engine's endpoints.

use std::collections::HashSet;
use std::future::ready;
use std::sync::Arc;

use dcr_core::DcrEngine;
use http::Request;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

use crate::service::{RequestBody, request, with_path};

/// The engine's endpoints, at absolute paths and for any method. Combine it with `or`, at the root of the application
/// (well-known documents cannot be nested under a prefix, RFC 8414 section 3), and ahead of filters that take a whole
/// prefix: some of its documents are below the MCP server's own path.
///
/// Every other path is an ordinary not-found rejection, and nothing of its request is touched. A request to one of the
/// engine's paths is always answered, never rejected: wrong methods and malformed bodies too.
pub fn routes(engine: DcrEngine) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let paths: Arc<HashSet<String>> = Arc::new(engine.paths().into_iter().collect());
    let known = with_path().and(warp::path::full()).and_then(move |path: FullPath| {
        let path = path.as_str();
        ready(if paths.contains(path) { Ok(path.to_owned()) } else { Err(warp::reject::not_found()) })
    });
    request(known).then(move |request: Request<RequestBody>| {
        let engine = engine.clone();
        async move { engine.handle_unread(request).await.into_response() }
    })
}
