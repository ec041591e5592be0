//! What differs from one database to another: SQL texts, the meaning of error codes, and the types behind a few calls.
//!
//! Everything else is written once, generic over [`Dialect`]. The calls are trait methods with equal bodies (the macro
//! `driver_calls`), because sqlx's own bounds hold on foreign types and would have to be repeated on every function.

use std::time::Duration;

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::{Arguments, Database, IntoArguments};

use crate::rows::Value;

/// A database that [`SqlStore`](crate::SqlStore) speaks. Implemented by this crate only.
pub trait Dialect: Database<Arguments: IntoArguments<Self>> {
    /// The SQL texts.
    #[doc(hidden)]
    const SQL: Statements;

    /// How long a method may take, waits and repeats included, where the database is behind a network that may swallow
    /// what is sent. `None` where it is part of this process and has time-outs of its own.
    #[doc(hidden)]
    const DEADLINE: Option<Duration>;

    /// What an error of this database means.
    #[doc(hidden)]
    fn fault(error: &dyn DatabaseError) -> Fault;

    /// Adds a value to those of a statement.
    #[doc(hidden)]
    fn add(arguments: &mut Self::Arguments, value: Value) -> Result<(), BoxDynError>;

    /// Runs a text that has no values and is not prepared: the beginning and the end of a transaction.
    #[doc(hidden)]
    fn command(
        connection: &mut Self::Connection,
        sql: &'static str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement; the number of rows that it matched. One that is not `kept` is prepared for this once.
    #[doc(hidden)]
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
        kept: bool,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a query; its rows.
    #[doc(hidden)]
    fn fetch(
        connection: &mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
        kept: bool,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// The integer in a column.
    #[doc(hidden)]
    fn integer(row: &Self::Row, column: usize) -> Result<Option<i64>, sqlx::Error>;

    /// The word in a column.
    #[doc(hidden)]
    fn word(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error>;

    /// The text in a column.
    #[doc(hidden)]
    fn text(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error>;

    /// The bytes in a column.
    #[doc(hidden)]
    fn bytes(row: &Self::Row, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
}

/// The calls of [`Dialect`] whose bodies are the same text for each database. Words and texts each are a `String` or, where
/// that suits the database better, `bytes`.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! driver_calls {
    (words: $word:ident, texts: $text:ident) => {
        fn add(arguments: &mut Self::Arguments, value: $crate::rows::Value) -> Result<(), sqlx::error::BoxDynError> {
            use sqlx::Arguments as _;
            match value {
                $crate::rows::Value::Integer(value) => arguments.add(value),
                $crate::rows::Value::Word(value) => $crate::dialect::driver_calls!(@write $word, arguments, value),
                $crate::rows::Value::Text(value) => $crate::dialect::driver_calls!(@write $text, arguments, value),
                $crate::rows::Value::Bytes(value) => arguments.add(value),
            }
        }

        async fn command(connection: &mut Self::Connection, sql: &'static str) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
        }

        async fn execute(
            connection: &mut Self::Connection,
            sql: &'static str,
            arguments: Self::Arguments,
            kept: bool,
        ) -> Result<u64, sqlx::Error> {
            let query = sqlx::query_with(sql, arguments).persistent(kept);
            query.execute(connection).await.map(|done| done.rows_affected())
        }

        async fn fetch(
            connection: &mut Self::Connection,
            sql: &'static str,
            arguments: Self::Arguments,
            kept: bool,
        ) -> Result<Vec<Self::Row>, sqlx::Error> {
            sqlx::query_with(sql, arguments).persistent(kept).fetch_all(connection).await
        }

        fn integer(row: &Self::Row, column: usize) -> Result<Option<i64>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn word(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error> {
            $crate::dialect::driver_calls!(@read $word, row, column)
        }

        fn text(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error> {
            $crate::dialect::driver_calls!(@read $text, row, column)
        }

        fn bytes(row: &Self::Row, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }
    };
    (@write string, $arguments:ident, $value:ident) => { $arguments.add($value) };
    (@write bytes, $arguments:ident, $value:ident) => { $arguments.add($value.map(String::into_bytes)) };
    (@read string, $row:ident, $column:ident) => { sqlx::Row::try_get($row, $column) };
    (@read bytes, $row:ident, $column:ident) => {
        match Self::bytes($row, $column)?.map(String::from_utf8).transpose() {
            Ok(text) => Ok(text),
            Err(error) => Err(sqlx::Error::Decode(error.utf8_error().into())),
        }
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) use driver_calls;

/// What an error of the database means.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another transaction was in the way and this one was rolled back: the same one again may go through.
    Conflict,
    /// The database hung up, or is about to: what was not committed is rolled back, and another connection may do.
    Lost,
    /// The database cannot do it now.
    Unavailable,
    /// It never should have been asked, or is damaged.
    Inconsistent,
}

/// What some databases do in another way.
const MAY_BE_EMPTY: [&str; 9] = [
    "hold_blocks",
    "change_blocks",
    "redeem",
    "refresh",
    "advance_many",
    "plain_sign_ins",
    "add_many_terms",
    "many_terms",
    "put_sign_ins",
];

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The SQL texts of one database. Their parameters are the same, in the same order, for each.
        #[doc(hidden)]
        #[derive(Debug, Clone, Copy)]
        pub struct Statements {
            $($(#[$doc])* pub(crate) $name: &'static str,)*
        }

        impl Statements {
            /// Every text that is prepared, with its name.
            #[doc(hidden)]
            #[must_use]
            pub fn to_prepare(self) -> Vec<(&'static str, &'static str)> {
                [$((stringify!($name), self.$name)),*]
                    .into_iter()
                    .filter(|(name, sql)| *name != "begin" && !(sql.is_empty() && MAY_BE_EMPTY.contains(name)))
                    .collect()
            }
        }
    };
}

statements! {
    /// Begins a transaction that writes.
    begin,
    /// The first statement of a transaction that reads blocks and opens a session: from here to its end no block comes
    /// to be. Empty where `begin` itself waits for every other transaction.
    hold_blocks,
    /// The first statement of a transaction that blocks: it waits for those that hold the blocks, and they for it. Empty
    /// where `hold_blocks` is.
    change_blocks,

    /// Inserts a user, or brings name and e-mail up to date.
    put_user,
    /// Inserts a connection, or stamps the sign-in on the one under this user and software. Answers with its id, where a
    /// statement that writes can answer.
    put_connection,
    /// The connection under this user and software.
    find_connection,
    /// The numbers of a client id and of the terms with all these values: client id, provenance, platform, authentication,
    /// resource and scope.
    terms,
    /// The number of a client id.
    client_number,
    /// Inserts a client id unless it is there.
    add_client_id,
    /// Inserts terms, with the same values.
    add_terms,
    /// Some terms that no session has.
    unused_terms,
    /// Deletes such terms, if no session has come to have them.
    drop_terms,
    /// The numbers of some client ids that neither terms nor a connection have.
    unused_clients,
    /// Deletes such a client id, if nothing has come to have it.
    drop_client_number,
    /// Inserts an alias, or stamps its use.
    put_alias,
    /// How many aliases a connection has, imported ones left out.
    count_aliases,
    /// The aliases unused longest, by the numbers of their client ids, but for one that stays and for imported ones.
    unused_aliases,
    /// Deletes an alias.
    drop_alias,
    /// A connection's live sessions, the one idle longest first.
    idle_sessions,
    /// Inserts a session.
    add_session,
    /// Inserts an event.
    add_event,

    /// Of several sign-ins, those that are plain: number and connection, null for one that has to be made. The session id is
    /// new, nothing of it is blocked, and no session or alias is one too many. They are a JSON array (see [`crate::json`]) of:
    /// user, software, session, client id, platform, time, the most sessions and aliases, the id of a new connection, provenance,
    /// authentication, resource and scope. The numbers of its client id and terms come along, as far as they are there. Empty, and so the next
    /// one, where sign-ins write side by side.
    plain_sign_ins,
    /// Two statements in one text, with the same JSON array each, of client id, provenance, platform, authentication, resource
    /// and scope: `add_client_id`, and `add_terms` for those that are different, of which there must be none yet.
    add_many_terms,
    /// `terms` of each of these, with its number in the array.
    many_terms,
    /// Several statements in one text, each with a JSON array: `put_user` for each row of the first, `put_connection`,
    /// `add_session`, `put_alias`, `add_event` and `put_upstream_token` for the others.
    put_sign_ins,

    /// One session.
    session,
    /// One session with its user.
    session_view,
    /// Moves the counter of a live session from 0. Beside `advance_many` the answer is the session; empty where that passes
    /// nobody over.
    redeem,
    /// Moves the counter of a live session from a later generation, with the same answer.
    refresh,
    /// Moves the counters of several live sessions, each from where it is said to stand, and answers with those that moved.
    /// They are a JSON array (see [`crate::json`]) of: session, old and new generation, now, the end from now on, and the
    /// adopted secret, which counts if the old generation is 0. Those that somebody else has locked may be passed over. Empty
    /// where an `UPDATE` cannot answer with its rows, and `redeem` and `refresh` do it.
    advance_many,

    /// Moves the counter of a session that has not ended from any generation below a token's. What depends on the old
    /// generation is set first: some databases see the new one afterwards.
    catch_up,

    /// The session of this id, if it has not ended and was opened by a time. What this and the next four find, no other
    /// transaction changes until this one is over.
    not_ended_session,
    /// A connection's sessions that have not ended.
    not_ended_of_connection,
    /// A user's.
    not_ended_of_user,
    /// A client id's.
    not_ended_of_client,
    /// A platform's.
    not_ended_of_platform,
    /// Ends what `not_ended_session` finds.
    end_session,
    /// Ends what `not_ended_of_connection` finds.
    end_connection,
    /// Ends what `not_ended_of_user` finds.
    end_user,
    /// Ends what `not_ended_of_client` finds.
    end_client,
    /// Ends what `not_ended_of_platform` finds.
    end_platform,
    /// The feed.
    ended_since,

    /// Inserts a block that was not there a moment ago. If it is there now: matches no row, or fails with a conflict.
    block,
    /// Deletes a block.
    unblock,
    /// The blocks there are among four kinds and targets.
    blocks_among,
    /// Blocks after one, of a kind if it is given.
    blocks,

    /// A user's connections, a row for each alias.
    connections_of,
    /// One connection, a row for each alias.
    connection,
    /// A connection's sessions.
    sessions_of,
    /// Row counts.
    counts,
    /// Events of a span of time that fit everything that is given: user, session, connection, client id, platform, kind,
    /// reason, reference and actor, in this order, each null for all.
    events,
    /// The same of a user, who is given once more, after the times: so that their index is read.
    events_of_user,
    /// Of a session.
    events_of_session,
    /// Of a connection.
    events_of_connection,
    /// Of a client id.
    events_of_client,
    /// Of a reference.
    events_of_reference,
    /// Of an actor; not of the people themselves.
    events_of_actor,
    /// Of a reason that is not empty.
    events_of_reason,

    /// A user's sessions, and when they ended: locked until this transaction is over.
    sessions_to_erase,
    /// Keeps the ends of a user's sessions for the feed.
    keep_ends,
    /// On the events of a user, puts a marker in their place.
    erase_events_of_user,
    /// On those of a user's sessions.
    erase_events_of_sessions,
    /// On those of a user's connections.
    erase_events_of_connections,
    /// Puts another actor in the place of one; not of the people themselves.
    erase_actor,
    /// Deletes a user's sessions.
    erase_sessions,
    /// Deletes the aliases of a user's connections.
    erase_aliases,
    /// Deletes a user's upstream tokens.
    erase_upstream_tokens,
    /// Deletes a user's connections.
    erase_connections,
    /// Deletes a user.
    erase_user,
    /// Forgets some ends of sessions that were erased, of before a time.
    sweep_erased,

    /// Inserts a funnel count, or adds to it.
    add_count,
    /// Funnel counts after one.
    funnel,
    /// Sums of funnel counts by pieces of time: when they begin, how long they are, and the whole.
    funnel_sums,
    /// Deletes some events of before a time.
    sweep_events,
    /// Deletes some funnel counts of hours before a time.
    sweep_funnel,

    /// Inserts a request of the history unless it is there; matches no row then.
    add_request,
    /// Requests of a session, newest first.
    requests_of_session,
    /// Requests of a user, newest first.
    requests_of_user,
    /// Deletes some requests with ids before one.
    sweep_requests,
    /// Deletes a user's requests.
    erase_requests,

    /// Inserts a user unless it is there; matches no row then.
    import_user,
    /// Inserts a connection unless there is one under this user and software; matches no row then.
    import_connection,
    /// Inserts an alias unless it is there; matches no row then.
    import_alias,
    /// Inserts an imported client unless it is there; matches no row then.
    import_client,
    /// An imported client.
    imported_client,
    /// 1 if a client was imported, else 0.
    any_imported,
    /// The row of a client.
    client,
    /// 1 if there is a row of a client, else 0.
    any_client,
    /// The rows of clients after an id.
    clients,
    /// Inserts the row of a client unless there is one; matches no row then.
    add_client,
    /// Replaces the row of a client that has a version.
    change_client,
    /// Deletes the row of a client that is of a kind.
    drop_client,
    /// Inserts an upstream token, or puts it in the place of the one under this user and key.
    put_upstream_token,
    /// The upstream token under a user and key.
    upstream_token,
    /// Gives out the lease of one that is in a state and has none.
    lease_upstream_token,
    /// Replaces one that is in a state.
    replace_upstream_token,
    /// Deletes one that is in a state.
    drop_upstream_token,
    /// Locks the upstream tokens of users of whom sessions ended at a time. A sign-in that writes one waits from here on, or
    /// has committed: then the next statement sees its session.
    hold_ended_upstream_tokens,
    /// Deletes those of them whose users have no live session.
    drop_ended_upstream_tokens,
    /// Locks the upstream tokens from before a time of users who had no live session then.
    hold_idle_upstream_tokens,
    /// Deletes what `hold_idle_upstream_tokens` finds.
    drop_idle_upstream_tokens,
    /// Inserts something that was used unless it is there; matches no row then.
    use_up,
    /// Forgets some things that were used, whose time is over before a time.
    sweep_used,
    /// Inserts or moves the end of the recovery window.
    put_recovery,
    /// The end of the recovery window.
    recovery,

    /// Users after an id.
    users,
    /// The user of an id.
    users_by_id,
    /// Users of an object id.
    users_by_object,
    /// Users of an e-mail address.
    users_by_email,
    /// Users who have an alias.
    users_by_client,
    /// Users who have a text in name, e-mail address or object id; others who have it if more than ASCII is folded, or in
    /// how the database writes it: what is read is looked at again.
    users_by_text,
    /// Sessions by state.
    census,
    /// The users with the most live sessions.
    busiest,
    /// Client ids that connections have, after one: their people, the sessions that are live, whether they were imported.
    client_uses,
    /// The same of one.
    client_use,
    /// Platforms: people and connections, and in further rows the sessions that are live.
    platform_uses,

    /// Deletes some sessions that lapsed before a time.
    sweep_lapsed,
    /// Deletes some sessions that ended before a time.
    sweep_ended,
    /// Inserts the secret unless there is one.
    put_secret,
    /// The secret.
    secret,

    /// The time by the database's own clock.
    server_time,
    /// How many sessions a sweep would delete.
    sweepable,
}

/// The values of a statement.
pub(crate) fn arguments<DB: Dialect>(values: Vec<Value>) -> Result<DB::Arguments, sqlx::Error> {
    let mut arguments = DB::Arguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        DB::add(&mut arguments, value).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
