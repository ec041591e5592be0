//! Cases of the record: what events are asked for by, funnel counts, and what is old enough to go.

use super::fixtures::*;
use crate::client::Platform;
use crate::clock::Timestamp;
use crate::record::{Actor, Event, EventKind, FunnelCount, Reference, RequestRecord, Step};
use crate::session::RequestId;
use crate::store::{EventQuery, FunnelQuery, RequestQuery, RequestsOf, Target, UserMatch, UserQuery};

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Alone and together; byte for byte, and nothing that only looks like it.
pub async fn events_are_found_by_everything_that_they_say(store: AnyStore) {
    let kinds = [EventKind::Refused, EventKind::Revoked];
    for n in 0..64 {
        let bit = |at: u32| n & (1 << at) != 0;
        let event = Event {
            kind: kinds[usize::from(bit(0))],
            reason: if bit(1) { "Reason".to_owned() } else { "reason ".to_owned() },
            platform: bit(2).then(|| Platform::named("cursor")),
            client_id: bit(3).then(|| client_id("client-one")),
            connection: bit(4).then(|| connection_id(1)),
            reference: bit(5).then(|| reference("ABCD-1234")),
            user: bit(3).then(|| person("ada").id),
            ..event(n, EventKind::Anomaly)
        };
        store.record(event).await.unwrap();
    }
    let all = events(&store).await;
    for n in 0..128 {
        let bit = |at: u32| n & (1 << at) != 0;
        let query = EventQuery {
            kind: bit(0).then_some(EventKind::Revoked),
            reason: bit(1).then(|| "reason ".to_owned()),
            platform: bit(2).then(|| Platform::named("cursor")),
            client_id: bit(3).then(|| client_id("client-one")),
            connection: bit(4).then(|| connection_id(1)),
            reference: bit(5).then(|| reference("abcd1234")),
            since: bit(6).then(|| at(5)),
            until: bit(6).then(|| at(40)),
            limit: 1_000,
            ..EventQuery::default()
        };
        let expected: Vec<_> = all.iter().filter(|event| query.fits(event)).cloned().collect();
        assert_eq!(store.events(&query).await.unwrap(), expected, "{query:?}");
    }
    let nobody = [
        EventQuery { reason: Some("REASON".to_owned()), ..EventQuery::default() },
        EventQuery { reason: Some("reason".to_owned()), ..EventQuery::default() },
        EventQuery { platform: Some(Platform::named("Cursor")), ..EventQuery::default() },
        EventQuery { client_id: Some(client_id("client-One")), ..EventQuery::default() },
        EventQuery { reference: Some(reference("ABCD-1235")), ..EventQuery::default() },
        EventQuery { since: Some(at(70)), ..EventQuery::default() },
        EventQuery { until: Some(at(0)), ..EventQuery::default() },
    ];
    for query in nobody {
        assert_eq!(store.events(&query).await.unwrap(), [], "{query:?}");
    }
}

/// As those of versions that kept none.
pub async fn events_without_an_actor_say_so(store: AnyStore) {
    for (n, actor) in [(1, Actor::Unknown), (2, Actor::Token), (3, Actor::Command)] {
        store.record(Event { actor: actor.clone(), ..event(n, EventKind::Blocked) }).await.unwrap();
        assert_eq!(events(&store).await[0].actor, actor);
    }
}

/// The same as among all of its user.
pub async fn a_connection_is_read_with_its_aliases(store: AnyStore) {
    let connection = open(&store, sign_in_as(1, "client-one")).await;
    open(&store, sign_in_as(2, "client-two")).await;
    open(&store, sign_in_with(3, "another")).await;
    let found = store.connection(connection).await.unwrap().unwrap();
    assert_eq!(found.aliases, [client_id("client-one"), client_id("client-two")]);
    assert_eq!(store.connections_of(&person("ada").id).await.unwrap()[0], found);
    assert_eq!(store.connection(connection_id(99)).await.unwrap(), None);
}

