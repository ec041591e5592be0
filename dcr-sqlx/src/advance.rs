//! The counter of a session moves: one statement decides, and of two at once one wins (I-5).
//!
//! Where a statement answers with the rows that it changed, those who come at the same time share one, and its commit.

use std::collections::HashMap;

use dcr_core::session::{Generation, Session, SessionId};
use dcr_core::store::{Advance, Advanced, CatchUp, StoreError};

use crate::SqlStore;
use crate::batch::Job;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::json;
use crate::retry::Attempts;
use crate::rows::{Columns, Value, Word, of_event, values};

/// A counter to be moved in the next batch.
#[derive(Clone, Copy)]
pub(crate) struct Move {
    id: SessionId,
    advance: Advance,
    next: Generation,
}

impl Job for Move {
    type Key = SessionId;
    /// The session as it is then, if it moved.
    type Answer = Option<Session>;

    fn key(&self) -> SessionId {
        self.id
    }
}

/// [`Store::advance`](dcr_core::store::Store::advance).
pub(crate) async fn advance<DB: Dialect>(
    store: &SqlStore<DB>,
    id: SessionId,
    advance: Advance,
) -> Result<Advanced, Failure> {
    let moved = match advance.from.next() {
        None => None,
        Some(next) if !DB::SQL.advance_many.is_empty() => {
            let whole = store.share();
            let write = move |moves| many(whole.share(), moves);
            match store.advances.submit(Move { id, advance, next }, write).await? {
                // Somebody else had the row, and it was passed over.
                None if !DB::SQL.refresh.is_empty() => returning(store, id, advance, next).await?,
                moved => moved,
            }
        }
        Some(next) => return read_and_move(store, id, advance, next).await,
    };
    match moved {
        Some(session) => Ok(Advanced::Won(session)),
        None => Ok(not_advanced(store.query(DB::SQL.session, values![&id], Columns::session).await?.pop(), advance)),
    }
}

/// Each of these, in one statement.
async fn many<DB: Dialect>(store: SqlStore<DB>, moves: Vec<Move>) -> Vec<Result<Option<Session>, Failure>> {
    // Nobody waits longer for this than for a transaction of its own, and it does not keep the next ones waiting.
    let attempts = Attempts::new();
    match attempts.within::<DB, _>(at_once(&store, &moves)).await {
        Ok(answers) => answers,
        // It may be the fault of one of them: the others go on without it.
        Err(failure) if moves.len() > 1 && is_of_one::<DB>(&failure) => {
            let mut answers = Vec::with_capacity(moves.len());
            for one in &moves {
                let alone = attempts.within::<DB, _>(at_once(&store, std::slice::from_ref(one))).await;
                answers.push(alone.and_then(|mut answers| answers.pop().unwrap_or(Ok(None))));
            }
            answers
        }
        Err(failure) => moves.iter().map(|_| Err(failure.again())).collect(),
    }
}

/// Whether those who were in the way of nothing may fare better alone: one row was in somebody's way, or is damaged. Where there
/// is one writer, a conflict is about the whole file, and each of them would wait for it anew.
const fn is_of_one<DB: Dialect>(failure: &Failure) -> bool {
    match failure {
        Failure::Conflict(_) => DB::DEADLINE.is_some(),
        Failure::Store(StoreError::Inconsistent(_)) => true,
        _ => false,
    }
}

async fn at_once<DB: Dialect>(
    store: &SqlStore<DB>,
    moves: &[Move],
) -> Result<Vec<Result<Option<Session>, Failure>>, Failure> {
    let mut connection = store.alone(&store.writer).await?;
    // A row that is damaged is of nobody else's concern.
    let read = |row: &mut Columns<DB>| Ok((row.peek_session_id()?, row.session()));
    let moved = connection.fetch(DB::SQL.advance_many, values![Word(&as_json(moves))], read).await;
    let moved = moved.map_err(Failure::of_commit)?;
    connection.commit().await?;
    let mut moved: HashMap<SessionId, Result<Session, Failure>> = moved.into_iter().collect();
    Ok(moves.iter().map(|one| moved.remove(&one.id).transpose()).collect())
}

