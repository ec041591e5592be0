//! Opening a database: making its tables, alone and in company, and telling an operator what is wrong.

use std::sync::Arc;

use dcr_core::Secret;
use dcr_core::record::EventKind;
use dcr_core::store::{Counts, Ending, Target};
use dcr_sqlx::OpenError;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection as _, SqlSafeStr as _};
use url::Url;

use crate::rows::{at, event, session_id, sign_in};
use crate::servers::{Database, Kind};
use crate::{Test, on, tests};

pub(crate) fn tests(kind: Kind) -> Vec<Test> {
    let mut tests = tests! {
        many_processes_may_make_the_tables_at_once
        a_host_application_keeps_its_own_tables_and_migrations
        a_database_of_a_newer_version_is_refused
        a_user_who_may_not_make_tables_may_use_them
        operators_are_told_what_is_wrong
        no_password_is_ever_shown
    };
    // About the certificate of a server of the contributor's own nothing is known.
    let authority = std::env::var_os("DCR_TEST_DATABASE_CA").is_some();
    tests.extend(on(authority, tests! { tls_is_checked_and_needs_no_process_wide_provider }));
    tests.extend(on(kind.is_mysql(), tests! { a_migration_that_was_cut_off_is_completed }));
    tests.extend(on(!kind.is_mysql(), tests! { a_migration_that_was_cut_off_is_rolled_back }));
    tests
}

async fn many_processes_may_make_the_tables_at_once(database: Database) {
    let opening: Vec<_> = (1..=8)
        .map(|n| {
            let url = database.url();
            tokio::spawn(async move {
                let store = dcr_sqlx::connect(&url).await.unwrap();
                store.sign_in(sign_in(n)).await.unwrap();
                store.keep_secret(Secret::from_bytes([n; 32])).await.unwrap()
            })
        })
        .collect();
    let mut secrets = Vec::new();
    for task in opening {
        secrets.push(task.await.unwrap());
    }
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    let expected = Counts {
        users: 1,
        connections: 1,
        aliases: 1,
        sessions: 8,
        blocks: 0,
        events: 8,
        imported_clients: 0,
        ..Counts::default()
    };
    assert_eq!(database.open().await.counts().await.unwrap(), expected);
    assert!(!database.open().await.has_imported_clients().await.unwrap());
    assert_eq!(database.run("SELECT CAST(COUNT(*) AS CHAR(9)) FROM _dcr_migrations").await[0].trim(), migrations());
    assert_eq!(database.run("SELECT CAST(COUNT(*) AS CHAR(9)) FROM dcr_lock").await[0].trim(), "1");
}

/// How many there are.
fn migrations() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    std::fs::read_dir(folder).unwrap().count().to_string()
}

