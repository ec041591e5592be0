//! Connections that die, servers that hang or restart, locks that are held, callers that go away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dcr_core::Timestamp;
use dcr_core::record::{Event, EventKind};
use dcr_core::session::{ConnectionId, EventId, Generation, SessionId};
use dcr_core::store::{Advance, Advanced, Ending, EventQuery, SignIn, SignedIn, Store, StoreError, Target};
use dcr_sqlx::Dialect;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::proxy::Proxy;
use crate::rows::{at, event, session_id, sign_in};
use crate::servers::{Database, Kind};
use crate::{Test, on, tests};

pub(crate) fn tests(kind: Kind) -> Vec<Test> {
    let mut tests = tests! {
        killed_connections_are_replaced
        a_restart_of_the_server_is_survived
        connections_that_went_silent_are_replaced
        a_connection_that_goes_silent_on_its_way_back_is_given_up
        a_server_that_hangs_is_unavailable_within_seconds
        a_lost_answer_to_a_commit_is_unavailable_and_not_repeated
        a_lock_that_is_not_released_makes_it_unavailable_within_seconds
        a_session_that_is_locked_holds_nobody_else_up
        a_deadlock_is_tried_again
        a_pool_that_is_used_up_is_unavailable_within_seconds
        a_caller_that_goes_away_leaves_nothing_half_done
        one_connection_is_enough
        errors_mean_what_they_say
        sweeps_at_once_take_each_session_once
        a_closed_store_is_unavailable
    };
    tests.extend(on(
        kind == Kind::Postgres,
        tests! {
            // Counted for the whole server on MySQL.
            too_many_connections_are_unavailable
            // A user who may make databases may also write to a read-only server there; see `errors_mean_what_they_say`.
            a_read_only_database_is_unavailable_for_writing
        },
    ));
    tests
}

fn advance(from: u32) -> Advance {
    Advance { from: Generation::new(from), now: at(500), expires_at: at(900), adopted_secret: None }
}

fn is_unavailable<T: std::fmt::Debug>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

/// Many at once, so that the pool has several connections.
async fn warm(store: &Arc<dyn Store>) {
    let reads: Vec<_> = (0..16)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.counts().await.unwrap() })
        })
        .collect();
    for read in reads {
        read.await.unwrap();
    }
}

/// For so long that connections are asked whether they live before they are used: 200 ms, by the clock of the pool, which
/// no test can turn.
async fn idle_for_long() {
    tokio::time::sleep(Duration::from_millis(250)).await;
}

/// Every kind of method, each of which must work.
async fn works(store: &dyn Store, n: u8) {
    assert!(matches!(store.sign_in(sign_in(n)).await.unwrap(), SignedIn::Done { .. }), "{n}");
    assert!(matches!(store.advance(session_id(n), advance(0)).await.unwrap(), Advanced::Won(_)), "{n}");
    assert!(store.session(session_id(n)).await.unwrap().is_some());
    let mut id = [n; 16];
    id[0] = !n;
    let revoked = Event { id: EventId::from_bytes(id), ..event(n, EventKind::Revoked) };
    assert_eq!(
        store.revoke(Ending::of(Target::Session(session_id(n)), "test", at(501), revoked)).await.unwrap().len(),
        1
    );
}

async fn killed_connections_are_replaced(database: Database) {
    let store = database.open().await;
    for n in 1..=8 {
        warm(&store).await;
        if n % 2 == 0 {
            idle_for_long().await;
        }
        database.kill_connections().await;
        works(store.as_ref(), n).await;
    }
}

