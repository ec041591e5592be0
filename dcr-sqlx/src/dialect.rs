//! What differs from one database to another: SQL texts, the meaning of error codes, and the types behind a few calls.
//!
//! Everything else is written once, generic over [`Dialect`]. The calls are trait methods with equal bodies (the macro
//! `driver_calls`), because sqlx's own bounds hold on foreign types and would have to be repeated on every function.

use sqlx::error::{BoxDynError, DatabaseError};
use sqlx::{Arguments, Database, IntoArguments};

use crate::rows::Value;

/// A database that [`SqlStore`](crate::SqlStore) speaks. Implemented by this crate only.
pub trait Dialect: Database<Arguments: IntoArguments<Self>> {
    /// The SQL texts.
    #[doc(hidden)]
    const SQL: Statements;

    /// What an error of this database means.
    #[doc(hidden)]
    fn fault(error: &dyn DatabaseError) -> Fault;

    /// Adds a value to those of a statement.
    #[doc(hidden)]
    fn add(arguments: &mut Self::Arguments, value: Value) -> Result<(), BoxDynError>;

    /// Runs a statement; the number of rows that it matched.
    #[doc(hidden)]
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a query; its rows.
    #[doc(hidden)]
    fn fetch(
        connection: &mut Self::Connection,
        sql: &'static str,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// The integer in a column.
    #[doc(hidden)]
    fn integer(row: &Self::Row, column: usize) -> Result<Option<i64>, sqlx::Error>;

    /// The text in a column.
    #[doc(hidden)]
    fn text(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error>;

    /// The bytes in a column.
    #[doc(hidden)]
    fn bytes(row: &Self::Row, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
}

/// The calls of [`Dialect`] whose bodies are the same text for each database.
#[cfg(feature = "sqlite")]
macro_rules! driver_calls {
    () => {
        fn add(arguments: &mut Self::Arguments, value: $crate::rows::Value) -> Result<(), sqlx::error::BoxDynError> {
            use sqlx::Arguments as _;
            match value {
                $crate::rows::Value::Integer(value) => arguments.add(value),
                $crate::rows::Value::Text(value) => arguments.add(value),
                $crate::rows::Value::Bytes(value) => arguments.add(value),
            }
        }

        async fn execute(
            connection: &mut Self::Connection,
            sql: &'static str,
            arguments: Self::Arguments,
        ) -> Result<u64, sqlx::Error> {
            sqlx::query_with(sql, arguments).execute(connection).await.map(|done| done.rows_affected())
        }

        async fn fetch(
            connection: &mut Self::Connection,
            sql: &'static str,
            arguments: Self::Arguments,
        ) -> Result<Vec<Self::Row>, sqlx::Error> {
            sqlx::query_with(sql, arguments).fetch_all(connection).await
        }

        fn integer(row: &Self::Row, column: usize) -> Result<Option<i64>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn text(row: &Self::Row, column: usize) -> Result<Option<String>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }

        fn bytes(row: &Self::Row, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
            sqlx::Row::try_get(row, column)
        }
    };
}
#[cfg(feature = "sqlite")]
pub(crate) use driver_calls;

/// What an error of the database means.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Another transaction was in the way: the same one again may go through.
    Conflict,
    /// The database cannot do it now.
    Unavailable,
    /// It never should have been asked, or is damaged.
    Inconsistent,
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The SQL texts of one database. Their parameters are the same, in the same order, for each.
        #[doc(hidden)]
        #[derive(Debug, Clone, Copy)]
        pub struct Statements {
            $($(#[$doc])* pub(crate) $name: &'static str,)*
        }

        impl Statements {
            /// Every text but `begin`, with its name.
            #[cfg(test)]
            pub(crate) fn to_prepare(self) -> Vec<(&'static str, &'static str)> {
                [$((stringify!($name), self.$name)),*].into_iter().filter(|(name, _)| *name != "begin").collect()
            }
        }
    };
}

statements! {
    /// Begins a transaction that writes. Of two that overlap, one must wait for the other or fail with a conflict where
    /// `sign_in` reads what `block` writes and the other way round: serialisable, or behind one lock.
    begin,

    /// Inserts a user, or brings name and e-mail up to date.
    put_user,
    /// Inserts a connection, or stamps the sign-in on the one under this user and software.
    put_connection,
    /// The connection under this user and software.
    find_connection,
    /// Inserts an alias, or stamps its use.
    put_alias,
    /// How many aliases a connection has, imported ones left out.
    count_aliases,
    /// The aliases unused longest, but for one that stays and for imported ones.
    unused_aliases,
    /// Deletes an alias.
    drop_alias,
    /// A connection's live sessions, the one idle longest first.
    idle_sessions,
    /// Inserts a session.
    add_session,
    /// Inserts an event.
    add_event,

    /// One session.
    session,
    /// One session with its user.
    session_view,
    /// Moves the counter of a live session from 0.
    redeem,
    /// Moves the counter of a live session from a later generation.
    refresh,

    /// Moves the counter of a session that has not ended from any generation below a token's. What depends on the old
    /// generation is set first: some databases see the new one afterwards.
    catch_up,

    /// The session of this id, if it has not ended and was opened by a time.
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

    /// Inserts a block unless it is there; matches no row then.
    block,
    /// Deletes a block.
    unblock,
    /// One row if there is this block.
    is_blocked,

    /// A user's connections, a row for each alias.
    connections_of,
    /// A connection's sessions.
    sessions_of,
    /// Row counts.
    counts,
    /// Events of a span of time.
    events,
    /// A user's.
    events_of_user,
    /// A session's.
    events_of_session,
    /// A user's of a session.
    events_of_both,

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
    /// Sessions by state.
    census,
    /// The users with the most live sessions.
    busiest,

    /// Deletes some sessions that lapsed or ended before a time.
    sweep,
    /// Inserts the secret unless there is one.
    put_secret,
    /// The secret.
    secret,
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
