//! MySQL 8 and MariaDB, with what both have: no `RETURNING`, no `FOR SHARE`, and in an upsert `VALUES()`, which MySQL would
//! rather see replaced by row aliases, which MariaDB does not know. (A derived table would do in both, but MySQL takes the
//! parameters in one for text, and these are bytes.)
//!
//! Transactions run at READ COMMITTED, whatever the server's default is (each connection says so): every statement sees
//! what was committed before it, and no gaps are locked.

use std::time::Duration;

use sqlx::MySql;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::question_marks::{ALIKE, events};
use super::{
    busiest, event_columns, none_live, not_asked_for, of_client, of_platform, of_user, one_ended, platform_uses,
    user_columns, users,
};
use crate::dialect::{Dialect, Fault, Statements, driver_calls};

/// The sessions of a target that have not ended, locked.
macro_rules! not_ended {
    ($target:expr) => {
        concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            $target,
            " AND ended_at IS NULL AND created_at <= ? ORDER BY session_id FOR UPDATE"
        )
    };
}

/// Their end. By a join: of a subquery in an `UPDATE` or a `DELETE` MariaDB makes one for each row of the table.
macro_rules! end {
    ($to:literal, $target:literal) => {
        concat!(
            "UPDATE dcr_sessions AS s JOIN ",
            $to,
            " SET s.ended_at = ?, s.end_reason = ? WHERE ",
            $target,
            " = ? AND s.ended_at IS NULL AND s.created_at <= ?"
        )
    };
}

/// A text as bytes, with the upper-case letters of ASCII made lower-case. LOWER would fold all the letters there are, and
/// a comparison of texts leaves out spaces at the end.
macro_rules! ascii_lowercase {
    ($text:literal) => {
        ascii_lowercase!($text: A a B b C c D d E e F f G g H h I i J j K k L l M m N n O o P p Q q R r S s T t U u V v W w
            X x Y y Z z)
    };
    ($text:literal: $($upper:ident $lower:ident)+) => {
        concat!(
            $(ascii_lowercase!(@open $upper),)+
            "CAST(", $text, " AS BINARY)",
            $(", '", stringify!($upper), "', '", stringify!($lower), "')"),+
        )
    };
    (@open $upper:ident) => { "REPLACE(" };
}