async fn a_restart_of_the_server_is_survived(database: Database) {
    let proxy = Proxy::to(&database).await;
    let store = dcr_sqlx::connect(&proxy.url(&database)).await.unwrap();
    works(store.as_ref(), 1).await;
    warm(&store).await;
    proxy.refuse();
    let begun = Instant::now();
    let (read, write) = tokio::join!(store.counts(), store.sign_in(sign_in(2)));
    assert!(is_unavailable(&read) && is_unavailable(&write), "{read:?} {write:?}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    proxy.recover();
    works(store.as_ref(), 2).await;
}

async fn connections_that_went_silent_are_replaced(database: Database) {
    let proxy = Proxy::to(&database).await;
    let store = dcr_sqlx::connect(&proxy.url(&database)).await.unwrap();
    warm(&store).await;
    idle_for_long().await;
    proxy.silence_existing();
    let begun = Instant::now();
    works(store.as_ref(), 1).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

/// After its last answer, or in place of it. Whoever comes within 200 ms takes it to be alive; later it is asked, and holds its
/// place until it has had its time.
async fn a_connection_that_goes_silent_on_its_way_back_is_given_up(database: Database) {
    let proxy = Proxy::to(&database).await;
    let url = proxy.url(&database) + "&max-connections=1";
    let store = dcr_sqlx::connect(&url).await.unwrap();
    let (commit, rollback) =
        if database.kind().is_mysql() { ("\u{3}COMMIT", "\u{3}ROLLBACK") } else { ("COMMIT\0", "ROLLBACK\0") };
    let nothing = Ending::of(Target::Session(session_id(99)), "test", at(1), event(99, EventKind::Revoked));
    for (n, text, answers) in [(1, commit, 1), (2, rollback, 0), (3, rollback, 1)] {
        proxy.silence_after(text, answers);
        if text == commit {
            store.record(event(100 + n, EventKind::Anomaly)).await.unwrap();
        } else {
            assert_eq!(store.revoke(nothing.clone()).await.unwrap(), []);
        }
        if answers > 0 {
            idle_for_long().await;
        }
        let begun = Instant::now();
        works(store.as_ref(), n).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{n}: {:?}", begun.elapsed());
        assert!(proxy.has_happened(), "{n}");
    }
    // Who comes at once finds out by the deadline, and nobody after them.
    proxy.silence_after(commit, 1);
    store.record(event(104, EventKind::Anomaly)).await.unwrap();
    let begun = Instant::now();
    assert!(is_unavailable(&store.counts().await));
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    works(store.as_ref(), 4).await;
}

async fn a_server_that_hangs_is_unavailable_within_seconds(database: Database) {
    let proxy = Proxy::to(&database).await;
    let store = dcr_sqlx::connect(&proxy.url(&database)).await.unwrap();
    works(store.as_ref(), 1).await;
    warm(&store).await;
    proxy.silence_all();
    let begun = Instant::now();
    let (read, write, swap) =
        tokio::join!(store.session(session_id(1)), store.sign_in(sign_in(2)), store.advance(session_id(1), advance(1)));
    assert!(is_unavailable(&read) && is_unavailable(&write) && is_unavailable(&swap), "{read:?} {write:?} {swap:?}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    proxy.recover();
    works(store.as_ref(), 2).await;
}

async fn a_lost_answer_to_a_commit_is_unavailable_and_not_repeated(database: Database) {
    let proxy = Proxy::to(&database).await;
    let store = dcr_sqlx::connect(&proxy.url(&database)).await.unwrap();
    let commit = if database.kind().is_mysql() { "\u{3}COMMIT" } else { "COMMIT\0" };
    proxy.cut_after(commit, 0);
    let answer = store.sign_in(sign_in(1)).await;
    assert!(is_unavailable(&answer) && proxy.has_happened(), "{answer:?}");
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.sessions, counts.events), (1, 1));
    assert_eq!(store.sign_in(sign_in(1)).await.unwrap(), SignedIn::Used);

    // Prepared in one go, run in the next.
    proxy.cut_after("UPDATE dcr_sessions", 1);
    let answer = store.advance(session_id(1), advance(0)).await;
    assert!(is_unavailable(&answer) && proxy.has_happened(), "{answer:?}");
    let again = store.advance(session_id(1), advance(0)).await.unwrap();
    assert!(matches!(&again, Advanced::Lost(session) if session.generation.get() == 1), "{again:?}");

    proxy.cut_after(commit, 0);
    let answer = store.record(event(9, EventKind::Anomaly)).await;
    assert!(is_unavailable(&answer) && proxy.has_happened(), "{answer:?}");
    assert_eq!(store.counts().await.unwrap().events, 2);

    // Before the commit nothing has happened, and the transaction begins anew.
    let begin = if database.kind().is_mysql() { "START TRANSACTION" } else { "BEGIN ISOLATION LEVEL" };
    for (n, answers) in (2..).zip([0, 1, 4, 8]) {
        proxy.cut_after(begin, answers);
        assert!(matches!(store.sign_in(sign_in(n)).await.unwrap(), SignedIn::Done { .. }));
        assert!(proxy.has_happened());
        assert_eq!(store.counts().await.unwrap().sessions, u64::from(n));
    }
}

/// A transaction of somebody else's, open until it is dropped.
enum Somebody {
    Postgres(sqlx::PgConnection),
    MySql(sqlx::MySqlConnection),
}

impl Somebody {
    async fn locks(database: &Database, sql: &str) -> Self {
        let sql = sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {sql}")));
        if database.kind().is_mysql() {
            let mut connection = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
            sql.execute(&mut connection).await.unwrap();
            Self::MySql(connection)
        } else {
            let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
            sql.execute(&mut connection).await.unwrap();
            Self::Postgres(connection)
        }
    }

    async fn goes_on(&mut self, sql: &'static str) {
        match self {
            Self::Postgres(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
            Self::MySql(connection) => drop(sqlx::raw_sql(sql).execute(connection).await.unwrap()),
        }
    }

    async fn lets_go(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.unwrap(),
            Self::MySql(connection) => connection.close().await.unwrap(),
        }
    }
}

/// Until the server does nothing in this database.
async fn idle(database: &Database) {
    let sql = if database.kind().is_mysql() {
        "SELECT 'x' FROM information_schema.processlist \
         WHERE db = DATABASE() AND command <> 'Sleep' AND id <> CONNECTION_ID()"
    } else {
        "SELECT 'x' FROM pg_stat_activity \
         WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
    };
    database.until(false, sql).await;
}

async fn a_lock_that_is_not_released_makes_it_unavailable_within_seconds(database: Database) {
    let store = database.open().await;
    store.sign_in(sign_in(1)).await.unwrap();
    let block = if database.kind().is_mysql() {
        "SELECT * FROM dcr_lock FOR UPDATE"
    } else {
        "LOCK TABLE dcr_lock IN EXCLUSIVE MODE"
    };
    for sql in ["SELECT * FROM dcr_sessions FOR UPDATE", block] {
        let on_sessions = sql.contains("sessions");
        let somebody = Somebody::locks(&database, sql).await;
        let begun = Instant::now();
        let target = Target::User(sign_in(1).user.id);
        if on_sessions {
            let (swap, revoke) = tokio::join!(
                store.advance(session_id(1), advance(0)),
                store.revoke(Ending::of(target.clone(), "test", at(6), event(6, EventKind::Revoked)))
            );
            assert!(is_unavailable(&swap) && is_unavailable(&revoke), "{swap:?} {revoke:?}");
        } else {
            let (write, block) = tokio::join!(
                store.sign_in(sign_in(2)),
                store.block(Ending::of(target.clone(), "test", at(7), event(7, EventKind::Blocked)))
            );
            assert!(is_unavailable(&write) && is_unavailable(&block), "{write:?} {block:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(9), "{sql}: {:?}", begun.elapsed());
        // Readers do not wait, and whoever touches nothing of it does not either.
        assert!(store.session(session_id(1)).await.unwrap().unwrap().session.ended.is_none());
        store.record(event(if on_sessions { 8 } else { 9 }, EventKind::Anomaly)).await.unwrap();
        somebody.lets_go().await;
        // What was answered with an error does not happen afterwards.
        if on_sessions {
            idle(&database).await;
            let answer = store.advance(session_id(1), Advance { now: at(600), ..advance(0) }).await.unwrap();
            assert!(matches!(answer, Advanced::Won(_)), "{answer:?}");
        }
    }
    works(store.as_ref(), 2).await;
}

/// Those who come at the same time may share a statement, but never another one's wait.
async fn a_session_that_is_locked_holds_nobody_else_up(database: Database) {
    let store = database.open().await;
    for n in 1..=9 {
        store.sign_in(sign_in(n)).await.unwrap();
    }
    warm(&store).await;
    let somebody =
        Somebody::locks(&database, "SELECT * FROM dcr_sessions ORDER BY session_id LIMIT 1 FOR UPDATE").await;
    let move_on = |n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { (n, store.advance(session_id(n), advance(0)).await) })
    };
    let held = move_on(1);
    let others: Vec<_> = (2..=9).map(move_on).collect();
    for other in others {
        let (n, answer) = other.await.unwrap();
        assert!(matches!(answer, Ok(Advanced::Won(_))), "{n}: {answer:?}");
    }
    assert!(!held.is_finished());
    somebody.lets_go().await;
    let (_, answer) = held.await.unwrap();
    assert!(matches!(answer, Ok(Advanced::Won(_))), "{answer:?}");
}

/// Until a sign-in has locked Ada's row and wants her connection's, which somebody has.
async fn half_locked(database: &Database) {
    if database.kind().is_mysql() {
        // It may not want it yet. Who is ended does not depend on who comes last there.
        database.until(false, "SELECT user_id FROM dcr_users FOR UPDATE SKIP LOCKED").await;
    } else {
        let waits = "SELECT 'x' FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        database.until(true, waits).await;
    }
}

/// Two transactions that each wait for what the other holds. The database ends one of them, the store's: it begins anew
/// and goes through.
async fn a_deadlock_is_tried_again(database: Database) {
    let store = database.open().await;
    store.sign_in(sign_in(1)).await.unwrap();
    // MySQL ends the one that has written less, PostgreSQL the one that looks first whether there is a deadlock.
    database.run("CREATE TABLE ballast (n INTEGER)").await;
    let survive = if database.kind().is_mysql() {
        format!("INSERT INTO ballast VALUES {}", vec!["(1)"; 500].join(", "))
    } else {
        "SET LOCAL deadlock_timeout = '30s'".to_owned()
    };
    let connection = format!("{survive}; SELECT * FROM dcr_connections FOR UPDATE");
    let mut somebody = Somebody::locks(&database, &connection).await;
    let signing_in = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.sign_in(sign_in(2)).await }
    });
    half_locked(&database).await;
    // Answered, so the store's transaction has let go of the user, and the connection is not free yet.
    somebody.goes_on("SELECT * FROM dcr_users FOR UPDATE").await;
    assert!(!signing_in.is_finished());
    somebody.lets_go().await;
    let answer = signing_in.await.unwrap().unwrap();
    assert!(matches!(answer, SignedIn::Done { first: false, .. }), "{answer:?}");
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.users, counts.connections, counts.sessions, counts.events), (1, 1, 2, 2));
}

