//! Cases of [`Store::erase`](crate::store::Store::erase).

use super::fixtures::*;
use super::record::{request, requests_of};
use crate::random::SystemRandom;
use crate::record::{Actor, Event, EventKind};
use crate::session::UserId;
use crate::store::{
    Counts, Ending, Erased, Erasure, EventQuery, PutUpstreamToken, RequestsOf, SignIn, SignedIn, Target,
};

fn marker() -> UserId {
    UserId::of_erased(&SystemRandom).unwrap()
}

/// Of Ada, with the n-th event, at `at(n)`.
fn erasure(n: u32, marker: &UserId) -> Erasure {
    let event = Event { user: Some(marker.clone()), ..event(n, EventKind::Erased) };
    Erasure { user: person("ada").id, marker: marker.clone(), now: event.at, event }
}

/// User, connections, aliases, sessions; nobody else's. A block stays, and the person may come again.
pub async fn an_erasure_leaves_no_row_of_the_person(store: AnyStore) {
    let token = |n: u8| PutUpstreamToken { key: [n; 32], sealed: vec![n], version: [n; 16], refreshed_at: at(1) };
    open(&store, SignIn { upstream_token: Some(token(1)), ..sign_in_as(1, "client-one") }).await;
    open(&store, sign_in_as(2, "client-two")).await;
    open(&store, sign_in_with(3, "another")).await;
    revoke(&store, &Target::Session(session_id(2)), 4).await;
    let bob = open(&store, SignIn { upstream_token: Some(token(2)), ..sign_in_of(5, "bob") }).await;
    block(&store, &Target::User(person("eve").id), 6).await;

    let mut erased = store.erase(erasure(10, &marker())).await.unwrap();
    erased.sessions.sort_unstable();
    let sessions = [1, 2, 3].map(session_id).to_vec();
    assert_eq!(erased, Erased { user: true, sessions, connections: 2, aliases: 3, events: 3 });
    let left = Counts {
        users: 1,
        connections: 1,
        aliases: 1,
        sessions: 1,
        blocks: 1,
        upstream_tokens: 1,
        ..counts(&store).await
    };
    assert_eq!(counts(&store).await, left);
    assert_eq!(store.connections_of(&person("ada").id).await.unwrap(), []);
    for n in 1..=3 {
        assert_eq!(store.session(session_id(n)).await.unwrap(), None);
    }
    assert_eq!(open(&store, sign_in_of(20, "bob")).await, bob);
    // As somebody new.
    assert_eq!(open(&store, sign_in(21)).await, connection_id(21));
}

/// The marker stands for them, and nothing leads from it to what they had.
pub async fn an_erasure_leaves_events_of_nobody(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    open(&store, sign_in_of(2, "bob")).await;
    // An end that names the session alone, one that names the connection alone, and a refusal.
    let of_session = Event { session: Some(session_id(1)), ..event(3, EventKind::Revoked) };
    let target = Target::Session(session_id(1));
    store.revoke(Ending::of(target, "revoked_by_client", at(3), of_session)).await.unwrap();
    let of_connection = Event { connection: Some(connection), ..event(4, EventKind::Blocked) };
    let refused = Event {
        user: Some(person("ada").id),
        client_id: Some(client_id("client-one")),
        actor: Actor::Admin(person("ada").id),
        ..event(5, EventKind::Refused)
    };
    for event in [of_connection, refused] {
        store.record(event).await.unwrap();
    }
    let by_ada = Event { actor: Actor::Admin(person("ada").id), ..event(6, EventKind::Unblocked) };
    store.record(by_ada).await.unwrap();

    let (marker, before) = (marker(), events(&store).await);
    let erased = store.erase(erasure(10, &marker)).await.unwrap();
    assert_eq!(erased.events, 4);
    let after = events(&store).await;
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after[0], erasure(10, &marker).event);
    for (before, after) in before.iter().zip(&after[1..]) {
        assert_eq!(
            (before.id, before.at, before.kind, &before.reason),
            (after.id, after.at, after.kind, &after.reason)
        );
        assert_eq!(before.platform, after.platform);
        let is_bobs = before.user == Some(person("bob").id);
        if is_bobs {
            assert_eq!(before, after);
        } else if before.kind == EventKind::Unblocked {
            assert_eq!((after.user.as_ref(), &after.actor), (None, &Actor::Admin(marker.clone())));
        } else {
            assert_eq!(after.user.as_ref(), Some(&marker), "{before:?}");
            assert_eq!((after.connection, after.session, after.client_id.as_ref()), (None, None, None), "{before:?}");
            assert_ne!(after.actor, Actor::Admin(person("ada").id));
        }
    }
    let of_marker = EventQuery { user: Some(marker), limit: 100, ..EventQuery::default() };
    assert_eq!(store.events(&of_marker).await.unwrap().len(), 5);
    let of_ada = EventQuery { user: Some(person("ada").id), limit: 100, ..EventQuery::default() };
    assert_eq!(store.events(&of_ada).await.unwrap(), []);
}

