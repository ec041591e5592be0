//! The tables: what they compare, what they can hold, which index a query uses, what a restart keeps.

use dcr_core::record::{Event, EventKind};
use dcr_core::session::{ConnectionId, EventId, Generation};
use dcr_core::store::{Advance, Advanced, Ending, EventQuery, SignIn, SignedIn, Store, StoreError, Target};
use dcr_core::{Platform, Secret, SoftwareKey, Timestamp};
use dcr_sqlx::Dialect as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqlSafeStr as _};

use crate::before;
use crate::rows::{at, event, session_id, share_and_part, sign_in};
use crate::servers::Database;
use crate::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests! {
        a_restart_keeps_everything
        op_8_nothing_that_is_compared_folds_case_or_ignores_spaces
        http_03_names_that_look_alike_are_two
        anything_may_be_in_a_name
        the_longest_ids_fit
        every_statement_prepares
        queries_use_their_indexes
        a_row_that_does_not_decode_is_inconsistent_and_says_which_column
        an_id_that_exists_already_is_inconsistent
        what_sessions_share_goes_with_the_last_that_has_it
        a_database_of_an_earlier_version_loses_nothing
    }
}

async fn a_restart_keeps_everything(database: Database) {
    let store = database.open().await;
    store.keep_secret(Secret::from_bytes([9; 32])).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    store.sign_in(sign_in(2)).await.unwrap();
    let advance = Advance { from: Generation::CODE, now: at(5), expires_at: at(900), adopted_secret: Some([7; 32]) };
    assert!(matches!(store.advance(session_id(1), advance).await.unwrap(), Advanced::Won(_)));
    let revoked = event(60, EventKind::Revoked);
    store.revoke(Ending::of(Target::Session(session_id(2)), "test", at(6), revoked)).await.unwrap();
    store
        .block(Ending::of(Target::Platform(Platform::other()), "test", at(7), event(70, EventKind::Blocked)))
        .await
        .unwrap();
    let before = all(store.as_ref()).await;
    drop(store);
    let again = database.open().await;
    assert_eq!(all(again.as_ref()).await, before);
    assert_eq!(again.keep_secret(Secret::from_bytes([0; 32])).await.unwrap(), Secret::from_bytes([9; 32]));
    assert!(matches!(again.sign_in(sign_in(3)).await.unwrap(), SignedIn::Done { first: false, .. }));
}

/// Everything that the store says of Ada.
async fn all(store: &dyn Store) -> String {
    let query = EventQuery { limit: 100, ..EventQuery::default() };
    let connection = ConnectionId::from_bytes([1; 16]);
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        store.counts().await.unwrap(),
        store.events(&query).await.unwrap(),
        store.sessions_of(connection).await.unwrap(),
        store.session(session_id(1)).await.unwrap(),
        store.connections_of(&sign_in(1).user.id).await.unwrap(),
    )
}

/// Texts with a collation are those that nothing compares.
async fn op_8_nothing_that_is_compared_folds_case_or_ignores_spaces(database: Database) {
    database.open().await;
    let sql = if database.kind().is_mysql() {
        "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name LIKE 'dcr%' AND collation_name IS NOT NULL ORDER BY 1"
    } else {
        "SELECT table_name || '.' || column_name FROM information_schema.columns \
         WHERE table_name LIKE 'dcr%' AND collation_name IS DISTINCT FROM 'C' AND data_type <> 'bytea' \
         AND data_type <> 'bigint' ORDER BY 1"
    };
    let expected: &[&str] = if database.kind().is_mysql() {
        &[
            "dcr_client_rows.body",
            "dcr_events.reason",
            "dcr_imported_clients.name",
            "dcr_requests.tool",
            "dcr_sessions.end_reason",
            "dcr_users.email",
            "dcr_users.issuer",
            "dcr_users.member_of",
            "dcr_users.name",
            "dcr_users.object_id",
            "dcr_users.roles",
            "dcr_users.tenant",
        ]
    } else {
        &[]
    };
    assert_eq!(database.run(sql).await, expected);
}

