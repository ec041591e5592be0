//! Cases of `revoke` and of the feed that carries it to other replicas.

use super::fixtures::*;
use crate::client::Platform;
use crate::record::EventKind;
use crate::session::SessionEnd;
use crate::store::{Ending, Revocation, SignIn, Target};

/// The second time ends nothing and writes nothing.
pub async fn revoking_a_session_ends_it_once(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in(2)).await;
    let target = Target::Session(session_id(1));
    assert_eq!(revoke(&store, &target, 10).await, [session_id(1)]);
    let end = SessionEnd { at: at(10), reason: "revoked_by_operator".to_owned() };
    assert_eq!(view(&store, 1).await.session.ended, Some(end));
    assert!(is_live(&store, 2, at(11)).await);
    assert_eq!(events(&store).await[0], event(10, EventKind::Revoked));

    let before = (counts(&store).await, view(&store, 1).await);
    assert_eq!(revoke(&store, &target, 10).await, []);
    assert_eq!(revoke(&store, &target, 11).await, []);
    assert_eq!((counts(&store).await, view(&store, 1).await), before);
}

/// And no other connection's, not even of the same user. The next sign-in finds the connection as it was.
pub async fn revoking_a_connection_ends_its_sessions(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    open(&store, sign_in(2)).await;
    open(&store, sign_in_with(3, "another")).await;
    open(&store, sign_in_of(4, "bob")).await;
    assert_eq!(revoke(&store, &Target::Connection(connection), 10).await, [session_id(1), session_id(2)]);
    assert!(is_live(&store, 3, at(11)).await && is_live(&store, 4, at(11)).await);
    assert_eq!(open(&store, sign_in(12)).await, connection);
    assert!(is_live(&store, 12, at(13)).await);
}

/// Every session of every connection; lapsed ones are ended as well, so that what they issued is in the feed.
pub async fn revoking_a_user_ends_every_connection(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in_with(2, "another")).await;
    let mut lapsed = sign_in(3);
    lapsed.session.expires_at = at(4);
    open(&store, lapsed).await;
    open(&store, sign_in_of(4, "bob")).await;
    let all = [1, 2, 3].map(session_id);
    assert_eq!(revoke(&store, &Target::User(person("ada").id), 10).await, all);
    assert!(is_live(&store, 4, at(11)).await);
    assert_eq!(feed(&store, at(10)).await, all);
}

/// Of whichever users; ids that look alike are others (HTTP-03, OP-8).
pub async fn revoking_a_client_id_goes_by_bytes(store: AnyStore) {
    for (n, id) in (1..).zip(LOOKALIKES) {
        open(&store, SignIn { max_sessions: 100, ..sign_in_as(n, id) }).await;
    }
    let mut of_bob = sign_in_of(50, "bob");
    of_bob.session.client_id = client_id(LOOKALIKES[0]);
    open(&store, of_bob).await;
    assert_eq!(revoke(&store, &Target::ClientId(client_id("nobodys")), 59).await, []);
    let first = [session_id(1), session_id(50)];
    assert_eq!(revoke(&store, &Target::ClientId(client_id(LOOKALIKES[0])), 60).await, first);
    for (n, id) in (1..).zip(LOOKALIKES).skip(1) {
        assert!(is_live(&store, n, at(61)).await, "{id}");
        assert_eq!(revoke(&store, &Target::ClientId(client_id(id)), 61 + n).await, [session_id(n)], "{id}");
    }
}

/// Of whichever users; names that look alike are others.
pub async fn revoking_a_platform_goes_by_bytes(store: AnyStore) {
    let names = ["cursor", "CURSOR", "cursor ", " cursor", "curs_r", "curso%", "other", "1", "01"];
    for (n, name) in (1..).zip(names) {
        let mut sign_in = sign_in_of(n, if n % 2 == 0 { "ada" } else { "bob" });
        sign_in.session.platform = Platform::named(name);
        open(&store, sign_in).await;
    }
    for (n, name) in (1..).zip(names) {
        assert!(is_live(&store, n, at(60)).await, "{name}");
        assert_eq!(revoke(&store, &Target::Platform(Platform::named(name)), 60 + n).await, [session_id(n)], "{name}");
    }
}

