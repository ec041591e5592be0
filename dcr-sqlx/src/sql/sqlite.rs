//! SQLite.

use std::time::Duration;

use sqlx::Sqlite;
use sqlx::error::DatabaseError;

use super::question_marks::{ALIKE, events};
use super::{
    busiest, event_columns, none_live, not_asked_for, not_imported, of_client, of_platform, of_user, one_ended,
    platform_uses, session_row, user_columns, users,
};
use crate::dialect::{Dialect, Fault, Statements, driver_calls};

/// The sessions of a target that have not ended.
macro_rules! not_ended {
    ($target:expr) => {
        concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            $target,
            " AND ended_at IS NULL AND created_at <= ? ORDER BY session_id"
        )
    };
}

/// Their end.
macro_rules! end {
    ($target:expr) => {
        concat!(
            "UPDATE dcr_sessions SET ended_at = ?, end_reason = ? WHERE ",
            $target,
            " AND ended_at IS NULL AND created_at <= ?"
        )
    };
}

/// Of the terms of a session that is written: `RETURNING` names no other table.
macro_rules! its_terms {
    ($column:literal) => {
        concat!("(SELECT ", $column, " FROM dcr_terms AS t WHERE t.terms = dcr_sessions.terms) AS ", $column)
    };
}

/// What [`session_columns`](super::session_columns) are, of a session that is written.
macro_rules! written_session {
    () => {
        concat!(
            "session_id, connection_id, \
             (SELECT user_id FROM dcr_connections AS c WHERE c.connection_id = dcr_sessions.connection_id) AS user_id, \
             (SELECT client_id FROM dcr_terms AS t JOIN dcr_client_ids AS i ON i.client = t.client \
             WHERE t.terms = dcr_sessions.terms) AS client_id, ",
            its_terms!("provenance"),
            ", ",
            its_terms!("platform"),
            ", ",
            its_terms!("auth_method"),
            ", adopted_secret, redirect_uri, code_challenge, ",
            its_terms!("resource"),
            ", ",
            its_terms!("scope"),
            ", refreshable, generation, created_at, redeemed_at, advanced_at, expires_at, absolute_expires_at, ended_at, \
             end_reason"
        )
    };
}

macro_rules! sweep {
    ($time:literal) => {
        concat!(
            "DELETE FROM dcr_sessions WHERE session_id IN (SELECT session_id FROM dcr_sessions WHERE ",
            $time,
            " < ? LIMIT ?)"
        )
    };
}

/// The n-th value of a row of [`crate::json`]: an integer.
macro_rules! int {
    ($n:literal) => {
        concat!("value ->> ", $n)
    };
}

/// Bytes.
macro_rules! bytes {
    ($n:literal) => {
        concat!("unhex(value ->> ", $n, ")")
    };
}

/// A word or a text.
macro_rules! text {
    ($n:literal) => {
        concat!("CAST(unhex(value ->> ", $n, ") AS TEXT)")
    };
}

/// The rows of [`crate::json`]. Each is written as a text once, and not for every column that is read of it.
macro_rules! rows {
    () => {
        "WITH given AS MATERIALIZED (SELECT key, value FROM json_each(?))"
    };
}

/// Inserts a row for each of the array.
macro_rules! insert_all {
    ($table:literal, $columns:expr, [$first:expr $(, $value:expr)*] $(, $conflict:expr)?) => {
        concat!(
            // Or SQLite keeps a copy of each page that the statement changes, to undo the statement alone.
            "INSERT OR ROLLBACK INTO ", $table, " (", $columns, ") ", rows!(), " SELECT ", $first, $(", ", $value,)*
            // What follows an `ON` of `SELECT` would be read as that of a join.
            " FROM given WHERE true" $(, " ON CONFLICT ", $conflict)?
        )
    };
}

/// Of one of an array: the number of its terms. Its client id's row is `i`.
macro_rules! its_number {
    () => {
        "(SELECT MIN(t.terms) FROM dcr_terms AS t WHERE t.client = i.client AND t.provenance = a.provenance \
         AND t.platform = a.platform AND t.auth_method = a.auth_method AND t.resource = a.resource AND t.scope = a.scope)"
    };
}

/// What a sign-in brings up to date.
macro_rules! user_changes {
    () => {
        "(user_id) DO UPDATE SET name = excluded.name, email = excluded.email, member_of = excluded.member_of, \
         roles = excluded.roles"
    };
}

