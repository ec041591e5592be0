//! The store: connections, transactions, retries, and the reads. What writes several rows has a module of its own.

use std::time::Duration;

use async_trait::async_trait;
use dcr_core::record::Event;
use dcr_core::session::{Connection, ConnectionId, EventId, Generation, Session, SessionId, User, UserId};
use dcr_core::store::{
    Advance, Advanced, BlockKind, CatchUp, Census, Counts, Ending, EventQuery, Import, Imported, Revocation,
    SessionView, SignIn, SignedIn, Store, StoreError, Target, UserMatch, UserQuery,
};
use dcr_core::{ClientId, ImportedClient, Secret, Timestamp};
use sqlx::pool::PoolConnection;
use sqlx::{Pool, Transaction};

use crate::dialect::{Dialect, arguments};
use crate::failure::{Failure, failure};
use crate::file::DatabaseFile;
use crate::rows::{Columns, END_OF_TIME, Value, of_event, values};
use crate::{end, import, sign_in};

/// How often a transaction that met a conflict is tried again.
const RETRIES: u32 = 4;

/// A [`Store`] in an SQL database. Made by [`connect`](crate::connect) or by its own `open`.
#[derive(Debug)]
pub struct SqlStore<DB: Dialect> {
    /// Where transactions that write begin.
    pub(crate) writer: Pool<DB>,
    /// Where single queries run; the same pool where that makes no difference.
    pub(crate) reader: Pool<DB>,
    /// The file that the database is, if it is one.
    pub(crate) file: Option<DatabaseFile>,
}

impl<DB: Dialect> SqlStore<DB> {
    /// Waits for what is running and closes every connection. From then on every method answers
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction that writes. Dropped, it is rolled back.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, DB>, Failure> {
        self.in_place()?;
        self.writer.begin_with(DB::SQL.begin).await.map_err(failure::<DB>)
    }

    /// A connection for one query.
    async fn read(&self) -> Result<PoolConnection<DB>, Failure> {
        self.in_place()?;
        self.reader.acquire().await.map_err(failure::<DB>)
    }

    fn in_place(&self) -> Result<(), Failure> {
        match &self.file {
            Some(file) => file.in_place().map_err(|error| Failure::Store(StoreError::Unavailable(error.into()))),
            None => Ok(()),
        }
    }
}

