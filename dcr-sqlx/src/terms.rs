//! What sessions have in common: client ids and terms, each written once, by whoever is the first to have them.
//!
//! They go with the last session or connection that has them, at the next sweep, or in the same transaction where a person is
//! erased. Whoever reads one to refer to it holds `dcr_lock` in common, as a sign-in does, and whoever deletes one has it to
//! itself: so none goes that somebody is about to refer to.

use dcr_core::ClientId;
use dcr_core::session::Session;
use dcr_core::store::StoreError;

use crate::SqlStore;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::held::Held;
use crate::json;
use crate::rows::{Columns, Number, Value, Word, values};

/// The numbers of a session's client id and terms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) client: Number,
    pub(crate) terms: Number,
}

/// Those of this session, written if it is the first to have them.
pub(crate) async fn of<DB: Dialect>(db: &mut Held<DB>, session: &Session) -> Result<Terms, Failure> {
    if let Some(found) = db.fetch_one(DB::SQL.terms, row(session), Columns::terms).await? {
        return Ok(found);
    }
    db.execute(DB::SQL.add_client_id, values![&session.client_id]).await?;
    db.execute(DB::SQL.add_terms, row(session)).await?;
    db.fetch_one(DB::SQL.terms, row(session), Columns::terms).await?.ok_or_else(missing)
}

/// The same of several that are the first to have theirs.
pub(crate) async fn of_new<DB: Dialect>(db: &mut Held<DB>, sessions: &[&Session]) -> Result<Vec<Terms>, Failure> {
    let all = json::array(sessions.iter().map(|session| row(session)));
    db.execute(DB::SQL.add_many_terms, values![Word(&all), Word(&all)]).await?;
    let read = |row: &mut Columns<DB>| Ok((row.count()?, row.terms()?));
    let mut found = db.fetch(DB::SQL.many_terms, values![Word(&all)], read).await?;
    found.sort_unstable_by_key(|(n, _)| *n);
    if found.len() != sessions.len() {
        return Err(missing());
    }
    Ok(found.into_iter().map(|(_, terms)| terms).collect())
}

fn row(session: &Session) -> Vec<Value> {
    let Session { client_id, provenance, platform, auth_method, resource, scope, .. } = session;
    let (provenance, auth_method) = (Word(provenance.as_str()), Word(auth_method.as_str()));
    values![client_id, provenance, platform, auth_method, resource.as_bytes(), scope]
}

/// The number of a client id, written if it is new here.
pub(crate) async fn client<DB: Dialect>(db: &mut Held<DB>, id: &ClientId) -> Result<Number, Failure> {
    if let Some(found) = db.fetch_one(DB::SQL.client_number, values![id], Columns::number).await? {
        return Ok(found);
    }
    db.execute(DB::SQL.add_client_id, values![id]).await?;
    db.fetch_one(DB::SQL.client_number, values![id], Columns::number).await?.ok_or_else(missing)
}

fn missing() -> Failure {
    Failure::Store(StoreError::Inconsistent("what sessions have in common was written and is not there".to_owned()))
}

/// So many are looked for at once.
const AT_ONCE: u32 = 100;

/// Deletes those that nothing has any more. They are looked for before anybody has to wait, and few at once go.
pub(crate) async fn sweep<DB: Dialect>(store: &SqlStore<DB>) -> Result<(), Failure> {
    for (unused, drop) in steps::<DB>() {
        loop {
            let found = store.query(unused, values![AT_ONCE], Columns::number).await?;
            if found.is_empty() {
                break;
            }
            let mut transaction = store.begin_for(DB::SQL.change_blocks).await?;
            drop_each(&mut transaction, drop, found).await?;
            transaction.commit().await?;
        }
    }
    Ok(())
}

/// Deletes all of those that nothing has any more, in a transaction that has `dcr_lock` to itself.
pub(crate) async fn drop_unused<DB: Dialect>(db: &mut Held<DB>) -> Result<(), Failure> {
    for (unused, drop) in steps::<DB>() {
        loop {
            let found = db.fetch(unused, values![AT_ONCE], Columns::number).await?;
            if found.is_empty() {
                break;
            }
            drop_each(db, drop, found).await?;
        }
    }
    Ok(())
}

/// Terms first: they have client ids.
fn steps<DB: Dialect>() -> [(&'static str, &'static str); 2] {
    let sql = &DB::SQL;
    [(sql.unused_terms, sql.drop_terms), (sql.unused_clients, sql.drop_client_number)]
}

/// Unless something has come to have it.
async fn drop_each<DB: Dialect>(db: &mut Held<DB>, drop: &'static str, all: Vec<Number>) -> Result<(), Failure> {
    for one in all {
        db.execute(drop, values![one]).await?;
    }
    Ok(())
}

impl<DB: Dialect> Columns<DB> {
    fn terms(&mut self) -> Result<Terms, Failure> {
        Ok(Terms { client: self.number()?, terms: self.number()? })
    }

    pub(crate) fn terms_or_null(&mut self) -> Result<Option<Terms>, Failure> {
        Ok(self.number_or_null()?.zip(self.number_or_null()?).map(|(client, terms)| Terms { client, terms }))
    }
}
