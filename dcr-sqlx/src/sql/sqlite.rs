//! SQLite.

use sqlx::Sqlite;
use sqlx::error::DatabaseError;

use crate::dialect::{Dialect, Fault, Statements, driver_calls};

/// The columns of a session, in the order in which [`crate::rows`] reads and writes them.
macro_rules! session_columns {
    () => {
        "session_id, connection_id, user_id, client_id, provenance, platform, auth_method, adopted_secret, \
         redirect_uri, code_challenge, resource, scope, refreshable, generation, created_at, redeemed_at, advanced_at, \
         expires_at, absolute_expires_at, ended_at, end_reason"
    };
}

/// The sessions of a target that have not ended: which they are, and their end.
macro_rules! not_ended {
    ($target:literal) => {
        concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            $target,
            " = ? AND ended_at IS NULL AND created_at <= ? ORDER BY session_id"
        )
    };
}
macro_rules! end {
    ($target:literal) => {
        concat!(
            "UPDATE dcr_sessions SET ended_at = ?, end_reason = ? WHERE ",
            $target,
            " = ? AND ended_at IS NULL AND created_at <= ?"
        )
    };
}

macro_rules! events {
    ($filter:literal) => {
        concat!(
            "SELECT event_id, at, kind, reason, user_id, connection_id, session_id, client_id, platform FROM dcr_events ",
            "WHERE ", $filter, "at >= ? AND at <= ? AND (at < ? OR event_id < ?) ORDER BY at DESC, event_id DESC LIMIT ?"
        )
    };
}

macro_rules! users {
    ($filter:literal) => {
        concat!(
            "SELECT user_id, issuer, tenant, object_id, name, email FROM dcr_users WHERE ",
            $filter,
            "user_id > ? ORDER BY user_id LIMIT ?"
        )
    };
}

impl Dialect for Sqlite {
    const SQL: Statements = Statements {
        // The lock is taken at once: two transactions that read first and write later would refuse each other.
        begin: "BEGIN IMMEDIATE",

        put_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, email = excluded.email",
        put_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user_id, software) DO UPDATE SET last_sign_in_at = excluded.last_sign_in_at",
        find_connection: "SELECT connection_id FROM dcr_connections WHERE user_id = ? AND software = ?",
        put_alias: "INSERT INTO dcr_aliases (connection_id, client_id, first_used_at, last_used_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (connection_id, client_id) DO UPDATE SET last_used_at = excluded.last_used_at",
        count_aliases: "SELECT COUNT(*) FROM dcr_aliases WHERE connection_id = ? AND NOT EXISTS \
             (SELECT 1 FROM dcr_imported_clients WHERE dcr_imported_clients.client_id = dcr_aliases.client_id)",
        unused_aliases: "SELECT client_id FROM dcr_aliases WHERE connection_id = ? AND client_id <> ? AND NOT EXISTS \
             (SELECT 1 FROM dcr_imported_clients WHERE dcr_imported_clients.client_id = dcr_aliases.client_id) \
             ORDER BY last_used_at, first_used_at, client_id LIMIT ?",
        drop_alias: "DELETE FROM dcr_aliases WHERE connection_id = ? AND client_id = ?",
        idle_sessions: "SELECT session_id FROM dcr_sessions \
             WHERE connection_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY advanced_at, session_id",
        add_session: concat!(
            "INSERT INTO dcr_sessions (",
            session_columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
        add_event: "INSERT INTO dcr_events \
             (event_id, at, kind, reason, user_id, connection_id, session_id, client_id, platform) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",

        session: concat!("SELECT ", session_columns!(), " FROM dcr_sessions WHERE session_id = ?"),
        session_view: concat!(
            "SELECT ",
            session_columns!(),
            ", user_id, issuer, tenant, object_id, name, email FROM dcr_sessions JOIN dcr_users USING (user_id) \
             WHERE session_id = ?"
        ),
        redeem: "UPDATE dcr_sessions SET generation = ?, advanced_at = ?, expires_at = min(?, absolute_expires_at), \
             redeemed_at = ?, adopted_secret = ? \
             WHERE session_id = ? AND generation = 0 AND ended_at IS NULL AND expires_at > ?",
        refresh: "UPDATE dcr_sessions SET generation = ?, advanced_at = ?, expires_at = min(?, absolute_expires_at) \
             WHERE session_id = ? AND generation = ? AND ended_at IS NULL AND expires_at > ?",
        catch_up: "UPDATE dcr_sessions SET adopted_secret = CASE WHEN generation = 0 THEN ? ELSE adopted_secret END, \
             generation = ?, advanced_at = ?, expires_at = min(?, absolute_expires_at), \
             redeemed_at = COALESCE(redeemed_at, ?) \
             WHERE session_id = ? AND generation < ? AND ended_at IS NULL AND absolute_expires_at > ?",

        not_ended_session: not_ended!("session_id"),
        not_ended_of_connection: not_ended!("connection_id"),
        not_ended_of_user: not_ended!("user_id"),
        not_ended_of_client: not_ended!("client_id"),
        not_ended_of_platform: not_ended!("platform"),
        end_session: end!("session_id"),
        end_connection: end!("connection_id"),
        end_user: end!("user_id"),
        end_client: end!("client_id"),
        end_platform: end!("platform"),
        ended_since: "SELECT session_id, ended_at FROM dcr_sessions WHERE ended_at >= ? ORDER BY ended_at, session_id",

        block: "INSERT INTO dcr_blocks (kind, target) VALUES (?, ?) ON CONFLICT (kind, target) DO NOTHING",
        unblock: "DELETE FROM dcr_blocks WHERE kind = ? AND target = ?",
        is_blocked: "SELECT 1 FROM dcr_blocks WHERE kind = ? AND target = ?",

        connections_of: "SELECT c.connection_id, c.user_id, c.software, c.platform, c.created_at, c.last_sign_in_at, \
             a.client_id FROM dcr_connections AS c LEFT JOIN dcr_aliases AS a ON a.connection_id = c.connection_id \
             WHERE c.user_id = ? ORDER BY c.created_at, c.connection_id, a.first_used_at, a.client_id",
        sessions_of: concat!(
            "SELECT ",
            session_columns!(),
            " FROM dcr_sessions WHERE connection_id = ? ORDER BY created_at, session_id"
        ),
        counts: "SELECT (SELECT COUNT(*) FROM dcr_users), (SELECT COUNT(*) FROM dcr_connections), \
             (SELECT COUNT(*) FROM dcr_aliases), (SELECT COUNT(*) FROM dcr_sessions), \
             (SELECT COUNT(*) FROM dcr_blocks), (SELECT COUNT(*) FROM dcr_events), \
             (SELECT COUNT(*) FROM dcr_imported_clients)",
        events: events!(""),
        events_of_user: events!("user_id = ? AND "),
        events_of_session: events!("session_id = ? AND "),
        events_of_both: events!("user_id = ? AND session_id = ? AND "),

        import_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING",
        import_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user_id, software) DO NOTHING",
        import_alias: "INSERT INTO dcr_aliases (connection_id, client_id, first_used_at, last_used_at) \
             VALUES (?, ?, ?, ?) ON CONFLICT (connection_id, client_id) DO NOTHING",
        import_client: "INSERT INTO dcr_imported_clients (client_id, name, redirects) VALUES (?, ?, ?) \
             ON CONFLICT (client_id) DO NOTHING",
        imported_client: "SELECT client_id, name, redirects FROM dcr_imported_clients WHERE client_id = ?",
        put_recovery: "INSERT INTO dcr_recovery (slot, until_at) VALUES (1, ?) \
             ON CONFLICT (slot) DO UPDATE SET until_at = excluded.until_at",
        recovery: "SELECT until_at FROM dcr_recovery WHERE slot = 1",

