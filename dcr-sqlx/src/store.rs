//! The store: connections, transactions, retries, and the reads. What writes several rows has a module of its own.

use std::sync::Arc;

use async_trait::async_trait;
use dcr_core::record::{Event, FunnelCount, RequestRecord};
use dcr_core::session::{Connection, ConnectionId, RequestId, Session, SessionId, User, UserId};
use dcr_core::store::{
    Advance, Advanced, BlockKind, BlockQuery, CatchUp, Census, ClientUse, ClientUseQuery, Counts, Ending, Erased,
    Erasure, EventQuery, FunnelQuery, FunnelSumQuery, Import, Imported, PlatformUse, PutClient, PutUpstreamToken,
    RequestQuery, Revocation, SessionView, SignIn, SignedIn, Store, StoreError, StoredUpstreamToken, Target,
    UpstreamLease, UpstreamTokenKey, UpstreamTokenVersion, UserMatch, UserQuery,
};
use dcr_core::{ClientId, ImportedClient, Secret, StoredClient, Timestamp};

use crate::advance::Move;
use crate::batch::Batches;
use crate::dialect::Dialect;
use crate::failure::{Failure, unavailable};
use crate::file::DatabaseFile;
use crate::held::Held;
use crate::loans::Loans;
use crate::retry::retried;
use crate::rows::{Columns, Value, Word, of_event, values};
use crate::{advance, clients, end, erase, import, listing, record, sign_in, sign_ins, terms};

/// A [`Store`] in an SQL database. Made by [`connect`](crate::connect) or by its own `open`.
#[derive(Debug)]
pub struct SqlStore<DB: Dialect> {
    /// Where transactions that write begin.
    pub(crate) writer: Loans<DB>,
    /// Where single queries run; the same ones where that makes no difference.
    pub(crate) reader: Loans<DB>,
    /// The file that the database is, if it is one.
    pub(crate) file: Option<Arc<DatabaseFile>>,
    /// How transactions begin.
    pub(crate) begin: &'static str,
    /// The lock that a sign-in takes first: the dialect's `hold_blocks`, or a stricter one.
    pub(crate) sign_in_lock: &'static str,
    /// Behind a proxy that gives a connection for a transaction at a time: nothing runs outside of one, and no statement
    /// stays prepared.
    pub(crate) by_transaction: bool,
    /// The counters that wait to be moved together.
    pub(crate) advances: Arc<Batches<Move>>,
    /// The sign-ins that wait to be written together.
    pub(crate) sign_ins: Arc<Batches<SignIn>>,
}

impl<DB: Dialect> SqlStore<DB> {
    /// The same connections, for a task of their own.
    pub(crate) fn share(&self) -> Self {
        let Self { writer, reader, file, begin, sign_in_lock, by_transaction, advances, sign_ins } = self;
        Self {
            writer: writer.clone(),
            reader: reader.clone(),
            file: file.clone(),
            begin,
            sign_in_lock,
            by_transaction: *by_transaction,
            advances: Arc::clone(advances),
            sign_ins: Arc::clone(sign_ins),
        }
    }

    /// Waits for what is running and closes every connection. From then on every method answers
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction that writes. Dropped, it is rolled back.
    pub(crate) async fn begin(&self) -> Result<Held<DB>, Failure> {
        self.begin_for("").await
    }

    /// The same, behind the lock that `lock` takes, if it is not empty.
    pub(crate) async fn begin_for(&self, lock: &'static str) -> Result<Held<DB>, Failure> {
        self.in_place()?;
        let mut transaction = Held::of(&self.writer, !self.by_transaction).await?;
        transaction.begin(self.begin).await?;
        if !lock.is_empty() {
            transaction.fetch(lock, values![], Columns::integer).await?;
        }
        Ok(transaction)
    }

    /// A connection for single statements.
    pub(crate) async fn alone(&self, loans: &Loans<DB>) -> Result<Held<DB>, Failure> {
        self.in_place()?;
        let mut connection = Held::of(loans, !self.by_transaction).await?;
        if self.by_transaction {
            connection.begin(self.begin).await?;
        }
        Ok(connection)
    }

    fn in_place(&self) -> Result<(), Failure> {
        self.file.as_ref().map_or(Ok(()), |file| file.in_place().map_err(unavailable))
    }
}

