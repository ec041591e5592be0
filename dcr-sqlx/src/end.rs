//! The transactions that end sessions: revocations and blocks.

use std::{iter, slice};

use dcr_core::Timestamp;
use dcr_core::record::Event;
use dcr_core::session::SessionId;
use dcr_core::store::{BlockKind, Ending, StoreError, Target};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::held::Held;
use crate::rows::{Columns, END_OF_TIME, Value, Word, of_event, values};

pub(crate) async fn revoke<DB: Dialect>(store: &SqlStore<DB>, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    // Of anything wider than a session others may come while it is ended: they wait, or the two statements of `end_all`
    // would see different ones for as long as people sign in.
    let lock = match ending.target {
        Target::Session(_) => "",
        _ => DB::SQL.change_blocks,
    };
    let mut transaction = store.begin_for(lock).await?;
    let ended = end_all(&mut transaction, ending).await?;
    if !ended.is_empty() {
        transaction.execute(DB::SQL.add_event, of_event(&ending.event)).await?;
        transaction.commit().await?;
    }
    Ok(ended)
}

pub(crate) async fn block<DB: Dialect>(store: &SqlStore<DB>, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    let mut transaction = store.begin_for(DB::SQL.change_blocks).await?;
    let new = match ending.target.block_key() {
        Some(key) if blocked(&mut transaction, slice::from_ref(&ending.target)).await?.is_none() => {
            transaction.execute(DB::SQL.block, of_block(&key)).await? > 0
        }
        _ => false,
    };
    let ended = end_all(&mut transaction, ending).await?;
    if new || !ended.is_empty() {
        transaction.execute(DB::SQL.add_event, of_event(&ending.event)).await?;
        transaction.commit().await?;
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
    if transaction.execute(DB::SQL.unblock, of_block(&key)).await? == 0 {
        return Ok(false);
    }
    transaction.execute(DB::SQL.add_event, of_event(event)).await?;
    transaction.commit().await?;
    Ok(true)
}

/// So many targets are asked for in one statement.
const AT_ONCE: usize = 4;

/// The kind of the first that is blocked.
pub(crate) async fn blocked<DB: Dialect>(db: &mut Held<DB>, targets: &[Target]) -> Result<Option<BlockKind>, Failure> {
    let keys: Vec<_> = targets.iter().filter_map(|target| Some((target, target.block_key()?))).collect();
    for keys in keys.chunks(AT_ONCE) {
        // The first one again where there are fewer.
        let asked = keys.iter().chain(iter::repeat(&keys[0])).take(AT_ONCE);
        let values = asked.flat_map(|(_, key)| of_block(key)).collect();
        let found = db.fetch(DB::SQL.blocks_among, values, Columns::block).await?;
        if let Some((_, (kind, _))) = keys.iter().find(|(target, _)| found.contains(target)) {
            return Ok(Some(*kind));
        }
    }
    Ok(None)
}

fn of_block((kind, target): &(BlockKind, Vec<u8>)) -> Vec<Value> {
    values![Word(kind.as_str()), target.as_slice()]
}

/// Ends the sessions of the target that have not ended. If one came or went between the two statements, which some
/// isolation levels allow, that is a conflict.
async fn end_all<DB: Dialect>(db: &mut Held<DB>, ending: &Ending) -> Result<Vec<SessionId>, Failure> {
    let (find, end, key) = statements::<DB>(&ending.target)?;
    let until = ending.opened_until.unwrap_or(END_OF_TIME);
    let found = db.fetch(find, vec![key.clone(), until.into()], Columns::session_id).await?;
    if found.is_empty() {
        return Ok(found);
    }
    let values = vec![ending.now.into(), ending.reason.as_str().into(), key, until.into()];
    let ended = db.execute(end, values).await?;
    if usize::try_from(ended) != Ok(found.len()) {
        return Err(changed());
    }
    drop_upstream_tokens(db, ending.now).await?;
    Ok(found)
}

/// Whoever has no session left keeps nothing of the provider's. In two steps: a sign-in of the same user may be on its way,
/// and the token that it brings must not go because its session was not seen yet.
async fn drop_upstream_tokens<DB: Dialect>(db: &mut Held<DB>, ended_at: Timestamp) -> Result<(), Failure> {
    let held = db.fetch(DB::SQL.hold_ended_upstream_tokens, values![ended_at], Columns::user_id).await?;
    if !held.is_empty() {
        db.execute(DB::SQL.drop_ended_upstream_tokens, values![ended_at, ended_at]).await?;
    }
    Ok(())
}

/// What [`revoke`] would end now.
#[cfg(feature = "cli")]
pub(crate) async fn would_end<DB: Dialect>(store: &SqlStore<DB>, target: &Target) -> Result<Vec<SessionId>, Failure> {
    let (find, _, key) = statements::<DB>(target)?;
    store.begin().await?.fetch(find, vec![key, END_OF_TIME.into()], Columns::session_id).await
}

/// How the sessions of a target are found, and ended, and the value that names it.
fn statements<DB: Dialect>(target: &Target) -> Result<(&'static str, &'static str, Value), Failure> {
    let sql = &DB::SQL;
    Ok(match target {
        Target::Session(id) => (sql.not_ended_session, sql.end_session, Value::from(id)),
        Target::Connection(id) => (sql.not_ended_of_connection, sql.end_connection, Value::from(id)),
        Target::User(id) => (sql.not_ended_of_user, sql.end_user, Value::from(id)),
        Target::ClientId(id) => (sql.not_ended_of_client, sql.end_client, Value::from(id)),
        Target::Platform(name) => (sql.not_ended_of_platform, sql.end_platform, Value::from(name)),
        other => return Err(Failure::Store(StoreError::Inconsistent(format!("cannot revoke {other:?}")))),
    })
}

/// The sessions that were found are not those that would be ended.
pub(crate) fn changed() -> Failure {
    Failure::Conflict(sqlx::Error::Protocol("sessions came or went while they were ended".to_owned()))
}
