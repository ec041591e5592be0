//! Races, run for real: many tasks at the same moment, many rounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::fixtures::*;
use crate::record::EventKind;
use crate::seal::Secret;
use crate::session::Generation;
use crate::store::{Advance, Advanced, BlockKind, CatchUp, Counts, Ending, Erasure, SignIn, SignedIn, Target};

/// I-12, RT-2: of 64 concurrent advances of one generation exactly one wins, and what it wrote stays.
pub async fn race_one_of_many_advances_wins(store: AnyStore) {
    open(&store, sign_in(1)).await;
    for from in 0..24 {
        let answers = together(64, |n| {
            let store = AnyStore::clone(&store);
            let secret = [u8::try_from(n).unwrap(); 32];
            let advance = Advance { adopted_secret: Some(secret), ..advance(from, 10 + i64::from(n)) };
            async move { (n, store.advance(session_id(1), advance).await.unwrap()) }
        })
        .await;
        let session = view(&store, 1).await.session;
        assert_eq!(session.generation, Generation::new(from + 1));
        let mut winners = 0;
        for (n, answer) in answers {
            match answer {
                Advanced::Won(won) => {
                    winners += 1;
                    assert_eq!(won.advanced_at, at(10 + i64::from(n)));
                    assert_eq!(won, session, "the winner's write is what stays");
                }
                Advanced::Lost(lost) => assert_eq!(lost, session, "a loser sees the winner's row"),
                Advanced::Gone(gone) => panic!("{gone:?}"),
            }
        }
        assert_eq!(winners, 1, "generation {from}");
    }
}

