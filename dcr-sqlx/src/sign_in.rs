//! The transaction of a sign-in: user, connection, alias, session, evictions and events, whole or not at all.

use dcr_core::record::Event;
use dcr_core::session::{ConnectionId, SessionId};
use dcr_core::store::{PutUpstreamToken, SignIn, SignedIn, StoreError, Target};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::end;
use crate::failure::Failure;
use crate::held::Held;
use crate::rows::{Columns, END_OF_TIME, Number, of_event, of_session, of_user, values};
use crate::terms::{self, Terms};

pub(crate) async fn sign_in<DB: Dialect>(store: &SqlStore<DB>, sign_in: &SignIn) -> Result<SignedIn, Failure> {
    // An answer before the commit rolls everything back.
    let mut transaction = store.begin_for(store.sign_in_lock).await?;
    let connection = put_connection(&mut transaction, sign_in).await?;
    let SignIn { user, session, .. } = sign_in;
    let targets = [
        Target::User(user.id.clone()),
        Target::Connection(connection),
        Target::ClientId(session.client_id.clone()),
        Target::Platform(session.platform.clone()),
    ];
    if let Some(kind) = end::blocked(&mut transaction, &targets).await? {
        return Ok(SignedIn::Blocked(kind));
    }
    // Before the new session is there, so that it is never among them.
    let evicted = idle_longest(&mut transaction, sign_in, connection).await?;
    let Terms { client, terms } = terms::of(&mut transaction, session).await?;
    match transaction.execute(DB::SQL.add_session, of_session(session, connection, terms)).await {
        Err(Failure::Taken(_)) => return Ok(SignedIn::Used),
        inserted => inserted?,
    };
    use_alias(&mut transaction, sign_in, connection, client).await?;

    let event = Event { connection: Some(connection), ..sign_in.event.clone() };
    transaction.execute(DB::SQL.add_event, of_event(&event)).await?;
    // In the order of their ids, as revocations end them, so that the two do not wait for each other.
    let mut leaving: Vec<_> = evicted.iter().zip(&sign_in.evictions).collect();
    leaving.sort_unstable_by_key(|(id, _)| **id);
    for (id, eviction) in leaving {
        if transaction.execute(DB::SQL.end_session, values![sign_in.now, "evicted", id, END_OF_TIME]).await? != 1 {
            return Err(end::changed());
        }
        let event = Event { connection: Some(connection), session: Some(*id), ..eviction.clone() };
        transaction.execute(DB::SQL.add_event, of_event(&event)).await?;
    }
    // After the sessions, as revocations do it, so that the two do not wait for each other.
    if let Some(PutUpstreamToken { key, sealed, version, refreshed_at }) = &sign_in.upstream_token {
        let row = values![&user.id, key, sealed.as_slice(), version, *refreshed_at];
        transaction.execute(DB::SQL.put_upstream_token, row).await?;
    }
    transaction.commit().await?;
    Ok(SignedIn::Done { connection, first: connection == sign_in.new_connection, evicted })
}

/// The user and the one connection under `(user, software)`: `UNIQUE` makes concurrent sign-ins agree on it (I-16).
async fn put_connection<DB: Dialect>(db: &mut Held<DB>, sign_in: &SignIn) -> Result<ConnectionId, Failure> {
    let SignIn { user, software, new_connection, session, now, .. } = sign_in;
    db.execute(DB::SQL.put_user, of_user(user)).await?;
    let row = values![new_connection, &user.id, software, &session.platform, *now, *now];
    if let Some(written) = db.fetch_one(DB::SQL.put_connection, row, Columns::connection_id).await? {
        return Ok(written);
    }
    let under = values![&user.id, software];
    db.fetch_one(DB::SQL.find_connection, under, Columns::connection_id).await?.ok_or_else(|| {
        Failure::Store(StoreError::Inconsistent("the connection that was written is not there".to_owned()))
    })
}

/// The live sessions that one more puts above the cap, as many as there are events for.
async fn idle_longest<DB: Dialect>(
    db: &mut Held<DB>,
    sign_in: &SignIn,
    connection: ConnectionId,
) -> Result<Vec<SessionId>, Failure> {
    let under = values![&connection, sign_in.now];
    let mut live = db.fetch(DB::SQL.idle_sessions, under, Columns::session_id).await?;
    let excess = (live.len() + 1).saturating_sub(sign_in.max_sessions.max(1));
    live.truncate(excess.min(sign_in.evictions.len()));
    Ok(live)
}

/// Records the presented id, and forgets the aliases above the cap.
async fn use_alias<DB: Dialect>(
    db: &mut Held<DB>,
    sign_in: &SignIn,
    connection: ConnectionId,
    alias: Number,
) -> Result<(), Failure> {
    db.execute(DB::SQL.put_alias, values![&connection, alias, sign_in.now, sign_in.now]).await?;
    let count = db.fetch_one(DB::SQL.count_aliases, values![&connection], Columns::count).await?;
    let cap = u64::try_from(sign_in.max_aliases.max(1)).unwrap_or(u64::MAX);
    let excess = count.unwrap_or_default().saturating_sub(cap);
    if excess > 0 {
        let excess = u32::try_from(excess).unwrap_or(u32::MAX);
        let under = values![&connection, alias, excess];
        for unused in db.fetch(DB::SQL.unused_aliases, under, Columns::number).await? {
            db.execute(DB::SQL.drop_alias, values![&connection, unused]).await?;
        }
    }
    Ok(())
}
