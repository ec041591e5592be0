//! A database that went back in time: a backup was restored, or a failover lost the last writes. What clients hold is then
//! ahead of its row.

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcr_core::record::{Event, EventKind};
use dcr_core::session::{SessionId, UserId};
use dcr_core::store::{EventQuery, MemoryStore, Store as _, Target};
use dcr_core::testing::ManualClock;
use dcr_core::{Clock as _, Replayed, Secret, SystemRandom, Timestamp};
use http::Response;
use support::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A server on a store, with the clock of all.
async fn server(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>) -> World {
    let (store, clock) = (store.clone(), clock.clone());
    // Several servers on copies of one store must not share one seeded random sequence.
    World::with(|builder| {
        builder
            .store(store)
            .clock(clock)
            .random(Arc::new(SystemRandom))
            .secrets(vec![Secret::from_bytes([1; 32])], vec![])
            .resource_server("rs", "secret")
    })
    .await
}

/// One server before, and how to get the one after.
struct Time {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    before: World,
}

/// The server on the restored copy.
struct Restored {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    world: World,
}

impl Time {
    async fn begin() -> Self {
        let (clock, store) = (ManualClock::at(1_790_000_000), Arc::new(MemoryStore::new()));
        Self { before: server(&store, &clock).await, clock, store }
    }

    /// The copy that is restored later.
    fn copy(&self) -> Arc<MemoryStore> {
        Arc::new(self.store.backup())
    }

    async fn restore(&self, copy: Arc<MemoryStore>) -> Restored {
        Restored { clock: self.clock.clone(), world: server(&copy, &self.clock).await, store: copy }
    }

    /// The record of the part that gets lost, as it was exported: oldest first.
    async fn exported(&self, since: Timestamp) -> Vec<String> {
        let query = EventQuery { since: Some(since), limit: 1_000, ..EventQuery::default() };
        self.store.events(&query).await.unwrap().iter().rev().map(Event::to_json).collect()
    }
}

impl Restored {
    async fn open_window(&self) {
        self.world.engine.operator().open_recovery(self.clock.now() + HOUR).await.unwrap();
    }

    async fn replay(&self, lines: &[String]) -> Vec<Replayed> {
        let mut replayed = Vec::new();
        for line in lines {
            replayed.push(self.world.engine.operator().replay(&Event::from_json(line).unwrap()).await.unwrap());
        }
        replayed
    }

    async fn row(&self, session: SessionId) -> dcr_core::session::Session {
        self.store.session(session).await.unwrap().expect("its row").session
    }

    async fn events(&self, kind: EventKind, reason: &str) -> usize {
        let query = EventQuery { limit: 1_000, ..EventQuery::default() };
        let events = self.store.events(&query).await.unwrap();
        events.iter().filter(|event| event.kind == kind && event.reason == reason).count()
    }
}

fn session(tokens: &Tokens) -> SessionId {
    claims(&tokens.access)["sid"].as_str().unwrap().parse().unwrap()
}

fn user(tokens: &Tokens) -> UserId {
    claims(&tokens.access)["sub"].as_str().unwrap().parse().unwrap()
}

/// A chain of refreshes: all tokens, the first given one included.
async fn refreshed(world: &World, id: &str, first: &Tokens, times: usize) -> Vec<Tokens> {
    let mut all = vec![first.clone()];
    for _ in 0..times {
        all.push(tokens(&world.refresh(id, &all.last().unwrap().refresh).await));
    }
    all
}

/// A refresh of an adopted client, with a secret unless that is empty.
async fn refresh_with(world: &World, refresh: &str, secret: &str) -> Response<Bytes> {
    let fields = [("grant_type", "refresh_token"), ("client_id", U), ("refresh_token", refresh)];
    world.token(&change(&fields, "client_secret", secret)).await
}

