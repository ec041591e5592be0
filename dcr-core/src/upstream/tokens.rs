//! Upstream tokens for the server's own tools: what a user may have from the provider, refreshed when it is needed.
//!
//! **One refresh for everybody.** A token that lapses is refreshed by one caller: in a process the others wait for a turn,
//! and between processes for a lease in the store, a compare-and-swap that lapses if its holder dies. Who waited reads what
//! the holder wrote, or shares its failure.
//!
//! **A lost write.** The provider answers with a new refresh token, and the store does not take it. The caller still gets its
//! access token. The next one refreshes by the old refresh token, after the lease has lapsed: Entra ID does not revoke it. A
//! provider that rotates strictly refuses it, the row goes, and the person signs in again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use moka::sync::Cache;
use tokio::sync::Mutex;

use super::sealed::{GrantName, Kept, Need, Verdict};
use super::{RefreshRequest, UpstreamError, UpstreamFault, UpstreamGrant, UpstreamSecret};
use crate::clock::Timestamp;
use crate::engine::{DcrEngine, Inner};
use crate::error::{Reason, Refusal};
use crate::record::EventKind;
use crate::session::{Principal, UserId};
use crate::store::{
    Ending, PutUpstreamToken, StoreError, StoredUpstreamToken, Target, UpstreamLease, UpstreamTokenKey,
};

/// Longer than a provider may take for its documents and a token together (10 s each), and two replicas' clocks may differ.
const LEASE: Duration = Duration::from_secs(30);
/// How long to wait for another process that holds the lease: as long as it may take for a token.
const PATIENCE: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// An access token of the provider, of one person, with the upstream scopes of the resource that they called.
///
/// For the server's own calls. It must not reach a client, a log or a store: there is no `Serialize`, and `Debug` shows
/// nothing of it (I-9).
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamToken {
    token: UpstreamSecret,
    expires_at: Timestamp,
}

impl UpstreamToken {
    /// The token.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.token.expose()
    }

    /// The value of an `Authorization` header. Nothing if the provider's token has characters that no header has.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// When it lapses, as the provider says. Conditional Access may end it earlier.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Why there is no upstream token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamTokenError {
    /// A machine client acts for nobody who could have signed in.
    #[error("a machine client has no upstream token: it acts for no person")]
    Machine,
    /// The resource has no upstream scopes. The operator's fault.
    #[error("this resource asks the provider for nothing: give it upstream scopes")]
    NotConfigured,
    /// The person must sign in again: what the provider gave them lapsed, was withdrawn, or needs them in person.
    #[error("the person must sign in again")]
    SignInAgain,
    /// The provider says that the person's account is disabled or gone. Their sessions have ended.
    #[error("the company login does not know this person any more")]
    UserGone,
    /// The person, or an administrator of their organisation, has to consent to the upstream scopes.
    #[error("the upstream scopes need consent")]
    ConsentMissing,
    /// The provider does not answer at the moment. The same may work later.
    #[error("the company login does not answer at the moment")]
    Busy,
    /// The provider refuses this server itself: its credentials lapsed, or its application is set up wrongly.
    #[error("the company login refuses this server's own credentials or configuration")]
    Refused,
    /// This server's store does not answer. The same may work later.
    #[error("this server's database does not answer")]
    Unavailable,
}

impl UpstreamTokenError {
    /// Whether the same call may succeed later, without anybody doing anything.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable)
    }
}

impl From<StoreError> for UpstreamTokenError {
    fn from(error: StoreError) -> Self {
        tracing::error!(target: "dcr", %error, "the store failed");
        Self::Unavailable
    }
}

/// Whose turn it is in this process to refresh which token.
pub(crate) struct Turns(Cache<(UserId, UpstreamTokenKey), Arc<Turn>>);

#[derive(Default)]
struct Turn {
    /// How the last try ended that found nothing; held across a try.
    failed: Mutex<Option<UpstreamTokenError>>,
    tries: AtomicU64,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self(Cache::new(10_000))
    }
}

/// What is in the store, looked at.
enum Look {
    Fresh(Kept),
    Stale(StoredUpstreamToken, Kept, UpstreamSecret),
}

