//! What an operator does to a store: end, block, sweep, recover, import. The engine and the `dcr` command both do it
//! through here, so that each change is on the record in the same words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, REPLICA_SKEW, Timestamp};
use crate::config::MAX_ACCESS_TOKEN;
use crate::error::{Reason, Refusal};
use crate::random::{RandomUnavailable, SecureRandom};
use crate::record::{Actor, Event, EventKind, Retention};
use crate::session::{ConnectionId, EventId, RequestId, SessionId, User};
use crate::store::{Ending, Import, Imported, PutClient, Store, StoreError, Target};
use crate::{ClientId, ImportedClient, PinFault, Platform, PreRegistered, SoftwareKey, StoredClient};

/// Sessions that lapsed stay for this long after the life of their last access token, so that a late replay is still
/// seen for what it is.
const KEEP_LAPSED: Duration = Duration::from_secs(24 * 60 * 60);
/// So often a pin tries again when its row changes under it.
const PIN_TRIES: usize = 8;

/// Operations on a store that need no running server.
///
/// ```
/// use dcr_core::store::{MemoryStore, Target};
/// use dcr_core::{Operator, Platform, SystemClock, SystemRandom};
/// use std::sync::Arc;
///
/// # async fn example() -> Result<(), dcr_core::OperatorError> {
/// let operator = Operator::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Arc::new(SystemRandom));
/// let ended = operator.block(&Target::Platform(Platform::named("cursor")), "incident 4711").await?;
/// println!("{} sessions ended", ended.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Operator {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    actor: Actor,
    retention: Retention,
}

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The store does not answer, or is damaged. Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes for the id of an event.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The client cannot be pinned as it is.
    #[error("the client cannot be pinned: {0}")]
    Pin(#[from] PinFault),
    /// A client that registered itself changed or deleted its registration under this id (RFC 7592).
    #[error("the client id {0} belongs to a registration that changed or deleted itself")]
    NotAPin(ClientId),
    /// A recovery window that is over already, or longer than 31 days.
    #[error("a recovery window ends in the future, and at most 31 days from now")]
    Window,
}

impl From<OperatorError> for Refusal {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::Store(error) => error.into(),
            OperatorError::Random(error) => error.into(),
            OperatorError::Window | OperatorError::Pin(_) | OperatorError::NotAPin(_) => Reason::Internal.into(),
        }
    }
}

/// What replaying an event of another copy of the database did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replayed {
    /// It ended these sessions; none if they had ended or are not in this copy.
    Ended(Vec<SessionId>),
    /// It blocked something, which ended these sessions.
    Blocked(Vec<SessionId>),
    /// It lifted a block, if there was one.
    Unblocked(bool),
    /// It neither ended nor blocked anything when it happened.
    Nothing,
}

/// One person's use of one software in an older system.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "importers build it")]
pub struct ImportedUse {
    /// The person.
    pub user: User,
    /// The software.
    pub software: SoftwareKey,
    /// The platform that it is shown as.
    pub platform: Platform,
    /// The clients that were it.
    pub clients: Vec<ImportedClient>,
    /// When the first of them appeared.
    pub first_used_at: Timestamp,
    /// When one of them was last seen to be used.
    pub last_used_at: Timestamp,
}

impl Operator {
    /// The longest recovery window: 31 days. While it is open, a token that was stolen and rotated since may work once more.
    pub const MAX_RECOVERY: Duration = Duration::from_secs(31 * 24 * 60 * 60);

