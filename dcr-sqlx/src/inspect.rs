//! What an operator's tool asks of a database, beyond what a server does.

use async_trait::async_trait;
use dcr_core::Timestamp;
use dcr_core::session::SessionId;
use dcr_core::store::{Store, StoreError, Target};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::end;
use crate::retry::retried;
use crate::rows::{Columns, values};

/// A store that can be looked into.
#[async_trait]
pub(crate) trait Inspect: Store {
    /// The time by the database's own clock.
    async fn server_time(&self) -> Result<Timestamp, StoreError>;

    /// The sessions that revoking `target` now would end.
    async fn would_end(&self, target: &Target) -> Result<Vec<SessionId>, StoreError>;

    /// How many sessions lapsed or ended before `before`.
    async fn sweepable(&self, before: Timestamp) -> Result<u64, StoreError>;
}

#[async_trait]
impl<DB: Dialect> Inspect for SqlStore<DB> {
    async fn server_time(&self) -> Result<Timestamp, StoreError> {
        let time = retried!(self.query(DB::SQL.server_time, values![], Columns::time))?.pop();
        time.ok_or_else(|| StoreError::Inconsistent("the database does not say what time it is".to_owned()))
    }

    async fn would_end(&self, target: &Target) -> Result<Vec<SessionId>, StoreError> {
        retried!(end::would_end(self, target))
    }

    async fn sweepable(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(retried!(self.query(DB::SQL.sweepable, values![before, before], Columns::count))?.pop().unwrap_or(0))
    }
}