impl DcrEngine {
    /// A fresh access token of the provider, for the person whom `principal` is and with the
    /// [upstream scopes](crate::Resource::upstream_scopes) of the resource that they called. Refreshed if need be, by one of
    /// all who ask at the same time.
    ///
    /// Must be called in a tokio runtime with its timer. A caller that goes away while the provider is asked leaves that
    /// token to nobody for half a minute.
    ///
    /// # Errors
    /// [`UpstreamTokenError`] says who has to do what.
    ///
    /// ```
    /// # use dcr_core::upstream::UpstreamTokenError;
    /// # async fn example(engine: dcr_core::DcrEngine, principal: dcr_core::Principal) -> Result<(), UpstreamTokenError> {
    /// let token = engine.upstream_token(&principal).await?;
    /// let request = http::Request::get("https://graph.microsoft.com/v1.0/me");
    /// let request = request.header("authorization", format!("Bearer {}", token.secret()));
    /// # let _ = request;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn upstream_token(&self, principal: &Principal) -> Result<UpstreamToken, UpstreamTokenError> {
        let inner = &self.inner;
        let session = principal.session().ok_or(UpstreamTokenError::Machine)?;
        let name = inner.grant_name(principal.resource()).filter(|name| name.hands_out);
        let name = name.ok_or(UpstreamTokenError::NotConfigured)?;
        // The principal may be older than its session's end: whoever was signed out gets nothing of another session.
        let now = inner.clock.now();
        let view = inner.store.session(session).await?;
        if !view.is_some_and(|view| view.session.is_alive(now) && view.session.user == *principal.user_id()) {
            return Err(UpstreamTokenError::SignInAgain);
        }
        let kept = inner.fresh(principal.user_id(), &name, Need::Access).await?;
        if inner.liveness.is_over(session) {
            return Err(UpstreamTokenError::SignInAgain);
        }
        let token = kept.access().ok_or(UpstreamTokenError::SignInAgain)?;
        Ok(UpstreamToken { token, expires_at: kept.expires_at() })
    }
}

impl Inner {
    /// What the resource of this identifier needs of the provider; nothing if that is nothing, and then a login asks who the
    /// person is and nothing is kept.
    pub(crate) fn grant_name(&self, resource: &str) -> Option<GrantName> {
        let resource = self.resources.iter().find(|one| one.uri == resource);
        let scopes = resource.map_or(&[][..], |resource| &resource.upstream_scopes);
        let needed = !scopes.is_empty() || self.recheck.is_on();
        needed.then(|| GrantName::new(&self.upstream, scopes))
    }

    /// What a login brought, as the sign-in at this resource writes it.
    pub(crate) fn sealed_grant(
        &self,
        user: &UserId,
        resource: &str,
        grant: Option<UpstreamGrant>,
    ) -> Result<Option<PutUpstreamToken>, Refusal> {
        let Some(name) = self.grant_name(resource) else { return Ok(None) };
        let lacks_refresh = grant.as_ref().is_none_or(|grant| grant.refresh_token.is_none());
        if lacks_refresh {
            tracing::warn!(
                target: "dcr", step = "callback", %user, resource,
                "the provider gave no refresh token: does its application have offline_access?"
            );
        }
        let Some(grant) = grant else { return Ok(None) };
        let kept = Kept::of(grant, &name, None, self.clock.now());
        Ok(Some(kept.seal(user, &name, &self.ring, self.random.as_ref())?))
    }

    /// What is kept of `user` under `name`, refreshed if it does not serve `need`.
    pub(super) async fn fresh(&self, user: &UserId, name: &GrantName, need: Need) -> Result<Kept, UpstreamTokenError> {
        if let Look::Fresh(kept) = self.look(user, name, need).await? {
            return Ok(kept);
        }
        let turn = self.turns.0.get_with((user.clone(), name.key), Arc::default);
        let seen = turn.tries.load(Ordering::Acquire);
        let mut failed = turn.failed.lock().await;
        // Somebody tried while this one waited. What they found out holds for it as well: else each who waits would ask a
        // provider that does not answer, one after the other.
        if turn.tries.load(Ordering::Acquire) != seen
            && let Some(failure) = *failed
        {
            return Err(failure);
        }
        let answer = self.in_turn(user, name, need).await;
        turn.tries.fetch_add(1, Ordering::Release);
        *failed = answer.as_ref().err().copied();
        answer
    }

