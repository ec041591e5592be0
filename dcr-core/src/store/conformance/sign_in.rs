//! Cases of `sign_in`: what it writes, what it finds, what it caps.

use super::fixtures::*;
use crate::client::{AuthMethod, Platform, Provenance};
use crate::oauth::ScopeSet;
use crate::record::EventKind;
use crate::session::{Generation, SessionEnd, User};
use crate::store::{Counts, EventQuery, SessionView, SignIn, SignedIn, Target};
use crate::upstream::{Groups, Roles};

/// User, connection, alias, session and event, in one go.
pub async fn a_first_sign_in_writes_every_row(store: AnyStore) {
    let answer = store.sign_in(sign_in(1)).await.unwrap();
    assert_eq!(answer, SignedIn::Done { connection: connection_id(1), first: true, evicted: vec![] });
    let expected = Counts {
        users: 1,
        connections: 1,
        aliases: 1,
        sessions: 1,
        blocks: 0,
        events: 1,
        imported_clients: 0,
        ..Counts::default()
    };
    assert_eq!(counts(&store).await, expected);

    let SignIn { user, session, software, mut event, .. } = sign_in(1);
    assert_eq!(view(&store, 1).await, SessionView { session, user: user.clone() });
    let connections = store.connections_of(&user.id).await.unwrap();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].id, connection_id(1));
    assert_eq!(connections[0].user, user.id);
    assert_eq!(connections[0].software, software);
    assert_eq!(connections[0].platform, Platform::named("claude-web"));
    assert_eq!(connections[0].aliases, [client_id("client-one")]);
    assert_eq!((connections[0].created_at, connections[0].last_sign_in_at), (at(1), at(1)));
    event.connection = Some(connection_id(1));
    assert_eq!(events(&store).await, [event]);
}

/// Every field of every value, the long and the odd ones too.
pub async fn a_session_reads_back_as_it_was_written(store: AnyStore) {
    let provenances =
        [Provenance::PreRegistered, Provenance::Sealed, Provenance::MetadataDocument, Provenance::Adopted];
    for (n, provenance) in (1..).zip(provenances) {
        for (m, auth_method) in (1..).zip(AuthMethod::ALL) {
            let mut sign_in = sign_in_of(n * 10 + m, "o'Brien \"Ob\" \\ \u{1f980} ß\u{301} -- ; %");
            sign_in.user.name = (m != 2).then(|| "  O'Brien\n\u{202e}\u{1f980}  ".to_owned());
            sign_in.user.email = (m != 3).then(String::new);
            sign_in.user.tenant = String::new();
            let session = &mut sign_in.session;
            session.provenance = provenance;
            session.auth_method = auth_method;
            session.client_id = client_id(&"~".repeat(1_024));
            session.redirect_uri = format!("https://a.example/{}", "%20".repeat(600));
            session.resource = "https://a.example:8443/mcp/?q=%2F".to_owned();
            session.scope =
                if m == 1 { ScopeSet::default() } else { ScopeSet::parse_lossy("a:b offline_access c.d/e") };
            session.platform = Platform::named("a platform ");
            session.adopted_secret = (m == 1).then_some([0; 32]);
            session.refreshable = m == 2;
            session.generation = Generation::new(if m == 3 { u32::MAX } else { 7 });
            session.redeemed_at = (m != 1).then(|| at(-5));
            session.ended = (m == 3).then(|| SessionEnd { at: at(9), reason: "an odd 'reason'".to_owned() });
            session.created_at = at(-1_700_000_001);
            session.advanced_at = crate::clock::Timestamp::from_unix_micros(1_234_567_890_123_457);
            let written = sign_in.clone();
            let connection = open(&store, sign_in).await;
            let expected = crate::session::Session { connection, ..written.session };
            assert_eq!(view(&store, n * 10 + m).await, SessionView { session: expected, user: written.user });
        }
    }
}

