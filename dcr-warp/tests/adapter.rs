//! What the adapter itself does: mount, limit bodies, guard, carry services; and what it leaves alone.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dcr_core::testing::{Person, SignedInPerson, TestEngine};
use dcr_core::{AdminAccess, BearerLayer, InspectedBody, MAX_BODY, Principal, ScopeSet};
use dcr_warp::RequestBody;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use warp::{Filter, Rejection, Reply};

/// Far more than any of these steps takes, so that a hang ends in a message.
const PATIENCE: Duration = Duration::from_secs(20);

fn name(who: &Principal) -> String {
    who.user().name.clone().unwrap_or_default()
}

fn scopes(names: &[&str]) -> ScopeSet {
    ScopeSet::from_names(names.iter().copied()).unwrap()
}

/// `/hello` for everybody with a token, `/admin` for those with a scope, and the engine.
fn app(test: &TestEngine) -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
    let route = |path: &'static str, layer: BearerLayer| {
        warp::path(path).and(warp::path::end()).and(dcr_warp::authenticated(layer)).map(|who: Principal| name(&who))
    };
    let guarded = route("hello", test.guard()).or(route("admin", test.guard().scopes(scopes(&["mcp:admin"]))));
    dcr_warp::routes(test.engine()).or(guarded.recover(dcr_warp::answer_refusal))
}

async fn answer<F, R, B>(filter: F, request: Request<B>) -> Response<Bytes>
where
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Clone + Send + Sync + 'static,
    R: Reply + 'static,
    B: Body + Send + Sync + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = warp::service(filter.boxed()).oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn text(response: &Response<Bytes>) -> &str {
    std::str::from_utf8(response.body()).unwrap()
}

fn full(body: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(body.into())
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

fn get_as(path: &str, person: &SignedInPerson) -> Request<Full<Bytes>> {
    let mut request = get(path);
    request.headers_mut().insert("authorization", person.authorization());
    request
}

/// A body of frames that come one by one, of a length that nobody knows.
struct Frames(Vec<io::Result<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = if self.0.is_empty() { None } else { Some(self.0.remove(0)) };
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }
}

/// What a service was asked: the target, the headers, the address of the peer, and who asked.
type Seen = Arc<Mutex<Vec<(Request<()>, Option<Principal>)>>>;

/// A service that keeps what it sees and answers with an MCP session id.
fn witness<B>(
    seen: &Seen,
) -> impl tower::Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ use<B>
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    let seen = seen.clone();
    service_fn(move |request: Request<B>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let who = parts.extensions.get::<Principal>().cloned();
            seen.lock().unwrap().push((Request::from_parts(parts, ()), who));
            let answer = Response::builder().status(StatusCode::CREATED).header("mcp-session-id", "inner");
            Ok(answer.header("x-two", "a").header("x-two", "b").body(Full::new(body)).unwrap())
        }
    })
}

fn last(seen: &Seen) -> (Request<()>, Option<Principal>) {
    seen.lock().unwrap().pop().expect("the service was asked")
}

#[tokio::test]
async fn a_host_application_tests_itself_as_a_given_person() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let response = answer(app(&test), get_as("/hello", &ada)).await;
    assert_eq!((response.status(), text(&response)), (StatusCode::OK, "Ada"));
}

/// The engine itself, a reference to it that does not outlive this function, or its guard.
#[tokio::test]
async fn an_engine_is_a_guard() {
    fn app(test: &TestEngine) -> impl Filter<Extract = (impl Reply + use<>,), Error = Rejection> + Clone + use<> {
        let engine = test.engine();
        let (one, two, three) = (warp::path!("1"), warp::path!("2"), warp::path!("3"));
        let yielded = one
            .and(dcr_warp::authenticated(&engine))
            .or(two.and(dcr_warp::authenticated(engine.clone())))
            .unify()
            .or(three.and(dcr_warp::authenticated(engine.guard())))
            .unify()
            .map(|who: Principal| name(&who))
            .recover(dcr_warp::answer_refusal);
        let inner = warp::ext::get::<Principal>().map(|who: Principal| name(&who));
        let four = warp::path("4").and(dcr_warp::guarded(&engine, inner));
        yielded.or(four).or(warp::path("5").and(dcr_warp::guarded(engine, inner)))
    }
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    for path in ["/1", "/2", "/3", "/4", "/5"] {
        let response = answer(app(&test), get_as(path, &ada)).await;
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, "Ada"), "{path}");
        assert_eq!(answer(app(&test), get(path)).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_and_without_a_scope_a_403() {
    let test = TestEngine::new().await;
    let response = answer(app(&test), get("/hello")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer resource_metadata=\"https://mcp.example/.well-known/"), "{challenge}");
    let narrow = test.sign_in_for_tests(&Person::named("Ada"), Some(&scopes(&["mcp"]))).await.unwrap();
    let response = answer(app(&test), get_as("/admin", &narrow)).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_scope") && challenge.contains("scope=\"mcp:admin\""), "{challenge}");
}

