//! Cases of what operators read, of `sweep` and of the kept secret.

use super::fixtures::*;
use crate::client::Platform;
use crate::record::{Actor, Event, EventKind};
use crate::seal::Secret;
use crate::session::EventId;
use crate::store::{Counts, EventQuery, SignIn, Target};

/// By the first sign-in, whatever their ids; nobody else's.
pub async fn connections_come_oldest_first(store: AnyStore) {
    for (n, id, software) in [(1, 30, "a"), (2, 10, "b"), (3, 20, "c")] {
        open(&store, SignIn { new_connection: connection_id(id), ..sign_in_with(n, software) }).await;
    }
    open(&store, sign_in_of(4, "bob")).await;
    open(&store, sign_in_with(5, "a")).await;
    let connections = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(connections.iter().map(|c| c.id).collect::<Vec<_>>(), [30, 10, 20].map(connection_id));
    assert_eq!(connections.iter().map(|c| c.aliases.len()).collect::<Vec<_>>(), [1, 1, 1]);
}

/// By the sign-in, ended and lapsed ones included.
pub async fn sessions_come_oldest_first(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    for (n, created) in [(2, 9), (3, 5), (4, 7)] {
        let mut sign_in = sign_in(n);
        sign_in.session.created_at = at(created);
        sign_in.session.expires_at = at(if n == 4 { 8 } else { 1_000 });
        open(&store, sign_in).await;
    }
    open(&store, sign_in_with(6, "another")).await;
    revoke(&store, &Target::Session(session_id(3)), 10).await;
    let sessions = store.sessions_of(connection).await.unwrap();
    assert_eq!(sessions.iter().map(|s| s.id).collect::<Vec<_>>(), [1, 3, 4, 2].map(session_id));
    assert_eq!(sessions[1], view(&store, 3).await.session);
}

/// No rows, no errors.
pub async fn unknown_ids_find_nothing(store: AnyStore) {
    assert_eq!(store.session(session_id(1)).await.unwrap(), None);
    assert_eq!(store.connections_of(&person("ada").id).await.unwrap(), []);
    assert_eq!(store.sessions_of(connection_id(1)).await.unwrap(), []);
    assert_eq!(store.revocations_since(at(-1_700_000_000)).await.unwrap(), []);
    assert_eq!(events(&store).await, []);
    assert_eq!(counts(&store).await, Counts::default());
    assert_eq!(store.sweep(far(), 10).await.unwrap(), 0);
}

/// Full ones and empty ones, of every kind.
pub async fn events_read_back_as_they_were_written(store: AnyStore) {
    let kinds = [
        EventKind::SignedIn,
        EventKind::Adopted,
        EventKind::Refused,
        EventKind::Evicted,
        EventKind::Revoked,
        EventKind::Blocked,
        EventKind::Unblocked,
        EventKind::Anomaly,
    ];
    for (n, kind) in (1..).zip(kinds) {
        let empty = event(n, kind);
        let full = Event {
            id: event_id(n),
            reason: "a 'reason' \u{1f980}".to_owned(),
            user: Some(person("nobody").id),
            connection: Some(connection_id(n)),
            session: Some(session_id(n)),
            client_id: Some(client_id(&"~".repeat(1_024))),
            platform: Some(Platform::named("a platform ")),
            actor: Actor::Admin(person("nobody").id),
            reference: "7KA2-001X".parse().ok(),
            ..event(n, kind)
        };
        for event in [empty, full] {
            store.record(event.clone()).await.unwrap();
            let all = events(&store).await;
            assert_eq!(all.iter().find(|e| e.id == event.id), Some(&event));
        }
    }
    assert_eq!(counts(&store).await, Counts { events: 16, ..Counts::default() });
}

/// By their time; of one time, by their ids.
pub async fn events_come_newest_first(store: AnyStore) {
    for (id, seconds) in [(1, 30), (2, 10), (3, 20), (5, 20), (4, 20)] {
        store.record(Event::new(event_id(id), at(seconds), EventKind::Anomaly)).await.unwrap();
    }
    let ids = |events: Vec<Event>| events.into_iter().map(|e| e.id).collect::<Vec<EventId>>();
    assert_eq!(ids(events(&store).await), [1, 5, 4, 3, 2].map(event_id));
    let two = EventQuery { limit: 2, ..EventQuery::default() };
    assert_eq!(ids(store.events(&two).await.unwrap()), [1, 5].map(event_id));
}

