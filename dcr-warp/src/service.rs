//! The bridge between filters and tower services. warp has no filter that is made from a service, and none that yields a
//! whole request: here it is put together again from its parts.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::{poll_fn, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures_util::{Stream, TryStreamExt as _};
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyDataStream, BodyExt as _, StreamBody};
use sync_wrapper::SyncStream;
use tower_service::Service;
use warp::host::Authority;
use warp::path::Tail;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};

/// A filter that carries a tower service: rmcp's `StreamableHttpService`, for example, in the guard of
/// [`DcrEngine::guard`](dcr_core::DcrEngine::guard). Requests and answers are streamed, event streams included; when the
/// client goes away, the service's future or its body is dropped.
///
/// Put it behind the path where the service lives: what is matched already is taken off, as in axum's `nest_service`.
/// Behind `warp::path("mcp")` the service sees `/` for `/mcp` and `/mcp/`, and `/x?y` for `/mcp/x?y`. It answers every
/// request that gets to it, so that nothing that follows with `or` sees one.
///
/// The service sees the method, the rest of the path and the query as they came, all headers, and the body. A request
/// whose host is in its target only (HTTP/2) gets a `Host` header (RFC 9113 section 8.3.1). Of the request's
/// extensions warp lets us see the address of the peer, which is passed on as a
/// [`SocketAddr`]; upgrades are not possible, and the HTTP version always says 1.1. Status, headers and body of the
/// answer pass unchanged, except for trailers, which warp's answers cannot have.
///
/// `warp::service` makes a service of a filter, but one that must not run inside of a filter: see [`guarded`].
///
/// [`guarded`]: crate::guarded
pub fn service<S, B>(service: S) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone
where
    S: Service<Request<RequestBody>, Response = http::Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    request(with_path().and(warp::path::tail()).map(|rest: Tail| format!("/{}", rest.as_str()))).then(move |request| {
        let mut service = service.clone();
        async move {
            let Ok(()) = poll_fn(|cx| service.poll_ready(cx)).await;
            let Ok(response) = service.call(request).await;
            reply(response)
        }
    })
}

/// A request that has a path: CONNECT has none, and warp's path filters panic at it.
pub(crate) fn with_path() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    let checked = |method| ready(if method == Method::CONNECT { Err(warp::reject::not_found()) } else { Ok(()) });
    warp::method().and_then(checked).untuple_one()
}

/// The whole request, with the path that `path` yields.
pub(crate) fn request<P>(path: P) -> impl Filter<Extract = (Request<RequestBody>,), Error = Rejection> + Clone
where
    P: Filter<Extract = (String,), Error = Rejection> + Clone + Send + Sync + 'static,
{
    // Neither an absent query nor a host that is malformed is a reason to reject.
    let query = warp::query::raw().map(Some).or(warp::any().map(|| None)).unify();
    let host = warp::host::optional().or(warp::any().map(|| None)).unify();
    path.and(query)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(host)
        .and(warp::filters::addr::remote())
        .and(warp::body::stream())
        .and_then(assemble)
}

async fn assemble<B, D>(
    path: String,
    query: Option<String>,
    method: Method,
    headers: HeaderMap,
    host: Option<Authority>,
    peer: Option<SocketAddr>,
    body: B,
) -> Result<Request<RequestBody>, Rejection>
where
    B: Stream<Item = Result<D, warp::Error>> + Send + Sync + 'static,
    D: Buf,
{
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    // A part of a target that was parsed already: it parses.
    let target = PathAndQuery::try_from(target).map_err(|_| warp::reject::not_found())?;
    let mut request = Request::new(RequestBody::new(body));
    *request.uri_mut() = Uri::from(target);
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    Ok(request)
}

/// A response of a service as warp's. Its length is said if it is known, since warp's body forgets it.
fn reply<B>(response: http::Response<B>) -> Response
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    let (mut parts, body) = response.into_parts();
    let length = body.size_hint().exact();
    if body.is_end_stream() {
        return http::Response::from_parts(parts, Bytes::new()).into_response();
    }
    if let Some(length) = length {
        parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    let streamed = warp::reply::stream(SyncStream::new(BodyDataStream::new(body))).into_response();
    http::Response::from_parts(parts, streamed.into_body())
}

/// The body of a request that [`service`] hands to a tower service.
pub struct RequestBody(BoxBody<Bytes, warp::Error>);

impl RequestBody {
    fn new<D: Buf>(body: impl Stream<Item = Result<D, warp::Error>> + Send + Sync + 'static) -> Self {
        let frames = body.map_ok(|mut data| Frame::data(data.copy_to_bytes(data.remaining())));
        Self(StreamBody::new(frames).boxed())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = warp::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, warp::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
