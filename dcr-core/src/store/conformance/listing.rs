//! Cases of what operators look over: sums of funnel counts, who uses what, and what is blocked.

use super::fixtures::*;
use super::operate::import;
use super::record::{count, hour};
use crate::client::Platform;
use crate::record::{Actor, Event, EventKind, FunnelCount, Step};
use crate::store::{
    BlockKind, BlockQuery, ClientUse, ClientUseQuery, EventQuery, FunnelQuery, FunnelSumQuery, PlatformUse, Target,
};

/// Each piece of time by itself, from its first instant to before its end; nothing before and nothing after.
pub async fn funnel_counts_are_summed_by_pieces_of_time(store: AnyStore) {
    let mut all = Vec::new();
    for n in 0..50 {
        for (at, platform) in (1..).zip(["Cursor", "cursor", "other"]) {
            all.push(count(n, platform, Step::Authorize, "ok", at * 3));
            all.push(count(n, platform, Step::Code, if n % 2 == 0 { "code_unknown" } else { "ok" }, at));
        }
    }
    all.push(count(60, "other", Step::Code, "ok", 1 << 40));
    store.add_counts(&all).await.unwrap();
    for (first, hours, pieces) in [(0, 24, 3), (1, 6, 28), (-5, 1, 24), (10, 7, 2), (0, 0, 0), (-100, u32::MAX, 1)] {
        let query = FunnelSumQuery { since: hour(first), hours, pieces };
        let mut sums = std::collections::BTreeMap::new();
        for FunnelCount { hour, platform, step, outcome, count } in all.clone() {
            if let Some(piece) = query.piece_of(hour) {
                *sums.entry((piece, platform, step.as_str(), outcome)).or_insert(0) += count;
            }
        }
        let expected: Vec<FunnelCount> = sums
            .into_iter()
            .map(|((hour, platform, step, outcome), count)| {
                let step = Step::from_name(step).unwrap();
                FunnelCount { hour, platform, step, outcome, count }
            })
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(store.funnel_sums(&query).await.unwrap(), expected, "{query:?}");
    }
    // Pieces of an hour are the counts themselves.
    let one = FunnelSumQuery { since: hour(60), hours: 1, pieces: 1 };
    let plain = FunnelQuery { since: Some(hour(60)), limit: 10, ..FunnelQuery::default() };
    assert_eq!(store.funnel_sums(&one).await.unwrap(), store.funnel(&plain).await.unwrap());
    let later = FunnelSumQuery { since: hour(61), hours: 24, pieces: 30 };
    assert_eq!(store.funnel_sums(&later).await.unwrap(), []);
}

/// By who is kept on them, not by whose they are; those that do not say are found, too.
pub async fn events_are_found_by_who_did_it(store: AnyStore) {
    let admin = |name: &str| Actor::Admin(person(name).id);
    let actors = [
        Actor::Unknown,
        Actor::Engine,
        Actor::Person,
        Actor::Client,
        Actor::Command,
        Actor::Host,
        Actor::Token,
        admin("ada"),
        admin("bob"),
    ];
    let who = actors.iter().cycle().take(40);
    for (n, actor) in (0..).zip(who) {
        let event = Event {
            actor: actor.clone(),
            user: (n % 3 == 0).then(|| person("ada").id),
            reason: if n % 4 == 0 { "left".to_owned() } else { String::new() },
            at: at(i64::from(n / 2)),
            ..event(n, if n % 2 == 0 { EventKind::Blocked } else { EventKind::Revoked })
        };
        store.record(event).await.unwrap();
    }
    let all = events(&store).await;
    for actor in actors {
        for n in 0..16 {
            let bit = |at: u32| n & (1 << at) != 0;
            let query = EventQuery {
                actor: Some(actor.clone()),
                user: bit(0).then(|| person("ada").id),
                reason: bit(1).then(|| "left".to_owned()),
                kind: bit(2).then_some(EventKind::Blocked),
                until: bit(3).then(|| at(15)),
                limit: 1_000,
                ..EventQuery::default()
            };
            let expected: Vec<_> = all.iter().filter(|event| query.fits(event)).cloned().collect();
            assert!(n > 0 || expected.len() >= 4);
            assert_eq!(store.events(&query).await.unwrap(), expected, "{query:?}");
            let Some(first) = expected.first() else { continue };
            let rest = EventQuery { before: Some((first.at, first.id)), limit: 2, ..query };
            let expected: Vec<_> = expected[1..].iter().take(2).cloned().collect();
            assert_eq!(store.events(&rest).await.unwrap(), expected, "{rest:?}");
        }
    }
    let nobody = EventQuery { actor: Some(admin("eve")), limit: 10, ..EventQuery::default() };
    assert_eq!(store.events(&nobody).await.unwrap(), []);
}

