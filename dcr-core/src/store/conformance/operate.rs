//! Cases of what operators do: imports, recovery, ends that are carried over, searches and counts.

use super::fixtures::*;
use crate::client::{ImportedClient, Platform, SoftwareKey};
use crate::record::EventKind;
use crate::session::{Generation, UserId};
use crate::store::{
    Advanced, CatchUp, Census, Counts, Ending, EventQuery, Import, Imported, SignIn, Target, UserMatch, UserQuery,
};

fn imported(id: &str) -> ImportedClient {
    let redirects = ["https://claude.ai/api/mcp/auth_callback", "http://localhost/callback", "app://x/callback"];
    ImportedClient::new(client_id(id), Some("Claude  \u{1F980}"), redirects).unwrap().0
}

/// The n-th import, of Ada's Claude with these client ids.
pub(super) fn import(n: u32, ids: &[&str]) -> Import {
    let mut event = event(n, EventKind::Imported);
    event.user = Some(person("ada").id);
    Import {
        user: person("ada"),
        software: SoftwareKey::from_stored("platform:claude-web"),
        platform: Platform::named("claude-web"),
        new_connection: connection_id(n),
        clients: ids.iter().map(|id| imported(id)).collect(),
        first_used_at: at(-100),
        last_used_at: at(-50),
        event,
    }
}

/// A user, a connection, an alias and a client for each id, also for one that is in it twice; and no session, since nobody
/// signed in.
pub async fn an_import_writes_every_row(store: AnyStore) {
    let answer = store.import(import(1, &["dcr_old-1", "dcr_OLD-1", "dcr_old-1"])).await.unwrap();
    let connection = connection_id(1);
    let expected = Imported { connection, new_user: true, new_connection: true, new_aliases: 2, new_clients: 2 };
    assert_eq!(answer, expected);
    let expected = Counts {
        users: 1,
        connections: 1,
        aliases: 2,
        sessions: 0,
        blocks: 0,
        events: 1,
        imported_clients: 2,
        ..Counts::default()
    };
    assert_eq!(counts(&store).await, expected);
    let rows = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].created_at, rows[0].last_sign_in_at), (at(-100), at(-50)));
    let mut aliases = rows[0].aliases.clone();
    aliases.sort_unstable();
    assert_eq!(aliases, [client_id("dcr_OLD-1"), client_id("dcr_old-1")]);
    let events = events(&store).await;
    assert_eq!((events[0].kind, events[0].connection), (EventKind::Imported, Some(connection)));
}

/// As bytes: no lookalike finds it, and each lookalike is one of its own.
pub async fn imported_clients_are_found_by_bytes(store: AnyStore) {
    assert_eq!(store.imported_client(&client_id("dcr_old")).await.unwrap(), None);
    for (n, id) in (1..).zip(LOOKALIKES) {
        assert_eq!(store.imported_client(&client_id(id)).await.unwrap(), None, "{id}");
        store.import(import(n, &[id])).await.unwrap();
        assert_eq!(store.imported_client(&client_id(id)).await.unwrap(), Some(imported(id)), "{id}");
        assert!(store.has_imported_clients().await.unwrap());
    }
}

/// It neither renames a person nor moves a time, and says that it changed nothing.
pub async fn an_import_that_comes_again_changes_nothing(store: AnyStore) {
    let first = store.import(import(1, &["dcr_old-1", "dcr_old-2"])).await.unwrap();
    let before = (counts(&store).await, store.connections_of(&person("ada").id).await.unwrap());
    let mut again = import(2, &["dcr_old-1", "dcr_old-2"]);
    again.user.name = Some("Somebody else".to_owned());
    (again.first_used_at, again.last_used_at) = (at(1), at(2));
    again.clients[0] = ImportedClient::new(client_id("dcr_old-1"), None, ["https://other.example/"]).unwrap().0;
    let answer = store.import(again).await.unwrap();
    assert!(!answer.changed());
    assert_eq!(answer.connection, first.connection);
    assert_eq!((counts(&store).await, store.connections_of(&person("ada").id).await.unwrap()), before);
    assert_eq!(store.imported_client(&client_id("dcr_old-1")).await.unwrap(), Some(imported("dcr_old-1")));
    let query = UserQuery { limit: 10, ..UserQuery::default() };
    assert_eq!(store.users(&query).await.unwrap(), [person("ada")]);
}

/// What was there before, and what comes after.
pub async fn an_import_and_a_sign_in_share_the_connection(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    let answer = store.import(import(2, &["dcr_old-1"])).await.unwrap();
    let expected = Imported { connection, new_user: false, new_connection: false, new_aliases: 1, new_clients: 1 };
    assert_eq!(answer, expected);
    assert_eq!(open(&store, sign_in_as(3, "dcr_old-1")).await, connection);
    let rows = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].aliases.len(), 2);
    assert_eq!((rows[0].created_at, rows[0].last_sign_in_at), (at(1), at(3)));
}