#[async_trait]
impl<DB: Dialect> Store for SqlStore<DB> {
    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        if DB::SQL.plain_sign_ins.is_empty() {
            return retried!(sign_in::sign_in(self, &sign_in));
        }
        retried!(sign_ins::with_others(self, &sign_in))
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        retried!(self.session_view(id))
    }

    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError> {
        retried!(advance::advance(self, id, advance))
    }

    async fn catch_up(&self, id: SessionId, catch_up: CatchUp) -> Result<Advanced, StoreError> {
        retried!(advance::catch_up(self, id, &catch_up))
    }

    async fn revoke(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError> {
        retried!(end::revoke(self, &ending))
    }

    async fn block(&self, ending: Ending) -> Result<Vec<SessionId>, StoreError> {
        retried!(end::block(self, &ending))
    }

    async fn unblock(&self, target: &Target, event: Event) -> Result<bool, StoreError> {
        retried!(end::unblock(self, target, &event))
    }

    async fn blocked(&self, targets: &[Target]) -> Result<Option<BlockKind>, StoreError> {
        retried!(async { end::blocked(&mut self.alone(&self.reader).await?, targets).await })
    }

    async fn blocks(&self, query: &BlockQuery) -> Result<Vec<Target>, StoreError> {
        let values = listing::of_block_query(query);
        retried!(self.query(DB::SQL.blocks, values.clone(), Columns::block))
    }

    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        retried!(self.query(DB::SQL.ended_since, values![since, since], Columns::revocation))
    }

    async fn import(&self, import: Import) -> Result<Imported, StoreError> {
        retried!(import::import(self, &import))
    }

    async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, StoreError> {
        Ok(retried!(self.query(DB::SQL.imported_client, values![id], Columns::imported_client))?.pop())
    }

    async fn has_imported_clients(&self) -> Result<bool, StoreError> {
        let found = retried!(self.query(DB::SQL.any_imported, values![], Columns::count))?.pop();
        Ok(found.is_some_and(|found| found > 0))
    }

    async fn client(&self, id: &ClientId) -> Result<Option<StoredClient>, StoreError> {
        Ok(retried!(self.query(DB::SQL.client, values![id], Columns::client))?.pop())
    }

    async fn has_clients(&self) -> Result<bool, StoreError> {
        let found = retried!(self.query(DB::SQL.any_client, values![], Columns::count))?.pop();
        Ok(found.is_some_and(|found| found > 0))
    }

    async fn clients(&self, after: Option<&ClientId>, limit: u32) -> Result<Vec<StoredClient>, StoreError> {
        // No id is empty.
        let after = after.map_or(&b""[..], |after| after.as_str().as_bytes());
        retried!(self.query(DB::SQL.clients, values![after, limit.clamp(1, 1_000)], Columns::client))
    }

    async fn put_client(&self, change: PutClient) -> Result<bool, StoreError> {
        retried!(clients::put(self, &change))
    }

    async fn unpin_client(&self, id: &ClientId, event: Event) -> Result<bool, StoreError> {
        retried!(clients::unpin(self, id, &event))
    }

    async fn use_up(&self, id: &[u8; 32], until: Timestamp) -> Result<bool, StoreError> {
        Ok(retried!(self.write(DB::SQL.use_up, values![id, until]))? > 0)
    }

    async fn open_recovery(&self, until: Timestamp, event: Event) -> Result<(), StoreError> {
        retried!(self.put_recovery(until, &event))
    }

    async fn recovery_until(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(retried!(self.query(DB::SQL.recovery, values![], Columns::time))?.pop())
    }

    async fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError> {
        if let Some(UserMatch::Text(text)) = &query.matching {
            return retried!(self.users_with(text, query));
        }
        // Every id begins with a letter.
        let after = Word(query.after.as_ref().map_or("", |after| after.as_str()));
        let (sql, key) = match &query.matching {
            None => (DB::SQL.users, None),
            Some(UserMatch::Id(id)) => (DB::SQL.users_by_id, Some(Value::from(id))),
            Some(UserMatch::ObjectId(id)) => (DB::SQL.users_by_object, Some(Value::from(id))),
            Some(UserMatch::Email(email)) => (DB::SQL.users_by_email, Some(Value::from(email))),
            Some(UserMatch::ClientId(id)) => (DB::SQL.users_by_client, Some(Value::from(id))),
            Some(other) => return Err(StoreError::Inconsistent(format!("cannot look for {other:?}"))),
        };
        let values: Vec<Value> = key.into_iter().chain(values![after, query.limit.clamp(1, 1_000)]).collect();
        retried!(self.query(sql, values.clone(), Columns::user))
    }

    async fn connections_of(&self, user: &UserId) -> Result<Vec<Connection>, StoreError> {
        let rows = retried!(self.query(DB::SQL.connections_of, values![user], Columns::connection_and_alias))?;
        Ok(with_their_aliases(rows))
    }

    async fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, StoreError> {
        let rows = retried!(self.query(DB::SQL.connection, values![&id], Columns::connection_and_alias))?;
        Ok(with_their_aliases(rows).pop())
    }

    async fn sessions_of(&self, connection: ConnectionId) -> Result<Vec<Session>, StoreError> {
        retried!(self.query(DB::SQL.sessions_of, values![&connection], Columns::session))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let counts = |row: &mut Columns<DB>| {
            Ok(Counts {
                users: row.count()?,
                connections: row.count()?,
                aliases: row.count()?,
                sessions: row.count()?,
                blocks: row.count()?,
                events: row.count()?,
                imported_clients: row.count()?,
                clients: row.count()?,
                used_up: row.count()?,
                upstream_tokens: row.count()?,
            })
        };
        Ok(retried!(self.query(DB::SQL.counts, values![], counts))?.pop().unwrap_or_default())
    }

    async fn census(&self, now: Timestamp) -> Result<Census, StoreError> {
        let census = |row: &mut Columns<DB>| {
            Ok(Census { live: row.count()?, lapsed: row.count()?, ended: row.count()?, busiest: Vec::new() })
        };
        let census = retried!(self.query(DB::SQL.census, values![now, now], census))?.pop().unwrap_or_default();
        let busiest = retried!(self.query(DB::SQL.busiest, values![now], Columns::user_and_count))?;
        Ok(Census { busiest, ..census })
    }

    async fn client_uses(&self, query: &ClientUseQuery) -> Result<Vec<ClientUse>, StoreError> {
        let (sql, values) = listing::of_uses::<DB>(query);
        retried!(self.query(sql, values.clone(), Columns::client_use))
    }

    async fn platform_uses(&self, now: Timestamp) -> Result<Vec<PlatformUse>, StoreError> {
        let rows = retried!(self.query(DB::SQL.platform_uses, values![now], Columns::platform_use))?;
        Ok(listing::by_platform(rows))
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        retried!(self.write(DB::SQL.add_event, of_event(&event))).map(|_| ())
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let (sql, values) = record::events::<DB>(query);
        retried!(self.query(sql, values.clone(), Columns::event))
    }

    async fn erase(&self, erasure: Erasure) -> Result<Erased, StoreError> {
        retried!(erase::erase(self, &erasure))
    }

    async fn add_counts(&self, counts: &[FunnelCount]) -> Result<(), StoreError> {
        retried!(record::add_counts(self, counts))
    }

    async fn funnel(&self, query: &FunnelQuery) -> Result<Vec<FunnelCount>, StoreError> {
        let values = record::of_funnel_query(query);
        retried!(self.query(DB::SQL.funnel, values.clone(), Columns::funnel_count))
    }

    async fn funnel_sums(&self, query: &FunnelSumQuery) -> Result<Vec<FunnelCount>, StoreError> {
        let values = listing::of_sums(query);
        retried!(self.query(DB::SQL.funnel_sums, values.clone(), Columns::funnel_count))
    }

    async fn sweep_record(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        retried!(record::sweep(self, before, limit))
    }

    async fn add_requests(&self, requests: &[RequestRecord]) -> Result<(), StoreError> {
        retried!(record::add_requests(self, requests))
    }

    async fn requests(&self, query: &RequestQuery) -> Result<Vec<RequestRecord>, StoreError> {
        let (sql, values) = record::of_request_query::<DB>(query);
        retried!(self.query(sql, values.clone(), Columns::request))
    }

    async fn sweep_requests(&self, before: RequestId, limit: u32) -> Result<u32, StoreError> {
        let swept = retried!(self.write(DB::SQL.sweep_requests, values![&before, limit]))?;
        Ok(u32::try_from(swept).unwrap_or(limit))
    }

    async fn upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
    ) -> Result<Option<StoredUpstreamToken>, StoreError> {
        Ok(retried!(self.query(DB::SQL.upstream_token, values![user, key], Columns::upstream_token))?.pop())
    }

    async fn lease_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        lease: UpstreamLease,
    ) -> Result<bool, StoreError> {
        let UpstreamLease { version, now, until } = lease;
        let values = values![until, user, key, &version, now];
        Ok(retried!(self.write(DB::SQL.lease_upstream_token, values.clone()))? > 0)
    }

    async fn replace_upstream_token(
        &self,
        user: &UserId,
        instead_of: &UpstreamTokenVersion,
        token: PutUpstreamToken,
    ) -> Result<bool, StoreError> {
        let PutUpstreamToken { key, sealed, version, refreshed_at } = &token;
        let values = values![sealed.as_slice(), version, *refreshed_at, user, key, instead_of];
        Ok(retried!(self.write(DB::SQL.replace_upstream_token, values.clone()))? > 0)
    }

    async fn drop_upstream_token(
        &self,
        user: &UserId,
        key: &UpstreamTokenKey,
        version: &UpstreamTokenVersion,
    ) -> Result<bool, StoreError> {
        Ok(retried!(self.write(DB::SQL.drop_upstream_token, values![user, key, version]))? > 0)
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let swept = retried!(self.swept(before, limit))?;
        // At the end of a sweep, not after each piece of it: it looks at all of them.
        if swept < limit {
            retried!(terms::sweep(self))?;
        }
        Ok(swept)
    }

    async fn kept_secret(&self) -> Result<Option<Secret>, StoreError> {
        retried!(self.secret())
    }

    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError> {
        retried!(self.secret_or(&candidate))
    }
}

