//! A store in memory, for tests: one lock over plain maps, so that every method is atomic.

mod listing;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Advance, Advanced, BlockKind, BlockQuery, CatchUp, Census, ClientUse, ClientUseQuery, Counts, Ending, Erased,
    Erasure, EventQuery, FunnelQuery, FunnelSumQuery, Import, Imported, PlatformUse, PutClient, PutUpstreamToken,
    RequestQuery, RequestsOf, Revocation, SessionView, SignIn, SignedIn, Store, StoreError, StoredUpstreamToken,
    Target, UpstreamLease, UpstreamTokenKey, UpstreamTokenVersion, UserMatch, UserQuery,
};
use crate::client::{ClientId, ImportedClient, Platform, StoredClient};
use crate::clock::Timestamp;
use crate::record::{Actor, Event, EventKind, FunnelCount, RequestRecord, Step};
use crate::seal::Secret;
use crate::session::{
    Connection, ConnectionId, EventId, Generation, RequestId, Session, SessionEnd, SessionId, User, UserId,
};

/// A [`Store`] in memory, for tests. What it keeps goes with the process.
///
/// ```
/// use dcr_core::store::{MemoryStore, Store};
///
/// # async fn example() {
/// let store = MemoryStore::new();
/// store.fail(true);
/// assert!(store.counts().await.is_err());
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Tables>);

#[derive(Debug, Default, Clone)]
struct Tables {
    failing: bool,
    users: BTreeMap<UserId, User>,
    connections: BTreeMap<ConnectionId, Connection>,
    alias_used_at: BTreeMap<(ConnectionId, ClientId), Timestamp>,
    sessions: BTreeMap<SessionId, Session>,
    blocks: HashSet<(BlockKind, Vec<u8>)>,
    events: BTreeMap<EventId, Event>,
    secret: Option<Secret>,
    imported: BTreeMap<ClientId, ImportedClient>,
    recovery_until: Option<Timestamp>,
    clients: BTreeMap<ClientId, StoredClient>,
    used_up: BTreeMap<[u8; 32], Timestamp>,
    /// Sessions that were erased, and when they ended.
    erased: BTreeMap<SessionId, Timestamp>,
    funnel: BTreeMap<FunnelKey, u64>,
    requests: BTreeMap<RequestId, RequestRecord>,
    upstream_tokens: BTreeMap<(UserId, UpstreamTokenKey), StoredUpstreamToken>,
}

