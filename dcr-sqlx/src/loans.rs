//! Connections on loan from sqlx's pool, which asks each one that comes back whether it lives: a round trip more than its
//! statement takes. So one that comes back in order waits here for whoever is next, and goes back to the pool when nobody
//! wanted it for a while, or when it has been away for long: the pool sees to how old its connections become.
//!
//! The price: if the network goes silent, whoever takes a connection within [`TRUSTED`] of its last answer waits for theirs
//! until the deadline, like everybody who is in the middle of a statement then.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::retry::TRUSTED;

/// How long a connection that goes back to the pool may take to say that it is alive, before it is given up. Shorter than
/// anybody waits for a connection, since it has its place in the pool until then.
pub(crate) const RELEASE: Duration = Duration::from_secs(2);
/// How long one may be away from the pool. Far less than it may live.
const AWAY: Duration = Duration::from_secs(10);

/// A pool, and the connections of it that wait for the next one who asks. Clones are the same one.
pub(crate) struct Loans<DB: Dialect>(Arc<Inner<DB>>);

struct Inner<DB: Dialect> {
    pool: Pool<DB>,
    /// As many as there may be connections: whoever has a place finds one that waits, or the pool has one for them.
    places: Arc<Semaphore>,
    waiting: Mutex<Waiting<DB>>,
}

struct Waiting<DB: Dialect> {
    /// The one that came last is last.
    connections: Vec<Idle<DB>>,
    /// Whether a task looks after those that nobody wants.
    watched: bool,
    /// Whatever comes back goes on to the pool, which waits for it.
    closed: bool,
}

struct Idle<DB: Dialect> {
    connection: PoolConnection<DB>,
    lent: Instant,
    since: Instant,
}

/// A connection on loan. Dropped as it is, it goes back to the pool.
pub(crate) struct Loan<DB: Dialect> {
    pub(crate) connection: PoolConnection<DB>,
    lent: Instant,
    loans: Loans<DB>,
    /// Free for the next one after the connection is.
    place: OwnedSemaphorePermit,
}

impl<DB: Dialect> Loans<DB> {
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(crate) fn of(pool: Pool<DB>) -> Self {
        let places = Arc::new(Semaphore::new(pool.options().get_max_connections() as usize));
        let waiting = Mutex::new(Waiting { connections: Vec::new(), watched: false, closed: false });
        Self(Arc::new(Inner { pool, places, waiting }))
    }

    /// A connection, as soon as there is one.
    pub(crate) async fn take(&self) -> Result<Loan<DB>, sqlx::Error> {
        let Inner { pool, places, .. } = &*self.0;
        let place = Arc::clone(places).acquire_owned();
        let place = tokio::time::timeout(pool.options().get_acquire_timeout(), place).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, lent) = match self.0.last() {
            Some(idle) if idle.is_good() => (idle.connection, idle.lent),
            Some(idle) => {
                give_back(idle.connection).await;
                self.lend().await?
            }
            None => self.lend().await?,
        };
        Ok(Loan { connection, lent, loans: Self(Arc::clone(&self.0)), place })
    }

    /// From the pool. In a box: it has room for opening a connection, and would be moved with every transaction.
    async fn lend(&self) -> Result<(PoolConnection<DB>, Instant), sqlx::Error> {
        Ok((Box::pin(self.0.pool.acquire()).await?, Instant::now()))
    }

    /// Waits for what is running and closes every connection.
    pub(crate) async fn close(&self) {
        let waiting = {
            let mut waiting = self.0.waiting();
            waiting.closed = true;
            std::mem::take(&mut waiting.connections)
        };
        for idle in waiting {
            // What there is to say has been said to whoever used it.
            let _: Result<(), sqlx::Error> = idle.connection.close().await;
        }
        self.0.pool.close().await;
    }
}

impl<DB: Dialect> Inner<DB> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<DB>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> Option<Idle<DB>> {
        self.waiting().connections.pop()
    }

    /// A connection that may wait for the next one; or it has to go back to the pool.
    fn put(self: &Arc<Self>, idle: Idle<DB>) -> Option<PoolConnection<DB>> {
        let mut waiting = self.waiting();
        // One to a database in this process has no other end, and never gets old.
        let networked = DB::DEADLINE.is_some();
        if waiting.closed || (networked && idle.lent.elapsed() > AWAY) {
            return Some(idle.connection);
        }
        if networked && !waiting.watched {
            let Ok(runtime) = Handle::try_current() else { return Some(idle.connection) };
            waiting.watched = true;
            runtime.spawn(watch(Arc::downgrade(self)));
        }
        waiting.connections.push(idle);
        None
    }

    /// Takes out those that nobody wanted for a while; whether there are others.
    fn unwanted(&self) -> (Vec<PoolConnection<DB>>, bool) {
        let mut waiting = self.waiting();
        let unwanted = waiting.connections.extract_if(.., |idle| !idle.is_good()).map(|idle| idle.connection).collect();
        waiting.watched = !waiting.connections.is_empty();
        (unwanted, waiting.watched)
    }
}

impl<DB: Dialect> Drop for Inner<DB> {
    fn drop(&mut self) {
        // Going back to the pool takes a runtime, which may be over.
        for idle in self.waiting().connections.drain(..) {
            drop(idle.connection.detach());
        }
    }
}

impl<DB: Dialect> Idle<DB> {
    /// Whether it may be used without being asked whether it lives.
    fn is_good(&self) -> bool {
        DB::DEADLINE.is_none() || self.since.elapsed() < TRUSTED
    }
}

impl<DB: Dialect> Loan<DB> {
    /// Gives it back in order: no transaction is open, and no answer outstanding.
    pub(crate) fn give_back(self) {
        let Self { connection, lent, loans, place } = self;
        let Some(connection) = loans.0.put(Idle { connection, lent, since: Instant::now() }) else { return };
        match Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    give_back(connection).await;
                    drop(place);
                });
            }
            // Going back to the pool takes a runtime.
            Err(_) => drop(connection.detach()),
        }
    }

    /// To the pool, which sees whether it is of any use.
    pub(crate) async fn return_to_pool(self) {
        give_back(self.connection).await;
    }

    pub(crate) fn close_on_drop(&mut self) {
        self.connection.close_on_drop();
    }
}

/// Gives back to the pool what nobody wants, as long as anything waits.
async fn watch<DB: Dialect>(loans: Weak<Inner<DB>>) {
    loop {
        tokio::time::sleep(TRUSTED).await;
        let Some((unwanted, others)) = loans.upgrade().map(|loans| loans.unwanted()) else { return };
        for connection in unwanted {
            tokio::spawn(give_back(connection));
        }
        if !others {
            return;
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

impl<DB: Dialect> Clone for Loans<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Dialect> fmt::Debug for Loans<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loans").field(&self.0.pool).finish()
    }
}
