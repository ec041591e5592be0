//! Sessions as this process last saw their rows, so that a token request need not read what it is about to write.
//!
//! What is bound for life ([`Session`]) cannot be out of date. Of the rest it is a guess: whoever goes by it moves the
//! counter next, and that statement decides again, on the row itself (I-5).

use std::sync::Arc;

use moka::sync::Cache;

use super::{Generation, Session, SessionId};
use crate::clock::Timestamp;

/// How much memory they may take, in bytes, more or less.
const MEMORY: u64 = 8 * 1024 * 1024;

/// The sessions that were opened or refreshed here last.
pub(crate) struct KnownSessions(Cache<SessionId, Arc<Session>>);

impl KnownSessions {
    pub(crate) fn new() -> Self {
        Self(Cache::builder().max_capacity(MEMORY).weigher(|_, session: &Arc<Session>| weight(session)).build())
    }

    /// The session, if as far as is known here it is alive and stands at this generation. None with a secret that proves
    /// nothing: two may disagree about it, and then it matters what the row says (SR-16).
    pub(crate) fn at(&self, id: SessionId, generation: Generation, now: Timestamp) -> Option<Arc<Session>> {
        let known = self.0.get(&id)?;
        let fits = known.generation == generation && known.is_alive(now) && !known.provenance.has_unproven_secret();
        fits.then_some(known)
    }

    /// The store has just written it like this.
    pub(crate) fn written(&self, session: &Session) {
        self.0.insert(session.id, Arc::new(session.clone()));
    }

    /// It is not as it was known, or over.
    pub(crate) fn forget(&self, id: SessionId) {
        self.0.invalidate(&id);
    }
}

/// What an entry takes: the row, the texts that it points to, and its place in the cache.
fn weight(session: &Session) -> u32 {
    const FIXED: usize = 640;
    let texts =
        session.client_id.as_str().len() + session.redirect_uri.len() + session.resource.len() + session.scope.weight();
    u32::try_from(FIXED + texts).unwrap_or(u32::MAX)
}
