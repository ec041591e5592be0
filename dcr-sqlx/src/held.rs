//! A connection on loan, and the transaction in it.
//!
//! What comes back must be in a known state. A connection on which an answer is outstanding, because the
//! caller went away or the time was up, may hand that answer to the next one who asks: it is closed instead. sqlx's own
//! `Transaction` cannot tell.

use crate::dialect::{Dialect, arguments};
use crate::failure::{Failure, failure};
use crate::loans::{Loan, Loans, RELEASE};
use crate::rows::{Columns, Value};

/// A connection on loan. Dropped with an open transaction, it rolls back.
pub(crate) struct Held<DB: Dialect> {
    /// There until it is dropped.
    loan: Option<Loan<DB>>,
    /// Whether a transaction was begun and not committed.
    open: bool,
    /// Whether an answer is outstanding, or was one after which the connection had better not be used.
    doubtful: bool,
    /// Whether statements stay prepared on this connection.
    kept: bool,
}

impl<DB: Dialect> Held<DB> {
    pub(crate) async fn of(loans: &Loans<DB>, kept: bool) -> Result<Self, Failure> {
        let loan = loans.take().await.map_err(failure::<DB>)?;
        Ok(Self { loan: Some(loan), open: false, doubtful: false, kept })
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
        let connection = Self::there(&mut self.loan)?;
        self.doubtful = true;
        let answer = DB::command(connection, sql).await;
        self.settle(answer)
    }

    /// Runs a statement; the number of rows that it matched.
    pub(crate) async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Failure> {
        let arguments = arguments::<DB>(values).map_err(failure::<DB>)?;
        let connection = Self::there(&mut self.loan)?;
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
        let connection = Self::there(&mut self.loan)?;
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

    fn there(loan: &mut Option<Loan<DB>>) -> Result<&mut DB::Connection, Failure> {
        match loan {
            Some(loan) => Ok(&mut loan.connection),
            None => Err(failure::<DB>(sqlx::Error::PoolClosed)),
        }
    }
}

impl<DB: Dialect> Drop for Held<DB> {
    fn drop(&mut self) {
        let Some(mut loan) = self.loan.take() else { return };
        let networked = DB::DEADLINE.is_some();
        if !self.doubtful && !self.open {
            loan.give_back();
        } else if self.doubtful && networked {
            loan.close_on_drop();
        } else if self.open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let rollback = DB::command(&mut loan.connection, "ROLLBACK");
                match tokio::time::timeout(RELEASE, rollback).await {
                    Ok(Ok(())) => loan.give_back(),
                    _ if networked => loan.close_on_drop(),
                    // A database in this process may have rolled back by itself already.
                    _ => loan.return_to_pool().await,
                }
            });
        }
    }
}
