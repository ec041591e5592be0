//! Opening an SQLite database.
//!
//! One connection writes and waits for its turn at `BEGIN IMMEDIATE`; four read. Write-ahead logging, so that readers and
//! the writer, of this process and of others, do not wait for each other.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Pool, Sqlite};

use crate::dialect::{Dialect as _, Fault};
use crate::file::DatabaseFile;
use crate::migrate::{self, OpenError};
use crate::{SqlStore, SqliteStore};

/// How long a request waits for a connection, and a transaction for that of another process.
const PATIENCE: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
/// While another process turns a new file into a database, opening it is refused at once and not after a wait.
const OPENING_TRIES: u32 = 50;

impl SqliteStore {
    /// Opens the database that a URL such as `sqlite://dcr.db` names, makes it if there is none, and brings its tables up
    /// to date. `sqlite::memory:` is one that goes with the store.
    ///
    /// # Errors
    /// [`OpenError`] says what an operator has to do.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options: SqliteConnectOptions = url.parse().map_err(OpenError::Url)?;
        let options = options.busy_timeout(PATIENCE).foreign_keys(true).synchronous(SqliteSynchronous::Normal);
        if options.to_url_lossy().query_pairs().any(|(key, value)| key == "mode" && value == "memory") {
            let only = pool(1).connect_with(options).await.map_err(OpenError::Database)?;
            migrate::sqlite(&only).await?;
            return Ok(SqlStore { writer: only.clone(), reader: only, file: None });
        }

        let path = options.get_filename().to_owned();
        if path.as_os_str().is_empty() {
            return Err(OpenError::NoFile);
        }
        let file = DatabaseFile::at(&path).map_err(|source| OpenError::File { path, source })?;
        // From here on a file that is gone is an error and not a reason to make another.
        let options = options.filename(file.path()).create_if_missing(false);
        let writer = open_writer(options.clone().journal_mode(SqliteJournalMode::Wal)).await?;
        migrate::sqlite(&writer).await?;
        let reader = pool(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(SqlStore { writer, reader, file: Some(file) })
    }
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