impl<DB: Dialect> SqlStore<DB> {
    /// One query, outside a transaction: it sees one state of the database.
    pub(crate) async fn query<T>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&mut Columns<DB>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        self.alone(&self.reader).await?.fetch(sql, values, read).await
    }

    /// One statement in a transaction of its own.
    async fn write(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, Failure> {
        let mut transaction = self.begin().await?;
        let matched = transaction.execute(sql, values).await?;
        transaction.commit().await?;
        Ok(matched)
    }

    /// Users who have this text, in pages that are looked at again: see `users_by_text`.
    async fn users_with(&self, text: &str, query: &UserQuery) -> Result<Vec<User>, Failure> {
        let limit = query.limit.clamp(1, 1_000) as usize;
        let matching = UserMatch::Text(text.to_owned());
        let (mut found, mut after): (Vec<User>, _) = (Vec::new(), query.after.clone());
        loop {
            let from = Word(after.as_ref().map_or("", |after| after.as_str()));
            let page =
                self.query(DB::SQL.users_by_text, values![text, from, query.limit.clamp(1, 1_000)], Columns::user);
            let page = page.await?;
            let is_last = page.len() < limit;
            after = page.last().map(|user| user.id.clone());
            found.extend(page.into_iter().filter(|user| matching.fits(user)));
            if is_last || found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }

    async fn session_view(&self, id: SessionId) -> Result<Option<SessionView>, Failure> {
        let view = |row: &mut Columns<DB>| Ok(SessionView { session: row.session()?, user: row.user()? });
        Ok(self.query(DB::SQL.session_view, values![&id], view).await?.pop())
    }

    async fn put_recovery(&self, until: Timestamp, event: &Event) -> Result<(), Failure> {
        let mut transaction = self.begin().await?;
        transaction.execute(DB::SQL.put_recovery, values![until]).await?;
        transaction.execute(DB::SQL.add_event, of_event(event)).await?;
        transaction.commit().await
    }

    async fn swept(&self, before: Timestamp, limit: u32) -> Result<u32, Failure> {
        let mut transaction = self.begin().await?;
        let mut swept = 0;
        for sql in [DB::SQL.sweep_lapsed, DB::SQL.sweep_ended] {
            let rest = limit.saturating_sub(swept);
            if rest > 0 {
                let matched = transaction.execute(sql, values![before, rest]).await?;
                swept += u32::try_from(matched).unwrap_or(rest);
            }
        }
        for sql in [DB::SQL.sweep_used, DB::SQL.sweep_erased] {
            transaction.execute(sql, values![before, limit.saturating_mul(10)]).await?;
        }
        let idle =
            transaction.fetch(DB::SQL.hold_idle_upstream_tokens, values![before, before], Columns::user_id).await?;
        if !idle.is_empty() {
            transaction.execute(DB::SQL.drop_idle_upstream_tokens, values![before, before]).await?;
        }
        transaction.commit().await?;
        Ok(swept)
    }

    async fn secret(&self) -> Result<Option<Secret>, Failure> {
        Ok(self.query(DB::SQL.secret, values![], Columns::secret).await?.pop())
    }

    async fn secret_or(&self, candidate: &Secret) -> Result<Secret, Failure> {
        if let Some(kept) = self.secret().await? {
            return Ok(kept);
        }
        let mut transaction = self.begin().await?;
        transaction.execute(DB::SQL.put_secret, values![candidate.expose()]).await?;
        let kept = transaction.fetch_one(DB::SQL.secret, values![], Columns::secret).await?;
        transaction.commit().await?;
        kept.ok_or_else(|| {
            Failure::Store(StoreError::Inconsistent("the secret that was written is not there".to_owned()))
        })
    }
}

/// Connections of which there is a row for each alias.
fn with_their_aliases(rows: Vec<(Connection, Option<ClientId>)>) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    for (connection, alias) in rows {
        if connections.last().is_none_or(|last| last.id != connection.id) {
            connections.push(connection);
        }
        if let Some(last) = connections.last_mut() {
            last.aliases.extend(alias);
        }
    }
    connections
}