/// In name, address or object id, wherever it is; letters of ASCII are alike and nothing else is.
pub async fn users_are_found_by_a_part_of_their_name(store: AnyStore) {
    for (n, object, name, email) in [
        (1, "0001", Some("Ada Lovelace"), Some("ada@example.com")),
        (2, "0002", Some("Zo\u{eb} 303%"), None),
        (3, "0003", None, Some("LOVE_1@example.com")),
        (4, "lovely", Some("a\\b"), Some("x@example.com\n")),
        (5, "0005", Some("\u{ac00}\u{b098}"), None),
    ] {
        let mut sign_in = sign_in_of(n, object);
        (sign_in.user.name, sign_in.user.email) = (name.map(str::to_owned), email.map(str::to_owned));
        open(&store, sign_in).await;
    }
    for (text, expected) in [
        ("LOVE", &["0001", "0003", "lovely"][..]),
        ("love_", &["0003"]),
        ("ada l", &["0001"]),
        ("a\\b", &["lovely"]),
        ("%", &["0002"]),
        ("zo\u{eb}", &["0002"]),
        ("zo\u{cb}", &[]),
        ("zoe", &[]),
        // How a database writes what is not ASCII, such as a Hangul syllable or the e with two dots.
        ("353", &[]),
        ("303", &["0002"]),
        ("\u{b098}", &["0005"]),
        ("nobody", &[]),
        ("example.com", &["0001", "0003", "lovely"]),
    ] {
        for limit in [1, 10] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let matching = Some(UserMatch::Text(text.to_owned()));
                let page = store.users(&UserQuery { matching, after, limit }).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.id.clone());
                found.extend(page.into_iter().map(|user| user.object_id));
            }
            found.sort_unstable();
            assert_eq!(found, expected, "{text:?}");
        }
    }
}

pub(super) fn hour(n: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000 / 3_600 * 3_600 + n * 3_600)
}

pub(super) fn count(n: i64, platform: &str, step: Step, outcome: &str, count: u64) -> FunnelCount {
    FunnelCount { hour: hour(n), platform: Platform::named(platform), step, outcome: outcome.to_owned(), count }
}

async fn all_counts(store: &AnyStore) -> Vec<FunnelCount> {
    store.funnel(&FunnelQuery { limit: 1_000, ..FunnelQuery::default() }).await.unwrap()
}

/// Each to its own, in the order of hours, platforms, steps and outcomes by their names.
pub async fn funnel_counts_add_up(store: AnyStore) {
    store.add_counts(&[]).await.unwrap();
    let first = [
        count(1, "cursor", Step::Authorize, "ok", 2),
        count(1, "cursor", Step::Code, "ok", 1),
        count(0, "other", Step::Authorize, "pkce_method", 5),
    ];
    store.add_counts(&first).await.unwrap();
    let second = [count(1, "cursor", Step::Authorize, "ok", 40), count(1, "Cursor", Step::Authorize, "ok", 1)];
    store.add_counts(&second).await.unwrap();
    let expected = [
        count(0, "other", Step::Authorize, "pkce_method", 5),
        count(1, "Cursor", Step::Authorize, "ok", 1),
        count(1, "cursor", Step::Authorize, "ok", 42),
        count(1, "cursor", Step::Code, "ok", 1),
    ];
    assert_eq!(all_counts(&store).await, expected);
    let query = FunnelQuery { since: Some(hour(1)), until: Some(hour(2)), limit: 10, ..FunnelQuery::default() };
    assert_eq!(store.funnel(&query).await.unwrap(), expected[1..]);
    let query = FunnelQuery { until: Some(hour(1)), limit: 10, ..FunnelQuery::default() };
    assert_eq!(store.funnel(&query).await.unwrap(), expected[..1]);
}

/// None twice, none left out; at most as many as asked for, and never none (OP-3).
pub async fn funnel_counts_come_in_pages(store: AnyStore) {
    let mut counts = Vec::new();
    for n in 0..3 {
        for platform in ["chatgpt", "cursor"] {
            for step in Step::ALL {
                counts.push(count(n, platform, step, "ok", 1));
            }
        }
    }
    store.add_counts(&counts).await.unwrap();
    let all = all_counts(&store).await;
    assert_eq!(all.len(), counts.len());
    for limit in [0, 1, 5, 1_000] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.funnel(&FunnelQuery { after, limit, ..FunnelQuery::default() }).await.unwrap();
            assert!(page.len() <= usize::try_from(limit.max(1)).unwrap());
            let Some(last) = page.last().cloned() else { break };
            after = Some((last.hour, last.platform, last.step, last.outcome));
            seen.extend(page);
        }
        assert_eq!(seen, all, "{limit}");
    }
}

/// Not at the bound itself; in bounded batches, the oldest first.
pub async fn a_sweep_of_the_record_takes_what_is_old(store: AnyStore) {
    for n in 1..=10 {
        store.record(event(n, EventKind::Anomaly)).await.unwrap();
    }
    store.add_counts(&[count(0, "other", Step::Code, "ok", 1), count(9, "other", Step::Code, "ok", 1)]).await.unwrap();
    for (limit, swept) in [(0, 0), (4, 4), (4, 2), (4, 0)] {
        assert_eq!(store.sweep_record(at(7), limit).await.unwrap(), swept);
    }
    let left: Vec<_> = events(&store).await.into_iter().map(|event| event.at).collect();
    assert_eq!(left, [10, 9, 8, 7].map(at));
    assert_eq!(all_counts(&store).await, [count(9, "other", Step::Code, "ok", 1)]);
}

