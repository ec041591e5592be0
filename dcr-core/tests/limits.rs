//! Abuse limits: who asks too often is told when to come again, nobody else notices, and nothing has happened.

mod support;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dcr_core::{AuthMethod, ClientId, DcrEngineBuilder, DocumentPolicy, Limits, PreRegistered, Rate};
use http::{Request, Response, StatusCode};
use http_body::Frame;

use crate::support::web::{Web, document};
use crate::support::*;

const ADA: &str = "198.51.100.7";
const MALLORY: &str = "203.0.113.66";
const JOB: &str = "nightly-report";

async fn world(limits: Limits) -> World {
    with(limits, |builder| builder).await
}

async fn with(limits: Limits, change: impl FnOnce(DcrEngineBuilder) -> DcrEngineBuilder) -> World {
    World::with(|builder| change(builder.limits(limits).trusted_proxies("10.0.0.0/8".parse().unwrap()))).await
}

fn few() -> Limits {
    Limits { sign_in: Rate::new(3, 6), token: Rate::new(3, 6), register: Rate::new(3, 6), ..Limits::default() }
}

async fn from(world: &World, peer: &str, mut request: Request<Bytes>) -> Response<Bytes> {
    request.extensions_mut().insert(SocketAddr::new(peer.parse().unwrap(), 50_000));
    world.send(request).await
}

fn authorize(id: &str) -> Request<Bytes> {
    request("GET", &format!("/oauth/authorize?{}", encode(&request_for(id, P))), &[("accept", "text/html")], "")
}