/// Runs a statement; the number of rows that it matched.
pub(crate) async fn execute<DB: Dialect>(
    connection: &mut DB::Connection,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<u64, Failure> {
    let arguments = arguments::<DB>(values).map_err(failure::<DB>)?;
    DB::execute(connection, sql, arguments).await.map_err(failure::<DB>)
}

/// Runs a query and reads each of its rows.
pub(crate) async fn fetch<DB: Dialect, T>(
    connection: &mut DB::Connection,
    sql: &'static str,
    values: Vec<Value>,
    read: fn(&mut Columns<DB>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let arguments = arguments::<DB>(values).map_err(failure::<DB>)?;
    let rows = DB::fetch(connection, sql, arguments).await.map_err(failure::<DB>)?;
    rows.into_iter().map(|row| read(&mut Columns::of(row))).collect()
}

/// The same for a query of one row at most.
pub(crate) async fn fetch_one<DB: Dialect, T>(
    connection: &mut DB::Connection,
    sql: &'static str,
    values: Vec<Value>,
    read: fn(&mut Columns<DB>) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    Ok(fetch::<DB, T>(connection, sql, values, read).await?.pop())
}

/// Commits. The transaction is durable when this answers.
pub(crate) async fn commit<DB: Dialect>(transaction: Transaction<'static, DB>) -> Result<(), Failure> {
    transaction.commit().await.map_err(failure::<DB>)
}

/// Runs an attempt, and again if it met a conflict.
macro_rules! retried {
    ($attempt:expr) => {{
        let mut tries = 0;
        loop {
            match $attempt.await {
                Err(Failure::Conflict(error)) if tries < RETRIES => {
                    tries += 1;
                    tracing::debug!(%error, tries, "a transaction met a conflict and is tried again");
                    tokio::time::sleep(Duration::from_millis(5) * tries * tries).await;
                }
                answer => break answer.map_err(StoreError::from),
            }
        }
    }};
}

#[async_trait]
impl<DB: Dialect> Store for SqlStore<DB> {
    async fn sign_in(&self, sign_in: SignIn) -> Result<SignedIn, StoreError> {
        retried!(sign_in::sign_in(self, &sign_in))
    }

    async fn session(&self, id: SessionId) -> Result<Option<SessionView>, StoreError> {
        retried!(self.session_view(id))
    }

    async fn advance(&self, id: SessionId, advance: Advance) -> Result<Advanced, StoreError> {
        retried!(self.compare_and_swap(id, advance))
    }

    async fn catch_up(&self, id: SessionId, catch_up: CatchUp) -> Result<Advanced, StoreError> {
        retried!(self.bring_level(id, &catch_up))
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
        retried!(async { end::blocked::<DB>(&mut *self.read().await?, targets).await })
    }

    async fn revocations_since(&self, since: Timestamp) -> Result<Vec<Revocation>, StoreError> {
        retried!(self.query(DB::SQL.ended_since, values![since], Columns::revocation))
    }

    async fn import(&self, import: Import) -> Result<Imported, StoreError> {
        retried!(import::import(self, &import))
    }

    async fn imported_client(&self, id: &ClientId) -> Result<Option<ImportedClient>, StoreError> {
        Ok(retried!(self.query(DB::SQL.imported_client, values![id], Columns::imported_client))?.pop())
    }

    async fn open_recovery(&self, until: Timestamp, event: Event) -> Result<(), StoreError> {
        retried!(self.put_recovery(until, &event))
    }

    async fn recovery_until(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(retried!(self.query(DB::SQL.recovery, values![], Columns::time))?.pop())
    }

    async fn users(&self, query: &UserQuery) -> Result<Vec<User>, StoreError> {
        // Every id begins with a letter.
        let after = query.after.as_ref().map_or("", |after| after.as_str());
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
        let mut connections: Vec<Connection> = Vec::new();
        for (connection, alias) in rows {
            if connections.last().is_none_or(|last| last.id != connection.id) {
                connections.push(connection);
            }
            if let Some(last) = connections.last_mut() {
                last.aliases.extend(alias);
            }
        }
        Ok(connections)
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

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        retried!(self.write(DB::SQL.add_event, of_event(&event))).map(|_| ())
    }

    async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let since = query.since.unwrap_or(Timestamp::from_unix_micros(i64::MIN));
        let (before, before_id) = query.before.unwrap_or((END_OF_TIME, EventId::from_bytes([0xff; 16])));
        let span = values![since, before, before, &before_id, query.limit.clamp(1, 1_000)];
        let (sql, key) = match (&query.user, &query.session) {
            (None, None) => (DB::SQL.events, values![]),
            (Some(user), None) => (DB::SQL.events_of_user, values![user]),
            (None, Some(session)) => (DB::SQL.events_of_session, values![session]),
            (Some(user), Some(session)) => (DB::SQL.events_of_both, values![user, session]),
        };
        let values: Vec<Value> = key.into_iter().chain(span).collect();
        retried!(self.query(sql, values.clone(), Columns::event))
    }

    async fn sweep(&self, before: Timestamp, limit: u32) -> Result<u32, StoreError> {
        let swept = retried!(self.write(DB::SQL.sweep, values![before, before, limit]))?;
        Ok(u32::try_from(swept).unwrap_or(limit))
    }

    async fn keep_secret(&self, candidate: Secret) -> Result<Secret, StoreError> {
        retried!(self.secret_or(&candidate))
    }
}

impl<DB: Dialect> SqlStore<DB> {
    /// One query, outside a transaction: it sees one state of the database.
    async fn query<T>(
        &self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&mut Columns<DB>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        fetch::<DB, T>(&mut *self.read().await?, sql, values, read).await
    }

    /// One statement in a transaction of its own.
    async fn write(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, Failure> {
        let mut transaction = self.begin().await?;
        let matched = execute::<DB>(&mut transaction, sql, values).await?;
        commit(transaction).await?;
        Ok(matched)
    }

    async fn session_view(&self, id: SessionId) -> Result<Option<SessionView>, Failure> {
        let view = |row: &mut Columns<DB>| Ok(SessionView { session: row.session()?, user: row.user()? });
        Ok(self.query(DB::SQL.session_view, values![&id], view).await?.pop())
    }

    /// The one statement moves the counter or does not; the row is read in the same transaction.
    async fn compare_and_swap(&self, id: SessionId, advance: Advance) -> Result<Advanced, Failure> {
        let Advance { from, now, expires_at, adopted_secret } = advance;
        let mut transaction = self.begin().await?;
        let matched = match from.next() {
            Some(next) if from == Generation::CODE => {
                let values = values![next, now, expires_at, now, adopted_secret.as_ref(), &id, now];
                execute::<DB>(&mut transaction, DB::SQL.redeem, values).await?
            }
            Some(next) => {
                let values = values![next, now, expires_at, &id, from, now];
                execute::<DB>(&mut transaction, DB::SQL.refresh, values).await?
            }
            None => 0,
        };
        let row = fetch_one::<DB, _>(&mut transaction, DB::SQL.session, values![&id], Columns::session).await?;
        if matched == 1 {
            commit(transaction).await?;
        }
        Ok(match row {
            Some(session) if matched == 1 => Advanced::Won(session),
            Some(session) if session.is_alive(now) && session.generation != from => Advanced::Lost(session),
            row => Advanced::Gone(row),
        })
    }

    /// Like [`Self::compare_and_swap`], from whatever generation the row has below the token's.
    async fn bring_level(&self, id: SessionId, catch_up: &CatchUp) -> Result<Advanced, Failure> {
        let CatchUp { presented, now, expires_at, adopted_secret, event } = catch_up;
        let mut transaction = self.begin().await?;
        let matched = match presented.next() {
            Some(next) => {
                let values = values![adopted_secret.as_ref(), next, *now, *expires_at, *now, &id, *presented, *now];
                execute::<DB>(&mut transaction, DB::SQL.catch_up, values).await?
            }
            None => 0,
        };
        let row = fetch_one::<DB, _>(&mut transaction, DB::SQL.session, values![&id], Columns::session).await?;
        if matched == 1 {
            execute::<DB>(&mut transaction, DB::SQL.add_event, of_event(event)).await?;
            commit(transaction).await?;
        }
        Ok(match row {
            Some(session) if matched == 1 => Advanced::Won(session),
            Some(session) if session.ended.is_none() && *now < session.absolute_expires_at => Advanced::Lost(session),
            row => Advanced::Gone(row),
        })
    }

    async fn put_recovery(&self, until: Timestamp, event: &Event) -> Result<(), Failure> {
        let mut transaction = self.begin().await?;
        execute::<DB>(&mut transaction, DB::SQL.put_recovery, values![until]).await?;
        execute::<DB>(&mut transaction, DB::SQL.add_event, of_event(event)).await?;
        commit(transaction).await
    }

    async fn secret_or(&self, candidate: &Secret) -> Result<Secret, Failure> {
        if let Some(kept) = self.query(DB::SQL.secret, values![], Columns::secret).await?.pop() {
            return Ok(kept);
        }
        let mut transaction = self.begin().await?;
        execute::<DB>(&mut transaction, DB::SQL.put_secret, values![candidate.expose()]).await?;
        let kept = fetch_one::<DB, _>(&mut transaction, DB::SQL.secret, values![], Columns::secret).await?;
        commit(transaction).await?;
        kept.ok_or_else(|| {
            Failure::Store(StoreError::Inconsistent("the secret that was written is not there".to_owned()))
        })
    }
}
