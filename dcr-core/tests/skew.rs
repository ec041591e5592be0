//! Two replicas whose clocks differ by five seconds, in both directions: nothing is lost, and no bound is broken.

mod support;

use std::sync::Arc;
use std::time::Duration;

use dcr_core::store::{EventQuery, MemoryStore, Store as _};
use dcr_core::testing::ManualClock;
use dcr_core::{Secret, SystemRandom};
use support::*;

const SKEW: Duration = Duration::from_secs(5);

/// One whose clock is ahead and one whose clock is right, or the other way round: the first does the first step.
struct Pair {
    clocks: [Arc<ManualClock>; 2],
    one: World,
    other: World,
    store: Arc<MemoryStore>,
}

impl Pair {
    /// `fraction` is how far the second has gone at which it begins: times are written in whole seconds in some places.
    async fn new(one_is_ahead: bool, fraction: Duration) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = |ahead: bool| {
            let clock = ManualClock::at(1_790_000_000);
            clock.advance(fraction + if ahead { SKEW } else { Duration::ZERO });
            clock
        };
        let clocks = [clock(one_is_ahead), clock(!one_is_ahead)];
        let server = |clock: &Arc<ManualClock>| {
            let (store, clock) = (store.clone(), clock.clone());
            World::with(move |builder| {
                builder
                    .store(store)
                    .clock(clock)
                    .random(Arc::new(SystemRandom))
                    .secrets(vec![Secret::from_bytes([1; 32])], vec![])
                    .resource_server("rs", "rs-secret")
            })
        };
        let (one, other) = (server(&clocks[0]).await, server(&clocks[1]).await);
        Self { clocks, one, other, store }
    }

    /// Both directions, at the beginning, in the middle and at the end of a second.
    async fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for one_is_ahead in [true, false] {
            for micros in [0, 500_000, 999_999] {
                all.push(Self::new(one_is_ahead, Duration::from_micros(micros)).await);
            }
        }
        all
    }

    /// Time passes for both.
    fn advance(&self, by: Duration) {
        for clock in &self.clocks {
            clock.advance(by);
        }
    }

    async fn anomalies(&self) -> usize {
        let events = self.store.events(&EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap();
        events.iter().filter(|event| event.kind == dcr_core::record::EventKind::Anomaly).count()
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn is_active(world: &World, token: &str) -> bool {
    use base64::Engine as _;
    let credentials = base64::engine::general_purpose::STANDARD.encode("rs:rs-secret");
    let headers = [("authorization", &*format!("Basic {credentials}"))];
    body(&world.form("/oauth/introspect", &[("token", token)], &headers).await)["active"] == true
}

#[tokio::test]
async fn each_step_is_good_on_the_other_replica_and_a_fresh_token_too() {
    for pair in Pair::all().await {
        let (one, other) = (&pair.one, &pair.other);
        let id = one.public_client(&[L]).await;
        let mut browser = Browser::default();
        let page = other.authorize(&mut browser, &request_for(&id, L)).await;
        let sent = one.decide(&mut browser, &page, "approve").await;
        let state = query_of(&location(&sent))["state"].clone();
        let back = other.callback(&mut browser, &state, "Ada").await;
        let code = query_of(&location(&back))["code"].clone();
        let mut held = tokens(&one.token(&redemption(&id, L, &code)).await);
        for n in 0..4 {
            // RFC 9068: the other checks the token in the same instant, five seconds earlier or later by its clock.
            assert!(one.accepts(&held.access).await && other.accepts(&held.access).await);
            assert!(is_active(one, &held.access).await && is_active(other, &held.access).await);
            let from = if n % 2 == 0 { other } else { one };
            held = tokens(&from.refresh(&id, &held.refresh).await);
        }
        assert_eq!(pair.anomalies().await, 0);
    }
}

/// The issuer's clock says when a code or a token lapses; the other one's, five seconds sooner or later.
#[tokio::test]
async fn codes_and_access_tokens_lapse_at_most_five_seconds_off() {
    for pair in Pair::all().await {
        for (life, redeemed) in [(54, true), (65, false)] {
            let code = pair.one.code(U, P, "Ada").await;
            pair.advance(seconds(life));
            let answer = pair.other.token(&redemption(U, P, &code)).await;
            assert_eq!(answer.status() == 200, redeemed, "{life}: {}", text(&answer));
        }
        let held = pair.one.sign_in(U, P, "Ada").await;
        pair.advance(seconds(894));
        assert!(pair.other.accepts(&held.access).await);
        pair.advance(seconds(11));
        assert!(!pair.other.accepts(&held.access).await);
    }
}

/// TOK-11: a page that submits twice, to two replicas.
#[tokio::test]
async fn a_double_submit_of_a_code_over_both_ends_nothing_and_a_late_replay_does() {
    for pair in Pair::all().await {
        let code = pair.one.code(U, P, "Ada").await;
        let held = tokens(&pair.one.token(&redemption(U, P, &code)).await);
        for wait in [0, 4] {
            pair.advance(seconds(wait));
            assert_error(&pair.other.token(&redemption(U, P, &code)).await, 400, "invalid_grant");
            assert!(pair.other.accepts(&held.access).await, "after {wait}");
        }
        pair.advance(seconds(12));
        assert_error(&pair.other.token(&redemption(U, P, &code)).await, 400, "invalid_grant");
        assert_error(&pair.one.refresh(U, &held.refresh).await, 400, "invalid_grant");
    }
}

/// RT-03: the grace is 30 s, five more or less; in it nobody is hurt, and after it a replay is seen.
#[tokio::test]
async fn the_grace_holds_over_both_and_a_replay_after_it_kills() {
    for pair in Pair::all().await {
        let first = pair.one.sign_in(U, P, "Ada").await;
        let second = tokens(&pair.one.refresh(U, &first.refresh).await);
        for wait in [0, 24] {
            pair.advance(seconds(wait));
            let again = tokens(&pair.other.refresh(U, &first.refresh).await);
            assert_eq!(again.refresh, second.refresh, "RT-2: one successor");
        }
        // Back on the first: the row's time may be ahead of its clock, or behind.
        let third = tokens(&pair.other.refresh(U, &second.refresh).await);
        assert_eq!(tokens(&pair.one.refresh(U, &second.refresh).await).refresh, third.refresh);
        assert_error(&pair.one.refresh(U, &first.refresh).await, 400, "invalid_grant");
        assert!(pair.one.accepts(&third.access).await, "an older one in the window is refused and ends nothing");
        pair.advance(seconds(36));
        assert_error(&pair.one.refresh(U, &second.refresh).await, 400, "invalid_grant");
        assert_error(&pair.other.refresh(U, &third.refresh).await, 400, "invalid_grant");
    }
}

/// RS-7: the feed reads with an overlap, so that an end that is stamped in the reader's past or future is read.
#[tokio::test]
async fn a_revocation_reaches_the_other_within_five_seconds_and_is_not_forgotten() {
    for pair in Pair::all().await {
        let held = pair.one.sign_in(U, P, "Ada").await;
        // Both have read the feed a moment ago, many times.
        for _ in 0..20 {
            pair.advance(seconds(2));
            assert!(pair.one.accepts(&held.access).await && pair.other.accepts(&held.access).await);
        }
        let fields = [("client_id", U), ("token", held.refresh.as_str())];
        assert_eq!(pair.one.form("/oauth/revoke", &fields, &[]).await.status(), 200);
        assert!(!pair.one.accepts(&held.access).await, "here at once");
        pair.advance(seconds(5));
        assert!(!pair.other.accepts(&held.access).await);
        for _ in 0..100 {
            pair.advance(seconds(8));
            assert!(!pair.other.accepts(&held.access).await, "for as long as the token lives");
            assert!(!pair.one.accepts(&held.access).await);
        }
    }
}

/// RT-6: a session is over at one time, which the row says; each replica has its own clock for it.
#[tokio::test]
async fn a_session_that_is_about_to_lapse_is_refreshed_by_both_up_to_five_seconds_before() {
    const DAY: u64 = 24 * 60 * 60;
    for pair in Pair::all().await {
        let held = pair.one.sign_in(U, P, "Ada").await;
        pair.advance(seconds(30 * DAY - 6));
        let next = tokens(&pair.other.refresh(U, &held.refresh).await);
        pair.advance(seconds(30 * DAY - 6));
        let last = tokens(&pair.one.refresh(U, &next.refresh).await);
        pair.advance(seconds(30 * DAY - 6));
        tokens(&pair.other.refresh(U, &last.refresh).await);
        assert_eq!(pair.anomalies().await, 0);
    }
}

/// The window is closed by the clock of whoever is asked.
#[tokio::test]
async fn a_recovery_window_is_open_on_both_but_for_its_last_five_seconds() {
    for pair in Pair::all().await {
        let first = pair.one.sign_in(U, P, "Ada").await;
        let copy = Arc::new(pair.store.backup());
        let ahead = tokens(&pair.one.refresh(U, &first.refresh).await);
        let clock = pair.clocks[1].clone();
        let restored = World::with(|builder| {
            let secret = Secret::from_bytes([1; 32]);
            builder.store(copy).clock(clock).random(Arc::new(SystemRandom)).secrets(vec![secret], vec![])
        })
        .await;
        let opened_by = pair.one.engine.operator().now();
        let operator =
            dcr_core::Operator::new(restored.engine.store().clone(), pair.clocks[0].clone(), Arc::new(SystemRandom));
        operator.open_recovery(opened_by + seconds(60)).await.unwrap();
        pair.advance(seconds(54));
        tokens(&restored.refresh(U, &ahead.refresh).await);
    }
}