async fn migrate(database: &Database, texts: &[&'static str]) {
    let migration = |(version, text): (i64, &&'static str)| {
        Migration::new(version, "host".into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    let migrator = Migrator::with_migrations((1..).zip(texts).map(migration).collect());
    if database.kind().is_mysql() {
        migrator.run(&sqlx::MySqlPool::connect(&database.url()).await.unwrap()).await.unwrap();
    } else {
        migrator.run(&sqlx::PgPool::connect(&database.url()).await.unwrap()).await.unwrap();
    }
}

async fn a_host_application_keeps_its_own_tables_and_migrations(database: Database) {
    // Among them the tables of the bridge's first generation.
    let first = "CREATE TABLE notes (id INTEGER PRIMARY KEY); CREATE TABLE dcr_clients (id INTEGER); \
         CREATE TABLE dcr_tokens (id INTEGER); CREATE TABLE dcr_azure_users (id INTEGER); \
         CREATE TABLE dcr_azure_tokens (id INTEGER)";
    let second = "ALTER TABLE notes ADD COLUMN body INTEGER";
    migrate(&database, &[first]).await;
    let store = database.open().await;
    store.sign_in(sign_in(1)).await.unwrap();
    migrate(&database, &[first, second]).await;
    database.run("INSERT INTO notes (id, body) VALUES (1, 2)").await;
    store.sign_in(sign_in(2)).await.unwrap();
    let again = database.open().await;
    migrate(&database, &[first, second]).await;
    assert_eq!(again.counts().await.unwrap().sessions, 2);
    assert_eq!(database.run("SELECT CAST(COUNT(*) AS CHAR(9)) FROM _sqlx_migrations").await[0].trim(), "2");
    assert_eq!(database.run("SELECT CAST(COUNT(*) AS CHAR(9)) FROM _dcr_migrations").await[0].trim(), migrations());
}

async fn a_database_of_a_newer_version_is_refused(database: Database) {
    database.open().await;
    database
        .run(
            "INSERT INTO _dcr_migrations (version, description, success, checksum, execution_time) \
             VALUES (7000, 'of tomorrow', TRUE, '0', 0)",
        )
        .await;
    let error = dcr_sqlx::connect(&database.url()).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer(7000)), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    database.run("DELETE FROM _dcr_migrations WHERE version = 7000").await;
    database.run("UPDATE _dcr_migrations SET checksum = '0' WHERE version = 1").await;
    assert!(matches!(dcr_sqlx::connect(&database.url()).await.unwrap_err(), OpenError::Altered(1)));
}

/// In the middle of it: all of it is as if it had never begun.
async fn a_migration_that_was_cut_off_is_rolled_back(database: Database) {
    // A table that is not there yet, and of the same name as one in the middle of the migration, which has to wait.
    let mut somebody = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; CREATE TABLE dcr_blocks (id INTEGER)").execute(&mut somebody).await.unwrap();
    let url = database.url();
    let opening = tokio::spawn(async move { dcr_sqlx::connect(&url).await.map(drop) });
    let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    database.until(true, end).await;
    let error = opening.await.unwrap().unwrap_err();
    assert!(matches!(error, OpenError::Database(_)), "{error}");
    sqlx::raw_sql("ROLLBACK").execute(&mut somebody).await.unwrap();
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    assert!(database.run(tables).await.is_empty());
    database.open().await.sign_in(sign_in(1)).await.unwrap();
    assert_eq!(database.run("SELECT COUNT(*)::text FROM _dcr_migrations").await, [migrations()]);
}

/// Wherever it was: each statement can be run again.
async fn a_migration_that_was_cut_off_is_completed(database: Database) {
    let mut done = Vec::new();
    for path in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/mysql")).unwrap() {
        done.push(path.unwrap().path());
    }
    done.sort();
    let texts: Vec<_> = done.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let statements: Vec<_> = texts.iter().flat_map(|text| text.split_inclusive(";\n")).collect();
    assert!(statements.len() > 8);
    for cut in 0..=statements.len() {
        if cut > 0 {
            let all = "SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema = DATABASE()";
            let tables = database.run(all).await;
            database.run(&format!("SET foreign_key_checks = 0; DROP TABLE {}", tables[0])).await;
        }
        database.run(&format!("SELECT '1';{}", statements[..cut].concat())).await;
        let store = database.open().await;
        store.sign_in(sign_in(1)).await.unwrap();
        assert_eq!(database.run("SELECT CAST(COUNT(*) AS CHAR(9)) FROM dcr_lock").await[0], "1", "{cut}");
    }
    // Cut off after the last statement, before it was noted.
    database.run("DELETE FROM _dcr_migrations").await;
    let store = database.open().await;
    assert_eq!(store.counts().await.unwrap().sessions, 1);
}

async fn a_user_who_may_not_make_tables_may_use_them(database: Database) {
    let user = format!("u_{}", database.name.trim_start_matches("dcr_test_"));
    let mut url: Url = database.address();
    url.set_username(&user).unwrap();
    url.set_password(Some("geheim")).unwrap();
    let (make, grant, drop) = if database.kind().is_mysql() {
        (
            format!("CREATE USER {user} IDENTIFIED BY 'geheim'; GRANT SELECT ON {}.* TO {user}", database.name),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {}.* TO {user}", database.name),
            format!("DROP USER {user}"),
        )
    } else {
        (
            format!("CREATE ROLE {user} LOGIN PASSWORD 'geheim'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"),
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}"),
            format!("DROP OWNED BY {user}; DROP ROLE {user}"),
        )
    };
    database.run(&make).await;
    let error = dcr_sqlx::connect(url.as_str()).await.unwrap_err();
    assert!(matches!(error, OpenError::Privilege(_)), "{error}");
    assert!(error.to_string().contains("grant CREATE"), "{error}");
    database.open().await;
    database.run(&grant).await;
    let store = dcr_sqlx::connect(url.as_str()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    store.keep_secret(Secret::from_bytes([1; 32])).await.unwrap();
    assert_eq!(store.sweep(sign_in(1).now, 10).await.unwrap(), 0);
    let target = Target::User(sign_in(1).user.id);
    let blocked = Ending::of(target, "test", at(2), event(2, EventKind::Blocked));
    assert_eq!(store.block(blocked).await.unwrap(), [session_id(1)]);
    std::mem::drop(store);
    database.run(&drop).await;
}

async fn operators_are_told_what_is_wrong(database: Database) {
    let changed = |change: fn(&mut Url)| {
        let mut url = database.address();
        change(&mut url);
        async move { dcr_sqlx::connect(url.as_str()).await.unwrap_err() }
    };
    let error = changed(|url| url.set_password(Some("geheim")).unwrap()).await;
    assert!(matches!(error, OpenError::Credentials { .. }), "{error}");
    assert!(error.to_string().contains("user or the password"), "{error}");
    let error = changed(|url| url.set_username("nobody_of_that_name").unwrap()).await;
    assert!(matches!(error, OpenError::Credentials { .. }), "{error}");
    let error = changed(|url| url.set_path("/no_such_database")).await;
    assert!(matches!(error, OpenError::UnknownDatabase { .. }), "{error}");
    assert!(error.to_string().contains("CREATE DATABASE"), "{error}");
    let error = changed(|url| url.set_path("")).await;
    assert!(matches!(error, OpenError::NoDatabase(_)), "{error}");
    let error = changed(|url| url.set_host(Some("no-such-host.invalid")).unwrap()).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("no-such-host.invalid:"), "{error}");
    let error = changed(|url| url.set_port(Some(1)).unwrap()).await;
    assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains(":1: "), "{error}");
    let error = changed(|url| url.set_query(Some("sslmod=verify-full"))).await;
    assert!(matches!(error, OpenError::Parameter(_)), "{error}");
    let error = changed(|url| url.set_query(Some("sslmode=sideways"))).await;
    assert!(matches!(error, OpenError::Url(_)), "{error}");
}

