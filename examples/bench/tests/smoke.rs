//! Each scenario for some requests against servers in this process: no answer is wrong, and the figures add up.

use std::net::SocketAddr;

use dcr_bench::upstream::provider;
use dcr_bench::{Load, Measured, Phase, Plan, Scenario, Signing, drive};
use dcr_e2e::{Framework, World};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

const CONNECTIONS: usize = 4;
const EACH: usize = 50;
/// What the mixed load does in one round.
const ROUND: usize = 100;

async fn driven(scenario: Scenario, address: SocketAddr, upstream: Option<SocketAddr>, rate: Option<f64>) -> Measured {
    let plan = Plan { scenario, addresses: vec![address], upstream, sessions: 2, supply: EACH + 2 };
    let load = Load {
        connections: CONNECTIONS,
        warm_up: Phase::Each(2),
        measured: Phase::Each(if scenario == Scenario::Mix { ROUND } else { EACH }),
        rate,
        processes: vec![std::process::id()],
        ..Load::default()
    };
    spawn_blocking(move || drive(&plan, &load)).await.unwrap().unwrap_or_else(|failure| panic!("{scenario}: {failure}"))
}

fn check(scenario: Scenario, measured: &Measured) {
    assert!(measured.failure.is_none(), "{scenario}: {:?}", measured.failure);
    let each = if scenario == Scenario::Mix { ROUND } else { EACH };
    assert_eq!(measured.latencies.len(), (CONNECTIONS * each) as u64, "{scenario}");
    assert!(measured.millis(0.5) <= measured.millis(0.999) && measured.rate() > 0.0, "{scenario}");
    assert!(measured.resident > 0 || cfg!(not(target_os = "linux")), "{scenario}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_is_answered_as_it_must_be_by_both_servers() {
    for framework in Framework::ALL {
        let world = World::behind(*framework, provider(Signing::Es256), |_| {}).await;
        let upstream = world.idp().issuer().trim_start_matches("http://").parse().ok();
        let before = world.counts().await;
        for scenario in [Scenario::Open, Scenario::Register] {
            check(scenario, &driven(scenario, world.address(), upstream, None).await);
        }
        assert_eq!(world.counts().await, before, "I-1: a registration writes nothing");
        for scenario in [
            Scenario::Protected,
            Scenario::ProtectedFirst,
            Scenario::Refresh,
            Scenario::Exchange,
            Scenario::Flow,
            Scenario::Mix,
        ] {
            check(scenario, &driven(scenario, world.address(), upstream, None).await);
        }
        let sessions = world.counts().await.sessions as usize;
        // Protected and refresh have two for each connection, protected-first and mix one; then the codes, the sign-ins and
        // their warm-up, and two sign-ins in a hundred of the mix, the first of them in its warm-up already.
        let expected = CONNECTIONS * (2 + 2 + 1 + 1 + (EACH + 2) + (EACH + 2) + 3);
        assert_eq!(sessions, expected, "{framework:?}: the database knows as many sessions as there were sign-ins");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_the_limits_answers_at_a_given_rate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(dcr_bench::limits::serve(listener));
    for scenario in [Scenario::Hello, Scenario::Echo, Scenario::Verify] {
        let measured = driven(scenario, address, None, Some(2_000.0)).await;
        check(scenario, &measured);
        assert!(measured.rate() < 2_500.0, "it does not ask before the appointed time: {}", measured.rate());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_fails_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await.unwrap() });
    let measured = driven(Scenario::Hello, address, None, None).await;
    assert!(measured.failed > 0 && measured.sound().unwrap_err().to_string().contains("404"));
}