impl Dialect for Sqlite {
    const SQL: Statements = Statements {
        // The one lock is taken at once, so that no other transaction writes until this one ends. Two that read first and
        // write later would refuse each other.
        begin: "BEGIN IMMEDIATE",

        put_user: concat!(
            "INSERT INTO dcr_users (",
            user_columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ",
            user_changes!()
        ),
        put_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user_id, software) DO UPDATE SET last_sign_in_at = excluded.last_sign_in_at \
             RETURNING connection_id",
        add_client_id: "INSERT INTO dcr_client_ids (client_id) VALUES (?) ON CONFLICT (client_id) DO NOTHING",
        put_alias: "INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT (connection_id, client) DO UPDATE SET last_used_at = excluded.last_used_at",

        plain_sign_ins: concat!(
            rows!(),
            ", a AS MATERIALIZED (SELECT key AS n, ",
            text!(0),
            " AS user_id, ",
            bytes!(1),
            " AS software, ",
            bytes!(2),
            " AS session_id, ",
            bytes!(3),
            " AS client_id, ",
            bytes!(4),
            " AS platform, ",
            int!(5),
            " AS now, ",
            int!(6),
            " AS sessions, ",
            int!(7),
            " AS aliases, ",
            bytes!(8),
            " AS new_connection, ",
            text!(9),
            " AS provenance, ",
            text!(10),
            " AS auth_method, ",
            bytes!(11),
            " AS resource, ",
            text!(12),
            " AS scope FROM given) \
             SELECT a.n, c.connection_id, i.client, ",
            its_number!(),
            " FROM a \
             LEFT JOIN dcr_connections AS c ON c.user_id = a.user_id AND c.software = a.software \
             LEFT JOIN dcr_client_ids AS i ON i.client_id = a.client_id \
             WHERE NOT EXISTS (SELECT 1 FROM dcr_sessions AS s WHERE s.session_id = a.session_id) \
             AND NOT EXISTS (SELECT 1 FROM dcr_blocks WHERE kind = 'user' AND target = CAST(a.user_id AS BLOB)) \
             AND NOT EXISTS (SELECT 1 FROM dcr_blocks WHERE kind = 'connection' \
             AND target = COALESCE(c.connection_id, a.new_connection)) \
             AND NOT EXISTS (SELECT 1 FROM dcr_blocks WHERE kind = 'client_id' AND target = a.client_id) \
             AND NOT EXISTS (SELECT 1 FROM dcr_blocks WHERE kind = 'platform' AND target = a.platform) \
             AND (SELECT COUNT(*) FROM dcr_sessions AS s WHERE s.connection_id = c.connection_id \
             AND s.ended_at IS NULL AND s.expires_at > a.now) < a.sessions \
             AND (SELECT COUNT(*) FROM dcr_aliases WHERE dcr_aliases.connection_id = c.connection_id \
             AND dcr_aliases.client IS NOT i.client AND ",
            not_imported!(),
            ") < a.aliases"
        ),
        add_many_terms: concat!(
            insert_all!("dcr_client_ids", "client_id", [bytes!(0)], "(client_id) DO NOTHING"),
            "; INSERT OR ROLLBACK INTO dcr_terms (client, provenance, platform, auth_method, resource, scope) ",
            rows!(),
            " SELECT DISTINCT i.client, ",
            text!(1),
            ", ",
            bytes!(2),
            ", ",
            text!(3),
            ", ",
            bytes!(4),
            ", ",
            text!(5),
            " FROM given JOIN dcr_client_ids AS i ON i.client_id = ",
            bytes!(0)
        ),
        many_terms: concat!(
            rows!(),
            ", a AS MATERIALIZED (SELECT key AS n, ",
            bytes!(0),
            " AS client_id, ",
            text!(1),
            " AS provenance, ",
            bytes!(2),
            " AS platform, ",
            text!(3),
            " AS auth_method, ",
            bytes!(4),
            " AS resource, ",
            text!(5),
            " AS scope FROM given) SELECT a.n, i.client, ",
            its_number!(),
            " FROM a JOIN dcr_client_ids AS i ON i.client_id = a.client_id"
        ),
        put_sign_ins: concat!(
            insert_all!(
                "dcr_users",
                user_columns!(),
                [text!(0), text!(1), text!(2), text!(3), text!(4), text!(5), text!(6), text!(7)],
                user_changes!()
            ),
            "; ",
            insert_all!(
                "dcr_connections",
                "connection_id, user_id, software, platform, created_at, last_sign_in_at",
                [bytes!(0), text!(1), bytes!(2), bytes!(3), int!(4), int!(5)],
                "(user_id, software) DO UPDATE SET last_sign_in_at = excluded.last_sign_in_at"
            ),
            "; ",
            insert_all!(
                "dcr_sessions",
                session_row!(),
                [
                    bytes!(0),
                    bytes!(1),
                    int!(2),
                    bytes!(3),
                    bytes!(4),
                    bytes!(5),
                    int!(6),
                    int!(7),
                    int!(8),
                    int!(9),
                    int!(10),
                    int!(11),
                    int!(12),
                    int!(13),
                    text!(14)
                ]
            ),
            "; ",
            insert_all!(
                "dcr_aliases",
                "connection_id, client, first_used_at, last_used_at",
                [bytes!(0), int!(1), int!(2), int!(3)],
                "(connection_id, client) DO UPDATE SET last_used_at = excluded.last_used_at"
            ),
            "; ",
            insert_all!(
                "dcr_events",
                event_columns!(),
                [
                    bytes!(0),
                    int!(1),
                    text!(2),
                    text!(3),
                    text!(4),
                    bytes!(5),
                    bytes!(6),
                    bytes!(7),
                    bytes!(8),
                    text!(9),
                    text!(10)
                ]
            ),
            "; ",
            insert_all!(
                "dcr_upstream_tokens",
                "user_id, grant_id, sealed, version, refreshed_at, leased_until",
                [text!(0), bytes!(1), bytes!(2), bytes!(3), int!(4), "0"],
                "(user_id, grant_id) DO UPDATE SET sealed = excluded.sealed, version = excluded.version, \
                 leased_until = 0, refreshed_at = excluded.refreshed_at"
            ),
        ),
        advance_many: concat!(
            rows!(),
            " UPDATE dcr_sessions SET generation = a.later, advanced_at = a.now, \
             expires_at = min(a.until, dcr_sessions.absolute_expires_at), \
             redeemed_at = CASE a.earlier WHEN 0 THEN a.now ELSE dcr_sessions.redeemed_at END, \
             adopted_secret = CASE a.earlier WHEN 0 THEN a.secret ELSE dcr_sessions.adopted_secret END \
             FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS earlier, value ->> 2 AS later, value ->> 3 AS now, \
             value ->> 4 AS until, unhex(value ->> 5) AS secret FROM given) AS a \
             WHERE dcr_sessions.session_id = a.id AND dcr_sessions.generation = a.earlier \
             AND dcr_sessions.ended_at IS NULL AND dcr_sessions.expires_at > a.now RETURNING ",
            written_session!()
        ),
        catch_up: "UPDATE dcr_sessions SET adopted_secret = CASE WHEN generation = 0 THEN ? ELSE adopted_secret END, \
             generation = ?, advanced_at = ?, expires_at = min(?, absolute_expires_at), \
             redeemed_at = COALESCE(redeemed_at, ?) \
             WHERE session_id = ? AND generation < ? AND ended_at IS NULL AND absolute_expires_at > ?",