impl Dialect for MySql {
    const SQL: Statements = Statements {
        begin: "START TRANSACTION",
        hold_blocks: "SELECT slot FROM dcr_lock WHERE slot = 1 LOCK IN SHARE MODE",
        change_blocks: "SELECT slot FROM dcr_lock WHERE slot = 1 FOR UPDATE",

        put_user: "INSERT INTO dcr_users (user_id, issuer, tenant, object_id, name, email, member_of, roles) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
             ON DUPLICATE KEY UPDATE name = VALUES(name), email = VALUES(email), \
             member_of = VALUES(member_of), roles = VALUES(roles)",
        put_connection: "INSERT INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON DUPLICATE KEY UPDATE last_sign_in_at = VALUES(last_sign_in_at)",
        add_client_id: "INSERT IGNORE INTO dcr_client_ids (client_id) VALUES (?)",
        put_alias: "INSERT INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) VALUES (?, ?, ?, ?) \
             ON DUPLICATE KEY UPDATE last_used_at = VALUES(last_used_at)",

        redeem: "UPDATE dcr_sessions SET generation = ?, advanced_at = ?, expires_at = LEAST(?, absolute_expires_at), \
             redeemed_at = ?, adopted_secret = ? \
             WHERE session_id = ? AND generation = 0 AND ended_at IS NULL AND expires_at > ?",
        refresh: "UPDATE dcr_sessions SET generation = ?, advanced_at = ?, expires_at = LEAST(?, absolute_expires_at) \
             WHERE session_id = ? AND generation = ? AND ended_at IS NULL AND expires_at > ?",
        // Its assignments are carried out one after the other: the counter last of those that look at it.
        catch_up: "UPDATE dcr_sessions SET adopted_secret = CASE WHEN generation = 0 THEN ? ELSE adopted_secret END, \
             generation = ?, advanced_at = ?, expires_at = LEAST(?, absolute_expires_at), \
             redeemed_at = COALESCE(redeemed_at, ?) \
             WHERE session_id = ? AND generation < ? AND ended_at IS NULL AND absolute_expires_at > ?",

        not_ended_session: not_ended!("session_id = ?"),
        not_ended_of_connection: not_ended!("connection_id = ?"),
        not_ended_of_user: not_ended!(of_user!("?")),
        not_ended_of_client: not_ended!(of_client!("?")),
        not_ended_of_platform: not_ended!(of_platform!("?")),
        end_user: end!("dcr_connections AS c ON c.connection_id = s.connection_id", "c.user_id"),
        end_client: end!(
            "dcr_terms AS t ON t.terms = s.terms JOIN dcr_client_ids AS i ON i.client = t.client",
            "i.client_id"
        ),
        end_platform: end!("dcr_terms AS t ON t.terms = s.terms", "t.platform"),
        erase_sessions: "DELETE s FROM dcr_sessions AS s JOIN dcr_connections AS c \
             ON c.connection_id = s.connection_id WHERE c.user_id = ?",
        erase_aliases: "DELETE a FROM dcr_aliases AS a JOIN dcr_connections AS c \
             ON c.connection_id = a.connection_id WHERE c.user_id = ?",

        // Only after `change_blocks` and a look at what is there: nobody else inserts one in between.
        block: "INSERT INTO dcr_blocks (kind, target) VALUES (?, ?)",

        // IGNORE, since an upsert that changes nothing counts as a row that matched. What it would ignore beside a taken key
        // cannot be: the values are within the bounds of their columns, and what they refer to was inserted just before.
        import_user: "INSERT IGNORE INTO dcr_users (user_id, issuer, tenant, object_id, name, email, member_of, roles) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        import_connection: "INSERT IGNORE INTO dcr_connections \
             (connection_id, user_id, software, platform, created_at, last_sign_in_at) VALUES (?, ?, ?, ?, ?, ?)",
        import_alias: "INSERT IGNORE INTO dcr_aliases (connection_id, client, first_used_at, last_used_at) \
             VALUES (?, ?, ?, ?)",
        add_client: "INSERT IGNORE INTO dcr_client_rows (client_id, kind, version, body) VALUES (?, ?, ?, ?)",
        put_upstream_token: "INSERT INTO dcr_upstream_tokens \
             (user_id, grant_id, sealed, version, leased_until, refreshed_at) VALUES (?, ?, ?, ?, 0, ?) \
             ON DUPLICATE KEY UPDATE sealed = VALUES(sealed), version = VALUES(version), leased_until = 0, \
             refreshed_at = VALUES(refreshed_at)",
        hold_ended_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE ",
            one_ended!("?"),
            " ORDER BY user_id, grant_id FOR UPDATE"
        ),
        hold_idle_upstream_tokens: concat!(
            "SELECT user_id FROM dcr_upstream_tokens WHERE refreshed_at < ? AND ",
            none_live!("?"),
            " ORDER BY user_id, grant_id FOR UPDATE"
        ),
        use_up: "INSERT IGNORE INTO dcr_spent (spent_id, until_at) VALUES (?, ?)",
        sweep_used: "DELETE FROM dcr_spent WHERE until_at < ? LIMIT ?",
        import_client: "INSERT IGNORE INTO dcr_imported_clients (client_id, name, redirects) VALUES (?, ?, ?)",
        // Without the cast spaces at its end would not count.
        users_by_object: users!("CAST(object_id AS BINARY) = CAST(? AS BINARY) AND "),
        users_by_email: concat!(
            "SELECT ",
            user_columns!(),
            " FROM dcr_users WHERE ",
            ascii_lowercase!("email"),
            " = ",
            ascii_lowercase!("?"),
            " AND user_id > ? ORDER BY user_id LIMIT ?"
        ),
        // Case is folded in more than ASCII, since these are no bytes.
        users_by_text: users!(
            "LOCATE(LOWER(?), LOWER(CONCAT_WS('\\n', COALESCE(name, ''), COALESCE(email, ''), object_id))) > 0 AND "
        ),
        add_count: "INSERT INTO dcr_funnel (hour, platform, step, outcome, number) VALUES (?, ?, ?, ?, ?) \
             ON DUPLICATE KEY UPDATE number = number + VALUES(number)",
        // Of a text only the beginning is in the index; spaces at its end are looked at with the digits.
        events_of_reason: events!(" AND reason = ?"),
        funnel_sums: "SELECT CAST(hour - (hour - ?) % ? AS SIGNED) AS piece, platform, step, outcome, \
             CAST(SUM(number) AS SIGNED) FROM dcr_funnel WHERE hour >= ? AND hour < ? \
             GROUP BY piece, platform, step, outcome ORDER BY piece, platform, step, outcome",
        sessions_to_erase: concat!(
            "SELECT session_id FROM dcr_sessions WHERE ",
            of_user!("?"),
            " ORDER BY session_id FOR UPDATE"
        ),
        busiest: busiest!("?", "dcr_sessions", "SIGNED"),
        platform_uses: platform_uses!("?", "dcr_sessions", "SIGNED"),
        sweep_erased: "DELETE FROM dcr_erased_sessions WHERE ended_at < ? LIMIT ?",
        sweep_events: concat!("DELETE FROM dcr_events WHERE at < ? AND ", not_asked_for!(), " ORDER BY at LIMIT ?"),
        sweep_funnel: "DELETE FROM dcr_funnel WHERE hour < ? LIMIT ?",
        add_request: "INSERT IGNORE INTO dcr_requests (request_id, user_id, session_id, at, method, tool, status, address) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        sweep_requests: "DELETE FROM dcr_requests WHERE request_id < ? ORDER BY request_id LIMIT ?",
        put_recovery: "INSERT INTO dcr_recovery (slot, until_at) VALUES (1, ?) \
             ON DUPLICATE KEY UPDATE until_at = VALUES(until_at)",

