//! The history of requests: what the guard sees of each session, written later and all at once.
#![cfg(feature = "tower")]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dcr_core::record::{RequestRecord, Retention};
use dcr_core::session::SessionId;
use dcr_core::store::{RequestQuery, RequestsOf, Store as _};
use dcr_core::testing::{Person, SignedInPerson, TestEngine};
use dcr_core::{InspectedBody, ScopeSet};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower_layer::Layer as _;
use tower_service::Service;

/// Answers 418 to everything.
#[derive(Clone)]
struct Teapot;

impl Service<Request<InspectedBody<Full<Bytes>>>> for Teapot {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<InspectedBody<Full<Bytes>>>) -> Self::Future {
        ready(Ok(Response::builder().status(418).body(Full::default()).unwrap()))
    }
}

async fn kept_for(days: u32) -> TestEngine {
    TestEngine::with(|builder| builder.request_history(Retention::days(days))).await
}

async fn ask(test: &TestEngine, ada: &SignedInPerson, method: &str, body: &str) -> StatusCode {
    let guard = test.engine().guard().tool("erase", ScopeSet::from_names(["never"]).unwrap());
    let mut request = Request::builder().method(method).uri("/mcp").header("authorization", ada.authorization());
    if method == "POST" {
        request = request.header("content-type", "application/json");
    }
    let mut request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
    request.extensions_mut().insert(SocketAddr::from(([192, 0, 2, 7], 4_000)));
    guard.layer(Teapot).call(request).await.unwrap().status()
}

async fn history(test: &TestEngine, ada: &SignedInPerson) -> Vec<RequestRecord> {
    let of = RequestsOf::Session(session(ada));
    test.memory().requests(&RequestQuery { of, before: None, limit: 1_000 }).await.unwrap()
}

fn session(ada: &SignedInPerson) -> SessionId {
    support::claims(ada.token())["sid"].as_str().unwrap().parse().unwrap()
}

fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"pin":"4711"}}}}}}"#
    )
}

#[tokio::test]
async fn it_has_time_method_tool_status_and_address_and_nothing_that_was_said() {
    let test = kept_for(30).await;
    let ada = test.sign_in(&Person::named("ada")).await;
    assert_eq!(ask(&test, &ada, "POST", &call("weather")).await, 418);
    test.clock().advance(Duration::from_secs(1));
    assert_eq!(ask(&test, &ada, "GET", "").await, 418);
    test.clock().advance(Duration::from_secs(1));
    let batch = format!("[{},{}]", call("weather"), call("notes"));
    assert_eq!(ask(&test, &ada, "POST", &batch).await, 418);
    assert_eq!(history(&test, &ada).await, [], "no request costs a write");

    test.engine().flush().await.unwrap();
    let found = history(&test, &ada).await;
    let seen: Vec<_> = found.iter().map(|one| (one.method.as_str(), one.tool.as_deref(), one.status)).collect();
    assert_eq!(seen, [("POST", Some("weather, notes"), 418), ("GET", None, 418), ("POST", Some("weather"), 418)]);
    for one in &found {
        assert_eq!((one.session, one.address), (session(&ada), Some([192, 0, 2, 7].into())));
        assert!(!format!("{one:?}").contains("4711"), "bodies never");
    }
    assert_eq!(found[0].at.since(found[2].at), Duration::from_secs(2));
    test.engine().flush().await.unwrap();
    assert_eq!(history(&test, &ada).await.len(), 3, "once");
}

#[tokio::test]
async fn what_the_guard_refuses_is_not_in_it() {
    let test = kept_for(30).await;
    let ada = test.sign_in(&Person::named("ada")).await;
    assert_eq!(ask(&test, &ada, "POST", &call("erase")).await, 403);
    assert_eq!(ask(&test, &ada, "POST", r#"{"method":"tools/call","METHOD":"x"}"#).await, 400);
    test.engine().flush().await.unwrap();
    assert_eq!(history(&test, &ada).await, []);
}

#[tokio::test]
async fn without_being_asked_for_nothing_is_kept_and_bodies_are_left_alone() {
    let test = TestEngine::new().await;
    let ada = test.sign_in(&Person::named("ada")).await;
    let guard = test.engine().guard();
    let request = Request::post("/mcp").header("authorization", ada.authorization());
    let request = request.body(Full::new(Bytes::from_static(b"{\"method\":1,\"method\":2}"))).unwrap();
    assert_eq!(guard.layer(Teapot).call(request).await.unwrap().status(), 418);
    test.engine().flush().await.unwrap();
    assert_eq!(history(&test, &ada).await, []);
}

#[tokio::test]
async fn a_store_that_is_away_loses_nothing_and_fills_no_memory() {
    let test = kept_for(30).await;
    let ada = test.sign_in(&Person::named("ada")).await;
    assert!(ask(&test, &ada, "GET", "").await == 418);
    test.memory().fail(true);
    assert!(test.engine().flush().await.is_err());
    for _ in 0..21_000 {
        assert_eq!(ask(&test, &ada, "GET", "").await, 418, "nobody waits for the history");
    }
    test.memory().fail(false);
    test.engine().flush().await.unwrap();
    let of = RequestsOf::User(ada.principal().user_id().clone());
    let (mut count, mut before) = (0, None);
    loop {
        let page = test.memory().requests(&RequestQuery { of: of.clone(), before, limit: 1_000 }).await.unwrap();
        let Some(last) = page.last() else { break };
        (count, before) = (count + page.len(), Some(last.id));
    }
    assert_eq!(count, 20_000);
}

#[tokio::test]
async fn it_is_swept_when_its_days_are_over_and_outlives_its_session() {
    let test = kept_for(30).await;
    let ada = test.sign_in(&Person::named("ada")).await;
    ask(&test, &ada, "POST", &call("weather")).await;
    test.engine().flush().await.unwrap();
    test.clock().advance(Duration::from_secs(29 * 24 * 3_600));
    test.engine().sweep(1_000).await.unwrap();
    assert_eq!(history(&test, &ada).await.len(), 1);
    test.clock().advance(Duration::from_secs(2 * 24 * 3_600));
    test.engine().sweep(1_000).await.unwrap();
    assert_eq!(history(&test, &ada).await, []);
}