fn registration() -> Request<Bytes> {
    let body = format!(r#"{{"redirect_uris":["{P}"]}}"#);
    request("POST", "/oauth/register", &[("content-type", "application/json")], &body)
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
    request("POST", path, &[("content-type", "application/x-www-form-urlencoded")], &encode(fields))
}

fn machine(secret: &str) -> Request<Bytes> {
    let fields = [("grant_type", "client_credentials"), ("client_id", JOB), ("client_secret", secret)];
    form("/oauth/token", &fields)
}

fn job() -> PreRegistered {
    let id = ClientId::new(JOB).unwrap();
    PreRegistered::confidential(id, AuthMethod::ClientSecretPost, "s3cret").client_credentials()
}

fn assert_too_many(response: &Response<Bytes>) {
    assert_error(response, 429, "temporarily_unavailable");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn adopt_14_an_address_that_asks_too_often_is_told_when_to_come_again() {
    let world = world(few()).await;
    let token = || form("/oauth/token", &[("grant_type", "password"), ("client_id", U)]);
    let requests: [(&str, &dyn Fn() -> Request<Bytes>); 6] = [
        ("register", &registration),
        ("authorize", &|| authorize(U)),
        ("consent", &|| form("/oauth/consent", &[("request", "x")])),
        ("token", &token),
        ("revoke", &|| form("/oauth/revoke", &[("token", "x")])),
        ("introspect", &|| form("/oauth/introspect", &[("token", "x")])),
    ];
    for (name, request) in requests {
        while from(&world, MALLORY, request()).await.status() != StatusCode::TOO_MANY_REQUESTS {}
        let refused = from(&world, MALLORY, request()).await;
        assert_eq!(refused.headers()["retry-after"], "10", "{name}: six a minute");
        let other = from(&world, ADA, request()).await;
        assert_ne!(other.status(), StatusCode::TOO_MANY_REQUESTS, "{name}: another address");
        world.test.clock().advance(Duration::from_secs(10));
        assert_ne!(from(&world, MALLORY, request()).await.status(), StatusCode::TOO_MANY_REQUESTS, "{name}: later");
        world.test.clock().advance(Duration::from_secs(60));
    }
}

#[tokio::test]
async fn programs_get_oauths_error_scripts_may_read_it_and_people_get_a_page() {
    let world = world(few()).await;
    for _ in 0..3 {
        from(&world, MALLORY, registration()).await;
        from(&world, MALLORY, authorize(U)).await;
    }
    let refused = from(&world, MALLORY, registration()).await;
    assert_too_many(&refused);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    assert!(refused.headers()["access-control-expose-headers"].to_str().unwrap().contains("Retry-After"));
    let page = from(&world, MALLORY, authorize(U)).await;
    assert_eq!(page.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(text(&page).starts_with("<!doctype html>") && text(&page).contains("Wait a minute"), "{}", text(&page));
    assert!(page.headers().contains_key("content-security-policy") && page.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn what_is_public_is_never_limited() {
    let world = world(Limits { all_token: Rate::new(1, 1), ..few() }).await;
    for _ in 0..50 {
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/jwks.json"] {
            assert_eq!(from(&world, MALLORY, request("GET", path, &[], "")).await.status(), StatusCode::OK);
        }
        let preflight = request("OPTIONS", "/oauth/token", &[("origin", "https://app.example")], "");
        assert_eq!(from(&world, MALLORY, preflight).await.status(), StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_request_that_is_refused_costs_ten() {
    let world = world(Limits { token: Rate::new(100, 1), ..Limits::default() }).await;
    let mut answered = 0;
    while from(&world, MALLORY, form("/oauth/token", &[("grant_type", "refresh_token")])).await.status()
        != StatusCode::TOO_MANY_REQUESTS
    {
        answered += 1;
    }
    assert_eq!(answered, 10);
}

#[tokio::test]
async fn md_01_behind_a_trusted_proxy_each_person_has_limits_of_their_own_and_a_stranger_forges_none() {
    let world = world(few()).await;
    let forwarded = |by: &'static str, of: String| {
        let mut request = registration();
        request.headers_mut().insert("x-forwarded-for", of.parse().unwrap());
        from(&world, by, request)
    };
    for n in 0..20 {
        // The proxy appends; what is left of it was in the request already.
        let of = format!("192.0.2.{n}, {MALLORY}");
        let expected = if n < 3 { StatusCode::CREATED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(forwarded("10.0.0.1", of).await.status(), expected, "{n}");
    }
    assert_eq!(forwarded("10.0.0.1", ADA.to_owned()).await.status(), StatusCode::CREATED);
    for n in 0..20 {
        let status = forwarded("192.0.2.99", format!("192.0.2.{n}")).await.status();
        assert_eq!(status, if n < 3 { StatusCode::CREATED } else { StatusCode::TOO_MANY_REQUESTS }, "{n}");
    }
}

#[tokio::test]
async fn who_holds_a_valid_token_may_not_use_it_without_end_and_loses_nothing() {
    let world = world(Limits { session: Rate::new(4, 6), ..Limits::default() }).await;
    let id = world.public_client(&[P]).await;
    let (ada, bob) = (world.sign_in(&id, P, "Ada").await, world.sign_in(&id, P, "Bob").await);
    // The redemption was one; the predecessor is answered inside the grace.
    for _ in 0..3 {
        tokens(&world.refresh(&id, &ada.refresh).await);
    }
    let refused = world.refresh(&id, &ada.refresh).await;
    assert_too_many(&refused);
    assert_eq!(refused.headers()["retry-after"], "10");
    tokens(&world.refresh(&id, &bob.refresh).await);
    world.test.clock().advance(Duration::from_secs(10));
    tokens(&world.refresh(&id, &ada.refresh).await);
}

#[tokio::test]
async fn a_client_has_limits_of_its_own_which_nobody_else_can_use_up() {
    let limits = Limits { client: Rate::new(3, 6), token: Rate::new(1_000, 1), ..Limits::default() };
    let world = with(limits, |builder| builder.client(job())).await;
    // Everybody may know the id. What counts is who proves to be it.
    for _ in 0..20 {
        assert_error(&from(&world, MALLORY, machine("guessed")).await, 401, "invalid_client");
    }
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(from(&world, address, machine("s3cret")).await.status(), StatusCode::OK);
    }
    assert_too_many(&from(&world, "192.0.2.4", machine("s3cret")).await);
    world.test.clock().advance(Duration::from_secs(10));
    assert_eq!(from(&world, "192.0.2.4", machine("s3cret")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn under_a_flood_from_everywhere_they_come_in_where_people_signed_in_lately() {
    let limits = Limits { all_authorize: Rate::new(2, 1), all_token: Rate::new(3, 1), ..Limits::default() };
    let world = world(limits).await;
    let id = world.public_client(&[P]).await;
    let ada = world.sign_in(&id, P, "Ada").await;
    let refresh = |token: &str| {
        form("/oauth/token", &[("grant_type", "refresh_token"), ("client_id", &id), ("refresh_token", token)])
    };
    // A valid token is a proof; what is refused is none.
    let again = tokens(&from(&world, ADA, refresh(&ada.refresh)).await);
    assert_error(&from(&world, MALLORY, refresh("made up")).await, 400, "invalid_grant");
    for n in 0..20 {
        from(&world, &format!("192.0.2.{n}"), authorize(U)).await;
    }
    for (address, status) in [(MALLORY, StatusCode::TOO_MANY_REQUESTS), (ADA, StatusCode::OK)] {
        assert_eq!(from(&world, address, authorize(U)).await.status(), status, "{address}");
        assert_eq!(from(&world, address, refresh(&again.refresh)).await.status(), status, "{address}");
    }
}

#[tokio::test]
async fn under_a_flood_from_everywhere_who_is_at_the_consent_page_may_finish() {
    let world = world(Limits { all_authorize: Rate::new(2, 6), all_register: Rate::new(2, 6), ..few() }).await;
    let mut browser = Browser::default();
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    let mut refused = 0;
    for n in 0..50 {
        refused += usize::from(
            from(&world, &format!("192.0.2.{n}"), authorize(U)).await.status() == StatusCode::TOO_MANY_REQUESTS,
        );
    }
    assert_eq!(refused, 49);
    let sent = world.decide(&mut browser, &page, "approve").await;
    let state = query_of(&location(&sent))["state"].clone();
    let back = world.callback(&mut browser, &state, "Ada").await;
    let code = query_of(&location(&back))["code"].clone();
    tokens(&world.token(&redemption(U, P, &code)).await);
}

#[tokio::test]
async fn the_provider_is_not_asked_more_often_than_it_bears_and_a_reload_finishes_the_sign_in() {
    let world = world(Limits { upstream: Rate::new(1, 6), ..Limits::default() }).await;
    let mut browser = Browser::default();
    let id = world.public_client(&[P]).await;
    world.sign_in(&id, P, "Ada").await;
    let state = world.approve(&mut browser, &request_for(&id, P)).await;
    let busy = world.callback(&mut browser, &state, "Ada").await;
    assert_eq!(busy.status(), StatusCode::TOO_MANY_REQUESTS, "{}", text(&busy));
    assert_eq!(busy.headers()["retry-after"], "10");
    assert_eq!(world.engine.store().counts().await.unwrap().sessions, 1);
    world.test.clock().advance(Duration::from_secs(10));
    assert!(location(&world.callback(&mut browser, &state, "Ada").await).contains("code="));
}

#[tokio::test]
async fn ci_11_one_address_does_not_use_up_what_a_host_of_documents_is_asked() {
    const HOST: &str = "https://tools.example";
    let url = format!("{HOST}/real.json");
    let redirect = format!("{HOST}/callback");
    let web = Web::with(&[document(&url, "Tools", &[&redirect])]);
    let limits = Limits { fetch: Rate::new(5, 1), ..Limits::default() };
    let world = with(limits, |builder| builder.metadata_documents(DocumentPolicy::On, Arc::clone(&web) as _)).await;
    for n in 0..40 {
        let refused = from(&world, MALLORY, authorize(&format!("{HOST}/{n}.json"))).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(web.asked(), 5);
    // Somebody else's sign-in still leads to a fetch; and what is known then serves everybody.
    for address in [ADA, MALLORY] {
        let query = encode(&request_for(&url, &redirect));
        let page = request("GET", &format!("/oauth/authorize?{query}"), &[("accept", "text/html")], "");
        assert_eq!(from(&world, address, page).await.status(), StatusCode::OK, "{address}");
    }
    assert_eq!(web.asked(), 6);
}

/// A body that nobody may read.
struct Untouched;

impl http_body::Body for Untouched {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        panic!("the body of a request that is not let in was read")
    }
}

#[tokio::test]
async fn the_body_of_a_request_that_is_not_let_in_is_not_read() {
    let world = world(few()).await;
    for _ in 0..3 {
        from(&world, MALLORY, registration()).await;
    }
    let mut request = registration().map(|_| Untouched);
    request.extensions_mut().insert(SocketAddr::new(MALLORY.parse().unwrap(), 1));
    assert_too_many(&world.engine.handle_unread(request).await);
}

#[tokio::test]
async fn adopt_14_ten_thousand_strangers_leave_no_row_and_a_sign_in_works_meanwhile() {
    let ceiling = Rate::new(3_000, 30_000);
    let world = world(Limits { all_authorize: ceiling, ..Limits::default() }).await;
    let id = world.public_client(&[P]).await;
    let (mut let_in, mut turned_away) = (0, 0);
    for n in 0..10_000_u32 {
        let address = format!("198.18.{}.{}", n / 250 % 4, n % 250);
        let unknown = format!("0000{n:08}-stranger");
        match from(&world, &address, authorize(&unknown)).await.status() {
            StatusCode::OK => let_in += 1,
            StatusCode::TOO_MANY_REQUESTS => turned_away += 1,
            other => panic!("{other}"),
        }
        if n % 1_000 == 0 {
            // A browser asks once; time goes on.
            world.test.clock().advance(Duration::from_secs(1));
            world.sign_in(&id, P, &format!("Person {n}")).await;
        }
    }
    assert!(let_in > 3_000 && turned_away > 1_000, "{let_in} {turned_away}");
    let counts = world.engine.store().counts().await.unwrap();
    assert_eq!((counts.users, counts.connections, counts.sessions), (10, 10, 10), "I-1");
}