    /// Operations on `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, random: Arc<dyn SecureRandom>) -> Self {
        Self { store, clock, random, actor: Actor::Host, retention: Retention::default() }
    }

    /// The same, as somebody else than the application's own code: what each event says.
    #[must_use]
    pub fn acting_as(mut self, actor: Actor) -> Self {
        self.actor = actor;
        self
    }

    /// The same, with another time for which events are kept.
    #[must_use]
    pub const fn keep_events(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    pub(crate) fn random(&self) -> &dyn SecureRandom {
        self.random.as_ref()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The time, as the operations see it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Ends every session of `target`; running servers notice within the bound of the revocation feed (5 s). `reason` is
    /// kept on the record. Answers which ended.
    ///
    /// # Errors
    /// [`OperatorError`]; then none ended.
    pub async fn revoke(&self, target: &Target, reason: &str) -> Result<Vec<SessionId>, OperatorError> {
        let event = self.event_about(EventKind::Revoked, reason, target).await?;
        Ok(self.store.revoke(Ending::of(target.clone(), reason, event.at, event)).await?)
    }

    /// Blocks `target`: ends its sessions and lets it open no new ones until [`Operator::unblock`].
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing changed.
    pub async fn block(&self, target: &Target, reason: &str) -> Result<Vec<SessionId>, OperatorError> {
        let event = self.event_about(EventKind::Blocked, reason, target).await?;
        Ok(self.store.block(Ending::of(target.clone(), reason, event.at, event)).await?)
    }

    /// Lifts a block. Answers whether there was one.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing changed.
    pub async fn unblock(&self, target: &Target, reason: &str) -> Result<bool, OperatorError> {
        let event = self.event_about(EventKind::Unblocked, reason, target).await?;
        Ok(self.store.unblock(target, event).await?)
    }

    /// Pins a client: running servers know it within 5 s. An earlier pin of the id is replaced; what was granted under it
    /// goes on. Answers whether there was one.
    ///
    /// # Errors
    /// [`OperatorError::Pin`] if it cannot work, [`OperatorError::NotAPin`] if the id belongs to somebody else.
    pub async fn pin(&self, client: PreRegistered, reason: &str) -> Result<bool, OperatorError> {
        client.validate()?;
        let id = client.id().clone();
        let mut pinned = StoredClient::pinned(client);
        for _ in 0..PIN_TRIES {
            let row = self.store.client(&id).await?;
            let instead_of = match &row {
                None => None,
                Some(row) if row.as_pinned().is_some() => Some(row.version()),
                Some(_) => return Err(OperatorError::NotAPin(id)),
            };
            pinned = pinned.at_version(instead_of.map_or(1, |version| version.saturating_add(1)));
            let event = self.event(EventKind::ClientPinned, reason)?.about(&Target::ClientId(id.clone()));
            if self.store.put_client(PutClient { client: pinned.clone(), instead_of, event }).await? {
                return Ok(instead_of.is_some());
            }
        }
        Err(StoreError::Unavailable("others change the same client all the time".into()).into())
    }

    /// Takes a pin away and ends every session of its id. Answers which ended; `None` if there was no pin.
    ///
    /// # Errors
    /// [`OperatorError`]. If the pin is gone and the sessions are not, [`Operator::revoke`] ends them.
    pub async fn unpin(&self, id: &ClientId, reason: &str) -> Result<Option<Vec<SessionId>>, OperatorError> {
        let target = Target::ClientId(id.clone());
        let event = self.event(EventKind::ClientPinned, &format!("taken away: {reason}"))?.about(&target);
        if !self.store.unpin_client(id, event).await? {
            return Ok(None);
        }
        self.revoke(&target, reason).await.map(Some)
    }

    /// Deletes at most `limit` sessions that lapsed or ended more than a day ago; none while a recovery window is open,
    /// since rows of a database that went back in time look older than they are.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn sweep(&self, limit: u32) -> Result<u32, OperatorError> {
        if self.recovery_is_open().await? {
            return Ok(0);
        }
        Ok(self.store.sweep(self.sweepable_before(), limit).await?)
    }

    /// Deletes at most `limit` events that need not be kept, and funnel counts as old; none while a recovery window is open.
    /// Answers how many events.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn sweep_record(&self, limit: u32) -> Result<u32, OperatorError> {
        let Some(before) = self.retention.sweepable_before(self.clock.now()) else { return Ok(0) };
        if self.recovery_is_open().await? {
            return Ok(0);
        }
        Ok(self.store.sweep_record(before, limit).await?)
    }

    /// Deletes at most `limit` requests of the history that need not be kept. Answers how many.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn sweep_requests(&self, keep: Option<Retention>, limit: u32) -> Result<u32, OperatorError> {
        let Some(before) = keep.and_then(|keep| keep.sweepable_before(self.clock.now())) else { return Ok(0) };
        Ok(self.store.sweep_requests(RequestId::first_at(before), limit).await?)
    }

    /// Sessions that lapsed or ended before this time may be deleted.
    #[must_use]
    pub fn sweepable_before(&self) -> Timestamp {
        self.clock.now() - MAX_ACCESS_TOKEN - KEEP_LAPSED
    }

    /// Whether a recovery window is open.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn recovery_is_open(&self) -> Result<bool, OperatorError> {
        let now = self.clock.now();
        Ok(self.store.recovery_until().await?.is_some_and(|until| now < until))
    }

    /// Opens the recovery window: until then a refresh token that is *ahead* of its session's row, as in a database that
    /// was restored from a backup or lost the last writes in a failover, is accepted and brings the row level. Outside
    /// of a window it is refused, with an alarm on the record.
    ///
    /// First [`replay`](Operator::replay) the ends and blocks that the lost part of the record had, and do both before any
    /// server starts on the copy. Until the replay a session that was killed in the lost part lives. Until the window is
    /// open, a [sweep](Operator::sweep) may delete rows that a recovery needs if the copy is more than a day old, for they
    /// look older than they are; the sweeping that sign-ins do begins when a server has run for ten minutes.
    ///
    /// A stolen token that was rotated in the lost part works once more too; as soon as the rightful client comes, one of
    /// the two is seen as a replay and the session ends. Keep it short.
    ///
    /// # Errors
    /// [`OperatorError::Window`] if `until` is not within the next 31 days.
    pub async fn open_recovery(&self, until: Timestamp) -> Result<(), OperatorError> {
        let event = self.event(EventKind::RecoveryOpened, &format!("until {until}"))?;
        if until <= event.at || until > event.at + Self::MAX_RECOVERY {
            return Err(OperatorError::Window);
        }
        Ok(self.store.open_recovery(until, event).await?)
    }

    /// Closes the recovery window at once.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn close_recovery(&self) -> Result<(), OperatorError> {
        let event = self.event(EventKind::RecoveryOpened, "closed")?;
        Ok(self.store.open_recovery(event.at, event).await?)
    }

    /// Does again what an event of a lost part of the record did: ends and blocks, as far as they concern sessions that
    /// had been opened by then, give or take what two replicas' clocks may differ. Events are replayed in the order of
    /// their times; doing it twice changes nothing more.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing changed.
    pub async fn replay(&self, event: &Event) -> Result<Replayed, OperatorError> {
        let ended_a_session = match event.kind {
            EventKind::Revoked | EventKind::Evicted => true,
            EventKind::Anomaly => {
                [Reason::CodeReplayed, Reason::RefreshReplayed].iter().any(|r| r.as_str() == event.reason)
            }
            _ => false,
        };
        let Some(target) = event.target() else { return Ok(Replayed::Nothing) };
        let again = Event { at: self.clock.now(), ..self.event(event.kind, "replayed")?.about(&target) };
        let reason = if event.reason.is_empty() { event.kind.as_str() } else { &event.reason };
        let opened_until = match target {
            // A session does not come a second time: whatever the clocks said, it was meant.
            Target::Session(_) => None,
            _ => Some(event.at + REPLICA_SKEW),
        };
        let ending = Ending { opened_until, ..Ending::of(target.clone(), reason, again.at, again.clone()) };
        Ok(match event.kind {
            EventKind::Blocked => Replayed::Blocked(self.store.block(ending).await?),
            EventKind::Unblocked => Replayed::Unblocked(self.store.unblock(&target, again).await?),
            _ if ended_a_session => Replayed::Ended(self.store.revoke(ending).await?),
            _ => Replayed::Nothing,
        })
    }

    /// Brings in what an older system knew. What is there already stays as it is; doing it twice changes nothing more.
    ///
    /// # Errors
    /// [`OperatorError`]; then nothing was written.
    pub async fn import(&self, imported: ImportedUse) -> Result<Imported, OperatorError> {
        let mut event = self.event(EventKind::Imported, "")?;
        event.user = Some(imported.user.id.clone());
        event.platform = Some(imported.platform.clone());
        let new_connection = ConnectionId::mint(event.at, self.random.as_ref())?;
        let ImportedUse { user, software, platform, clients, first_used_at, last_used_at } = imported;
        let import = Import { user, software, platform, new_connection, clients, first_used_at, last_used_at, event };
        Ok(self.store.import(import).await?)
    }

    /// An event about `target` that also says whose session or connection it is, so that it is among what is told of them.
    async fn event_about(&self, kind: EventKind, reason: &str, target: &Target) -> Result<Event, OperatorError> {
        let mut event = self.event(kind, reason)?.about(target);
        match target {
            Target::Session(id) => {
                if let Some(view) = self.store.session(*id).await? {
                    event.connection = Some(view.session.connection);
                    event.user = Some(view.session.user);
                }
            }
            Target::Connection(id) => event.user = self.store.connection(*id).await?.map(|connection| connection.user),
            Target::User(_) | Target::ClientId(_) | Target::Platform(_) => {}
        }
        Ok(event)
    }

    /// An event of now.
    pub(crate) fn event(&self, kind: EventKind, reason: &str) -> Result<Event, RandomUnavailable> {
        let now = self.clock.now();
        let mut event = Event::new(EventId::mint(now, self.random.as_ref())?, now, kind);
        reason.clone_into(&mut event.reason);
        event.actor = self.actor.clone();
        Ok(event)
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("store", &self.store).finish_non_exhaustive()
    }
}