/// ME-10 in sequence: the same person with the same software has one connection.
pub async fn a_second_sign_in_finds_the_connection(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let mut second = sign_in_as(2, "client-two");
    second.session.platform = Platform::named("claude-desktop");
    let answer = store.sign_in(second).await.unwrap();
    assert_eq!(answer, SignedIn::Done { connection: connection_id(1), first: false, evicted: vec![] });
    let expected = Counts {
        users: 1,
        connections: 1,
        aliases: 2,
        sessions: 2,
        blocks: 0,
        events: 2,
        imported_clients: 0,
        ..Counts::default()
    };
    assert_eq!(counts(&store).await, expected);

    let connections = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(connections[0].aliases, [client_id("client-one"), client_id("client-two")]);
    assert_eq!((connections[0].created_at, connections[0].last_sign_in_at), (at(1), at(2)));
    assert_eq!(connections[0].platform, Platform::named("claude-web"), "the platform it was first seen as");
    // Merging is a label: both sessions keep the id that was presented.
    assert_eq!(view(&store, 1).await.session.client_id, client_id("client-one"));
    assert_eq!(view(&store, 2).await.session.client_id, client_id("client-two"));
}

/// The connection and user of session and event are the ones that were found, whatever came in.
pub async fn a_session_belongs_to_what_was_found(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let mut second = sign_in(2);
    second.session.connection = connection_id(77);
    second.event.connection = None;
    open(&store, second).await;
    let session = view(&store, 2).await.session;
    assert_eq!((session.connection, session.user), (connection_id(1), person("ada").id));
    let query = EventQuery { session: Some(session_id(2)), limit: 10, ..EventQuery::default() };
    assert_eq!(store.events(&query).await.unwrap()[0].connection, Some(connection_id(1)));
}

/// Also where the latest has none: a name that was removed upstream does not stay here, nor does a group.
pub async fn the_latest_name_email_groups_and_roles_win(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let listed = |groups: &[&str]| Groups::Listed(groups.iter().map(|group| (*group).to_owned()).collect());
    let changed = |n, name: Option<&str>, email: Option<&str>, groups: Groups, roles: &[&str]| {
        let mut sign_in = sign_in(n);
        let (name, email) = (name.map(str::to_owned), email.map(str::to_owned));
        let roles = Roles::new(roles.iter().map(|role| (*role).to_owned()));
        sign_in.user = User { name, email, groups, roles, ..sign_in.user };
        sign_in
    };
    let latest = [
        changed(2, Some("Ada King"), None, listed(&["g1", "\u{ac00}\"', "]), &["Mcp.Admin", "Mcp.User"]),
        changed(3, None, Some("ada@other.example"), Groups::TooMany, &[]),
        changed(4, None, None, listed(&[]), &["Mcp.User"]),
        changed(5, None, None, Groups::Unsaid, &[]),
    ];
    for sign_in in latest {
        open(&store, sign_in.clone()).await;
        assert_eq!(view(&store, 1).await.user, sign_in.user);
    }
    assert_eq!(counts(&store).await.users, 1);
}

/// A transaction opens at most one session, whoever comes with it; nothing of the second is written.
pub async fn a_session_id_is_used_once(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let (before, session) = (counts(&store).await, view(&store, 1).await);
    let mut again = sign_in_of(2, "bob");
    again.session.id = session_id(1);
    assert_eq!(store.sign_in(again).await.unwrap(), SignedIn::Used);
    let mut same = sign_in_as(3, "client-two");
    same.session.id = session_id(1);
    same.user.name = Some("Changed".to_owned());
    assert_eq!(store.sign_in(same).await.unwrap(), SignedIn::Used);
    assert_eq!((counts(&store).await, view(&store, 1).await), (before, session));

    revoke(&store, &Target::Session(session_id(1)), 4).await;
    let mut ended = sign_in(5);
    ended.session.id = session_id(1);
    assert_eq!(store.sign_in(ended).await.unwrap(), SignedIn::Used, "an ended session is used too");
}

