//! What a server counts and times, by the [`metrics`](https://docs.rs/metrics) facade: whatever recorder the host
//! installed gets it, and without one it costs next to nothing. And the spans in which its log lines stand.
//!
//! Labels are never what a stranger chose: steps, outcomes, endpoints and operations have stable names, and a platform is
//! one that is listed, `loopback` or `other`. So there are as many series as there is to tell apart, whoever floods. No
//! label, field or span has a secret in it (I-14).
//!
//! | Metric | Kind, labels | What it says |
//! | --- | --- | --- |
//! | [`STEPS`] | counter: `step`, `platform`, `outcome` | Requests of each step of a sign-in, as in the funnel; `outcome` is `ok` or the stable name of a [`Reason`]. |
//! | [`REQUESTS`] | histogram, seconds: `endpoint`, `status` | How long requests took, by endpoint (also `connections`, `console`, `admin_api`) and class of status (`2xx`). |
//! | [`BEARER_CHECKS`] | counter: `outcome` | Checks of access tokens: `ok`, or why not. |
//! | [`STORE`] | histogram, seconds: `operation`, `outcome` | How long the store took: `ok`, `unavailable` or `inconsistent`. |
//! | [`UPSTREAM`] | histogram, seconds: `operation`, `outcome` | How long the provider took: `ok`, or the kind of fault. |
//! | [`SESSIONS`] | gauge: `state` | Sessions that are `live`, `lapsed` or `ended`, of all replicas. |
//! | [`USERS`], [`CONNECTIONS`] | gauge | Rows, of all replicas. |
//! | [`CREDENTIAL_EXPIRES`] | gauge, Unix time | When the credential at the provider lapses; absent if that is not known. |
//! | [`CLOCK_AHEAD`] | gauge, seconds | How far this clock is ahead of the provider's; absent before the first answer. |
//!
//! The gauges are set by [`DcrEngine::observe`]: call it before a scrape is answered.
//!
//! # Spans
//!
//! `dcr.request` (`endpoint`, and `session` once there is one) is around each request to the engine's endpoints,
//! `dcr.store` (`operation`) and `dcr.upstream` (`operation`) are inside. All are of the target `dcr`; the latter two are of
//! the level DEBUG. Ids of sessions are internal ones: they open nothing.

mod provider;
mod store;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use http::StatusCode;

use crate::client::Platform;
use crate::clock::{Clock, Timestamp};
use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::record::{FunnelCount, Step};
use crate::session::SessionId;
use crate::store::Store;
use crate::upstream::IdentityProvider;

/// Requests of each step of a sign-in.
pub const STEPS: &str = "dcr_steps_total";
/// How long requests took.
pub const REQUESTS: &str = "dcr_request_duration_seconds";
/// Checks of access tokens.
pub const BEARER_CHECKS: &str = "dcr_bearer_checks_total";
/// How long the store took.
pub const STORE: &str = "dcr_store_duration_seconds";
/// How long the provider took.
pub const UPSTREAM: &str = "dcr_upstream_duration_seconds";
/// Sessions by state.
pub const SESSIONS: &str = "dcr_sessions";
/// People who have signed in.
pub const USERS: &str = "dcr_users";
/// Connections.
pub const CONNECTIONS: &str = "dcr_connections";
/// When the credential at the provider lapses.
pub const CREDENTIAL_EXPIRES: &str = "dcr_upstream_credential_expires_timestamp_seconds";
/// How far this clock is ahead of the provider's.
pub const CLOCK_AHEAD: &str = "dcr_clock_ahead_seconds";

/// Rows are counted at most so often: that reads tables.
const EVERY: Duration = Duration::from_secs(60);