async fn no_password_is_ever_shown(database: Database) {
    let shows = |text: String| text.contains(database.password());
    assert!(!shows(format!("{:?}", database.open().await)));
    let mut errors = Vec::new();
    for change in [
        (|url: &mut Url| url.set_path("/no_such_database")) as fn(&mut Url),
        |url| url.set_path(""),
        |url| url.set_username("nobody_of_that_name").unwrap(),
        |url| url.set_port(Some(1)).unwrap(),
        |url| url.set_query(Some("sslmode=sideways")),
        |url| url.set_query(Some("password")),
    ] {
        let mut url = database.address();
        change(&mut url);
        errors.push(dcr_sqlx::connect(url.as_str()).await.unwrap_err());
    }
    let url = database.url();
    let (start, rest) = url.split_once('@').unwrap();
    errors.push(dcr_sqlx::connect(&format!("{start}@[{rest}")).await.unwrap_err());
    for error in errors {
        assert!(!shows(error.to_string()) && !shows(format!("{error:?}")), "{error:?}");
    }
}

async fn tls_is_checked_and_needs_no_process_wide_provider(database: Database) {
    let authority = std::env::var("DCR_TEST_DATABASE_CA").unwrap();
    let mysql = database.kind().is_mysql();
    let url = |mode: &str, authority: Option<&str>| {
        let mut url = database.address();
        url.set_query(None);
        url.query_pairs_mut().append_pair("ssl-mode", mode);
        if let Some(authority) = authority {
            url.query_pairs_mut().append_pair("ssl-ca", authority);
        }
        url
    };
    let (require, verify, full) =
        if mysql { ("REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY") } else { ("require", "verify-ca", "verify-full") };
    for (mode, authority) in [(require, None), (verify, Some(authority.as_str())), (full, Some(&authority))] {
        let store = dcr_sqlx::connect(url(mode, authority).as_str()).await.unwrap();
        store.counts().await.unwrap();
    }
    let encrypted = if mysql { "SHOW STATUS LIKE 'Ssl_cipher'" } else { "SHOW ssl" };
    assert!(!database.run(encrypted).await.is_empty());
    for mode in [verify, full] {
        let error = dcr_sqlx::connect(url(mode, None).as_str()).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // The certificate is for 127.0.0.1 and localhost.
    let mut elsewhere = url(full, Some(&authority));
    elsewhere.set_host(Some("127.0.0.2")).unwrap();
    assert!(dcr_sqlx::connect(elsewhere.as_str()).await.is_err());
    let store: Arc<_> = dcr_sqlx::connect(url(full, Some(&authority)).as_str()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
}
