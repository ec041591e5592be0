//! A store in front of stores, for tests: replicas in turn, stores that fail or hang at one method.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::client::{ClientId, ImportedClient, StoredClient};
use crate::clock::Timestamp;
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

/// Where the calls of a [`Routed`] store go.
#[async_trait]
pub trait Route: fmt::Debug + Send + Sync + 'static {
    /// The store that answers this call.
    fn store(&self) -> &dyn Store;

    /// Runs before each call; an error is its answer.
    async fn before(&self, method: &'static str) -> Result<(), StoreError> {
        let _ = method;
        Ok(())
    }

    /// Runs after each call that went well; an error is its answer: what the call did is done, and nobody heard of it.
    async fn after(&self, method: &'static str) -> Result<(), StoreError> {
        let _ = method;
        Ok(())
    }
}

/// A store whose calls go where `R` says.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct Routed<R>(pub R);

/// Stores that share nothing but their database, asked in turn: what one wrote the others must see at once.
#[derive(Debug)]
pub struct InTurn {
    stores: Vec<Arc<dyn Store>>,
    next: AtomicUsize,
}

impl InTurn {
    /// Asks `stores` in turn; there must be one.
    #[must_use]
    pub fn of(stores: Vec<Arc<dyn Store>>) -> Arc<dyn Store> {
        assert!(!stores.is_empty(), "no stores");
        Arc::new(Routed(Self { stores, next: AtomicUsize::new(0) }))
    }
}

impl Route for InTurn {
    fn store(&self) -> &dyn Store {
        self.stores[self.next.fetch_add(1, Ordering::Relaxed) % self.stores.len()].as_ref()
    }
}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<R: Route> Store for Routed<R> {
            $(async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                self.0.before(stringify!($method)).await?;
                let answer = self.0.store().$method($($name),*).await?;
                self.0.after(stringify!($method)).await?;
                Ok(answer)
            })*
        }
    };
}

each_store_method!(forward);