/// The same software, client id and redirect, and two people: two of everything.
pub async fn users_share_nothing(store: AnyStore) {
    let ada = open(&store, sign_in_of(1, "ada")).await;
    let bob = open(&store, sign_in_of(2, "bob")).await;
    let upper = open(&store, sign_in_of(3, "ADA")).await;
    assert!(ada != bob && ada != upper && bob != upper);
    let expected = Counts {
        users: 3,
        connections: 3,
        aliases: 3,
        sessions: 3,
        blocks: 0,
        events: 3,
        imported_clients: 0,
        ..Counts::default()
    };
    assert_eq!(counts(&store).await, expected);
    revoke(&store, &Target::User(person("ada").id), 10).await;
    assert!(is_live(&store, 2, at(11)).await && is_live(&store, 3, at(11)).await);
}

/// Software that differs in one byte is other software (HTTP-03, OP-8).
pub async fn software_keys_are_bytes(store: AnyStore) {
    let keys: Vec<&str> =
        LOOKALIKES.into_iter().chain(["abcdefgh ", " abcdefgh", "e\u{301}", "\u{e9}", "ß", "ss"]).collect();
    for (n, key) in (1..).zip(&keys) {
        let answer = store.sign_in(sign_in_with(n, key)).await.unwrap();
        assert_eq!(answer, SignedIn::Done { connection: connection_id(n), first: true, evicted: vec![] }, "{key}");
    }
    for (n, key) in (1..).zip(&keys) {
        assert_eq!(open(&store, sign_in_with(100 + n, key)).await, connection_id(n), "{key}");
    }
    let connections = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(connections.iter().map(|c| c.software.as_str()).collect::<Vec<_>>(), keys);
}

/// Client ids that differ in one byte are different aliases (HTTP-03, OP-8).
pub async fn aliases_are_bytes(store: AnyStore) {
    for (n, id) in (1..).zip(LOOKALIKES) {
        open(&store, SignIn { max_sessions: 100, ..sign_in_as(n, id) }).await;
    }
    let connections = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(connections.len(), 1);
    assert_eq!(connections[0].aliases, LOOKALIKES.map(client_id));
    for (n, id) in (1..).zip(LOOKALIKES) {
        assert_eq!(view(&store, n).await.session.client_id, client_id(id));
    }
}

/// However often it is used, and it keeps its place.
pub async fn an_alias_is_kept_once(store: AnyStore) {
    for (n, id) in (1..).zip(["one", "two", "one", "three", "one"]) {
        open(&store, sign_in_as(n, id)).await;
    }
    let connections = store.connections_of(&person("ada").id).await.unwrap();
    assert_eq!(connections[0].aliases, ["one", "two", "three"].map(client_id));
    assert_eq!(counts(&store).await.aliases, 3);
}

/// Above the cap; the one just used never goes, and a cap that was lowered is reached at once.
pub async fn the_alias_unused_longest_goes(store: AnyStore) {
    let capped = |n, id, max_aliases| SignIn { max_aliases, ..sign_in_as(n, id) };
    for (n, id) in (1..).zip(["one", "two", "three", "one", "four"]) {
        open(&store, capped(n, id, 3)).await;
    }
    let aliases = |connections: Vec<crate::session::Connection>| connections[0].aliases.clone();
    let user = person("ada").id;
    assert_eq!(aliases(store.connections_of(&user).await.unwrap()), ["one", "three", "four"].map(client_id));
    open(&store, capped(6, "five", 1)).await;
    assert_eq!(aliases(store.connections_of(&user).await.unwrap()), ["five"].map(client_id));
    open(&store, capped(7, "six", 0)).await;
    assert_eq!(aliases(store.connections_of(&user).await.unwrap()), ["six"].map(client_id));
    // Also when the clock of this replica is behind.
    open(&store, SignIn { now: at(-50), ..capped(8, "seven", 1) }).await;
    assert_eq!(aliases(store.connections_of(&user).await.unwrap()), ["seven"].map(client_id));
    // A forgotten alias is a forgotten label: its session lives.
    assert!(is_live(&store, 1, at(10)).await);
    let bob = SignIn { max_aliases: 1, ..sign_in_of(9, "bob") };
    open(&store, bob).await;
    assert_eq!(counts(&store).await.aliases, 2, "a cap is per connection");
}

