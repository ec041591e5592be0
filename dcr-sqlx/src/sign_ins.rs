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

/// The answers of those that are plain; they are written when this answers.
async fn plain<DB: Dialect>(store: &SqlStore<DB>, many: &[SignIn]) -> Result<Vec<Option<SignedIn>>, Failure> {
    let mut transaction = store.begin_for(store.sign_in_lock).await?;
    let answers = look_up(&mut transaction, many).await?;
    let plain: Vec<(&SignIn, ConnectionId)> = many
        .iter()
        .zip(&answers)
        .filter_map(|(one, answer)| match answer {
            Some(SignedIn::Done { connection, .. }) => Some((one, *connection)),
            _ => None,
        })
        .collect();
    if plain.is_empty() {
        return Ok(answers);
    }
    write(&mut transaction, &plain).await?;
    transaction.commit().await?;
    Ok(answers)
}

/// What becomes of those that are plain, if what they write is written.
async fn look_up<DB: Dialect>(db: &mut Held<DB>, many: &[SignIn]) -> Result<Vec<Option<SignedIn>>, Failure> {
    let asked = many.iter().map(|one| {
        let most = |most: usize| u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let SignIn { user, software, session, now, .. } = one;
        let mut row = values![&user.id, software, &session.id, &session.client_id, &session.platform, *now];
        row.extend(values![most(one.max_sessions), most(one.max_aliases), &one.new_connection]);
        row
    });
    let asked = json::array(asked);
    let read = |row: &mut Columns<DB>| Ok((row.count()?, row.connection_id_or_null()?));
    let mut answers = vec![None; many.len()];
    for (n, found) in db.fetch(DB::SQL.plain_sign_ins, values![Word(&asked)], read).await? {
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        if let (Some(one), Some(answer)) = (many.get(n), answers.get_mut(n)) {
            let connection = found.unwrap_or(one.new_connection);
            *answer = Some(SignedIn::Done { connection, first: found.is_none(), evicted: Vec::new() });
        }
    }
    Ok(answers)
}

/// Writes all that they write, in one round trip to the connection's thread.
async fn write<DB: Dialect>(db: &mut Held<DB>, plain: &[(&SignIn, ConnectionId)]) -> Result<(), Failure> {
    let rows = |row: fn(&SignIn, ConnectionId) -> Vec<Value>| {
        json::array(plain.iter().map(|(one, connection)| row(one, *connection)))
    };
    let users = rows(|one, _| of_user(&one.user));
    let connections = rows(|SignIn { user, software, session, now, .. }, connection| {
        values![&connection, &user.id, software, &session.platform, *now, *now]
    });
    let sessions = rows(|one, connection| of_session(&one.session, &one.user.id, connection));
    let aliases = rows(|one, connection| values![&connection, &one.session.client_id, one.now, one.now]);
    let events = rows(|one, connection| of_event(&Event { connection: Some(connection), ..one.event.clone() }));
    let tokens: Vec<_> = plain.iter().filter_map(|(one, _)| of_upstream_token(one)).collect();
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
