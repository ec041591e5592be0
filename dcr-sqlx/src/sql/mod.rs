//! The SQL texts, one module for each database, side by side.
//!
//! They are consts, so a database prepares each of them once and no text is ever put together from input. What SQLite and
//! MySQL have in common is in `question_marks`; PostgreSQL numbers its parameters. To add a database: a module here, a
//! folder of migrations, and a way to open it.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod question_marks;
#[cfg(feature = "sqlite")]
mod sqlite;

/// The columns of a session, in the order in which [`crate::rows`] reads and writes them.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! session_columns {
    () => {
        "session_id, connection_id, user_id, client_id, provenance, platform, auth_method, adopted_secret, \
         redirect_uri, code_challenge, resource, scope, refreshable, generation, created_at, redeemed_at, advanced_at, \
         expires_at, absolute_expires_at, ended_at, end_reason"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use session_columns;

/// The same of an event.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! event_columns {
    () => {
        "event_id, at, kind, reason, user_id, connection_id, session_id, client_id, platform, actor, reference"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use event_columns;

/// Of an event: it is no recovery of a session that is still there, which the token endpoint asks for.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! not_asked_for {
    () => {
        "(kind <> 'recovered' OR NOT EXISTS \
         (SELECT 1 FROM dcr_sessions WHERE dcr_sessions.session_id = dcr_events.session_id))"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use not_asked_for;

/// The columns of a user, in that order.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! user_columns {
    () => {
        "user_id, issuer, tenant, object_id, name, email, member_of, roles"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use user_columns;

/// Of an alias: it was not brought in by an import.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! not_imported {
    () => {
        "NOT EXISTS \
         (SELECT 1 FROM dcr_imported_clients WHERE dcr_imported_clients.client_id = dcr_aliases.client_id)"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use not_imported;

/// What a listing says of a client id: how many people, how many live sessions, whether it was imported. The people are
/// looked up one by one, so that the aliases are read in the order of their index, and no more of them than fit on a page.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! client_uses {
    ($now:literal, $filter:literal, $after:literal, $limit:literal) => {
        concat!(
            "SELECT a.client_id, COUNT(DISTINCT (SELECT c.user_id FROM dcr_connections AS c \
             WHERE c.connection_id = a.connection_id)), \
             (SELECT COUNT(*) FROM dcr_sessions AS s WHERE s.client_id = a.client_id AND s.ended_at IS NULL \
             AND s.expires_at > ",
            $now,
            "), (SELECT COUNT(*) FROM dcr_imported_clients AS i WHERE i.client_id = a.client_id) \
             FROM dcr_aliases AS a WHERE ",
            $filter,
            "a.client_id > ",
            $after,
            " GROUP BY a.client_id ORDER BY a.client_id LIMIT ",
            $limit
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use client_uses;

/// How platforms are used; `COUNT(NULL)` is a nought of the same type in every database.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! platform_uses {
    ($now:literal, $sessions:literal) => {
        concat!(
            "SELECT platform, COUNT(DISTINCT user_id), COUNT(*), COUNT(NULL) FROM dcr_connections GROUP BY platform \
             UNION ALL SELECT platform, COUNT(NULL), COUNT(NULL), COUNT(*) FROM ",
            $sessions,
            " WHERE ended_at IS NULL AND expires_at > ",
            $now,
            " GROUP BY platform"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use platform_uses;

/// Users after an id, with parameters that are question marks.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
macro_rules! users {
    ($filter:literal) => {
        concat!("SELECT ", user_columns!(), " FROM dcr_users WHERE ", $filter, "user_id > ? ORDER BY user_id LIMIT ?")
    };
}
#[cfg(any(feature = "sqlite", feature = "mysql"))]
use users;
