//! How many instructions the parts of the engine take, on memory, counted by callgrind: the same number on every run of a
//! program, whatever else the machine does. `examples/bench/run instructions`; times are in dcr-core's own benchmark.
//!
//! callgrind's processor has neither SHA nor ADX instructions, so SHA-256 and signatures weigh more here than they do.

#![expect(missing_docs, unused_qualifications, reason = "what the macros write")]

#[path = "../../../dcr-core/tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use bytes::Bytes;
use dcr_core::Clock as _;
use dcr_core::parts::{Claims, Registration, metadata_is_valid, redirect_is_canonical};
use dcr_core::testing::Person;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use tokio::runtime::Runtime;

use crate::support::{P, Tokens, World};

const METADATA: &str = r#"{"client_name":"Bench client","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}"#;

/// An engine that has worked before, and a public client of it.
struct Ready {
    runtime: Runtime,
    world: World,
    id: String,
    tokens: Tokens,
}

fn ready() -> Ready {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let world = runtime.block_on(World::new());
    let id = runtime.block_on(world.public_client(&[P]));
    let tokens = runtime.block_on(world.sign_in(&id, P, "Ada"));
    Ready { runtime, world, id, tokens }
}

impl Ready {
    fn token(&self) -> String {
        self.runtime.block_on(self.world.test.sign_in(&Person::named("Ada"))).token().to_owned()
    }

    fn claims(&self) -> Claims {
        Claims::verify(&self.world.engine, &self.token(), self.world.test.clock().now()).expect("a token")
    }
}

fn with_token() -> (Ready, String) {
    let ready = ready();
    let token = ready.token();
    (ready, token)
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("visible ASCII");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

fn seen_before() -> (Ready, HeaderMap) {
    let (ready, token) = with_token();
    let headers = bearer(&token);
    let checked = ready.runtime.block_on(ready.world.engine.authenticate(&headers, None));
    assert!(checked.is_ok(), "a good token");
    (ready, headers)
}

/// Of a session that is known.
fn first_seen() -> (Ready, HeaderMap) {
    let (ready, _) = seen_before();
    let token = ready.claims().sign_anew(&ready.world.engine).expect("a token");
    (ready, bearer(&token))
}

fn registering() -> (Ready, Request<Bytes>) {
    let request = Request::post("/oauth/register").header("content-type", "application/json");
    (ready(), request.body(Bytes::from_static(METADATA.as_bytes())).expect("a request"))
}

/// A client that may redeem a code.
fn redeeming() -> (Ready, String) {
    let ready = ready();
    let code = ready.runtime.block_on(ready.world.code(&ready.id, P, "Grace"));
    (ready, code)
}

#[library_benchmark]
#[bench::https(P)]
#[bench::loopback(support::L)]
fn parse_redirect(uri: &str) -> bool {
    redirect_is_canonical(black_box(uri))
}

#[library_benchmark]
fn parse_client_metadata() -> bool {
    metadata_is_valid(black_box(METADATA.as_bytes()))
}

#[library_benchmark]
#[bench::one(setup = ready)]
fn seal_and_open_client_id(ready: Ready) -> Ready {
    let registration = Registration::open(&ready.world.engine, black_box(&ready.id)).expect("an id of this engine");
    assert!(registration.seal(&ready.world.engine).is_some());
    ready
}

#[library_benchmark]
#[bench::one(setup = with_token)]
fn verify_access_token((ready, token): (Ready, String)) -> (Ready, bool) {
    let claims = Claims::verify(&ready.world.engine, black_box(&token), ready.world.test.clock().now());
    (ready, claims.is_some())
}

#[library_benchmark]
#[bench::seen_before(setup = seen_before)]
#[bench::first_seen(setup = first_seen)]
fn authenticate((ready, headers): (Ready, HeaderMap)) -> Ready {
    let checked = ready.runtime.block_on(ready.world.engine.authenticate(black_box(&headers), None));
    assert!(checked.is_ok(), "a good token");
    ready
}

#[library_benchmark]
#[bench::one(setup = registering)]
fn register((ready, request): (Ready, Request<Bytes>)) -> (Ready, Response<Bytes>) {
    let answer = ready.runtime.block_on(ready.world.engine.handle(request));
    assert_eq!(answer.status(), StatusCode::CREATED);
    (ready, answer)
}

#[library_benchmark]
#[bench::one(setup = ready)]
fn refresh(ready: Ready) -> (Ready, Response<Bytes>) {
    let answer = ready.runtime.block_on(ready.world.refresh(&ready.id, &ready.tokens.refresh));
    assert_eq!(answer.status(), StatusCode::OK);
    (ready, answer)
}

#[library_benchmark]
#[bench::one(setup = redeeming)]
fn exchange((ready, code): (Ready, String)) -> (Ready, Response<Bytes>) {
    let answer = ready.runtime.block_on(ready.world.token(&support::redemption(&ready.id, P, &code)));
    assert_eq!(answer.status(), StatusCode::OK);
    (ready, answer)
}

#[library_benchmark]
#[bench::one(setup = ready)]
fn sign_in(ready: Ready) -> (Ready, Tokens) {
    let tokens = ready.runtime.block_on(ready.world.sign_in(&ready.id, P, "Grace"));
    (ready, tokens)
}

library_benchmark_group!(
    name = parts,
    benchmarks = [parse_redirect, parse_client_metadata, seal_and_open_client_id, verify_access_token]
);
library_benchmark_group!(name = requests, benchmarks = [authenticate, register, refresh, exchange, sign_in]);
main!(library_benchmark_groups = [parts, requests]);
