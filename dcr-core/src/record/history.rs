//! The history of requests: which tools a session called, when, from where, and how that ended. Off unless somebody asks for
//! it ([`DcrEngineBuilder::request_history`](crate::DcrEngineBuilder::request_history)); what was said is never in it.
//!
//! A request costs no write: what is seen waits in memory, and is added to the store with the funnel counts. What a process
//! has not added when it dies is lost, and what is more than waits while the store does not answer: both are said in the log.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::Retention;
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::Reason;
use crate::session::{RequestId, SessionId, UserId};
use crate::store::StoreError;

/// So many wait at most.
const MOST: usize = 20_000;
/// So many are written in one transaction.
const BATCH: usize = 500;

/// A request of a session that passed the guard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "stores outside this crate build it from their rows")]
pub struct RequestRecord {
    /// Its own id, which is ordered by time.
    pub id: RequestId,
    /// Whose session.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When it came.
    pub at: Timestamp,
    /// The method of HTTP.
    pub method: String,
    /// The tool that it called; several of a batch by commas. Bounded text: a client chose it (I-10).
    pub tool: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Where it came from, if that is known: see [`TrustedProxies`](crate::TrustedProxies).
    pub address: Option<IpAddr>,
}

/// What has been seen and not been added to the store.
pub(crate) struct History {
    keep: Option<Retention>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<RequestRecord>,
    lost: u64,
}

impl History {
    pub(crate) fn new(keep: Option<Retention>) -> Self {
        Self { keep, waiting: Mutex::default() }
    }

    /// How long it is kept, if it is.
    pub(crate) const fn keep(&self) -> Option<Retention> {
        self.keep
    }

    pub(crate) fn add(&self, more: impl IntoIterator<Item = RequestRecord>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for request in more {
            if waiting.requests.len() < MOST {
                waiting.requests.push(request);
            } else {
                waiting.lost = waiting.lost.saturating_add(1);
            }
        }
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Adds what waits to the store. On an error it waits for the next time.
    pub(crate) async fn flush_history(&self) -> Result<(), StoreError> {
        let Waiting { requests, lost } = self.history.take();
        if lost > 0 {
            tracing::error!(target: "dcr", lost, reason = Reason::ServerBusy.as_str(), "requests are not in the history");
        }
        let mut rest = requests.as_slice();
        while !rest.is_empty() {
            let (batch, more) = rest.split_at(rest.len().min(BATCH));
            if let Err(error) = self.store.add_requests(batch).await {
                self.history.add(rest.iter().cloned());
                return Err(error);
            }
            rest = more;
        }
        Ok(())
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).requests.len();
        f.debug_struct("History").field("keep", &self.keep).field("waiting", &waiting).finish_non_exhaustive()
    }
}