type FunnelKey = (Timestamp, Platform, Step, String);

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every method answers [`StoreError::Unavailable`], or no longer does.
    pub fn fail(&self, failing: bool) {
        self.lock().failing = failing;
    }

    /// A copy of everything as it is now, as a backup would be.
    #[must_use]
    pub fn backup(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> Result<MutexGuard<'_, Tables>, StoreError> {
        let tables = self.lock();
        if tables.failing { Err(StoreError::Unavailable("switched off by a test".into())) } else { Ok(tables) }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        self.tables()?.sign_in(sign_in)
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        let tables = self.tables()?;
        let session = tables.sessions.get(&id).cloned();
        Ok(session.and_then(|session| Some(SessionView { user: tables.users.get(&session.user)?.clone(), session })))
    }

    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError> {
        Ok(self.tables()?.advance(id, advance))
    }

    async fn catch_up(&self, id: SessionId, catch_up: CatchUp) -> Result<Advanced, StoreError> {
        self.tables()?.catch_up(id, catch_up)
    }

    async fn revoke(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError> {
        let mut tables = self.tables()?;
        let found = tables.not_ended(&ending);
        if !found.is_empty() {
            tables.write(vec![ending.event])?;
        }
        tables.end(&found, &ending.reason, ending.now);
        tables.drop_upstream_tokens_of(&found, ending.now);
        Ok(found)
    }

    async fn block(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError> {
        let mut tables = self.tables()?;
        let found = tables.not_ended(&ending);
        let key = ending.target.block_key();
        let is_new = key.as_ref().is_some_and(|key| !tables.blocks.contains(key));
        if is_new || !found.is_empty() {
            tables.write(vec![ending.event])?;
        }
        tables.blocks.extend(key);
        tables.end(&found, &ending.reason, ending.now);
        tables.drop_upstream_tokens_of(&found, ending.now);
        Ok(found)
    }

    async fn unblock(&self, target: &Target, event: Event) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        let Some(key) = target.block_key().filter(|key| tables.blocks.contains(key)) else { return Ok(false) };
        tables.write(vec![event])?;
        Ok(tables.blocks.remove(&key))
    }

    async fn blocked(&self, targets: &[Target]) -> Result<Option<BlockKind>, StoreError> {
        Ok(self.tables()?.blocked(targets))
    }

    async fn blocks(&self, query: &BlockQuery) -> Result<Vec<Target>, StoreError> {
        self.tables()?.blocks(query)
    }

    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        let tables = self.tables()?;
        let erased = tables.erased.iter().map(|(id, at)| (*id, *at));
        let ended = tables.sessions.values().filter_map(|s| Some((s.id, s.ended.as_ref()?.at))).chain(erased);
        Ok(ended.filter(|(_, at)| *at >= since).map(|(session, at)| Revocation { session, at }).collect())
    }

    async fn import(&self, import: Import) -> Result<Imported, StoreError> {
        self.tables()?.import(import)
    }

    async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, StoreError> {
        Ok(self.tables()?.imported.get(id).cloned())
    }

    async fn has_imported_clients(&self) -> Result<bool, StoreError> {
        Ok(!self.tables()?.imported.is_empty())
    }

    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        Ok(self.tables()?.clients.get(id).cloned())
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        Ok(!self.tables()?.clients.is_empty())
    }

    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<StoredClient>, StoreError> {
        let tables = self.tables()?;
        let limit = usize::try_from(limit.clamp(1, 1_000)).unwrap_or(1_000);
        let clients = tables.clients.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(clients.take(limit).map(|(_, client)| client.clone()).collect())
    }

    async fn put_client(&self, change: PutClient) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        if tables.clients.get(change.client.id()).map(StoredClient::version) != change.instead_of {
            return Ok(false);
        }
        tables.write(vec![change.event])?;
        tables.clients.insert(change.client.id().clone(), change.client);
        Ok(true)
    }

    async fn unpin_client(&self, id: &ClientId, event: Event) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        if tables.clients.get(id).is_none_or(|client| client.as_pinned().is_none()) {
            return Ok(false);
        }
        tables.write(vec![event])?;
        tables.clients.remove(id);
        Ok(true)
    }

    async fn use_up(&self, id: &[u8; 32], until: Timestamp) -> Result<bool, StoreError> {
        Ok(self.tables()?.used_up.insert(*id, until).is_none())
    }

    async fn open_recovery(&self, until: Timestamp, event: Event) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        tables.write(vec![event])?;
        tables.recovery_until = Some(until);
        Ok(())
    }

    async fn recovery_until(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.tables()?.recovery_until)
    }

    async fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError> {
        let tables = self.tables()?;
        let fits = |user: &&User| match &query.matching {
            None => true,
            Some(UserMatch::ClientId(id)) => {
                tables.connections.values().any(|c| c.user == user.id && c.aliases.contains(id))
            }
            Some(matching) => matching.fits(user),
        };
        let limit = usize::try_from(query.limit.clamp(1, 1_000)).unwrap_or(1);
        let after = |user: &&User| query.after.as_ref().is_none_or(|after| user.id > *after);
        Ok(tables.users.values().filter(after).filter(fits).take(limit).cloned().collect())
    }

    async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        let tables = self.tables()?;
        let mut found: Vec<_> = tables.connections.values().filter(|c| c.user == *user).cloned().collect();
        found.sort_by_key(|c| (c.created_at, c.id));
        Ok(found)
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        Ok(self.tables()?.connections.get(&id).cloned())
    }

    async fn sessions_of(&self, connection: ConnectionId) -> Result<Vec<Session>, StoreError> {
        let tables = self.tables()?;
        let mut found: Vec<_> = tables.sessions.values().filter(|s| s.connection == connection).cloned().collect();
        found.sort_by_key(|s| (s.created_at, s.id));
        Ok(found)
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let tables = self.tables()?;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Ok(Counts {
            users: count(tables.users.len()),
            connections: count(tables.connections.len()),
            aliases: count(tables.alias_used_at.len()),
            sessions: count(tables.sessions.len()),
            blocks: count(tables.blocks.len()),
            events: count(tables.events.len()),
            imported_clients: count(tables.imported.len()),
            clients: count(tables.clients.len()),
            used_up: count(tables.used_up.len()),
            upstream_tokens: count(tables.upstream_tokens.len()),
        })
    }

    async fn census(&self, now: Timestamp) -> Result<Census, StoreError> {
        let tables = self.tables()?;
        let mut census = Census::default();
        let mut live: BTreeMap<&UserId, u64> = BTreeMap::new();
        for session in tables.sessions.values() {
            if session.is_alive(now) {
                census.live += 1;
                *live.entry(&session.user).or_default() += 1;
            } else if session.ended.is_some() {
                census.ended += 1;
            } else {
                census.lapsed += 1;
            }
        }
        census.busiest = live.into_iter().map(|(user, sessions)| (user.clone(), sessions)).collect();
        census.busiest.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        census.busiest.truncate(10);
        Ok(census)
    }

    async fn client_uses(&self, query: &ClientUseQuery) -> Result<Vec<ClientUse>, StoreError> {
        Ok(self.tables()?.client_uses(query))
    }

    async fn platform_uses(&self, now: Timestamp) -> Result<Vec<PlatformUse>, StoreError> {
        Ok(self.tables()?.platform_uses(now))
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.tables()?.write(vec![event])
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let tables = self.tables()?;
        let mut found: Vec<_> = tables.events.values().filter(|event| query.fits(event)).cloned().collect();
        found.sort_by_key(|event| std::cmp::Reverse((event.at, event.id)));
        found.truncate(usize::try_from(query.limit.clamp(1, 1_000)).unwrap_or(1));
        Ok(found)
    }

    async fn erase(&self, erasure: Erasure) -> Result<Erased, StoreError> {
        self.tables()?.erase(erasure)
    }

    async fn add_counts(&self, counts: &[FunnelCount]) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        for FunnelCount { hour, platform, step, outcome, count } in counts.iter().cloned() {
            let sum = tables.funnel.entry((hour, platform, step, outcome)).or_default();
            *sum = sum.saturating_add(count);
        }
        Ok(())
    }

    async fn funnel(&self, query: &FunnelQuery) -> Result<Vec<FunnelCount>, StoreError> {
        let tables = self.tables()?;
        // By their names, as databases sort them.
        let named = |(hour, platform, step, outcome): &FunnelKey| {
            (*hour, platform.as_str().to_owned(), step.as_str(), outcome.clone())
        };
        let fits = |(key, _): &(&FunnelKey, &u64)| {
            query.since.is_none_or(|since| key.0 >= since)
                && query.until.is_none_or(|until| key.0 < until)
                && query.after.as_ref().is_none_or(|after| named(key) > named(after))
        };
        let mut found: Vec<_> = tables.funnel.iter().filter(fits).collect();
        found.sort_by_key(|(key, _)| named(key));
        found.truncate(usize::try_from(query.limit.clamp(1, 1_000)).unwrap_or(1));
        let count = |((hour, platform, step, outcome), count): (&FunnelKey, &u64)| FunnelCount {
            hour: *hour,
            platform: platform.clone(),
            step: *step,
            outcome: outcome.clone(),
            count: *count,
        };
        Ok(found.into_iter().map(count).collect())
    }

    async fn funnel_sums(&self, query: &FunnelSumQuery) -> Result<Vec<FunnelCount>, StoreError> {
        Ok(self.tables()?.funnel_sums(query))
    }

    async fn sweep_record(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut guard = self.tables()?;
        let tables = &mut *guard;
        let mut swept = 0;
        tables.events.retain(|_, event| {
            let is_asked_for = event.kind == EventKind::Recovered
                && event.session.is_some_and(|session| tables.sessions.contains_key(&session));
            let goes = event.at < before && swept < limit && !is_asked_for;
            swept += u32::from(goes);
            !goes
        });
        let mut left = limit;
        tables.funnel.retain(|(hour, ..), _| {
            let goes = *hour < before && left > 0;
            left -= u32::from(goes);
            !goes
        });
        Ok(swept)
    }

    async fn add_requests(&self, requests: &[RequestRecord]) -> Result<(), StoreError> {
        let mut tables = self.tables()?;
        for request in requests {
            tables.requests.entry(request.id).or_insert_with(|| request.clone());
        }
        Ok(())
    }

    async fn requests(&self, query: &RequestQuery) -> Result<Vec<RequestRecord>, StoreError> {
        let tables = self.tables()?;
        let fits = |request: &&RequestRecord| {
            query.before.is_none_or(|before| request.id < before)
                && match &query.of {
                    RequestsOf::Session(session) => request.session == *session,
                    RequestsOf::User(user) => request.user == *user,
                }
        };
        let limit = usize::try_from(query.limit.clamp(1, 1_000)).unwrap_or(1);
        Ok(tables.requests.values().rev().filter(fits).take(limit).cloned().collect())
    }

    async fn sweep_requests(&self, before: RequestId, limit: u32) -> Result<u32, StoreError> {
        let mut tables = self.tables()?;
        let mut swept = 0;
        tables.requests.retain(|id, _| {
            let goes = *id < before && swept < limit;
            swept += u32::from(goes);
            !goes
        });
        Ok(swept)
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let mut tables = self.tables()?;
        let gone = |s: &&Session| s.expires_at < before || s.ended.as_ref().is_some_and(|end| end.at < before);
        let ids: Vec<_> = tables.sessions.values().filter(gone).map(|s| s.id).collect();
        let mut swept = 0;
        for id in ids {
            if swept == limit {
                break;
            }
            tables.sessions.remove(&id);
            swept += 1;
        }
        let mut left = limit.saturating_mul(10);
        tables.used_up.retain(|_, until| {
            let goes = *until < before && left > 0;
            left -= u32::from(goes);
            !goes
        });
        let mut left = limit.saturating_mul(10);
        tables.erased.retain(|_, ended_at| {
            let goes = *ended_at < before && left > 0;
            left -= u32::from(goes);
            !goes
        });
        tables.drop_upstream_tokens(before, |_, row| row.refreshed_at < before);
        Ok(swept)
    }

    async fn upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
    ) -> Result<Option<StoredUpstreamToken>, StoreError> {
        Ok(self.tables()?.upstream_tokens.get(&(user.clone(), *key)).cloned())
    }

    async fn lease_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        lease: UpstreamLease,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        let row = tables.upstream_tokens.get_mut(&(user.clone(), *key));
        let row = row.filter(|row| row.version == lease.version && row.leased_until <= lease.now);
        Ok(row.map(|row| row.leased_until = lease.until).is_some())
    }

    async fn replace_upstream_token(
        &self,
        user: &UserId,
        instead_of: &UpstreamTokenVersion,
        token: PutUpstreamToken,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        let row = tables.upstream_tokens.get_mut(&(user.clone(), token.key));
        let row = row.filter(|row| row.version == *instead_of);
        Ok(row.map(|row| *row = unleased(token)).is_some())
    }

    async fn drop_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        version: &UpstreamTokenVersion,
    ) -> Result<bool, StoreError> {
        let mut tables = self.tables()?;
        let key = (user.clone(), *key);
        let is_there = tables.upstream_tokens.get(&key).is_some_and(|row| row.version == *version);
        if is_there {
            tables.upstream_tokens.remove(&key);
        }
        Ok(is_there)
    }

    async fn kept_secret(&self) -> Result<Option<Secret>, StoreError> {
        Ok(self.tables()?.secret.clone())
    }

    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError> {
        Ok(self.tables()?.secret.get_or_insert(candidate).clone())
    }
}

