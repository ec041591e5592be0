//! The database around the store: made on first use, kept across restarts, shared with a host application, lost.
#![cfg(feature = "sqlite")]

#[path = "common/before.rs"]
mod before;
mod common;
#[path = "common/rows.rs"]
mod rows;

use std::sync::Arc;

use dcr_core::Platform;
use dcr_core::Secret;
use dcr_core::record::{Event, EventKind};
use dcr_core::session::{ConnectionId, Generation, Session, SessionId};
use dcr_core::store::{
    Advance, Advanced, Counts, Ending, EventQuery, SessionView, SignedIn, Store, StoreError, Target,
};
use dcr_sqlx::{OpenError, SqliteStore};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Pool, SqlSafeStr as _, Sqlite};

use self::common::TempDir;
use self::rows::{at, event, sign_in};

/// Everything that the store says of Ada.
async fn all(store: &dyn Store) -> (Counts, Vec<Event>, Vec<Session>, Option<SessionView>, Secret) {
    let query = EventQuery { limit: 100, ..EventQuery::default() };
    (
        store.counts().await.unwrap(),
        store.events(&query).await.unwrap(),
        store.sessions_of(ConnectionId::from_bytes([1; 16])).await.unwrap(),
        store.session(SessionId::from_bytes([1; 16])).await.unwrap(),
        store.keep_secret(Secret::from_bytes([0; 32])).await.unwrap(),
    )
}

async fn host(dir: &TempDir) -> Pool<Sqlite> {
    let options = SqliteConnectOptions::new().filename(dir.file()).create_if_missing(true);
    SqlitePoolOptions::new().connect_with(options).await.unwrap()
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let dir = TempDir::new();
    let store = SqliteStore::open(&dir.url()).await.unwrap();
    assert!(!store.has_imported_clients().await.unwrap());
    store.keep_secret(Secret::from_bytes([9; 32])).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    store.sign_in(sign_in(2)).await.unwrap();
    let advance = Advance { from: Generation::CODE, now: at(5), expires_at: at(900), adopted_secret: Some([7; 32]) };
    assert!(matches!(store.advance(SessionId::from_bytes([1; 16]), advance).await.unwrap(), Advanced::Won(_)));
    store
        .revoke(Ending::of(
            Target::Session(SessionId::from_bytes([2; 16])),
            "test",
            at(6),
            event(60, EventKind::Revoked),
        ))
        .await
        .unwrap();
    store
        .block(Ending::of(Target::Platform(Platform::other()), "test", at(7), event(70, EventKind::Blocked)))
        .await
        .unwrap();
    let before = all(&store).await;
    store.close().await;
    assert!(matches!(store.counts().await, Err(StoreError::Unavailable(_))));

    let again = dcr_sqlx::connect(&dir.url()).await.unwrap();
    assert!(all(again.as_ref()).await == before);
    assert_eq!(
        again.blocked(&[Target::Platform(Platform::other())]).await.unwrap().map(|k| k.as_str()),
        Some("platform")
    );
    assert!(matches!(again.sign_in(sign_in(3)).await.unwrap(), SignedIn::Done { first: false, .. }));
}

