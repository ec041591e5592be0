//! What SQLite and MySQL write alike.

use super::{event_columns, not_imported, session_columns, user_columns, users};
use crate::dialect::Statements;

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
            "SELECT ",
            event_columns!(),
            " FROM dcr_events WHERE ",
            $filter,
            "at >= ? AND at <= ? AND (at < ? OR event_id < ?) ORDER BY at DESC, event_id DESC LIMIT ?"
        )
    };
}

/// Empty where they differ; each of the two fills that in.
pub(super) const ALIKE: Statements = Statements {
    begin: "",
    hold_blocks: "",
    change_blocks: "",

    put_user: "",
    put_connection: "",
    find_connection: "SELECT connection_id FROM dcr_connections WHERE user_id = ? AND software = ?",
    put_alias: "",
    count_aliases: concat!("SELECT COUNT(*) FROM dcr_aliases WHERE connection_id = ? AND ", not_imported!()),
    unused_aliases: concat!(
        "SELECT client_id FROM dcr_aliases WHERE connection_id = ? AND client_id <> ? AND ",
        not_imported!(),
        " ORDER BY last_used_at, first_used_at, client_id LIMIT ?"
    ),
    drop_alias: "DELETE FROM dcr_aliases WHERE connection_id = ? AND client_id = ?",
    idle_sessions: "SELECT session_id FROM dcr_sessions \
         WHERE connection_id = ? AND ended_at IS NULL AND expires_at > ? ORDER BY advanced_at, session_id",
    add_session: concat!(
        "INSERT INTO dcr_sessions (",
        session_columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    add_event: concat!("INSERT INTO dcr_events (", event_columns!(), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"),

    session: concat!("SELECT ", session_columns!(), " FROM dcr_sessions WHERE session_id = ?"),
    session_view: concat!(
        "SELECT ",
        session_columns!(),
        ", user_id, issuer, tenant, object_id, name, email FROM dcr_sessions JOIN dcr_users USING (user_id) \
         WHERE session_id = ?"
    ),
    redeem: "",
    refresh: "",
    catch_up: "",

    not_ended_session: "",
    not_ended_of_connection: "",
    not_ended_of_user: "",
    not_ended_of_client: "",
    not_ended_of_platform: "",
    end_session: end!("session_id"),
    end_connection: end!("connection_id"),
    end_user: end!("user_id"),
    end_client: end!("client_id"),
    end_platform: end!("platform"),
    ended_since: "SELECT session_id, ended_at FROM dcr_sessions WHERE ended_at >= ? ORDER BY ended_at, session_id",

    block: "",
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
         (SELECT COUNT(*) FROM dcr_imported_clients), (SELECT COUNT(*) FROM dcr_client_rows), \
         (SELECT COUNT(*) FROM dcr_spent), (SELECT COUNT(*) FROM dcr_upstream_tokens)",
    events: events!(""),
    events_of_user: events!("user_id = ? AND "),
    events_of_session: events!("session_id = ? AND "),
    events_of_both: events!("user_id = ? AND session_id = ? AND "),

    import_user: "",
    import_connection: "",
    import_alias: "",
    import_client: "",
    imported_client: "SELECT client_id, name, redirects FROM dcr_imported_clients WHERE client_id = ?",
    any_imported: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_imported_clients LIMIT 1) AS one",
    client: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id = ?",
    any_client: "SELECT COUNT(*) FROM (SELECT client_id FROM dcr_client_rows LIMIT 1) AS one",
    clients: "SELECT client_id, version, kind, body FROM dcr_client_rows WHERE client_id > ? ORDER BY client_id LIMIT ?",
    add_client: "",
    change_client: "UPDATE dcr_client_rows SET kind = ?, version = ?, body = ? WHERE client_id = ? AND version = ?",
    drop_client: "DELETE FROM dcr_client_rows WHERE client_id = ? AND kind = ?",
    put_upstream_token: "",
    hold_ended_upstream_tokens: "",
    hold_idle_upstream_tokens: "",
    upstream_token: "SELECT sealed, version, leased_until, refreshed_at FROM dcr_upstream_tokens \
        WHERE user_id = ? AND grant_id = ?",
    lease_upstream_token: "UPDATE dcr_upstream_tokens SET leased_until = ? \
        WHERE user_id = ? AND grant_id = ? AND version = ? AND leased_until <= ?",
    replace_upstream_token: "UPDATE dcr_upstream_tokens \
        SET sealed = ?, version = ?, refreshed_at = ?, leased_until = 0 \
        WHERE user_id = ? AND grant_id = ? AND version = ?",
    drop_upstream_token: "DELETE FROM dcr_upstream_tokens WHERE user_id = ? AND grant_id = ? AND version = ?",
    drop_ended_upstream_tokens: "DELETE FROM dcr_upstream_tokens WHERE user_id IN (SELECT user_id FROM dcr_sessions WHERE ended_at = ?) AND \
        NOT EXISTS (SELECT 1 FROM dcr_sessions AS s WHERE s.user_id = dcr_upstream_tokens.user_id \
        AND s.ended_at IS NULL AND s.expires_at > ?)",
    drop_idle_upstream_tokens: "DELETE FROM dcr_upstream_tokens WHERE refreshed_at < ? AND \
        NOT EXISTS (SELECT 1 FROM dcr_sessions AS s WHERE s.user_id = dcr_upstream_tokens.user_id \
        AND s.ended_at IS NULL AND s.expires_at > ?)",
    use_up: "",
    sweep_used: "",
    put_recovery: "",
    recovery: "SELECT until_at FROM dcr_recovery WHERE slot = 1",

    users: users!(""),
    users_by_id: users!("user_id = ? AND "),
    users_by_object: "",
    users_by_email: "",
    users_by_client: users!(
        "user_id IN (SELECT c.user_id FROM dcr_connections AS c JOIN dcr_aliases AS a \
         ON a.connection_id = c.connection_id WHERE a.client_id = ?) AND "
    ),
    census: "SELECT COUNT(CASE WHEN ended_at IS NULL AND expires_at > ? THEN 1 END), \
         COUNT(CASE WHEN ended_at IS NULL AND expires_at <= ? THEN 1 END), COUNT(ended_at) FROM dcr_sessions",
    busiest: "SELECT user_id, COUNT(*) FROM dcr_sessions WHERE ended_at IS NULL AND expires_at > ? \
         GROUP BY user_id ORDER BY COUNT(*) DESC, user_id LIMIT 10",

    sweep_lapsed: "",
    sweep_ended: "",
    put_secret: "",
    secret: "SELECT secret FROM dcr_secret WHERE slot = 1",

    server_time: "",
    sweepable: "SELECT COUNT(*) FROM dcr_sessions WHERE expires_at < ? OR ended_at < ?",
};
