//! A connection on loan from the pool, and the transaction in it.
//!
//! What comes back to the pool must be in a known state. A connection on which an answer is outstanding, because the
//! caller went away or the time was up, may hand that answer to the next one who asks: it is closed instead. sqlx's own
//! `Transaction` cannot tell.

use std::time::Duration;

use sqlx::Pool;
use sqlx::pool::PoolConnection;

use crate::dialect::{Dialect, arguments};
use crate::failure::{Failure, failure};
use crate::rows::{Columns, Value};

/// How long a rollback in the background may take, and how long a connection that goes back to the pool may take to say
/// that it is alive, before it is given up. Shorter than anybody waits for a connection, since it has its place in the
/// pool until then.
const RELEASE: Duration = Duration::from_secs(2);

/// A connection on loan. Dropped with an open transaction, it rolls back.
pub(crate) struct Held<DB: Dialect> {
    /// There until it is dropped.
    connection: Option<PoolConnection<DB>>,
    /// Whether a transaction was begun and not committed.
    open: bool,
    /// Whether an answer is outstanding, or was one after which the connection had better not be used.
    doubtful: bool,
    /// Whether statements stay prepared on this connection.
    kept: bool,
}

impl<DB: Dialect> Held<DB> {
    pub(crate) async fn of(pool: &Pool<DB>, kept: bool) -> Result<Self, Failure> {
        // In a box, like what gives it back: both have room for opening a connection, and would be moved with every transaction.
        let connection = Box::pin(pool.acquire()).await.map_err(failure::<DB>)?;
        Ok(Self { connection: Some(connection), open: false, doubtful: false, kept })
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self, sql: &'static str) -> Result<(), Failure> {
        // Before the call: one that is cancelled half-way may have begun one.
        self.open = true;
        self.command(sql).await
    }

    /// Commits, if a transaction is open. It is durable when this answers.
    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        if self.open {
            self.command("COMMIT").await.map_err(Failure::of_commit)?;
            self.open = false;
        }
        Ok(())
    }

    async fn command(&mut self, sql: &'static str) -> Result<(), Failure> {
        let connection = Self::there(&mut self.connection)?;
        self.doubtful = true;
        let answer = DB::command(connection, sql).await;
        self.settle(answer)
    }

    /// Runs a statement; the number of rows that it matched.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Failure> {
        let arguments = arguments::<DB>(values).map_err(failure::<DB>)?;
        let connection = Self::there(&mut self.connection)?;
        self.doubtful = true;
        let answer = DB::execute(connection, sql, arguments, self.kept).await;
        self.settle(answer)
    }

    /// Runs a query and reads each of its rows.
    pub(crate) async fn fetch<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&mut Columns<DB>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let arguments = arguments::<DB>(values).map_err(failure::<DB>)?;
        let connection = Self::there(&mut self.connection)?;
        self.doubtful = true;
        let answer = DB::fetch(connection, sql, arguments, self.kept).await;
        let rows = self.settle(answer)?;
        rows.into_iter().map(|row| read(&mut Columns::of(row))).collect()
    }

    /// The same for a query of one row at most.
    pub(crate) async fn fetch_one<T>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&mut Columns<DB>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        Ok(self.fetch(sql, values, read).await?.pop())
    }

    /// The answer is here: what it says of the connection. After anything but a conflict or a taken key it is not used
    /// again: it may be broken, or lead to what is no longer the primary.
    fn settle<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, Failure> {
        let answer = answer.map_err(failure::<DB>);
        self.doubtful = !matches!(answer, Ok(_) | Err(Failure::Conflict(_) | Failure::Taken(_)));
        answer
    }

    fn there(connection: &mut Option<PoolConnection<DB>>) -> Result<&mut DB::Connection, Failure> {
        match connection {
            Some(connection) => Ok(connection),
            None => Err(failure::<DB>(sqlx::Error::PoolClosed)),
        }
    }
}

impl<DB: Dialect> Drop for Held<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let networked = DB::DEADLINE.is_some();
        let runtime = tokio::runtime::Handle::try_current();
        if self.doubtful && networked {
            connection.close_on_drop();
        } else if self.open
            && let Ok(runtime) = runtime
        {
            runtime.spawn(async move {
                let rollback = tokio::time::timeout(RELEASE, DB::command(&mut connection, "ROLLBACK")).await;
                if !networked {
                    // A database in this process may have rolled back by itself already.
                } else if matches!(rollback, Ok(Ok(()))) {
                    give_back(connection).await;
                } else {
                    connection.close_on_drop();
                }
            });
        } else if networked && let Ok(runtime) = runtime {
            runtime.spawn(give_back(connection));
        }
    }
}

/// What dropping a connection does, with an end: sqlx asks it whether it lives, and would wait for the answer as long as
/// the system does, a quarter of an hour if the network went silent. Cut short, it is closed and its place is free.
fn give_back<DB: Dialect>(mut connection: PoolConnection<DB>) -> impl Future<Output = ()> + Send + 'static {
    // Here and not in the future: one that never runs, for the runtime ends, frees the place as well.
    let returning = Box::pin(connection.return_to_pool());
    async move {
        if tokio::time::timeout(RELEASE, returning).await.is_err() {
            tracing::warn!("a connection to the database went silent; it is closed");
        }
    }
}
