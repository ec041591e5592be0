//! The record: which events are read and how, funnel counts, and what is old enough to go.

use std::time::Duration;

use dcr_core::Timestamp;
use dcr_core::record::{Actor, FunnelCount, RequestRecord};
use dcr_core::session::{EventId, RequestId};
use dcr_core::store::{EventQuery, FunnelQuery, RequestQuery, RequestsOf};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{END_OF_TIME, Value, Word, values};

const BEGINNING_OF_TIME: Timestamp = Timestamp::from_unix_micros(i64::MIN);

/// The statement that reads the index that helps most, and its values.
pub(crate) fn events<DB: Dialect>(query: &EventQuery) -> (&'static str, Vec<Value>) {
    let EventQuery {
        user,
        session,
        connection,
        client_id,
        platform,
        kind,
        reason,
        actor,
        reference,
        since,
        until,
        before,
        limit,
    } = query;
    let (before, before_id) = before.unwrap_or((END_OF_TIME, EventId::from_bytes([0xff; 16])));
    // The last instant before it.
    let latest = until.map_or(before, |until| before.min(until - Duration::from_micros(1)));
    let mut values = values![
        user.as_ref(),
        session.as_ref(),
        connection.as_ref(),
        client_id.as_ref(),
        platform.as_ref(),
        kind.map(|kind| Word(kind.as_str())),
        reason.as_ref(),
        reference.as_ref(),
        actor.as_ref(),
        since.unwrap_or(BEGINNING_OF_TIME),
        latest,
        before,
        &before_id,
    ];
    let sql = &DB::SQL;
    let indexed = [
        (sql.events_of_reference, reference.as_ref().map(Value::from)),
        (sql.events_of_session, session.as_ref().map(Value::from)),
        (sql.events_of_connection, connection.as_ref().map(Value::from)),
        (sql.events_of_user, user.as_ref().map(Value::from)),
        (sql.events_of_client, client_id.as_ref().map(Value::from)),
        // Their indexes have neither the events that people bring about themselves nor those that need no reason: of these
        // there are so many that going back in time finds them soon.
        (sql.events_of_actor, actor.as_ref().filter(|actor| is_indexed(actor)).map(Value::from)),
        (sql.events_of_reason, reason.as_ref().filter(|reason| !reason.is_empty()).map(Value::from)),
    ];
    let chosen = indexed.into_iter().find_map(|(sql, key)| Some((sql, key?)));
    let (sql, key) = chosen.map_or((sql.events, None), |(sql, key)| (sql, Some(key)));
    values.extend(key);
    values.push(Value::from((*limit).clamp(1, 1_000)));
    (sql, values)
}

fn is_indexed(actor: &Actor) -> bool {
    !matches!(actor, Actor::Unknown | Actor::Person)
}

/// The values of `funnel`.
pub(crate) fn of_funnel_query(query: &FunnelQuery) -> Vec<Value> {
    let FunnelQuery { since, until, after, limit } = query;
    let (since, until) = (since.unwrap_or(BEGINNING_OF_TIME), until.unwrap_or(END_OF_TIME));
    let limit = (*limit).clamp(1, 1_000);
    match after {
        Some((hour, platform, step, outcome)) => {
            values![since, until, *hour, platform, Word(step.as_str()), Word(outcome), limit]
        }
        None => values![since, until, BEGINNING_OF_TIME, &b""[..], Word(""), Word(""), limit],
    }
}

pub(crate) async fn add_counts<DB: Dialect>(store: &SqlStore<DB>, counts: &[FunnelCount]) -> Result<(), Failure> {
    let mut transaction = store.begin().await?;
    for FunnelCount { hour, platform, step, outcome, count } in counts {
        let number = Value::Integer(Some(i64::try_from(*count).unwrap_or(i64::MAX)));
        let mut row = values![*hour, platform, Word(step.as_str()), Word(outcome)];
        row.push(number);
        transaction.execute(DB::SQL.add_count, row).await?;
    }
    transaction.commit().await
}

pub(crate) async fn add_requests<DB: Dialect>(store: &SqlStore<DB>, requests: &[RequestRecord]) -> Result<(), Failure> {
    let mut transaction = store.begin().await?;
    for RequestRecord { id, user, session, at, method, tool, status, address } in requests {
        let row = values![id, user, session, *at, Word(method), tool.as_ref(), *status, *address];
        transaction.execute(DB::SQL.add_request, row).await?;
    }
    transaction.commit().await
}

/// The statement of `requests`, and its values.
pub(crate) fn of_request_query<DB: Dialect>(query: &RequestQuery) -> (&'static str, Vec<Value>) {
    let RequestQuery { of, before, limit } = query;
    let before = before.unwrap_or(RequestId::from_bytes([0xff; 16]));
    let limit = (*limit).clamp(1, 1_000);
    match of {
        RequestsOf::Session(session) => (DB::SQL.requests_of_session, values![session, &before, limit]),
        RequestsOf::User(user) => (DB::SQL.requests_of_user, values![user, &before, limit]),
    }
}

pub(crate) async fn sweep<DB: Dialect>(store: &SqlStore<DB>, before: Timestamp, limit: u32) -> Result<u32, Failure> {
    let mut transaction = store.begin().await?;
    let swept = transaction.execute(DB::SQL.sweep_events, values![before, limit]).await?;
    transaction.execute(DB::SQL.sweep_funnel, values![before, limit]).await?;
    transaction.commit().await?;
    Ok(u32::try_from(swept).unwrap_or(limit))
}