/// However long, however they begin, whatever is in them; an empty one is one, too.
pub async fn events_are_found_by_their_whole_reason(store: AnyStore) {
    let long = "long ".repeat(2_000);
    let almost = format!("{long}.");
    let syllables = "\u{ac00}".repeat(100);
    let reasons = [
        "",
        " ",
        "left",
        "Left",
        "left ",
        "left\0",
        "left\0x",
        "l\u{e9}ft",
        "le\u{301}ft",
        "\u{1f980}",
        &long,
        &almost,
        &syllables,
    ];
    for (n, reason) in (0..).zip(reasons.iter().cycle().take(30)) {
        store.record(Event { reason: (*reason).to_owned(), ..event(n, EventKind::Revoked) }).await.unwrap();
    }
    for reason in reasons {
        for limit in [1, 2, 100] {
            let query = EventQuery { reason: Some(reason.to_owned()), limit, ..EventQuery::default() };
            let found = store.events(&query).await.unwrap();
            assert!(found.iter().all(|event| event.reason == reason), "{reason:?}");
            assert!(found.is_sorted_by_key(|event| std::cmp::Reverse(event.at)), "newest first");
            assert_eq!(found.len(), usize::try_from(limit).unwrap().min(if found[0].at > at(25) { 3 } else { 2 }));
        }
    }
}

fn client_use(client: &str, people: u64, live_sessions: u64) -> ClientUse {
    ClientUse { client_id: client_id(client), people, live_sessions, imported: false }
}

async fn client_uses(store: &AnyStore, now: i64) -> Vec<ClientUse> {
    let query = ClientUseQuery { now: at(now), only: None, after: None, limit: 1_000 };
    store.client_uses(&query).await.unwrap()
}

/// A person once, however many connections they have with it; sessions that ended or lapsed not at all.
pub async fn client_ids_say_how_many_people_and_live_sessions_they_have(store: AnyStore) {
    assert_eq!(client_uses(&store, 0).await, []);
    open(&store, sign_in_as(1, "client-one")).await;
    open(&store, sign_in_as(2, "client-one")).await;
    let mut elsewhere = sign_in_as(3, "client-one");
    elsewhere.software = crate::client::SoftwareKey::from_stored("another");
    open(&store, elsewhere).await;
    for (n, name, client) in [(4, "bob", "client-one"), (5, "eve", "client-One"), (6, "eve", "client-two")] {
        let mut of_another = sign_in_of(n, name);
        of_another.session.client_id = client_id(client);
        open(&store, of_another).await;
    }
    let mut lapsed = sign_in_as(7, "client-two");
    lapsed.session.expires_at = at(20);
    open(&store, lapsed).await;
    revoke(&store, &Target::Session(session_id(2)), 10).await;
    store.import(import(11, &["dcr_old"])).await.unwrap();

    let imported = ClientUse { imported: true, ..client_use("dcr_old", 1, 0) };
    let expected = |two| {
        [
            client_use("client-One", 1, 1),
            client_use("client-one", 2, 3),
            client_use("client-two", 2, two),
            imported.clone(),
        ]
    };
    assert_eq!(client_uses(&store, 15).await, expected(2));
    assert_eq!(client_uses(&store, 30).await, expected(1));
    for id in ["client-One", "client-one", "client-two", "CLIENT-ONE", "client-on", "dcr_old"] {
        let only = ClientUseQuery { now: at(30), only: Some(client_id(id)), after: None, limit: 10 };
        let wanted: Vec<_> = expected(1).into_iter().filter(|one| one.client_id == client_id(id)).collect();
        assert_eq!(store.client_uses(&only).await.unwrap(), wanted, "{id}");
        let over = ClientUseQuery { after: only.only.clone(), ..only };
        assert_eq!(store.client_uses(&over).await.unwrap(), [], "{id}");
    }
}