    /// The same, alone in this process: by the lease, or by what its holder writes.
    async fn in_turn(&self, user: &UserId, name: &GrantName, need: Need) -> Result<Kept, UpstreamTokenError> {
        let (mut waited, mut pause) = (Duration::ZERO, FIRST_PAUSE);
        loop {
            let (row, kept, refresh) = match self.look(user, name, need).await? {
                Look::Fresh(kept) => return Ok(kept),
                Look::Stale(row, kept, refresh) => (row, kept, refresh),
            };
            let now = self.clock.now();
            let lease = UpstreamLease { version: row.version, now, until: now + LEASE };
            if self.store.lease_upstream_token(user, &name.key, lease).await? {
                let answer = self.ask(user, name, &row, &kept, &refresh).await?;
                // Nothing, where the person signed in anew or out meanwhile.
                return match answer {
                    Some(kept) => Ok(kept),
                    None => match self.look(user, name, need).await? {
                        Look::Fresh(kept) | Look::Stale(_, kept, _) => Ok(kept),
                    },
                };
            }
            if waited >= PATIENCE {
                tracing::warn!(target: "dcr", %user, "another server holds the lease of an upstream token and does not finish");
                return Err(UpstreamTokenError::Busy);
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    async fn look(&self, user: &UserId, name: &GrantName, need: Need) -> Result<Look, UpstreamTokenError> {
        let row = self.store.upstream_token(user, &name.key).await?.ok_or(UpstreamTokenError::SignInAgain)?;
        let Some(kept) = Kept::open(&row, user, name, &self.ring) else {
            // Left where it is: another server may have the secret that this one lacks.
            tracing::warn!(target: "dcr", %user, "an upstream token was sealed by a secret that this server does not have");
            return Err(UpstreamTokenError::SignInAgain);
        };
        match (kept.serves(need, self.clock.now()), kept.refresh()) {
            (Verdict::Fresh, _) => Ok(Look::Fresh(kept)),
            (Verdict::Stale, Some(refresh)) => Ok(Look::Stale(row, kept, refresh)),
            (Verdict::Stale | Verdict::Dead, _) => {
                // It serves nobody any more.
                self.store.drop_upstream_token(user, &name.key, &row.version).await?;
                Err(UpstreamTokenError::SignInAgain)
            }
        }
    }

    /// Asks the provider, and writes what it says. The caller holds the lease. Nothing, if the row is not what it was.
    async fn ask(
        &self,
        user: &UserId,
        name: &GrantName,
        row: &StoredUpstreamToken,
        old: &Kept,
        refresh: &UpstreamSecret,
    ) -> Result<Option<Kept>, UpstreamTokenError> {
        let request = RefreshRequest { refresh_token: refresh, upstream_scopes: &name.asked };
        let new = match self.provider.refresh(request).await {
            Ok(grant) => Kept::of(grant, name, Some(old), self.clock.now()),
            Err(error) => return self.not_refreshed(user, name, row, old, &error).await?.map_or(Ok(None), Err),
        };
        let sealed = new.seal(user, name, &self.ring, self.random.as_ref());
        let put = sealed.map_err(|_| UpstreamTokenError::Unavailable)?;
        match self.store.replace_upstream_token(user, &row.version, put).await {
            Ok(true) => Ok(Some(new)),
            Ok(false) => Ok(None),
            Err(error) => {
                tracing::error!(target: "dcr", %error, %user, "a new upstream token could not be kept: the old one has to do");
                Ok(Some(new))
            }
        }
    }

    /// What follows from the provider's refusal. Nothing, if the row is not what it was: a refresh token that is good once was
    /// refused because another server used it meanwhile, whose lease had lapsed.
    async fn not_refreshed(
        &self,
        user: &UserId,
        name: &GrantName,
        row: &StoredUpstreamToken,
        old: &Kept,
        error: &UpstreamError,
    ) -> Result<Option<UpstreamTokenError>, StoreError> {
        let refused = match error.fault() {
            UpstreamFault::UserGone => {
                tracing::warn!(target: "dcr", %error, %user, "the provider says that a user is disabled or gone");
                self.user_is_gone(user).await?;
                return Ok(Some(UpstreamTokenError::UserGone));
            }
            UpstreamFault::GrantDead | UpstreamFault::InteractionNeeded => {
                tracing::info!(target: "dcr", %error, %user, "a user must sign in upstream again");
                let dropped = self.store.drop_upstream_token(user, &name.key, &row.version).await?;
                return Ok(dropped.then_some(UpstreamTokenError::SignInAgain));
            }
            UpstreamFault::ConsentNeeded => {
                tracing::warn!(target: "dcr", %error, %user, "the upstream scopes need consent");
                UpstreamTokenError::ConsentMissing
            }
            UpstreamFault::Configuration => {
                tracing::error!(target: "dcr", %error, "upstream refused us");
                UpstreamTokenError::Refused
            }
            _ => {
                tracing::warn!(target: "dcr", %error, "upstream does not refresh a token at the moment");
                UpstreamTokenError::Busy
            }
        };
        // Gives the lease back: the same tokens, in another state of the row.
        if let Ok(put) = old.seal(user, name, &self.ring, self.random.as_ref())
            && let Err(error) = self.store.replace_upstream_token(user, &row.version, put).await
        {
            tracing::warn!(target: "dcr", %error, "the lease of an upstream token could not be given back; it lapses");
        }
        Ok(Some(refused))
    }

    /// UP-7: every session of a person whom the provider does not know any more ends, and what it gave for them goes. In this
    /// process at once, in others within the bound of the revocation feed.
    async fn user_is_gone(&self, user: &UserId) -> Result<(), StoreError> {
        let reason = Reason::UpstreamUserGone.as_str();
        let Ok(mut event) = self.event(EventKind::Revoked, reason) else {
            return Err(StoreError::Unavailable("no randomness for an event".into()));
        };
        event.user = Some(user.clone());
        let now = event.at;
        let ended = self.store.revoke(Ending::of(Target::User(user.clone()), reason, now, event)).await?;
        self.liveness.note(&ended, now);
        Ok(())
    }
}