        sweep_lapsed: "DELETE FROM dcr_sessions WHERE expires_at < ? LIMIT ?",
        sweep_ended: "DELETE FROM dcr_sessions WHERE ended_at < ? LIMIT ?",
        put_secret: "INSERT INTO dcr_secret (slot, secret) VALUES (1, ?) ON DUPLICATE KEY UPDATE slot = 1",

        server_time: "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))",
        ..ALIKE
    };

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(8));

    fn fault(error: &dyn DatabaseError) -> Fault {
        match error.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number) {
            // A deadlock (also a lost certification in Galera), and a row that changed since it was read.
            Some(1213 | 1020) => Fault::Conflict,
            // Shutdown, killed, broken packets, the server's own idle time-out.
            Some(1053 | 1927 | 1158..=1161 | 4031) => Fault::Lost,
            // Too many connections (of the server, of a user), out of memory or resources, a lock or a statement beyond
            // its time-out, interrupted; disk or table full; a primary that became read-only; Galera without quorum;
            // access that was withdrawn.
            Some(
                1040 | 1203 | 1226 | 1037 | 1038 | 1041 | 1135 | 1205 | 1206 | 1317 | 1969 | 3024 | 1021 | 1114 | 1290
                | 1792 | 1836 | 1047 | 1044 | 1045 | 1142 | 1143,
            ) => Fault::Unavailable,
            _ => Fault::Inconsistent,
        }
    }

    // VARBINARY for words, so that they are compared as bytes: the collations of text fold case or ignore spaces at its end.
    driver_calls!(words: bytes, texts: string);
}
