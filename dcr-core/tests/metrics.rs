//! What a server counts and times, and how it is: by what a recorder of the host would get.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dcr_core::metrics as m;
use dcr_core::store::conformance::{Route, Routed};
use dcr_core::store::{MemoryStore, Store, StoreError};
use http::HeaderMap;
use metrics_exporter_prometheus::PrometheusBuilder;
use support::{Browser, World, encode, request_for};

const CLAUDE: &str = "https://claude.ai/api/mcp/auth_callback";

/// The value of the series with this name and labels, as they are shown.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn every_step_is_counted_by_platform_and_outcome_and_timed() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _installed = metrics::set_default_local_recorder(&recorder);
    dcr_core::metrics::describe();
    let world = World::new().await;
    let id = world.public_client(&[CLAUDE]).await;
    let first = world.sign_in(&id, CLAUDE, "ada").await;
    assert!(world.accepts(&first.access).await);
    assert!(!world.accepts("nonsense").await);
    support::tokens(&world.refresh(&id, &first.refresh).await);
    assert_eq!(world.refresh(&id, "dcrr1_nonsense").await.status(), 400);
    world.engine.observe().await.unwrap();

    let shown = recorder.handle().render();
    for (series, count) in [
        (r#"dcr_steps_total{step="register",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="authorize",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="consent",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="sign_in",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="code",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="refresh",platform="claude-web",outcome="ok"}"#, 1.0),
        (r#"dcr_steps_total{step="refresh",platform="other",outcome="refresh_invalid"}"#, 1.0),
        (r#"dcr_bearer_checks_total{outcome="ok"}"#, 1.0),
        (r#"dcr_bearer_checks_total{outcome="token_invalid"}"#, 1.0),
        (r#"dcr_request_duration_seconds_count{endpoint="callback",status="3xx"}"#, 1.0),
        (r#"dcr_request_duration_seconds_count{endpoint="token",status="2xx"}"#, 2.0),
        (r#"dcr_request_duration_seconds_count{endpoint="token",status="4xx"}"#, 1.0),
        (r#"dcr_store_duration_seconds_count{operation="sign_in",outcome="ok"}"#, 1.0),
        (r#"dcr_store_duration_seconds_count{operation="advance",outcome="ok"}"#, 2.0),
        (r#"dcr_upstream_duration_seconds_count{operation="identify",outcome="ok"}"#, 1.0),
        (r#"dcr_sessions{state="live"}"#, 1.0),
        (r#"dcr_sessions{state="ended"}"#, 0.0),
        ("dcr_users", 1.0),
        ("dcr_connections", 1.0),
    ] {
        assert_eq!(value(&shown, series), Some(count), "{series} in\n{shown}");
    }
    for secret in [&first.access, &first.refresh, &id] {
        assert!(!shown.contains(secret.as_str()), "I-14");
    }
}

#[tokio::test]
async fn i_01_strangers_make_no_series_of_their_own() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    let mut after_some = 0;
    for n in 0..300 {
        let redirect = format!("https://app-{n}.example/callback");
        let id = world.public_client(&[&redirect]).await;
        world.authorize(&mut Browser::default(), &request_for(&id, &redirect)).await;
        world.authorize(&mut Browser::default(), &request_for(&format!("stranger-{n}"), &redirect)).await;
        world.get(&format!("/oauth/nothing-{n}"), &[]).await;
        world.form(&format!("/oauth/revoke?{}", encode(&[("n", &n.to_string())])), &[], &[]).await;
        let series = recorder.handle().render().lines().filter(|line| !line.starts_with('#')).count();
        match n {
            5 => after_some = series,
            6.. => assert_eq!(series, after_some),
            _ => {}
        }
    }
}

/// Rows are counted on a clock that tests move.
#[tokio::test]
async fn rows_are_counted_once_a_minute_however_often_somebody_looks() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let world = World::new().await;
    for _ in 0..50 {
        world.engine.observe().await.unwrap();
    }
    let counted =
        || value(&recorder.handle().render(), r#"dcr_store_duration_seconds_count{operation="census",outcome="ok"}"#);
    assert_eq!(counted(), Some(1.0));
    world.test.clock().advance(Duration::from_secs(60));
    world.engine.observe().await.unwrap();
    assert_eq!(counted(), Some(2.0));
}

/// Memory that is not there.
#[derive(Debug, Default)]
struct Away(MemoryStore, std::sync::atomic::AtomicBool);

#[async_trait]
impl Route for Away {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    async fn before(&self, _method: &'static str) -> Result<(), StoreError> {
        if self.1.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(StoreError::Unavailable("gone fishing".into()));
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_server_without_its_store_is_not_ready_and_says_so_in_figures() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _installed = metrics::set_default_local_recorder(&recorder);
    let store = Arc::new(Routed(Away::default()));
    let world = World::with(|builder| builder.store(store.clone())).await;
    let health = world.engine.health().await;
    assert!(health.is_ready() && health.upstream.is_ok() && health.recovery_until.is_none(), "{health:?}");
    assert_eq!((health.active_secrets, health.retired_secrets), (1, 0));
    assert_eq!(health.version, env!("CARGO_PKG_VERSION"));
    world.engine.ready().await.unwrap();

    store.0.1.store(true, std::sync::atomic::Ordering::SeqCst);
    let health = world.engine.health().await;
    assert!(!health.is_ready());
    assert!(health.store.unwrap_err().contains("gone fishing"));
    assert!(world.engine.ready().await.is_err() && world.engine.observe().await.is_err());
    let shown = recorder.handle().render();
    let away = value(&shown, r#"dcr_store_duration_seconds_count{operation="recovery_until",outcome="unavailable"}"#);
    assert_eq!(away, Some(2.0));
    // Nobody is told to the client: a check fails as it did before.
    assert!(world.engine.authenticate(&HeaderMap::new(), None).await.is_err());
}

/// A dashboard that asks for what nobody counts shows nothing, and nobody sees why.
#[test]
fn the_dashboard_asks_for_metrics_that_there_are_and_says_what_each_panel_means() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    if !examples.exists() {
        return; // They are not in the crate as it is published.
    }
    let text = std::fs::read_to_string(examples.join("grafana/dcr.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let known = [
        m::STEPS,
        m::REQUESTS,
        m::BEARER_CHECKS,
        m::STORE,
        m::UPSTREAM,
        m::SESSIONS,
        m::USERS,
        m::CONNECTIONS,
        m::CREDENTIAL_EXPIRES,
        m::CLOCK_AHEAD,
    ];
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for panel in panels {
        assert!(panel["description"].as_str().unwrap().len() > 60, "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            let words = target["expr"].as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("dcr_")) {
                let name = known.iter().find(|name| {
                    word.strip_prefix(**name).is_some_and(|end| ["", "_bucket", "_count", "_sum"].contains(&end))
                });
                asked.insert(*name.unwrap_or_else(|| panic!("{word} in {}", panel["title"])));
            }
        }
    }
    assert_eq!(asked, BTreeSet::from(known), "each has a panel");
}
