//! The guard reads which tool a request calls, and hands the body on as it came.
#![cfg(feature = "tower")]

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use dcr_core::testing::{Person, SignedInPerson, TestEngine};
use dcr_core::{BearerLayer, InspectedBody, Principal, ScopeSet};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tower_layer::Layer as _;
use tower_service::Service;

/// A body in pieces, the last of which may be a failure; it counts what was taken of it.
struct Pieces {
    left: VecDeque<Result<Frame<Bytes>, &'static str>>,
    taken: Arc<AtomicUsize>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(self.left.pop_front())
    }
}

/// Echoes what it sees: how many pieces had been taken when it was called, and then the body.
#[derive(Clone)]
struct Echo(Arc<AtomicUsize>);

impl Service<Request<InspectedBody<Pieces>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<InspectedBody<Pieces>>) -> Self::Future {
        let taken = self.0.load(Ordering::SeqCst);
        assert!(request.extensions().get::<Principal>().is_some());
        assert!(!request.headers().contains_key("authorization"));
        Box::pin(async move {
            let hint = request.body().size_hint();
            let body = request.into_body().collect().await.map_or_else(
                |error| Bytes::from(format!("broke off: {error}")),
                |body| {
                    let trailers = body.trailers().is_some();
                    let bytes = body.to_bytes();
                    assert!(hint.lower() <= bytes.len() as u64);
                    if trailers { Bytes::from([bytes.as_ref(), b"+trailers"].concat()) } else { bytes }
                },
            );
            let response = Response::builder().header("x-taken", taken).header("x-at-least", hint.lower());
            Ok(response.body(Full::new(body)).unwrap())
        })
    }
}

/// Opens an MCP session called `inner` for whoever names none, and goes on with that one only.
#[derive(Clone)]
struct OpensSession;

impl Service<Request<InspectedBody<Pieces>>> for OpensSession {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<InspectedBody<Pieces>>) -> Self::Future {
        let seen = request.headers().get("mcp-session-id");
        assert!(seen.is_none_or(|seen| seen == "inner"));
        let response = Response::builder().header("mcp-session-id", "inner");
        std::future::ready(Ok(response.body(Full::default()).unwrap()))
    }
}

struct Asked {
    status: u16,
    challenge: Option<String>,
    body: Bytes,
    /// How many pieces had been taken when the inner service was called.
    taken: Option<usize>,
    /// How long the body was said to be at least.
    at_least: Option<u64>,
}

struct World {
    layer: BearerLayer,
    narrow: SignedInPerson,
    broad: SignedInPerson,
}

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::from_names(text.split(' ')).unwrap()
}

impl World {
    async fn new() -> Self {
        let test = TestEngine::new().await;
        let layer = test.guard().tool_scopes([("erase", scopes("mcp:admin")), ("rename", scopes("mcp"))]);
        let person = Person::named("Ada");
        let narrow = test.sign_in_for_tests(&person, Some(&scopes("mcp"))).await.unwrap();
        let broad = test.sign_in(&person).await;
        Self { layer, narrow, broad }
    }

    async fn ask(&self, who: &SignedInPerson, request: http::request::Builder, pieces: &[&[u8]]) -> Asked {
        let left = pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
        self.send(&self.layer, who, request, left).await
    }

    async fn send(
        &self,
        layer: &BearerLayer,
        who: &SignedInPerson,
        request: http::request::Builder,
        left: VecDeque<Result<Frame<Bytes>, &'static str>>,
    ) -> Asked {
        let taken = Arc::new(AtomicUsize::new(0));
        let request = request.header("authorization", who.authorization()).body(Pieces { left, taken: taken.clone() });
        let response = layer.layer(Echo(taken)).call(request.unwrap()).await.unwrap();
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Asked {
            status: response.status().as_u16(),
            challenge: header("www-authenticate"),
            taken: header("x-taken").map(|taken| taken.parse().unwrap()),
            at_least: header("x-at-least").map(|length| length.parse().unwrap()),
            body: response.into_body().collect().await.unwrap().to_bytes(),
        }
    }

    async fn post(&self, who: &SignedInPerson, body: &str) -> Asked {
        self.ask(who, json(), &[body.as_bytes()]).await
    }
}