/// Client ids, users and platforms through the store are in the contract; here what it names itself.
async fn http_03_names_that_look_alike_are_two(database: Database) {
    let store = database.open().await;
    for (n, key) in
        (1..).zip(["platform:cursor", "platform:Cursor", "platform:cursor ", "platform:cursor\0", "platform:c\u{fc}"])
    {
        let software = SoftwareKey::from_stored(key);
        let answer = store.sign_in(SignIn { software, ..sign_in(n) }).await.unwrap();
        assert!(matches!(answer, SignedIn::Done { first: true, .. }), "{key:?}");
    }
    let user = sign_in(1).user.id;
    assert_eq!(store.connections_of(&user).await.unwrap().len(), 5);
    let folded = format!("SELECT 'x' FROM dcr_users WHERE user_id = '{}'", user.as_str().to_uppercase());
    assert!(database.run(&folded).await.is_empty());
    let padded = format!("SELECT 'x' FROM dcr_users WHERE user_id = '{} '", user.as_str());
    assert!(database.run(&padded).await.is_empty());
    let exact = format!("SELECT 'x' FROM dcr_users WHERE user_id = '{}'", user.as_str());
    assert_eq!(database.run(&exact).await.len(), 1);
    store.block(Ending::of(Target::User(user), "test", at(7), event(70, EventKind::Blocked))).await.unwrap();
    for kind in ["'USER'", "'user '"] {
        assert!(database.run(&format!("SELECT 'x' FROM dcr_blocks WHERE kind = {kind}")).await.is_empty());
    }
}

