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

/// Users after an id, with parameters that are question marks.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
macro_rules! users {
    ($filter:literal) => {
        concat!("SELECT ", user_columns!(), " FROM dcr_users WHERE ", $filter, "user_id > ? ORDER BY user_id LIMIT ?")
    };
}
#[cfg(any(feature = "sqlite", feature = "mysql"))]
use users;