/// 16 tasks that go on from what they saw: every generation is won once, in order.
pub async fn race_a_chain_of_advances_never_skips(store: AnyStore) {
    open(&store, sign_in(1)).await;
    let won = together(16, |_| {
        let store = AnyStore::clone(&store);
        async move {
            let (mut from, mut won) = (0, Vec::new());
            while from < 100 {
                tokio::task::yield_now().await;
                match store.advance(session_id(1), advance(from, 10)).await.unwrap() {
                    Advanced::Won(session) => {
                        won.push(from);
                        from = session.generation.get();
                    }
                    Advanced::Lost(session) => from = session.generation.get(),
                    Advanced::Gone(gone) => panic!("{gone:?}"),
                }
            }
            won
        }
    })
    .await;
    let mut all: Vec<_> = won.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

/// I-16, ME-10: 64 concurrent first sign-ins of one user and software end in one connection.
pub async fn race_first_sign_ins_make_one_connection(store: AnyStore) {
    for (round, name) in (0..).zip(["ada", "bob", "eve"]) {
        let first_id = 1 + round * 64;
        let answers = together(64, |n| {
            let store = AnyStore::clone(&store);
            let sign_in = SignIn { max_sessions: 100, ..sign_in_of(first_id + n, name) };
            async move { store.sign_in(sign_in).await.unwrap() }
        })
        .await;
        let connections = store.connections_of(&person(name).id).await.unwrap();
        assert_eq!(connections.len(), 1);
        let mut firsts = 0;
        for answer in answers {
            let SignedIn::Done { connection, first, evicted } = answer else { panic!("{answer:?}") };
            assert_eq!(connection, connections[0].id);
            assert_eq!(evicted, []);
            firsts += u32::from(first);
        }
        assert_eq!(firsts, 1, "one of them made it");
        assert_eq!(store.sessions_of(connections[0].id).await.unwrap().len(), 64);
    }
    let expected = Counts {
        users: 3,
        connections: 3,
        aliases: 3,
        sessions: 192,
        blocks: 0,
        events: 192,
        imported_clients: 0,
        ..Counts::default()
    };
    assert_eq!(counts(&store).await, expected);
}

/// One transaction, eight callbacks at once: one session, and nothing of the other seven.
pub async fn race_one_of_many_sign_ins_uses_a_session_id(store: AnyStore) {
    for round in 1..=20 {
        let answers = together(8, |n| {
            let store = AnyStore::clone(&store);
            let mut sign_in = sign_in_of(round * 8 + n, &format!("person-{round}-{n}"));
            sign_in.session.id = session_id(round);
            async move { store.sign_in(sign_in).await.unwrap() }
        })
        .await;
        let done = answers.iter().filter(|a| matches!(a, SignedIn::Done { .. })).count();
        let used = answers.iter().filter(|a| matches!(a, SignedIn::Used)).count();
        assert_eq!((done, used), (1, 7), "round {round}");
        let rounds = u64::from(round);
        let each = Counts {
            users: rounds,
            connections: rounds,
            aliases: rounds,
            sessions: rounds,
            blocks: 0,
            events: rounds,
            imported_clients: 0,
            ..Counts::default()
        };
        assert_eq!(counts(&store).await, each);
    }
}

/// 40 concurrent sign-ins under a cap of 5: five live ones are left, and each of the others was evicted once.
pub async fn race_sign_ins_keep_the_cap(store: AnyStore) {
    let answers = together(40, |n| {
        let store = AnyStore::clone(&store);
        let sign_in = SignIn { max_sessions: 5, ..sign_in(1 + n) };
        async move { store.sign_in(sign_in).await.unwrap() }
    })
    .await;
    let mut evicted: Vec<_> = answers
        .into_iter()
        .flat_map(|answer| match answer {
            SignedIn::Done { evicted, .. } => evicted,
            other => panic!("{other:?}"),
        })
        .collect();
    evicted.sort_unstable();
    assert_eq!(evicted.len(), 35);
    assert_eq!(feed(&store, at(0)).await, evicted);
    assert_eq!(counts(&store).await.events, 40 + 35);
}

/// No advance that begins after a revocation was answered wins.
pub async fn race_nothing_advances_after_a_revocation(store: AnyStore) {
    for round in 1..=20 {
        open(&store, sign_in(round)).await;
        let revoked = Arc::new(AtomicBool::new(false));
        let wins = together(9, |n| {
            let (store, revoked) = (AnyStore::clone(&store), Arc::clone(&revoked));
            async move {
                if n == 0 {
                    let ended = revoke(&store, &Target::Session(session_id(round)), 1_000 + round).await;
                    assert_eq!(ended, [session_id(round)]);
                    revoked.store(true, Ordering::SeqCst);
                    return Vec::new();
                }
                let (mut from, mut wins) = (0, Vec::new());
                loop {
                    // A store in memory never waits: the task that revokes must get its turn.
                    tokio::task::yield_now().await;
                    let too_late = revoked.load(Ordering::SeqCst);
                    match store.advance(session_id(round), advance(from, 30)).await.unwrap() {
                        Advanced::Won(session) => {
                            assert!(!too_late, "won after the revocation was answered");
                            wins.push(from);
                            from = session.generation.get();
                        }
                        Advanced::Lost(session) => from = session.generation.get(),
                        Advanced::Gone(session) => {
                            assert!(session.unwrap().ended.is_some());
                            return wins;
                        }
                    }
                }
            }
        })
        .await;
        let mut wins: Vec<_> = wins.into_iter().flatten().collect();
        wins.sort_unstable();
        let last = view(&store, round).await.session.generation.get();
        assert_eq!(wins, (0..last).collect::<Vec<_>>(), "every generation was won once, and none after the end");
    }
}

/// Sign-ins that run against a block of their user end, or never begin.
pub async fn race_a_blocked_user_keeps_no_session(store: AnyStore) {
    for round in 1..=20 {
        let name = format!("person-{round}");
        let numbers = move |n: u32| round * 100 + n;
        let answers = together(17, |n| {
            let (store, name) = (AnyStore::clone(&store), name.clone());
            async move {
                if n == 8 {
                    block(&store, &Target::User(person(&name).id), numbers(0)).await;
                    return None;
                }
                let mut sign_in = sign_in_of(numbers(n), &name);
                sign_in.software = crate::client::SoftwareKey::from_stored(format!("software-{}", n % 4));
                Some((n, store.sign_in(sign_in).await.unwrap()))
            }
        })
        .await;
        for (n, answer) in answers.into_iter().flatten() {
            match answer {
                SignedIn::Done { .. } => assert!(!is_live(&store, numbers(n), at(500)).await, "round {round}, {n}"),
                SignedIn::Blocked(kind) => assert_eq!(kind, BlockKind::User),
                SignedIn::Used => panic!("used"),
            }
        }
    }
}

/// A platform's sessions are ended while people sign in with it without a pause: it goes through, and whatever was open
/// before it began is over.
pub async fn race_a_platform_is_revoked_under_a_flood_of_sign_ins(store: AnyStore) {
    let platform = Target::Platform(crate::client::Platform::named("claude-web"));
    for round in 1..=3 {
        let (opened, revoked) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let numbers = move |task: u32, n: u32| round * 200_000 + task * 10_000 + n;
        let answers = together(17, |task| {
            let (store, platform) = (AnyStore::clone(&store), platform.clone());
            let (opened, revoked) = (Arc::clone(&opened), Arc::clone(&revoked));
            async move {
                if task == 16 {
                    while opened.load(Ordering::SeqCst) < 40 {
                        tokio::task::yield_now().await;
                    }
                    let event = event(round, EventKind::Revoked);
                    let answer = store.revoke(Ending::of(platform, "flooded", at(i64::from(round)), event)).await;
                    // Before it may fail, or the others would go on for ever.
                    revoked.store(true, Ordering::SeqCst);
                    return answer.unwrap();
                }
                let mut before = Vec::new();
                for n in 0..10_000 {
                    tokio::task::yield_now().await;
                    if revoked.load(Ordering::SeqCst) {
                        break;
                    }
                    let mut sign_in = sign_in_of(numbers(task, n), &format!("person-{round}-{task}"));
                    sign_in.max_sessions = 10_000;
                    open(&store, sign_in).await;
                    // The first forty are open before the revocation begins.
                    if opened.fetch_add(1, Ordering::SeqCst) < 40 {
                        before.push(session_id(numbers(task, n)));
                    }
                }
                before
            }
        })
        .await;
        let (ended, before) = answers.split_last().unwrap();
        let before: Vec<_> = before.iter().flatten().collect();
        assert_eq!(before.len(), 40);
        for id in before {
            assert!(ended.contains(id), "round {round}");
        }
        for id in ended {
            assert!(store.session(*id).await.unwrap().unwrap().session.ended.is_some(), "round {round}");
        }
    }
}

/// Whoever was told that a session ended finds it in the feed, at once.
pub async fn race_the_feed_has_every_end_that_was_answered(store: AnyStore) {
    for n in 1..=64 {
        open(&store, sign_in_with(n, &format!("software-{n}"))).await;
    }
    together(64, |n| {
        let store = AnyStore::clone(&store);
        async move {
            let ended = revoke(&store, &Target::Session(session_id(1 + n)), 1_000 + n).await;
            assert_eq!(ended, [session_id(1 + n)]);
            let since = at(i64::from(1_000 + n));
            assert!(feed(&store, since).await.contains(&session_id(1 + n)));
        }
    })
    .await;
    assert_eq!(feed(&store, at(1_000)).await.len(), 64);
}

/// Of 16 concurrent revocations of one user one ends the sessions, and one event is written.
pub async fn race_one_of_many_revocations_ends_a_session(store: AnyStore) {
    for round in 1..=10 {
        open(&store, sign_in(round * 100)).await;
        open(&store, sign_in(round * 100 + 50)).await;
        let before = counts(&store).await.events;
        let ended = together(16, |n| {
            let store = AnyStore::clone(&store);
            async move { revoke(&store, &Target::User(person("ada").id), round * 100 + n).await }
        })
        .await;
        let ended: Vec<_> = ended.into_iter().filter(|ended| !ended.is_empty()).collect();
        assert_eq!(ended, [[session_id(round * 100), session_id(round * 100 + 50)]]);
        assert_eq!(counts(&store).await.events, before + 1);
    }
    assert!(events(&store).await.iter().filter(|e| e.kind == EventKind::Revoked).count() == 10);
}

/// Replicas that start at the same moment run under one secret.
pub async fn race_first_secrets_agree(store: AnyStore) {
    let kept = together(16, |n| {
        let store = AnyStore::clone(&store);
        let candidate = Secret::from_bytes([u8::try_from(n).unwrap(); 32]);
        async move { store.keep_secret(candidate).await.unwrap() }
    })
    .await;
    assert!(kept.iter().all(|secret| *secret == kept[0]));
    assert!((0..16).any(|n| kept[0] == Secret::from_bytes([n; 32])), "one of the candidates");
}

/// I-16: people sign in while their past is being imported, from two places at once.
pub async fn race_imports_and_sign_ins_make_one_connection(store: AnyStore) {
    for round in 1..=20 {
        let name = format!("person-{round}");
        let ids = together(12, |n| {
            let (store, name) = (AnyStore::clone(&store), name.clone());
            async move {
                let number = round * 100 + n;
                if n % 3 == 0 {
                    let id = format!("dcr_old-{round}-{}", n % 2);
                    let mut import = super::operate::import(number, &[&id]);
                    import.user = person(&name);
                    return store.import(import).await.unwrap().connection;
                }
                match store.sign_in(sign_in_of(number, &name)).await.unwrap() {
                    SignedIn::Done { connection, .. } => connection,
                    other => panic!("{other:?}"),
                }
            }
        })
        .await;
        let connections = store.connections_of(&person(&name).id).await.unwrap();
        assert_eq!(connections.len(), 1, "round {round}");
        assert!(ids.iter().all(|id| *id == connections[0].id));
        assert_eq!(connections[0].aliases.len(), 3);
    }
    let counts = counts(&store).await;
    assert_eq!((counts.connections, counts.sessions, counts.imported_clients), (20, 160, 40));
}

/// RT-2 in a recovery window: of many presentations of tokens ahead of their row, each token wins at most once, and the
/// counter never goes back.
pub async fn race_tokens_ahead_of_their_row_make_one_lineage(store: AnyStore) {
    for round in 1..=20 {
        open(&store, sign_in(round)).await;
        let answers = together(32, |n| {
            let store = AnyStore::clone(&store);
            let presented = 1 + n % 4;
            let catch_up = CatchUp {
                presented: Generation::new(presented),
                now: at(30),
                expires_at: at(3_600),
                adopted_secret: None,
                event: event(round * 100 + n, EventKind::Recovered),
            };
            async move { (presented, store.catch_up(session_id(round), catch_up).await.unwrap()) }
        })
        .await;
        let mut winners = Vec::new();
        for (presented, answer) in answers {
            match answer {
                Advanced::Won(session) => {
                    assert_eq!(session.generation, Generation::new(presented + 1));
                    winners.push(presented);
                }
                Advanced::Lost(session) => assert!(session.generation >= Generation::new(presented)),
                Advanced::Gone(gone) => panic!("{gone:?}"),
            }
        }
        let count = winners.len();
        winners.sort_unstable();
        winners.dedup();
        assert_eq!(winners.len(), count, "round {round}");
        // The token that an earlier winner made current is level: it is for `advance`.
        let last = *winners.last().unwrap();
        assert!(last >= 3);
        assert_eq!(view(&store, round).await.session.generation, Generation::new(last + 1));
    }
}

/// What sessions share goes with the last one that has it, but never from under one that comes at the same moment: first
/// sign-ins with an id, imports of it, and sweeps and erasures that leave it to nobody, all at once.
pub async fn race_a_sweep_takes_nothing_that_a_sign_in_needs(store: AnyStore) {
    for round in 0..16 {
        together(64, |n| {
            let store = AnyStore::clone(&store);
            let (number, id) = (1 + round * 64 + n, format!("client-{}", (round + n) % 3));
            async move {
                match n % 8 {
                    0 | 1 => {
                        store.sweep(far(), 100).await.unwrap();
                    }
                    2 => {
                        let marker = person("nobody").id;
                        let event = event(number, EventKind::Erased);
                        let erasure = Erasure { user: person("eve").id, marker, now: event.at, event };
                        store.erase(erasure).await.unwrap();
                    }
                    3 => {
                        let mut import = super::operate::import(number, &[&id]);
                        import.user = person("eve");
                        store.import(import).await.unwrap();
                    }
                    _ => {
                        let mut sign_in = sign_in_of(number, if n % 2 == 0 { "eve" } else { "ada" });
                        sign_in.session.client_id = client_id(&id);
                        sign_in.session.resource = format!("https://mcp.example/{}", n % 4);
                        let answer = store.sign_in(sign_in).await.unwrap();
                        assert!(matches!(answer, SignedIn::Done { .. }), "{answer:?}");
                    }
                }
            }
        })
        .await;
        // Of Ada nothing is erased: the ids that she was seen with stay.
        let aliases = store.connections_of(&person("ada").id).await.unwrap().swap_remove(0).aliases;
        assert_eq!(aliases.len(), 3, "round {round}: {aliases:?}");
        for n in [5, 7] {
            let number = 1 + round * 64 + n;
            if let Some(view) = store.session(session_id(number)).await.unwrap() {
                assert_eq!(view.session.client_id, client_id(&format!("client-{}", (round + n) % 3)));
                assert_eq!(view.session.resource, format!("https://mcp.example/{}", n % 4));
            }
        }
    }
    while store.sweep(far(), 1_000).await.unwrap() > 0 {}
    assert_eq!(counts(&store).await.sessions, 0);
}