#[tokio::test]
async fn a_token_ahead_of_its_row_is_refused_and_alarmed_and_moves_nothing() {
    let time = Time::begin().await;
    let first = time.before.sign_in(U, P, "Ada").await;
    let copy = time.copy();
    let ahead = refreshed(&time.before, U, &first, 3).await.pop().unwrap();

    let restored = time.restore(copy).await;
    for _ in 0..3 {
        assert_error(&restored.world.refresh(U, &ahead.refresh).await, 400, "invalid_grant");
    }
    assert_eq!(restored.events(EventKind::Anomaly, "refresh_ahead").await, 1, "on the record, once a minute");
    restored.clock.advance(MINUTE);
    assert_error(&restored.world.refresh(U, &ahead.refresh).await, 400, "invalid_grant");
    assert_eq!(restored.events(EventKind::Anomaly, "refresh_ahead").await, 2);
    assert_eq!(restored.row(session(&first)).await.generation.get(), 1);
    assert!(restored.world.accepts(&ahead.access).await, "the session lives, and with it its access tokens");
}

#[tokio::test]
async fn in_the_window_a_session_goes_on_from_what_its_client_holds_in_one_lineage() {
    let time = Time::begin().await;
    let first = time.before.sign_in(U, P, "Ada").await;
    let copy = time.copy();
    let all = refreshed(&time.before, U, &first, 5).await;

    let restored = time.restore(copy).await;
    restored.open_window().await;
    let level = tokens(&restored.world.refresh(U, &all[5].refresh).await);
    assert_eq!(restored.row(session(&first)).await.generation.get(), 7);
    assert_eq!(restored.events(EventKind::Recovered, "refresh_ahead").await, 1);
    assert!(restored.world.accepts(&level.access).await);
    // RT-03: as ever, the one before gets the same successor, and an older one nothing.
    assert_eq!(tokens(&restored.world.refresh(U, &all[5].refresh).await).refresh, level.refresh);
    assert_error(&restored.world.refresh(U, &all[4].refresh).await, 400, "invalid_grant");
    let next = tokens(&restored.world.refresh(U, &level.refresh).await);
    assert_eq!(restored.events(EventKind::Recovered, "refresh_ahead").await, 1, "level once and for all");
    restored.clock.advance(Duration::from_secs(31));
    assert_error(&restored.world.refresh(U, &all[4].refresh).await, 400, "invalid_grant");
    assert!(!restored.world.accepts(&next.access).await, "a replay ends it, in the window too");
}

/// Redeemed after the copy was taken: the row is at the code, which lapsed a minute later.
#[tokio::test]
async fn in_the_window_a_session_whose_code_was_redeemed_in_the_lost_part_goes_on() {
    let time = Time::begin().await;
    let id = time.before.public_client(&[L]).await;
    let code = time.before.code(&id, L, "Ada").await;
    let copy = time.copy();
    let held = tokens(&time.before.token(&redemption(&id, L, &code)).await);
    time.clock.advance(2 * HOUR);

    let restored = time.restore(copy).await;
    assert_error(&restored.world.refresh(&id, &held.refresh).await, 400, "invalid_grant");
    restored.open_window().await;
    let level = tokens(&restored.world.refresh(&id, &held.refresh).await);
    let row = restored.row(session(&held)).await;
    assert_eq!((row.generation.get(), row.redeemed_at), (2, Some(restored.clock.now())));
    assert!(restored.world.accepts(&level.access).await);
    // The code itself stays spent: a late replay of it ends the session as ever (TOK-11).
    assert_error(&restored.world.token(&redemption(&id, L, &code)).await, 400, "invalid_grant");
    restored.clock.advance(Duration::from_secs(11));
    assert_error(&restored.world.token(&redemption(&id, L, &code)).await, 400, "invalid_grant");
    assert!(!restored.world.accepts(&level.access).await);
}

/// SR-16: the row at the code does not know of the secret that came with the redemption.
#[tokio::test]
async fn in_the_window_a_secret_that_came_along_is_remembered_again() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let copy = time.copy();
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let held = tokens(&time.before.token(&fields).await);

    let restored = time.restore(copy).await;
    assert_error(&refresh_with(&restored.world, &held.refresh, "s1").await, 400, "invalid_grant");
    restored.open_window().await;
    let level = tokens(&refresh_with(&restored.world, &held.refresh, "s1").await);
    tokens(&refresh_with(&restored.world, &level.refresh, "s1").await);
}