fn json() -> http::request::Builder {
    Request::post("/mcp").header("content-type", "application/json")
}

fn call(tool: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\", \"id\":1, \"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\"}}}}\n")
}

#[tokio::test]
async fn a_tool_needs_its_scopes_and_one_challenge_says_all_of_them() {
    let world = World::new().await;
    for (tool, status) in [("erase", 403), ("rename", 200), ("anything else", 200)] {
        let asked = world.post(&world.narrow, &call(tool)).await;
        assert_eq!(asked.status, status, "{tool}");
        if status == 200 {
            assert_eq!(asked.body, call(tool), "byte for byte");
        }
        assert_eq!(world.post(&world.broad, &call(tool)).await.body, call(tool));
    }
    let refused = world.post(&world.narrow, &call("erase")).await;
    assert!(String::from_utf8_lossy(&refused.body).contains("insufficient_scope"));
    assert_eq!(
        refused.challenge.unwrap(),
        "Bearer error=\"insufficient_scope\", error_description=\"this operation needs the scope mcp:admin\", \
         resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\", scope=\"mcp:admin\""
    );
    // Row 34: what the route needs and what each call of a batch needs, together.
    let layer = world.layer.clone().scopes(scopes("route")).tool("erase", scopes("more"));
    let batch = format!("[{},{}]", call("erase"), call("rename"));
    let left = VecDeque::from([Ok(Frame::data(Bytes::from(batch)))]);
    let refused = world.send(&layer, &world.broad, json(), left).await;
    assert!(refused.challenge.unwrap().ends_with("scope=\"mcp mcp:admin more route\""));
}

