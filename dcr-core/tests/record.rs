//! The record: who did what, what a reference meant, how many came how far, and what is old enough to go.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcr_core::record::{Actor, Event, EventKind, Reference, Retention};
use dcr_core::store::{EventQuery, FunnelQuery, MemoryStore, Target};
use dcr_core::upstream::Admission;
use dcr_core::{Operator, Reason, SystemRandom};
use http::Response;

use crate::support::*;

async fn events(world: &World) -> Vec<Event> {
    world.engine.store().events(&EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap()
}

/// What a page shows.
fn reference(page: &Response<Bytes>) -> Reference {
    let text = text(page);
    let found = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| {
        word.len() == 9 && word.as_bytes()[4] == b'-' && word.parse::<Reference>().is_ok_and(|r| r.to_string() == *word)
    });
    found.unwrap_or_else(|| panic!("no reference in {text}")).parse().unwrap()
}

/// `platform step outcome count`, of everything that was counted.
async fn counted(world: &World) -> Vec<String> {
    world.engine.flush().await.unwrap();
    let query = FunnelQuery { limit: 1_000, ..FunnelQuery::default() };
    let counts = world.engine.store().funnel(&query).await.unwrap();
    let mut lines: Vec<String> = counts
        .iter()
        .map(|count| format!("{} {} {} {}", count.platform, count.step.as_str(), count.outcome, count.count))
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn every_event_says_who_did_it() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let ada = world.sign_in(&id, P, "Ada").await;
    assert_eq!(world.form("/oauth/revoke", &[("token", &ada.refresh), ("client_id", &id)], &[]).await.status(), 200);
    world.sign_in(U, P, "Bob").await;
    let user =
        world.engine.store().users(&dcr_core::store::UserQuery { limit: 1, ..Default::default() }).await.unwrap();
    let target = Target::User(user[0].id.clone());
    world.engine.block(&target, "abuse").await.unwrap();
    let operator = world.engine.operator().clone().acting_as(Actor::Command);
    operator.unblock(&target, "mended").await.unwrap();
    let said: Vec<_> = events(&world).await.iter().rev().map(|event| (event.kind, event.actor.to_string())).collect();
    let expected = [
        (EventKind::SignedIn, "person"),
        (EventKind::Revoked, "client"),
        (EventKind::Adopted, "person"),
        (EventKind::Blocked, "host"),
        (EventKind::Unblocked, "command"),
    ];
    let mut expected: Vec<_> = expected.map(|(kind, actor)| (kind, actor.to_owned())).into();
    let mut said = said;
    said.sort_by_key(|(kind, _)| kind.as_str());
    expected.sort_by_key(|(kind, _)| kind.as_str());
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_replay_is_on_the_record_as_the_engines_own_doing() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let ada = world.sign_in(&id, P, "Ada").await;
    tokens(&world.refresh(&id, &ada.refresh).await);
    world.test.clock().advance(Duration::from_secs(60));
    assert_error(&world.refresh(&id, &ada.refresh).await, 400, "invalid_grant");
    let events = events(&world).await;
    assert_eq!((events[0].kind, &events[0].actor), (EventKind::Anomaly, &Actor::Engine));
}

/// "What happened in this failed sign-in" is answered by what the page showed.
#[tokio::test]
async fn a_refusal_after_login_is_found_by_the_reference_that_its_page_showed() {
    let admission = Admission::default().users(vec!["ada".to_owned()]);
    let world = World::with(|builder| builder.admission(admission)).await;
    let id = world.public_client(&[P]).await;
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(&id, P)).await;
    let page = world.callback(&mut browser, &state, "Eve").await;
    assert_eq!(page.status(), 403, "{}", text(&page));
    let query = EventQuery { reference: Some(reference(&page)), limit: 10, ..EventQuery::default() };
    let found = world.engine.store().events(&query).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].kind, found[0].reason.as_str()), (EventKind::Refused, "not_admitted"));
    assert_eq!(found[0].client_id.as_ref().map(ToString::to_string), Some(id));
    assert!(found[0].user.is_some());
    assert_eq!(world.engine.recent_refusal(reference(&page)), None, "once is enough");
}

/// Nothing is stored of it (I-1).
#[tokio::test]
async fn i_01_a_refusal_before_login_is_remembered_in_memory_only() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let before = world.engine.store().counts().await.unwrap();
    let page = world.authorize(&mut browser, &request_for("not-a-client", E)).await;
    assert_page(&page);
    let found = world.engine.recent_refusal(reference(&page)).unwrap();
    assert_eq!((found.reason, found.step.as_str()), (Reason::ClientNotAccepted, "authorize"));
    assert!(found.detail.contains("not-a-client") && found.detail.contains(E), "{}", found.detail);
    assert!(!text(&page).contains("not-a-client"), "for the operator alone");
    assert_eq!(world.engine.store().counts().await.unwrap(), before);
}

#[tokio::test]
async fn a_sign_in_counts_once_at_each_step() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let ada = world.sign_in(&id, P, "Ada").await;
    tokens(&world.refresh(&id, &ada.refresh).await);
    let platform = "claude-web";
    let expected: Vec<String> = ["authorize", "code", "consent", "refresh", "register", "sign_in"]
        .map(|step| format!("{platform} {step} ok 1"))
        .into();
    assert_eq!(counted(&world).await, expected);
}