fn unleased(token: PutUpstreamToken) -> StoredUpstreamToken {
    let PutUpstreamToken { sealed, version, refreshed_at, .. } = token;
    StoredUpstreamToken { sealed, version, leased_until: Timestamp::from_unix_micros(0), refreshed_at }
}

/// All that can fail comes before the first change.
impl Tables {
    fn sign_in(&mut self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        let SignIn {
            user,
            software,
            new_connection,
            mut session,
            max_sessions,
            max_aliases,
            mut event,
            evictions,
            upstream_token,
            now,
        } = sign_in;
        let found = self.connections.values().find(|c| c.user == user.id && c.software == software).map(|c| c.id);
        let connection = found.unwrap_or(new_connection);
        let targets = [
            Target::User(user.id.clone()),
            Target::Connection(connection),
            Target::ClientId(session.client_id.clone()),
            Target::Platform(session.platform.clone()),
        ];
        if let Some(kind) = self.blocked(&targets) {
            return Ok(SignedIn::Blocked(kind));
        }
        if self.sessions.contains_key(&session.id) {
            return Ok(SignedIn::Used);
        }
        if found.is_none() && self.connections.contains_key(&connection) {
            return Err(StoreError::Inconsistent(format!("connection {connection} exists already")));
        }

        let evicted = self.idle_longest(connection, max_sessions, now);
        let evicted: Vec<_> = evicted.into_iter().take(evictions.len()).collect();
        event.connection = Some(connection);
        let mut events = vec![event];
        events.extend(evicted.iter().zip(evictions).map(|(id, eviction)| Event {
            connection: Some(connection),
            session: Some(*id),
            ..eviction
        }));
        self.write(events)?;

        self.end(&evicted, "evicted", now);
        self.connections
            .entry(connection)
            .or_insert_with(|| Connection {
                id: connection,
                user: user.id.clone(),
                software,
                platform: session.platform.clone(),
                aliases: Vec::new(),
                created_at: now,
                last_sign_in_at: now,
            })
            .last_sign_in_at = now;
        self.use_alias(connection, &session.client_id, max_aliases, now);
        session.user = user.id.clone();
        session.connection = connection;
        if let Some(token) = upstream_token {
            self.upstream_tokens.insert((user.id.clone(), token.key), unleased(token));
        }
        self.users.insert(user.id.clone(), user);
        self.sessions.insert(session.id, session);
        Ok(SignedIn::Done { connection, first: found.is_none(), evicted })
    }