/// The token endpoint asks for them.
pub async fn a_sweep_of_the_record_leaves_recoveries_of_sessions_that_are_there(store: AnyStore) {
    open(&store, sign_in(1)).await;
    for (n, session) in [(11, 1), (12, 2)] {
        let event = Event { session: Some(session_id(session)), ..event(n, EventKind::Recovered) };
        store.record(event).await.unwrap();
    }
    assert_eq!(store.sweep_record(at(100), 100).await.unwrap(), 2, "the sign-in, and one of a session that is gone");
    let left = events(&store).await;
    assert_eq!((left.len(), left[0].session), (1, Some(session_id(1))));
    revoke(&store, &Target::Session(session_id(1)), 50).await;
    store.sweep(far(), 10).await.unwrap();
    assert_eq!(store.sweep_record(at(100), 100).await.unwrap(), 2);
}

/// Several replicas add theirs at once.
pub async fn race_funnel_counts_of_many_add_up(store: AnyStore) {
    together(8, |n| {
        let store = AnyStore::clone(&store);
        async move {
            for _ in 0..5 {
                let mut counts: Vec<_> = Step::ALL.map(|step| count(0, "other", step, "ok", u64::from(n))).into();
                counts.sort_unstable();
                store.add_counts(&counts).await.unwrap();
            }
        }
    })
    .await;
    let all = all_counts(&store).await;
    assert_eq!(all.len(), Step::ALL.len());
    assert!(all.iter().all(|count| count.count == 5 * 28), "{all:?}");
}

pub(super) fn request(n: u8, session: u32, who: &str) -> RequestRecord {
    let at = at(i64::from(n));
    let mut id = *RequestId::first_at(at).as_bytes();
    id[15] = n;
    RequestRecord {
        id: RequestId::from_bytes(id),
        user: person(who).id,
        session: session_id(session),
        at,
        method: "POST".to_owned(),
        tool: n.is_multiple_of(2).then(|| format!("tool {n} \u{0}\u{1f600} Erase ")),
        status: 200 + u16::from(n),
        address: match n % 3 {
            0 => None,
            1 => Some([192, 0, 2, n].into()),
            _ => Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)].into()),
        },
    }
}

pub(super) async fn requests_of(
    store: &AnyStore,
    of: RequestsOf,
    before: Option<RequestId>,
    limit: u32,
) -> Vec<RequestRecord> {
    store.requests(&RequestQuery { of, before, limit }).await.unwrap()
}

/// By session and by person, newest first, in pages; a batch that is added again adds nothing.
pub async fn the_history_of_requests_is_read_as_it_was_written(store: AnyStore) {
    let all: Vec<_> = (0..40).map(|n| request(n, u32::from(n % 3), if n % 3 == 2 { "bob" } else { "ada" })).collect();
    store.add_requests(&all[..30]).await.unwrap();
    store.add_requests(&all[20..]).await.unwrap();
    store.add_requests(&[]).await.unwrap();
    let expected = |fits: &dyn Fn(&RequestRecord) -> bool| -> Vec<RequestRecord> {
        all.iter().rev().filter(|request| fits(request)).cloned().collect()
    };
    for session in 0..4 {
        let found = requests_of(&store, RequestsOf::Session(session_id(session)), None, 1_000).await;
        assert_eq!(found, expected(&|request| request.session == session_id(session)));
    }
    let ada = person("ada").id;
    let hers = expected(&|request| request.user == ada);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = requests_of(&store, RequestsOf::User(ada.clone()), before, 7).await;
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        paged.extend(page);
    }
    assert_eq!(paged, hers);
    assert_eq!(requests_of(&store, RequestsOf::User(ada), None, 0).await.len(), 1, "OP-3");
}

/// The oldest first, and no more than was asked for.
pub async fn old_requests_are_swept_in_batches(store: AnyStore) {
    let all: Vec<_> = (0..20).map(|n| request(n, 1, "ada")).collect();
    store.add_requests(&all).await.unwrap();
    let before = RequestId::first_at(at(12));
    for swept in [5, 5, 2, 0] {
        assert_eq!(store.sweep_requests(before, 5).await.unwrap(), swept);
    }
    let left = requests_of(&store, RequestsOf::Session(session_id(1)), None, 1_000).await;
    assert_eq!(left, all[12..].iter().rev().cloned().collect::<Vec<_>>());
}