        not_ended_session: not_ended!("session_id = ?"),
        not_ended_of_connection: not_ended!("connection_id = ?"),
        not_ended_of_user: not_ended!(of_user!("?")),
        not_ended_of_client: not_ended!(of_client!("?")),
        not_ended_of_platform: not_ended!(of_platform!("?")),
        end_user: end!(of_user!("?")),
        end_client: end!(of_client!("?")),
        end_platform: end!(of_platform!("?")),
        sessions_to_erase: concat!("SELECT session_id FROM dcr_sessions WHERE ", of_user!("?"), " ORDER BY session_id"),
        erase_sessions: concat!("DELETE FROM dcr_sessions WHERE ", of_user!("?")),
        erase_aliases: concat!("DELETE FROM dcr_aliases WHERE ", of_user!("?")),

        block: "INSERT INTO dcr_blocks (kind, target) VALUES (?, ?) ON CONFLICT (kind, target) DO NOTHING",

        import_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email, member_of, roles) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user_id) DO NOTHING",
        import_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (user_id, software) DO NOTHING",
        import_alias: "INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) \
             VALUES (?, ?, ?, ?) ON CONFLICT (connection_id, client) DO NOTHING",
        import_client: "INSERT INTO dcr_imported_clients (client_id, name, redirects) VALUES (?, ?, ?) \
             ON CONFLICT (client_id) DO NOTHING",
        add_client: "INSERT INTO dcr_client_rows (client_id, kind, version, body) VALUES (?, ?, ?, ?) \
             ON CONFLICT (client_id) DO NOTHING",
        put_upstream_token: "INSERT INTO dcr_upstream_tokens \
             (user_id, grant_id, sealed, version, leased_until, refreshed_at) VALUES (?, ?, ?, ?, 0, ?) \
             ON CONFLICT (user_id, grant_id) DO UPDATE SET sealed = excluded.sealed, version = excluded.version, \
             leased_until = 0, refreshed_at = excluded.refreshed_at",
        hold_ended_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE ",
            one_ended!("?"),
            " ORDER BY user_id, grant_id"
        ),
        hold_idle_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE refreshed_at < ? AND ",
            none_live!("?"),
            " ORDER BY user_id, grant_id"
        ),
        use_up: "INSERT INTO dcr_spent (spent_id, until_at) VALUES (?, ?) ON CONFLICT (spent_id) DO NOTHING",
        sweep_used: "DELETE FROM dcr_spent WHERE spent_id IN (SELECT spent_id FROM dcr_spent WHERE until_at < ? LIMIT ?)",
        users_by_object: users!("object_id = ? AND "),
        // It folds the letters of ASCII only.
        users_by_email: users!("LOWER(email) = LOWER(?) AND "),
        users_by_text: users!(
            "INSTR(LOWER(COALESCE(name, '') || char(10) || COALESCE(email, '') || char(10) || object_id), LOWER(?)) > 0 AND "
        ),
        add_count: "INSERT INTO dcr_funnel (hour, platform, step, outcome, number) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (hour, platform, step, outcome) DO UPDATE SET number = dcr_funnel.number + excluded.number",
        events_of_reason: events!(" AND substr(reason, 1, 64) = substr(?, 1, 64) AND reason <> ''"),
        funnel_sums: "SELECT hour - (hour - ?) % ? AS piece, platform, step, outcome, SUM(number) FROM dcr_funnel \
             WHERE hour >= ? AND hour < ? GROUP BY piece, platform, step, outcome ORDER BY piece, platform, step, outcome",
        // Of many sessions most are live: to go through the table is cheaper than to look each of them up by way of an index.
        busiest: busiest!("?", "dcr_sessions NOT INDEXED", "INTEGER"),
        platform_uses: platform_uses!("?", "dcr_sessions NOT INDEXED", "INTEGER"),
        sweep_erased: "DELETE FROM dcr_erased_sessions WHERE session_id IN \
             (SELECT session_id FROM dcr_erased_sessions WHERE ended_at < ? LIMIT ?)",
        sweep_events: concat!(
            "DELETE FROM dcr_events WHERE event_id IN (SELECT event_id FROM dcr_events WHERE at < ? AND ",
            not_asked_for!(),
            " ORDER BY at LIMIT ?)"
        ),
        sweep_funnel: "DELETE FROM dcr_funnel WHERE (hour, platform, step, outcome) IN \
             (SELECT hour, platform, step, outcome FROM dcr_funnel WHERE hour < ? LIMIT ?)",
        add_request: "INSERT INTO dcr_requests (request_id, user_id, session_id, at, method, tool, status, address) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (request_id) DO NOTHING",
        sweep_requests: "DELETE FROM dcr_requests WHERE request_id IN \
             (SELECT request_id FROM dcr_requests WHERE request_id < ? ORDER BY request_id LIMIT ?)",
        put_recovery: "INSERT INTO dcr_recovery (slot, until_at) VALUES (1, ?) \
             ON CONFLICT (slot) DO UPDATE SET until_at = excluded.until_at",

        sweep_lapsed: sweep!("expires_at"),
        sweep_ended: sweep!("ended_at"),
        put_secret: "INSERT INTO dcr_secret (slot, secret) VALUES (1, ?) ON CONFLICT (slot) DO NOTHING",

        server_time: "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        ..ALIKE
    };

    const DEADLINE: Option<Duration> = None;

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

    driver_calls!(words: string, texts: string);
}