#[tokio::test]
async fn i_15_a_refusal_is_the_very_answer_of_the_tower_guard() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let narrow = test.sign_in_for_tests(&Person::named("Ada"), Some(&scopes(&["mcp"]))).await.unwrap();
    let bearer = |text: &'static str| ("authorization", HeaderValue::from_static(text));
    let session = ("mcp-session-id", HeaderValue::from_static("somebody-elses"));
    let refused: Vec<(Vec<(&str, HeaderValue)>, u16)> = vec![
        (vec![], 401),
        (vec![bearer("Bearer nonsense")], 401),
        (vec![bearer("Basic YTpi")], 401),
        (vec![bearer("Bearer a b")], 400),
        (vec![bearer("Bearer a"), bearer("Bearer b")], 400),
        (vec![("authorization", HeaderValue::from_bytes(b"Bearer \xff").unwrap())], 400),
        (vec![("authorization", narrow.authorization())], 403),
        (vec![("authorization", ada.authorization()), session.clone()], 404),
        (vec![("authorization", ada.authorization()), session.clone(), session], 404),
    ];
    let layer = test.guard().scopes(scopes(&["mcp:admin"]));
    let send = |headers: Vec<(&'static str, HeaderValue)>| {
        let mut request = get("/admin");
        for (name, value) in headers {
            request.headers_mut().append(name, value);
        }
        let unreachable = service_fn(|_: Request<_>| async { Ok(Response::new(full("not refused"))) });
        let (tower, app) = (layer.layer(unreachable), app(&test));
        let carried = request.clone();
        async move {
            let expected = tower_answer(tower, carried).await;
            let answer = answer(app, request).await;
            assert_eq!(answer.status(), expected.status());
            assert_eq!(answer.headers(), expected.headers());
            assert_eq!(answer.body(), expected.body());
            answer.status().as_u16()
        }
    };
    for (headers, status) in refused {
        assert_eq!(send(headers.clone()).await, status, "{headers:?}");
    }
    // A store that is down: 503, and never a challenge.
    test.clock().advance(Duration::from_secs(120));
    test.memory().fail(true);
    assert_eq!(send(vec![("authorization", ada.authorization())]).await, 503);
}

