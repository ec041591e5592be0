//! The transaction of an erasure.

use dcr_core::record::Actor;
use dcr_core::store::{Erased, Erasure};

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::rows::{Columns, of_event, values};
use crate::terms;

pub(crate) async fn erase<DB: Dialect>(store: &SqlStore<DB>, erasure: &Erasure) -> Result<Erased, Failure> {
    let Erasure { user, marker, now, event } = erasure;
    // Sign-ins wait, so that none leaves a session or a connection of the user between the statements.
    let mut db = store.begin_for(DB::SQL.change_blocks).await?;
    let sessions = db.fetch(DB::SQL.sessions_to_erase, values![user], Columns::session_id).await?;
    let mut events = 0;
    for sql in [DB::SQL.erase_events_of_user, DB::SQL.erase_events_of_sessions, DB::SQL.erase_events_of_connections] {
        // What one of them erased names neither session nor connection any more: none is counted twice.
        events += db.execute(sql, values![marker, user]).await?;
    }
    let (them, whoever) = (Actor::Admin(user.clone()), Actor::Admin(marker.clone()));
    db.execute(DB::SQL.erase_actor, values![&whoever, &them]).await?;
    db.execute(DB::SQL.keep_ends, values![*now, user]).await?;
    db.execute(DB::SQL.erase_sessions, values![user]).await?;
    let aliases = db.execute(DB::SQL.erase_aliases, values![user]).await?;
    let connections = db.execute(DB::SQL.erase_connections, values![user]).await?;
    terms::drop_unused(&mut db).await?;
    db.execute(DB::SQL.erase_upstream_tokens, values![user]).await?;
    db.execute(DB::SQL.erase_requests, values![user]).await?;
    let rows = db.execute(DB::SQL.erase_user, values![user]).await?;
    let erased = Erased { user: rows > 0, sessions, connections, aliases, events };
    if erased.changed() {
        db.execute(DB::SQL.add_event, of_event(event)).await?;
        db.commit().await?;
    }
    Ok(erased)
}
