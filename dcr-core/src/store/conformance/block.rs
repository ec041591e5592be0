//! Cases of `block`, `unblock` and `blocked`.

use super::fixtures::*;
use crate::client::Platform;
use crate::record::EventKind;
use crate::store::{BlockKind, Counts, SignIn, SignedIn, Target};

/// And a refused sign-in writes nothing.
pub async fn a_block_ends_sessions_and_refuses_sign_ins(store: AnyStore) {
    open(&store, sign_in(1)).await;
    open(&store, sign_in_with(2, "another")).await;
    open(&store, sign_in_of(3, "bob")).await;
    let target = Target::User(person("ada").id);
    assert_eq!(block(&store, &target, 10).await, [session_id(1), session_id(2)]);
    assert_eq!(view(&store, 1).await.session.ended.unwrap().reason, "blocked_by_operator");
    assert!(is_live(&store, 3, at(11)).await);
    assert_eq!(events(&store).await[0], event(10, EventKind::Blocked));

    let before = (counts(&store).await, view(&store, 1).await);
    let mut renamed = sign_in_with(20, "a third");
    renamed.user.name = Some("Changed".to_owned());
    assert_eq!(store.sign_in(renamed).await.unwrap(), SignedIn::Blocked(BlockKind::User));
    assert_eq!((counts(&store).await, view(&store, 1).await), before);
    assert_eq!(store.session(session_id(20)).await.unwrap(), None);
    open(&store, sign_in_of(21, "bob")).await;
}

/// User, connection, client id, platform; where several apply, the first of these.
pub async fn every_kind_of_block_says_which_it_is(store: AnyStore) {
    let connection = open(&store, sign_in(1)).await;
    let targets = [
        (Target::Platform(Platform::named("claude-web")), BlockKind::Platform),
        (Target::ClientId(client_id("client-one")), BlockKind::ClientId),
        (Target::Connection(connection), BlockKind::Connection),
        (Target::User(person("ada").id), BlockKind::User),
    ];
    for (n, (target, kind)) in (10..).zip(&targets) {
        block(&store, target, n).await;
        assert_eq!(store.sign_in(sign_in(n)).await.unwrap(), SignedIn::Blocked(*kind));
        assert_eq!(store.blocked(std::slice::from_ref(target)).await.unwrap(), Some(*kind));
    }
    assert_eq!(counts(&store).await.blocks, 4);

    // Another user is not touched by the connection, and is by client id and platform.
    let elsewhere = |n| {
        let mut sign_in = sign_in_of(n, "bob");
        sign_in.session.client_id = client_id("client-two");
        sign_in.session.platform = Platform::named("cursor");
        sign_in
    };
    open(&store, elsewhere(20)).await;
    let mut with_client = elsewhere(21);
    with_client.session.client_id = client_id("client-one");
    assert_eq!(store.sign_in(with_client).await.unwrap(), SignedIn::Blocked(BlockKind::ClientId));
    let mut on_platform = elsewhere(22);
    on_platform.session.platform = Platform::named("claude-web");
    assert_eq!(store.sign_in(on_platform).await.unwrap(), SignedIn::Blocked(BlockKind::Platform));
}

/// Client ids and platforms that look alike are not blocked along with one (HTTP-03, OP-8), nor across kinds.
pub async fn blocks_are_bytes(store: AnyStore) {
    block(&store, &Target::ClientId(client_id(LOOKALIKES[0])), 1).await;
    for id in LOOKALIKES {
        let answer = store.blocked(&[Target::ClientId(client_id(id))]).await.unwrap();
        assert_eq!(answer, (id == LOOKALIKES[0]).then_some(BlockKind::ClientId), "{id}");
        assert_eq!(store.blocked(&[Target::Platform(Platform::named(id))]).await.unwrap(), None, "{id}");
    }
    block(&store, &Target::Platform(Platform::named("cursor ")), 2).await;
    for name in ["cursor", "cursor  ", "Cursor ", " cursor"] {
        assert_eq!(store.blocked(&[Target::Platform(Platform::named(name))]).await.unwrap(), None, "{name:?}");
    }
}