/// The thief of a token has no secret, or makes one up, and comes first. The rightful client does not agree with him on
/// the secret: then there are two, and the session ends for both, however far the thief has got.
#[tokio::test]
async fn in_the_window_two_who_disagree_on_the_secret_lose_the_session() {
    for (thiefs, refreshes, wait) in [("", 0, 31), ("made-up", 0, 31), ("", 1, 31), ("made-up", 3, 31), ("", 0, 0)] {
        let time = Time::begin().await;
        let code = time.before.code(U, P, "Ada").await;
        let copy = time.copy();
        let mut fields = redemption(U, P, &code);
        fields.push(("client_secret", "s1"));
        let stolen = tokens(&time.before.token(&fields).await);
        let newer = tokens(&refresh_with(&time.before, &stolen.refresh, "s1").await);

        let restored = time.restore(copy).await;
        restored.open_window().await;
        let mut thief = tokens(&refresh_with(&restored.world, &stolen.refresh, thiefs).await);
        for _ in 0..refreshes {
            thief = tokens(&refresh_with(&restored.world, &thief.refresh, thiefs).await);
        }
        restored.clock.advance(Duration::from_secs(wait));
        assert_error(&refresh_with(&restored.world, &newer.refresh, "s1").await, 401, "invalid_client");
        assert!(!restored.world.accepts(&thief.access).await, "{thiefs:?} {refreshes} {wait}");
        assert_error(&refresh_with(&restored.world, &thief.refresh, thiefs).await, 400, "invalid_grant");
    }
}

/// The rightful client comes first; the thief is behind and has no secret.
#[tokio::test]
async fn in_the_window_who_is_behind_and_without_the_secret_harms_nobody_inside_the_grace() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let copy = time.copy();
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let stolen = tokens(&time.before.token(&fields).await);
    let newer = tokens(&refresh_with(&time.before, &stolen.refresh, "s1").await);
    let restored = time.restore(copy).await;
    restored.open_window().await;
    let level = tokens(&refresh_with(&restored.world, &newer.refresh, "s1").await);
    for secret in ["", "made-up"] {
        assert_error(&refresh_with(&restored.world, &stolen.refresh, secret).await, 401, "invalid_client");
    }
    tokens(&refresh_with(&restored.world, &level.refresh, "s1").await);
}

/// Outside of recoveries a wrong secret harms nobody (ADOPT-20).
#[tokio::test]
async fn a_wrong_secret_ends_no_session_that_was_never_recovered() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let held = tokens(&time.before.token(&fields).await);
    let restored = time.restore(time.copy()).await;
    restored.open_window().await;
    for wrong in ["", "s2"] {
        assert_error(&refresh_with(&restored.world, &held.refresh, wrong).await, 401, "invalid_client");
    }
    tokens(&refresh_with(&restored.world, &held.refresh, "s1").await);
}

/// SR-16: a row that knows of the secret demands it, however far ahead the token is.
#[tokio::test]
async fn in_the_window_a_secret_that_the_row_knows_is_required() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let mut fields = redemption(U, P, &code);
    fields.push(("client_secret", "s1"));
    let mut held = tokens(&time.before.token(&fields).await);
    let copy = time.copy();
    for _ in 0..2 {
        held = tokens(&refresh_with(&time.before, &held.refresh, "s1").await);
    }
    let restored = time.restore(copy).await;
    restored.open_window().await;
    for wrong in ["", "s2"] {
        assert_error(&refresh_with(&restored.world, &held.refresh, wrong).await, 401, "invalid_client");
    }
    let level = tokens(&refresh_with(&restored.world, &held.refresh, "s1").await);
    // Nobody was in doubt about the secret: a wrong one harms nobody afterwards either.
    restored.clock.advance(Duration::from_secs(31));
    assert_error(&refresh_with(&restored.world, &level.refresh, "s2").await, 401, "invalid_client");
    tokens(&refresh_with(&restored.world, &level.refresh, "s1").await);
}

