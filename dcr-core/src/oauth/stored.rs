//! Clients that are rows: of an older system, pinned with the operator's command, changed or deleted by themselves. Who is
//! one is asked of the store.
//!
//! At authorize always, so that what an operator did works at once. At the token and revocation endpoints what the store
//! said is remembered for some seconds: a stranger who forges tokens must not choose how often the database is read.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;

use crate::client::{ClientId, ImportedClient, StoredClient, may_be_imported};
use crate::clock::Timestamp;
use crate::engine::Inner;
use crate::error::Refusal;
use crate::seal::sha256;

/// As long as a revocation may take: what an operator did is seen everywhere after this.
const REMEMBERED: Duration = Duration::from_secs(5);
/// So many ids, whatever strangers send.
const IDS: u64 = 10_000;

/// What the store said last.
pub(crate) struct StoredClients {
    /// Whether any were imported, and whether any are rows of another kind.
    any_imported: RwLock<Option<Said<bool>>>,
    any_stored: RwLock<Option<Said<bool>>>,
    /// By SHA-256 of the id: ids are long, and these are anybody's.
    imported: Cache<[u8; 32], Said<bool>>,
    stored: Cache<[u8; 32], Said<Option<Arc<StoredClient>>>>,
}

#[derive(Debug, Clone)]
struct Said<T> {
    what: T,
    at: Timestamp,
}

impl<T: Clone> Said<T> {
    /// The answer, while it counts. One from the future says that the clock was set back.
    fn at(&self, now: Timestamp) -> Option<T> {
        (self.at <= now && now.since(self.at) < REMEMBERED).then(|| self.what.clone())
    }
}

impl StoredClients {
    pub(crate) fn new() -> Self {
        Self {
            any_imported: RwLock::default(),
            any_stored: RwLock::default(),
            imported: Cache::new(IDS),
            stored: Cache::new(IDS),
        }
    }
}

fn said(slot: &RwLock<Option<Said<bool>>>, now: Timestamp) -> Option<bool> {
    slot.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|said| said.at(now))
}

fn say(slot: &RwLock<Option<Said<bool>>>, what: bool, at: Timestamp) {
    *slot.write().unwrap_or_else(PoisonError::into_inner) = Some(Said { what, at });
}

impl Inner {
    /// The client that was imported under this id. Ids whose form says how they are resolved cost no read.
    pub(crate) async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, Refusal> {
        if self.may_be_imported(id) { Ok(self.store.imported_client(id).await?) } else { Ok(None) }
    }

    /// Whether a client was imported under this id, as of some seconds ago.
    pub(crate) async fn is_imported(&self, id: &ClientId) -> Result<bool, Refusal> {
        if !self.may_be_imported(id) || !self.has_imported().await? {
            return Ok(false);
        }
        let now = self.clock.now();
        let key = sha256(id.as_str().as_bytes());
        if let Some(yes) = self.stored.imported.get(&key).and_then(|said| said.at(now)) {
            return Ok(yes);
        }
        let what = self.store.imported_client(id).await?.is_some();
        self.stored.imported.insert(key, Said { what, at: now });
        Ok(what)
    }

    /// The row of this id.
    pub(crate) async fn stored_client(&self, id: &ClientId) -> Result<Option<Arc<StoredClient>>, Refusal> {
        if self.rules.pre_registered.contains_key(id) || !self.has_stored().await? {
            return Ok(None);
        }
        let now = self.clock.now();
        let what = self.store.client(id).await?.map(Arc::new);
        self.stored.stored.insert(sha256(id.as_str().as_bytes()), Said { what: what.clone(), at: now });
        Ok(what)
    }

    /// The row of this id as of some seconds ago.
    pub(crate) async fn stored_lately(&self, id: &ClientId) -> Result<Option<Arc<StoredClient>>, Refusal> {
        let known = self.stored.stored.get(&sha256(id.as_str().as_bytes()));
        match known.and_then(|said| said.at(self.clock.now())) {
            Some(what) => Ok(what),
            None => self.stored_client(id).await,
        }
    }

    /// What this process changed of this id's row holds here from now on.
    pub(crate) fn note_stored(&self, client: &StoredClient) {
        let now = self.clock.now();
        say(&self.stored.any_stored, true, now);
        let said = Said { what: Some(Arc::new(client.clone())), at: now };
        self.stored.stored.insert(sha256(client.id().as_str().as_bytes()), said);
    }

    /// Most servers have none, and then no id needs a look.
    async fn has_imported(&self) -> Result<bool, Refusal> {
        let now = self.clock.now();
        if let Some(yes) = said(&self.stored.any_imported, now) {
            return Ok(yes);
        }
        let yes = self.store.has_imported_clients().await?;
        say(&self.stored.any_imported, yes, now);
        Ok(yes)
    }

    /// The same of pinned, changed and deleted ones.
    pub(super) async fn has_stored(&self) -> Result<bool, Refusal> {
        let now = self.clock.now();
        if let Some(yes) = said(&self.stored.any_stored, now) {
            return Ok(yes);
        }
        let yes = self.store.has_clients().await?;
        say(&self.stored.any_stored, yes, now);
        Ok(yes)
    }

    fn may_be_imported(&self, id: &ClientId) -> bool {
        may_be_imported(id) && !self.rules.pre_registered.contains_key(id)
    }
}