    /// The live sessions of `connection` that one more puts above the cap, the one idle longest first.
    fn idle_longest(&self, connection: ConnectionId, max_sessions: usize, now: Timestamp) -> Vec<SessionId> {
        let live = self.sessions.values().filter(|s| s.connection == connection && s.is_alive(now));
        let mut live: Vec<_> = live.map(|s| (s.advanced_at, s.id)).collect();
        live.sort_unstable();
        let excess = (live.len() + 1).saturating_sub(max_sessions.max(1));
        live.into_iter().take(excess).map(|(_, id)| id).collect()
    }

    fn use_alias(&mut self, connection: ConnectionId, alias: &ClientId, max_aliases: usize, now: Timestamp) {
        self.alias_used_at.insert((connection, alias.clone()), now);
        let Some(row) = self.connections.get_mut(&connection) else { return };
        if !row.aliases.contains(alias) {
            row.aliases.push(alias.clone());
        }
        loop {
            let counted = row.aliases.iter().filter(|alias| !self.imported.contains_key(alias));
            if counted.clone().count() <= max_aliases.max(1) {
                return;
            }
            let used_at = |other: &&ClientId| self.alias_used_at.get(&(connection, (*other).clone())).copied();
            let Some(oldest) = counted.filter(|other| *other != alias).min_by_key(used_at).cloned() else { return };
            row.aliases.retain(|other| *other != oldest);
            self.alias_used_at.remove(&(connection, oldest));
        }
    }