/// What a guarded service answers on its own, without warp.
async fn tower_answer<S, R>(service: S, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    S: tower::Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
    R: Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let (parts, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn every_path_of_the_engine_is_mounted_for_every_method() {
    let test = TestEngine::new().await;
    for path in test.paths() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let request = || Request::builder().method(method).uri(&path).body(Full::<Bytes>::default()).unwrap();
            let expected = test.handle(request().map(|_| Bytes::new())).await;
            let answer = answer(app(&test), request()).await;
            assert_eq!(answer.status(), expected.status(), "{method} {path}");
            assert_eq!(answer.headers().get("allow"), expected.headers().get("allow"), "{method} {path}");
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn long_bodies_are_413_also_when_nobody_says_how_long_they_are() {
    let test = TestEngine::new().await;
    let post = || Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    let whole = post().body(full(vec![b'a'; MAX_BODY + 1])).unwrap();
    assert_eq!(answer(app(&test), whole).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let frames = || (0..MAX_BODY / 1024).map(|_| Ok(Bytes::from(vec![b'a'; 1024]))).collect::<Vec<_>>();
    let most = post().body(Frames(frames())).unwrap();
    assert_eq!(answer(app(&test), most).await.status(), StatusCode::BAD_REQUEST);
    let mut more = frames();
    more.push(Ok(Bytes::from_static(b"a")));
    assert_eq!(answer(app(&test), post().body(Frames(more)).unwrap()).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn i_13_a_body_that_breaks_off_is_never_taken_for_a_whole_one() {
    let test = TestEngine::new().await;
    let whole = r#"{"redirect_uris":["http://127.0.0.1/callback"],"token_endpoint_auth_method":"none"}"#;
    let post = || Request::post("/oauth/register").header("content-type", "application/json");
    let good = post().body(Frames(vec![Ok(whole.into())])).unwrap();
    assert_eq!(answer(app(&test), good).await.status(), StatusCode::CREATED);
    let broken = post().body(Frames(vec![Ok(whole.into()), Err(io::ErrorKind::UnexpectedEof.into())])).unwrap();
    let answer = answer(app(&test), broken).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(text(&answer).contains("invalid_request"), "{}", text(&answer));
}

/// A rejection of the host's own.
#[derive(Debug)]
struct OutOfTea;

impl warp::reject::Reject for OutOfTea {}

#[tokio::test]
async fn the_hosts_routes_rejections_and_recover_handlers_are_left_alone() {
    let test = TestEngine::new().await;
    let tea = warp::path!("tea").and_then(|| async { Err::<String, _>(warp::reject::custom(OutOfTea)) });
    let upload = warp::path!("upload").and(warp::post()).and(warp::body::bytes()).map(|body: Bytes| body.to_vec());
    let host = |rejection: Rejection| async move {
        if rejection.find::<OutOfTea>().is_some() {
            Ok(StatusCode::IM_A_TEAPOT)
        } else if rejection.is_not_found() {
            Ok(StatusCode::GONE)
        } else {
            Err(rejection)
        }
    };
    let app = app(&test).or(tea).or(upload).recover(dcr_warp::answer_refusal).recover(host);
    assert_eq!(answer(app.clone(), get("/tea")).await.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(answer(app.clone(), get("/upload")).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer(app.clone(), get("/hello")).await.status(), StatusCode::UNAUTHORIZED);
    let post = Request::post("/upload").body(full("unread so far")).unwrap();
    assert_eq!(text(&answer(app.clone(), post).await), "unread so far");
    // Paths that only look like the engine's.
    for path in ["/", "/oauth", "/oauth/", "/oauth/token/", "//oauth/token", "/oauth/%74oken", "/OAUTH/token", "/x"] {
        assert_eq!(answer(app.clone(), get(path)).await.status(), StatusCode::GONE, "{path}");
    }
}

#[tokio::test]
async fn a_connect_request_has_no_path_and_is_nobodys() {
    let test = TestEngine::new().await;
    let seen = Seen::default();
    let app = app(&test).or(dcr_warp::service(witness(&seen)));
    let connect = Request::connect("mcp.example:443").body(full("")).unwrap();
    assert_eq!(answer(app, connect).await.status(), StatusCode::NOT_FOUND);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refusal_that_nobody_answers_is_a_500_that_says_nothing() {
    let test = TestEngine::new().await;
    let forgotten = warp::path!("hello").and(dcr_warp::authenticated(test.guard())).map(|who: Principal| name(&who));
    let answer = answer(forgotten, get("/hello")).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(&answer), "Unhandled rejection: Refused(401)");
}

#[tokio::test]
async fn a_service_sees_the_request_as_it_came_with_the_matched_path_taken_off() {
    let test = TestEngine::new().await;
    let seen = Seen::default();
    let mcp = warp::path("mcp").and(dcr_warp::service(witness(&seen)));
    let app = dcr_warp::routes(test.engine()).or(mcp);
    for (asked, expected) in [
        ("/mcp", "/"),
        ("/mcp/", "/"),
        ("/mcp?", "/?"),
        ("/mcp?a=%20+b&a=%ff&&=", "/?a=%20+b&a=%ff&&="),
        ("/mcp/deep/%2F%2e%2e/x;y=1", "/deep/%2F%2e%2e/x;y=1"),
        ("/mcp//x", "//x"),
        ("http://mcp.example/mcp/absolute?q", "/absolute?q"),
    ] {
        let request = Request::builder().method("PROPFIND").uri(asked).header("x-odd", "1").header("x-odd", "2");
        let answer = answer(app.clone(), request.body(full("a body")).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers().get_all("x-two").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(answer.headers()["content-length"], "6");
        assert_eq!(text(&answer), "a body");
        let (request, _) = last(&seen);
        assert_eq!(request.uri().to_string(), expected);
        assert_eq!(request.method(), Method::from_bytes(b"PROPFIND").unwrap());
        assert_eq!(request.headers().get_all("x-odd").iter().collect::<Vec<_>>(), ["1", "2"]);
        // RFC 9113 section 8.3.1: a host in the target alone is not lost.
        let host = asked.starts_with("http:").then_some("mcp.example");
        assert_eq!(request.headers().get("host").map(|host| host.to_str().unwrap()), host);
    }
    // The engine's documents below the service's path are the engine's; other paths are nobody's.
    let document = answer(app.clone(), get("/mcp/.well-known/oauth-protected-resource")).await;
    assert_eq!(document.status(), StatusCode::OK);
    assert_eq!(answer(app, get("/mcpx")).await.status(), StatusCode::NOT_FOUND);
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn rs_09_a_guarded_service_has_the_principal_no_token_and_its_own_session_ids() {
    let test = TestEngine::new().await;
    let (ada, bob) = (test.sign_in(&Person::named("Ada")).await, test.sign_in(&Person::named("Bob")).await);
    let seen = Seen::default();
    let app = warp::path("mcp").and(dcr_warp::service(test.guard().layer(witness(&seen))));

    assert_eq!(answer(app.clone(), get("/mcp")).await.status(), StatusCode::UNAUTHORIZED);
    assert!(seen.lock().unwrap().is_empty());
    let opened = answer(app.clone(), get_as("/mcp", &ada)).await;
    let (request, who) = last(&seen);
    assert_eq!(who.map(|who| name(&who)).as_deref(), Some("Ada"));
    assert_eq!(request.headers().get("authorization"), None);
    let session = opened.headers()["mcp-session-id"].clone();
    assert_ne!(session, "inner");

    for (person, status) in [(&ada, 201), (&bob, 404)] {
        let mut request = get_as("/mcp", person);
        request.headers_mut().insert("mcp-session-id", session.clone());
        assert_eq!(answer(app.clone(), request).await.status().as_u16(), status);
    }
    assert_eq!(last(&seen).0.headers()["mcp-session-id"], "inner");
}

#[tokio::test]
async fn filters_can_stand_behind_the_very_guard_of_services() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let hello = warp::path!("hello" / String)
        .and(warp::ext::get::<Principal>())
        .and(warp::header::headers_cloned())
        .map(|greeting: String, who: Principal, headers: HeaderMap| {
            assert!(!headers.contains_key("authorization"));
            format!("{greeting}, {}", name(&who))
        });
    let echo = warp::path!("echo").and(warp::post()).and(warp::body::bytes()).map(|body: Bytes| body.to_vec());
    let app = warp::path("private").and(dcr_warp::guarded(test.guard(), hello.or(echo)));
    let app = app.or(warp::any().map(|| "for everybody"));

    let hello = answer(app.clone(), get_as("/private/hello/Hi", &ada)).await;
    assert_eq!((hello.status(), text(&hello)), (StatusCode::OK, "Hi, Ada"));
    let mut post = get_as("/private/echo", &ada).map(|_| full("a body"));
    *post.method_mut() = Method::POST;
    assert_eq!(text(&answer(app.clone(), post).await), "a body");
    assert_eq!(answer(app.clone(), get_as("/private/nothing", &ada)).await.status(), StatusCode::NOT_FOUND);
    // Refused is refused: no other route answers in its place.
    for path in ["/private/hello/Hi", "/private/nothing", "/private"] {
        assert_eq!(answer(app.clone(), get(path)).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(text(&answer(app, get("/else")).await), "for everybody");
}

/// Tells when it is dropped.
struct Dropped(#[expect(dead_code, reason = "its end is the message")] oneshot::Sender<()>);

async fn is_dropped(told: oneshot::Receiver<()>) {
    tokio::time::timeout(PATIENCE, told).await.expect("dropped in time").expect_err("dropped, not sent");
}

#[tokio::test]
async fn a_guarded_filter_ends_with_its_request() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let (started, begun) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let once = Arc::new(Mutex::new(Some((started, Dropped(tell)))));
    let endless = warp::any().then(move || {
        let (started, held) = once.lock().unwrap().take().unwrap();
        async move {
            let _held = held;
            started.send(()).unwrap();
            std::future::pending::<&str>().await
        }
    });
    let app = dcr_warp::guarded(test.guard(), endless);
    let request = tokio::spawn(answer(app, get_as("/", &ada)));
    begun.await.unwrap();
    request.abort();
    is_dropped(told).await;
}

/// An event stream that sends one event and then waits for ever.
struct Events(Option<Bytes>, #[expect(dead_code, reason = "its end is the message")] Dropped);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |event| Poll::Ready(Some(Ok(Frame::data(event)))))
    }
}

#[tokio::test]
async fn an_event_stream_flows_at_once_and_ends_when_its_client_goes_away() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("Ada")).await;
    let (tell, told) = oneshot::channel();
    let once = Arc::new(Mutex::new(Some(Events(Some(Bytes::from_static(b"data: one\n\n")), Dropped(tell)))));
    let peers = Arc::new(Mutex::new(Vec::new()));
    let seen = peers.clone();
    let events = service_fn(move |request: Request<InspectedBody<RequestBody>>| {
        seen.lock().unwrap().extend(request.extensions().get::<SocketAddr>().copied());
        let events = once.lock().unwrap().take().unwrap();
        async { Ok::<_, Infallible>(Response::new(events)) }
    });
    let app = warp::path("mcp").and(dcr_warp::service(test.guard().layer(events)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(warp::serve(app).incoming(listener).run());

    let mut client = TcpStream::connect(address).await.unwrap();
    let token = ada.token();
    let request = format!("GET /mcp HTTP/1.1\r\nhost: mcp.example\r\nauthorization: Bearer {token}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"data: one\n\n\r\n") {
        let n = tokio::time::timeout(PATIENCE, client.read_buf(&mut read)).await.expect("an event in time").unwrap();
        assert_ne!(n, 0, "{}", String::from_utf8_lossy(&read));
    }
    assert_eq!(*peers.lock().unwrap(), [client.local_addr().unwrap()]);
    drop(client);
    is_dropped(told).await;
    server.abort();
}

#[tokio::test]
async fn the_admin_api_is_served_where_it_is_mounted_and_nowhere_else() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    for (apart, here) in [(false, StatusCode::OK), (true, StatusCode::NOT_FOUND)] {
        let access = AdminAccess::token(TOKEN).unwrap();
        let access = if apart { access.apart() } else { access };
        let test = TestEngine::with(|builder| builder.admin(access)).await;
        let ask = |path: &str| {
            let request = Request::get(path).header("authorization", format!("Bearer {TOKEN}"));
            request.body(full("")).unwrap()
        };
        let public = answer(dcr_warp::routes(test.engine()), ask("/oauth/admin/api/v1/users")).await;
        assert_eq!(public.status(), here);
        let wall = dcr_warp::admin_routes(&test);
        let users = answer(wall.clone(), ask("/oauth/admin/api/v1/users?limit=1")).await;
        assert_eq!(
            (users.status(), &users.headers()["content-type"]),
            (StatusCode::OK, &"application/json".parse().unwrap())
        );
        for path in ["/oauth/admin/api/v1", "/oauth/admin/api/v1/", "/oauth/admin/api/v1/users/a/b/c"] {
            let missing = answer(wall.clone(), ask(path)).await;
            assert_eq!(
                (missing.status(), text(&missing).contains("\"code\":\"not_found\"")),
                (StatusCode::NOT_FOUND, true)
            );
        }
        assert_eq!(answer(wall.clone(), ask("/oauth/token")).await.status(), StatusCode::NOT_FOUND);
    }
}