/// However many there are: the cap is for ids that come in later.
pub async fn imported_aliases_do_not_count_towards_the_cap(store: AnyStore) {
    let ids: Vec<String> = (0..8).map(|n| format!("dcr_old-{n}")).collect();
    store.import(import(1, &ids.iter().map(String::as_str).collect::<Vec<_>>())).await.unwrap();
    for (n, id) in (2..).zip(["new-client-1", "new-client-2", "new-client-3", "dcr_old-3"]) {
        open(&store, SignIn { max_aliases: 2, ..sign_in_as(n, id) }).await;
    }
    let rows = store.connections_of(&person("ada").id).await.unwrap();
    let has = |id: &str| rows[0].aliases.contains(&client_id(id));
    assert!(ids.iter().all(|id| has(id)));
    assert!(!has("new-client-1") && has("new-client-2") && has("new-client-3"));
}

fn catch_up(presented: u32, now: i64) -> CatchUp {
    CatchUp {
        presented: Generation::new(presented),
        now: at(now),
        expires_at: at(now + 3_600),
        adopted_secret: Some([7; 32]),
        event: event(u32::try_from(now).unwrap(), EventKind::Recovered),
    }
}

/// Also a row that lapsed at the code, and it remembers what the redemption would have.
pub async fn catching_up_moves_a_session_past_the_token(store: AnyStore) {
    let mut behind = sign_in(1);
    behind.session.expires_at = at(60);
    open(&store, behind).await;
    let Advanced::Won(session) = store.catch_up(session_id(1), catch_up(5, 100)).await.unwrap() else {
        panic!("not caught up");
    };
    assert_eq!(session, view(&store, 1).await.session);
    assert_eq!(session.generation, Generation::new(6));
    assert_eq!((session.advanced_at, session.redeemed_at), (at(100), Some(at(100))));
    assert_eq!((session.expires_at, session.adopted_secret), (at(3_700), Some([7; 32])));
    assert_eq!(events(&store).await[0], event(100, EventKind::Recovered));

    let again = CatchUp { adopted_secret: Some([8; 32]), ..catch_up(9, 200) };
    let Advanced::Won(session) = store.catch_up(session_id(1), again).await.unwrap() else { panic!("not caught up") };
    assert_eq!((session.redeemed_at, session.adopted_secret), (Some(at(100)), Some([7; 32])));
    assert!(matches!(advanced(&store, 1, advance(10, 210)).await, Advanced::Won(_)));
}

/// One that has been caught up already, one that ended, one past its absolute end, one that is not there.
pub async fn catching_up_stops_at_what_is_level_or_over(store: AnyStore) {
    open(&store, sign_in(1)).await;
    advanced(&store, 1, advance(0, 2)).await;
    let before = (counts(&store).await, view(&store, 1).await);
    for presented in [0, 1] {
        let answer = store.catch_up(session_id(1), catch_up(presented, 10)).await.unwrap();
        assert_eq!(answer, Advanced::Lost(before.1.session.clone()));
    }
    let answer = store.catch_up(session_id(1), catch_up(5, 2_000_000)).await.unwrap();
    assert_eq!(answer, Advanced::Gone(Some(before.1.session.clone())));
    assert_eq!(store.catch_up(session_id(2), catch_up(5, 10)).await.unwrap(), Advanced::Gone(None));
    assert_eq!((counts(&store).await, view(&store, 1).await), before);
    revoke(&store, &Target::Session(session_id(1)), 20).await;
    let over = view(&store, 1).await.session;
    assert_eq!(store.catch_up(session_id(1), catch_up(5, 30)).await.unwrap(), Advanced::Gone(Some(over)));
}

/// The last word counts, whether later or earlier.
pub async fn the_recovery_window_is_kept(store: AnyStore) {
    assert_eq!(store.recovery_until().await.unwrap(), None);
    for (n, until) in [(1, 500), (2, 900), (3, 3)] {
        store.open_recovery(at(until), event(n, EventKind::RecoveryOpened)).await.unwrap();
        assert_eq!(store.recovery_until().await.unwrap(), Some(at(until)));
        assert_eq!(events(&store).await[0], event(n, EventKind::RecoveryOpened));
    }
}

/// An end that is carried over does not mean what was opened after it; one at the same moment it does.
pub async fn an_end_may_be_limited_to_what_was_open_then(store: AnyStore) {
    for n in 1..=4 {
        open(&store, sign_in(n)).await;
    }
    let until = |n: u32, seconds| Ending {
        opened_until: Some(at(seconds)),
        ..Ending::of(Target::User(person("ada").id), "replayed", at(50), event(n, EventKind::Revoked))
    };
    assert_eq!(store.revoke(until(50, 0)).await.unwrap(), []);
    let mut ended = store.revoke(until(51, 2)).await.unwrap();
    ended.sort_unstable();
    assert_eq!(ended, [session_id(1), session_id(2)]);
    assert_eq!(store.block(until(52, 3)).await.unwrap(), [session_id(3)]);
    assert!(is_live(&store, 4, at(60)).await);
    assert_eq!(counts(&store).await.blocks, 1);
}

