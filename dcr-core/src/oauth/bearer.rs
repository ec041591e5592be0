//! The bearer check (RFC 6750, RFC 9068): a token to a [`Principal`], without a read of the store in the common case, and
//! the revocation feed that makes that safe (RS-7).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderMap;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::client::Platform;
use crate::clock::Timestamp;
use crate::config::MAX_ACCESS_TOKEN;
use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::metrics;
use crate::oauth::ScopeSet;
use crate::oauth::challenge::{bearer_token, challenge};
use crate::resource::ValidResource;
use crate::seal::sha256;
use crate::session::{
    AccessToken, ConnectionId, KnownSessions, Principal, PrincipalInner, SessionId, TokenFault, User,
};
use crate::store::StoreError;

/// The feed is read at most this often.
const POLL: Duration = Duration::from_secs(1);
/// A check waits for the feed when the last answer is older than this. With [`POLL`] it keeps the promised 5 s.
const WAIT: Duration = Duration::from_secs(4);
/// Entries are read again for this long: longer than a statement may take and two replicas' clocks may differ.
const OVERLAP: Duration = Duration::from_secs(30);
/// How much memory each may take, in bytes, more or less: a person in two hundred groups takes as much as ten in none.
const TOKENS: u64 = 32 * 1024 * 1024;
const SESSIONS: u64 = 16 * 1024 * 1024;
/// What the place of an entry takes, beside the entry.
const PLACE: usize = 320;

/// Who a token speaks for: what never changes of it, and what is only shown.
#[derive(Debug, Clone)]
struct SessionFacts {
    user: Arc<User>,
    /// A machine client has none.
    connection: Option<ConnectionId>,
    platform: Platform,
}

/// What this process knows of which sessions are over.
pub(crate) struct Liveness {
    keep: Duration,
    ended: RwLock<HashMap<SessionId, Timestamp>>,
    feed: Mutex<()>,
    times: RwLock<FeedTimes>,
    sessions: Cache<SessionId, SessionFacts>,
    /// For the token endpoint.
    pub(crate) known: KnownSessions,
    /// By SHA-256 of the token: the token itself is nowhere.
    verified: Cache<[u8; 32], Principal>,
}

#[derive(Debug, Clone, Copy, Default)]
struct FeedTimes {
    answered: Option<Timestamp>,
    failed: Option<Timestamp>,
}

impl Liveness {
    pub(crate) fn new() -> Self {
        Self {
            // The longest life that an access token may have, whatever it is here: another replica may be set otherwise.
            keep: MAX_ACCESS_TOKEN + OVERLAP,
            ended: RwLock::default(),
            feed: Mutex::new(()),
            times: RwLock::default(),
            sessions: Cache::builder()
                .max_capacity(SESSIONS)
                .weigher(|_, facts: &SessionFacts| weight(facts.user.weight()))
                .build(),
            known: KnownSessions::new(),
            // Tokens follow each other, and one that lapsed never comes again, however often it was seen.
            verified: Cache::builder()
                .max_capacity(TOKENS)
                .eviction_policy(EvictionPolicy::lru())
                .weigher(|_, principal: &Principal| weight(principal.weight()))
                .build(),
        }
    }

    /// These sessions are over: in this process from now on.
    pub(crate) fn note(&self, sessions: &[SessionId], at: Timestamp) {
        if sessions.is_empty() {
            return;
        }
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        for session in sessions {
            ended.insert(*session, at);
            self.sessions.invalidate(session);
            self.known.forget(*session);
        }
    }

