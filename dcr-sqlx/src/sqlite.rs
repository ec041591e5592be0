//! Opening an SQLite database.
//!
//! One connection writes and waits for its turn at `BEGIN IMMEDIATE`; four read. Write-ahead logging, so that readers and
//! the writer, of this process and of others, do not wait for each other. What many write at the same time goes through that
//! one connection in groups ([`crate::batch`]).

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Pool, Sqlite};

use crate::SqliteStore;
use crate::batch::Batches;
use crate::dialect::{Dialect as _, Fault};
use crate::file::DatabaseFile;
use crate::loans::Loans;
use crate::migrate::{self, OpenError, Tables};

/// How long a request waits for a connection, and a transaction for that of another process.
const PATIENCE: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// While another process turns a new file into a database, opening it is refused at once and not after a wait.
const OPENING_TRIES: u32 = 50;
/// The page cache of the connection that writes, at most: negative is in KiB. What a sign-in changes is spread over the indexes of
/// five tables, and the default of 2 MiB does not hold what stands above their leaves when there are many sessions.
const WRITER_CACHE: &str = "-16384";

impl SqliteStore {
    /// Opens the database that a URL such as `sqlite://dcr.db` names, makes it if there is none, and brings its tables up
    /// to date. `sqlite::memory:` is one that goes with the store.
    ///
    /// # Errors
    /// [`OpenError`] says what an operator has to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, Tables::UpToDate).await
    }

    pub(crate) async fn open_with(url: &str, tables: Tables) -> Result<Self, OpenError> {
        let options: SqliteConnectOptions = url.parse().map_err(OpenError::Url)?;
        // What a statement keeps for a while, rows of the database among it, stays in memory and out of temporary files.
        let options = options.busy_timeout(PATIENCE).foreign_keys(true).pragma("temp_store", "MEMORY");
        let options = options.synchronous(SqliteSynchronous::Normal);
        if is_in_memory(url) {
            let only = pool(1).connect_with(options).await.map_err(OpenError::Database)?;
            migrate::sqlite(&only, tables).await?;
            let only = Loans::of(only);
            return Ok(Self::over(only.clone(), only, None));
        }

        let path = options.get_filename().to_owned();
        if path.as_os_str().is_empty() {
            return Err(OpenError::NoFile);
        }
        let write_ahead = match tables {
            #[cfg(feature = "cli")]
            Tables::AsTheyAre if !path.exists() => return Err(OpenError::NoSuchFile(path)),
            // It may be somebody else's file.
            #[cfg(feature = "cli")]
            Tables::AsTheyAre => options.clone(),
            Tables::UpToDate => options.clone().journal_mode(SqliteJournalMode::Wal),
        };
        let file = DatabaseFile::at(&path).map_err(|source| OpenError::File { path, source })?;
        // From here on a file that is gone is an error and not a reason to make another.
        let here = |options: SqliteConnectOptions| options.filename(file.path()).create_if_missing(false);
        let options = here(options);
        let writer = open_writer(here(write_ahead).pragma("cache_size", WRITER_CACHE)).await?;
        migrate::sqlite(&writer, tables).await?;
        let reader = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::over(Loans::of(writer), Loans::of(reader), Some(file)))
    }

    fn over(writer: Loans<Sqlite>, reader: Loans<Sqlite>, file: Option<DatabaseFile>) -> Self {
        let (begin, sign_in_lock) = (Sqlite::SQL.begin, Sqlite::SQL.hold_blocks);
        Self {
            writer,
            reader,
            file: file.map(Arc::new),
            begin,
            sign_in_lock,
            by_transaction: false,
            advances: Batches::new(),
            sign_ins: Batches::new(),
        }
    }
}

fn is_in_memory(url: &str) -> bool {
    let (database, parameters) = url.split_once('?').unwrap_or((url, ""));
    database.ends_with(":memory:") || parameters.split('&').any(|parameter| parameter == "mode=memory")
}

/// Connections are kept for good: there is nothing to refresh in them, and a new one might open another file.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn open_writer(options: SqliteConnectOptions) -> Result<Pool<Sqlite>, OpenError> {
    let mut tries = 0;
    loop {
        match pool(1).connect_with(options.clone()).await {
            Err(sqlx::Error::Database(error)) if tries < OPENING_TRIES && is_passing(error.as_ref()) => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer.map_err(OpenError::Database),
        }
    }
}

fn is_passing(error: &dyn sqlx::error::DatabaseError) -> bool {
    Sqlite::fault(error) == Fault::Conflict || error.code().is_some_and(|code| code == "5")
}

#[cfg(test)]
mod tests {
    use dcr_core::Timestamp;
    use dcr_core::record::{Event, EventKind};
    use dcr_core::session::{ConnectionId, EventId, Generation, SessionId};
    use dcr_core::store::{Advance, Advanced, Ending, EventQuery, Store as _, StoreError, Target};
    use sqlx::{Executor as _, Row as _};

    use super::*;