        users: users!(""),
        users_by_id: users!("user_id = ? AND "),
        users_by_object: users!("object_id = ? AND "),
        users_by_email: users!("lower(email) = lower(?) AND "),
        users_by_client: users!(
            "user_id IN (SELECT c.user_id FROM dcr_connections AS c JOIN dcr_aliases AS a \
             ON a.connection_id = c.connection_id WHERE a.client_id = ?) AND "
        ),
        census: "SELECT COUNT(CASE WHEN ended_at IS NULL AND expires_at > ? THEN 1 END), \
             COUNT(CASE WHEN ended_at IS NULL AND expires_at <= ? THEN 1 END), COUNT(ended_at) FROM dcr_sessions",
        busiest: "SELECT user_id, COUNT(*) FROM dcr_sessions WHERE ended_at IS NULL AND expires_at > ? \
             GROUP BY user_id ORDER BY COUNT(*) DESC, user_id LIMIT 10",

        sweep: "DELETE FROM dcr_sessions WHERE session_id IN \
             (SELECT session_id FROM dcr_sessions WHERE expires_at < ? OR ended_at < ? LIMIT ?)",
        put_secret: "INSERT INTO dcr_secret (slot, secret) VALUES (1, ?) ON CONFLICT (slot) DO NOTHING",
        secret: "SELECT secret FROM dcr_secret WHERE slot = 1",
    };

    /// By the primary result code, the low byte of the extended one.
    fn fault(error: &dyn DatabaseError) -> Fault {
        let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or(0);
        match (code, code & 0xff) {
            // Somebody was in the way and will not be the next time: a snapshot or a recovery, a shared cache.
            (517 | 261, _) | (_, 6) => Fault::Conflict,
            // Permission, busy beyond the time-out, out of memory, read-only, input/output, full, cannot open, locking
            // protocol, no large files, authorisation.
            (_, 3 | 5 | 7 | 8 | 10 | 13 | 14 | 15 | 22 | 23) => Fault::Unavailable,
            _ => Fault::Inconsistent,
        }
    }

    driver_calls!();
}