/// By each kind of key, and by nothing that only looks like it.
pub async fn users_are_found(store: AnyStore) {
    let mut ada = sign_in_of(1, "ada");
    ada.user.email = Some("Ada@Example.com".to_owned());
    open(&store, ada.clone()).await;
    let mut bob = sign_in_of(2, "bob");
    bob.user.email = None;
    bob.session.client_id = client_id("CLIENT-one");
    open(&store, bob.clone()).await;
    for (n, name, email) in [(3, "eve", "\u{c9}va@example.com"), (4, "zoe", "Zoe@example.com ")] {
        let mut another = sign_in_of(n, name);
        another.user.email = Some(email.to_owned());
        another.session.client_id = client_id("client-two");
        open(&store, another).await;
    }
    let found = |matching: UserMatch| {
        let store = AnyStore::clone(&store);
        async move {
            let query = UserQuery { matching: Some(matching), limit: 10, ..UserQuery::default() };
            store.users(&query).await.unwrap().into_iter().map(|user| user.object_id).collect::<Vec<_>>()
        }
    };
    assert_eq!(found(UserMatch::Email("aDA@example.COM".to_owned())).await, ["ada"]);
    assert_eq!(found(UserMatch::Email("ada@example.co_".to_owned())).await, [""; 0]);
    assert_eq!(found(UserMatch::Email("%".to_owned())).await, [""; 0]);
    // Of ASCII the letters are alike; nothing else is, nor a space at the end or an accent.
    for (email, expected) in [
        ("\u{c9}VA@EXAMPLE.com", Some("eve")),
        ("\u{e9}va@example.com", None),
        ("E\u{301}va@example.com", None),
        ("eva@example.com", None),
        ("zOE@example.com ", Some("zoe")),
        ("zoe@example.com", None),
        ("ada@example.com ", None),
        ("ada@example.com\0", None),
        ("\u{212a}", None),
    ] {
        let found = found(UserMatch::Email(email.to_owned())).await;
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{email:?}");
    }
    assert_eq!(found(UserMatch::ObjectId("bob".to_owned())).await, ["bob"]);
    assert_eq!(found(UserMatch::ObjectId("Bob".to_owned())).await, [""; 0]);
    assert_eq!(found(UserMatch::ObjectId("bob ".to_owned())).await, [""; 0]);
    assert_eq!(found(UserMatch::Id(person("ada").id)).await, ["ada"]);
    assert_eq!(found(UserMatch::ClientId(client_id("client-one"))).await, ["ada"]);
    assert_eq!(found(UserMatch::ClientId(client_id("CLIENT-one"))).await, ["bob"]);
    assert_eq!(found(UserMatch::ClientId(client_id("Client-one"))).await, [""; 0]);
}

/// In the order of their ids, none twice and none left out; at most as many as asked for, and never none (OP-3).
pub async fn users_come_in_pages(store: AnyStore) {
    for n in 1..=7 {
        open(&store, sign_in_of(n, &format!("person-{n}"))).await;
    }
    let mut all: Vec<UserId> = (1..=7).map(|n| person(&format!("person-{n}")).id).collect();
    all.sort_unstable();
    for limit in [0, 1, 3, 7, u32::MAX] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.users(&UserQuery { matching: None, after, limit }).await.unwrap();
            assert!(page.len() <= usize::try_from(limit.max(1)).unwrap());
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            seen.extend(page.into_iter().map(|user| user.id));
        }
        assert_eq!(seen, all, "{limit}");
    }
}

/// Of one time or of several: a page begins where the one before it ended.
pub async fn events_come_in_pages(store: AnyStore) {
    for n in 0..20 {
        store.record(crate::record::Event { at: at(i64::from(n / 6)), ..event(n, EventKind::Anomaly) }).await.unwrap();
    }
    let all = events(&store).await;
    for limit in [1, 3, 20] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let query = EventQuery { before, limit, since: Some(at(1)), ..EventQuery::default() };
            let page = store.events(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            before = Some((last.at, last.id));
            seen.extend(page);
        }
        assert_eq!(seen, all[..14], "{limit}");
    }
}

/// By what they are at that moment; who has the most comes first.
pub async fn a_census_counts_sessions_by_state(store: AnyStore) {
    assert_eq!(store.census(at(0)).await.unwrap(), Census::default());
    for n in 1..=3 {
        open(&store, sign_in_of(n, "ada")).await;
    }
    for n in 4..=5 {
        open(&store, sign_in_of(n, "bob")).await;
    }
    let mut lapsed = sign_in_of(6, "bob");
    lapsed.session.expires_at = at(10);
    open(&store, lapsed).await;
    open(&store, sign_in_of(7, "eve")).await;
    revoke(&store, &Target::Session(session_id(7)), 20).await;
    let census = store.census(at(30)).await.unwrap();
    let busiest = vec![(person("ada").id, 3), (person("bob").id, 2)];
    assert_eq!(census, Census { live: 5, lapsed: 1, ended: 1, busiest });
    let census = store.census(at(5)).await.unwrap();
    assert_eq!((census.live, census.lapsed), (6, 0));
}