/// Gives every metric its unit and its description. Call it once, after the recorder is installed.
pub fn describe() {
    describe_counter!(STEPS, Unit::Count, "Requests of each step of a sign-in, by platform and outcome.");
    describe_histogram!(REQUESTS, Unit::Seconds, "How long requests took, by endpoint and class of status.");
    describe_counter!(BEARER_CHECKS, Unit::Count, "Checks of access tokens, by outcome.");
    describe_histogram!(STORE, Unit::Seconds, "How long the store took, by operation and outcome.");
    describe_histogram!(UPSTREAM, Unit::Seconds, "How long the identity provider took, by operation and outcome.");
    describe_gauge!(SESSIONS, Unit::Count, "Sessions of all replicas, by state.");
    describe_gauge!(USERS, Unit::Count, "People who have signed in, of all replicas.");
    describe_gauge!(CONNECTIONS, Unit::Count, "Connections of all replicas.");
    describe_gauge!(CREDENTIAL_EXPIRES, Unit::Seconds, "When the credential at the provider lapses, in Unix time.");
    describe_gauge!(CLOCK_AHEAD, Unit::Seconds, "How far this clock is ahead of the provider's.");
}

/// A store whose calls are timed.
pub(crate) fn timed_store(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Arc<dyn Store> {
    Arc::new(store::Timed { store, clock })
}

/// A provider whose calls are timed.
pub(crate) fn timed_provider(provider: Arc<dyn IdentityProvider>, clock: Arc<dyn Clock>) -> Arc<dyn IdentityProvider> {
    Arc::new(provider::Timed { provider, clock })
}

/// One more request of a step; `platform` is one that is bounded.
pub(crate) fn step(step: Step, platform: &Platform, refused: Option<Reason>) {
    let outcome = refused.map_or(FunnelCount::OK, Reason::as_str);
    counter!(STEPS, "step" => step.as_str(), "platform" => platform.as_str().to_owned(), "outcome" => outcome)
        .increment(1);
}

/// A request that was answered.
pub(crate) fn request(endpoint: &'static str, status: StatusCode, took: Duration) {
    let class = match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    histogram!(REQUESTS, "endpoint" => endpoint, "status" => class).record(took);
}

/// A token that was checked.
pub(crate) fn bearer(refused: Option<Reason>) {
    match refused {
        None => counter!(BEARER_CHECKS, "outcome" => "ok").increment(1),
        Some(reason) => counter!(BEARER_CHECKS, "outcome" => reason.as_str()).increment(1),
    }
}

/// What comes is about this session: said in the span of the request.
pub(crate) fn about(session: SessionId) {
    tracing::Span::current().record("session", tracing::field::display(session));
}

/// When rows were last counted.
#[derive(Debug)]
pub(crate) struct Counted(AtomicI64);

impl Counted {
    pub(crate) const fn never() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due =
            last == i64::MIN || now.unix_micros() < last || { now.since(Timestamp::from_unix_micros(last)) >= EVERY };
        due && self.0.compare_exchange(last, now.unix_micros(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl DcrEngine {
    /// Sets the gauges. Rows are counted at most once a minute, however often this is called.
    ///
    /// # Errors
    /// [`Refusal`] if the store does not answer; then the gauges of the rows are as they were.
    pub async fn observe(&self) -> Result<(), Refusal> {
        self.inner.observe().await
    }
}

impl Inner {
    async fn observe(&self) -> Result<(), Refusal> {
        if let Some(lapses) = self.provider.credential_not_after() {
            gauge!(CREDENTIAL_EXPIRES).set(seconds(lapses.unix_micros()));
        }
        if let Some(ahead) = self.provider.clock_ahead() {
            gauge!(CLOCK_AHEAD).set(ahead as f64);
        }
        let now = self.clock.now();
        if !self.counted.is_due(now) {
            return Ok(());
        }
        let (census, counts) = (self.store.census(now).await?, self.store.counts().await?);
        for (state, count) in [("live", census.live), ("lapsed", census.lapsed), ("ended", census.ended)] {
            gauge!(SESSIONS, "state" => state).set(count as f64);
        }
        gauge!(USERS).set(counts.users as f64);
        gauge!(CONNECTIONS).set(counts.connections as f64);
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double has room for microseconds until the year 2255")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1_000_000.0
}