/// No event either, whatever kind of target it was.
pub async fn a_revocation_of_nothing_writes_nothing(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let before = counts(&store).await;
    let nothing = [
        Target::Session(session_id(9)),
        Target::Connection(connection_id(9)),
        Target::User(person("bob").id),
        Target::ClientId(client_id("nobodys")),
        Target::Platform(Platform::other()),
    ];
    for (n, target) in (10..).zip(&nothing) {
        assert_eq!(revoke(&store, target, n).await, [], "{target:?}");
    }
    assert_eq!(counts(&store).await, before);
    assert!(is_live(&store, 1, at(60)).await);
}

/// Time and reason of an end do not change by a later one.
pub async fn the_first_end_of_a_session_stays(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in(2)).await;
    store
        .revoke(Ending::of(Target::Session(session_id(1)), "code_replayed", at(10), event(10, EventKind::Anomaly)))
        .await
        .unwrap();
    assert_eq!(revoke(&store, &Target::User(person("ada").id), 20).await, [session_id(2)]);
    let end = SessionEnd { at: at(10), reason: "code_replayed".to_owned() };
    assert_eq!(view(&store, 1).await.session.ended, Some(end));
}

/// Inclusive, to the microsecond.
pub async fn the_feed_begins_at_the_given_time(store: AnyStore) {
    assert_eq!(feed(&store, at(0)).await, []);
    for n in 1..=3 {
        open(&store, sign_in(n)).await;
        revoke(&store, &Target::Session(session_id(n)), 10 * n).await;
    }
    open(&store, sign_in(4)).await;
    assert_eq!(feed(&store, at(10)).await, [1, 2, 3].map(session_id));
    assert_eq!(feed(&store, at(11)).await, [2, 3].map(session_id));
    assert_eq!(feed(&store, at(30)).await, [session_id(3)]);
    assert_eq!(feed(&store, at(31)).await, []);
    let microsecond = std::time::Duration::from_micros(1);
    assert_eq!(feed(&store, at(30) - microsecond).await, [session_id(3)]);
    assert_eq!(feed(&store, at(30) + microsecond).await, []);
    let entries = store.revocations_since(at(30)).await.unwrap();
    assert_eq!(entries, [Revocation { session: session_id(3), at: at(30) }]);
}

/// Whatever ended it, and a lapse is no end.
pub async fn the_feed_has_every_kind_of_end(store: AnyStore) {
    let connections = [
        open(&store, sign_in_of(1, "a")).await,
        open(&store, sign_in_of(2, "b")).await,
        open(&store, sign_in_of(3, "c")).await,
    ];
    let mut of_platform = sign_in_of(4, "d");
    of_platform.session.platform = Platform::named("cursor");
    open(&store, of_platform).await;
    let mut of_client = sign_in_of(5, "e");
    of_client.session.client_id = client_id("other-client");
    open(&store, of_client).await;
    open(&store, sign_in_of(6, "f")).await;
    open(&store, sign_in_of(7, "g")).await;
    let mut lapsed = sign_in_of(8, "h");
    lapsed.session.expires_at = at(9);
    open(&store, lapsed).await;

    revoke(&store, &Target::Session(session_id(1)), 20).await;
    revoke(&store, &Target::Connection(connections[1]), 21).await;
    revoke(&store, &Target::User(person("c").id), 22).await;
    revoke(&store, &Target::Platform(Platform::named("cursor")), 23).await;
    revoke(&store, &Target::ClientId(client_id("other-client")), 24).await;
    block(&store, &Target::User(person("f").id), 25).await;
    open(&store, SignIn { max_sessions: 1, ..sign_in_of(30, "g") }).await;
    assert_eq!(feed(&store, at(20)).await, [1, 2, 3, 4, 5, 6, 7].map(session_id));
}
