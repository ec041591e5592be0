//! The parts of the engine one by one, on memory, without a network: `cargo bench -p dcr-core --all-features`, or
//! `examples/bench/run micro`. Whole servers are measured by `examples/bench`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dcr_core::Clock as _;
use dcr_core::parts::{Claims, Registration, metadata_is_valid, redirect_is_canonical};
use dcr_core::testing::Person;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::runtime::Runtime;

use crate::support::{L, P, World};

const METADATA: &str = r#"{"client_name":"Bench client","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none"}"#;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime")
}

fn parsing(bench: &mut Criterion) {
    bench.bench_function("parse/redirect, https", |b| b.iter(|| redirect_is_canonical(black_box(P))));
    bench.bench_function("parse/redirect, loopback", |b| b.iter(|| redirect_is_canonical(black_box(L))));
    assert!(metadata_is_valid(METADATA.as_bytes()));
    bench.bench_function("parse/client metadata", |b| b.iter(|| metadata_is_valid(black_box(METADATA.as_bytes()))));
}

fn sealing(bench: &mut Criterion) {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let id = runtime.block_on(world.public_client(&[P]));
    let registration = Registration::open(&world.engine, &id).expect("an id of this engine");
    bench.bench_function("seal/client id", |b| b.iter(|| registration.seal(black_box(&world.engine))));
    bench.bench_function("open/client id", |b| b.iter(|| Registration::open(&world.engine, black_box(&id)).is_some()));

    let token = runtime.block_on(world.test.sign_in(&Person::named("Ada"))).token().to_owned();
    let now = world.test.clock().now();
    let claims = Claims::verify(&world.engine, &token, now).expect("a token of this engine");
    bench.bench_function("sign/access token", |b| b.iter(|| claims.sign(black_box(&world.engine))));
    bench.bench_function("verify/access token", |b| {
        b.iter(|| Claims::verify(&world.engine, black_box(&token), now).is_some());
    });
}

fn bearer(bench: &mut Criterion) {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let ada = Person::named("Ada");
    let headers = |authorization: HeaderValue| HeaderMap::from_iter([(http::header::AUTHORIZATION, authorization)]);
    let known = headers(runtime.block_on(world.test.sign_in(&ada)).authorization());
    bench.bench_function("bearer/seen before", |b| {
        b.iter(|| runtime.block_on(world.engine.authenticate(black_box(&known), None)).expect("a good token"));
    });
    // The session is known, as it is at the first use of a token that was refreshed.
    let claims = Claims::verify(&world.engine, bearer_of(&known), world.test.clock().now()).expect("a token");
    bench.bench_function("bearer/first seen", |b| {
        b.iter_batched(
            || {
                let token = claims.sign_anew(&world.engine).expect("a token");
                headers(HeaderValue::try_from(format!("Bearer {token}")).expect("visible ASCII"))
            },
            |headers| runtime.block_on(world.engine.authenticate(black_box(&headers), None)).expect("a good token"),
            BatchSize::SmallInput,
        );
    });
}

fn bearer_of(headers: &HeaderMap) -> &str {
    headers[http::header::AUTHORIZATION].to_str().expect("visible ASCII").trim_start_matches("Bearer ")
}

fn endpoints(bench: &mut Criterion) {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let next = AtomicU64::new(0);
    let registration = || {
        let n = next.fetch_add(1, Ordering::Relaxed);
        let request = Request::post("/oauth/register").header("content-type", "application/json");
        let body = METADATA.replace("Bench client", &format!("Bench client {n}"));
        request.body(Bytes::from(body)).expect("a request")
    };
    bench.bench_function("handle/register", |b| {
        let handled = |request| {
            let answer = runtime.block_on(world.engine.handle(request));
            assert_eq!(answer.status(), StatusCode::CREATED);
            answer
        };
        b.iter_batched(registration, handled, BatchSize::SmallInput);
    });

    let id = runtime.block_on(world.public_client(&[P]));
    let mut refresh = runtime.block_on(world.sign_in(&id, P, "Ada")).refresh;
    bench.bench_function("handle/refresh", |b| {
        b.iter(|| {
            let answer = runtime.block_on(world.refresh(&id, &refresh));
            assert_eq!(answer.status(), StatusCode::OK);
            let answer: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
            refresh = answer["refresh_token"].as_str().expect("a refresh token").to_owned();
        });
    });
    bench.bench_function("handle/whole sign-in", |b| {
        // Another person each time: nobody has more sessions than they may.
        b.iter(|| {
            let n = next.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(world.sign_in(&id, P, &format!("Ada{n}")))
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = parsing, sealing, bearer, endpoints
}
criterion_main!(benches);