/// Blocking again changes nothing, unless a session ends by it.
pub async fn a_block_is_written_once(store: AnyStore) {
    let target = Target::User(person("ada").id);
    block(&store, &target, 1).await;
    let before = counts(&store).await;
    assert_eq!(block(&store, &target, 2).await, []);
    assert_eq!(counts(&store).await, before);
    assert_eq!((before.blocks, before.events), (1, 1));
}

/// Of somebody who was never here, for instance.
pub async fn a_block_needs_no_sessions(store: AnyStore) {
    assert_eq!(block(&store, &Target::User(person("ada").id), 1).await, []);
    assert_eq!(block(&store, &Target::Connection(connection_id(9)), 2).await, []);
    assert_eq!(counts(&store).await, Counts { blocks: 2, events: 2, ..Counts::default() });
    assert_eq!(store.sign_in(sign_in(3)).await.unwrap(), SignedIn::Blocked(BlockKind::User));
    // The id of a connection to be made counts as well.
    let made = SignIn { new_connection: connection_id(9), ..sign_in_of(4, "bob") };
    assert_eq!(store.sign_in(made).await.unwrap(), SignedIn::Blocked(BlockKind::Connection));
    store.sweep(far(), 100).await.unwrap();
    assert_eq!(counts(&store).await, Counts { blocks: 2, events: 2, ..Counts::default() });
}

/// For a session a block is a revocation.
pub async fn a_session_is_ended_and_not_blocked(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let target = Target::Session(session_id(1));
    assert_eq!(block(&store, &target, 10).await, [session_id(1)]);
    assert_eq!(block(&store, &target, 11).await, []);
    assert_eq!(
        counts(&store).await,
        Counts {
            users: 1,
            connections: 1,
            aliases: 1,
            sessions: 1,
            blocks: 0,
            events: 2,
            imported_clients: 0,
            ..Counts::default()
        }
    );
    assert_eq!(store.blocked(std::slice::from_ref(&target)).await.unwrap(), None);
    assert!(!store.unblock(&target, event(12, EventKind::Unblocked)).await.unwrap());
    open(&store, sign_in(13)).await;
}

/// What the block ended stays ended; lifting what is not there writes nothing.
pub async fn unblocking_lets_sign_ins_through(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let target = Target::ClientId(client_id("client-one"));
    block(&store, &target, 10).await;
    assert!(!store.unblock(&Target::ClientId(client_id("Client-One")), event(11, EventKind::Unblocked)).await.unwrap());
    assert_eq!(counts(&store).await.events, 2);
    assert!(store.unblock(&target, event(12, EventKind::Unblocked)).await.unwrap());
    assert!(!store.unblock(&target, event(13, EventKind::Unblocked)).await.unwrap());
    assert_eq!(events(&store).await[0], event(12, EventKind::Unblocked));
    assert_eq!((counts(&store).await.blocks, counts(&store).await.events), (0, 3));
    assert!(!is_live(&store, 1, at(14)).await);
    open(&store, sign_in(14)).await;
}

/// In the given order; nothing given, nothing blocked.
pub async fn blocked_answers_the_first_that_is(store: AnyStore) {
    let user = Target::User(person("ada").id);
    let client = Target::ClientId(client_id("client-one"));
    let free = Target::Platform(Platform::other());
    let session = Target::Session(session_id(1));
    block(&store, &user, 1).await;
    block(&store, &client, 2).await;
    let blocked = |targets: Vec<Target>| {
        let store = AnyStore::clone(&store);
        async move { store.blocked(&targets).await.unwrap() }
    };
    assert_eq!(blocked(vec![]).await, None);
    assert_eq!(blocked(vec![session.clone(), free.clone()]).await, None);
    assert_eq!(blocked(vec![free.clone(), client.clone(), user.clone()]).await, Some(BlockKind::ClientId));
    assert_eq!(blocked(vec![session, user, client, free]).await, Some(BlockKind::User));
}