#[tokio::test]
async fn what_was_answered_is_there_without_a_close() {
    let dir = TempDir::new();
    let store = dcr_sqlx::connect(&dir.url()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    // As after a crash: nobody closed the first one.
    let other = dcr_sqlx::connect(&dir.url()).await.unwrap();
    assert_eq!(other.counts().await.unwrap().sessions, 1);
}

/// A program may end the runtime first.
#[test]
fn a_store_may_be_dropped_after_its_runtime() {
    let dir = TempDir::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(SqliteStore::open(&dir.url())).unwrap();
    runtime.block_on(store.sign_in(sign_in(1))).unwrap();
    runtime.block_on(store.counts()).unwrap();
    drop(runtime);
    drop(store);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(SqliteStore::open(&dir.url())).unwrap();
    assert_eq!(runtime.block_on(store.counts()).unwrap().sessions, 1);
}

#[tokio::test]
async fn a_host_application_keeps_its_own_tables_and_migrations() {
    let dir = TempDir::new();
    let migrations = |texts: &[&'static str]| {
        let migration = |(version, text): (i64, &&'static str)| {
            Migration::new(version, "host".into(), MigrationType::Simple, text.into_sql_str(), false)
        };
        Migrator::with_migrations((1..).zip(texts).map(migration).collect())
    };
    let pool = host(&dir).await;
    // Among them the tables of the bridge's first generation.
    let first = "CREATE TABLE notes (id INTEGER PRIMARY KEY); CREATE TABLE dcr_clients (id TEXT); \
         CREATE TABLE dcr_tokens (id TEXT); CREATE TABLE dcr_azure_users (id TEXT); CREATE TABLE dcr_azure_tokens (id TEXT)";
    migrations(&[first]).run(&pool).await.unwrap();

    let store = SqliteStore::open(&dir.url()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    let second = "ALTER TABLE notes ADD COLUMN text TEXT";
    migrations(&[first, second]).run(&pool).await.unwrap();
    sqlx::query("INSERT INTO notes (text) VALUES ('hello')").execute(&pool).await.unwrap();
    store.sign_in(sign_in(2)).await.unwrap();
    store.close().await;

    let store = SqliteStore::open(&dir.url()).await.unwrap();
    migrations(&[first, second]).run(&pool).await.unwrap();
    assert_eq!(store.counts().await.unwrap().sessions, 2);
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool);
    assert_eq!(count("SELECT COUNT(*) FROM _sqlx_migrations").await.unwrap(), 2);
    assert_eq!(count("SELECT COUNT(*) FROM _dcr_migrations").await.unwrap(), 9);
    assert_eq!(count("SELECT COUNT(*) FROM notes").await.unwrap(), 1);
}

#[tokio::test]
async fn a_database_of_an_earlier_version_loses_nothing() {
    let dir = TempDir::new();
    let pool = host(&dir).await;
    let texts = before::migrations("sqlite");
    let migration = |(version, text): (i64, &String)| {
        let text = sqlx::AssertSqlSafe(text.clone()).into_sql_str();
        Migration::new(version, "before".into(), MigrationType::Simple, text, false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(&texts).map(migration).collect());
    migrator.dangerous_set_table_name("_dcr_migrations").run(&pool).await.unwrap();
    let rows = before::rows(|bytes| format!("x'{}'", before::hex(bytes)), |text| format!("'{text}'"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&pool).await.unwrap();
    let store = SqliteStore::open(&dir.url()).await.unwrap();
    before::are_there(&store).await;
    let broken = sqlx::raw_sql("PRAGMA foreign_key_check").fetch_all(&pool).await.unwrap();
    assert_eq!(broken.len(), 0);
}

/// The client ids and terms that are there.
async fn shared(pool: &Pool<Sqlite>) -> (i64, i64) {
    let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(pool);
    (
        count("SELECT COUNT(*) FROM dcr_client_ids").await.unwrap(),
        count("SELECT COUNT(*) FROM dcr_terms").await.unwrap(),
    )
}

#[tokio::test]
async fn what_sessions_share_goes_with_the_last_that_has_it() {
    let dir = TempDir::new();
    let store = SqliteStore::open(&dir.url()).await.unwrap();
    let pool = host(&dir).await;
    rows::share_and_part(&store, || async { shared(&pool).await }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_processes_may_make_the_database_at_once() {
    for _ in 0..10 {
        let dir = TempDir::new();
        let opening: Vec<_> = (1..=8)
            .map(|n| {
                let url = dir.url();
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
        let store = dcr_sqlx::connect(&dir.url()).await.unwrap();
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
        assert_eq!(store.counts().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let dir = TempDir::new();
    SqliteStore::open(&dir.url()).await.unwrap().close().await;
    let pool = host(&dir).await;
    let newer = "INSERT INTO _dcr_migrations (version, description, success, checksum, execution_time) \
         VALUES (7000, 'of tomorrow', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let error = SqliteStore::open(&dir.url()).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer(7000)));
    assert!(error.to_string().contains("newer version"), "{error}");

    sqlx::query("DELETE FROM _dcr_migrations WHERE version = 7000").execute(&pool).await.unwrap();
    sqlx::query("UPDATE _dcr_migrations SET checksum = x'00'").execute(&pool).await.unwrap();
    assert!(matches!(SqliteStore::open(&dir.url()).await.unwrap_err(), OpenError::Altered(1)));
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_a_new_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = TempDir::new();
    let store = dcr_sqlx::connect(&dir.url()).await.unwrap();
    store.keep_secret(Secret::from_bytes([9; 32])).await.unwrap();
    for entry in std::fs::read_dir(dir.file().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }

    // A file that was there keeps the permissions that somebody gave it.
    let dir = TempDir::new();
    std::fs::write(dir.file(), b"").unwrap();
    std::fs::set_permissions(dir.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    dcr_sqlx::connect(&dir.url()).await.unwrap();
    assert_eq!(mode(&dir.file()), 0o640);
}

#[cfg(unix)]
#[tokio::test]
async fn a_deleted_database_is_noticed_and_made_anew_by_a_restart() {
    let dir = TempDir::new();
    let store = SqliteStore::open(&dir.url()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    for replaced in [false, true] {
        let _ = std::fs::remove_file(dir.file());
        if replaced {
            std::fs::write(dir.file(), b"").unwrap();
        }
        let error = store.sign_in(sign_in(2)).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(e) if e.to_string().contains("restart")), "{error}");
        assert!(matches!(store.session(SessionId::from_bytes([1; 16])).await, Err(StoreError::Unavailable(_))));
    }
    store.close().await;

    let fresh = dcr_sqlx::connect(&dir.url()).await.unwrap();
    assert_eq!(fresh.counts().await.unwrap(), Counts::default());
    assert!(matches!(fresh.sign_in(sign_in(1)).await.unwrap(), SignedIn::Done { first: true, .. }));
}

#[tokio::test]
async fn a_deleted_database_with_its_log_left_behind_is_made_anew() {
    let dir = TempDir::new();
    let store = SqliteStore::open(&dir.url()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    // Copies, since closing the store tidies up.
    let log = dir.file().with_file_name("dcr.db-wal");
    let kept = std::fs::read(&log).unwrap();
    assert!(!kept.is_empty());
    store.close().await;
    std::fs::remove_file(dir.file()).unwrap();
    std::fs::write(&log, kept).unwrap();
    let fresh = dcr_sqlx::connect(&dir.url()).await.unwrap();
    assert_eq!(fresh.counts().await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_lock_that_is_not_released_makes_it_unavailable_within_seconds() {
    let dir = TempDir::new();
    let store = dcr_sqlx::connect(&dir.url()).await.unwrap();
    store.sign_in(sign_in(1)).await.unwrap();
    let pool = host(&dir).await;
    let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let begun = std::time::Instant::now();
    let (one, two) = tokio::join!(store.sign_in(sign_in(2)), store.sign_in(sign_in(3)));
    assert!(matches!(one, Err(StoreError::Unavailable(_))), "{one:?}");
    assert!(matches!(two, Err(StoreError::Unavailable(_))), "{two:?}");
    assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
    // Readers do not wait.
    assert_eq!(store.counts().await.unwrap().sessions, 1);
    lock.rollback().await.unwrap();
    store.sign_in(sign_in(2)).await.unwrap();
}

#[tokio::test]
async fn urls_that_name_no_database_say_what_to_do() {
    let refused = |url: &'static str| async move { dcr_sqlx::connect(url).await.unwrap_err().to_string() };
    #[cfg(not(feature = "postgres"))]
    assert!(refused("postgres://user:secret@db/dcr").await.contains("feature `postgres`"));
    #[cfg(not(feature = "mysql"))]
    assert!(refused("mariadb://db/dcr").await.contains("feature `mysql`"));
    assert!(refused("dcr.db").await.contains("sqlite:"));
    assert!(refused("").await.contains("sqlite:"));
    assert!(refused("sqlite://").await.contains("names no file"));
    assert!(refused("sqlite:///no/such/directory/dcr.db").await.contains("/no/such/directory/dcr.db"));
    assert!(refused("sqlite://dcr.db?mode=sideways").await.contains("malformed"));

    let dir = TempDir::new();
    std::fs::write(dir.file(), "this is no database, however long one reads in it").unwrap();
    assert!(matches!(SqliteStore::open(&dir.url()).await.unwrap_err(), OpenError::Database(_)));
    std::fs::create_dir(dir.file().with_file_name("directory")).unwrap();
    let url = format!("sqlite://{}", dir.file().with_file_name("directory").display());
    assert!(SqliteStore::open(&url).await.is_err());
}

#[tokio::test]
async fn two_stores_in_memory_share_nothing() {
    let one: Arc<dyn Store> = dcr_sqlx::connect("sqlite::memory:").await.unwrap();
    let two = dcr_sqlx::connect("sqlite::memory:").await.unwrap();
    one.sign_in(sign_in(1)).await.unwrap();
    assert_eq!((one.counts().await.unwrap().sessions, two.counts().await.unwrap().sessions), (1, 0));
}
