//! A store whose calls are timed, each in a span of its own.

use std::fmt;
use std::sync::Arc;

use ::metrics::histogram;
use async_trait::async_trait;
use tracing::Instrument as _;

use super::STORE;
use crate::client::{ClientId, ImportedClient, StoredClient};
use crate::clock::{Clock, Timestamp};
use crate::record::{Event, FunnelCount, RequestRecord};
use crate::seal::Secret;
use crate::session::{Connection, ConnectionId, RequestId, Session, SessionId, User, UserId};
use crate::store::methods::each_store_method;
use crate::store::{
    Advance, Advanced, BlockKind, BlockQuery, CatchUp, Census, ClientUse, ClientUseQuery, Counts, Ending, Erased,
    Erasure, EventQuery, FunnelQuery, FunnelSumQuery, Import, Imported, PlatformUse, PutClient, PutUpstreamToken,
    RequestQuery, Revocation, SessionView, SignIn, SignedIn, Store, StoreError, StoredUpstreamToken, Target,
    UpstreamLease, UpstreamTokenKey, UpstreamTokenVersion, UserQuery,
};

/// See [`super::timed_store`].
pub(super) struct Timed {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Timed {
    fn took<T>(&self, operation: &'static str, began: Timestamp, answer: &Result<T, StoreError>) {
        let outcome = match answer {
            Ok(_) => "ok",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(StoreError::Inconsistent(_)) => "inconsistent",
        };
        let took = self.clock.now().since(began);
        histogram!(STORE, "operation" => operation, "outcome" => outcome).record(took);
    }
}

macro_rules! time {
    ($($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Timed {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                let span = tracing::debug_span!(target: "dcr", "dcr.store", operation = stringify!($method));
                let began = self.clock.now();
                let answer = self.store.$method($($name),*).instrument(span).await;
                self.took(stringify!($method), began, &answer);
                answer
            })*
        }
    };
}

each_store_method!(time);

/// As the store itself: nobody needs to know that it is timed.
impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}