/// The only connection waits for a lock, and everybody else for the connection.
async fn a_pool_that_is_used_up_is_unavailable_within_seconds(database: Database) {
    let store: Arc<dyn Store> = dcr_sqlx::connect(&database.url_with("max-connections", "1")).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    let somebody = Somebody::locks(&database, "SELECT * FROM dcr_users FOR UPDATE").await;
    let begun = Instant::now();
    let (first, second) = tokio::join!(async { (store.sign_in(sign_in(2)).await, begun.elapsed()) }, async {
        (store.sign_in(sign_in(3)).await, begun.elapsed())
    });
    for (answer, took) in [first, second] {
        assert!(is_unavailable(&answer), "{answer:?}");
        assert!(took < Duration::from_millis(8_500), "{took:?}");
    }
    somebody.lets_go().await;
    works(store.as_ref(), 2).await;
    works(store.as_ref(), 3).await;
}

/// Calls that are dropped at any point: each sign-in happened whole or not at all, and no answer reaches the wrong one.
async fn a_caller_that_goes_away_leaves_nothing_half_done(database: Database) {
    let store: Arc<dyn Store> = dcr_sqlx::connect(&database.url_with("max-connections", "3")).await.unwrap();
    let calls: Vec<_> = (1..=200_u8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let patience = Duration::from_micros(u64::from(n) * 97 % 20_000);
                let mut sign_in = sign_in(n);
                sign_in.max_sessions = 1_000;
                let _ = tokio::time::timeout(patience, store.sign_in(sign_in)).await;
                if let Some(view) = store.session(session_id(n)).await.unwrap() {
                    assert_eq!(view.session.id, session_id(n));
                    let _ = tokio::time::timeout(patience, store.advance(session_id(n), advance(0))).await;
                }
                let _ = tokio::time::timeout(patience / 2, store.counts()).await;
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let counts = store.counts().await.unwrap();
    let events = store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap();
    assert_eq!((counts.sessions, counts.events), (u64::try_from(events.len()).unwrap(), counts.sessions));
    for event in events {
        let id = SessionId::from_bytes(*event.id.as_bytes());
        assert!(store.session(id).await.unwrap().is_some_and(|view| view.session.id == id));
    }
    works(store.as_ref(), 201).await;
}

async fn one_connection_is_enough(database: Database) {
    let store: Arc<dyn Store> = dcr_sqlx::connect(&database.url_with("max-connections", "1")).await.unwrap();
    let calls: Vec<_> = (1..=40_u8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { works(store.as_ref(), n).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

/// Those of the database are used up: new ones are refused, which passes.
async fn too_many_connections_are_unavailable(database: Database) {
    // Superusers are not counted.
    let role = format!("few_{}", database.name);
    database.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'few'; GRANT CREATE ON SCHEMA public TO {role}")).await;
    let mut url = database.address();
    url.set_username(&role).unwrap();
    url.set_password(Some("few")).unwrap();
    let store = dcr_sqlx::connect(url.as_str()).await.unwrap();
    works(store.as_ref(), 1).await;
    database.run(&format!("ALTER DATABASE {} CONNECTION LIMIT 0", database.name)).await;
    database.kill_connections().await;
    let begun = Instant::now();
    let answer = store.counts().await;
    assert!(is_unavailable(&answer), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    database.run(&format!("ALTER DATABASE {} CONNECTION LIMIT -1", database.name)).await;
    works(store.as_ref(), 2).await;
    database.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

async fn a_read_only_database_is_unavailable_for_writing(database: Database) {
    let set = format!("ALTER DATABASE {} SET default_transaction_read_only =", database.name);
    let (on, off) = (format!("{set} on"), format!("{set} off"));
    let store = database.open().await;
    works(store.as_ref(), 1).await;
    store.sign_in(sign_in(2)).await.unwrap();
    database.server.run(&on).await;
    database.kill_connections().await;
    let answers = (store.sign_in(sign_in(3)).await, store.advance(session_id(2), advance(0)).await);
    assert!(is_unavailable(&answers.0) && is_unavailable(&answers.1), "{answers:?}");
    assert!(store.session(session_id(2)).await.unwrap().is_some());
    database.server.run(&off).await;
    // The connections that met it were given up; those that only read may still have it.
    database.kill_connections().await;
    works(store.as_ref(), 3).await;
}

/// Each code, raised by the server itself.
async fn errors_mean_what_they_say(database: Database) {
    if database.kind().is_mysql() {
        let mut connection = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
        for (codes, fault) in [
            (&[1213, 1020][..], "Conflict"),
            (&[1053, 1927, 1158, 1159, 1160, 1161, 4031], "Lost"),
            (&[1040, 1205, 1317, 1969, 3024, 1021, 1114, 1290, 1792, 1836, 1047, 1142, 1203, 1226], "Unavailable"),
            (&[1054, 1064, 1146, 1406, 1264, 4025], "Inconsistent"),
        ] {
            for code in codes {
                let sql = format!("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}");
                let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err();
                let error = error.as_database_error().unwrap();
                assert_eq!(format!("{:?}", sqlx::MySql::fault(error)), fault, "{code}");
            }
        }
        let sql = "CREATE TABLE t (id INT); START TRANSACTION READ ONLY; INSERT INTO t VALUES (1)";
        let refused = sqlx::raw_sql(sql).execute(&mut connection).await;
        let error = refused.unwrap_err();
        assert_eq!(format!("{:?}", sqlx::MySql::fault(error.as_database_error().unwrap())), "Unavailable");
    } else {
        let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
        for (codes, fault) in [
            (&["40001", "40P01"][..], "Conflict"),
            (&["57P01", "57P02", "57P03", "57P05", "25P03", "08006", "08003"], "Lost"),
            (
                &["55P03", "57014", "53300", "53100", "53200", "25006", "28P01", "42501", "58030", "40003"],
                "Unavailable",
            ),
            (&["42P01", "22021", "23502", "XX001", "0A000"], "Inconsistent"),
        ] {
            for code in codes {
                let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = '{code}'; END $$");
                let error = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err();
                let error = error.as_database_error().unwrap();
                assert_eq!(format!("{:?}", sqlx::Postgres::fault(error)), fault, "{code}");
            }
        }
    }
}

async fn sweeps_at_once_take_each_session_once(database: Database) {
    let store = database.open().await;
    for n in 1..=90_u8 {
        let mut lapsing = SignIn { max_sessions: 1_000, ..sign_in(n) };
        lapsing.session.expires_at = at(i64::from(n));
        store.sign_in(lapsing).await.unwrap();
    }
    let far = Timestamp::from_unix_seconds(1_800_000_000);
    let sweeps: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut swept = 0;
                loop {
                    let n = store.sweep(far, 7).await.unwrap();
                    swept += n;
                    if n < 7 {
                        return swept;
                    }
                }
            })
        })
        .collect();
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap();
    }
    assert_eq!((swept, store.counts().await.unwrap().sessions), (90, 0));
    assert_eq!(store.connections_of(&sign_in(1).user.id).await.unwrap().len(), 1);
    assert!(store.sessions_of(ConnectionId::from_bytes([1; 16])).await.unwrap().is_empty());
}

async fn a_closed_store_is_unavailable(database: Database) {
    async fn closes<DB: Dialect>(store: dcr_sqlx::SqlStore<DB>) -> bool
    where
        dcr_sqlx::SqlStore<DB>: Store,
    {
        store.counts().await.unwrap();
        store.close().await;
        is_unavailable(&store.counts().await) && is_unavailable(&store.sign_in(sign_in(1)).await)
    }
    assert!(if database.kind().is_mysql() {
        closes(dcr_sqlx::MySqlStore::open(&database.url()).await.unwrap()).await
    } else {
        closes(dcr_sqlx::PostgresStore::open(&database.url()).await.unwrap()).await
    });
}