    fn advance(&mut self, id: SessionId, advance: Advance) -> Advanced {
        let Some(session) = self.sessions.get_mut(&id) else { return Advanced::Gone(None) };
        if !session.is_alive(advance.now) {
            return Advanced::Gone(Some(session.clone()));
        }
        if session.generation != advance.from {
            return Advanced::Lost(session.clone());
        }
        let Some(next) = advance.from.next() else { return Advanced::Gone(Some(session.clone())) };
        session.generation = next;
        session.advanced_at = advance.now;
        session.expires_at = advance.expires_at.min(session.absolute_expires_at);
        if advance.from == Generation::CODE {
            session.redeemed_at = Some(advance.now);
            session.adopted_secret = advance.adopted_secret;
        }
        Advanced::Won(session.clone())
    }

    fn catch_up(&mut self, id: SessionId, catch_up: CatchUp) -> Result<Advanced, StoreError> {
        let Some(session) = self.sessions.get(&id).cloned() else { return Ok(Advanced::Gone(None)) };
        if session.ended.is_some() || catch_up.now >= session.absolute_expires_at {
            return Ok(Advanced::Gone(Some(session)));
        }
        if session.generation >= catch_up.presented {
            return Ok(Advanced::Lost(session));
        }
        let Some(next) = catch_up.presented.next() else { return Ok(Advanced::Gone(Some(session))) };
        self.write(vec![catch_up.event])?;
        let level = Session {
            generation: next,
            advanced_at: catch_up.now,
            expires_at: catch_up.expires_at.min(session.absolute_expires_at),
            redeemed_at: session.redeemed_at.or(Some(catch_up.now)),
            adopted_secret: match session.generation {
                Generation::CODE => catch_up.adopted_secret,
                _ => session.adopted_secret,
            },
            ..session
        };
        self.sessions.insert(id, level.clone());
        Ok(Advanced::Won(level))
    }

