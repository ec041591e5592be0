//! What a database gives to anybody who writes on this machine, asked with the same library and the same settings as the
//! store (a write-ahead log, `synchronous = NORMAL`) and nothing else around it.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::Failure;

/// Rows that are there before.
const ROWS: i64 = 10_000;
const UPDATE: &str =
    "UPDATE sessions SET generation = generation + 1, advanced_at = ?2, expires_at = ?3 WHERE session_id = ?1";
const SELECT: &str = "SELECT generation, client_id, resource, scope FROM sessions WHERE session_id = ?1";
const USED: &str = "INSERT INTO used (session_id, generation, at) VALUES (?1, ?2, ?3)";
const FORGET: &str = "DELETE FROM used WHERE session_id = ?1 AND generation < ?2";

/// Figures of SQLite, in operations a second.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Sqlite {
    /// One row is updated by its key in a transaction of its own.
    pub single_update: f64,
    /// Four statements by their keys (read a session, update it, insert what was used, delete what is old), of 32 callers in
    /// one transaction: what a token table with rotation needs, at its best.
    pub four_statements_in_groups: f64,
}

/// Measures both, each for so long, in a new file of this directory.
///
/// # Errors
/// [`Failure`] if the file cannot be written.
pub async fn sqlite(directory: &Path, time: Duration) -> Result<Sqlite, Failure> {
    measure(directory, time).await.map_err(|error| Failure::at("SQLite", error))
}

async fn measure(directory: &Path, time: Duration) -> Result<Sqlite, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(directory.join("limits.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let mut database = options.connect().await?;
    prepare(&mut database).await?;

    let (began, mut updates) = (Instant::now(), 0_i64);
    while began.elapsed() < time {
        update(&mut database, updates).await?;
        updates += 1;
    }
    let single_update = rate(updates, began);

    let (began, mut operations) = (Instant::now(), 0_i64);
    while began.elapsed() < time {
        let mut transaction = database.begin().await?;
        for _ in 0..32 {
            let id = operations % ROWS;
            transaction.fetch_one(sqlx::query(SELECT).bind(id)).await?;
            update(&mut transaction, operations).await?;
            transaction.execute(sqlx::query(USED).bind(id).bind(operations).bind(operations)).await?;
            transaction.execute(sqlx::query(FORGET).bind(id).bind(operations)).await?;
            operations += 1;
        }
        transaction.commit().await?;
    }
    let four_statements_in_groups = rate(operations, began);
    database.close().await?;
    Ok(Sqlite { single_update, four_statements_in_groups })
}

async fn update(database: &mut SqliteConnection, n: i64) -> Result<(), sqlx::Error> {
    // Spread, as sessions are that are refreshed.
    let id = n.wrapping_mul(7_919) % ROWS;
    database.execute(sqlx::query(UPDATE).bind(id).bind(n).bind(n + 1)).await.map(drop)
}

async fn prepare(database: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    database
        .execute(
            "CREATE TABLE sessions (session_id INTEGER NOT NULL PRIMARY KEY, client_id BLOB NOT NULL, resource TEXT NOT NULL,
                 scope TEXT NOT NULL, generation INTEGER NOT NULL, advanced_at INTEGER NOT NULL, expires_at INTEGER NOT NULL)
                 STRICT;
             CREATE INDEX sessions_by_expiry ON sessions (expires_at);
             CREATE TABLE used (session_id INTEGER NOT NULL, generation INTEGER NOT NULL, at INTEGER NOT NULL,
                 PRIMARY KEY (session_id, generation)) STRICT, WITHOUT ROWID;
             WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 9999)
             INSERT INTO sessions SELECT n, randomblob(120), 'http://127.0.0.1:8080/mcp', 'mcp', 1, n, n FROM n;",
        )
        .await
        .map(drop)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(operations: i64, since: Instant) -> f64 {
    operations as f64 / since.elapsed().as_secs_f64()
}