/// The parameter of `advance_many`.
fn as_json(moves: &[Move]) -> String {
    json::array(moves.iter().map(|Move { id, advance, next }| {
        let Advance { from, now, expires_at, adopted_secret } = advance;
        values![id, *from, *next, *now, *expires_at, adopted_secret.as_ref()]
    }))
}

/// One statement, which answers with the row.
async fn returning<DB: Dialect>(
    store: &SqlStore<DB>,
    id: SessionId,
    advance: Advance,
    next: Generation,
) -> Result<Option<Session>, Failure> {
    let mut connection = store.alone(&store.writer).await?;
    let (sql, values) = statement::<DB>(id, advance, next);
    let session = connection.fetch_one(sql, values, Columns::session).await.map_err(Failure::of_commit)?;
    connection.commit().await?;
    Ok(session)
}

/// Reads the row, and moves the counter if it still stands where it was read. While it stands there and the session has
/// not ended, nothing in the row changes, so the row after it is known.
async fn read_and_move<DB: Dialect>(
    store: &SqlStore<DB>,
    id: SessionId,
    advance: Advance,
    next: Generation,
) -> Result<Advanced, Failure> {
    let Advance { from, now, expires_at, adopted_secret } = advance;
    let mut connection = store.alone(&store.writer).await?;
    let row = connection.fetch_one(DB::SQL.session, values![&id], Columns::session).await?;
    let mut session = match row {
        Some(session) if session.generation == from && session.is_alive(now) => session,
        row => return Ok(not_advanced(row, advance)),
    };
    let (sql, values) = statement::<DB>(id, advance, next);
    if connection.execute(sql, values).await.map_err(Failure::of_commit)? == 0 {
        let row = connection.fetch_one(DB::SQL.session, values![&id], Columns::session).await?;
        return Ok(not_advanced(row, advance));
    }
    connection.commit().await?;
    if from == Generation::CODE {
        (session.redeemed_at, session.adopted_secret) = (Some(now), adopted_secret);
    }
    (session.generation, session.advanced_at) = (next, now);
    session.expires_at = expires_at.min(session.absolute_expires_at);
    Ok(Advanced::Won(session))
}

fn statement<DB: Dialect>(id: SessionId, advance: Advance, next: Generation) -> (&'static str, Vec<Value>) {
    let Advance { from, now, expires_at, adopted_secret } = advance;
    if from == Generation::CODE {
        (DB::SQL.redeem, values![next, now, expires_at, now, adopted_secret.as_ref(), &id, now])
    } else {
        (DB::SQL.refresh, values![next, now, expires_at, &id, from, now])
    }
}

/// [`Store::catch_up`](dcr_core::store::Store::catch_up): like [`advance`], from whatever generation the row has below the
/// token's.
pub(crate) async fn catch_up<DB: Dialect>(
    store: &SqlStore<DB>,
    id: SessionId,
    catch_up: &CatchUp,
) -> Result<Advanced, Failure> {
    let CatchUp { presented, now, expires_at, adopted_secret, event } = catch_up;
    let mut transaction = store.begin().await?;
    let matched = match presented.next() {
        Some(next) => {
            let values = values![adopted_secret.as_ref(), next, *now, *expires_at, *now, &id, *presented, *now];
            transaction.execute(DB::SQL.catch_up, values).await?
        }
        None => 0,
    };
    let row = transaction.fetch_one(DB::SQL.session, values![&id], Columns::session).await?;
    if matched == 1 {
        transaction.execute(DB::SQL.add_event, of_event(event)).await?;
        transaction.commit().await?;
    }
    Ok(match row {
        Some(session) if matched == 1 => Advanced::Won(session),
        Some(session) if session.ended.is_none() && *now < session.absolute_expires_at => Advanced::Lost(session),
        row => Advanced::Gone(row),
    })
}

/// What an [`Advance`] that moved nothing found.
fn not_advanced(row: Option<Session>, advance: Advance) -> Advanced {
    match row {
        Some(session) if session.is_alive(advance.now) && session.generation != advance.from => Advanced::Lost(session),
        row => Advanced::Gone(row),
    }
}
