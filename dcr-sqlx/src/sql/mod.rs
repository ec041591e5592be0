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

/// A session in the order in which [`crate::rows`] reads it, from [`session_tables`].
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! session_columns {
    () => {
        "s.session_id, s.connection_id, c.user_id, i.client_id, t.provenance, t.platform, t.auth_method, s.adopted_secret, \
         s.redirect_uri, s.code_challenge, t.resource, t.scope, s.refreshable, s.generation, s.created_at, s.redeemed_at, \
         s.advanced_at, s.expires_at, s.absolute_expires_at, s.ended_at, s.end_reason"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use session_columns;

/// Where a session is: its row, whose it is, and its terms.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! session_tables {
    () => {
        "dcr_sessions AS s JOIN dcr_connections AS c ON c.connection_id = s.connection_id \
         JOIN dcr_terms AS t ON t.terms = s.terms JOIN dcr_client_ids AS i ON i.client = t.client"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use session_tables;

/// The columns of its row, in the order in which [`crate::rows`] writes them.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! session_row {
    () => {
        "session_id, connection_id, terms, adopted_secret, redirect_uri, code_challenge, refreshable, generation, \
         created_at, redeemed_at, advanced_at, expires_at, absolute_expires_at, ended_at, end_reason"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use session_row;

/// The sessions of a user.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! of_user {
    ($key:literal) => {
        concat!("connection_id IN (SELECT connection_id FROM dcr_connections WHERE user_id = ", $key, ")")
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use of_user;

/// The sessions of a client id.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! of_client {
    ($key:literal) => {
        concat!(
            "terms IN (SELECT t.terms FROM dcr_client_ids AS i JOIN dcr_terms AS t ON t.client = i.client \
             WHERE i.client_id = ",
            $key,
            ")"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use of_client;

/// The sessions of a platform.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! of_platform {
    ($key:literal) => {
        concat!("terms IN (SELECT terms FROM dcr_terms WHERE platform = ", $key, ")")
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use of_platform;

/// Of a user with an upstream token: no session of theirs is live.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! none_live {
    ($now:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM dcr_connections AS c JOIN dcr_sessions AS s ON s.connection_id = c.connection_id \
             WHERE c.user_id = dcr_upstream_tokens.user_id AND s.ended_at IS NULL AND s.expires_at > ",
            $now,
            ")"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use none_live;

/// Of a user: a session of theirs ended just then.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! one_ended {
    ($at:literal) => {
        concat!(
            "user_id IN (SELECT c.user_id FROM dcr_sessions AS s JOIN dcr_connections AS c \
             ON c.connection_id = s.connection_id WHERE s.ended_at = ",
            $at,
            ")"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use one_ended;

/// Of terms: no session has them. As a query of its own for each, which reads an index whatever the planner thinks of the
/// tables.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! terms_unused {
    () => {
        "(SELECT s.session_id FROM dcr_sessions AS s WHERE s.terms = dcr_terms.terms LIMIT 1) IS NULL"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use terms_unused;

/// Of a client id: neither terms nor a connection have it.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! client_unused {
    () => {
        "(SELECT t.terms FROM dcr_terms AS t WHERE t.client = dcr_client_ids.client LIMIT 1) IS NULL \
         AND (SELECT a.client FROM dcr_aliases AS a WHERE a.client = dcr_client_ids.client LIMIT 1) IS NULL"
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use client_unused;

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
        "NOT EXISTS (SELECT 1 FROM dcr_client_ids AS known JOIN dcr_imported_clients AS imported \
         ON imported.client_id = known.client_id WHERE known.client = dcr_aliases.client)"
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
            "SELECT i.client_id, COUNT(DISTINCT (SELECT c.user_id FROM dcr_connections AS c \
             WHERE c.connection_id = a.connection_id)), \
             (SELECT COUNT(*) FROM dcr_terms AS t JOIN dcr_sessions AS s ON s.terms = t.terms \
             WHERE t.client = i.client AND s.ended_at IS NULL AND s.expires_at > ",
            $now,
            "), (SELECT COUNT(*) FROM dcr_imported_clients AS m WHERE m.client_id = i.client_id) \
             FROM dcr_client_ids AS i JOIN dcr_aliases AS a ON a.client = i.client WHERE ",
            $filter,
            "i.client_id > ",
            $after,
            " GROUP BY i.client_id, i.client ORDER BY i.client_id LIMIT ",
            $limit
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use client_uses;

/// How platforms are used; `COUNT(NULL)` is a nought of the same type in every database. The sessions are counted by their
/// terms first, so that few of those are looked up.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! platform_uses {
    ($now:literal, $sessions:literal, $integer:literal) => {
        concat!(
            "SELECT platform, COUNT(DISTINCT user_id), COUNT(*), COUNT(NULL) FROM dcr_connections GROUP BY platform \
             UNION ALL SELECT t.platform, COUNT(NULL), COUNT(NULL), CAST(SUM(s.live) AS ",
            $integer,
            ") FROM (SELECT terms, COUNT(*) AS live FROM ",
            $sessions,
            " WHERE ended_at IS NULL AND expires_at > ",
            $now,
            " GROUP BY terms) AS s JOIN dcr_terms AS t ON t.terms = s.terms GROUP BY t.platform"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use platform_uses;

/// The users with the most live sessions: those of each connection are counted first.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! busiest {
    ($now:literal, $sessions:literal, $integer:literal) => {
        concat!(
            "SELECT c.user_id, CAST(SUM(s.live) AS ",
            $integer,
            ") AS total FROM (SELECT connection_id, COUNT(*) AS live FROM ",
            $sessions,
            " WHERE ended_at IS NULL AND expires_at > ",
            $now,
            " GROUP BY connection_id) AS s JOIN dcr_connections AS c ON c.connection_id = s.connection_id \
             GROUP BY c.user_id ORDER BY total DESC, c.user_id LIMIT 10"
        )
    };
}
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use busiest;

/// Users after an id, with parameters that are question marks.
#[cfg(any(feature = "sqlite", feature = "mysql"))]
macro_rules! users {
    ($filter:literal) => {
        concat!("SELECT ", user_columns!(), " FROM dcr_users WHERE ", $filter, "user_id > ? ORDER BY user_id LIMIT ?")
    };
}
#[cfg(any(feature = "sqlite", feature = "mysql"))]
use users;