/// A name comes from somebody else's directory: whatever is in it, the sign-in goes through and it reads back.
async fn anything_may_be_in_a_name(database: Database) {
    let options = if database.kind().is_mysql() {
        "CHARACTER SET latin1 COLLATE latin1_swedish_ci"
    } else {
        "ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    };
    let of_latin1 = Database::with(database.server.clone(), options).await;
    for database in [database, of_latin1] {
        let store = database.open().await;
        let long = "\u{1f980}".repeat(75_000);
        for (n, name) in (1..).zip([
            "",
            " ",
            "\0",
            "a\0b",
            "\u{1f980}\u{10ffff}",
            "\u{feff}\u{202e}\u{301}\r\n",
            "\\x00'\"`;--%_",
            &long,
        ]) {
            let mut sign_in = sign_in(n);
            sign_in.user.name = Some(name.to_owned());
            sign_in.user.email = Some(name.to_owned());
            sign_in.event.reason = name.to_owned();
            assert!(matches!(store.sign_in(sign_in.clone()).await.unwrap(), SignedIn::Done { .. }), "{n}");
            assert!(store.session(session_id(n)).await.unwrap().unwrap().user == sign_in.user, "{n}");
            let query = EventQuery { session: sign_in.event.session, limit: 1, ..EventQuery::default() };
            assert!(store.events(&query).await.unwrap()[0].reason == name, "{n}");
            let ended = Event { id: EventId::from_bytes([100 + n; 16]), ..sign_in.event };
            store.revoke(Ending::of(Target::Session(session_id(n)), name, at(50), ended)).await.unwrap();
            let end = store.session(session_id(n)).await.unwrap().unwrap().session.ended.unwrap();
            assert!(end.reason == name, "{n}");
        }
    }
}

async fn the_longest_ids_fit(database: Database) {
    let store = database.open().await;
    let mut longest = sign_in(1);
    longest.software = SoftwareKey::from_stored("s".repeat(2_048));
    longest.session.client_id = dcr_core::ClientId::new("~".repeat(1_024)).unwrap();
    longest.session.platform = Platform::named(&"p".repeat(1_024));
    longest.session.redirect_uri = "r".repeat(8_192);
    longest.event.client_id = Some(longest.session.client_id.clone());
    longest.event.platform = Some(longest.session.platform.clone());
    store.sign_in(longest.clone()).await.unwrap();
    assert_eq!(store.session(session_id(1)).await.unwrap().unwrap().session, longest.session);
    let target = Target::ClientId(longest.session.client_id);
    assert_eq!(
        store.block(Ending::of(target.clone(), "test", at(2), event(2, EventKind::Blocked))).await.unwrap(),
        [session_id(1)]
    );
    assert!(store.blocked(&[target]).await.unwrap().is_some());
}

async fn every_statement_prepares(database: Database) {
    database.open().await;
    if database.kind().is_mysql() {
        let mut connection = sqlx::MySqlConnection::connect(&database.url()).await.unwrap();
        for (name, sql) in sqlx::MySql::SQL.to_prepare() {
            assert!(!sql.is_empty(), "{name}");
            (&mut connection)
                .prepare(sqlx::SqlSafeStr::into_sql_str(sql))
                .await
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    } else {
        let mut connection = sqlx::PgConnection::connect(&database.url()).await.unwrap();
        for (name, sql) in sqlx::Postgres::SQL.to_prepare() {
            assert!(!sql.is_empty(), "{name}");
            (&mut connection)
                .prepare(sqlx::SqlSafeStr::into_sql_str(sql))
                .await
                .unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// With tables so small the planner would rather read all of them, unless it is told not to.
async fn queries_use_their_indexes(database: Database) {
    let store = database.open().await;
    for n in 1..=200 {
        let mut several = SignIn { software: SoftwareKey::from_stored(format!("s{n}")), ..sign_in(n) };
        several.session.client_id = dcr_core::ClientId::new(format!("client-{n}")).unwrap();
        store.sign_in(several).await.unwrap();
    }
    let mysql = database.kind().is_mysql();
    database
        .run(if mysql {
            "ANALYZE TABLE dcr_sessions, dcr_terms, dcr_client_ids, dcr_connections, dcr_events, dcr_aliases"
        } else {
            "ANALYZE"
        })
        .await;
    let texts = if mysql { sqlx::MySql::SQL.to_prepare() } else { sqlx::Postgres::SQL.to_prepare() };
    // Of a connection that is there: what is read of one that is not needs no index.
    let connection =
        if mysql { "x'01010101010101010101010101010101'" } else { "'\\x01010101010101010101010101010101'" };
    let text = |name: &str| texts.iter().find(|(other, _)| *other == name).unwrap().1;
    let mut event = vec!["NULL"; 9];
    event.extend(["1", "9", "9", "'x'"]);
    let all = [&event[..], &["10"]].concat();
    event.extend(["'x'", "10"]);
    for (name, values, index) in [
        ("ended_since", &["1", "1"][..], "dcr_sessions_by_end"),
        ("not_ended_of_user", &["'x'", "9"], "dcr_sessions_by_connection"),
        ("not_ended_of_client", &["'client-1'", "9"], "dcr_sessions_by_terms"),
        ("not_ended_of_connection", &["'x'", "9"], "dcr_sessions_by_connection"),
        ("end_user", &["1", "'x'", "'x'", "9"], "dcr_sessions_by_connection"),
        ("end_client", &["1", "'x'", "'client-1'", "9"], "dcr_sessions_by_terms"),
        ("erase_sessions", &["'x'"], "dcr_sessions_by_connection"),
        ("unused_terms", &["9"], "dcr_sessions_by_terms"),
        ("drop_terms", &["1"], "dcr_sessions_by_terms"),
        ("unused_clients", &["9"], "dcr_terms_by_client"),
        ("unused_clients", &["9"], "dcr_aliases_by_client"),
        ("sessions_of", &[connection], "dcr_sessions_by_connection"),
        ("idle_sessions", &["'x'", "1"], "dcr_sessions_by_connection"),
        ("sweep_lapsed", &["1", "10"], "dcr_sessions_by_expiry"),
        ("sweep_ended", &["1", "10"], "dcr_sessions_by_end"),
        ("events", &all, "dcr_events_by_time"),
        ("events_of_user", &event, "dcr_events_by_user"),
        ("events_of_session", &event, "dcr_events_by_session"),
        ("events_of_connection", &event, "dcr_events_by_connection"),
        ("events_of_client", &event, "dcr_events_by_client"),
        ("events_of_reference", &event, "dcr_events_by_reference"),
        ("events_of_actor", &event, "dcr_events_by_actor"),
        ("events_of_reason", &event, "dcr_events_by_reason"),
        ("erase_actor", &["'x'", "'y'"], "dcr_events_by_actor"),
        ("client_uses", &["1", "''", "10"], "dcr_aliases_by_client"),
        ("users_by_client", &["'client-1'", "''", "10"], "dcr_aliases_by_client"),
        ("sweep_events", &["1", "10"], "dcr_events_by_time"),
    ] {
        let plan = if mysql {
            let sql = values.iter().fold(text(name).to_owned(), |sql, value| sql.replacen('?', value, 1));
            database.run(&format!("EXPLAIN FORMAT = JSON {sql}")).await
        } else {
            // From behind: $1 is the beginning of $10.
            let numbered = values.iter().enumerate().rev();
            let sql = numbered.fold(text(name).to_owned(), |sql, (i, v)| sql.replace(&format!("${}", i + 1), v));
            let (seq, explain) = ("SET enable_seqscan = off", format!("EXPLAIN {sql}"));
            database.run(&format!("{seq}; {explain}")).await
        };
        assert!(plan.iter().any(|line| line.contains(index)), "{name}\n{plan:#?}");
    }
}

async fn a_row_that_does_not_decode_is_inconsistent_and_says_which_column(database: Database) {
    let store = database.open().await;
    store.sign_in(sign_in(1)).await.unwrap();
    for (damage, repair, column) in [
        ("dcr_terms SET provenance = 'Sealed'", "dcr_terms SET provenance = 'sealed'", "provenance"),
        ("dcr_terms SET auth_method = 'invented'", "dcr_terms SET auth_method = 'none'", "auth_method"),
        ("dcr_client_ids SET client_id = ' '", "dcr_client_ids SET client_id = 'client'", "client_id"),
    ] {
        database.run(&format!("UPDATE {damage}")).await;
        let error = store.session(session_id(1)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Inconsistent(text) if text.contains(column)), "{damage}: {error}");
        database.run(&format!("UPDATE {repair}")).await;
    }
    assert!(store.session(session_id(1)).await.unwrap().is_some());
}

async fn an_id_that_exists_already_is_inconsistent(database: Database) {
    let store = database.open().await;
    store.record(event(9, EventKind::Anomaly)).await.unwrap();
    assert!(matches!(store.record(event(9, EventKind::Anomaly)).await, Err(StoreError::Inconsistent(_))));
    // An id of a connection to be made that is somebody else's: nothing of theirs changes.
    store.sign_in(sign_in(1)).await.unwrap();
    let mut clash = sign_in(2);
    clash.new_connection = ConnectionId::from_bytes([1; 16]);
    clash.software = SoftwareKey::from_stored("other");
    clash.now = Timestamp::from_unix_seconds(1_900_000_000);
    assert!(matches!(store.sign_in(clash).await, Err(StoreError::Inconsistent(_))));
    let connections = store.connections_of(&sign_in(1).user.id).await.unwrap();
    assert_eq!((connections.len(), connections[0].last_sign_in_at), (1, at(1)));
}

async fn what_sessions_share_goes_with_the_last_that_has_it(database: Database) {
    let store = database.open().await;
    let shared = || async {
        let count = async |sql: &str| database.run(sql).await[0].trim().parse().unwrap();
        (
            count("SELECT CAST(COUNT(*) AS CHAR(9)) FROM dcr_client_ids").await,
            count("SELECT CAST(COUNT(*) AS CHAR(9)) FROM dcr_terms").await,
        )
    };
    share_and_part(store.as_ref(), shared).await;
}

async fn a_database_of_an_earlier_version_loses_nothing(database: Database) {
    if database.kind().is_mysql() {
        // Cut off wherever it may be. Nothing of it was noted: each statement can be run again.
        let rows = before::rows(|bytes| format!("x'{}'", before::hex(bytes)), |text| format!("'{text}'"));
        let then = include_str!("../../migrations/mysql/0009_terms.sql");
        let then: Vec<_> = then.split_inclusive(";\n").collect();
        for cut in 0..=then.len() {
            let database = Database::fresh(database.server.clone()).await;
            let before = before::migrations("mysql").concat();
            database.run(&format!("SELECT '1';{before}{rows}{}", then[..cut].concat())).await;
            before::are_there(database.open().await.as_ref()).await;
        }
        return;
    }
    let texts = before::migrations("postgres");
    let migration = |(version, text): (i64, &String)| {
        let text = AssertSqlSafe(text.clone()).into_sql_str();
        Migration::new(version, "before".into(), MigrationType::Simple, text, false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(&texts).map(migration).collect());
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    migrator.dangerous_set_table_name("_dcr_migrations").run(&pool).await.unwrap();
    let bytes = |bytes: &[u8]| format!("'\\x{}'", before::hex(bytes));
    database.run(&before::rows(bytes, |text| format!("'\\x{}'", before::hex(text.as_bytes())))).await;
    before::are_there(database.open().await.as_ref()).await;
}