/// At the time of the erasure, or of an earlier end: other replicas must hear of either.
pub async fn erased_sessions_are_in_the_feed_until_they_are_swept(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in(2)).await;
    revoke(&store, &Target::Session(session_id(1)), 5).await;
    store.erase(erasure(10, &marker())).await.unwrap();
    assert_eq!(feed(&store, at(0)).await, [1, 2].map(session_id));
    assert_eq!(feed(&store, at(6)).await, [session_id(2)]);
    assert_eq!(feed(&store, at(11)).await, []);
    assert_eq!(store.sweep(at(10), 100).await.unwrap(), 0);
    assert_eq!(feed(&store, at(0)).await, [session_id(2)]);
    store.sweep(at(11), 100).await.unwrap();
    assert_eq!(feed(&store, at(0)).await, []);
}

/// And of somebody who was only ever refused there are events alone.
pub async fn an_erasure_of_nobody_writes_nothing(store: AnyStore) {
    open(&store, sign_in_of(1, "bob")).await;
    let before = (counts(&store).await, events(&store).await);
    assert_eq!(store.erase(erasure(10, &marker())).await.unwrap(), Erased::default());
    assert_eq!((counts(&store).await, events(&store).await), before);
    store.record(Event { user: Some(person("ada").id), ..event(2, EventKind::Refused) }).await.unwrap();
    let erased = store.erase(erasure(11, &marker())).await.unwrap();
    assert_eq!(erased, Erased { events: 1, ..Erased::default() });
    assert!(erased.changed());
}

/// Whatever came before it is gone; whatever came after it is whole.
pub async fn race_an_erasure_leaves_nothing_of_those_who_sign_in_meanwhile(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let answers = together(8, |n| {
        let store = AnyStore::clone(&store);
        async move {
            if n == 0 {
                store.erase(erasure(500, &marker())).await.unwrap();
                return None;
            }
            match store.sign_in(sign_in_with(n + 1, &format!("software {}", n % 3))).await.unwrap() {
                SignedIn::Done { .. } => Some(n + 1),
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    let mut left = 0;
    for n in answers.into_iter().flatten() {
        if let Some(view) = store.session(session_id(n)).await.unwrap() {
            assert!(store.connection(view.session.connection).await.unwrap().is_some());
            left += 1;
        }
    }
    let counts = counts(&store).await;
    assert_eq!(counts.sessions, left);
    assert_eq!(counts.users, u64::from(left > 0));
    assert_eq!(store.session(session_id(1)).await.unwrap(), None);
}

/// Of nobody else.
pub async fn who_is_erased_has_no_history_of_requests(store: AnyStore) {
    open(&store, sign_in_as(1, "client-one")).await;
    store.add_requests(&[request(1, 1, "ada"), request(2, 2, "bob")]).await.unwrap();
    store.erase(erasure(3, &marker())).await.unwrap();
    let of = |name: &str| RequestsOf::User(person(name).id);
    assert_eq!(requests_of(&store, of("ada"), None, 10).await, []);
    assert_eq!(requests_of(&store, of("bob"), None, 10).await, [request(2, 2, "bob")]);
}