    pub(crate) fn is_over(&self, session: SessionId) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    fn times(&self) -> FeedTimes {
        *self.times.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_times(&self, change: impl FnOnce(&mut FeedTimes)) {
        change(&mut self.times.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn forget_old(&self, now: Timestamp) {
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        ended.retain(|_, at| now.since(*at) < self.keep);
    }
}

impl DcrEngine {
    /// Verifies the bearer token of a request to `resource` (its identifier; the first resource if `None`) and that its
    /// session is alive.
    ///
    /// # Errors
    /// [`Refusal`]; [`DcrEngine::challenge`] makes the `WWW-Authenticate` header of it.
    pub async fn authenticate(&self, headers: &HeaderMap, resource: Option<&str>) -> Result<Principal, Refusal> {
        let token = bearer_token(headers)?;
        self.inner.principal(token, resource).await
    }

    /// [`DcrEngine::authenticate`], and the scopes that the operation needs.
    ///
    /// # Errors
    /// [`Refusal`], with [`Reason::ScopeInsufficient`] if a scope is missing.
    pub async fn authorize_request(
        &self,
        headers: &HeaderMap,
        resource: Option<&str>,
        needed: &ScopeSet,
    ) -> Result<Principal, Refusal> {
        let principal = self.authenticate(headers, resource).await?;
        principal.require(needed)?;
        Ok(principal)
    }

    /// The `WWW-Authenticate` header for a refusal (RFC 6750 section 3, RFC 9728 section 5.1): where the metadata is, and
    /// which scopes to ask for. `None` where a challenge would be wrong, such as 503.
    #[must_use]
    pub fn challenge(&self, refusal: &Refusal, resource: Option<&str>, needed: &ScopeSet) -> Option<String> {
        let resource = self.inner.resource(resource)?;
        challenge(refusal, &resource.metadata_url(), needed, &resource.defaults)
    }
}

fn weight(entry: usize) -> u32 {
    u32::try_from(PLACE + entry).unwrap_or(u32::MAX)
}

/// Whether `at` is less than `bound` ago. A time from the future says that the clock was set back: as good as none.
fn within(at: Option<Timestamp>, now: Timestamp, bound: Duration) -> bool {
    at.is_some_and(|at| at <= now + POLL && now.since(at) < bound)
}

impl Inner {
    pub(crate) async fn principal(&self, token: &str, resource: Option<&str>) -> Result<Principal, Refusal> {
        let checked = self.check_token(token, resource).await;
        metrics::bearer(checked.as_ref().err().map(Refusal::reason));
        checked
    }

    async fn check_token(&self, token: &str, resource: Option<&str>) -> Result<Principal, Refusal> {
        let resource = self.resource(resource).ok_or(Reason::TokenInvalid)?;
        let audience = resource.uri.as_str();
        let now = self.clock.now();
        let key = sha256(token.as_bytes());
        let principal = match self.liveness.verified.get(&key) {
            Some(known) if known.resource() != audience => return Err(Reason::TokenInvalid.into()),
            Some(known) if known.expires_at() <= now => {
                self.liveness.verified.invalidate(&key);
                return Err(Reason::TokenExpired.into());
            }
            Some(known) => known,
            None => self.first_seen(token, key, resource, now).await?,
        };
        match principal.session() {
            Some(session) => {
                self.hear_revocations().await?;
                if self.liveness.is_over(session) {
                    return Err(Reason::TokenRevoked.into());
                }
            }
            None => {
                self.machine(principal.client_id()).await?;
            }
        }
        Ok(principal)
    }

    /// A token that this process has not seen: signature and claims; a session that it has not seen: one read.
    async fn first_seen(
        &self,
        token: &str,
        key: [u8; 32],
        resource: &ValidResource,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let claims = AccessToken::verify(token, self.issuer.as_str(), Some(&resource.uri), now, &self.ring)
            .map_err(TokenFault::reason)?;
        let facts = match claims.subject.session() {
            Some(session) => match self.liveness.sessions.get(&session) {
                Some(facts) => facts,
                None => self.session_facts(session).await?,
            },
            None => SessionFacts {
                user: self.machine(&claims.client_id).await?,
                connection: None,
                platform: Platform::other(),
            },
        };
        // A database that was lost and filled again may know the session id for another sign-in: a callback that is reloaded
        // opens it anew, for whoever is logged in then.
        if facts.user.id != claims.user || facts.connection != claims.subject.connection() {
            return Err(Reason::TokenRevoked.into());
        }
        let principal = Principal::new(PrincipalInner {
            user: facts.user,
            subject: claims.subject,
            client_id: claims.client_id,
            platform: facts.platform,
            resource: claims.resource,
            effective: resource.hierarchy.effective(&claims.scope),
            scope: claims.scope,
            expires_at: claims.expires_at,
        });
        self.liveness.verified.insert(key, principal.clone());
        Ok(principal)
    }

    async fn session_facts(&self, id: SessionId) -> Result<SessionFacts, Refusal> {
        let view = self.store.session(id).await?.filter(|view| view.session.ended.is_none());
        let view = view.ok_or(Reason::TokenRevoked)?;
        let facts = SessionFacts {
            user: Arc::new(view.user),
            connection: Some(view.session.connection),
            platform: view.session.platform,
        };
        self.liveness.sessions.insert(id, facts.clone());
        Ok(facts)
    }

    /// Reads the feed if it is due. One reader at a time; a check waits for it only when the last answer is old, so the
    /// bound holds without a background task that somebody could forget to start.
    async fn hear_revocations(&self) -> Result<(), Refusal> {
        let now = self.clock.now();
        let answered = self.liveness.times().answered;
        if within(answered, now, POLL) {
            return Ok(());
        }
        let guard = if within(answered, now, WAIT) {
            match self.liveness.feed.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(()),
            }
        } else {
            self.liveness.feed.lock().await
        };
        // The wait may have been long: those who waited for a reader that failed do not each try again.
        let now = self.clock.now();
        let times = self.liveness.times();
        if !within(times.answered, now, POLL) && !within(times.failed, now, POLL) {
            self.read_feed(times.answered, now).await;
        }
        drop(guard);
        let now = self.clock.now();
        match self.liveness.times().answered {
            Some(at) if now.since(at) <= self.lifetimes.store_silence => Ok(()),
            _ => Err(Reason::StoreUnavailable.into()),
        }
    }

    async fn read_feed(&self, answered: Option<Timestamp>, now: Timestamp) {
        let since = answered.filter(|at| *at <= now + POLL).unwrap_or(now - self.liveness.keep) - OVERLAP;
        match self.store.revocations_since(since).await {
            Ok(entries) => {
                for entry in entries {
                    // Kept by our own clock: an entry may be stamped by one that is behind.
                    self.liveness.note(&[entry.session], entry.at.max(now - OVERLAP));
                }
                self.liveness.forget_old(now);
                self.liveness.set_times(|times| *times = FeedTimes { answered: Some(now), failed: None });
            }
            Err(error) => {
                // When it ended, not when it began: a store that hangs is not asked again by everybody who waited.
                let ended = self.clock.now();
                self.liveness.set_times(|times| times.failed = Some(ended));
                match error {
                    StoreError::Unavailable(_) => {
                        tracing::warn!(target: "dcr", %error, "the revocation feed is silent")
                    }
                    StoreError::Inconsistent(_) => {
                        tracing::error!(target: "dcr", %error, "the revocation feed is broken")
                    }
                }
            }
        }
    }
}
