//! Client ids of an older system: who is one is asked of the store.
//!
//! At authorize always, so that an import works at once. At the token and revocation endpoints only for what is no token of
//! ours, and there what the store said is remembered for some seconds: a stranger who forges tokens must not choose how
//! often the database is read.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;

use crate::client::{ClientId, ImportedClient, may_be_imported};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::seal::sha256;

/// As long as a revocation may take: what an operator did is seen everywhere after this.
const REMEMBERED: Duration = Duration::from_secs(5);
/// So many ids, whatever strangers send.
const IDS: u64 = 10_000;

/// What the store said last.
pub(crate) struct Imports {
    /// Whether there are any.
    any: RwLock<Option<Said>>,
    /// Whether this one is. By SHA-256: ids are long, and these are anybody's.
    ids: Cache<[u8; 32], Said>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    yes: bool,
    at: Timestamp,
}

impl Said {
    /// The answer, while it counts. One from the future says that the clock was set back.
    fn at(self, now: Timestamp) -> Option<bool> {
        (self.at <= now && now.since(self.at) < REMEMBERED).then_some(self.yes)
    }
}

impl Imports {
    pub(crate) fn new() -> Self {
        Self { any: RwLock::default(), ids: Cache::new(IDS) }
    }
}

impl Inner {
    /// The client that was imported under this id. Ids whose form says how they are resolved cost no read.
    pub(crate) async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, Refusal> {
        if self.may_be_imported(id) { Ok(self.store.imported_client(id).await?) } else { Ok(None) }
    }

    /// Whether a client was imported under this id, as of some seconds ago.
    pub(crate) async fn is_imported(&self, id: &ClientId) -> Result<bool, Refusal> {
        if !self.may_be_imported(id) || !self.has_imports().await? {
            return Ok(false);
        }
        let now = self.clock.now();
        let key = sha256(id.as_str().as_bytes());
        if let Some(yes) = self.imports.ids.get(&key).and_then(|said| said.at(now)) {
            return Ok(yes);
        }
        let yes = self.store.imported_client(id).await?.is_some();
        self.imports.ids.insert(key, Said { yes, at: now });
        Ok(yes)
    }

    /// Most servers have none, and then no id needs a look.
    async fn has_imports(&self) -> Result<bool, Refusal> {
        let now = self.clock.now();
        let said = *self.imports.any.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(yes) = said.and_then(|said| said.at(now)) {
            return Ok(yes);
        }
        let yes = self.store.has_imported_clients().await?;
        *self.imports.any.write().unwrap_or_else(PoisonError::into_inner) = Some(Said { yes, at: now });
        Ok(yes)
    }

    fn may_be_imported(&self, id: &ClientId) -> bool {
        may_be_imported(id) && !self.rules.pre_registered.contains_key(id)
    }
}