/// ADOPT-20: only where nobody knows whose secret it is, and only that session.
#[tokio::test]
async fn in_the_window_a_wrong_secret_ends_no_other_session_and_none_of_a_registered_client() {
    let time = Time::begin().await;
    let metadata = serde_json::json!({"redirect_uris": [P], "token_endpoint_auth_method": "client_secret_post"});
    let registered = body(&time.before.register(&metadata).await);
    let (id, secret) = (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
    let redeem = async |id: &str, code: &str, secret: &str| {
        tokens(&time.before.token(&change(&redemption(id, P, code), "client_secret", secret)).await)
    };
    let refresh = async |world: &World, id: &str, token: &str, secret: &str| {
        let fields = [("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)];
        world.token(&change(&fields, "client_secret", secret)).await
    };
    let bystander = redeem(U, &time.before.code(U, P, "Ada").await, "s1").await;
    let (of_registered, of_adopted) = (time.before.code(id, P, "Ada").await, time.before.code(U, P, "Bob").await);
    let copy = time.copy();
    let (registered, adopted) = (redeem(id, &of_registered, secret).await, redeem(U, &of_adopted, "s1").await);

    let restored = time.restore(copy).await;
    restored.open_window().await;
    let registered = tokens(&refresh(&restored.world, id, &registered.refresh, secret).await);
    tokens(&refresh(&restored.world, U, &adopted.refresh, "s1").await);
    assert_eq!(restored.events(EventKind::Recovered, "refresh_ahead_of_the_code").await, 2);
    restored.clock.advance(Duration::from_secs(31));
    for (id, held, secret) in [(id, &registered, secret), (U, &bystander, "s1")] {
        assert_error(&refresh(&restored.world, id, &held.refresh, "wrong").await, 401, "invalid_client");
        tokens(&refresh(&restored.world, id, &held.refresh, secret).await);
    }
}

/// The thief's token is older than the rightful client's. Whoever comes first, there are never two that go on.
#[tokio::test]
async fn in_the_window_a_thief_and_the_rightful_client_never_both_go_on() {
    for (stolen, thief_first, between) in
        [(2, true, 0), (2, true, 60), (2, false, 0), (2, false, 60), (4, true, 0), (4, true, 60), (4, false, 60)]
    {
        let time = Time::begin().await;
        let first = time.before.sign_in(U, P, "Ada").await;
        let copy = time.copy();
        let all = refreshed(&time.before, U, &first, 5).await;
        let (stolen, rightful) = (&all[stolen].refresh, &all[5].refresh);

        let restored = time.restore(copy).await;
        restored.open_window().await;
        let (one, other) = if thief_first { (stolen, rightful) } else { (rightful, stolen) };
        let ones = tokens(&restored.world.refresh(U, one).await);
        restored.clock.advance(Duration::from_secs(between));
        let others = restored.world.refresh(U, other).await;

        // Both go on as long as they can, well after every grace.
        restored.clock.advance(Duration::from_secs(60));
        let again = restored.world.refresh(U, &ones.refresh).await;
        let mut live: Vec<String> = Vec::new();
        for answer in [&others, &again] {
            if answer.status() == 200 {
                restored.clock.advance(Duration::from_secs(60));
                let next = restored.world.refresh(U, &tokens(answer).refresh).await;
                live.extend((next.status() == 200).then(|| tokens(&next).refresh));
            }
        }
        assert!(live.len() <= 1, "{thief_first} {between}: {live:?}");
        let over = restored.row(session(&first)).await.ended.is_some();
        if thief_first {
            // The one behind has been seen as a replay, or both hold one lineage that the next replay ends.
            restored.clock.advance(Duration::from_secs(60));
            assert_error(&restored.world.refresh(U, &ones.refresh).await, 400, "invalid_grant");
            assert!(restored.row(session(&first)).await.ended.is_some());
        } else {
            assert!(over || live.len() == 1);
            assert_ne!(others.status(), 200, "the thief is behind and gets nothing");
        }
    }
}

/// A refresh whose answer got lost with the old database: the client presents the predecessor.
#[tokio::test]
async fn in_the_window_parallel_refreshes_get_one_successor() {
    let time = Time::begin().await;
    let first = time.before.sign_in(U, P, "Ada").await;
    let copy = time.copy();
    let held = refreshed(&time.before, U, &first, 2).await.pop().unwrap();
    let restored = time.restore(copy).await;
    restored.open_window().await;
    let mut successors = Vec::new();
    for _ in 0..8 {
        successors.push(tokens(&restored.world.refresh(U, &held.refresh).await).refresh);
        restored.clock.advance(Duration::from_secs(3));
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    assert_eq!(restored.events(EventKind::Recovered, "refresh_ahead").await, 1);
}

/// Ended by its client, by a replay, by an operator, by a block: all of it in the lost part, replayed from the export.
#[tokio::test]
async fn what_was_killed_in_the_lost_part_stays_dead_when_its_record_is_replayed() {
    let time = Time::begin().await;
    let id = time.before.public_client(&[L]).await;
    let by_client = time.before.sign_in(&id, L, "Ada").await;
    let by_replay = time.before.sign_in(&id, L, "Ada").await;
    let by_operator = time.before.sign_in(&id, L, "Bob").await;
    let by_block = time.before.sign_in(U, P, "Carol").await;
    let unharmed = time.before.sign_in(&id, L, "Dan").await;
    time.clock.advance(HOUR);
    let (copy, since) = (time.copy(), time.clock.now());
    time.clock.advance(HOUR);

    let before = &time.before;
    let newer = refreshed(before, &id, &by_client, 2).await.pop().unwrap();
    before.form("/oauth/revoke", &[("client_id", &id), ("token", &newer.refresh)], &[]).await;
    let ahead = refreshed(before, &id, &by_replay, 2).await.pop().unwrap();
    time.clock.advance(Duration::from_secs(31));
    assert_error(&before.refresh(&id, &by_replay.refresh).await, 400, "invalid_grant");
    before.engine.revoke_sessions(&Target::User(user(&by_operator)), "left the company").await.unwrap();
    before.engine.block(&Target::User(user(&by_block)), "incident").await.unwrap();
    let going_on = refreshed(before, &id, &unharmed, 3).await.pop().unwrap();
    let lines = time.exported(since).await;
    assert!(lines.len() >= 4, "{lines:#?}");

    let restored = time.restore(copy).await;
    for alive in [&by_client, &by_replay, &by_operator, &by_block] {
        assert_eq!(restored.row(session(alive)).await.ended, None, "the copy does not know");
    }
    let replayed = restored.replay(&lines).await;
    assert_eq!(replayed.iter().filter(|did| matches!(did, Replayed::Ended(all) if all.len() == 1)).count(), 3);
    assert_eq!(replayed.iter().filter(|did| matches!(did, Replayed::Blocked(all) if all.len() == 1)).count(), 1);
    restored.open_window().await;
    let dead = [(id.as_str(), &newer), (&id, &by_client), (&id, &ahead), (&id, &by_operator), (U, &by_block)];
    for (id, tokens) in dead {
        assert_error(&restored.world.refresh(id, &tokens.refresh).await, 400, "invalid_grant");
        assert!(!restored.world.accepts(&tokens.access).await);
    }
    tokens(&restored.world.refresh(&id, &going_on.refresh).await);
    // A second replay changes nothing more.
    for did in restored.replay(&lines).await {
        assert!(
            matches!(&did, Replayed::Ended(all) | Replayed::Blocked(all) if all.is_empty()) || did == Replayed::Nothing
        );
    }
    let mut browser = Browser::default();
    let state = restored.world.approve(&mut browser, &request_for(U, P)).await;
    let refused = restored.world.callback(&mut browser, &state, "Carol").await;
    assert_eq!(refused.status(), 403, "blocked again: {}", text(&refused));
}

/// Replicas' clocks may differ by five seconds: a session may seem to have ended before it was opened.
#[tokio::test]
async fn a_session_that_ended_before_it_was_opened_by_the_clocks_of_two_replicas_stays_dead() {
    for by_client in [true, false] {
        let time = Time::begin().await;
        let id = time.before.public_client(&[L]).await;
        time.clock.advance(Duration::from_secs(5));
        let held = time.before.sign_in(&id, L, "Ada").await;
        time.clock.set_back(Duration::from_secs(5));
        let (copy, since) = (time.copy(), time.clock.now());
        time.clock.advance(Duration::from_secs(1));
        if by_client {
            let fields = [("client_id", id.as_str()), ("token", &held.refresh)];
            time.before.form("/oauth/revoke", &fields, &[]).await;
        } else {
            time.before.engine.revoke_sessions(&Target::User(user(&held)), "stolen laptop").await.unwrap();
        }
        let lines = time.exported(since).await;
        time.clock.advance(HOUR);
        let restored = time.restore(copy).await;
        restored.replay(&lines).await;
        assert_error(&restored.world.refresh(&id, &held.refresh).await, 400, "invalid_grant");
        assert!(restored.row(session(&held)).await.ended.is_some(), "{lines:?}");
    }
}

#[tokio::test]
async fn after_the_window_it_is_strict_again_whether_it_was_closed_or_ran_out() {
    for closed in [true, false] {
        let time = Time::begin().await;
        let one = time.before.sign_in(U, P, "Ada").await;
        let other = time.before.sign_in(U, P, "Ada").await;
        let copy = time.copy();
        let one = refreshed(&time.before, U, &one, 2).await.pop().unwrap();
        let other = refreshed(&time.before, U, &other, 2).await.pop().unwrap();
        let restored = time.restore(copy).await;
        restored.open_window().await;
        let level = tokens(&restored.world.refresh(U, &one.refresh).await);
        if closed {
            restored.world.engine.operator().close_recovery().await.unwrap();
        } else {
            restored.clock.advance(HOUR);
        }
        assert_error(&restored.world.refresh(U, &other.refresh).await, 400, "invalid_grant");
        assert_eq!(restored.events(EventKind::Anomaly, "refresh_ahead").await, 1);
        tokens(&restored.world.refresh(U, &level.refresh).await);
    }
}

/// Rows of an old copy look older than they are.
#[tokio::test]
async fn nothing_is_swept_while_the_window_is_open() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let copy = time.copy();
    let held = tokens(&time.before.token(&redemption(U, P, &code)).await);
    time.clock.advance(3 * DAY);

    let restored = time.restore(copy).await;
    restored.open_window().await;
    assert_eq!(restored.world.engine.sweep(100).await.unwrap(), 0);
    // A sign-in sweeps a little, at other times, in a server that has run for a while.
    restored.clock.advance(11 * MINUTE);
    restored.world.sign_in(U, P, "Bob").await;
    tokens(&restored.world.refresh(U, &held.refresh).await);
    restored.world.engine.operator().close_recovery().await.unwrap();
    restored.clock.advance(60 * DAY);
    assert_eq!(restored.world.engine.sweep(100).await.unwrap(), 2, "and afterwards it is swept as ever");
}

/// Somebody started a server on the copy first. What the operator needs, who comes a little later, is still there.
#[tokio::test]
async fn sign_ins_sweep_nothing_in_a_server_that_has_only_just_started() {
    let time = Time::begin().await;
    let code = time.before.code(U, P, "Ada").await;
    let copy = time.copy();
    let held = tokens(&time.before.token(&redemption(U, P, &code)).await);
    time.clock.advance(3 * DAY);

    let restored = time.restore(copy).await;
    restored.world.sign_in(U, P, "Bob").await;
    restored.clock.advance(10 * MINUTE - Duration::from_secs(1));
    restored.world.sign_in(U, P, "Carol").await;
    restored.open_window().await;
    tokens(&restored.world.refresh(U, &held.refresh).await);
}

#[tokio::test]
async fn sign_ins_sweep_what_has_lapsed_in_a_server_that_runs() {
    let time = Time::begin().await;
    time.before.code(U, P, "Ada").await;
    time.clock.advance(3 * DAY);
    assert_eq!(time.store.counts().await.unwrap().sessions, 1);
    time.before.sign_in(U, P, "Bob").await;
    assert_eq!(time.store.counts().await.unwrap().sessions, 1, "Bob's, and not the code that nobody redeemed");
}

/// People who signed in after the copy sign in again, and meet their connection.
#[tokio::test]
async fn a_session_that_was_opened_in_the_lost_part_is_gone_and_no_id_is() {
    let time = Time::begin().await;
    let id = time.before.public_client(&[L]).await;
    let before = time.before.sign_in(&id, L, "Ada").await;
    let copy = time.copy();
    let late = time.before.sign_in(&id, L, "Ada").await;
    let restored = time.restore(copy).await;
    restored.open_window().await;
    assert_error(&restored.world.refresh(&id, &late.refresh).await, 400, "invalid_grant");
    assert!(!restored.world.accepts(&late.access).await);
    let again = restored.world.sign_in(&id, L, "Ada").await;
    assert_eq!(claims(&again.access)["con"], claims(&before.access)["con"]);
}

/// RT-6: the absolute end of a session is written when it is opened, so that an old row knows it.
#[tokio::test]
async fn no_window_prolongs_a_session_beyond_its_absolute_end() {
    let time = Time::begin().await;
    let mut held = time.before.sign_in(U, P, "Ada").await;
    let copy = time.copy();
    for _ in 0..4 {
        time.clock.advance(20 * DAY);
        held = tokens(&time.before.refresh(U, &held.refresh).await);
    }
    time.clock.advance(9 * DAY);
    let restored = time.restore(copy).await;
    restored.open_window().await;
    let level = tokens(&restored.world.refresh(U, &held.refresh).await);
    restored.clock.advance(DAY);
    restored.open_window().await;
    assert_error(&restored.world.refresh(U, &level.refresh).await, 400, "invalid_grant");
    assert_error(&restored.world.refresh(U, &held.refresh).await, 400, "invalid_grant");
}

/// TK-13: also where the row does not know of the client's secret yet.
#[tokio::test]
async fn a_client_can_revoke_a_session_whose_row_is_behind() {
    for secret in ["", "s1"] {
        let time = Time::begin().await;
        let code = time.before.code(U, P, "Ada").await;
        let copy = time.copy();
        let fields = redemption(U, P, &code);
        let mut with_secret = fields.clone();
        with_secret.push(("client_secret", secret));
        let held = tokens(&time.before.token(if secret.is_empty() { &fields } else { &with_secret }).await);
        let restored = time.restore(copy).await;
        let fields = [("client_id", U), ("token", held.refresh.as_str())];
        let answer = restored.world.form("/oauth/revoke", &change(&fields, "client_secret", secret), &[]).await;
        assert_eq!(answer.status(), 200, "{secret:?}: {}", text(&answer));
        assert!(restored.row(session(&held)).await.ended.is_some());
        assert!(!restored.world.accepts(&held.access).await);
    }
}

/// I-4: a code that is answered twice, since the database was lost in between, opens a session of one id for two people. The
/// reference model found it (`examples/model`).
#[tokio::test]
async fn i_4_an_access_token_of_a_lost_database_speaks_for_nobody_who_signed_in_since() {
    let time = Time::begin().await;
    let mut browser = Browser::default();
    let state = time.before.approve(&mut browser, &request_for(U, P)).await;
    // With the cookie that the server drops at the end of the sign-in.
    let mut reloaded = browser.clone();
    let code = query_of(&location(&time.before.callback(&mut browser, &state, "Ada").await))["code"].clone();
    let ada = tokens(&time.before.token(&redemption(U, P, &code)).await);
    assert!(time.before.accepts(&ada.access).await);

    let lost = server(&Arc::new(MemoryStore::new()), &time.clock).await;
    let again = lost.callback(&mut reloaded, &state, "Bob").await;
    assert_eq!(again.status(), 303, "{}", text(&again));
    assert!(!lost.accepts(&ada.access).await, "Ada's token is Bob's");
    let basic = [("authorization", "Basic cnM6c2VjcmV0")];
    let seen = lost.form("/oauth/introspect", &[("token", &ada.access)], &basic).await;
    assert_eq!(body(&seen), serde_json::json!({ "active": false }));
}