    fn import(&mut self, import: Import) -> Result<Imported, StoreError> {
        let Import { user, software, platform, new_connection, clients, first_used_at, last_used_at, mut event } =
            import;
        let found = self.connections.values().find(|c| c.user == user.id && c.software == software).map(|c| c.id);
        let connection = found.unwrap_or(new_connection);
        if found.is_none() && self.connections.contains_key(&connection) {
            return Err(StoreError::Inconsistent(format!("connection {connection} exists already")));
        }
        // One that is in it twice is one.
        let ids: BTreeSet<_> = clients.iter().map(ImportedClient::id).collect();
        let new_aliases = ids.iter().filter(|id| !self.alias_used_at.contains_key(&(connection, (**id).clone())));
        let new_clients = ids.iter().filter(|id| !self.imported.contains_key(**id));
        let imported = Imported {
            connection,
            new_user: !self.users.contains_key(&user.id),
            new_connection: found.is_none(),
            new_aliases: new_aliases.count() as u64,
            new_clients: new_clients.count() as u64,
        };
        if imported.changed() {
            event.connection = Some(connection);
            self.write(vec![event])?;
        }
        let row = self.connections.entry(connection).or_insert_with(|| Connection {
            id: connection,
            user: user.id.clone(),
            software,
            platform,
            aliases: Vec::new(),
            created_at: first_used_at,
            last_sign_in_at: last_used_at,
        });
        for client in clients {
            let alias = (connection, client.id().clone());
            self.alias_used_at.entry(alias).or_insert_with(|| {
                row.aliases.push(client.id().clone());
                last_used_at
            });
            self.imported.entry(client.id().clone()).or_insert(client);
        }
        self.users.entry(user.id.clone()).or_insert(user);
        Ok(imported)
    }