#[tokio::test]
async fn headers_of_the_2026_07_28_revision_are_never_believed() {
    let world = World::new().await;
    let lying = json().header("mcp-method", "tools/list").header("mcp-name", "rename");
    assert_eq!(world.ask(&world.narrow, lying, &[call("erase").as_bytes()]).await.status, 403);
    let lying = json().header("mcp-method", "tools/call").header("mcp-name", "erase");
    assert_eq!(world.ask(&world.narrow, lying, &[call("rename").as_bytes()]).await.status, 200);
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_is_refused_and_is_no_matter_of_scope() {
    let world = World::new().await;
    for body in [
        r#"{"method":"ping","method":"tools/call","params":{"name":"erase"}}"#,
        r#"{"method":"tools/call","params":{"name":"rename","name":"erase"}}"#,
        r#"{"method":"tools/call","params":{"name":"rename","\u006eame":"erase"}}"#,
        r#"{"Method":"tools/call","params":{"name":"erase"}}"#,
        r#"{"method":"tools/call","params":["erase"]}"#,
        "{\"method\":\"ping\"}\n{\"method\":\"tools/call\",\"params\":{\"name\":\"erase\"}}",
        "\u{feff}{\"method\":\"tools/call\",\"params\":{\"name\":\"erase\"}}",
        "// a comment\n{\"method\":\"tools/call\",\"params\":{\"name\":\"erase\"}}",
        "nonsense",
    ] {
        let asked = world.post(&world.narrow, body).await;
        assert_eq!((asked.status, asked.challenge), (400, None), "{body}");
        // Whoever may call every tool may send what he likes: the server behind the guard answers for it.
        assert_eq!(world.post(&world.broad, body).await.body, body);
    }
}

#[tokio::test]
async fn a_message_under_another_content_type_is_a_message() {
    let world = World::new().await;
    for kind in
        ["application/octet-stream", "text/plain", "application/json; charset=utf-16", "APPLICATION/JSON-RPC", ""]
    {
        let request = || Request::post("/mcp").header("content-type", kind);
        assert_eq!(
            world.ask(&world.narrow, request(), &[b" \r\n", call("erase").as_bytes()]).await.status,
            403,
            "{kind}"
        );
    }
    assert_eq!(world.ask(&world.narrow, Request::post("/mcp"), &[call("erase").as_bytes()]).await.status, 403);
    let utf_16: Vec<u8> = call("erase").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let request = Request::post("/mcp").header("content-type", "text/plain; charset=utf-16be");
    assert_eq!(world.ask(&world.narrow, request, &[&utf_16]).await.status, 400);
    // Encoded, it cannot be read.
    for encoding in ["gzip", "br", "identity, gzip"] {
        let request = json().header("content-encoding", encoding);
        assert_eq!(world.ask(&world.narrow, request, &[call("rename").as_bytes()]).await.status, 415, "{encoding}");
    }
    assert_eq!(
        world
            .ask(&world.narrow, json().header("content-encoding", "identity"), &[call("rename").as_bytes()])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn what_is_no_message_is_streamed_and_arrives_whole() {
    let world = World::new().await;
    let upload: [&[u8]; 4] = [b"--boundary\r\n", b"one", b"two", b"three"];
    let request = || Request::post("/mcp").header("content-type", "multipart/form-data; boundary=boundary");
    let asked = world.ask(&world.narrow, request(), &upload).await;
    assert_eq!(
        (asked.status, asked.taken, asked.body.as_ref()),
        (200, Some(1), b"--boundary\r\nonetwothree".as_slice())
    );
    // Other methods, and whoever has every scope: not looked at.
    for method in ["PUT", "GET", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri("/mcp").header("content-type", "application/json");
        let asked = world.ask(&world.narrow, request, &[call("erase").as_bytes()]).await;
        assert_eq!((asked.status, asked.taken), (200, Some(0)), "{method}");
    }
    let asked = world.post(&world.broad, &call("erase")).await;
    assert_eq!((asked.status, asked.taken), (200, Some(0)));
    // As much of its length as is known is told.
    let asked = world.ask(&world.narrow, request(), &[b"--boundary"]).await;
    assert_eq!((asked.status, asked.at_least), (200, Some(10)));
    // No body at all.
    assert_eq!(world.ask(&world.narrow, json(), &[]).await.status, 200);
}

#[tokio::test]
async fn pieces_and_trailers_arrive_as_they_came_and_a_broken_body_never_does() {
    let world = World::new().await;
    let text = call("rename");
    let mut left: VecDeque<_> =
        text.as_bytes().chunks(7).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    left.push_back(Ok(Frame::trailers(HeaderMap::new())));
    let asked = world.send(&world.layer, &world.narrow, json(), left).await;
    assert_eq!(asked.body, format!("{text}+trailers"));

    // A body has trailers once.
    let trailers = || Ok(Frame::trailers(HeaderMap::new()));
    let twice = VecDeque::from([Ok(Frame::data(Bytes::from(call("rename")))), trailers(), trailers()]);
    assert_eq!(world.send(&world.layer, &world.narrow, json(), twice).await.status, 400);

    let broken = VecDeque::from([Ok(Frame::data(Bytes::from(call("rename")))), Err("the peer went away")]);
    let asked = world.send(&world.layer, &world.narrow, json(), broken).await;
    assert_eq!((asked.status, asked.challenge), (400, None));
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_as_soon_as_it_is() {
    let world = World::new().await;
    let exact = world.layer.clone().body_limit(call("rename").len());
    for (more, status) in [("", 200), (" ", 413)] {
        let left = VecDeque::from([Ok(Frame::data(Bytes::from(call("rename") + more)))]);
        assert_eq!(world.send(&exact, &world.narrow, json(), left).await.status, status);
    }
    let layer = world.layer.clone().body_limit(64);
    let long = || -> VecDeque<Result<Frame<Bytes>, &'static str>> {
        let start = Bytes::from_static(b"{\"method\":\"tools/call\",");
        std::iter::once(start)
            .chain((0..100).map(|_| Bytes::from(" ".repeat(32))))
            .map(|piece| Ok(Frame::data(piece)))
            .collect()
    };
    let asked = world.send(&layer, &world.narrow, json(), long()).await;
    assert_eq!((asked.status, asked.challenge), (413, None));
    let asked = world.send(&layer, &world.broad, json(), long()).await;
    assert_eq!((asked.status, asked.body.len()), (200, 23 + 3_200), "who may call every tool is not bounded here");
    // White space only does not go on for ever either, under any name.
    let spaces = (0..100).map(|_| Ok(Frame::data(Bytes::from(" ".repeat(32))))).collect();
    let request = Request::post("/mcp").header("content-type", "text/plain");
    assert_eq!(world.send(&layer, &world.narrow, request, spaces).await.status, 413);
}

/// CORS is the host's business unless it said otherwise: until then a preflight is a request without a token.
#[tokio::test]
async fn a_preflight_is_answered_only_for_browsers_that_were_let_in() {
    let world = World::new().await;
    let preflight = async |layer: &BearerLayer| {
        let request = Request::options("/mcp").header("origin", "https://app.example");
        let request = request.header("access-control-request-method", "POST");
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Pieces { left: VecDeque::new(), taken: taken.clone() };
        let response = layer.layer(Echo(taken)).call(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let (length, is_over) = (body.size_hint().exact(), body.is_end_stream());
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!((length, is_over), (Some(bytes.len() as u64), bytes.is_empty()));
        (parts.status.as_u16(), parts.headers, bytes)
    };
    assert_eq!(preflight(&world.layer).await.0, 401);
    // A page may read what the server behind the guard answers, if the host let browsers in.
    for (layer, readable) in [(world.layer.clone(), false), (world.layer.clone().browsers(), true)] {
        let request = Request::get("/mcp").header("authorization", world.narrow.authorization());
        let body = Pieces { left: VecDeque::new(), taken: Arc::default() };
        let answer = layer.layer(Echo(Arc::default())).call(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers().contains_key("access-control-allow-origin"), readable);
    }
    // A preflight says who asks and what for; anything else is a request.
    let with_browsers = world.layer.clone().browsers();
    for (method, headers) in [
        ("GET", ["origin", "access-control-request-method"]),
        ("OPTIONS", ["x-none", "access-control-request-method"]),
        ("OPTIONS", ["origin", "x-none"]),
    ] {
        let request = Request::builder().method(method).uri("/mcp").header(headers[0], "https://app.example");
        let body = Pieces { left: VecDeque::new(), taken: Arc::default() };
        let request = request.header(headers[1], "POST").body(body).unwrap();
        let answer = with_browsers.layer(Echo(Arc::default())).call(request).await.unwrap();
        assert_eq!(answer.status(), 401, "{method} {headers:?}");
    }
    let (status, headers, body) = preflight(&world.layer.clone().browsers()).await;
    assert_eq!((status, &headers["access-control-allow-origin"], body.len()), (204, &"*".parse().unwrap(), 0));
}

/// RS-9: a session of MCP is for whoever opened it, with the layer of the server itself.
#[tokio::test]
async fn rs_09_the_guard_binds_a_session_of_mcp_to_its_person() {
    let world = World::new().await;
    let session = async |who: &SignedInPerson, id: Option<&str>| {
        let mut request = Request::get("/mcp").header("authorization", who.authorization());
        if let Some(id) = id {
            request = request.header("mcp-session-id", id);
        }
        let body = Pieces { left: VecDeque::new(), taken: Arc::default() };
        let response = world.layer.layer(OpensSession).call(request.body(body).unwrap()).await.unwrap();
        (response.status().as_u16(), response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned()))
    };
    let (_, opened) = session(&world.narrow, None).await;
    let opened = opened.unwrap();
    assert_ne!(opened, "inner");
    assert_eq!(session(&world.narrow, Some(&opened)).await, (200, Some(opened.clone())));
    for id in ["inner", "", "xyzzy"] {
        assert_eq!(session(&world.narrow, Some(id)).await.0, 404, "{id}");
    }
    let bob = TestEngine::new().await;
    let bob = bob.sign_in(&Person::named("Bob")).await;
    assert_eq!(session(&bob, Some(&opened)).await.0, 401, "of another server");
}

#[tokio::test]
async fn a_check_of_headers_alone_demands_what_every_tool_needs() {
    let world = World::new().await;
    let headers = |who: &SignedInPerson| HeaderMap::from_iter([(http::header::AUTHORIZATION, who.authorization())]);
    let refused = world.layer.check(&HeaderMap::new()).await.unwrap_err();
    assert_eq!(refused.status(), 401);
    let refused = world.layer.check(&headers(&world.narrow)).await.unwrap_err();
    assert_eq!(refused.status(), 403);
    assert!(world.layer.check(&headers(&world.broad)).await.is_ok());
}