/// MG-10: the smallest `advanced_at` goes, not the oldest sign-in, and never the new one.
pub async fn the_session_idle_longest_is_evicted(store: AnyStore) {
    for n in 1..=3 {
        open(&store, sign_in(n)).await;
    }
    advanced(&store, 1, advance(0, 10)).await;
    let mut fourth = SignIn { max_sessions: 3, ..sign_in(20) };
    fourth.session.advanced_at = at(-1_000);
    let answer = store.sign_in(fourth).await.unwrap();
    assert_eq!(answer, SignedIn::Done { connection: connection_id(1), first: false, evicted: vec![session_id(2)] });
    let end = SessionEnd { at: at(20), reason: "evicted".to_owned() };
    assert_eq!(view(&store, 2).await.session.ended, Some(end));
    for n in [1, 3, 20] {
        assert!(is_live(&store, n, at(21)).await, "{n}");
    }
    let only_one = store.sign_in(SignIn { max_sessions: 0, ..sign_in(30) }).await.unwrap();
    let SignedIn::Done { evicted, .. } = only_one else { panic!("{only_one:?}") };
    assert_eq!(evicted.len(), 3);
    assert!(is_live(&store, 30, at(31)).await, "the new one stays, even under a cap of none");
}

/// With connection and session filled in.
pub async fn an_eviction_is_on_the_record_and_in_the_feed(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, SignIn { max_sessions: 1, ..sign_in(2) }).await;
    let evictions: Vec<_> = events(&store).await.into_iter().filter(|e| e.kind == EventKind::Evicted).collect();
    assert_eq!(evictions.len(), 1);
    assert_eq!(evictions[0].connection, Some(connection_id(1)));
    assert_eq!(evictions[0].session, Some(session_id(1)));
    assert_eq!(evictions[0].user, Some(person("ada").id));
    assert_eq!(evictions[0].reason, "too_many");
    assert_eq!(counts(&store).await.events, 3);
    assert_eq!(feed(&store, at(2)).await, [session_id(1)]);
}

/// Neither ended nor lapsed ones, nor those of another connection.
pub async fn only_live_sessions_count_towards_the_cap(store: AnyStore) {
    open(&store, sign_in(1)).await;
    revoke(&store, &Target::Session(session_id(1)), 2).await;
    let mut lapsed = sign_in(3);
    lapsed.session.expires_at = at(10);
    open(&store, lapsed).await;
    open(&store, sign_in_with(4, "another")).await;
    open(&store, sign_in_of(5, "bob")).await;
    open(&store, sign_in(6)).await;
    let answer = store.sign_in(SignIn { max_sessions: 2, ..sign_in(10) }).await.unwrap();
    assert_eq!(answer, SignedIn::Done { connection: connection_id(1), first: false, evicted: vec![] });
    assert_eq!(view(&store, 3).await.session.ended, None);
}

/// A cap that was lowered is reached over several sign-ins.
pub async fn no_more_sessions_go_than_there_are_events(store: AnyStore) {
    for n in 1..=6 {
        open(&store, sign_in(n)).await;
    }
    let few = |n, events| {
        let mut sign_in = SignIn { max_sessions: 2, ..sign_in(n) };
        sign_in.evictions.truncate(events);
        sign_in
    };
    let evicted = |answer| match answer {
        SignedIn::Done { evicted, .. } => evicted,
        other => panic!("{other:?}"),
    };
    assert_eq!(evicted(store.sign_in(few(7, 2)).await.unwrap()), [session_id(1), session_id(2)]);
    assert_eq!(evicted(store.sign_in(few(8, 0)).await.unwrap()), []);
    let rest = [3, 4, 5, 6, 7].map(session_id);
    assert_eq!(evicted(store.sign_in(few(9, 10)).await.unwrap()), rest);
    assert_eq!(feed(&store, at(0)).await.len(), 7);
    assert_eq!(counts(&store).await.events, 9 + 7);
}