    async fn store() -> SqliteStore {
        SqliteStore::open("sqlite::memory:").await.unwrap()
    }

    async fn run(store: &SqliteStore, sql: &'static str) {
        let mut loan = store.writer.take().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut *loan.connection).await.unwrap();
        loan.give_back();
    }

    fn event(n: u8) -> Event {
        Event::new(EventId::from_bytes([n; 16]), Timestamp::from_unix_seconds(i64::from(n)), EventKind::Anomaly)
    }

    /// A user, a connection and a session, as some other version may have written them.
    const ROWS: &str = "INSERT INTO dcr_users (user_id, issuer, tenant, object_id)
             VALUES ('usr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', 'i', 't', 'o');
         INSERT INTO dcr_connections VALUES (zeroblob(16), 'usr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', x'61', x'61', 0, 0);
         INSERT INTO dcr_client_ids VALUES (1, x'61');
         INSERT INTO dcr_terms VALUES (1, 1, 'sealed', x'61', 'none', x'72', 's');
         INSERT INTO dcr_sessions VALUES (zeroblob(16), zeroblob(16), 1, NULL, x'61', zeroblob(32), 1, 0, 0, NULL, 0, 9, 9,
             NULL, NULL);";

    #[tokio::test]
    async fn every_statement_prepares() {
        let store = store().await;
        let mut loan = store.writer.take().await.unwrap();
        let statements = Sqlite::SQL.to_prepare();
        assert!(statements.len() > 35);
        for (name, sql) in statements {
            loan.connection
                .prepare(sqlx::SqlSafeStr::into_sql_str(sql))
                .await
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!sql.contains("SELECT *") && !sql.contains(".*"), "{name} names no columns");
        }
    }

    #[tokio::test]
    async fn what_is_asked_often_reads_an_index() {
        let store = store().await;
        let mut loan = store.writer.take().await.unwrap();
        for (sql, index) in [
            (Sqlite::SQL.ended_since, "USING COVERING INDEX dcr_sessions_by_end"),
            (Sqlite::SQL.session_view, "USING INDEX sqlite_autoindex_dcr_sessions_1"),
            (Sqlite::SQL.advance_many, "USING INDEX sqlite_autoindex_dcr_sessions_1"),
            (Sqlite::SQL.find_connection, "(user_id=? AND software=?)"),
            (Sqlite::SQL.plain_sign_ins, "(user_id=? AND software=?)"),
            (Sqlite::SQL.plain_sign_ins, "USING INDEX dcr_sessions_by_connection"),
            (Sqlite::SQL.idle_sessions, "USING INDEX dcr_sessions_by_connection"),
            (Sqlite::SQL.not_ended_of_user, "USING INDEX dcr_sessions_by_connection"),
            (Sqlite::SQL.not_ended_of_client, "USING INDEX dcr_sessions_by_terms"),
            (Sqlite::SQL.end_user, "USING INDEX dcr_sessions_by_connection"),
            (Sqlite::SQL.end_client, "USING INDEX dcr_sessions_by_terms"),
            (Sqlite::SQL.terms, "USING INDEX dcr_terms_by_client"),
            (Sqlite::SQL.plain_sign_ins, "USING INDEX dcr_terms_by_client"),
            (Sqlite::SQL.many_terms, "USING INDEX dcr_terms_by_client"),
            (Sqlite::SQL.unused_terms, "USING INDEX dcr_sessions_by_terms"),
            (Sqlite::SQL.unused_clients, "USING COVERING INDEX dcr_terms_by_client"),
            (Sqlite::SQL.unused_clients, "USING COVERING INDEX dcr_aliases_by_client"),
            (Sqlite::SQL.connections_of, "(user_id=?)"),
            (Sqlite::SQL.events, "USING INDEX dcr_events_by_time"),
            (Sqlite::SQL.events_of_user, "USING INDEX dcr_events_by_user"),
            (Sqlite::SQL.events_of_session, "USING INDEX dcr_events_by_session"),
            (Sqlite::SQL.events_of_connection, "USING INDEX dcr_events_by_connection"),
            (Sqlite::SQL.events_of_client, "USING INDEX dcr_events_by_client"),
            (Sqlite::SQL.events_of_reference, "USING INDEX dcr_events_by_reference"),
            (Sqlite::SQL.events_of_actor, "USING INDEX dcr_events_by_actor"),
            (Sqlite::SQL.events_of_reason, "USING INDEX dcr_events_by_reason"),
            (Sqlite::SQL.erase_actor, "USING INDEX dcr_events_by_actor"),
            (Sqlite::SQL.client_uses, "USING COVERING INDEX dcr_aliases_by_client"),
            (Sqlite::SQL.users_by_client, "USING COVERING INDEX dcr_aliases_by_client"),
            (Sqlite::SQL.funnel_sums, "USING PRIMARY KEY"),
            (Sqlite::SQL.blocks, "USING PRIMARY KEY"),
            (Sqlite::SQL.blocks_among, "USING PRIMARY KEY"),
            (Sqlite::SQL.sweep_events, "dcr_events_by_time"),
            (Sqlite::SQL.sweep_erased, "dcr_erased_sessions_by_end"),
            (Sqlite::SQL.funnel, "USING PRIMARY KEY"),
            (Sqlite::SQL.requests_of_session, "USING INDEX dcr_requests_by_session"),
            (Sqlite::SQL.requests_of_user, "USING INDEX dcr_requests_by_user"),
            (Sqlite::SQL.sweep_requests, "USING PRIMARY KEY"),
            (Sqlite::SQL.sweep_lapsed, "USING INDEX dcr_sessions_by_expiry"),
            (Sqlite::SQL.sweep_ended, "dcr_sessions_by_end"),
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::raw_sql(explain).fetch_all(&mut *loan.connection).await.unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
            assert!(plan.iter().any(|line| line.contains(index)), "{sql}\n{plan:#?}");
        }
    }

    #[tokio::test]
    async fn a_row_that_does_not_decode_is_inconsistent_and_says_which_column() {
        for (damage, column) in [
            ("UPDATE dcr_terms SET provenance = 'invented'", "provenance"),
            ("UPDATE dcr_terms SET auth_method = 'invented'", "auth_method"),
            ("UPDATE dcr_client_ids SET client_id = x'20'", "client_id"),
            ("UPDATE dcr_sessions SET redirect_uri = x'ff'", "redirect_uri"),
            (
                "PRAGMA foreign_keys = OFF; UPDATE dcr_connections SET user_id = 'ada'; UPDATE dcr_users SET user_id = 'ada'",
                "user_id",
            ),
        ] {
            let store = store().await;
            run(&store, ROWS).await;
            let id = SessionId::from_bytes([0; 16]);
            assert!(store.session(id).await.unwrap().is_some());
            run(&store, damage).await;
            let error = store.session(id).await.unwrap_err();
            assert!(matches!(&error, StoreError::Inconsistent(text) if text.contains(column)), "{damage}: {error}");
        }
    }

    #[tokio::test]
    async fn a_damaged_row_is_nobody_elses_trouble_in_a_batch() {
        let store = store().await;
        run(&store, ROWS).await;
        let another = "INSERT INTO dcr_sessions SELECT x'01010101010101010101010101010101', connection_id, terms,
                 adopted_secret, redirect_uri, code_challenge, refreshable, generation, created_at, redeemed_at, advanced_at, expires_at, absolute_expires_at, ended_at,
                 end_reason FROM dcr_sessions;
             UPDATE dcr_sessions SET redirect_uri = x'ff' WHERE session_id = zeroblob(16)";
        run(&store, another).await;
        let at = Timestamp::from_unix_micros;
        let advance = Advance { from: Generation::CODE, now: at(1), expires_at: at(8), adopted_secret: None };
        let [damaged, whole] = [[0; 16], [1; 16]].map(SessionId::from_bytes);
        // Both wait before the task that writes begins.
        let (damaged, whole) = tokio::join!(store.advance(damaged, advance), store.advance(whole, advance));
        assert!(
            matches!(&damaged, Err(StoreError::Inconsistent(text)) if text.contains("redirect_uri")),
            "{damaged:?}"
        );
        assert!(matches!(&whole, Ok(Advanced::Won(session)) if session.generation.get() == 1), "{whole:?}");
    }

    #[tokio::test]
    async fn a_full_disk_or_a_file_that_became_read_only_is_unavailable_and_nothing_was_written() {
        let store = store().await;
        run(&store, ROWS).await;
        for (trouble, end) in [
            ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000"),
            ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        ] {
            run(&store, trouble).await;
            let mut refused = 0;
            for n in 0..=255 {
                let mut event = event(n);
                event.reason = "long ".repeat(1_000);
                match store.record(event).await {
                    Ok(()) => {}
                    Err(StoreError::Unavailable(_)) => refused += 1,
                    Err(other) => panic!("{trouble}: {other}"),
                }
            }
            assert!(refused > 200, "{trouble}: {refused}");
            let target = Target::Connection(ConnectionId::from_bytes([0; 16]));
            let before = store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap();
            let mut long = event(0);
            long.id = EventId::from_bytes(*b"another than all");
            long.reason = "long ".repeat(10_000);
            let now = Timestamp::from_unix_seconds(1);
            let revoked = store.revoke(Ending::of(target, "test", now, long)).await;
            assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{trouble}: {revoked:?}");
            let after = store.events(&EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap();
            assert_eq!(before, after);
            let view = store.session(SessionId::from_bytes([0; 16])).await.unwrap().unwrap();
            assert_eq!(view.session.ended, None, "{trouble}");
            run(&store, end).await;
            run(&store, "DELETE FROM dcr_events").await;
        }
    }

    #[tokio::test]
    async fn an_id_that_exists_already_is_inconsistent() {
        let store = store().await;
        store.record(event(1)).await.unwrap();
        assert!(matches!(store.record(event(1)).await, Err(StoreError::Inconsistent(_))));
    }
}