/// Alone and together.
pub async fn events_are_found_by_user_session_and_time(store: AnyStore) {
    let (ada, bob) = (person("ada").id, person("bob").id);
    for (n, user, session) in [(1, &ada, 1), (2, &ada, 2), (3, &bob, 1), (4, &ada, 1), (5, &bob, 3)] {
        let event =
            Event { user: Some(user.clone()), session: Some(session_id(session)), ..event(n, EventKind::Anomaly) };
        store.record(event).await.unwrap();
    }
    store.record(event(6, EventKind::Anomaly)).await.unwrap();
    let users = [None, Some(ada), Some(bob)];
    let sessions = [None, Some(session_id(1)), Some(session_id(3)), Some(session_id(4))];
    let times = [None, Some(at(2)), Some(at(4)), Some(at(7))];
    let all = events(&store).await;
    for user in &users {
        for session in sessions {
            for since in times {
                let query = EventQuery { user: user.clone(), session, since, limit: 100, ..EventQuery::default() };
                let fits = |e: &&Event| {
                    (user.is_none() || e.user == *user)
                        && (session.is_none() || e.session == session)
                        && since.is_none_or(|since| e.at >= since)
                };
                let expected: Vec<_> = all.iter().filter(fits).cloned().collect();
                assert_eq!(store.events(&query).await.unwrap(), expected, "{query:?}");
            }
        }
    }
}

/// To 1 to 1,000 (OP-3).
pub async fn the_number_of_events_is_clamped(store: AnyStore) {
    for n in 0..1_001 {
        store.record(event(n, EventKind::Anomaly)).await.unwrap();
    }
    for (limit, read) in [(0, 1), (1, 1), (7, 7), (1_000, 1_000), (1_001, 1_000), (u32::MAX, 1_000)] {
        let events = store.events(&EventQuery { limit, ..EventQuery::default() }).await.unwrap();
        assert_eq!(events.len(), read, "{limit}");
        assert_eq!(events[0], event(1_000, EventKind::Anomaly));
    }
}

/// Not at the bound itself, and not what is alive.
pub async fn a_sweep_takes_what_lapsed_or_ended_before(store: AnyStore) {
    for (n, expires) in [(1, 49), (2, 50), (3, 51), (4, 5_000), (5, 5_000), (6, 5_000)] {
        let mut sign_in = sign_in(n);
        sign_in.session.expires_at = at(expires);
        open(&store, sign_in).await;
    }
    revoke(&store, &Target::Session(session_id(4)), 49).await;
    revoke(&store, &Target::Session(session_id(5)), 50).await;
    assert_eq!(store.sweep(at(50), 100).await.unwrap(), 2);
    for (n, stays) in [(1, false), (2, true), (3, true), (4, false), (5, true), (6, true)] {
        assert_eq!(store.session(session_id(n)).await.unwrap().is_some(), stays, "{n}");
    }
    assert_eq!(store.sweep(at(50), 100).await.unwrap(), 0);
    assert_eq!(feed(&store, at(0)).await, [session_id(5)]);
}

/// They are what an operator looks for after the sessions are gone.
pub async fn a_sweep_leaves_users_connections_and_events(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    block(&store, &Target::Platform(Platform::other()), 2).await;
    assert_eq!(store.sweep(far(), 100).await.unwrap(), 1);
    assert_eq!(
        counts(&store).await,
        Counts {
            users: 1,
            connections: 1,
            aliases: 1,
            sessions: 0,
            blocks: 1,
            events: 2,
            imported_clients: 0,
            ..Counts::default()
        }
    );
    assert_eq!(store.session(session_id(1)).await.unwrap(), None);
    assert_eq!(open(&store, sign_in(3)).await, connection);
}

/// Fewer than the limit means that none are left.
pub async fn a_sweep_is_bounded(store: AnyStore) {
    for n in 1..=10 {
        open(&store, sign_in(n)).await;
    }
    for (limit, swept) in [(0, 0), (4, 4), (4, 4), (4, 2), (4, 0)] {
        assert_eq!(store.sweep(far(), limit).await.unwrap(), swept);
    }
    assert_eq!(counts(&store).await.sessions, 0);
}

/// For ever, byte for byte.
pub async fn the_first_secret_is_kept(store: AnyStore) {
    let first = Secret::from_bytes(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
    assert!(store.kept_secret().await.unwrap().is_none());
    assert!(store.keep_secret(first.clone()).await.unwrap() == first);
    for n in 0..3 {
        assert!(store.keep_secret(Secret::from_bytes([n; 32])).await.unwrap() == first);
        assert!(store.kept_secret().await.unwrap() == Some(first.clone()));
    }
}
