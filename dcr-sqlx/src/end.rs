//! The transactions that end sessions: revocations and blocks.

use dcr_core::record::Event;
use dcr_core::session::SessionId;
use dcr_core::store::{BlockKind, Ending, StoreError, Target};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{Columns, END_OF_TIME, Value, of_event, values};
use crate::store::{commit, execute, fetch, fetch_one};

pub(crate) async fn revoke<DB: Dialect>(store: &SqlStore<DB>, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    let mut transaction = store.begin().await?;
    let ended = end_all::<DB>(&mut transaction, ending).await?;
    if !ended.is_empty() {
        execute::<DB>(&mut transaction, DB::SQL.add_event, of_event(&ending.event)).await?;
        commit(transaction).await?;
    }
    Ok(ended)
}

pub(crate) async fn block<DB: Dialect>(store: &SqlStore<DB>, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    let mut transaction = store.begin().await?;
    // The block first: a sign-in that waits for this transaction then finds it.
    let new = match ending.target.block_key() {
        Some(key) => execute::<DB>(&mut transaction, DB::SQL.block, of_block(&key)).await? > 0,
        None => false,
    };
    let ended = end_all::<DB>(&mut transaction, ending).await?;
    if new || !ended.is_empty() {
        execute::<DB>(&mut transaction, DB::SQL.add_event, of_event(&ending.event)).await?;
        commit(transaction).await?;
    }
    Ok(ended)
}

pub(crate) async fn unblock<DB: Dialect>(
    store: &SqlStore<DB>,
    target: &Target,
    event: &Event,
) -> Result<bool, Failure> {
    let Some(key) = target.block_key() else { return Ok(false) };
    let mut transaction = store.begin().await?;
    if execute::<DB>(&mut transaction, DB::SQL.unblock, of_block(&key)).await? == 0 {
        return Ok(false);
    }
    execute::<DB>(&mut transaction, DB::SQL.add_event, of_event(event)).await?;
    commit(transaction).await?;
    Ok(true)
}

/// The kind of the first that is blocked.
pub(crate) async fn blocked<DB: Dialect>(
    db: &mut DB::Connection,
    targets: &[Target],
) -> Result<Option<BlockKind>, Failure> {
    for key in targets.iter().filter_map(Target::block_key) {
        if fetch_one::<DB, _>(db, DB::SQL.is_blocked, of_block(&key), Columns::integer).await?.is_some() {
            return Ok(Some(key.0));
        }
    }
    Ok(None)
}

fn of_block((kind, target): &(BlockKind, Vec<u8>)) -> Vec<Value> {
    values![kind.as_str(), target.as_slice()]
}

/// Ends the sessions of the target that have not ended. If one came or went between the two statements, which some
/// isolation levels allow, that is a conflict.
async fn end_all<DB: Dialect>(db: &mut DB::Connection, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    let sql = &DB::SQL;
    let (find, end, key) = match &ending.target {
        Target::Session(id) => (sql.not_ended_session, sql.end_session, Value::from(id)),
        Target::Connection(id) => (sql.not_ended_of_connection, sql.end_connection, Value::from(id)),
        Target::User(id) => (sql.not_ended_of_user, sql.end_user, Value::from(id)),
        Target::ClientId(id) => (sql.not_ended_of_client, sql.end_client, Value::from(id)),
        Target::Platform(name) => (sql.not_ended_of_platform, sql.end_platform, Value::from(name)),
        other => return Err(Failure::Store(StoreError::Inconsistent(format!("cannot revoke {other:?}")))),
    };
    let until = ending.opened_until.unwrap_or(END_OF_TIME);
    let found = fetch::<DB, _>(db, find, vec![key.clone(), until.into()], Columns::session_id).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let values = vec![ending.now.into(), ending.reason.as_str().into(), key, until.into()];
    let ended = execute::<DB>(db, end, values).await?;
    if usize::try_from(ended) == Ok(found.len()) {
        Ok(found)
    } else {
        Err(Failure::Conflict(sqlx::Error::Protocol("sessions came or went while they were ended".to_owned())))
    }
}