/// In the order of their bytes, none twice and none left out (OP-3, OP-8).
pub async fn client_ids_that_people_use_come_in_pages(store: AnyStore) {
    for (n, id) in (1..).zip(LOOKALIKES) {
        open(&store, sign_in_as(n, id)).await;
    }
    let mut all: Vec<_> = LOOKALIKES.iter().map(|id| client_use(id, 1, 1)).collect();
    all.sort_by(|a, b| a.client_id.as_str().as_bytes().cmp(b.client_id.as_str().as_bytes()));
    for limit in [0, 1, 7, 1_000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.client_uses(&ClientUseQuery { now: at(50), only: None, after, limit }).await.unwrap();
            assert!(page.len() <= usize::try_from(limit.max(1)).unwrap());
            let Some(last) = page.last() else { break };
            after = Some(last.client_id.clone());
            seen.extend(page);
        }
        assert_eq!(seen, all, "{limit}");
    }
}

/// A session counts for its own platform, a connection for that of its first sign-in.
pub async fn platforms_say_how_many_people_connections_and_live_sessions_they_have(store: AnyStore) {
    assert_eq!(store.platform_uses(at(0)).await.unwrap(), []);
    let on = |n: u32, name: &str, software: &str, platform: &str| {
        let mut sign_in = sign_in_of(n, name);
        sign_in.software = crate::client::SoftwareKey::from_stored(software);
        sign_in.session.platform = Platform::named(platform);
        sign_in
    };
    open(&store, on(1, "ada", "a", "cursor")).await;
    open(&store, on(2, "ada", "b", "cursor")).await;
    open(&store, on(3, "bob", "a", "cursor")).await;
    open(&store, on(4, "bob", "c", "Cursor")).await;
    open(&store, on(5, "bob", "c", "other")).await;
    let mut lapsed = on(6, "eve", "d", "loopback");
    lapsed.session.expires_at = at(20);
    open(&store, lapsed).await;
    revoke(&store, &Target::Session(session_id(3)), 10).await;
    let one = |platform: &str, people, connections, live_sessions| PlatformUse {
        platform: Platform::named(platform),
        people,
        connections,
        live_sessions,
    };
    let expected = [one("Cursor", 1, 1, 1), one("cursor", 2, 3, 2), one("loopback", 1, 1, 0), one("other", 0, 0, 1)];
    assert_eq!(store.platform_uses(at(30)).await.unwrap(), expected);
}

/// By kind, and in pages in one order; one that is lifted is gone (OP-3, OP-8).
pub async fn blocks_are_listed(store: AnyStore) {
    let all_of = |kind| BlockQuery { kind, after: None, limit: 1_000 };
    assert_eq!(store.blocks(&all_of(None)).await.unwrap(), []);
    let mut targets: Vec<Target> = LOOKALIKES.iter().map(|id| Target::ClientId(client_id(id))).collect();
    targets.extend(LOOKALIKES.iter().map(|name| Target::Platform(Platform::named(name))));
    targets.extend((1..=3).map(|n| Target::Connection(connection_id(n))));
    targets.extend(["ada", "bob"].map(|name| Target::User(person(name).id)));
    for (n, target) in (1..).zip(&targets) {
        block(&store, target, n).await;
    }
    let order = |target: &Target| {
        let (kind, key) = target.block_key().unwrap();
        (kind.as_str(), key)
    };
    targets.sort_by_key(order);
    assert_eq!(store.blocks(&all_of(None)).await.unwrap(), targets);
    for kind in BlockKind::ALL.map(Some).into_iter().chain([None]) {
        let wanted = |target: &&Target| kind.is_none_or(|kind| target.block_key().unwrap().0 == kind);
        let expected: Vec<Target> = targets.iter().filter(wanted).cloned().collect();
        for limit in [0, 1, 6, 1_000] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = store.blocks(&BlockQuery { kind, after, limit }).await.unwrap();
                assert!(page.len() <= usize::try_from(limit.max(1)).unwrap());
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                seen.extend(page);
            }
            assert_eq!(seen, expected, "{kind:?} {limit}");
        }
    }
    store.unblock(&Target::Connection(connection_id(2)), event(200, EventKind::Unblocked)).await.unwrap();
    let left = store.blocks(&all_of(Some(BlockKind::Connection))).await.unwrap();
    assert_eq!(left, [1, 3].map(|n| Target::Connection(connection_id(n))));
}