#[tokio::test]
async fn what_fails_is_counted_by_platform_step_and_reason() {
    let world = World::new().await;
    let mut browser = Browser::default();
    let without = change(&request_for(U, P), "code_challenge_method", "plain");
    world.authorize(&mut browser, &without).await;
    world.authorize(&mut browser, &request_for("unknown-client", E)).await;
    world.authorize(&mut browser, &request_for("usr_x", L)).await;
    let page = world.authorize(&mut browser, &request_for(U, P)).await;
    world.decide(&mut browser, &page, "deny").await;
    world.callback(&mut browser, "unknown", "Ada").await;
    world.token(&redemption(U, P, "no code")).await;
    let counts = counted(&world).await;
    let expected = [
        "claude-web authorize ok 1",
        "claude-web authorize pkce_method 1",
        "claude-web consent consent_denied 1",
        "loopback authorize client_not_accepted 1",
        "other authorize client_not_accepted 1",
        "other code client_unknown 1",
        "other sign_in callback_other_browser 1",
    ];
    assert_eq!(counts, expected);
}

/// The number of rows is that of what there is to count.
#[tokio::test]
async fn i_01_a_flood_makes_the_funnel_no_longer() {
    let world = World::new().await;
    let before = world.engine.store().counts().await.unwrap();
    for n in 0..3_000 {
        let mut browser = Browser::default();
        world.authorize(&mut browser, &request_for(&format!("stranger {n}"), E)).await;
    }
    assert_eq!(counted(&world).await, ["other authorize client_not_accepted 3000"]);
    assert_eq!(world.engine.store().counts().await.unwrap(), before);
}

#[tokio::test]
async fn counts_are_added_within_a_minute_and_wait_for_a_store_that_is_away() {
    let world = World::new().await;
    let rows = || async {
        world.engine.store().funnel(&FunnelQuery { limit: 10, ..FunnelQuery::default() }).await.unwrap().len()
    };
    let mut browser = Browser::default();
    world.authorize(&mut browser, &request_for("a-stranger", E)).await;
    assert_eq!(rows().await, 0, "a request costs no write of its own");
    world.test.clock().advance(Duration::from_secs(61));
    world.authorize(&mut browser, &request_for("a-stranger", E)).await;
    assert_eq!(rows().await, 1);

    world.authorize(&mut browser, &request_for("a-stranger", E)).await;
    world.test.memory().fail(true);
    assert_eq!(world.engine.flush().await.unwrap_err().reason(), Reason::StoreUnavailable);
    world.test.memory().fail(false);
    assert_eq!(counted(&world).await, ["other authorize client_not_accepted 3"]);
}

#[tokio::test]
async fn the_record_is_kept_as_long_as_was_said() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    for (retention, kept) in [(Retention::days(30), 0), (Retention::days(41), 1), (Retention::FOREVER, 1)] {
        let world = World::with(|builder| builder.event_retention(retention)).await;
        world.engine.revoke_sessions(&Target::Platform(dcr_core::Platform::other()), "nothing to end").await.unwrap();
        world.engine.block(&Target::Platform(dcr_core::Platform::other()), "a test").await.unwrap();
        world.test.clock().advance(40 * DAY);
        world.engine.sweep(100).await.unwrap();
        assert_eq!(events(&world).await.len(), kept, "{retention:?}");
    }
}

/// Rows look older than they are.
#[tokio::test]
async fn nothing_of_the_record_is_swept_while_a_recovery_window_is_open() {
    let clock = dcr_core::testing::ManualClock::at(1_790_000_000);
    let store = Arc::new(MemoryStore::new());
    let operator = Operator::new(store.clone(), clock.clone(), Arc::new(SystemRandom)).keep_events(Retention::days(1));
    operator.block(&Target::Platform(dcr_core::Platform::other()), "a test").await.unwrap();
    clock.advance(Duration::from_secs(3 * 24 * 60 * 60));
    operator.open_recovery(operator.now() + Duration::from_secs(60)).await.unwrap();
    assert_eq!(operator.sweep_record(10).await.unwrap(), 0);
    clock.advance(Duration::from_secs(61));
    assert_eq!(operator.sweep_record(10).await.unwrap(), 1);
}

/// In this process at once, and whatever it knew of the tokens.
#[tokio::test]
async fn who_is_erased_is_signed_out_and_the_record_does_not_know_them() {
    let world = World::new().await;
    let id = world.public_client(&[P]).await;
    let (ada, bob) = (world.sign_in(&id, P, "Ada").await, world.sign_in(&id, P, "Bob").await);
    assert!(world.accepts(&ada.access).await);
    let user: dcr_core::session::UserId = claims(&ada.access)["sub"].as_str().unwrap().parse().unwrap();
    let receipt = world.engine.erase(&user, "asked for it").await.unwrap().unwrap();
    assert_eq!((receipt.sessions, receipt.connections, receipt.client_ids, receipt.events), (1, 1, 1, 1));
    assert!(receipt.marker.is_erased() && !receipt.blocked);
    assert!(receipt.to_json().contains(r#""reason":"asked for it""#));
    assert!(!world.accepts(&ada.access).await);
    assert!(world.accepts(&bob.access).await);
    assert_error(&world.refresh(&id, &ada.refresh).await, 400, "invalid_grant");
    for event in events(&world).await {
        assert!(!event.to_json().contains(user.as_str()), "{event:?}");
    }
    assert_eq!(world.engine.erase(&user, "again").await.unwrap(), None);
    // Who comes again is known again; who is blocked does not come again.
    world.sign_in(&id, P, "Ada").await;
    world.engine.block(&Target::User(user.clone()), "abuse").await.unwrap();
    assert!(world.engine.erase(&user, "asked for it").await.unwrap().unwrap().blocked);
    let mut browser = Browser::default();
    let state = world.approve(&mut browser, &request_for(&id, P)).await;
    assert_eq!(world.callback(&mut browser, &state, "Ada").await.status(), 403);
}
