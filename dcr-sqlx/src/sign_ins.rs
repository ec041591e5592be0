//! The sign-ins of several people in one transaction, for a database with one writer: each statement for all of them.
//!
//! Only what is plain goes that way: nobody is blocked, no session has to leave, no alias is one too many. Whatever else
//! there is has a transaction of its own ([`sign_in`]), where each case is written once, for every database.

use dcr_core::record::Event;
use dcr_core::session::{ConnectionId, UserId};
use dcr_core::store::{PutUpstreamToken, SignIn, SignedIn, StoreError};

use crate::SqlStore;
use crate::batch::Job;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::held::Held;
use crate::json;
use crate::rows::{Columns, Value, Word, of_event, of_session, of_user, values};
use crate::sign_in::sign_in;
use crate::terms::{self, Terms};

impl Job for SignIn {
    /// Two sign-ins of one person count each other's sessions.
    type Key = UserId;
    type Answer = SignedIn;

    fn key(&self) -> UserId {
        self.user.id.clone()
    }
}

/// [`Store::sign_in`](dcr_core::store::Store::sign_in), along with whoever signs in at the same time.
pub(crate) async fn with_others<DB: Dialect>(store: &SqlStore<DB>, one: &SignIn) -> Result<SignedIn, Failure> {
    let whole = store.share();
    store.sign_ins.submit(one.clone(), move |many| all(whole.share(), many)).await
}

async fn all<DB: Dialect>(store: SqlStore<DB>, many: Vec<SignIn>) -> Vec<Result<SignedIn, Failure>> {
    let mut answers = match plain(&store, &many).await {
        Ok(answers) => answers,
        // It may be the fault of one of them: the others go on without it.
        Err(Failure::Taken(_) | Failure::Store(StoreError::Inconsistent(_))) => vec![None; many.len()],
        Err(failure) => return many.iter().map(|_| Err(failure.again())).collect(),
    };
    let mut all = Vec::with_capacity(many.len());
    for (one, answer) in many.iter().zip(answers.drain(..)) {
        all.push(match answer {
            Some(signed_in) => Ok(signed_in),
            None => sign_in(&store, one).await,
        });
    }
    all
}

/// One that is plain, and what its rows refer to.
struct Plain<'a> {
    n: usize,
    one: &'a SignIn,
    connection: ConnectionId,
    first: bool,
    terms: Terms,
}

/// The answers of those that are plain; they are written when this answers.
async fn plain<DB: Dialect>(store: &SqlStore<DB>, many: &[SignIn]) -> Result<Vec<Option<SignedIn>>, Failure> {
    let mut transaction = store.begin_for(store.sign_in_lock).await?;
    let plain = look_up(&mut transaction, many).await?;
    let mut answers = vec![None; many.len()];
    if plain.is_empty() {
        return Ok(answers);
    }
    write(&mut transaction, &plain).await?;
    transaction.commit().await?;
    for Plain { n, connection, first, .. } in plain {
        if let Some(answer) = answers.get_mut(n) {
            *answer = Some(SignedIn::Done { connection, first, evicted: Vec::new() });
        }
    }
    Ok(answers)
}

/// Those that are plain. Terms that are new are written.
async fn look_up<'a, DB: Dialect>(db: &mut Held<DB>, many: &'a [SignIn]) -> Result<Vec<Plain<'a>>, Failure> {
    let asked = many.iter().map(|one| {
        let most = |most: usize| u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let SignIn { user, software, session, now, .. } = one;
        let mut row = values![&user.id, software, &session.id, &session.client_id, &session.platform, *now];
        row.extend(values![most(one.max_sessions), most(one.max_aliases), &one.new_connection]);
        row.extend(values![Word(session.provenance.as_str()), Word(session.auth_method.as_str())]);
        row.extend(values![session.resource.as_bytes(), &session.scope]);
        row
    });
    let asked = json::array(asked);
    let read = |row: &mut Columns<DB>| {
        let n = usize::try_from(row.count()?).unwrap_or(usize::MAX);
        Ok((n, row.connection_id_or_null()?, row.terms_or_null()?))
    };
    let found = db.fetch(DB::SQL.plain_sign_ins, values![Word(&asked)], read).await?;
    let new = found.iter().filter(|(_, _, terms)| terms.is_none()).filter_map(|(n, _, _)| many.get(*n));
    let new: Vec<_> = new.map(|one| &one.session).collect();
    let new = if new.is_empty() { Vec::new() } else { terms::of_new(db, &new).await? };
    let mut new = new.into_iter();
    let plain = found.into_iter().filter_map(|(n, found, terms)| {
        let (one, terms) = (many.get(n)?, terms.or_else(|| new.next())?);
        Some(Plain { n, one, connection: found.unwrap_or(one.new_connection), first: found.is_none(), terms })
    });
    Ok(plain.collect())
}

/// Writes all that they write, in one round trip to the connection's thread.
async fn write<DB: Dialect>(db: &mut Held<DB>, plain: &[Plain<'_>]) -> Result<(), Failure> {
    let rows = |row: fn(&Plain<'_>) -> Vec<Value>| json::array(plain.iter().map(row));
    let users = rows(|plain| of_user(&plain.one.user));
    let connections = rows(|Plain { one, connection, .. }| {
        let SignIn { user, software, session, now, .. } = one;
        values![connection, &user.id, software, &session.platform, *now, *now]
    });
    let sessions = rows(|Plain { one, connection, terms, .. }| of_session(&one.session, *connection, terms.terms));
    let aliases = rows(|Plain { one, connection, terms, .. }| values![connection, terms.client, one.now, one.now]);
    let events =
        rows(|Plain { one, connection, .. }| of_event(&Event { connection: Some(*connection), ..one.event.clone() }));
    let tokens: Vec<_> = plain.iter().filter_map(|plain| of_upstream_token(plain.one)).collect();
    let expected = 5 * plain.len() + tokens.len();
    let values = values![
        Word(&users),
        Word(&connections),
        Word(&sessions),
        Word(&aliases),
        Word(&events),
        Word(&json::array(tokens))
    ];
    let written = db.execute(DB::SQL.put_sign_ins, values).await?;
    if usize::try_from(written) == Ok(expected) {
        return Ok(());
    }
    Err(Failure::Store(StoreError::Inconsistent(format!("{written} of {expected} rows were written"))))
}

fn of_upstream_token(one: &SignIn) -> Option<Vec<Value>> {
    let PutUpstreamToken { key, sealed, version, refreshed_at } = one.upstream_token.as_ref()?;
    Some(values![&one.user.id, key, sealed.as_slice(), version, *refreshed_at])
}