    fn erase(&mut self, erasure: Erasure) -> Result<Erased, StoreError> {
        let Erasure { user, marker, now, event } = erasure;
        let sessions: BTreeMap<SessionId, Timestamp> = self
            .sessions
            .values()
            .filter(|session| session.user == user)
            .map(|session| (session.id, session.ended.as_ref().map_or(now, |end| end.at)))
            .collect();
        let connections: BTreeSet<_> = self.connections.values().filter(|c| c.user == user).map(|c| c.id).collect();
        let is_theirs = |event: &Event| {
            event.user.as_ref() == Some(&user)
                || event.session.is_some_and(|session| sessions.contains_key(&session))
                || event.connection.is_some_and(|connection| connections.contains(&connection))
        };
        let theirs: Vec<EventId> = self.events.values().filter(|event| is_theirs(event)).map(|e| e.id).collect();
        let aliases = self.alias_used_at.keys().filter(|(connection, _)| connections.contains(connection)).count();
        let erased = Erased {
            user: self.users.contains_key(&user),
            sessions: sessions.keys().copied().collect(),
            connections: connections.len() as u64,
            aliases: aliases as u64,
            events: theirs.len() as u64,
        };
        if !erased.changed() {
            return Ok(erased);
        }
        self.write(vec![event])?;
        for id in theirs {
            if let Some(event) = self.events.get_mut(&id) {
                event.user = Some(marker.clone());
                (event.connection, event.session, event.client_id) = (None, None, None);
            }
        }
        let them = Actor::Admin(user.clone());
        for event in self.events.values_mut().filter(|event| event.actor == them) {
            event.actor = Actor::Admin(marker.clone());
        }
        self.sessions.retain(|id, _| !sessions.contains_key(id));
        self.erased.extend(sessions);
        self.alias_used_at.retain(|(connection, _), _| !connections.contains(connection));
        self.connections.retain(|id, _| !connections.contains(id));
        self.upstream_tokens.retain(|(owner, _), _| *owner != user);
        self.requests.retain(|_, request| request.user != user);
        self.users.remove(&user);
        Ok(erased)
    }

    fn not_ended(&self, ending: &Ending) -> Vec<SessionId> {
        let in_time = |session: &&Session| ending.opened_until.is_none_or(|until| session.created_at <= until);
        let fits = |session: &&Session| match &ending.target {
            Target::Session(id) => session.id == *id,
            Target::Connection(id) => session.connection == *id,
            Target::User(id) => session.user == *id,
            Target::ClientId(id) => session.client_id == *id,
            Target::Platform(platform) => session.platform == *platform,
        };
        self.sessions.values().filter(|s| s.ended.is_none()).filter(in_time).filter(fits).map(|s| s.id).collect()
    }

    fn end(&mut self, sessions: &[SessionId], reason: &str, at: Timestamp) {
        for id in sessions {
            if let Some(session) = self.sessions.get_mut(id) {
                session.ended = Some(SessionEnd { at, reason: reason.to_owned() });
            }
        }
    }

    /// Of the users of these sessions who have no session that is alive at `at`.
    fn drop_upstream_tokens_of(&mut self, sessions: &[SessionId], at: Timestamp) {
        let users: BTreeSet<_> = sessions.iter().filter_map(|id| Some(self.sessions.get(id)?.user.clone())).collect();
        self.drop_upstream_tokens(at, |user, _| users.contains(user));
    }

    /// Of users who have no session that is alive at `at`, as far as `which` says so.
    fn drop_upstream_tokens(&mut self, at: Timestamp, which: impl Fn(&UserId, &StoredUpstreamToken) -> bool) {
        let alive: BTreeSet<_> = self.sessions.values().filter(|s| s.is_alive(at)).map(|s| s.user.clone()).collect();
        self.upstream_tokens.retain(|(user, _), row| alive.contains(user) || !which(user, row));
    }

    fn blocked(&self, targets: &[Target]) -> Option<BlockKind> {
        targets.iter().filter_map(Target::block_key).find(|key| self.blocks.contains(key)).map(|(kind, _)| kind)
    }

    fn write(&mut self, events: Vec<Event>) -> Result<(), StoreError> {
        let mut ids = HashSet::new();
        if let Some(event) = events.iter().find(|e| self.events.contains_key(&e.id) || !ids.insert(e.id)) {
            return Err(StoreError::Inconsistent(format!("event {} exists already", event.id)));
        }
        self.events.extend(events.into_iter().map(|event| (event.id, event)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_test_can_switch_it_off_and_on() {
        let store = MemoryStore::new();
        store.fail(true);
        assert!(matches!(store.counts().await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.blocked(&[]).await, Err(StoreError::Unavailable(_))));
        store.fail(false);
        assert_eq!(store.counts().await.unwrap(), Counts::default());
    }
}
